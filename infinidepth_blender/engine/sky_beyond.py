"""Splats of the sky that the photo does not show: behind the foreground and beyond the frame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..camera import Camera
from ..field.resample import nearest
from ..geometry.backdrop import FRAME_MARGIN, behind_foreground
from ..geometry.rims import grown
from ..reconstruction import FLAG_SKY, FLAG_VALID, Gaussians
from ..splats.of_photo import resized_photo, sky_splats
from .painted_sky import painted_sky

COARSER = 3
"""How many pixels of the grid of the other splats a splat is wide: painted sky is smooth."""
FARTHER = 1.01
"""Distance over that of the sky which the photo shows: what it shows covers them."""
_FRINGE_PX = 2


def splats_of_sky_beyond(
    depth_m: NDArray[np.float32],
    flags: NDArray[np.uint8],
    camera: Camera,
    photo_srgb: NDArray[np.uint8],
    sky_depth_m: float,
) -> Gaussians | None:
    """Goes on with the sky where a camera that moves by `CAMERA_MOVE` sees it.

    Args:
        depth_m: (h, w) distance along the optical axis, metres.
        flags: (h, w) bits `FLAG_VALID` and `FLAG_SKY`; what has neither is cut out of the photo.
        camera: The photo's camera.
        photo_srgb: (H, W, 3) uint8 photo.
        sky_depth_m: Depth of the plane of the sky's own splats.

    Returns:
        The splats; None where the photo shows no sky.
    """
    height, width = (max(1, round(side / COARSER)) for side in depth_m.shape)
    depth_m, flags = nearest(depth_m, height, width), nearest(flags, height, width)
    sky = (flags & FLAG_SKY) > 0
    if not sky.any():
        return None
    behind = behind_foreground(depth_m, (flags & FLAG_VALID) > 0, sky, camera, sky_depth_m)
    margin = max(1, round(FRAME_MARGIN * max(height, width)))
    there = np.pad(sky | behind, margin, mode="edge")
    # A splat more under the sky that is seen, whose edge is finer than these.
    there[margin:-margin, margin:-margin] = grown(behind) & (sky | behind)
    picture = painted_sky(resized_photo(photo_srgb, width, height), sky, margin, _FRINGE_PX)
    small = camera.resized(width, height)
    wide = replace(
        small,
        width_px=width + 2 * margin,
        height_px=height + 2 * margin,
        cx_px=small.cx_px + margin,
        cy_px=small.cy_px + margin,
    )
    return sky_splats(there, wide, picture, FARTHER * sky_depth_m)
