"""The mesh covers the photo, spans no step, and its texture coordinates are its projection."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from infinidepth_blender.camera import Camera
from infinidepth_blender.geometry.backdrop import FRAME_MARGIN, backdrop_distance_m, build_backdrop
from infinidepth_blender.geometry.mesh import CAMERA_MOVE, cut_grid, mesh_grid_size, mesh_of_grid, mesh_vertex_coords
from infinidepth_blender.geometry.rims import rims_before_the_sky
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
    hits = coverage([mesh] + ([backdrop.seen] if backdrop else []))
    assert hits.min() >= 1
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
    for part in (backdrop.seen, backdrop.beyond):
        assert part.vertices_cam[:, 2].min() > mesh.vertices_cam[:, 2].max()
        assert areas_px(part).min() > 0
    # What the photo's camera sees of it shows the photo in place, and is next to vertices without a surface.
    px = CAMERA.project(backdrop.seen.vertices_cam) / [CAMERA.width_px, CAMERA.height_px]
    np.testing.assert_allclose(backdrop.seen.uv, np.stack([px[:, 0], 1 - px[:, 1]], axis=1), atol=1e-5)
    rows, cols = flags.shape
    row, col = np.rint(px[:, 1] * (rows - 1)).astype(int), np.rint(px[:, 0] * (cols - 1)).astype(int)
    near_sky = np.pad((flags & FLAG_SKY) > 0, 1, mode="edge")
    near_sky = np.logical_or.reduce([near_sky[dy : dy + rows, dx : dx + cols] for dy in range(3) for dx in range(3)])
    assert near_sky[row, col].all()


def test_beyond_the_sky_has_places_of_its_own_in_a_larger_picture() -> None:
    """None is shown twice: that is what made flat cells and streaks behind trees."""
    backdrop = build_backdrop(*scene("floor and sky"), CAMERA)
    assert backdrop is not None
    px = CAMERA.project(backdrop.beyond.vertices_cam)
    size, margin = np.array([CAMERA.width_px, CAMERA.height_px]), FRAME_MARGIN * CAMERA.width_px
    place = (px + margin) / (size + 2 * margin)
    np.testing.assert_allclose(backdrop.beyond.uv, np.stack([place[:, 0], 1 - place[:, 1]], axis=1), atol=1e-5)
    # The frame's corners of the sky, and nothing below the floor.
    np.testing.assert_allclose(px.min(axis=0), -margin, rtol=1e-3)
    assert px[:, 0].max() == pytest.approx(CAMERA.width_px + margin, rel=1e-3)
    assert px[:, 1].max() < CAMERA.height_px
    # It and the sky are one layer, without gaps up to the frame and beyond.
    hits = coverage([backdrop.seen, backdrop.beyond])
    assert hits.max() == 1
    assert hits[:30].min() == 1
    top, sides = margin * CAMERA.width_px, 2 * margin * (margin + CAMERA.cy_px)
    outside = (px.min(axis=1) < -1e-3) | (px[:, 0] > CAMERA.width_px + 1e-3)
    faces = split(backdrop.beyond)
    area = areas_px(backdrop.beyond)[outside[faces].any(axis=1)].sum()
    assert area == pytest.approx(top + sides, rel=0.05)


def test_the_sky_goes_on_as_far_as_a_moved_camera_sees_behind_the_foreground() -> None:
    rx, ry = rays()
    card = (np.abs(rx) < 0.25) & (ry > -0.4) & (ry < 0.1)
    reach_px = {}
    for depth_m in (4.0, 400.0):
        ground = np.where(ry > 0.05, 4.0, np.inf)
        depths = np.minimum(np.where(card, depth_m, np.inf), ground)
        backdrop = build_backdrop(*with_flags(depths), CAMERA, 1000.0)
        assert backdrop is not None
        # Rightwards from the left side of the card, at half its height.
        left_px, row_px = CAMERA.cx_px - 0.25 * CAMERA.fx_px, CAMERA.cy_px - 0.17 * CAMERA.fy_px
        line = coverage([backdrop.beyond])[int(row_px / 480 * 60), int(left_px / 640 * 60) :]
        reach_px[depth_m] = int(np.argmin(line[1:])) * 640 / 60
    # As far as the parallax of a usual move; little behind what is far.
    assert reach_px[4.0] == pytest.approx(CAMERA_MOVE * 520, rel=0.25)
    assert reach_px[400.0] < 0.5 * reach_px[4.0]


def test_things_before_the_sky_take_their_mixed_pixels_along() -> None:
    depth_m, flags = with_flags(np.full((40, 60), np.inf))
    depth_m[10:30, 10:20], depth_m[10:30, 24:40], depth_m[12:14, 50] = 2, 3, 5
    valid = depth_m < NO_DEPTH_M
    sky = ~valid
    sky[28:30, 40:] = False  # cut out of the photo
    wider, taken = rims_before_the_sky(depth_m, valid, sky, 1)
    assert (wider[~taken] == depth_m[~taken]).all() and not taken[valid].any()
    assert (wider[9:31, 9] == 2).all() and (wider[9, 9:21] == 2).all() and (wider[9:28, 40] == 3).all()
    assert (wider[11:15, [49, 51]] == 5).all()
    # A gap stays open, as it is, and so does what is no sky.
    _, near = rims_before_the_sky(depth_m[:, :26], valid[:, :26], sky[:, :26], 2)
    assert not near[14:26, 20:24].any()
    assert not taken[28:30, 40:].any()
    assert taken.sum() == (wider < NO_DEPTH_M).sum() - valid.sum()
    # From the photo's camera mesh and sky are still one picture.
    wider_flags = np.where(taken, FLAG_VALID, flags).astype(np.uint8)
    backdrop = build_backdrop(wider, wider_flags, CAMERA)
    assert backdrop is not None
    hits = coverage([mesh_of_grid(cut_grid(wider, wider_flags, 0.04), CAMERA), backdrop.seen])
    assert hits.min() == hits.max() == 1


def test_without_sky_there_is_no_backdrop_and_without_surface_no_faces() -> None:
    depth_m, flags = scene("step")
    assert build_backdrop(depth_m, flags, CAMERA) is None
    depth_m, flags = with_flags(np.full((20, 30), np.inf))
    assert len(mesh_of_grid(cut_grid(depth_m, flags, 0.04), CAMERA).quads) == 0
    backdrop = build_backdrop(depth_m, flags, CAMERA)
    assert backdrop is not None
    assert areas_px(backdrop.seen).sum() == pytest.approx(640 * 480, rel=1e-4)
    around = (1 + 2 * FRAME_MARGIN) * (480 + 2 * FRAME_MARGIN * 640) * 640 - 640 * 480
    assert areas_px(backdrop.beyond).sum() == pytest.approx(around, rel=1e-4)
    assert backdrop_distance_m(depth_m, flags) >= 10


def test_there_is_no_sky_behind_what_is_cut_out_of_the_photo() -> None:
    depth_m, flags = scene("floor and sky")
    flags[:, 60:] |= FLAG_VALID
    backdrop = build_backdrop(depth_m, flags, CAMERA)
    assert backdrop is not None
    cut = depth_m >= NO_DEPTH_M
    cut[:, :60] = False
    hits = coverage([backdrop.seen, backdrop.beyond], side=96)
    assert not hits[:40, 62:95][cut[:40, 62:95]].any()
    assert hits[:40, :55].all()


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
