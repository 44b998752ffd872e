"""From what a model predicts to metres that can be scored: one stated fit for each prediction."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from infinidepth_blender.field.align import fit_affine_lad

from .paper_alignment import align_depth, align_disparity
from .paper_inputs import depth_of, disparity_of

Fit = Literal["lad", "paper", "none"]

FITS: dict[Fit, str] = {
    "lad": "disparity, affine with no negative factor, least absolute deviations",
    "paper": "disparity, affine, RANSAC; then depth, affine, RANSAC; where a factor is not above 0, the ratio of the means",
    "none": "none: metric predictions as they are",
}
FACTOR = "fit_factor"
"""Among an image's scores: what disparity was multiplied by; 0 where it ran against the truth."""
_FARTHEST_M, _FARTHEST_TRUE = 200.0, 2.0
"""Answers end at this depth, or at so many times the farthest true depth where that is more."""
FIT_PIXELS = 2_000_000
"""The fit sees all valid pixels up to this many, a seeded choice of them beyond."""
_MIN_DEPTH_M = 1e-3


class Fitted(NamedTuple):
    """A prediction in metres.

    Attributes:
        depth_m: (h, w) float32.
        factor: What disparity was multiplied by, 1 without a fit. Of the fit `lad` 0 where it runs against the truth.
    """

    depth_m: NDArray[np.float32]
    factor: float


def fit_rising(source: NDArray[Any], target: NDArray[Any], max_samples: int = FIT_PIXELS) -> tuple[float, float]:
    """Factor and offset as `fit_affine_lad` finds them, the factor not below 0.

    The cost is convex in the factor: where its minimum lies below 0, the best of the others is 0, and the offset the
    median of the target. A prediction that takes near for far gets no score from being turned over.

    Args:
        source, target: Arrays of one shape; pairs with a value that is not finite are ignored.
        max_samples: A seeded choice of so many pairs is fitted where there are more.
    """
    factor, offset = fit_affine_lad(source, target, max_samples=max_samples)
    if factor >= 0:
        return factor, offset
    usable = np.isfinite(source) & np.isfinite(target)
    return 0.0, float(np.median(target[usable]))


def farthest_m(true_m: NDArray[np.floating]) -> float:
    """Depth in metres at which answers end, so that disparity down to 0 and below has a depth that can be scored.

    What is cut off there was wrong at every threshold of the scores: the factor 2 is more than 1.25^3.

    Args:
        true_m: All true depth of the image in metres, 0 where unknown.
    """
    return max(_FARTHEST_M, _FARTHEST_TRUE * float(true_m.max(initial=0)))


def fitted_depth(disparity: NDArray[Any], true_m: NDArray[np.floating], fit: Fit, seed: int = 0) -> NDArray[np.float32]:
    """As `fit_depth`, the depth alone."""
    return fit_depth(disparity, true_m, fit, seed).depth_m


def fit_depth(
    disparity: NDArray[Any], true_m: NDArray[np.floating], fit: Fit, seed: int = 0, reach_m: float | None = None
) -> Fitted:
    """Depth in metres after the fit over all valid pixels.

    Args:
        disparity: (h, w) of any affine scale; 1 / metres for the fit `none`. Where it is not
            finite the model has no depth: there it counts as the farthest.
        true_m: (h, w) metres, 0 where unknown.
        fit: Which of `FITS`.
        seed: Of the random pairs.
        reach_m: Where depth ends, but for the fit `paper`, which ends at 200 m before its second line; None:
            `farthest_m` of `true_m`.

    Raises:
        ValueError: no pixel is valid.
    """
    disparity = np.nan_to_num(np.asarray(disparity, np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    valid = true_m > 0
    if not valid.any():
        raise ValueError("the depth file has no valid pixel")
    floor = 1 / (farthest_m(true_m) if reach_m is None else reach_m)
    if fit == "none":
        return Fitted((1 / np.maximum(disparity, floor)).astype(np.float32), 1.0)
    if fit == "lad":
        a, b = fit_rising(disparity[valid], 1 / true_m[valid].astype(np.float64))
        depth = 1 / np.maximum(a * disparity.astype(np.float64) + b, floor)
        return Fitted(depth.astype(np.float32), a)
    # Numpy's legacy generator, since the released code draws from it.
    random = np.random.RandomState(seed)
    a, b = align_disparity(disparity, disparity_of(true_m.astype(np.float32)).astype(np.float32), valid, random)
    depth = depth_of(a * disparity + b)
    again, b = align_depth(depth[valid], true_m[valid], random)
    return Fitted(np.maximum(again * depth + b, _MIN_DEPTH_M).astype(np.float32), float(a))
