"""Distances that the user knows and that give a scene its scale: `--known-distance`.

`X,Y=METRES` is the straight line from the camera to what the photo shows at that pixel;
`X,Y:X,Y=METRES` is the straight line between what it shows at two pixels. Pixels are counted
from the upright photo's top left corner, as picture viewers show them.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal

from .errors import OptionsError

_NUMBER = r"\s*(-?\d+(?:\.\d+)?)\s*"
_FORM = re.compile(rf"{_NUMBER},{_NUMBER}(?::{_NUMBER},{_NUMBER})?=\s*([^\s=]+?)\s*m?\s*")
_REMEDY = "Write X,Y=METRES from the camera to a pixel, or X,Y:X,Y=METRES between two pixels."


@dataclass(frozen=True)
class KnownDistance:
    """A distance in the scene.

    Attributes:
        pixels_xy: One pixel of the upright photo (then from the camera), or two; whole numbers are pixel centres.
        distance_m: Metres along the straight line.
    """

    pixels_xy: tuple[tuple[float, float], ...]
    distance_m: float

    @classmethod
    def parse(cls, text: str) -> KnownDistance:
        """Reads one of the two forms.

        Raises:
            OptionsError: it has neither form, or the distance is not positive.
        """
        match = _FORM.fullmatch(text)
        try:
            distance_m = float(match[5]) if match else math.nan
        except ValueError:
            distance_m = math.nan
        if match is None or math.isnan(distance_m):
            raise OptionsError(f"The known distance '{text}' is not understood.", _REMEDY)
        if not 0 < distance_m < math.inf:
            raise OptionsError(
                f"A known distance of {match[5]} m is not possible.", "Give a positive number of metres."
            )
        ends = [(match[1], match[2])] + ([(match[3], match[4])] if match[3] is not None else [])
        pixels = tuple((float(x), float(y)) for x, y in ends)
        if len(set(pixels)) < len(pixels):
            raise OptionsError(f"The known distance '{text}' ends where it begins.", _REMEDY)
        return cls(pixels, distance_m)

    def __str__(self) -> str:
        """The form that `parse` reads."""
        ends = (",".join(_plain(value) for value in pixel) for pixel in self.pixels_xy)
        return f"{':'.join(ends)}={repr(self.distance_m).removesuffix('.0')}"


def _plain(value: float) -> str:
    """All digits and no exponent, which `parse` does not read in pixels."""
    return f"{Decimal(repr(value)).normalize():f}"
