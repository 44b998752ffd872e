"""Pictures at the pixel centres of another size, all of them or only some rows."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .protocol import Rows


def nearest(image: NDArray[Any], height: int, width: int, rows: Rows | None = None) -> NDArray[Any]:
    """(h, w) picture -> its nearest pixels, (height, width) or the rows asked for."""
    row, column = (
        _centres(count, size).astype(np.intp) for count, size in zip((height, width), image.shape, strict=True)
    )
    return image[row[slice(*(rows or (0, height))), None], column]


def smooth(image: NDArray[np.float32], height: int, width: int, rows: Rows | None = None) -> NDArray[np.float32]:
    """(h, w) picture, averaged where it shrinks, else interpolated: (height, width) or the rows asked for."""
    tall, wide = image.shape
    if rows is None or height < tall or width < wide:
        method = cv2.INTER_AREA if height < tall or width < wide else cv2.INTER_LINEAR
        whole = np.asarray(cv2.resize(image, (width, height), interpolation=method), np.float32).reshape(height, width)
        return whole[slice(*(rows or (0, height)))]
    y = np.clip(_centres(height, tall)[slice(*rows)] - 0.5, 0, tall - 1)
    first, last = int(y[0]), min(int(y[-1]) + 2, tall)
    # Across the width, then down: only the lines that are needed.
    lines = np.asarray(cv2.resize(image[first:last], (width, last - first), interpolation=cv2.INTER_LINEAR), np.float32)
    above = y.astype(np.intp) - first
    below = np.minimum(above + 1, last - first - 1)
    share = (y - first - above).astype(np.float32)[:, None]
    lines = lines.reshape(last - first, width)
    return lines[above] * (1 - share) + lines[below] * share


def _centres(count: int, size: int) -> NDArray[np.float64]:
    """Where `count` pixel centres lie on an axis of `size` pixels, in pixels from its border."""
    return (np.arange(count) + 0.5) / count * size
