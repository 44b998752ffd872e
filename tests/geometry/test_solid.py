"""Solid bodies are closed: every edge has two faces, and the photo's camera sees the front alone."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from infinidepth_blender.camera import Camera
from infinidepth_blender.geometry.mesh import cut_grid, mesh_of_grid
from infinidepth_blender.geometry.solid import closed
from infinidepth_blender.options import MeshKind
from infinidepth_blender.reconstruction import FLAG_SKY, FLAG_VALID, NO_DEPTH_M, MeshArrays

CAMERA = Camera(160, 120, 150.0, 150.0, 80.0, 60.0)


def surface(name: str, kind: MeshKind) -> MeshArrays:
    row, col = np.mgrid[:61, :81]
    wall = 6 + 0.02 * col
    checkers = ((row // 3 + col // 3) % 2).astype(bool)
    depth = {
        "plane": wall,
        "step": np.where((row > 20) & (row < 50) & (col > 30), 2.0, wall),
        "checkers": np.where(checkers, 2.0, wall),
        "islands in the sky": np.where(checkers, 2.0, np.inf),
        "noise": wall * np.random.default_rng(0).choice([1.0, 1.3, 1.7], row.shape),
    }[name]
    there = np.isfinite(depth)
    flags = np.where(there, FLAG_VALID, FLAG_SKY).astype(np.uint8)
    return mesh_of_grid(cut_grid(np.where(there, depth, NO_DEPTH_M).astype(np.float32), flags, 0.04), CAMERA, kind=kind)


@pytest.mark.parametrize("kind", get_args(MeshKind))
@pytest.mark.parametrize("name", ["plane", "step", "checkers", "islands in the sky", "noise"])
def test_every_edge_has_two_faces(name: str, kind: MeshKind) -> None:
    mesh = closed(surface(name, kind), 0.05)
    edges = np.concatenate([mesh.triangles[:, [0, 1]], mesh.triangles[:, [1, 2]], mesh.triangles[:, [2, 0]]])
    edges = edges.astype(np.int64)
    base = len(mesh.vertices_cam)
    key, back = edges[:, 0] * base + edges[:, 1], edges[:, 1] * base + edges[:, 0]
    assert len(np.unique(key)) == len(key)
    np.testing.assert_array_equal(np.sort(key), np.sort(back))
    assert len(np.unique(mesh.triangles)) == base
    # One fan of triangles around each vertex: Euler's formula gives a whole number of handles.
    corners = mesh.vertices_cam[mesh.triangles].astype(float)
    volume = np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6
    assert volume > 0


def test_the_front_stays_and_the_back_lies_behind_it() -> None:
    front = surface("step", "regular")
    mesh = closed(front, 0.1)
    np.testing.assert_array_equal(mesh.vertices_cam[: len(front.vertices_cam)], front.vertices_cam)
    half = len(mesh.vertices_cam) // 2
    np.testing.assert_allclose(mesh.vertices_cam[half:, 2], 1.1 * mesh.vertices_cam[:half, 2], rtol=1e-6)
    # Sides run along the rays: both ends project onto the same pixel.
    px = CAMERA.project(mesh.vertices_cam)
    np.testing.assert_allclose(px[half:], px[:half], atol=1e-3)
    assert len(mesh.quads) == 0


def test_nothing_gives_nothing() -> None:
    empty = np.full((5, 6), NO_DEPTH_M, np.float32)
    mesh = mesh_of_grid(cut_grid(empty, np.full((5, 6), FLAG_SKY, np.uint8), 0.04), CAMERA)
    assert len(closed(mesh, 0.05).triangles) == 0
