"""Fits, edges, interpolations and the boundary score on cases that can be checked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from evaluation.boundaries import boundary_f1
from evaluation.fits import fit_depth, fitted_depth
from evaluation.metrics import depth_scores, mean_scores
from evaluation.sparse import INTERPOLATIONS, interpolated, near_edges, random_points


def two_planes(step: float = 2.0) -> np.ndarray:
    depth = np.full((30, 40), 4.0, np.float32)
    depth[:, 20:] = 4 * step
    return depth


def test_perfect_edges_score_fully_and_missing_edges_zero() -> None:
    truth = two_planes()
    assert boundary_f1(3 * truth, truth) == pytest.approx(0.25)  # one of the four sides alone has edges
    assert boundary_f1(np.ones_like(truth), truth) == 0
    noise = np.exp(np.random.default_rng(0).normal(0, 0.3, (40, 50)))
    assert boundary_f1(noise, noise) == pytest.approx(1)


def test_an_edge_on_the_wrong_side_or_one_pixel_off_does_not_count() -> None:
    truth = two_planes()
    assert boundary_f1(1 / truth, truth) == 0
    assert boundary_f1(np.roll(truth, 1, axis=1)[:, 1:], truth[:, 1:]) == 0


def test_weak_edges_count_for_weak_thresholds_alone() -> None:
    assert 0 < boundary_f1(two_planes(1.12), two_planes(1.3)) < boundary_f1(two_planes(1.3), two_planes(1.3))


def test_edges_at_unknown_depth_do_not_count() -> None:
    truth = two_planes()
    truth[:, 19:21] = 0
    assert boundary_f1(two_planes(), truth) == 0


@pytest.mark.parametrize("fit", ["lad", "paper"])
def test_a_fit_undoes_factor_and_offset(fit: str) -> None:
    true = np.random.default_rng(0).uniform(1, 30, (40, 50)).astype(np.float32)
    depth = fitted_depth(7 / true - 3, np.where(true > 20, 0, true), fit)  # type: ignore[arg-type]
    scores = depth_scores(depth, true, true <= 20)
    assert scores["delta_0.01"] == 1 and scores["abs_rel"] < 1e-3


def test_without_a_fit_disparity_is_metric_and_holes_are_far() -> None:
    disparity = np.array([[0.5, np.nan], [0.0, 0.1]])
    assert fitted_depth(disparity, np.ones((2, 2)), "none").ravel() == pytest.approx([2, 200, 200, 10])
    with pytest.raises(ValueError, match="no valid pixel"):
        fitted_depth(disparity, np.zeros((2, 2)), "lad")


def test_scores_of_a_known_error() -> None:
    true = np.full((5, 5), 2.0)
    scores = depth_scores(true * 1.1, true)
    assert scores["abs_rel"] == pytest.approx(0.1, rel=1e-4) and scores["mae"] == pytest.approx(0.2)
    assert (scores["delta_0.04"], scores["delta_0.5"]) == (0, 1)
    with pytest.raises(ValueError, match="no pixel"):
        depth_scores(true, true, np.zeros((5, 5), bool))
    assert mean_scores([{"a": 1.0}, {"a": 3.0, "b": 5.0}]) == {"a": 2.0, "b": 5.0}


def test_edges_of_dense_truth() -> None:
    edges = near_edges(two_planes())
    assert edges[:, 14:26].all() and not edges[:, :14].any() and not edges[:, 26:].any()
    slope = np.repeat(np.linspace(2, 4, 40)[None].astype(np.float32), 30, axis=0)
    assert not near_edges(slope).any()


def test_edges_of_sparse_truth() -> None:
    keep = np.random.default_rng(0).random((30, 40)) < 0.15
    edges = near_edges(np.where(keep, two_planes(), 0).astype(np.float32))
    assert edges.any() and not edges[:, :14].any() and not edges[:, 27:].any() and not (edges & ~keep).any()


@pytest.mark.parametrize("name", INTERPOLATIONS)
def test_interpolations(name: str) -> None:
    y, x = np.mgrid[0:30, 0:40]
    plane = (2 + 0.02 * x + 0.03 * y).astype(np.float32)
    points = random_points(plane, 200, seed=1)
    assert np.count_nonzero(points) == 200
    rest = points == 0
    guess = interpolated(points, rest, INTERPOLATIONS[name])
    assert not guess[~rest].any()
    assert depth_scores(guess, plane, rest)["delta_0.1"] > 0.95
    if name == "linear":
        assert np.abs(guess - plane)[8:22, 8:32][rest[8:22, 8:32]].max() < 1e-4


@pytest.mark.parametrize("name", INTERPOLATIONS)
def test_one_point_is_enough(name: str) -> None:
    points = np.zeros((6, 8), np.float32)
    points[2, 3] = 5
    assert (interpolated(points, points == 0, INTERPOLATIONS[name])[points == 0] == 5).all()


def test_an_answer_that_takes_near_for_far_is_not_turned_over() -> None:
    true = np.random.default_rng(0).uniform(1, 30, (40, 50)).astype(np.float32)
    for disparity in (-1 / true, true, 5 - 3 / true):
        fitted = fit_depth(disparity, true, "lad")
        assert fitted.factor == 0
        # The same depth everywhere: the median of disparity.
        assert fitted.depth_m == pytest.approx(float(1 / np.median(1 / true)), rel=1e-5)
        assert depth_scores(fitted.depth_m, true)["delta_1"] < 0.5
    assert fit_depth(7 / true - 3, true, "lad").factor == pytest.approx(1 / 7, rel=1e-4)
    assert fit_depth(1 / true, true, "none").factor == 1
