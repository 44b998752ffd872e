"""Outlines as fine as the photo: which of two surfaces is seen follows the photo's own colours.

The network sees the photo much smaller than it is and knows an outline to about one of its pixels. In small windows
what it says is fitted as a linear function of the colours, and that function is read at the photo's resolution: the
guided filter of He, Sun and Tang (ECCV 2010), in its fast form (arXiv 1505.00996). Grain and fine texture are taken
out of the colours first, by a bilateral filter, which keeps outlines: otherwise they would become relief.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

LONGEST_SIDE_PX = 2048
"""Photos are followed no finer than this."""
REACH = 0.03
"""Half a window over the longer side: about six pixels of what the network's transformer sees."""
SMOOTHNESS = 1e-3
"""Variance of colours in [0, 1] below which a window counts as plain, and says the mean of what was said there."""

GRAIN = 0.1
"""Difference of colours in [0, 1] beyond which neighbours are no grain of one another."""
GRAIN_SIDE_PX, GRAIN_SPREAD_PX, GRAIN_PASSES = 9, 3.0, 2


def follow_colours(choice: NDArray[np.float32], colours: NDArray[np.float32]) -> NDArray[np.float32]:
    """What was said of every place, at the resolution of the colours.

    Args:
        choice: (h, w) logits.
        colours: (H, W, 3) in [0, 1] of the same view, H and W not smaller than h and w.

    Returns:
        (H, W) logits between about -2 and 2.
    """
    colours = _without_grain(colours)
    height, width = choice.shape
    said = np.tanh(choice / 2)
    shrunk = cv2.resize(colours, (width, height), interpolation=cv2.INTER_AREA)
    small = np.asarray(shrunk, np.float32).reshape(height, width, 3)
    window = 2 * max(1, round(REACH * max(height, width))) + 1

    def mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
        averaged = cv2.boxFilter(values, -1, (window, window), borderType=cv2.BORDER_REPLICATE)
        return np.asarray(averaged, np.float32).reshape(values.shape)

    colour_mean, said_mean = mean(small), mean(said)
    variance = np.empty((height, width, 3, 3), np.float32)
    for i in range(3):
        for j in range(i + 1):
            product = mean(np.ascontiguousarray(small[..., i] * small[..., j]))
            variance[..., i, j] = variance[..., j, i] = product - colour_mean[..., i] * colour_mean[..., j]
    variance += np.eye(3, dtype=np.float32) * SMOOTHNESS
    together = mean(small * said[..., None]) - colour_mean * said_mean[..., None]
    slope = np.linalg.solve(variance, together[..., None])[..., 0]
    offset = said_mean - (slope * colour_mean).sum(axis=-1)
    line = mean(np.concatenate([slope, offset[..., None]], axis=-1).astype(np.float32))
    line = cv2.resize(line, colours.shape[1::-1], interpolation=cv2.INTER_LINEAR).reshape(*colours.shape[:2], 4)
    return 2 * ((line[..., :3] * colours).sum(axis=-1) + line[..., 3])


def _without_grain(colours: NDArray[np.float32]) -> NDArray[np.float32]:
    for _ in range(GRAIN_PASSES):
        colours = np.asarray(cv2.bilateralFilter(colours, GRAIN_SIDE_PX, GRAIN, GRAIN_SPREAD_PX), np.float32)
    return colours
