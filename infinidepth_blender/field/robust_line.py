"""A line through most of the pairs, whatever the rest says: for references with many gross outliers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .align import fit_affine_lad, usable_pairs

_CANDIDATES = 1000
_JUDGES = 1000
_KEPT = 5
_ITERATIONS = 30
_BIWEIGHT = 4.685
"""Tukey's constant: 95 % as efficient as least squares on normal noise."""
_NORMAL_MAD = 1.4826
_TIGHT = 0.2
"""Half of the pairs agree on a line if they lie this close to it, as a share of how far their targets spread."""


def fit_affine_robust(source: NDArray[Any], target: NDArray[Any], seed: int = 0) -> tuple[float, float]:
    """Factor a and offset b of target = a source + b, though up to 45 % of the targets be wrong.

    Least absolute deviations bend towards outliers that lie on one side. So lines through
    random pairs are tried as well, judged by their median deviation; the best are
    refined by Tukey's biweight (an MM-estimate). That line is taken where half of the pairs
    agree on it closely. Where they do not, no line is right, and least absolute deviations
    give the best compromise.

    Args:
        source, target: Arrays of one shape; pairs with a value that is not finite are ignored.
        seed: Of the choice of pairs; the same seed gives the same answer.

    Raises:
        ValueError: no pair is usable.
    """
    compromise = fit_affine_lad(source, target, seed=seed)
    s, t, _ = usable_pairs(source, target, None, seed)
    spread = _NORMAL_MAD * float(np.median(np.abs(t - np.median(t))))
    rng = np.random.default_rng(seed)
    best, best_deviation = compromise, _TIGHT * spread
    for line in _candidates(s, t, compromise, rng):
        refined = _refined(s, t, line)
        deviation = _NORMAL_MAD * _median_deviation(s, t, refined)
        if deviation < best_deviation:
            best, best_deviation = refined, deviation
    return best


def _candidates(
    s: NDArray[np.float64], t: NDArray[np.float64], start: tuple[float, float], rng: np.random.Generator
) -> list[tuple[float, float]]:
    """The lines with the smallest median deviation: the given one and those through random pairs."""
    first, second = rng.integers(0, len(s), (2, _CANDIDATES))
    run = s[second] - s[first]
    low, high = np.quantile(s, [0.05, 0.95])
    apart = np.abs(run) > max(0.05 * (high - low), 1e-300)
    slope = np.append((t[second] - t[first])[apart] / run[apart], start[0])
    offset = np.append(t[first][apart], start[1])
    offset[:-1] -= slope[:-1] * s[first][apart]
    judges = rng.choice(len(s), min(_JUDGES, len(s)), replace=False)
    deviation = np.median(np.abs(t[judges] - slope[:, None] * s[judges] - offset[:, None]), axis=1)
    return [(float(slope[k]), float(offset[k])) for k in np.argsort(deviation, kind="stable")[:_KEPT]]


def _refined(s: NDArray[np.float64], t: NDArray[np.float64], line: tuple[float, float]) -> tuple[float, float]:
    """Iteratively reweighted least squares with Tukey's biweight."""
    a, b = line
    for _ in range(_ITERATIONS):
        rest = t - a * s - b
        reach = _BIWEIGHT * _NORMAL_MAD * float(np.median(np.abs(rest)))
        if reach <= 1e-12 * max(abs(a) * float(np.abs(s).max()), abs(b), 1e-300):
            break  # half of the pairs lie on the line
        weight = np.where(np.abs(rest) < reach, (1 - (rest / reach) ** 2) ** 2, 0.0)
        total = weight.sum()
        middle_s, middle_t = (weight * s).sum() / total, (weight * t).sum() / total
        spread = (weight * (s - middle_s) ** 2).sum()
        if not spread > 0:
            break
        before = a
        a = float((weight * (s - middle_s) * (t - middle_t)).sum() / spread)
        b = float(middle_t - a * middle_s)
        if abs(a - before) <= 1e-9 * abs(a):
            break
    return a, b


def _median_deviation(s: NDArray[np.float64], t: NDArray[np.float64], line: tuple[float, float]) -> float:
    return float(np.median(np.abs(t - line[0] * s - line[1])))
