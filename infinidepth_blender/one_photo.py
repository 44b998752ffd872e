"""Settings that measure one photo, and what happens where there are several."""

from __future__ import annotations

from .errors import OptionsError
from .options import ReconstructOptions


def refuse_for_several(
    options: ReconstructOptions, photos: int, remedy: str = "Use --depth-prompt with a single photo."
) -> None:
    """Makes sure that no photo gets the depth or the distance that was measured in another one.

    Args:
        options: What all the photos would be made with.
        photos: How many they are.
        remedy: What to do about a depth file.

    Raises:
        OptionsError: there are several, and a measurement belongs to one of them.
    """
    if photos <= 1:
        return
    if options.depth_prompt:
        raise OptionsError("One depth file was given for several photos.", remedy)
    if options.known_distance:
        raise OptionsError(
            "A known distance was given for several photos.", "Use --known-distance with a single photo."
        )
