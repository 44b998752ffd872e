"""Depth steps are found; steep floors, creases and outliers are none."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from infinidepth_blender.geometry.edges import disparity_of, find_edges, sharpen

HEIGHT, WIDTH = 60, 80
ALL = np.ones((HEIGHT, WIDTH), bool)


def floor_to_the_horizon() -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Disparity grows linearly below row 20; the last rows before it step by factors."""
    rows = np.arange(HEIGHT)[:, None] - 20.3
    disparity = np.where(rows > 0, rows * 0.01, 0) * np.ones(WIDTH)
    return disparity.astype(np.float32), disparity > 0


def step_edge(ratio: float, ramp_px: int = 1) -> NDArray[np.float32]:
    """Depth 2 on the left, 2 * ratio on the right, `ramp_px` links in between."""
    along = np.clip((np.arange(WIDTH) - 40) / ramp_px, 0, 1)
    disparity = 0.5 * (1 - along) + 0.5 / ratio * along
    return np.broadcast_to(disparity, (HEIGHT, WIDTH)).astype(np.float32)


def test_a_floor_stays_whole_up_to_the_horizon() -> None:
    disparity, valid = floor_to_the_horizon()
    edges = find_edges(disparity, valid, 0.04)
    assert not edges.right.any()
    assert not edges.down.any()
    assert not edges.adrift.any()


def test_a_box_on_that_floor_is_cut_out() -> None:
    disparity, valid = floor_to_the_horizon()
    disparity[10:50, 30:50] = 0.3
    valid = disparity > 0
    edges = find_edges(disparity, valid, 0.04)
    # Its sides hide the floor behind; its foot at row 50 stands on it.
    assert edges.right[25:45, [29, 49]].all()
    assert not edges.right[25:45, 31:48].any()
    assert not edges.down[49, 30:50].any()


@pytest.mark.parametrize("ratio", [1.06, 1.2, 2.0, 20.0])
def test_sharp_steps_are_cut_at_one_link(ratio: float) -> None:
    edges = find_edges(step_edge(ratio), ALL, 0.04)
    assert edges.right[:, 40].all()
    assert edges.right.sum() == HEIGHT
    assert not edges.down.any()


@pytest.mark.parametrize(("ratio", "ramp_px"), [(1.2, 2), (1.5, 4), (1.5, 8), (3.0, 10)])
def test_ramps_become_steps(ratio: float, ramp_px: int) -> None:
    sharp, edges = sharpen(step_edge(ratio, ramp_px), ALL, 0.04)
    off = np.minimum(np.abs(sharp / 0.5 - 1), np.abs(sharp / (0.5 / ratio) - 1))
    assert off.max() < 0.01
    assert np.all(edges.right.sum(axis=1) == 1)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("foot", [0.02, 0.035, 0.041, 0.045, 0.06, 0.1])
def test_a_ramp_goes_with_its_foot(foot: float, transposed: bool) -> None:
    """Its first link may be a step's size and still be no step beside the steeper ones that follow."""
    ends = np.array([1, 1 - foot, 0.8, 0.2, foot, 0])
    along = np.concatenate([np.ones(38), ends, np.zeros(WIDTH - 44)])
    blurred = np.broadcast_to(0.16 + 0.17 * along, (HEIGHT, WIDTH)).astype(np.float32)
    sharp, edges = sharpen(blurred.T if transposed else blurred, ALL.T if transposed else ALL, 0.04)
    links = edges.down.T if transposed else edges.right
    assert np.all(links.sum(axis=1) == 1)
    off = np.minimum(np.abs(sharp / 0.33 - 1), np.abs(sharp / 0.16 - 1))
    assert off.max() < 0.04


@pytest.mark.parametrize("radius_m", [0.5, 1.0, 1.5])
def test_a_ball_before_a_wall_keeps_its_rim(radius_m: float) -> None:
    """Its surface turns away from the camera as a ramp does at its foot."""
    y, x = (np.mgrid[0:HEIGHT, 0:WIDTH] - np.array([30, 40])[:, None, None] + 0.3) / 80
    a, b, c = x * x + y * y + 1, 5.0, 25 - radius_m**2
    root = b * b - a * c
    ball = np.where(root > 0, (b + np.sqrt(np.maximum(root, 0))) / c, 0)
    disparity = np.maximum(ball, 1 / 8).astype(np.float32)
    sharp, edges = sharpen(disparity, ALL, 0.04)
    assert edges.right.any()
    assert np.mean(sharp != disparity) < 0.005
    assert np.abs(sharp / disparity - 1).max() < 0.07


@pytest.mark.parametrize("slope", [0.005, 0.015])
@pytest.mark.parametrize("ramp_px", [3, 6])
def test_a_ramp_between_slanted_surfaces_ends_where_they_begin(ramp_px: int, slope: float) -> None:
    """Blurred to an S between surfaces that recede to the right; both go on below the ramp."""
    x = np.arange(WIDTH) - 40.0
    near, far = 0.5 * (1 - slope * x / 2), 0.3 * (1 - slope * x / 2)
    t = np.clip(x / ramp_px, -1, 1)
    along = 0.5 + 0.5 * np.sin(np.pi / 2 * t)
    blurred = np.broadcast_to(near * (1 - along) + far * along, (HEIGHT, WIDTH)).astype(np.float32)
    sharp, edges = sharpen(blurred, ALL, 0.04)
    off = np.minimum(np.abs(sharp / near - 1), np.abs(sharp / far - 1))
    assert off.max() < 0.01
    beside = np.abs(x) > ramp_px + 2
    np.testing.assert_array_equal(sharp[:, beside], blurred[:, beside])
    assert np.all(edges.right.sum(axis=1) == 1)


def test_scale_and_one_outlier_change_nothing_elsewhere() -> None:
    disparity = step_edge(1.5).copy()
    expected = find_edges(disparity, ALL, 0.04).touched()
    np.testing.assert_array_equal(find_edges(disparity / 1000, ALL, 0.04).touched(), expected)
    disparity[10, 10] = 1e-6
    mask = find_edges(disparity, ALL, 0.04).touched()
    mask[9:12, 9:12] = False
    np.testing.assert_array_equal(mask, expected)


def test_a_lone_outlier_returns_to_its_surface() -> None:
    disparity = step_edge(1.5).copy()
    disparity[30, 20] = 0.01
    sharp, edges = sharpen(disparity, ALL, 0.04)
    assert sharp[30, 20] == pytest.approx(0.5, rel=0.01)
    assert not edges.right[:, :39].any()


def test_a_thin_pole_is_no_ramp() -> None:
    disparity = np.full((HEIGHT, WIDTH), 0.1, np.float32)
    disparity[:, 40] = 0.5
    sharp, edges = sharpen(disparity, ALL, 0.04)
    np.testing.assert_array_equal(sharp, disparity)
    assert edges.right[:, [39, 40]].all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (2, 2), (3, 40)])
def test_small_grids(shape: tuple[int, int]) -> None:
    valid = np.ones(shape, bool)
    sharp, edges = sharpen(np.full(shape, 0.5, np.float32), valid, 0.04)
    assert sharp.shape == shape
    assert not edges.touched().any()


def test_disparity_is_zero_without_depth() -> None:
    depth = np.array([[2.0, 1e10]], np.float32)
    np.testing.assert_array_equal(disparity_of(depth, np.array([[True, False]])), [[0.5, 0]])
