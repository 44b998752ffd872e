"""Fits, edges, interpolations and the boundary score on cases that can be checked by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from evaluation.boundaries import boundary_f1
from evaluation.fits import farthest_m, fit_depth, fitted_depth
from evaluation.items import Item, TrueDepth
from evaluation.judge import Judge, Settings
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


def far_and_near() -> np.ndarray:
    """(60, 80) a hillside at 300 to 340 m, before it a slope from 50 to 3 m."""
    y, x = np.mgrid[:60, :80]
    return np.where(y < 24, 300 + x / 2, 3 + 47 * (60 - y) / 36).astype(np.float32)


def judge(true_m: np.ndarray, **settings: int) -> Judge:
    place = Path("x")
    return Judge(Item("x", place, place), TrueDepth(true_m, None), Settings(**settings), 0)  # type: ignore[arg-type]


@pytest.mark.parametrize("settings", [{}, {"prompt_points": 500}, {"pixels": 40}])
def test_a_right_answer_scores_fully_however_far(settings: dict[str, int]) -> None:
    true = far_and_near()
    scores = judge(true, **settings).scores(1 / true)
    for part in ("", "detail_", "edges_"):
        assert scores[f"{part}delta_0.01"] == 1, part
        assert scores[f"{part}abs_rel"] < 1e-4, part


def test_every_answer_ends_where_it_is_wrong_anyway() -> None:
    true = far_and_near()
    assert farthest_m(true) == pytest.approx(2 * true.max())
    assert farthest_m(two_planes()) == 200
    found = judge(true, prompt_points=500)
    none = found.scores(np.where(true > 200, 0, 1 / true))
    same = found.depth_scores(np.where(true > 200, 1e9, true))
    assert none["abs_rel"] == pytest.approx(same["abs_rel"], rel=1e-5)
    assert none["delta_3"] == same["delta_3"] == pytest.approx((true < 200)[found.scored].mean())


def test_the_fit_of_the_paper_ends_at_200_m_before_its_second_line() -> None:
    true = far_and_near()
    assert depth_scores(fitted_depth(1 / true, true, "paper"), true)["delta_0.01"] < 0.7


def test_where_a_line_of_the_paper_is_not_to_be_had_means_are_matched() -> None:
    y = np.mgrid[:60, :80][0]
    true = (2 + 8 * y / 60 + np.random.default_rng(0).normal(0, 0.02, y.shape)).astype(np.float32)
    flat = fit_depth(np.full_like(true, 0.3), true, "paper")
    assert flat.depth_m == pytest.approx(true.mean(), rel=1e-5)
    turned = 1 - 1 / true
    fitted = fit_depth(turned, true, "paper")
    assert fitted.factor == pytest.approx((1 / true).mean() / turned.mean(), rel=1e-5)
    # A factor alone: near stays far.
    assert fitted.depth_m == pytest.approx(true.mean() / (1 / turned).mean() / turned, rel=1e-4)
    assert depth_scores(fitted.depth_m, true)["delta_1"] < 0.5


def test_one_known_pixel_leaves_the_paper_no_line() -> None:
    true, answer = np.zeros((30, 40), np.float32), np.linspace(0.1, 2, 1200, dtype=np.float32).reshape(30, 40)
    true[5, 5] = 2
    fitted = fit_depth(answer, true, "paper")
    assert fitted.factor == 1
    assert fitted.depth_m == pytest.approx(1 / answer, rel=1e-5)


def test_points_of_another_resolution_stand_at_their_places() -> None:
    measured = np.zeros((10, 10), np.float32)
    measured[2, 7] = 5
    points = random_points(measured, 9, 0, (40, 30))
    assert np.argwhere(points).tolist() == [[10, 22]] and points[10, 22] == 5
