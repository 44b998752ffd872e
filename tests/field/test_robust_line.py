"""A line through most of the pairs, beside least absolute deviations."""

from __future__ import annotations

import numpy as np
import pytest

from infinidepth_blender.field.align import fit_affine_lad
from infinidepth_blender.field.robust_line import fit_affine_robust

FACTOR, OFFSET = 0.35, 0.08


def planted(kind: str, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A line with noise that grows with disparity, and gross outliers of a kind."""
    rng = np.random.default_rng(seed)
    source = rng.beta(1.5, 4, 5000) * 2
    target = FACTOR * source + OFFSET + rng.normal(0, 0.01, source.size) * (0.3 + source)
    wrong = rng.random(source.size) < share
    if kind == "leverage":
        wrong = source >= np.quantile(source, 1 - share)
    count = int(wrong.sum())
    target[wrong] = {
        "anywhere": lambda: rng.uniform(0, 3 * target.max(), count),
        "far": lambda: rng.uniform(0, 0.02, count),
        "near": lambda: rng.uniform(1, 1.2, count),
        "another line": lambda: 0.9 - 0.3 * source[wrong] + rng.normal(0, 0.02, count),
        "leverage": lambda: rng.uniform(0, 0.1, count),
    }[kind]()
    return source, target


def worst(line: tuple[float, float], source: np.ndarray) -> float:
    at = np.quantile(source, [0.05, 0.5, 0.95])
    return float(np.abs((line[0] * at + line[1]) / (FACTOR * at + OFFSET) - 1).max())


@pytest.mark.parametrize("kind", ["anywhere", "far", "near", "another line", "leverage"])
@pytest.mark.parametrize("share", [0.15, 0.3, 0.45])
def test_gross_outliers(kind: str, share: float) -> None:
    source, target = planted(kind, share, seed=1)
    line = fit_affine_robust(source, target)
    assert worst(line, source) < 0.025
    assert worst(line, source) < worst(fit_affine_lad(source, target), source)


def test_without_outliers_it_is_as_good_as_least_absolute_deviations() -> None:
    rng = np.random.default_rng(0)
    source = rng.uniform(0, 1, 5000)
    target = 2.5 * source + 0.3 + rng.normal(0, 0.02, 5000)
    assert fit_affine_robust(source, target) == pytest.approx((2.5, 0.3), abs=0.01)


def test_where_no_line_is_right_the_compromise_stands() -> None:
    rng = np.random.default_rng(0)
    source, target = rng.uniform(0, 1, 3000), rng.uniform(0, 1, 3000)
    assert fit_affine_robust(source, target) == fit_affine_lad(source, target)


def test_the_same_seed_gives_the_same_line() -> None:
    source, target = planted("anywhere", 0.3, seed=2)
    many = np.tile(source, 10) + np.random.default_rng(0).normal(0, 1e-4, 50_000), np.tile(target, 10)
    assert fit_affine_robust(*many, seed=4) == fit_affine_robust(*many, seed=4)


@pytest.mark.parametrize("factor", [-0.7, 1e-4, 300.0])
def test_exact_lines(factor: float) -> None:
    source = np.linspace(0.1, 2, 40)
    assert fit_affine_robust(source, factor * source + 3) == pytest.approx((factor, 3), rel=1e-6)


def test_few_and_constant_values() -> None:
    assert fit_affine_robust(np.array([4.0]), np.array([1.0])) == (0.25, 0.0)
    assert fit_affine_robust(np.full(9, 2.0), np.full(9, 5.0)) == (2.5, 0.0)
    with pytest.raises(ValueError, match="no pair"):
        fit_affine_robust(np.array([np.nan]), np.array([1.0]))
