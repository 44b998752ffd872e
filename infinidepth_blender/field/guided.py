"""Small maps brought to a photo's size so that their borders follow the photo's colours.

The guided filter of He, Sun and Tang (ECCV 2010), in its fast form (arXiv 1505.00996): in a window around every place of
the small map its values are a linear function of the colours, found by least squares on the small picture and read on
the large one.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def guided(
    values: NDArray[np.float32], colours: NDArray[np.uint8] | NDArray[np.float32], reach_px: int, plain: float
) -> NDArray[np.float32]:
    """Values at the resolution of the colours.

    Args:
        values: (h, w).
        colours: (H, W, 3) uint8, or float32 in [0, 1], of the same view, H and W not smaller than h and w.
        reach_px: Half a window, in places of `values`.
        plain: Variance of colours in [0, 1] below which a window counts as plain, and says the mean of its values.

    Returns:
        (H, W); it may reach a little beyond the range of `values`.
    """
    height, width = values.shape
    scale = np.float32(1 / 255 if colours.dtype == np.uint8 else 1)
    shrunk = cv2.resize(colours, (width, height), interpolation=cv2.INTER_AREA)
    small = np.asarray(shrunk, np.float32).reshape(height, width, 3) * scale
    window = 2 * reach_px + 1

    def mean(numbers: NDArray[np.float32]) -> NDArray[np.float32]:
        averaged = cv2.boxFilter(numbers, -1, (window, window), borderType=cv2.BORDER_REPLICATE)
        return np.asarray(averaged, np.float32).reshape(numbers.shape)

    colour_mean, value_mean = mean(small), mean(values)
    variance = np.empty((height, width, 3, 3), np.float32)
    for i in range(3):
        for j in range(i + 1):
            product = mean(np.ascontiguousarray(small[..., i] * small[..., j]))
            variance[..., i, j] = variance[..., j, i] = product - colour_mean[..., i] * colour_mean[..., j]
    variance += np.eye(3, dtype=np.float32) * np.float32(plain)
    together = mean(small * values[..., None]) - colour_mean * value_mean[..., None]
    slope = np.linalg.solve(variance, together[..., None])[..., 0]
    offset = value_mean - (slope * colour_mean).sum(axis=-1)

    def enlarged(numbers: NDArray[np.float32]) -> NDArray[np.float32]:
        size = colours.shape[1], colours.shape[0]
        larger = cv2.resize(mean(np.ascontiguousarray(numbers)), size, interpolation=cv2.INTER_LINEAR)
        return np.asarray(larger, np.float32)

    result = enlarged(offset)
    # One channel after the other, since photos are large.
    for channel in range(3):
        result += enlarged(slope[..., channel] * scale) * colours[..., channel]
    return result
