"""From what a model predicts to metres that can be scored: one stated fit for each prediction."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from infinidepth_blender.field.align import fit_affine_lad

from .paper_alignment import align_disparity, ransac_line
from .paper_inputs import depth_of, disparity_of

Fit = Literal["lad", "paper", "none"]

FITS: dict[Fit, str] = {
    "lad": "disparity, affine, least absolute deviations",
    "paper": "disparity, affine, RANSAC; then depth, affine, RANSAC",
    "none": "none: metric predictions as they are",
}
MIN_DISPARITY = 5e-3
"""Fitted disparity is kept above this: nothing is farther than 200 m."""
FIT_PIXELS = 2_000_000
"""The fit sees all valid pixels up to this many, a seeded choice of them beyond."""
_MIN_DEPTH_M = 1e-3


def fitted_depth(disparity: NDArray[Any], true_m: NDArray[np.floating], fit: Fit, seed: int = 0) -> NDArray[np.float32]:
    """(h, w) depth in metres after the fit over all valid pixels.

    Args:
        disparity: (h, w) of any affine scale; 1 / metres for the fit `none`. Where it is not
            finite the model has no depth: there it counts as the farthest.
        true_m: (h, w) metres, 0 where unknown.
        fit: Which of `FITS`.
        seed: Of the random pairs.

    Raises:
        ValueError: no pixel is valid.
    """
    disparity = np.nan_to_num(np.asarray(disparity, np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    valid = true_m > 0
    if not valid.any():
        raise ValueError("the depth file has no valid pixel")
    if fit == "none":
        return depth_of(disparity).astype(np.float32)
    if fit == "lad":
        a, b = fit_affine_lad(disparity[valid], 1 / true_m[valid].astype(np.float64), max_samples=FIT_PIXELS)
        return (1 / np.maximum(a * disparity.astype(np.float64) + b, MIN_DISPARITY)).astype(np.float32)
    # Numpy's legacy generator, since the released code draws from it.
    random = np.random.RandomState(seed)
    a, b = align_disparity(disparity, disparity_of(true_m.astype(np.float32)).astype(np.float32), valid, random)
    depth = depth_of(a * disparity + b)
    a, b = ransac_line(depth[valid], true_m[valid], random)
    return np.maximum(a * depth + b, _MIN_DEPTH_M).astype(np.float32)
