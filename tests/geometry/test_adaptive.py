"""The adaptive mesh keeps its error bound everywhere, has no T-junctions, and is cut where the regular one is."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from infinidepth_blender.camera import Camera
from infinidepth_blender.geometry.adaptive import adaptive_triangles
from infinidepth_blender.geometry.mesh import build_mesh
from infinidepth_blender.reconstruction import FLAG_SKY, FLAG_VALID, NO_DEPTH_M, MeshArrays

CAMERA = Camera(640, 480, 500.0, 520.0, 300.0, 260.0)


def field(name: str, rows: int, cols: int) -> NDArray[np.float32]:
    """Disparities known in closed form."""
    y, x = np.mgrid[:rows, :cols] / max(rows, cols)
    fields = {
        "plane": 0.2 + 0.1 * x - 0.05 * y,
        "waves": 0.3 + 0.02 * np.sin(9 * x + 2 * y) * np.cos(7 * y),
        "ball": 0.2 + 0.15 * np.sqrt(np.maximum(0, 1 - 8 * ((x - 0.4) ** 2 + (y - 0.5) ** 2))),
        "crease": 0.2 + 0.1 * np.abs(x - 0.37),
        "noise": 0.2 + 0.01 * np.random.default_rng(0).random((rows, cols)),
    }
    return fields[name].astype(np.float32)


def interpolated(triangles: NDArray[np.int32], disparity: NDArray[np.float32]) -> NDArray[np.float64]:
    """What the triangles say at every vertex of the grid on them; NaN where there is none."""
    result = np.full(disparity.size, np.nan)
    width = disparity.shape[1]
    row, col = np.divmod(triangles, width)
    corners = np.stack([row - row.min(axis=1, keepdims=True), col - col.min(axis=1, keepdims=True)], axis=-1)
    # There are few shapes, each in many places.
    shapes, which = np.unique(corners.reshape(-1, 6), axis=0, return_inverse=True)
    for k, shape in enumerate(shapes.reshape(-1, 3, 2)):
        faces = triangles[which.ravel() == k]
        r, c = (part.ravel() for part in np.mgrid[: shape[:, 0].max() + 1, : shape[:, 1].max() + 1])
        share = np.linalg.solve((shape[1:] - shape[0]).T.astype(float), np.stack([r, c]) - shape[0][:, None])
        share = np.stack([1 - share.sum(axis=0), *share])
        on = (share > -1e-9).all(axis=0)
        at = faces[:, :1] + ((r[on] - shape[0, 0]) * width + c[on] - shape[0, 1])
        result[at] = disparity.ravel()[faces].astype(float) @ share[:, on]
    return result.reshape(disparity.shape)


def area_cells(triangles: NDArray[np.int32], width: int) -> NDArray[np.float64]:
    """Signed areas in cells, positive for counter-clockwise as seen from the camera."""
    row, col = np.divmod(triangles, width)
    a, b = (np.stack([row[:, k] - row[:, 0], col[:, k] - col[:, 0]]) for k in (1, 2))
    return (a[0] * b[1] - a[1] * b[0]) / 2


def lone_edges(faces: list[NDArray[np.int32]]) -> NDArray[np.int64]:
    """(E, 2) directed edges without a partner in the opposite direction."""
    edges = np.concatenate([np.stack([f, np.roll(f, -1, axis=1)], axis=-1).reshape(-1, 2) for f in faces])
    edges = edges.astype(np.int64)
    n = edges.max() + 1
    key, back = edges[:, 0] * n + edges[:, 1], edges[:, 1] * n + edges[:, 0]
    assert len(np.unique(key)) == len(key), "an edge is used twice in the same direction"
    return edges[~np.isin(key, back)]


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
    assert len(adaptive_triangles(field("plane", *shape), whole, 1e-5)) == 2 * 16
    counts = [len(adaptive_triangles(field("waves", *shape), whole, error)) for error in (2e-4, 2e-3, 2e-2)]
    assert counts[0] > 4 * counts[1] > 16 * counts[2]
    assert counts[1] < 0.05 * 2 * whole.size
    assert len(adaptive_triangles(field("noise", *shape), whole, 1e-6)) == 2 * whole.size


@pytest.mark.parametrize("name", ["waves", "ball", "noise"])
def test_there_are_no_t_junctions(name: str) -> None:
    shape = (100, 141)
    whole = np.ones((99, 140), bool)
    rng = np.random.default_rng(1)
    whole[rng.integers(0, 99, 60), rng.integers(0, 140, 60)] = False
    whole[40:50, 30:90] = False
    triangles = adaptive_triangles(field(name, *shape), whole, 0.004)
    assert area_cells(triangles, shape[1]).sum() == whole.sum()
    # Every edge that has a face on one side only runs along a cell that is not covered.
    row, col = np.divmod(lone_edges([triangles]), shape[1])
    padded = np.pad(whole, 1)
    vertical = col[:, 0] == col[:, 1]
    assert np.all(vertical | (row[:, 0] == row[:, 1]))
    first_row, first_col = row.min(axis=1), col.min(axis=1)
    for k in range(len(row)):
        cells = (
            padded[first_row[k] + 1 : row[k].max() + 1, first_col[k] : first_col[k] + 2]
            if vertical[k]
            else padded[first_row[k] : first_row[k] + 2, first_col[k] + 1 : col[k].max() + 1].T
        )
        assert np.all(cells.sum(axis=1) == 1)
        at_border = first_col[k] in (0, shape[1] - 1) if vertical[k] else first_row[k] in (0, shape[0] - 1)
        assert at_border or len(cells) == 1


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
    regular = build_mesh(*scene(), CAMERA, 0.04)
    adaptive = build_mesh(*scene(), CAMERA, 0.04, kind="adaptive", max_error=0.002)
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
    quads = build_mesh(*scene(), CAMERA, 0.04, kind=kind)
    triangles = build_mesh(*scene(), CAMERA, 0.04, kind=kind, faces="triangles")
    assert len(triangles.quads) == 0
    assert len(triangles.triangles) == 2 * len(quads.quads) + len(quads.triangles)
    np.testing.assert_array_equal(triangles.vertices_cam, quads.vertices_cam)
    # The same outlines, every edge once in each direction.
    assert len(lone_edges(corners(triangles))) == len(lone_edges(corners(quads)))


def test_a_crease_is_not_cut_across() -> None:
    # Disparity folds along the falling diagonal of a single cell.
    depth = (1 / np.array([[0.5, 0.3], [0.3, 0.5]])).astype(np.float32)
    mesh = build_mesh(depth, np.full((2, 2), FLAG_VALID, np.uint8), CAMERA, 10.0, faces="triangles")
    along = [set(face) for face in mesh.triangles.tolist()]
    assert all({0, 3} <= face or {1, 2} <= face for face in along)
    shared = set.intersection(*along)
    assert np.ptp(mesh.vertices_cam[list(shared), 2]) == pytest.approx(0, abs=1e-6)
