"""Scores of one depth map against the truth, as the paper defines them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

DELTAS: dict[str, float] = {
    "delta_0.01": 1.01,
    "delta_0.02": 1.02,
    "delta_0.04": 1.04,
    "delta_0.1": 1.10,
    "delta_0.5": 1.25**0.5,
    "delta_1": 1.25,
    "delta_2": 1.25**2,
    "delta_3": 1.25**3,
}
"""Share of pixels whose depth is within this factor of the truth."""
MIN_TRUE_M = 1e-3
_EPSILON = 1e-5
_EPSILON_INVERSE = 1e-8


def depth_scores(
    depth_m: NDArray[np.floating], true_m: NDArray[np.floating], mask: NDArray[np.bool_] | None = None
) -> dict[str, float]:
    """All scores over the pixels whose true depth is above 1 mm.

    Args:
        depth_m: (h, w) metres, positive.
        true_m: (h, w) metres, 0 where unknown.
        mask: (h, w) pixels to score; None: all.

    Returns:
        `DELTAS`: shares in [0, 1]; `abs_rel` = mean of |depth - true| / true; `mae` and `rmse` in
        metres; `imae` and `irmse` of the inverse depths.

    Raises:
        ValueError: no pixel is valid.
    """
    valid = true_m > MIN_TRUE_M
    if mask is not None:
        valid = valid & mask
    if not valid.any():
        raise ValueError("there is no pixel to score")
    depth, true = depth_m[valid].astype(np.float64), true_m[valid].astype(np.float64)
    ratio = np.maximum(true / (depth + _EPSILON), depth / (true + _EPSILON))
    error = np.abs(depth - true)
    inverse = np.abs(1 / (depth + _EPSILON_INVERSE) - 1 / (true + _EPSILON_INVERSE))
    scores = {name: float((ratio < limit).mean()) for name, limit in DELTAS.items()}
    return scores | {
        "abs_rel": float((error / (true + _EPSILON)).mean()),
        "mae": float(error.mean()),
        "rmse": float(np.sqrt((error**2).mean())),
        "irmse": float(np.sqrt((inverse**2).mean())),
        "imae": float(inverse.mean()),
    }


def mean_scores(scores: list[dict[str, Any]]) -> dict[str, float]:
    """The mean of each score over the images that have it."""
    names = dict.fromkeys(name for image in scores for name in image)
    return {name: float(np.mean([image[name] for image in scores if name in image])) for name in names}
