"""The Infinite Depth Query: even on the surface, exact in number, never between two surfaces."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from whole_sample import sample_surface

from infinidepth_blender.camera import Camera
from infinidepth_blender.geometry.points import coords_to_px
from infinidepth_blender.query import surface_cells
from infinidepth_blender.query.grids import depth_grid
from infinidepth_blender.query.sampling import SurfaceSamples
from scripts.benchmarks.analytic import AnalyticField, card, plane, room, sphere
from scripts.benchmarks.uniformity import counts_per_cell, scenes, variation_over_poisson

CAMERA = Camera.from_fov_x(math.radians(70), 512, 384)


def points_of(samples: SurfaceSamples, camera: Camera = CAMERA) -> NDArray[np.float32]:
    px = coords_to_px(samples.coords_yx, camera.width_px, camera.height_px)
    return camera.unproject(px[:, 0], px[:, 1], samples.depth_m)


class Blurred(AnalyticField):
    """A field that ramps over depth steps as a network does: the mean over a few pixels."""

    radius_px = 3.0

    def _exact(self, coords_yx: Tensor) -> Tensor:
        steps = torch.linspace(-1, 1, 7, dtype=torch.float64) * self.radius_px * 2 / self.camera.width_px
        return torch.stack([super(Blurred, self)._exact(coords_yx + torch.stack([0 * s, s])) for s in steps]).mean(0)


@pytest.mark.parametrize("scene", ["plane", "room", "sphere"])
@pytest.mark.parametrize("count", [50_000, 150_000])
def test_points_are_twice_as_even_as_random_ones(scene: str, count: int) -> None:
    camera = Camera.from_fov_x(math.radians(70), 1024, 768)
    measured = scenes(camera)[scene]
    samples = sample_surface(measured.field, camera, count, seed=0, edge_step=0.04, grazing_cap_deg=None, far_cap=None)
    counts = counts_per_cell(measured, points_of(samples, camera))
    variation, poisson = variation_over_poisson(counts)
    assert counts.min() > 0
    assert variation < 0.5 * poisson


@pytest.mark.parametrize("count", [1, 2, 7, 1000, 30_001])
def test_all_points_are_kept_and_none_twice(count: int) -> None:
    samples = sample_surface(room(CAMERA), CAMERA, count, seed=3, edge_step=0.04)
    assert len(samples) == count
    assert len(np.unique(samples.coords_yx, axis=0)) == count
    assert np.abs(samples.coords_yx).max() <= 1
    assert np.isfinite(points_of(samples)).all()


def test_a_tiny_depth_map_still_gives_distinct_points() -> None:
    grid = depth_grid(room(CAMERA), CAMERA, 8, 6, edge_step=0.04)
    samples = sample_surface(room(CAMERA), CAMERA, 60_000, seed=0, edge_step=0.04, grid=grid)
    assert len(np.unique(samples.coords_yx, axis=0)) == 60_000


def test_the_seed_decides_the_points(monkeypatch: pytest.MonkeyPatch) -> None:
    def draw(seed: int) -> NDArray[np.float32]:
        return sample_surface(room(CAMERA), CAMERA, 5000, seed=seed, edge_step=0.04).coords_yx

    first = draw(1)
    np.testing.assert_array_equal(first, draw(1))
    assert not np.array_equal(first, draw(2))
    monkeypatch.setattr(surface_cells, "CHUNK", 700)
    np.testing.assert_array_equal(first, draw(1))


def test_areas_add_up_to_the_surface() -> None:
    """Floor, ceiling, walls and far wall of a room as far as the camera sees them."""
    samples = sample_surface(room(CAMERA), CAMERA, 10_000, seed=0, edge_step=0.04, grazing_cap_deg=None, far_cap=None)
    points = points_of(samples)
    far_wall = np.abs(points[:, 2] - 8) < 1e-3
    assert samples.area_m2[far_wall].sum() == pytest.approx(5 * 2.7, rel=0.01)
    assert np.ptp(samples.area_m2) < 1e-3 * samples.area_m2.mean()


def test_caps_thin_out_slivers_and_say_so_in_the_area() -> None:
    camera = Camera.from_fov_x(math.radians(60), 512, 384)
    field = AnalyticField(camera, [plane((0, 1, 0), 1.5), card(4.0, -1, -1, 1, 1.5)])

    def draw(grazing_deg: float | None, far: float | None) -> tuple[SurfaceSamples, float]:
        samples = sample_surface(
            field, camera, 20_000, seed=0, edge_step=0.04, grazing_cap_deg=grazing_deg, far_cap=far
        )
        return samples, float((np.abs(samples.depth_m - 4) < 1e-3).mean())

    free, share_free = draw(None, None)
    capped, share_capped = draw(80.0, 3.0)
    assert share_capped > 5 * share_free
    on_card = np.abs(capped.depth_m - 4) < 1e-3
    assert capped.area_m2[on_card].sum() == pytest.approx(2 * 2.5, rel=0.03)
    assert capped.area_m2.sum() == pytest.approx(free.area_m2.sum(), rel=0.1)


@pytest.mark.parametrize("blurred", [False, True])
def test_no_point_flies_between_two_surfaces(blurred: bool) -> None:
    kind = Blurred if blurred else AnalyticField
    field = kind(CAMERA, [plane((0, 0, 1), 6.0), card(3.0, -10, -10, 0.123, 10)])
    samples = sample_surface(field, CAMERA, 40_000, seed=0, edge_step=0.04)
    depth = samples.depth_m
    near, far = np.abs(depth / 3 - 1) < 0.01, np.abs(depth / 6 - 1) < 0.01
    x_px = coords_to_px(samples.coords_yx, 512, 384)[:, 0]
    edge_px = CAMERA.cx_px + 0.123 / 3 * CAMERA.fx_px
    at_edge = np.abs(x_px - edge_px) < 4
    assert at_edge.sum() > 500
    assert (near | far)[at_edge].mean() > 0.995
    np.testing.assert_allclose(samples.normals_cam[at_edge], np.broadcast_to([0, 0, -1], (at_edge.sum(), 3)), atol=0.05)
    # And the edge is where it belongs.
    assert near[at_edge & (x_px < edge_px - 1)].mean() > 0.99
    assert far[at_edge & (x_px > edge_px + 1)].mean() > 0.99


def test_thin_structures_keep_their_points() -> None:
    pole = card(3.0, -0.02, -10, 0.01, 10)
    samples = sample_surface(
        AnalyticField(CAMERA, [plane((0, 0, 1), 12.0), pole]), CAMERA, 100_000, seed=0, edge_step=0.04
    )
    depth = samples.depth_m
    on_pole, behind = np.abs(depth / 3 - 1) < 0.01, np.abs(depth / 12 - 1) < 0.01
    assert (on_pole | behind).mean() > 0.9999
    expected = 0.03 * 3 * 2 * math.tan(math.radians(35)) * 384 / 512
    assert samples.area_m2[on_pole].sum() == pytest.approx(expected, rel=0.15)


def test_sky_gets_no_points_and_its_border_no_strays() -> None:
    field = AnalyticField(CAMERA, [sphere((0, 0, 4.0), 1.0)])
    samples = sample_surface(field, CAMERA, 30_000, seed=0, edge_step=0.04)
    distance = np.linalg.norm(points_of(samples) - [0, 0, 4.0], axis=1)
    assert np.abs(distance - 1).max() < 0.15
    assert (np.abs(distance - 1) < 0.01).mean() > 0.98


def test_normals_of_points_are_within_half_a_degree() -> None:
    field = AnalyticField(CAMERA, [sphere((0, 0, 4.0), 1.2), plane((0, 0, 1), 7.0)])
    samples = sample_surface(field, CAMERA, 50_000, seed=0, edge_step=0.04)
    points = points_of(samples)
    on_sphere = points[:, 2] < 4
    cosine = ((points - [0, 0, 4.0]) / 1.2 * samples.normals_cam).sum(axis=1)[on_sphere]
    assert np.degrees(np.median(np.arccos(np.clip(cosine, -1, 1)))) < 0.5


def test_a_photo_of_nothing_but_sky_gives_no_points() -> None:
    field = AnalyticField(CAMERA, [plane((0, 0, 1), -1.0)])
    assert len(sample_surface(field, CAMERA, 100, seed=0, edge_step=0.04)) == 0


def test_one_outlier_does_not_eat_the_budget() -> None:
    grid = depth_grid(room(CAMERA), CAMERA, 512, 384, edge_step=0.04)
    grid.depth_m[200, 250] = 5000.0
    samples = sample_surface(
        room(CAMERA), CAMERA, 10_000, seed=0, edge_step=0.04, grid=grid, grazing_cap_deg=None, far_cap=None
    )
    px = coords_to_px(samples.coords_yx, 512, 384)
    assert (np.abs(px - [250.5, 200.5]).max(axis=1) < 1).sum() < 10
