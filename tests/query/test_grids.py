from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch

from infinidepth_blender.camera import Camera
from infinidepth_blender.query import grids
from infinidepth_blender.query.grids import depth_grid, mesh_grid
from infinidepth_blender.reconstruction import FLAG_EDGE, FLAG_SKY, FLAG_VALID, NO_DEPTH_M
from scripts.benchmarks.analytic import AnalyticField, card, plane, room, sphere

CAMERA = Camera.from_fov_x(math.radians(70), 640, 480)


def test_depth_of_a_room_and_its_normals() -> None:
    samples = depth_grid(room(CAMERA), CAMERA, 320, 240, edge_step=0.04)
    assert samples.depth_m.shape == (240, 320)
    assert samples.depth_m[120, 160] == pytest.approx(8.0, rel=1e-5)
    assert np.all(samples.flags & FLAG_VALID)
    expected = {(120, 160): (0, 0, -1), (230, 160): (0, -1, 0), (10, 160): (0, 1, 0), (120, 10): (1, 0, 0)}
    for (row, col), normal in expected.items():
        np.testing.assert_allclose(samples.normals_cam[row, col], normal, atol=1e-3)
    # Creases of the room are no depth steps, not even where the walls are steep.
    assert not np.any(samples.flags & FLAG_EDGE)


def test_grid_normals_of_a_sphere_are_within_half_a_degree() -> None:
    field = AnalyticField(CAMERA, [sphere((0, 0, 4.0), 1.2), plane((0, 0, 1), 7.0)])
    samples = depth_grid(field, CAMERA, 640, 480, edge_step=0.04)
    y, x = np.mgrid[:480, :640] + 0.5
    points = CAMERA.unproject(x, y, samples.depth_m)
    on_sphere = samples.depth_m < 4.0
    truth = (points - [0, 0, 4.0]) / 1.2
    cosine = np.clip((truth * samples.normals_cam).sum(axis=-1)[on_sphere], -1, 1)
    assert np.degrees(np.median(np.arccos(cosine))) < 0.5


def test_sky_has_no_depth_and_no_normal() -> None:
    field = AnalyticField(CAMERA, [plane((0, 1, 0), 1.5)])
    samples = depth_grid(field, CAMERA, 64, 48, edge_step=0.04)
    sky = samples.flags[:24]
    assert np.all(sky == FLAG_SKY)
    assert np.all(samples.depth_m[:24] == NO_DEPTH_M)
    assert not samples.normals_cam[:24].any()
    assert not samples.confidence[:24].any()
    assert np.all(samples.flags[25:] & FLAG_VALID)


def test_both_sides_of_a_step_are_marked() -> None:
    field = AnalyticField(CAMERA, [plane((0, 0, 1), 6.0), card(3.0, -10, -10, 0.0, 10)])
    samples = depth_grid(field, CAMERA, 320, 240, edge_step=0.04)
    edge = (samples.flags & FLAG_EDGE) > 0
    assert np.all(edge[:, 159] & edge[:, 160])
    assert not edge[:, :158].any()
    assert not edge[:, 162:].any()
    assert samples.confidence[:, 159].max() < samples.confidence[:, 100].min()


def test_strips_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    field = AnalyticField(CAMERA, [plane((0, 1, 0.1), 1.5), sphere((0.4, 0.2, 4.0), 1.0), plane((0, 0, 1), 20.0)])
    whole = depth_grid(field, CAMERA, 320, 240, edge_step=0.04)
    monkeypatch.setattr(grids, "_SMALL_PIXELS", 1)
    monkeypatch.setattr(grids, "STRIP_PIXELS", 320 * 50)
    assert [top for top, _ in grids.depth_strips(field, CAMERA, 320, 240, edge_step=0.04)] == list(range(0, 240, 30))
    strips = depth_grid(field, CAMERA, 320, 240, edge_step=0.04)
    np.testing.assert_array_equal(whole.flags, strips.flags)
    np.testing.assert_array_equal(whole.normals_cam, strips.normals_cam)


def test_large_maps_know_wide_ramps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step blurred over 1 % of the photo is one on every depth map, whole or in strips."""

    class Soft(AnalyticField):
        def _exact(self, coords_yx: torch.Tensor) -> torch.Tensor:
            along = 0.5 + 0.5 * torch.sin(math.pi * (coords_yx[:, 0].double() / 0.02).clamp(-0.5, 0.5))
            return 0.15 + 0.2 * along

    camera = Camera(32, 2048, 2000.0, 2000.0, 16.0, 1024.0)
    field = Soft(camera, [])
    whole = depth_grid(field, camera, 32, 2048, edge_step=0.04)
    ramp = slice(1024 - 8, 1024 + 8)
    assert np.all(whole.flags[ramp] & FLAG_EDGE)
    assert not np.any(whole.flags[:1000] & FLAG_EDGE)
    assert whole.confidence[ramp].max() < 0.3 < 0.9 < whole.confidence[:1000].min()
    monkeypatch.setattr(grids, "_SMALL_PIXELS", 1)
    monkeypatch.setattr(grids, "STRIP_PIXELS", 32 * 10)
    strips = depth_grid(field, camera, 32, 2048, edge_step=0.04)
    np.testing.assert_array_equal(whole.flags, strips.flags)
    np.testing.assert_array_equal(whole.confidence, strips.confidence)


def test_strips_with_wide_ramps_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """The feet of ramps are walked further than steps are searched for."""
    width, height = 150, 1100
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:height, :width]
    sharp = 0.1 + 0.02 * y / height
    for _ in range(20):
        left, top, radius = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(30, 150)
        sharp = np.where(np.hypot(x - left, y - top) < radius, rng.uniform(0.1, 0.6), sharp)
    soft = torch.from_numpy(cv2.GaussianBlur(sharp.astype(np.float32), (0, 0), 10))

    class Discs(AnalyticField):
        def _exact(self, coords_yx: torch.Tensor) -> torch.Tensor:
            size = torch.tensor([height, width])
            row, col = ((coords_yx.double() + 1) / 2 * size).long().unbind(dim=1)
            return soft[row, col].double()

    camera = Camera.from_fov_x(0.5, width, height)
    whole = depth_grid(Discs(camera, []), camera, width, height, edge_step=0.04)
    monkeypatch.setattr(grids, "_SMALL_PIXELS", 1)
    strips = depth_grid(Discs(camera, []), camera, width, height, edge_step=0.04)
    assert (whole.flags & FLAG_EDGE).any()
    np.testing.assert_array_equal(whole.flags, strips.flags)
    np.testing.assert_array_equal(whole.normals_cam, strips.normals_cam)
    np.testing.assert_array_equal(whole.confidence, strips.confidence)


def test_progress_rises_to_one_and_can_stop_the_work() -> None:
    seen: list[float] = []
    depth_grid(room(CAMERA), CAMERA, 64, 48, edge_step=0.04, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0

    def stop(_fraction: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        depth_grid(room(CAMERA), CAMERA, 64, 48, edge_step=0.04, progress=stop)


def test_mesh_vertices_reach_the_corners_of_the_photo() -> None:
    depth_m, flags = mesh_grid(AnalyticField(CAMERA, [plane((0, 1, 0), 1.5)]), CAMERA, 65)
    assert depth_m.shape == (49, 65)
    # The bottom border is at tan = 240 / f below the axis.
    assert depth_m[-1, 0] == pytest.approx(1.5 * CAMERA.fy_px / 240, rel=1e-5)
    assert np.all(flags[:24] == FLAG_SKY)
