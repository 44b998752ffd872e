"""Measured depth at scattered places, as maps that the bundled network reads beside the photo.

Prompt training after the paper's depth-sensor variant (arXiv 2601.03252): log depth is normalised by the
quantiles of the measurements themselves, so that the network answers in metres.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter

CELLS_PER_PATCH = 8
"""Cells of the map of measurements along each side of a patch: half as many as the transformer has pixels."""
CHANNELS = 4
MIN_LOG_RANGE = 0.05
"""Smallest spread of log depth that depths are divided by."""
CLOSE_CELLS = 6.0
"""Distance from a measurement at which its closeness has fallen to 1 / e."""
SMOOTH_CELLS = 2.5
"""Standard deviation of the smoothing."""
ANSWERED = (-1.0, 2.0)
"""Normalised log depths that a network can answer: further out than one whole range beyond the quantiles is never meant."""
T_LIMITS = (-0.5, 1.6)
"""What normalised log depth is limited to."""


@dataclass(frozen=True)
class Measurements:
    """Depth that was measured at some places of a photo.

    Attributes:
        coords_yx: (N, 2) places in [-1, 1], order (y, x).
        depth_m: (N,) positive.
    """

    coords_yx: NDArray[np.float64]
    depth_m: NDArray[np.float64]


@dataclass(frozen=True)
class LogDepthRange:
    """What normalises log depth: `t = (log(depth) - low) / spread`."""

    low: float
    spread: float

    @classmethod
    def of(cls, log_depth: NDArray[np.floating]) -> LogDepthRange:
        """From the 2 % and 98 % quantiles of (N,) values, at least one."""
        low, high = np.quantile(log_depth, [0.02, 0.98])
        return cls(float(low), max(float(high - low), MIN_LOG_RANGE))


def prompt_map(
    coords_yx: NDArray[np.floating], t: NDArray[np.floating], height: int, width: int
) -> NDArray[np.float32]:
    """Draws measurements on a grid and continues them.

    Args:
        coords_yx: (N, 2) places in [-1, 1], order (y, x).
        t: (N,) normalised log depth.
        height, width: Of the grid, half of what the network's transformer sees.

    Returns:
        (4, height, width): t of the nearest measurement, t smoothed, closeness of the nearest
        measurement (1 at it, falling with the distance), and 1. All 0 where nothing is measured.
    """
    result = np.zeros((CHANNELS, height, width), np.float32)
    if not len(t):
        return result
    size = np.array([height, width])
    place = (coords_yx + 1) / 2 * size - 0.5
    cell = np.clip(np.rint(place), 0, size - 1).astype(np.intp)
    values = np.clip(t, *T_LIMITS)
    # The measurement nearest to the middle of a cell is written last.
    order = np.argsort(-((place - cell) ** 2).sum(1), kind="stable")
    drawn, seen = np.zeros((height, width)), np.zeros((height, width), bool)
    drawn[cell[order, 0], cell[order, 1]] = values[order]
    seen[cell[:, 0], cell[:, 1]] = True
    found: Any = distance_transform_edt(~seen, return_indices=True)
    distance, (row, column) = found
    weight = gaussian_filter(seen.astype(np.float64), SMOOTH_CELLS)
    smooth = gaussian_filter(np.where(seen, drawn, 0.0), SMOOTH_CELLS)
    result[0] = drawn[row, column]
    result[1] = np.where(weight > 1e-4, smooth / np.maximum(weight, 1e-4), result[0])
    result[2] = np.exp(-distance / CLOSE_CELLS)
    result[3] = 1
    return result
