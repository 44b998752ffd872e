"""Where the truth is asked, and what it says there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

STEP = 0.1
"""Bend of disparity over its value from which there is a step between three samples in a row."""
_RADII = (1, 2, 3, 4, 6, 8)
_DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))


def near_edges(truth: NDArray[np.float32], rng: np.random.Generator, count: int) -> tuple[NDArray, NDArray]:
    """Rows and columns of points with the largest steps of log depth beside them, of eight times as many."""
    rows, columns = truth.shape
    y, x = rng.integers(0, rows - 2, 8 * count), rng.integers(0, columns - 2, 8 * count)
    here = np.minimum(truth[y, x], 10.0)
    step = np.abs(np.minimum(truth[y + 2, x], 10.0) - here) + np.abs(np.minimum(truth[y, x + 2], 10.0) - here)
    best = np.argsort(step)[len(step) - count :]
    return y[best], x[best]


def both_surfaces(
    log_depth: NDArray[np.float32], y: NDArray[np.int_], x: NDArray[np.int_]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The nearer and the farther surface around queries: one is the query's own, the other lies up to 8 samples away.

    Args:
        log_depth: (h, w), infinite at the sky, which is no surface.
        y, x: (N,) rows and columns of the queries.

    Returns:
        (N,) log depths of the two, equal where there is no step. At the sky they are infinite.
    """
    rows, columns = log_depth.shape
    here = log_depth[y, x]
    nearest, farthest = here.copy(), here.copy()
    stepped = np.zeros(here.shape, bool)
    for radius in _RADII:
        for dy, dx in _DIRECTIONS:
            ahead, behind = (
                log_depth[np.clip(y + s * dy, 0, rows - 1), np.clip(x + s * dx, 0, columns - 1)]
                for s in (radius, -radius)
            )
            # Disparity is linear on every plane, however steep it is.
            with np.errstate(over="ignore", invalid="ignore"):
                stepped |= np.abs(np.exp(here - ahead) + np.exp(here - behind) - 2) > STEP
            for other in (ahead, behind):
                solid = np.isfinite(other)
                nearest = np.where(solid, np.minimum(nearest, other), nearest)
                farthest = np.where(solid, np.maximum(farthest, other), farthest)
    stepped &= np.isfinite(here)
    with np.errstate(invalid="ignore"):
        is_near = here - nearest <= farthest - here
    return np.where(stepped & ~is_near, nearest, here), np.where(stepped & is_near, farthest, here)
