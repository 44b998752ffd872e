"""Points that float by themselves: far from their neighbours, measured by how far all points are from theirs.

The statistical filter of Open3D and PCL (Rusu et al. 2008), with Open3D's conventions. Needs
SciPy: the engine imports this module.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from ..progress import OnFraction

NEIGHBOURS = 30
RATIO = 2.0
_CHUNK = 1 << 16
"""Points whose neighbours are held at a time."""


def without_outliers(
    points: NDArray[Any],
    neighbours: int = NEIGHBOURS,
    ratio: float = RATIO,
    progress: OnFraction | None = None,
) -> NDArray[np.bool_]:
    """Tells which points to keep.

    Kept is what lies, in the mean, less than mean + ratio * standard deviation (both over all points)
    away from its neighbours. Points that coincide with all their neighbours are left out.

    Args:
        points: (N, 3) positions.
        neighbours: How many of the nearest points to look at, the point itself among them.
        ratio: Standard deviations that a point may exceed the mean by.
        progress: Called with the fraction done; it may raise to stop the work.

    Returns:
        (N,) True for points to keep; all of them where the rule would keep none.
    """
    if len(points) == 0:
        return np.zeros(0, dtype=bool)
    distance = mean_neighbour_distance(points, neighbours, progress)
    apart = distance > 0
    mean = distance.mean()
    deviation = np.sqrt(np.sum((distance[apart] - mean) ** 2) / max(len(distance) - 1, 1))
    keep = apart & (distance < mean + ratio * deviation)
    return keep if keep.any() else np.ones(len(points), dtype=bool)


def mean_neighbour_distance(
    points: NDArray[Any], neighbours: int = NEIGHBOURS, progress: OnFraction | None = None
) -> NDArray[np.float64]:
    """Mean distance of each point to its nearest ones.

    Args:
        points: (N, 3) finite positions in any order.
        neighbours: How many of the nearest points count, the point itself among them; fewer
            where there are fewer.
        progress: Called with the fraction done; it may raise to stop the work.

    Returns:
        (N,) float64.
    """
    count = min(neighbours, len(points))
    tree = KDTree(points)
    mean = np.empty(len(points))
    # In the order of the tree's leaves: points in a row have the same neighbours in the processor's cache.
    for start in range(0, len(points), _CHUNK):
        rows = tree.indices[start : start + _CHUNK]
        distance, _ = tree.query(tree.data[rows], k=count, workers=os.cpu_count() or 1)
        mean[rows] = distance.reshape(len(rows), count).mean(axis=1)
        if progress:
            progress(min(1.0, (start + _CHUNK) / len(points)))
    return mean
