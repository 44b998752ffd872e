"""The paper's alignment, as the released code does it: a line found by random pairs (RANSAC).

It follows the defaults of scikit-learn's `RANSACRegressor` and draws its pairs from the same
numbers, so that the same seed gives the same line; scikit-learn itself is not needed.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

MAX_TRIALS = 1000
_CONFIDENCE = 0.99
_EPSILON = float(np.finfo(float).eps)
_SHUFFLE_ABOVE = 0.01


def ransac_line(
    source: NDArray[np.floating], target: NDArray[np.floating], random: np.random.RandomState
) -> tuple[float, float]:
    """A line through most of the points: pairs drawn at random, then least squares on the best pair's inliers.

    An inlier is at most the median absolute deviation of the targets away. More inliers win,
    at a tie the higher coefficient of determination. It stops when a better pair has become
    improbable (1 %).

    Args:
        source, target: (N,) values.
        random: The pairs come from here; its state moves on.

    Returns:
        (a, b) of target = a source + b.

    Raises:
        ValueError: fewer than two points, or no two points agree.
    """
    s, t = np.asarray(source, np.float64), np.asarray(target, np.float64)
    if len(s) < 2:
        raise ValueError("a line needs two points")
    threshold = float(np.median(np.abs(target - np.median(target))))
    most, best_fit, inliers = 1, -math.inf, None
    trials, limit = 0, float(MAX_TRIALS)
    while trials < limit:
        trials += 1
        first, second = _pair(len(s), random)
        run = s[second] - s[first]
        a = (t[second] - t[first]) / run if run != 0 else 0.0
        predicted = a * s + 0.5 * (t[first] + t[second] - a * (s[first] + s[second]))
        near = np.abs(t - predicted) <= threshold
        count = int(near.sum())
        if count < most:
            continue
        fit = _determination(t[near], predicted[near])
        if count == most and fit < best_fit:
            continue
        most, best_fit, inliers = count, fit, near
        limit = min(limit, _trials_needed(count / len(s)))
    if inliers is None:
        raise ValueError("no two points agree")
    return _least_squares(s[inliers], t[inliers])


def align_disparity(
    raw: NDArray[np.float32],
    reference: NDArray[np.float32],
    mask: NDArray[np.bool_] | None,
    random: np.random.RandomState,
) -> tuple[float, float]:
    """The pair (a, b) that turns a raw prediction into disparity: a raw + b.

    Where the fit fails it is (1, 0); where it comes out upside down, b is 0 and a the ratio of the means.

    Args:
        raw: (h, w) prediction.
        reference: (H, W) disparity, 0 where unknown; resized bilinearly (zeros bleed) to (h, w).
        mask: (H, W) pixels to use, resized to the nearest; None, or empty: all.
        random: As for `ransac_line`.
    """
    size = raw.shape[::-1]
    if reference.shape != raw.shape:
        reference = np.asarray(cv2.resize(reference, size, interpolation=cv2.INTER_LINEAR), np.float32)
        if mask is not None:
            mask = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    valid = reference > 1e-8
    if mask is not None and mask.any():
        valid &= mask
    source, target = raw[valid], reference[valid]
    try:
        a, b = ransac_line(source, target, random)
    except ValueError:
        return 1.0, 0.0
    if not (math.isfinite(a) and math.isfinite(b)):
        return 1.0, 0.0
    if a <= 0:
        return float(target.mean() / max(float(source.mean()), 1e-8)), 0.0
    return a, b


def align_depth(
    depth_m: NDArray[np.floating], true_m: NDArray[np.floating], random: np.random.RandomState
) -> tuple[float, float]:
    """The pair (a, b) that brings depth nearer to the truth: a depth + b.

    Where the fit fails it is (1, 0); where it comes out upside down or flat, b is 0 and a the ratio of the means.

    Args:
        depth_m, true_m: (N,) metres at the known pixels.
        random: As for `ransac_line`.
    """
    try:
        a, b = ransac_line(depth_m, true_m, random)
    except ValueError:
        return 1.0, 0.0
    if a > 0:
        return a, b
    return float(true_m.mean(dtype=np.float64) / depth_m.mean(dtype=np.float64)), 0.0


def _pair(count: int, random: np.random.RandomState) -> tuple[int, int]:
    if 2 / count > _SHUFFLE_ABOVE:
        first, second = random.permutation(count)[:2]
        return int(first), int(second)
    first = second = int(random.randint(count))
    while second == first:
        second = int(random.randint(count))
    return first, second


def _determination(values: NDArray[np.float64], predicted: NDArray[np.float64]) -> float:
    spread = float(((values - values.mean()) ** 2).sum())
    rest = float(((values - predicted) ** 2).sum())
    if spread == 0:
        return 1.0 if rest == 0 else 0.0
    return 1 - rest / spread


def _trials_needed(share: float) -> float:
    miss = max(_EPSILON, 1 - share**2)
    return math.inf if miss == 1 else abs(math.ceil(math.log(1 - _CONFIDENCE) / math.log(miss)))


def _least_squares(s: NDArray[np.float64], t: NDArray[np.float64]) -> tuple[float, float]:
    centred = s - s.mean()
    spread = float((centred**2).sum())
    a = float((centred * (t - t.mean())).sum()) / spread if spread > 0 else 0.0
    return a, float(t.mean() - a * s.mean())
