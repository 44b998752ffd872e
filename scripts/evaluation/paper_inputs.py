"""What the released code does to photos, measured depth and true depth before it uses them.

For evaluations that follow it to the letter. The extension itself reads depth in its own
way: it keeps the aspect ratio and the farthest depths.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

NEAREST_M, FARTHEST_M = 1.0, 100.0
"""Measured depth counts between these, both excluded."""
MIN_PROMPT_M = 0.1
MIN_DEPTH_M, MIN_DISPARITY_DEPTH_M = 1e-6, 0.01
MAX_DEPTH_M = 200.0


class Truth(NamedTuple):
    """True depth and its inverse, each with the pixels where it counts.

    Attributes:
        depth_m: (h, w) float32; what was no number is the largest valid depth.
        valid: (h, w) bool.
        disparity: (h, w) float32, 0 where it is not valid.
        disparity_valid: (h, w) bool.
    """

    depth_m: NDArray[np.float32]
    valid: NDArray[np.bool_]
    disparity: NDArray[np.float32]
    disparity_valid: NDArray[np.bool_]


def resized_photo(image_srgb: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """The network's input: (height, width, 3), the aspect ratio not kept, by the area method even when enlarging."""
    return np.asarray(cv2.resize(image_srgb, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def resized_nearest(values: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """Nearest neighbours as OpenCV takes them: pixel floor(i h / height)."""
    return cv2.resize(values, (width, height), interpolation=cv2.INTER_NEAREST)


def disparity_of(depth_m: NDArray[np.floating]) -> NDArray[np.floating]:
    """1 / depth where it is positive; 0 and negative values stay what they are."""
    return np.divide(1, depth_m, out=depth_m.copy(), where=depth_m > 0)


def depth_of(disparity: NDArray[np.floating]) -> NDArray[np.floating]:
    """1 / disparity, at most 200 m."""
    return 1 / np.maximum(disparity, 1 / MAX_DEPTH_M)


def measured_range(depth_m: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Pixels whose measured depth lies between 1 m and 100 m."""
    return (depth_m > NEAREST_M) & (depth_m < FARTHEST_M)


def without_noise(
    depth_m: NDArray[np.float32], valid: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The optional filter for noisy sensors.

    In turn: within 0.8 standard deviations of the mean depth; within half of the median of
    5 x 5 pixels; slope (Sobel) at most half the depth; at least 5 of the 3 x 3 pixels left.
    Then a bilateral filter (7 pixels, 1 m, 10 pixels) over what remains, holes counting as 0.

    Args:
        depth_m: (h, w) metres.
        valid: (h, w) pixels to start from.

    Returns:
        The filtered depth, 0 elsewhere, and the pixels that are left.
    """
    eps = 1e-6
    kept = valid & (np.abs(depth_m - depth_m[valid].mean()) <= 0.8 * depth_m[valid].std()) if valid.any() else valid
    left = np.where(kept, depth_m, 0).astype(np.float32)
    median = np.asarray(cv2.medianBlur(left, 5))
    kept = kept & (np.abs(left - median) / (median + eps) < 0.5)
    left = np.where(kept, depth_m, 0).astype(np.float32)
    slope = np.hypot(cv2.Sobel(left, cv2.CV_32F, 1, 0, ksize=3), cv2.Sobel(left, cv2.CV_32F, 0, 1, ksize=3))
    kept = kept & (slope / (left + eps) <= 0.5)
    beside = cv2.filter2D(kept.astype(np.float32), -1, np.ones((3, 3), np.float32), borderType=cv2.BORDER_CONSTANT)
    kept = kept & (beside >= 5)
    smooth = cv2.bilateralFilter(np.where(kept, depth_m, 0).astype(np.float32), 7, 1.0, 10.0)
    return np.where(kept, smooth, 0).astype(np.float32), kept


def chosen_points(
    depth_m: NDArray[np.float32], valid: NDArray[np.bool_], count: int, rng: np.random.Generator | np.random.RandomState
) -> NDArray[np.float32]:
    """(h, w) the prompt: at most `count` of the valid depths beyond 0.1 m, 0 elsewhere."""
    masked = np.where(valid, depth_m, 0).astype(np.float32)
    pixels = np.flatnonzero(masked > MIN_PROMPT_M)
    if len(pixels) <= count:
        return masked
    chosen = rng.permutation(pixels)[:count]
    prompt = np.zeros(masked.size, np.float32)
    prompt[chosen] = masked.ravel()[chosen]
    return prompt.reshape(masked.shape)


def truth_of(depth_m: NDArray[np.floating]) -> Truth:
    """True depth as the data sets' loaders hand it on.

    Args:
        depth_m: (h, w) as read; may hold NaN and infinities.
    """
    finite = np.isfinite(depth_m)
    valid = finite & (np.where(finite, depth_m, 0) > MIN_DEPTH_M)
    farthest = depth_m[valid].max() if valid.any() else 0.0
    depth = np.where(finite, depth_m, farthest).astype(np.float32)
    disparity_valid = valid & (depth > MIN_DISPARITY_DEPTH_M)
    disparity = np.divide(1, depth, out=np.zeros_like(depth), where=disparity_valid)
    return Truth(depth, valid, disparity, disparity_valid)


def frame_factor(
    depth: NDArray[np.float32],
    reference: NDArray[np.float32],
    confidence: NDArray[np.float32] | None = None,
    min_confidence: float = 0.0,
    min_pixels: int = 128,
) -> tuple[float, int]:
    """The factor from one frame's depth to a reference, and the pixels that speak for it.

    The (lower) median of the ratios between their 5 % and 95 % quantiles.

    Args:
        depth: (h, w).
        reference, confidence: Of any size; resized bilinearly.
        min_confidence: Pixels count above it.
        min_pixels: With fewer the factor is 1.
    """
    size = depth.shape[::-1]
    reference = np.asarray(cv2.resize(reference, size, interpolation=cv2.INTER_LINEAR), np.float32)
    valid = (reference > 1e-6) & (depth > 1e-6) & np.isfinite(reference) & np.isfinite(depth)
    if confidence is not None:
        valid &= cv2.resize(confidence, size, interpolation=cv2.INTER_LINEAR) > min_confidence
    ratio = reference[valid] / depth[valid]
    if ratio.size < min_pixels:
        return 1.0, int(ratio.size)
    low, high = np.quantile(ratio, [0.05, 0.95])
    middle = np.sort(ratio[(ratio >= low) & (ratio <= high)])
    return float(middle[(middle.size - 1) // 2]), int(ratio.size)
