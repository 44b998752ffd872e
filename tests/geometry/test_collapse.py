"""Vertices that are left out cost no accuracy: the bounds of an adaptive mesh hold as before, with fewer triangles."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from triangulations import area_cells, assert_sides_end_at_vertices, field, holes, interpolated, slide_cells

from infinidepth_blender.camera import Camera
from infinidepth_blender.geometry.adaptive import MAX_SLIDE, ROOT_CELLS, adaptive_triangles
from infinidepth_blender.geometry.collapse import MIN_HEIGHT, collapsed
from infinidepth_blender.geometry.mesh import CAMERA_MOVE, cut_grid, mesh_of_grid
from infinidepth_blender.reconstruction import FLAG_VALID

CAMERA = Camera(640, 480, 500.0, 520.0, 300.0, 260.0)


def both(
    disparity: NDArray[np.float32], whole: NDArray[np.bool_], *bounds: float
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Triangles before and after."""
    triangles = adaptive_triangles(disparity, whole, *bounds)
    return triangles, collapsed(triangles, disparity, whole, *bounds)


def rough(rows: int, cols: int) -> NDArray[np.float32]:
    """Smooth waves with noise of about the error on a few of them, as measured depth has it."""
    rng = np.random.default_rng(2)
    y, x = np.mgrid[:rows, :cols]
    noisy = np.sin(x / 40) * np.sin(y / 30) > 0.3
    return (field("waves", rows, cols) * (1 + noisy * rng.normal(0, 0.0015, (rows, cols)))).astype(np.float32)


@pytest.mark.parametrize("max_error", [0.0005, 0.002, 0.02])
@pytest.mark.parametrize("name", ["plane", "waves", "ball", "crease", "noise"])
@pytest.mark.parametrize("shape", [(130, 97), (65, 65), (3, 40), (2, 2)])
def test_the_error_stays_within_its_bound(name: str, max_error: float, shape: tuple[int, int]) -> None:
    disparity = field(name, *shape)
    before, triangles = both(disparity, np.ones((shape[0] - 1, shape[1] - 1), bool), max_error)
    assert np.abs(disparity / interpolated(triangles, disparity) - 1).max() <= max_error * (1 + 1e-4)
    areas = area_cells(triangles, shape[1])
    assert areas.min() > 0
    assert areas.sum() == (shape[0] - 1) * (shape[1] - 1)
    assert len(triangles) <= len(before)
    assert np.isin(triangles, before).all()


def test_the_bound_of_the_disparity_holds_beside_that_of_the_depth() -> None:
    disparity = field("ball", 130, 130)
    whole = np.ones((129, 129), bool)
    counts = []
    for max_difference in (1e-5, 2e-4, np.inf):
        _, triangles = both(disparity, whole, 0.002, max_difference)
        error = np.abs(disparity - interpolated(triangles, disparity))
        assert error.max() <= max_difference * 1.001
        assert (error / disparity).max() <= 0.002 * 1.001
        counts.append(len(triangles))
    assert counts[0] > 2 * counts[1] and counts[1] > 1.2 * counts[2]


@pytest.mark.parametrize("name", ["plane", "waves", "ball", "noise"])
def test_cuts_and_the_border_stay_and_there_are_no_t_junctions(name: str) -> None:
    whole = holes(99, 140)
    before, triangles = both(field(name, 100, 141), whole, 0.01)
    assert len(triangles) < len(before)
    areas = area_cells(triangles, 141)
    assert areas.min() > 0
    assert areas.sum() == whole.sum()
    assert_sides_end_at_vertices(triangles, whole)
    # Every vertex beside a hole is still there: the faces in the hole end at it.
    at_hole = np.pad(~whole, 1)
    at_hole = at_hole[:-1, :-1] | at_hole[:-1, 1:] | at_hole[1:, :-1] | at_hole[1:, 1:]
    fixed = np.intersect1d(before, np.flatnonzero(at_hole))
    assert len(fixed) > 300
    assert np.isin(fixed, triangles).all()


def test_noise_costs_fewer_triangles() -> None:
    disparity = rough(257, 385)
    before, triangles = both(disparity, np.ones((256, 384), bool), 0.002)
    assert len(triangles) < 0.6 * len(before)
    error = np.abs(disparity / interpolated(triangles, disparity) - 1)
    assert 0.0019 < error.max() <= 0.002 * (1 + 1e-4)


def test_a_flat_surface_keeps_triangles_of_a_sensible_size() -> None:
    disparity = field("flat", 257, 257)
    before, triangles = both(disparity, np.ones((256, 256), bool), 0.002)
    assert len(triangles) <= len(before) == 2 * 16
    # From triangles of single cells it comes back to few, none of which is larger than a square of the first kind.
    single = adaptive_triangles(field("noise", 257, 257), np.ones((256, 256), bool), 1e-6)
    triangles = collapsed(single, disparity, np.ones((256, 256), bool), 0.002)
    assert len(triangles) < 0.02 * len(single)
    row, col = np.divmod(triangles, 257)
    assert max(np.ptp(row, axis=1).max(), np.ptp(col, axis=1).max()) <= ROOT_CELLS


def test_textures_do_not_slide() -> None:
    # A floor that runs away from the camera: flat, but the texture is not linear in the picture.
    disparity = (0.02 + 0.3 * np.linspace(0, 1, 150, dtype=np.float32)[:, None]) * np.ones(200, np.float32)
    for triangles in both(disparity, np.ones((149, 199), bool), 0.002):
        assert 0.5 * MAX_SLIDE < slide_cells(triangles, disparity).max() <= MAX_SLIDE * 1.001
        assert len(triangles) < 0.2 * 2 * 149 * 199


def test_no_triangle_is_a_needle() -> None:
    _, triangles = both(rough(200, 200), np.ones((199, 199), bool), 0.002)
    row, col = np.divmod(triangles, 200)
    sides = np.hypot(row - np.roll(row, 1, axis=1), col - np.roll(col, 1, axis=1))
    assert (2 * area_cells(triangles, 200) / sides.max(axis=1) ** 2).min() >= MIN_HEIGHT


def test_the_same_again() -> None:
    first, second = (both(rough(120, 150), holes(119, 149), 0.003)[1] for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_nothing_to_cover() -> None:
    nothing = np.zeros((0, 3), np.int32)
    assert collapsed(nothing, field("waves", 5, 6), np.zeros((4, 5), bool), 0.002).shape == (0, 3)


@pytest.mark.parametrize("max_error_px", [0.1, 0.5])
def test_a_camera_that_moves_aside_sees_no_larger_shift_than_asked(max_error_px: float) -> None:
    depth_m = (1 / rough(121, 161)).astype(np.float32)
    flags = np.full(depth_m.shape, FLAG_VALID, np.uint8)
    regular = mesh_of_grid(cut_grid(depth_m, flags, 10.0), CAMERA)
    mesh = mesh_of_grid(
        cut_grid(depth_m, flags, 10.0), CAMERA, kind="adaptive", max_error=1.0, max_error_px=max_error_px
    )
    assert len(mesh.triangles) < 0.5 * 2 * len(regular.quads)
    place = np.rint(mesh.uv * [160, 120]).astype(np.int64)
    at = (120 - place[:, 1]) * 161 + place[:, 0]
    disparity = 1 / regular.vertices_cam[:, 2].astype(np.float32).reshape(121, 161)
    kept_m = (1 / interpolated(at[mesh.triangles].astype(np.int32), disparity)).ravel()

    # Both surfaces along the same rays, in pictures of cameras to the right of and below the photo's.
    exact = regular.vertices_cam.astype(np.float64)
    approximate = exact * (kept_m / exact[:, 2])[:, None]
    shifts = []
    for axis in (0, 1):
        aside = np.zeros(3)
        aside[axis] = CAMERA_MOVE * np.median(depth_m)
        pictures = [
            np.stack([CAMERA.fx_px * p[:, 0], CAMERA.fy_px * p[:, 1]]) / p[:, 2]
            for p in (exact - aside, approximate - aside)
        ]
        shifts.append(np.abs(pictures[0] - pictures[1]).max())
    assert 0.5 * max_error_px < max(shifts) <= max_error_px * 1.001
