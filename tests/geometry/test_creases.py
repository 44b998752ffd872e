"""Creases of a surface: quads are divided along them, normals stay sharp at them and even where it is curved."""

from __future__ import annotations

import numpy as np
import pytest

from infinidepth_blender.camera import Camera
from infinidepth_blender.geometry.edges import Edges
from infinidepth_blender.geometry.mesh import CutGrid, cut_grid, mesh_of_grid, surface_gradient, triangulated
from infinidepth_blender.reconstruction import FLAG_VALID

CAMERA = Camera(96, 96, 90.0, 90.0, 48.0, 48.0)


@pytest.mark.parametrize("rises", [True, False])
@pytest.mark.parametrize("in_place", [True, False])
def test_no_triangle_bridges_the_ridge_of_a_roof(rises: bool, in_place: bool) -> None:
    """A ridge along the diagonals of the cells: divided the other way, it becomes a saw."""
    row, col = np.mgrid[:25, :25]
    beside = row + col - 24 if rises else row - col
    depth_m = (1 / (0.3 - np.where(beside > 0, 0.004, -0.001) * beside)).astype(np.float32)
    grid = cut_grid(depth_m, np.full(depth_m.shape, FLAG_VALID, np.uint8), 0.04)
    assert not grid.edges.touched().any()
    mesh = triangulated(mesh_of_grid(grid, CAMERA)) if in_place else mesh_of_grid(grid, CAMERA, faces="triangles")
    across, up = mesh.uv.T * 24
    side = np.rint(across - up if rises else 24 - up - across)[mesh.triangles]
    assert len(mesh.quads) == 0 and len(mesh.triangles) == 2 * 24 * 24
    assert ((side >= 0).all(axis=1) | (side <= 0).all(axis=1)).all()


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_near_surface_that_falls_off_stays_before_the_far_one(mirrored: bool) -> None:
    """Both are continued up to the cut between them, but not through one another."""
    disparity = np.tile(np.array([0.60, 0.56, 0.52, 0.48, 0.47, 0.47, 0.47, 0.47], np.float32), (6, 1))
    edges = Edges.none(*disparity.shape)
    edges.right[:, 3] = True  # the middle one of seven links
    disparity = disparity[:, ::-1].copy() if mirrored else disparity
    valid = np.ones(disparity.shape, bool)
    mesh = mesh_of_grid(
        CutGrid(disparity, valid, edges, *surface_gradient(disparity, valid, edges), edge_step=0.01), CAMERA
    )
    at_cut = np.abs(mesh.uv[:, 0] - 0.5) < 0.49 / 7
    seen = 1 / mesh.vertices_cam[at_cut, 2]
    assert seen.min() == pytest.approx(0.47, abs=1e-5)
    assert seen.max() == pytest.approx(0.475, abs=1e-5)
