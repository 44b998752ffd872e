"""The adaptive mesh keeps its error bound everywhere, has no T-junctions, and is cut where the regular one is."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from triangulations import area_cells, assert_sides_end_at_vertices, field, holes, interpolated, lone_edges

from infinidepth_blender.camera import Camera
from infinidepth_blender.geometry.adaptive import adaptive_triangles
from infinidepth_blender.geometry.mesh import cut_grid, mesh_of_grid
from infinidepth_blender.reconstruction import FLAG_SKY, FLAG_VALID, NO_DEPTH_M, MeshArrays

CAMERA = Camera(640, 480, 500.0, 520.0, 300.0, 260.0)


@pytest.mark.parametrize("max_error", [0.0005, 0.002, 0.02])
@pytest.mark.parametrize("name", ["plane", "waves", "ball", "crease", "noise"])
@pytest.mark.parametrize("shape", [(130, 97), (65, 65), (3, 40), (2, 2)])
def test_the_error_stays_within_its_bound(name: str, max_error: float, shape: tuple[int, int]) -> None:
    disparity = field(name, *shape)
    whole = np.ones((shape[0] - 1, shape[1] - 1), bool)
    triangles = adaptive_triangles(disparity, whole, max_error)
    found = interpolated(triangles, disparity)
    error = np.abs(disparity / found - 1)
    assert error.max() <= max_error * (1 + 1e-4)
    areas = area_cells(triangles, shape[1])
    assert areas.min() > 0
    assert areas.sum() == whole.size


def test_flat_is_cheap_and_a_bound_is_used() -> None:
    shape = (257, 257)
    whole = np.ones((256, 256), bool)
    assert len(adaptive_triangles(field("flat", *shape), whole, 1e-5)) == 2 * 16
    assert len(adaptive_triangles(field("plane", *shape), whole, 1e-5)) < 0.01 * 2 * whole.size
    counts = [len(adaptive_triangles(field("waves", *shape), whole, error)) for error in (2e-4, 2e-3, 2e-2)]
    assert counts[0] > 4 * counts[1] > 8 * counts[2]
    assert counts[1] < 0.05 * 2 * whole.size
    assert len(adaptive_triangles(field("noise", *shape), whole, 1e-6)) == 2 * whole.size


@pytest.mark.parametrize("name", ["waves", "ball", "noise"])
def test_there_are_no_t_junctions(name: str) -> None:
    whole = holes(99, 140)
    triangles = adaptive_triangles(field(name, 100, 141), whole, 0.004)
    assert area_cells(triangles, 141).sum() == whole.sum()
    assert_sides_end_at_vertices(triangles, whole)


def scene() -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """A bent wall, a card and a disc in front of it, and sky above."""
    row, col = np.mgrid[:121, :161]
    depth = 6 + 0.4 * np.sin(col / 20) + 0.002 * row
    depth[(row > 50) & (col > 30) & (col < 80)] = 2.0
    depth = np.where((row - 60) ** 2 + (col - 110) ** 2 < 400, 1.5 + 0.001 * col, depth)
    sky = row + 0.2 * col < 25
    flags = np.where(sky, FLAG_SKY, FLAG_VALID).astype(np.uint8)
    return np.where(sky, NO_DEPTH_M, depth).astype(np.float32), flags


def corners(mesh: MeshArrays) -> list[NDArray[np.int32]]:
    return [faces for faces in (mesh.quads, mesh.triangles) if len(faces)]


def test_cuts_are_those_of_the_regular_mesh() -> None:
    regular = mesh_of_grid(cut_grid(*scene(), 0.04), CAMERA)
    adaptive = mesh_of_grid(cut_grid(*scene(), 0.04), CAMERA, kind="adaptive", max_error=0.002)
    count = sum(len(f) * (f.shape[1] - 2) for f in corners(adaptive))
    assert count < 0.35 * sum(len(f) * (f.shape[1] - 2) for f in corners(regular))
    # Its vertices are vertices of the regular mesh, exactly.
    places = {tuple(row) for row in np.column_stack([regular.vertices_cam, regular.uv]).tolist()}
    assert {tuple(row) for row in np.column_stack([adaptive.vertices_cam, adaptive.uv]).tolist()} <= places

    def outlines(mesh: MeshArrays) -> set[tuple[float, ...]]:
        # Away from the photo's border, where long edges replace short ones.
        edges = lone_edges(corners(mesh))
        inner = ((mesh.uv[edges] > 1e-4) & (mesh.uv[edges] < 1 - 1e-4)).all(axis=(1, 2))
        return {tuple(row) for row in mesh.vertices_cam[edges[inner]].reshape(-1, 6).tolist()}

    assert outlines(adaptive) == outlines(regular)
    z = adaptive.vertices_cam[:, 2]
    for faces in corners(adaptive):
        assert np.max(z[faces].max(axis=1) / z[faces].min(axis=1)) < 1.1


@pytest.mark.parametrize("kind", ["regular", "adaptive"])
def test_triangles_on_request(kind) -> None:
    quads = mesh_of_grid(cut_grid(*scene(), 0.04), CAMERA, kind=kind)
    triangles = mesh_of_grid(cut_grid(*scene(), 0.04), CAMERA, kind=kind, faces="triangles")
    assert len(triangles.quads) == 0
    assert len(triangles.triangles) == 2 * len(quads.quads) + len(quads.triangles)
    np.testing.assert_array_equal(triangles.vertices_cam, quads.vertices_cam)
    # The same outlines, every edge once in each direction.
    assert len(lone_edges(corners(triangles))) == len(lone_edges(corners(quads)))


def test_a_crease_is_not_cut_across() -> None:
    # Disparity folds along the falling diagonal of a single cell.
    depth = (1 / np.array([[0.5, 0.3], [0.3, 0.5]])).astype(np.float32)
    mesh = mesh_of_grid(cut_grid(depth, np.full((2, 2), FLAG_VALID, np.uint8), 10.0), CAMERA, faces="triangles")
    along = [set(face) for face in mesh.triangles.tolist()]
    assert all({0, 3} <= face or {1, 2} <= face for face in along)
    shared = set.intersection(*along)
    assert np.ptp(mesh.vertices_cam[list(shared), 2]) == pytest.approx(0, abs=1e-6)
