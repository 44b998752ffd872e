"""Colours for what the foreground hides: the photo with its foreground painted over from the far side."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ..srgb import decode_srgb, encode_srgb
from .photo_deep import to_half

MAX_SIDE_PX = 1536
"""Longer side at which colours are made up: they are smooth, and the time is bounded."""
RADIUS_PX = 4
FRINGE = 2.5
"""Vertices of the mesh around the foreground whose pixels may show a mixture of both sides."""


def inpaint_background(photo_srgb: NDArray[np.uint8], uncertain: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Paints over the foreground next to depth steps, with colours of the surface behind it.

    Args:
        photo_srgb: (H, W, 3) the photo.
        uncertain: (h, w) vertices of the mesh that show the foreground instead.

    Returns:
        (H', W', 3) uint8 sRGB, the photo's picture in its proportions, at most `MAX_SIDE_PX` wide
        or high; made up where the photo shows the foreground.
    """
    size = _size_px(photo_srgb)
    picture = cv2.resize(photo_srgb, size, interpolation=cv2.INTER_AREA)
    return cv2.inpaint(picture, _mask(uncertain, size), RADIUS_PX, cv2.INPAINT_TELEA).astype(np.uint8, copy=False)


def inpaint_background_light(photo_linear: NDArray[np.float16], uncertain: NDArray[np.bool_]) -> NDArray[np.float16]:
    """Like `inpaint_background` for a photo in linear light, so that what is behind is as bright as what is around it.

    Args:
        photo_linear: (H, W, 3) the photo.
        uncertain: (h, w) vertices of the mesh that show the foreground instead.

    Returns:
        (H', W', 3) float16 linear light.
    """
    size = _size_px(photo_linear)
    mask = _mask(uncertain, size)
    out = np.empty((size[1], size[0], 3), dtype=np.float16)
    for i in range(3):
        light = cv2.resize(photo_linear[..., i].astype(np.float32), size, interpolation=cv2.INTER_AREA)
        # Encoded as the eye sees them, a few bright pixels do not outshine all others around a hole.
        # The method adds slopes of about 1 whatever the picture's range, so it must be that of 8 bits.
        encoded = 255 * encode_srgb(np.maximum(light, 0))
        painted = cv2.inpaint(encoded.astype(np.float32), mask, RADIUS_PX, cv2.INPAINT_TELEA)
        out[..., i] = to_half(np.where(mask > 0, decode_srgb(np.maximum(painted, 0) / 255), light))
    return out


def _size_px(photo: NDArray[np.uint8] | NDArray[np.float16]) -> tuple[int, int]:
    """Width and height at which colours are made up."""
    height, width = photo.shape[:2]
    scale = min(1.0, MAX_SIDE_PX / max(height, width))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _mask(uncertain: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.uint8]:
    """1 where the colours are made up, at a size in pixels."""
    step_px = size[0] / (uncertain.shape[1] - 1)
    # Vertices stand on the photo's border: the grid of their cells covers half a step more.
    padded = cv2.resize(
        uncertain.astype(np.uint8), None, fx=max(step_px, 1), fy=max(step_px, 1), interpolation=cv2.INTER_NEAREST
    )
    mask = cv2.resize(padded, size, interpolation=cv2.INTER_AREA if step_px < 1 else cv2.INTER_NEAREST)
    reach = max(1, round(FRINGE * step_px))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2)
    return cv2.dilate((mask > 0).astype(np.uint8), disc).astype(np.uint8, copy=False)
