"""Boundary F1 of depth maps, as Depth Pro defines it (arXiv 2410.02073, section 4).

Two neighbours with depths d and D have an occluding edge between them if D / d > t. Precision and recall compare
the edges of prediction and truth pixel by pixel, separately for each side that the far neighbour may lie on. The
score is the mean of F1 over ten factors t from 1.05 to 1.25, each weighted by t. Only ratios enter: no alignment
by a factor is needed. Of each side counts a quarter, also where the truth has no edge on it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FACTORS = tuple(float(t) for t in np.linspace(1.05, 1.25, 10))


def boundary_f1(
    depth: NDArray[np.floating], true: NDArray[np.floating], valid: NDArray[np.bool_] | None = None
) -> float:
    """F1 of the depth edges in [0, 1].

    Args:
        depth: (h, w) predicted depth, positive.
        true: (h, w) true depth of the same size.
        valid: (h, w) pixels whose truth is known; None: where `true` is positive. Edges need two known neighbours.
    """
    known = (true > 0) & np.isfinite(true) if valid is None else valid & (true > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        predicted, wanted = _log_steps(depth), _log_steps(np.where(known, true, 1))
    pairs = (known[:, 1:] & known[:, :-1], known[1:] & known[:-1])
    total = 0.0
    for factor in FACTORS:
        total += factor * _f1_at(float(np.log(factor)), predicted, wanted, pairs)
    return total / sum(FACTORS)


def _log_steps(depth: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    log = np.log(depth.astype(np.float64))
    return log[:, 1:] - log[:, :-1], log[1:] - log[:-1]


def _f1_at(
    limit: float,
    predicted: tuple[NDArray[np.float64], ...],
    wanted: tuple[NDArray[np.float64], ...],
    pairs: tuple[NDArray[np.bool_], ...],
) -> float:
    precision = recall = 0.0
    for found, true, known in zip(predicted, wanted, pairs, strict=True):
        for sign in (1, -1):
            a, b = (sign * found > limit) & known, (sign * true > limit) & known
            both = np.count_nonzero(a & b)
            precision += 0.25 * both / max(np.count_nonzero(a), 1)
            recall += 0.25 * both / max(np.count_nonzero(b), 1)
    total = precision + recall
    return 2 * precision * recall / total if total > 0 else 0.0
