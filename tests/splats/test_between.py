"""Splats between the pixels of a grid: a camera that moves aside looks through no surface."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from infinidepth_blender.camera import Camera
from infinidepth_blender.geometry.background import hidden_surface
from infinidepth_blender.geometry.mesh import CAMERA_MOVE, cut_grid
from infinidepth_blender.reconstruction import FLAG_VALID, Gaussians
from infinidepth_blender.splats import of_photo
from infinidepth_blender.splats.between import MAX_SHARE, GridSurface, gaussians_between
from infinidepth_blender.splats.hidden import hidden_splats
from infinidepth_blender.splats.of_photo import splats_of_photo
from infinidepth_blender.splats.placed import rotation_matrices
from infinidepth_blender.splats.raster import rasterise
from infinidepth_blender.splats.sh import dc_to_rgb

CAMERA = Camera.from_fov_x(math.radians(60), 320, 240)
EDGE_STEP = 0.04
ROW, COL = np.mgrid[:240, :320] + 0.5
RX, RY = (COL - 160) / CAMERA.fx_px, (ROW - 120) / CAMERA.fy_px


def box_before_a_corner() -> NDArray[np.float32]:
    """A box at 3 m, turned a little, before a slanted wall, a wall far behind it, and the floor."""
    wall = np.where(RX < 0.02, 6 / (1 + 0.5 * RX), 9.0)
    floor = 1.4 / np.maximum(RY, 1e-6)
    box = (np.abs(RX) < 0.2) & (RY > -0.25) & (RY < 0.3)
    return np.where(box, 3 / (1 - 0.3 * RX), np.minimum(wall, floor)).astype(np.float32)


def corridor() -> NDArray[np.float32]:
    """A wall 0.3 m to the right that the camera looks along, another 8 m ahead, floor and ceiling."""
    wall = np.minimum(8.0, 0.3 / np.maximum(RX, 1e-6))
    return np.minimum(wall, 0.9 / np.maximum(np.abs(RY), 1e-6)).astype(np.float32)


def picture() -> NDArray[np.uint8]:
    waves = [np.sin(COL / 5) * np.cos(ROW / 7), np.sin(COL / 9 + ROW / 4), np.cos(COL / 3)]
    return (128 + 60 * np.stack(waves, axis=-1)).astype(np.uint8)


def splats_of(depth_m: NDArray[np.float32], photo: NDArray[np.uint8]) -> Gaussians:
    flags = np.full(depth_m.shape, FLAG_VALID, np.uint8)
    surface = hidden_surface(cut_grid(depth_m, flags, EDGE_STEP), CAMERA)
    hidden = None if surface is None else hidden_splats(surface, CAMERA, photo)
    return splats_of_photo(depth_m, flags, CAMERA, photo, edge_step=EDGE_STEP, hidden=hidden)


def inner_holes(splats: Gaussians, move: tuple[float, float], opaque: float) -> NDArray[np.bool_]:
    """(h, w) where a camera moved by parts of the median distance looks through, but for what is beyond the photo."""
    pose = np.eye(4)
    pose[:2, 3] = np.array(move) * np.median(splats.means[:, 2])
    through = rasterise(splats, CAMERA, pose).alpha < opaque
    label = cv2.connectedComponents(through.astype(np.uint8), connectivity=8)[1]
    border = np.concatenate([label[0], label[-1], label[:, 0], label[:, -1]])
    return through & ~np.isin(label, border)


@pytest.mark.parametrize("move", [(-0.14, 0), (0.14, 0), (0, 0.1), (0.1, -0.1)])
def test_no_slit_opens_between_what_is_seen_and_what_is_behind(move):
    splats = splats_of(box_before_a_corner(), picture())
    assert inner_holes(splats, move, 0.5).sum() == 0
    assert inner_holes(splats, move, 0.9).mean() < 1e-4


@pytest.mark.parametrize("move", [(-0.14, 0), (-0.14, -0.03)])
def test_a_wall_seen_along_has_no_stripes(move):
    splats = splats_of(corridor(), picture())
    assert inner_holes(splats, move, 0.9).sum() == 0


@pytest.mark.parametrize("scene", [box_before_a_corner, corridor])
def test_the_photos_own_view_stays_as_good(scene, monkeypatch):
    photo = picture()

    def psnr() -> float:
        seen = rasterise(splats_of(scene(), photo), CAMERA, low_pass_px2=0.1).rgb
        return -10 * math.log10(np.mean((np.clip(seen, 0, 1) - photo / 255) ** 2))

    with_them = psnr()
    with monkeypatch.context() as nowhere:
        nowhere.setattr(of_photo, "CAMERA_MOVE", 0.0)
        without = psnr()
    assert with_them > without - 0.1


def one_jump(to: float = 0.15) -> GridSurface:
    """Two level halves of a small grid, connected across a jump from disparity 0.25 to another."""
    disparity = np.where(np.arange(8) < 4, 0.25, to) * np.ones((6, 1))
    level = np.zeros((6, 8), np.float32)
    return GridSurface(disparity.astype(np.float32), level, level, np.ones((6, 7), np.bool_), np.ones((5, 8), np.bool_))


def test_a_gap_is_filled_evenly_in_disparity_along_the_ray():
    camera, move_m = Camera(8, 6, 400.0, 400.0, 4.0, 3.0), 0.6
    colors = np.zeros((6, 8, 3), np.uint8)
    colors[:, 4:] = 200
    splats = gaussians_between(one_jump(), camera, colors, move_m)
    # 24 pixels of the moved camera: six splats on each row.
    assert len(splats) == 6 * 6
    np.testing.assert_allclose(camera.project(splats.means)[:, 0], 4.0, atol=1e-4)
    disparity = 1 / splats.means[:6, 2]
    np.testing.assert_allclose(disparity, 0.25 - 0.1 * (np.arange(6) + 0.5) / 6, rtol=1e-5)
    np.testing.assert_allclose(dc_to_rgb(splats.sh[:6, 0, 0]), 200 / 255 * (np.arange(6) + 0.5) / 6, atol=1e-5)
    axis = rotation_matrices(splats.rotations)[:, :, 2]
    along = splats.means / np.linalg.norm(splats.means, axis=1, keepdims=True)
    np.testing.assert_allclose(np.abs((axis * along).sum(1)), 1, atol=1e-5)
    assert (splats.scales[:, 2] > 5 * splats.scales[:, 0]).all()


def test_what_discs_reach_themselves_stays_as_it_is():
    camera, colors = Camera(8, 6, 400.0, 400.0, 4.0, 3.0), np.zeros((6, 8, 3), np.uint8)
    jump = one_jump()
    torn = GridSurface(jump.disparity, jump.d_x, jump.d_y, np.zeros((6, 7), np.bool_), jump.down)
    assert len(gaussians_between(torn, camera, colors, 0.6)) == 0
    assert len(gaussians_between(one_jump(0.2499), camera, colors, 0.6)) == 0
    slanted = (0.25 + 0.004 * np.arange(8) * np.ones((6, 1))).astype(np.float32)
    d_x = np.full((6, 8), 0.004, np.float32)
    plane = GridSurface(slanted, d_x, jump.d_y, jump.right, jump.down)
    assert len(gaussians_between(plane, camera, colors, 3.0)) == 0


def test_noise_throughout_has_a_bounded_number_always_the_same():
    rng = np.random.default_rng(0)
    level = np.zeros((60, 80), np.float32)
    disparity = rng.uniform(0.01, 3, (60, 80)).astype(np.float32)
    noise = GridSurface(disparity, level, level, np.ones((60, 79), np.bool_), np.ones((59, 80), np.bool_))
    first, again = (gaussians_between(noise, CAMERA, np.zeros((60, 80, 3), np.uint8), 0.5) for _ in range(2))
    assert 0.98 * MAX_SHARE * noise.disparity.size < len(first) <= MAX_SHARE * noise.disparity.size
    for name in Gaussians.__dataclass_fields__:
        assert np.isfinite(getattr(first, name)).all()
        assert getattr(first, name).tobytes() == getattr(again, name).tobytes()


def test_a_camera_may_move_as_far_as_the_background_reaches():
    depth_m = box_before_a_corner()
    surface = hidden_surface(cut_grid(depth_m, np.full(depth_m.shape, FLAG_VALID, np.uint8), EDGE_STEP), CAMERA)
    assert surface is not None
    assert surface.move_m == pytest.approx(CAMERA_MOVE * np.median(depth_m), rel=1e-4)
