"""Measured depth for training: a few points of the truth, as a sensor would give them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

PROMPT_POINTS = (50, 2500)
"""Fewest and most measured points of an image that gets some."""
PATCH_DIVISOR_SHARES = (0.02, 0.04, 0.08, 0.16, 0.3, 0.2, 0.2)
"""How often rectangles without measurements have a half, a third, ... an eighth of the image's sides."""
SHORT_SHARE = 0.15
"""Share of the images with points of a sensor that does not reach far: nothing beyond a quantile of the depths."""
SHORT_QUANTILES = (0.25, 0.9)
LINES_SHARE = 0.2
"""Share of the images with points on lines across the picture, as a turning lidar gives them."""
LINES = (8, 64)
"""Fewest and most lines over the picture's height."""
LINE_SLOPE = 0.06
"""How much a line may rise or fall over the picture's width, in heights."""
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
        augment: Whether half of the images lose rectangles of measurements, some all that is far, some all but lines,
            and some get noise.

    Returns:
        Places (N, 2) in [-1, 1], order (y, x), and log depths (N,), at least one.
    """
    rows, columns = log_depth.shape
    known = np.isfinite(log_depth)
    if augment:
        if rng.random() < 0.5:
            known = _some_of(known, ~_rectangles((rows, columns), rng))
        if rng.random() < SHORT_SHARE and known.any():
            known = _some_of(known, log_depth <= np.quantile(log_depth[known], rng.uniform(*SHORT_QUANTILES)))
        if rng.random() < LINES_SHARE:
            known = _some_of(known, _on_lines((rows, columns), rng))
    flat = np.flatnonzero(known)
    count = min(len(flat), round(math.exp(rng.uniform(math.log(points[0]), math.log(points[1])))))
    y, x = np.divmod(rng.choice(flat, count, replace=False), columns)
    measured = log_depth[y, x].astype(np.float64)
    if augment and rng.random() < NOISY_SHARE:
        measured = measured + rng.normal(0, rng.uniform(0.002, 0.02), count)
    return np.stack([(y + 0.5) / rows * 2 - 1, (x + 0.5) / columns * 2 - 1], axis=-1), measured


def _some_of(known: NDArray[np.bool_], kept: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What is kept of the known pixels, all of them if nothing would be left."""
    left = known & kept
    return left if left.any() else known


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


def _on_lines(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Pixels that lines cross, all of one slope and evenly apart."""
    rows, columns = shape
    number = math.exp(rng.uniform(math.log(LINES[0]), math.log(LINES[1])))
    slope, phase = rng.uniform(-LINE_SLOPE, LINE_SLOPE), rng.random()
    height = (np.arange(rows)[:, None] + 0.5) / rows + slope * (np.arange(columns) + 0.5) / columns
    # A line lies in the one pixel of a column in which the count of lines above it grows.
    above = np.floor(height * number + phase)
    return np.diff(above, axis=0, prepend=above[:1]) > 0
