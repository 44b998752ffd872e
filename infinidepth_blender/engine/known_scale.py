"""The scale of a scene from distances that the user knows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from ..camera import Camera
from ..errors import OptionsError
from ..field.align import AlignedField
from ..field.protocol import DepthField
from ..known_distance import KnownDistance
from .scale import UNKNOWN_SCALE, ScaledField

_DISAGREEMENT = 0.2
_SKY_GRID_PX = 384


def scale_by_known_distances(scaled: ScaledField, distances: Sequence[KnownDistance], camera: Camera) -> ScaledField:
    """The field made larger or smaller as a whole, so that known distances come out.

    Several distances each ask for a factor; the median of them is taken.

    Args:
        scaled: A field whose shape is right and whose scale may not be.
        distances: What the user knows; none: the field stays as it is.
        camera: Camera of the upright photo.

    Raises:
        OptionsError: a pixel lies outside of the photo, or on the sky.
    """
    if not distances:
        return scaled
    factors = np.array([known.distance_m / _distance(scaled.field, known, camera) for known in distances])
    factor = float(np.median(factors))
    warnings = [note for note in scaled.warnings if note != UNKNOWN_SCALE]
    worst = float(np.abs(factors / factor - 1).max())
    if worst > _DISAGREEMENT:
        warnings.append(
            f"The known distances contradict one another by up to {worst:.0%}: the median of their scales was taken."
        )
    details = scaled.details | {
        "scale": "known distance",
        "known_distances": [str(known) for known in distances],
        "known_distance_factor": factor,
    }
    return ScaledField(AlignedField(scaled.field, 1 / factor, 0.0, "metric"), True, details, tuple(warnings))


def check_inside(known: KnownDistance, width_px: int, height_px: int) -> None:
    """Makes sure that a distance is one in the photo.

    Raises:
        OptionsError: a pixel lies outside of it.
    """
    for x, y in known.pixels_xy:
        if not (0 <= x < width_px and 0 <= y < height_px):
            raise OptionsError(
                f"The known distance '{known}' has the pixel {x:g},{y:g}, but the photo has {width_px} x {height_px} pixels.",
                "Count from the top left corner of the upright photo.",
            )


def _distance(field: DepthField, known: KnownDistance, camera: Camera) -> float:
    """The distance as it is in the field, in the field's own unit."""
    points = [_point(field, pixel, known, camera) for pixel in known.pixels_xy]
    start = points[1] if len(points) > 1 else np.zeros(3)
    return max(float(np.linalg.norm(points[0] - start)), 1e-12)


def _point(
    field: DepthField, pixel_xy: tuple[float, float], known: KnownDistance, camera: Camera
) -> NDArray[np.float64]:
    x, y = pixel_xy
    check_inside(known, camera.width_px, camera.height_px)
    coords = torch.tensor([[(y + 0.5) / camera.height_px * 2 - 1, (x + 0.5) / camera.width_px * 2 - 1]])
    disparity = float(field.disparity(coords)[0])
    if not (np.isfinite(disparity) and disparity > 0) or _is_sky(field, pixel_xy, camera):
        raise OptionsError(
            f"The known distance '{known}' points at {x:g},{y:g}, where the photo shows no surface.",
            "Choose a pixel that is not sky.",
        )
    return camera.unproject(np.array(x + 0.5), np.array(y + 0.5), np.array(1 / disparity)).astype(np.float64)


def _is_sky(field: DepthField, pixel_xy: tuple[float, float], camera: Camera) -> bool:
    factor = min(1.0, _SKY_GRID_PX / max(camera.width_px, camera.height_px))
    width, height = max(1, round(camera.width_px * factor)), max(1, round(camera.height_px * factor))
    row = min(int((pixel_xy[1] + 0.5) / camera.height_px * height), height - 1)
    column = min(int((pixel_xy[0] + 0.5) / camera.width_px * width), width - 1)
    return bool(field.sky_grid(height, width)[row, column] >= 0.5)
