"""What the released code does to photos and true depth before it uses them.

For evaluations that follow it to the letter. The extension itself reads depth in its own
way: it keeps the aspect ratio and the farthest depths.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

MAX_DEPTH_M = 200.0


def resized_photo(image_srgb: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """The network's input: (height, width, 3), the aspect ratio not kept, by the area method even when enlarging."""
    return np.asarray(cv2.resize(image_srgb, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def resized_nearest(values: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """Nearest neighbours as OpenCV takes them: pixel floor(i h / height)."""
    return cv2.resize(values, (width, height), interpolation=cv2.INTER_NEAREST)


def disparity_of(depth_m: NDArray[np.floating]) -> NDArray[np.floating]:
    """1 / depth where it is positive; 0 and negative values stay what they are."""
    return np.divide(1, depth_m, out=depth_m.copy(), where=depth_m > 0)


def depth_of(disparity: NDArray[np.floating]) -> NDArray[np.floating]:
    """1 / disparity, at most 200 m."""
    return 1 / np.maximum(disparity, 1 / MAX_DEPTH_M)
