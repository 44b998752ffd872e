"""Alignment by least absolute deviations."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from infinidepth_blender.field.align import AlignedField, fit_affine_lad, fit_scale_lad, weighted_median
from infinidepth_blender.field.grid import GridField


@pytest.mark.parametrize("outliers", [0.0, 0.3, 0.4])
def test_outliers_do_not_move_the_line(outliers: float) -> None:
    rng = np.random.default_rng(0)
    source = rng.uniform(0, 1, 5000)
    target = 2.5 * source + 0.3 + rng.normal(0, 0.002, 5000)
    wrong = rng.random(5000) < outliers
    target[wrong] = rng.uniform(0, 40, wrong.sum())
    factor, offset = fit_affine_lad(source, target)
    assert factor == pytest.approx(2.5, abs=0.01)
    assert offset == pytest.approx(0.3, abs=0.01)


def test_it_is_the_minimum() -> None:
    rng = np.random.default_rng(1)
    source, target = rng.normal(5, 2, 301), rng.normal(0, 1, 301)
    weight = rng.uniform(0.1, 2, 301)
    factor, offset = fit_affine_lad(source, target, weight)

    def cost(a: float, b: float) -> float:
        return float(np.sum(weight * np.abs(target - a * source - b)))

    best = cost(factor, offset)
    for a, b in rng.normal(0, 0.02, (200, 2)):
        assert cost(factor + a, offset + b) >= best - 1e-9


@pytest.mark.parametrize(("factor", "offset"), [(-3.0, 1.0), (1e-4, 1e3), (1e5, -2.0), (0.0, 0.7)])
def test_exact_lines_of_any_size(factor: float, offset: float) -> None:
    source = np.linspace(-1, 3, 50)
    fitted = fit_affine_lad(source, factor * source + offset)
    np.testing.assert_allclose(fitted, (factor, offset), rtol=1e-6, atol=1e-9)


def test_weights_choose_the_line() -> None:
    source = np.tile(np.linspace(0, 1, 20), 2)
    target = np.concatenate([source[:20], 5 - source[:20]])
    weight = np.repeat([1.0, 3.0], 20)
    np.testing.assert_allclose(fit_affine_lad(source, target, weight), (-1, 5), atol=1e-6)


def test_many_pairs_are_thinned_reproducibly() -> None:
    rng = np.random.default_rng(2)
    source = rng.uniform(0, 1, 200_000)
    target = source + rng.normal(0, 0.1, 200_000)
    assert fit_affine_lad(source, target, seed=3) == fit_affine_lad(source, target, seed=3)
    assert fit_affine_lad(source, target)[0] == pytest.approx(1, abs=0.02)


def test_degenerate_input() -> None:
    assert fit_affine_lad(np.full(9, 2.0), np.full(9, 5.0)) == (2.5, 0.0)
    assert fit_affine_lad(np.array([4.0]), np.array([1.0])) == (0.25, 0.0)
    nan = np.array([np.nan, 1, 2, np.inf, 3])
    assert fit_affine_lad(nan, 2 * nan) == pytest.approx((2, 0))
    with pytest.raises(ValueError, match="no pair"):
        fit_affine_lad(np.array([np.nan]), np.array([1.0]))
    with pytest.raises(ValueError, match="differ in size"):
        fit_affine_lad(np.zeros(3), np.zeros(4))
    with pytest.raises(ValueError, match="zeros"):
        fit_affine_lad(np.zeros(3), np.ones(3))


def test_the_scale_alone() -> None:
    rng = np.random.default_rng(4)
    source = rng.uniform(1, 2, 1000)
    target = 7 * source
    target[:300] = 0
    assert fit_scale_lad(source, target) == pytest.approx(7)


def test_weighted_median() -> None:
    assert weighted_median(np.array([3.0, 1.0, 2.0]), np.ones(3)) == 2
    assert weighted_median(np.array([3.0, 1.0, 2.0]), np.array([10.0, 1.0, 1.0])) == 3


def test_an_aligned_field_in_all_its_answers() -> None:
    depth = np.random.default_rng(0).uniform(2, 2.05, (6, 8))
    sky = np.zeros((6, 8), dtype=bool)
    sky[0] = True
    inner = GridField(depth, sky, scale="relative", fov_x_rad=1.2)
    field = AlignedField(inner, 3.0, 0.25)
    coords = torch.rand(30, 2) * 2 - 1
    value, gradient = field.disparity_and_gradient(coords)
    inner_value, inner_gradient = inner.disparity_and_gradient(coords)
    torch.testing.assert_close(value, 3 * inner_value + 0.25)
    torch.testing.assert_close(gradient, 3 * inner_gradient)
    torch.testing.assert_close(field.disparity(coords), value)
    torch.testing.assert_close(field.disparity_grid(5, 5), 3 * inner.disparity_grid(5, 5) + 0.25)
    assert torch.equal(field.sky_grid(5, 5), inner.sky_grid(5, 5))
    assert (field.scale, field.fov_x_rad) == ("metric", 1.2)
    with pytest.raises(ValueError, match="not finite"):
        AlignedField(inner, float("nan"))
