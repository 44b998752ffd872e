"""What the truth says beside depth steps."""

from __future__ import annotations

import numpy as np
from train.queries import both_surfaces


def everywhere(log_depth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.indices(log_depth.shape).reshape(2, -1)
    near, far = both_surfaces(log_depth.astype(np.float32), y, x)
    return near.reshape(log_depth.shape), far.reshape(log_depth.shape)


def test_a_pole_and_the_wall_behind_it_are_both_known_around_its_outline():
    depth = np.full((40, 60), np.log(5.0))
    depth[:, 30:33] = np.log(2.0)
    near, far = everywhere(depth)
    np.testing.assert_allclose(near[:, 24:39], np.log(2.0), rtol=1e-6)
    np.testing.assert_allclose(far, np.log(5.0), rtol=1e-6)
    np.testing.assert_allclose(near[:, :20], np.log(5.0), rtol=1e-6)


def test_one_of_the_two_is_the_query_s_own_also_between_three():
    depth = np.zeros((30, 45))
    depth[:, 15:18] = 0.6
    depth[:, 18:] = 1.5
    near, far = everywhere(depth)
    own = np.minimum(np.abs(near - depth), np.abs(far - depth))
    assert float(own.max()) < 1e-6
    assert (near <= far).all()


def test_a_steep_floor_is_one_surface():
    rows = np.arange(40)[:, None] + 4.5
    floor = np.log(1 / (rows * 0.02)) + np.zeros((1, 50))
    near, far = everywhere(floor)
    np.testing.assert_array_equal(near, far)


def test_a_floor_that_reaches_the_sky_is_one_surface():
    rows = np.arange(60)[:, None] - 19.5
    floor = np.where(rows > 0, np.log(320 / np.maximum(rows, 0.5)), np.inf) + np.zeros((1, 50))
    near, far = everywhere(floor)
    np.testing.assert_array_equal(near, far)


def test_behind_a_pole_the_floor_goes_on_where_it_is():
    rows = np.arange(60)[:, None] + 10.5
    floor = np.log(100 / rows) + np.zeros((1, 60))
    depth = floor.copy()
    depth[:, 28:33] = floor.min() - 0.5
    _, far = everywhere(depth)
    np.testing.assert_allclose(far[:, 28:33], floor[:, 28:33], rtol=1e-6)


def test_sky_is_no_surface():
    depth = np.full((30, 40), np.log(3.0))
    depth[:12] = np.inf
    near, far = everywhere(depth)
    assert np.isinf(near[:12]).all()
    assert np.isinf(far[:12]).all()
    np.testing.assert_allclose(near[12:], np.log(3.0), rtol=1e-6)
    np.testing.assert_allclose(far[12:], np.log(3.0), rtol=1e-6)
