"""The mesh covers the photo, spans no step, and its texture coordinates are its projection."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from infinidepth_blender.camera import Camera
from infinidepth_blender.geometry.backdrop import backdrop_distance_m, build_backdrop
from infinidepth_blender.geometry.mesh import cut_grid, mesh_grid_size, mesh_of_grid, mesh_vertex_coords
from infinidepth_blender.reconstruction import FLAG_SKY, FLAG_VALID, NO_DEPTH_M, MeshArrays

CAMERA = Camera(640, 480, 500.0, 520.0, 300.0, 260.0)
"""Off-centre, and with pixels that are not square."""
Arrays = tuple[NDArray[np.float32], NDArray[np.uint8]]


def rays(mesh_size: int = 97) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    coords, (rows, cols) = mesh_vertex_coords(mesh_size, CAMERA)
    px = (coords.astype(np.float64).reshape(rows, cols, 2) + 1) / 2 * [CAMERA.height_px, CAMERA.width_px]
    return (px[..., 1] - CAMERA.cx_px) / CAMERA.fx_px, (px[..., 0] - CAMERA.cy_px) / CAMERA.fy_px


def with_flags(depth_m: NDArray[np.float64]) -> Arrays:
    there = np.isfinite(depth_m)
    return np.where(there, depth_m, NO_DEPTH_M).astype(np.float32), np.where(there, FLAG_VALID, FLAG_SKY).astype(
        np.uint8
    )


def scene(name: str) -> Arrays:
    rx, ry = rays()
    with np.errstate(divide="ignore"):
        floor = np.where(ry > 1e-6, 1.5 / ry, np.inf)
    wall = np.full(rx.shape, 6.0)
    card = np.where((rx > -0.3) & (rx < 0.1) & (ry > -0.2), 2.0, np.inf)
    pole = np.where(np.abs(rx - 0.2051) < 0.004, 2.5, np.inf)
    disc = np.where((rx + 0.2) ** 2 + ry**2 < 0.04, 1.0, np.inf)
    rings = np.where(((rx * 40).astype(int) + (ry * 40).astype(int)) % 2 == 0, 1.5, np.inf)
    scenes = {
        "plane": [1 / (0.2 + 0.1 * rx - 0.05 * ry)],
        "step": [wall, card],
        "disc": [wall, disc],
        "pole": [wall, pole],
        "checkers": [wall, rings],
        "floor": [floor],
        "floor and sky": [floor, card, pole],
        "three layers": [wall, card, disc, pole],
    }
    return with_flags(np.minimum.reduce(scenes[name]))


EVERY = ["plane", "step", "disc", "pole", "checkers", "floor", "floor and sky", "three layers"]
WHOLE = ["plane", "step", "disc", "pole", "checkers", "three layers"]


def split(mesh: MeshArrays) -> NDArray[np.int32]:
    """All faces as triangles."""
    return np.concatenate([mesh.quads[:, [0, 1, 2]], mesh.quads[:, [0, 2, 3]], mesh.triangles])


def areas_px(mesh: MeshArrays) -> NDArray[np.float64]:
    """Signed projected areas, positive for triangles that face the camera."""
    p = CAMERA.project(mesh.vertices_cam)
    a, b, c = (p[split(mesh)[:, k]] for k in range(3))
    ab, ac = b - a, c - a
    return -(ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]) / 2


def coverage(meshes: list[MeshArrays], side: int = 60) -> NDArray[np.int64]:
    """How many faces are hit at the points of an irregular grid over the image."""
    y, x = np.mgrid[:side, :side]
    at = np.stack([(x + 0.4137) / side * CAMERA.width_px, (y + 0.3719) / side * CAMERA.height_px], axis=-1)
    hits = np.zeros((side, side), np.int64)
    for mesh in meshes:
        corners = CAMERA.project(mesh.vertices_cam)[split(mesh)]
        first = np.ceil(corners.min(axis=1) / [CAMERA.width_px, CAMERA.height_px] * side - [0.4137, 0.3719]).astype(int)
        last = np.floor(corners.max(axis=1) / [CAMERA.width_px, CAMERA.height_px] * side - [0.4137, 0.3719]).astype(int)
        for k in np.flatnonzero((last >= first).all(axis=1)):
            (x0, y0), (x1, y1) = np.maximum(first[k], 0), np.minimum(last[k], side - 1) + 1
            a, b, c = corners[k]
            p = at[y0:y1, x0:x1]
            signs = [
                (q[0] - o[0]) * (p[..., 1] - o[1]) - (q[1] - o[1]) * (p[..., 0] - o[0])
                for o, q in ((a, b), (b, c), (c, a))
            ]
            hits[y0:y1, x0:x1] += np.all(np.stack(signs) < 0, axis=0)
    return hits


@pytest.mark.parametrize("name", WHOLE)
def test_the_photo_is_covered_once_and_up_to_its_border(name: str) -> None:
    mesh = mesh_of_grid(cut_grid(*scene(name), 0.04), CAMERA)
    areas = areas_px(mesh)
    assert areas.min() > 0
    assert areas.sum() == pytest.approx(CAMERA.width_px * CAMERA.height_px, rel=1e-4)


@pytest.mark.parametrize("name", ["step", "checkers", "three layers", "floor and sky"])
def test_every_pixel_is_hit(name: str) -> None:
    depth_m, flags = scene(name)
    backdrop = build_backdrop(depth_m, flags, CAMERA)
    mesh = mesh_of_grid(cut_grid(depth_m, flags, 0.04), CAMERA)
    hits = coverage([mesh] + ([backdrop] if backdrop else []))
    assert hits.min() >= 1
    if backdrop is None:
        assert hits.max() == 1


@pytest.mark.parametrize("name", ["step", "disc", "pole", "checkers", "three layers"])
def test_no_face_spans_a_step(name: str) -> None:
    mesh = mesh_of_grid(cut_grid(*scene(name), 0.04), CAMERA)
    z = mesh.vertices_cam[:, 2][split(mesh)]
    assert np.max(z.max(axis=1) / z.min(axis=1)) < 1.001
    surfaces = np.array([1.0, 1.5, 2.0, 2.5, 6.0])
    assert np.abs(mesh.vertices_cam[:, 2, None] / surfaces - 1).min(axis=1).max() < 1e-4


def test_a_floor_is_one_piece_up_to_the_horizon() -> None:
    depth_m, flags = scene("floor")
    mesh = mesh_of_grid(cut_grid(depth_m, flags, 0.04), CAMERA)
    valid = (flags & FLAG_VALID) > 0
    whole_cells = valid[1:, 1:] & valid[1:, :-1] & valid[:-1, 1:] & valid[:-1, :-1]
    assert np.sum(np.all(mesh.quads < valid.sum(), axis=1)) == whole_cells.sum()
    np.testing.assert_allclose(mesh.vertices_cam[: valid.sum(), 1], 1.5, rtol=1e-4)


@pytest.mark.parametrize("name", EVERY)
def test_texture_coordinates_are_the_projection(name: str) -> None:
    mesh = mesh_of_grid(cut_grid(*scene(name), 0.04), CAMERA)
    px = CAMERA.project(mesh.vertices_cam)
    np.testing.assert_allclose(mesh.uv[:, 0], px[:, 0] / CAMERA.width_px, atol=1e-5)
    np.testing.assert_allclose(mesh.uv[:, 1], 1 - px[:, 1] / CAMERA.height_px, atol=1e-5)


@pytest.mark.parametrize("name", EVERY)
def test_arrays_are_what_a_mesh_needs(name: str) -> None:
    mesh = mesh_of_grid(cut_grid(*scene(name), 0.04), CAMERA)
    used = np.unique(np.concatenate([mesh.quads.ravel(), mesh.triangles.ravel()]))
    np.testing.assert_array_equal(used, np.arange(len(mesh.vertices_cam)))
    assert (mesh.vertices_cam.dtype, mesh.uv.dtype, mesh.quads.dtype) == (np.float32, np.float32, np.int32)
    assert np.isfinite(mesh.vertices_cam).all()
    np.testing.assert_allclose(np.linalg.norm(mesh.normals_cam, axis=1), 1, atol=1e-5)
    assert np.all((mesh.normals_cam * mesh.vertices_cam).sum(axis=1) < 0)


def test_normals_of_a_plane() -> None:
    mesh = mesh_of_grid(cut_grid(*scene("plane"), 0.04), CAMERA)
    # Disparity 0.2 + 0.1 rx - 0.05 ry is the plane 0.1 X - 0.05 Y + 0.2 Z = 1.
    normal = -np.array([0.1, -0.05, 0.2]) / np.linalg.norm([0.1, -0.05, 0.2])
    np.testing.assert_allclose(mesh.normals_cam, np.broadcast_to(normal, mesh.normals_cam.shape), atol=1e-3)


def test_the_backdrop_lies_behind_everything_and_shows_the_sky() -> None:
    depth_m, flags = scene("floor and sky")
    backdrop = build_backdrop(depth_m, flags, CAMERA)
    assert backdrop is not None
    mesh = mesh_of_grid(cut_grid(depth_m, flags, 0.04), CAMERA)
    assert backdrop.vertices_cam[:, 2].min() > mesh.vertices_cam[:, 2].max()
    assert areas_px(backdrop).min() > 0
    # Its texture never leaves the sky: all its corners are next to vertices without a surface.
    rows, cols = flags.shape
    row = np.clip(np.rint((1 - backdrop.uv[:, 1]) * (rows - 1)), 0, rows - 1).astype(int)
    col = np.clip(np.rint(backdrop.uv[:, 0] * (cols - 1)), 0, cols - 1).astype(int)
    near_sky = np.pad((flags & FLAG_SKY) > 0, 1, mode="edge")
    near_sky = np.logical_or.reduce([near_sky[dy : dy + rows, dx : dx + cols] for dy in range(3) for dx in range(3)])
    assert near_sky[row, col].all()
    # Where the photo's camera sees it, it shows the photo in place.
    px = CAMERA.project(backdrop.vertices_cam)
    own = np.abs(px[:, 0] / CAMERA.width_px - backdrop.uv[:, 0]) < 1e-4
    in_sky = ((flags & FLAG_SKY) > 0)[
        np.rint(px[:, 1] / CAMERA.height_px * (rows - 1)).astype(int),
        np.rint(px[:, 0] / CAMERA.width_px * (cols - 1)).astype(int),
    ]
    on_vertex = np.abs(px[:, 0] / CAMERA.width_px * (cols - 1) % 1 - 0.5) > 0.4
    assert own[in_sky & on_vertex].mean() > 0.99
    # It reaches below the foreground.
    assert areas_px(backdrop).sum() > 1.02 * (flags & FLAG_SKY > 0).mean() * CAMERA.width_px * CAMERA.height_px


def test_without_sky_there_is_no_backdrop_and_without_surface_no_faces() -> None:
    depth_m, flags = scene("step")
    assert build_backdrop(depth_m, flags, CAMERA) is None
    depth_m, flags = with_flags(np.full((20, 30), np.inf))
    assert len(mesh_of_grid(cut_grid(depth_m, flags, 0.04), CAMERA).quads) == 0
    backdrop = build_backdrop(depth_m, flags, CAMERA)
    assert backdrop is not None
    assert areas_px(backdrop).sum() == pytest.approx(640 * 480, rel=1e-4)
    assert backdrop_distance_m(depth_m, flags) >= 10


@pytest.mark.parametrize(
    ("width", "height", "size", "expected"),
    [(640, 480, 161, (121, 161)), (30, 3000, 2, (2, 2)), (50, 100, 11, (11, 6))],
)
def test_grid_sizes(width: int, height: int, size: int, expected: tuple[int, int]) -> None:
    camera = Camera.from_focal_px(500, width, height)
    assert mesh_grid_size(size, camera) == expected
    coords, grid = mesh_vertex_coords(size, camera)
    assert grid == expected
    assert len(coords) == expected[0] * expected[1]
    np.testing.assert_array_equal(coords[[0, -1]], [[-1, -1], [1, 1]])
