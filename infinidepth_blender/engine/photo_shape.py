"""Pictures as they are meant to be seen: turned upright, with square pixels."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

QUARTER_TURNS = (5, 6, 7, 8)
"""Orientations that exchange width and height."""

_LEAST_CHANGE = 1e-3


def upright(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Applies an EXIF orientation (CIPA DC-008, tag 274) to the first two axes of (H, W, ...)."""
    if orientation in QUARTER_TURNS:
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return np.ascontiguousarray(array)


def square_width_px(width_px: int, aspect: float) -> int:
    """Width of a picture with square pixels whose pixels were `aspect` times as wide as high; that of the file if it makes no sense."""
    if not 0 < aspect < np.inf or abs(aspect - 1) < _LEAST_CHANGE:
        return width_px
    return max(1, round(width_px * aspect))


def with_width(pixels: NDArray[Any], width_px: int) -> NDArray[Any]:
    """Stretches (H, W, ...) pixels to another width: whole numbers sharply, light without the rings that a sharp filter draws around lamps."""
    if pixels.shape[1] == width_px:
        return pixels
    filtering = cv2.INTER_LINEAR if pixels.dtype.kind == "f" else cv2.INTER_LANCZOS4
    return np.asarray(cv2.resize(pixels, (width_px, pixels.shape[0]), interpolation=filtering), pixels.dtype)
