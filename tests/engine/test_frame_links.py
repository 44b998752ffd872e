"""What neighbouring frames of a clip tell of one another, and what they must not."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
from moving_scene import SIZE_PX, camera, frame
from numpy.typing import NDArray

from infinidepth_blender.engine import steady
from infinidepth_blender.engine.frame_links import Link, Links, SmallFrame, _approach, _returns

WIDTH, HEIGHT = SIZE_PX


def flow_of(x_px: float, y_px: float = 0.0) -> NDArray[np.float32]:
    return np.tile(np.array([x_px, y_px], np.float32), (HEIGHT, WIDTH, 1))


def link(approach: float = 0.0, *, is_cut: bool = False) -> Link:
    """Of two frames that show the same places."""
    still, everything = flow_of(0).astype(np.float16), np.ones((HEIGHT, WIDTH), bool)
    return Link(still, still, everything, everything, np.full((HEIGHT, WIDTH), approach, np.float16), is_cut)


@pytest.mark.parametrize(("x_px", "y_px"), [(10, 0), (-10, 0), (0, 10), (0, -10)])
def test_what_leaves_the_picture_does_not_come_back(x_px: float, y_px: float) -> None:
    stays = _returns(flow_of(x_px, y_px), flow_of(-x_px, -y_px))
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    inside = (x + x_px >= 0) & (x + x_px < WIDTH) & (y + y_px >= 0) & (y + y_px < HEIGHT)
    np.testing.assert_array_equal(stays, inside)


def test_the_approach_is_that_of_a_rigid_scene() -> None:
    """Half a metre ahead, what is 14 m away comes nearer by the logarithm of 14 over 13.5."""
    picture, depth = frame((0.0, 0.0, 0.0))
    later = frame((0.0, 0.0, 0.5))[1]
    view = camera()
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    points = view.unproject(x, y, depth) - np.array([0, 0, 0.5], np.float32)
    forward = (view.project(points) - np.stack([x, y], axis=-1)).astype(np.float32)
    small = SmallFrame(np.log(depth), picture[..., 1].copy())
    seen = np.ones((HEIGHT, WIDTH), bool)
    change = _approach(small, forward, seen, view)
    np.testing.assert_allclose(change, np.log(points[..., 2] / depth), atol=2e-3)
    assert later[20, 20] == 13.5 and change[20, 20] == pytest.approx(np.log(13.5 / 14), abs=2e-3)
    # Leaves in the wind, each with a way of its own, tell nothing of the camera.
    wind = np.random.default_rng(0).uniform(-12, 12, (HEIGHT, WIDTH, 2)).astype(np.float32)
    assert not _approach(small, wind, seen, view).any()


def test_the_cameras_own_approach_is_no_flicker() -> None:
    first = np.log(frame((0.0, 0.0, 0.0))[1])
    assert steady._difference(first, first - 0.2, link(-0.2)) == pytest.approx((0, 0), abs=1e-4)
    assert steady._difference(first, first - 0.2, link())[0] == pytest.approx(0.2, abs=1e-4)


def test_a_flat_view_tells_no_gain() -> None:
    """A wall that is seen face to face: the ratio of what is left of its depths is noise."""
    rng = np.random.default_rng(0)
    flat, deep = rng.standard_normal((2, 500)).astype(np.float32)
    assert steady._log_ratio(steady._Pair(0.01 * flat, 0.03 * flat)) == 0
    assert steady._log_ratio(steady._Pair(0.4 * deep, 0.2 * deep)) == pytest.approx(np.log(2), rel=1e-4)


def test_nothing_is_told_across_a_cut() -> None:
    """Though some of the picture may look alike on both sides: a sky, a logo."""
    level = (0.0, 0.02, 0.1, 0.1)
    links = cast(Links, cast(Any, [link(), link(is_cut=True), link()]))

    def aligned(k: int) -> NDArray[np.float32]:
        return np.full((HEIGHT, WIDTH), level[k], np.float32)

    corrections = [float(steady._residual(k, 4, aligned, links).mean()) for k in range(4)]
    assert corrections == pytest.approx([0.02 * 0.9 / 1.9, -0.02 * 0.9 / 1.9, 0, 0], rel=0.02, abs=1e-6)
