"""Where the truth is asked, and what it says there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BEND = 0.1
"""Bend of disparity over its value from which there is a step between three samples in a row."""
_RADII = (1, 2, 3, 4, 6, 8)
_DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))
AHEAD = np.array([(radius * dy, radius * dx) for radius in _RADII for dy, dx in _DIRECTIONS])
"""(n, 2) half of the samples around a query, the closest first; the others lie opposite."""


def near_edges(truth: NDArray[np.float32], rng: np.random.Generator, count: int) -> tuple[NDArray, NDArray]:
    """Rows and columns of points beside steps, of eight times as many; then of those where disparity bends most.

    Steps of all sizes count alike. The log depth of a ground changes much towards its horizon and its disparity does
    not bend there.
    """
    rows, columns = truth.shape
    y, x = rng.integers(2, rows - 2, 8 * count), rng.integers(2, columns - 2, 8 * count)
    here = truth[y, x]
    with np.errstate(invalid="ignore"):
        bends = [
            np.abs(np.exp(here - truth[y + dy, x + dx]) + np.exp(here - truth[y - dy, x - dx]) - 2)
            for dy, dx in ((2, 0), (0, 2))
        ]
    rank = np.minimum(np.fmax(*bends), BEND)
    best = np.argsort(np.where(np.isnan(rank), 0, rank) + rng.random(len(rank)) * 1e-3)[len(rank) - count :]
    return y[best], x[best]


def both_surfaces(
    log_depth: NDArray[np.float32], y: NDArray[np.int_], x: NDArray[np.int_]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The nearer and the farther surface around queries: one is the query's own, the other the closest beyond a step.

    Args:
        log_depth: (h, w), infinite at the sky, which is no surface.
        y, x: (N,) rows and columns of the queries.

    Returns:
        (N,) log depths of the two, equal where there is no step within 8 samples. At the sky they are infinite.
    """
    here = log_depth[y, x]
    ahead, behind = _around(log_depth, y, x, AHEAD), _around(log_depth, y, x, -AHEAD)
    # Disparity is linear on every plane, however steep it is; beside sky or border that cannot be asked.
    with np.errstate(invalid="ignore"):
        bend = np.abs(np.exp(here - ahead) + np.exp(here - behind) - 2)
        stepped = (bend > BEND).any(axis=0) & np.isfinite(here)
    around = np.stack([ahead, behind], axis=1).reshape(-1, len(here))
    nearest = np.fmin(np.nanmin(around, axis=0, initial=np.inf), here)
    farthest = np.fmax(np.nanmax(around, axis=0, initial=-np.inf), here)
    with np.errstate(invalid="ignore"):
        middle = (nearest + farthest) / 2
        is_near = here <= middle
        beyond = np.where(is_near, around > middle, around < middle)
    other = np.take_along_axis(around, beyond.argmax(axis=0)[None], axis=0)[0]
    stepped &= beyond.any(axis=0)
    return np.where(stepped & ~is_near, other, here), np.where(stepped & is_near, other, here)


def _around(
    log_depth: NDArray[np.float32], y: NDArray[np.int_], x: NDArray[np.int_], offsets: NDArray[np.int_]
) -> NDArray[np.float32]:
    """(n, N) samples beside the queries; NaN at the sky and outside the image."""
    rows, columns = log_depth.shape
    there_y, there_x = y + offsets[:, :1], x + offsets[:, 1:]
    inside = (there_y >= 0) & (there_y < rows) & (there_x >= 0) & (there_x < columns)
    values = log_depth[there_y.clip(0, rows - 1), there_x.clip(0, columns - 1)]
    return np.where(inside & np.isfinite(values), values, np.float32(np.nan))
