"""Colours for what the foreground hides: the photo with its foreground painted over from the far side."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

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
    height, width = photo_srgb.shape[:2]
    scale = min(1.0, MAX_SIDE_PX / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    picture = cv2.resize(photo_srgb, size, interpolation=cv2.INTER_AREA)
    step_px = size[0] / (uncertain.shape[1] - 1)
    # Vertices stand on the photo's border: the grid of their cells covers half a step more.
    padded = cv2.resize(
        uncertain.astype(np.uint8), None, fx=max(step_px, 1), fy=max(step_px, 1), interpolation=cv2.INTER_NEAREST
    )
    mask = cv2.resize(padded, size, interpolation=cv2.INTER_AREA if step_px < 1 else cv2.INTER_NEAREST)
    reach = max(1, round(FRINGE * step_px))
    mask = cv2.dilate((mask > 0).astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2))
    return cv2.inpaint(picture, mask, RADIUS_PX, cv2.INPAINT_TELEA).astype(np.uint8, copy=False)
