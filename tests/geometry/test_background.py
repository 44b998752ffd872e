"""The background closes what a moved camera uncovers, and never shows from the photo's own camera."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from infinidepth_blender.camera import Camera
from infinidepth_blender.geometry.background import build_background, hidden_surface
from infinidepth_blender.geometry.mesh import CutGrid, cut_grid, mesh_of_grid
from infinidepth_blender.reconstruction import FLAG_SKY, FLAG_VALID, NO_DEPTH_M, MeshArrays

CAMERA = Camera(80, 60, 75.0, 75.0, 40.0, 30.0)
ROWS, COLS = 61, 81


def scene(name: str) -> CutGrid:
    """Cards and poles before a slanted wall (and a floor), known in closed form."""
    row, col = np.mgrid[:ROWS, :COLS] * 2.0
    ry = (row - 60) / 150
    wall = 1 / (0.15 + 0.0003 * col)
    depth = {
        "card": np.where((row > 30) & (row < 90) & (col > 60) & (col < 100), 3.0, wall),
        "pole": np.where((col > 70) & (col < 75), 2.0, wall),
        "at the border": np.where((row > 50) & (col > 120), 3.0, wall),
        "floor": np.minimum(
            np.where((ry < 0.25) & (col > 60) & (col < 90), 3.0, np.inf), np.minimum(wall, 1.0 / np.maximum(ry, 1e-6))
        ),
        "noisy": np.where((row - 60) ** 2 + (col - 80) ** 2 < 900, 3.0, wall)
        * (1 + 0.005 * np.random.default_rng(0).standard_normal((ROWS, COLS))),
        "sky": np.where((row > 60) & (col > 40) & (col < 80), 3.0, np.where(row > 50, wall, np.inf)),
    }[name]
    flags = np.where(np.isfinite(depth), FLAG_VALID, FLAG_SKY).astype(np.uint8)
    return cut_grid(np.where(np.isfinite(depth), depth, NO_DEPTH_M).astype(np.float32), flags, 0.04)


EVERY = ["card", "pole", "at the border", "floor", "noisy", "sky"]


def depth_buffer(meshes: list[MeshArrays], camera: Camera, move_m: tuple[float, float, float]) -> NDArray[np.float64]:
    """(H, W) disparity of what a camera moved by `move_m` sees, 0 where it sees nothing."""
    buffer = np.zeros((camera.height_px, camera.width_px))
    for mesh in meshes:
        at = mesh.vertices_cam - np.array(move_m, np.float32)
        px, disparity = camera.project(at), 1 / at[:, 2].astype(float)
        faces = np.concatenate([mesh.quads[:, [0, 1, 2]], mesh.quads[:, [0, 2, 3]], mesh.triangles])
        p = px[faces]
        first = np.maximum(np.ceil(p.min(axis=1) - 0.501).astype(int), 0)
        last = np.minimum(np.floor(p.max(axis=1) - 0.499).astype(int) + 1, (camera.width_px, camera.height_px))
        (ax, ay), (bx, by), (cx, cy) = p.transpose(1, 2, 0)
        double = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        columns, rows = np.maximum(last - first, 0).T
        count = np.where(np.abs(double) < 1e-9, 0, columns * rows)
        # Every pixel of every face's rectangle.
        k = np.repeat(np.arange(len(faces)), count)
        within = np.arange(len(k)) - np.repeat(np.cumsum(count) - count, count)
        row, col = within // columns[k] + first[k, 1], within % columns[k] + first[k, 0]
        y, x = row + 0.5, col + 0.5
        b = ((x - ax[k]) * (cy - ay)[k] - (y - ay[k]) * (cx - ax)[k]) / double[k]
        c = ((bx - ax)[k] * (y - ay[k]) - (by - ay)[k] * (x - ax[k])) / double[k]
        value = (np.stack([1 - b - c, b, c], axis=1) * disparity[faces[k]]).sum(axis=1)
        inside = (b > -1e-3) & (c > -1e-3) & (b + c < 1 + 1e-3)
        np.maximum.at(buffer, (row[inside], col[inside]), value[inside])
    return buffer


@pytest.mark.parametrize("name", EVERY)
def test_the_photos_own_camera_never_sees_it(name: str) -> None:
    grid = scene(name)
    surface = hidden_surface(grid, CAMERA)
    assert surface is not None
    mesh, background = mesh_of_grid(grid, CAMERA, kind="adaptive"), build_background(grid, surface, CAMERA)
    fine = CAMERA.resized(240, 180)
    shown = depth_buffer([mesh], fine, (0, 0, 0))
    behind = depth_buffer([background], fine, (0, 0, 0))
    seen = (shown > 0) & (behind > 0)
    assert seen.sum() > 200
    assert (behind[seen] < shown[seen]).all()
    assert (shown[behind > 0] > 0).all()


@pytest.mark.parametrize("name", ["card", "pole", "floor"])
@pytest.mark.parametrize("side", [-1, 1])
def test_a_moved_camera_finds_no_gap(name: str, side: int) -> None:
    grid = scene(name)
    surface = hidden_surface(grid, CAMERA)
    assert surface is not None
    mesh, background = mesh_of_grid(grid, CAMERA, kind="adaptive"), build_background(grid, surface, CAMERA)
    move = (side * 0.12 / float(np.median(grid.disparity)), 0.0, 0.0)
    inner = np.s_[2:-2, 15:-15]
    without = (depth_buffer([mesh], CAMERA, move)[inner] == 0).mean()
    closed = (depth_buffer([mesh, background], CAMERA, move)[inner] == 0).mean()
    assert without > 0.01
    assert closed < 0.02 * without


def test_a_plane_goes_on_as_a_plane() -> None:
    grid = scene("card")
    surface = hidden_surface(grid, CAMERA)
    assert surface is not None
    wall = np.broadcast_to(0.15 + 0.0006 * np.arange(COLS), (ROWS, COLS))
    error = surface.disparity[surface.hidden] / wall[surface.hidden] - 1
    assert np.abs(error).max() < 0.03
    # Only below the card, and as far as parallax asks.
    row, col = np.nonzero(surface.hidden)
    assert (row > 15).all() and (row < 45).all() and (col > 30).all() and (col < 50).all()
    assert surface.uncertain[surface.hidden].all()


def test_without_a_step_there_is_nothing_behind() -> None:
    depth = np.full((20, 30), 4.0, np.float32)
    assert hidden_surface(cut_grid(depth, np.full((20, 30), FLAG_VALID, np.uint8), 0.04), CAMERA) is None
    empty = cut_grid(np.full((20, 30), NO_DEPTH_M, np.float32), np.full((20, 30), FLAG_SKY, np.uint8), 0.04)
    assert hidden_surface(empty, CAMERA) is None


def test_arrays_are_what_a_mesh_needs() -> None:
    grid = scene("floor")
    surface = hidden_surface(grid, CAMERA)
    assert surface is not None
    mesh = build_background(grid, surface, CAMERA)
    assert np.isfinite(mesh.vertices_cam).all()
    assert (mesh.vertices_cam.dtype, mesh.uv.dtype, mesh.triangles.dtype) == (np.float32, np.float32, np.int32)
    px = CAMERA.project(mesh.vertices_cam)
    np.testing.assert_allclose(mesh.uv[:, 0], px[:, 0] / CAMERA.width_px, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(mesh.normals_cam, axis=1), 1, atol=1e-5)


def test_what_reaches_less_far_does_not_stand_in_the_way_of_what_reaches_further() -> None:
    """A shelf just behind a card's edge, and above and below it a wall far behind it."""
    row, col = np.mgrid[:241, :321]
    camera = Camera(320, 240, 300.0, 300.0, 160.0, 120.0)
    card = (col > 150) & (row > 30) & (row < 210)
    shelf = (col > 60) & (row > 110) & (row < 130)

    def hidden(behind: NDArray[np.float64]) -> NDArray[np.bool_]:
        depth = np.where(card, 3.0, behind).astype(np.float32)
        surface = hidden_surface(cut_grid(depth, np.full(depth.shape, FLAG_VALID, np.uint8), 0.04), camera)
        assert surface is not None
        return surface.hidden

    wall = np.full(row.shape, 12.0)
    beside_shelf, alone = hidden(np.where(shelf, 3.2, wall)), hidden(wall)
    assert alone[120, 151:185].all()
    # The shelf goes on for 11 vertices; where it stops, the wall comes in from above and below.
    assert beside_shelf[112:128, 151:180].all()
