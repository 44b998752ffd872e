"""Measured depth for training: a few points of the truth, as a sensor would give them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

PROMPT_POINTS = (50, 2500)
"""Fewest and most measured points of an image that gets some."""
PATCH_DIVISOR_SHARES = (0.02, 0.04, 0.08, 0.16, 0.3, 0.2, 0.2)
"""How often rectangles without measurements have a half, a third, ... an eighth of the image's sides."""
NOISY_SHARE = 0.25
"""Share of the images with points whose depths have an error of up to 2 %."""


def draw_points(
    log_depth: NDArray[np.float32], rng: np.random.Generator, points: tuple[int, int], augment: bool = True
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Random measurements of an image, as the paper's depth-sensor variant is trained with.

    Args:
        log_depth: (h, w), infinite at the sky.
        rng: Source of randomness.
        points: Fewest and most of them; their number is even on a logarithmic scale.
        augment: Whether half of the images lose rectangles of measurements, and some get noise.

    Returns:
        Places (N, 2) in [-1, 1], order (y, x), and log depths (N,), at least one.
    """
    rows, columns = log_depth.shape
    known = np.isfinite(log_depth)
    if augment and rng.random() < 0.5:
        kept = known & ~_rectangles((rows, columns), rng)
        known = kept if kept.any() else known
    flat = np.flatnonzero(known)
    count = min(len(flat), round(math.exp(rng.uniform(math.log(points[0]), math.log(points[1])))))
    y, x = np.divmod(rng.choice(flat, count, replace=False), columns)
    measured = log_depth[y, x].astype(np.float64)
    if augment and rng.random() < NOISY_SHARE:
        measured = measured + rng.normal(0, rng.uniform(0.002, 0.02), count)
    return np.stack([(y + 0.5) / rows * 2 - 1, (x + 0.5) / columns * 2 - 1], axis=-1), measured


def _rectangles(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Equal rectangles about random centres, fewer than half of what would cover the image."""
    parts = int(rng.choice(np.arange(2, 9), p=PATCH_DIVISOR_SHARES))
    count = int(rng.integers(1, max(2, parts * parts // 2)))
    covered = np.zeros(shape, bool)
    half = [side / parts / 2 for side in shape]
    for centre_y, centre_x in rng.uniform(0, 1, (count, 2)) * shape:
        top, left = (max(0, round(c - h)) for c, h in zip((centre_y, centre_x), half, strict=True))
        covered[top : round(centre_y + half[0]), left : round(centre_x + half[1])] = True
    return covered
