"""Outlines as fine as the photo: which of two surfaces is seen follows the photo's own colours.

The network sees the photo much smaller than it is and knows an outline to about one of its pixels. What it says is
brought to the photo's resolution by a guided filter. Grain and fine texture are taken out of the colours first, by a
bilateral filter, which keeps outlines: otherwise they would become relief.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .guided import guided

LONGEST_SIDE_PX = 2048
"""Photos are followed no finer than this."""
REACH = 0.03
"""Half a window over the longer side: about six pixels of what the network's transformer sees."""
PLAIN = 1e-3
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
    reach_px = max(1, round(REACH * max(choice.shape)))
    return 2 * guided(np.tanh(choice / 2), _without_grain(colours), reach_px, PLAIN)


def _without_grain(colours: NDArray[np.float32]) -> NDArray[np.float32]:
    for _ in range(GRAIN_PASSES):
        colours = np.asarray(cv2.bilateralFilter(colours, GRAIN_SIDE_PX, GRAIN, GRAIN_SPREAD_PX), np.float32)
    return colours
