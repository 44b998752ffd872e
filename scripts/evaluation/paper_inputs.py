"""What the released code does to photos and true depth before it uses them.

For evaluations that follow it to the letter. The extension itself keeps the whole photo and the farthest depths.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .datasets import Dataset
from .items import TrueDepth

MAX_DEPTH_M = 200.0


def as_released(dataset: Dataset, photo: NDArray[np.uint8], truth: TrueDepth) -> tuple[NDArray[np.uint8], TrueDepth]:
    """The photo that the network is shown, and the truth of the same part of it.

    What the data set's border is wide is cut off, then the middle of the network's shape is taken. The photo becomes
    the network's input; the truth gets the same size, but at data sets rendered at 4K, where it keeps its pixels.

    Args:
        dataset: Tells border and input size.
        photo: (H, W, 3) of the whole picture.
        truth: Of the whole picture, at any resolution.
    """
    height, width = dataset.paper_input
    rows, columns = dataset.border_px
    size = truth.depth_m.shape

    def cut(values: NDArray[Any]) -> NDArray[Any]:
        return middle(values[rows : len(values) - rows, columns : values.shape[1] - columns], height, width)

    def part(values: NDArray[Any]) -> NDArray[Any]:
        if (rows or columns) and values.shape != size:
            values = resized_nearest(values, *size)  # the border is told in pixels of the truth
        values = cut(values)
        return values if dataset.fine else resized_nearest(values, height, width)

    if (rows or columns) and photo.shape[:2] != size:
        photo = resized_photo(photo, *size)
    rest = (None if values is None else part(values) for values in truth[1:])
    return resized_photo(cut(photo), height, width), TrueDepth(part(truth.depth_m), *rest)


def middle(values: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """The largest part of (H, W, ...) in the middle whose sides are as height to width, in whole pixels."""
    rows, columns = values.shape[:2]
    kept = (
        (rows, int(rows * width / height))
        if columns * height > rows * width
        else (int(columns * height / width), columns)
    )
    top, left = (rows - kept[0]) // 2, (columns - kept[1]) // 2
    return values[top : top + kept[0], left : left + kept[1]]


def resized_photo(image_srgb: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """The network's input: (height, width, 3), the aspect ratio not kept, by the area method even when enlarging."""
    return np.asarray(cv2.resize(image_srgb, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def resized_nearest(values: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """Nearest neighbours as OpenCV takes them: pixel floor(i h / height)."""
    if values.dtype == bool:
        return cv2.resize(values.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
    return cv2.resize(values, (width, height), interpolation=cv2.INTER_NEAREST)


def disparity_of(depth_m: NDArray[np.floating]) -> NDArray[np.floating]:
    """1 / depth where it is positive; 0 and negative values stay what they are."""
    return np.divide(1, depth_m, out=depth_m.copy(), where=depth_m > 0)


def depth_of(disparity: NDArray[np.floating]) -> NDArray[np.floating]:
    """1 / disparity, at most 200 m."""
    return 1 / np.maximum(disparity, 1 / MAX_DEPTH_M)
