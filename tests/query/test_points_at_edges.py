"""Points near depth steps lie on one of the two surfaces, whether the field steps or ramps as networks do."""

from __future__ import annotations

import math

import numpy as np
import pytest
import soft_fields as soft
import torch
from torch import Tensor
from whole_sample import sample_surface

from infinidepth_blender.camera import Camera
from infinidepth_blender.field.load import load_field_model
from infinidepth_blender.geometry.points import coords_to_px
from infinidepth_blender.query.surface import surface_normals
from scripts.benchmarks.analytic import AnalyticField, Rays, Surface, card, plane

CAMERA = Camera.from_fov_x(math.radians(70), 512, 384)
BACK = plane((0.15, -0.1, 1.0), 6.0)
"""Slanted, so that the surface behind the step is not just one number."""


def disc(z_m: float, radius_m: float) -> Surface:
    """A round card facing the camera: its edge runs in all directions."""

    def disparity(rays: Rays) -> Tensor:
        inside = torch.hypot(rays[0] * z_m, rays[1] * z_m) < radius_m
        return torch.where(inside, 1 / z_m + 0 * rays[0], 0.0)

    return disparity


def pole(z_m: float, width_m: float) -> Surface:
    return card(z_m, -width_m / 2, -10, width_m / 2, 10)


class Ramped(AnalyticField):
    """The mean of the exact disparity over a disc of a few pixels: steps become ramps in all directions."""

    radius_px = 2.0

    def _exact(self, coords_yx: Tensor) -> Tensor:
        step = self.radius_px * 2 / torch.tensor([self.camera.height_px, self.camera.width_px], dtype=torch.float64)
        around = [(y, x) for y in (-1, -0.5, 0, 0.5, 1) for x in (-1, -0.5, 0, 0.5, 1) if y * y + x * x <= 1.01]
        shifted = [coords_yx + step * torch.tensor(offset, dtype=torch.float64) for offset in around]
        return torch.stack([super(Ramped, self)._exact(at) for at in shifted]).mean(0)


def steps(coords_yx: np.ndarray, front: Surface) -> tuple[np.ndarray, np.ndarray]:
    """Depth of the back at each point, and whether an edge of the front is within a pixel."""
    px = coords_to_px(coords_yx.astype(np.float32), CAMERA.width_px, CAMERA.height_px)

    def at(dx: float, dy: float, surface: Surface) -> np.ndarray:
        rays = (px + np.array([dx - CAMERA.cx_px, dy - CAMERA.cy_px])) / [CAMERA.fx_px, CAMERA.fy_px]
        return surface((torch.from_numpy(rays[:, 0]), torch.from_numpy(rays[:, 1]))).numpy()

    around = np.stack([at(math.cos(t), math.sin(t), front) > 0 for t in np.linspace(0, 2 * np.pi, 16)])
    return 1 / at(0, 0, BACK), around.any(axis=0) & ~around.all(axis=0)


@pytest.mark.parametrize("kind", [AnalyticField, pytest.param(Ramped, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("front_m", "front"),
    [(3.0, card(3.0, -0.5, -0.6, 0.9, 0.4)), (3.0, disc(3.0, 0.8)), (3.9, disc(3.9, 0.75)), (3.0, pole(3.0, 0.1))],
    ids=["card", "disc", "disc not far before the back", "pole"],
)
def test_points_within_a_pixel_of_an_edge(kind: type[AnalyticField], front_m: float, front: Surface) -> None:
    samples = sample_surface(kind(CAMERA, [BACK, front]), CAMERA, 40_000, seed=0, edge_step=0.04)
    assert len(samples) == 40_000
    back_m, at_edge = steps(samples.coords_yx, front)
    assert at_edge.sum() > 80
    on_front, on_back = np.abs(samples.depth_m / front_m - 1) < 0.01, np.abs(samples.depth_m / back_m - 1) < 0.01
    assert (on_front | on_back)[at_edge].mean() >= 0.995
    assert (on_front | on_back).mean() >= 0.999


@pytest.mark.parametrize("blur_px", [1, 3, 5])
@pytest.mark.parametrize(
    "scene",
    [
        soft.card(),
        soft.disc(45),
        soft.disc(40, disparity=1 / 3.9),
        soft.pole(16),
        soft.pole(20, slant=0.7),
        soft.gap(16),
        soft.stairs(20),
        soft.stairs(30, slant=0.5),
        soft.stairs(30, tilt=0.5),
    ],
    ids=["card", "disc", "disc not far before the back", "pole", "leaning pole", "gap", "stairs", "leaning", "tilted"],
)
def test_points_at_soft_edges(scene: soft.Scene, blur_px: float) -> None:
    """Ramps of up to ten pixels, also where the next one begins ten pixels further on."""
    samples = sample_surface(scene.field(blur_px), soft.CAMERA, 15_000, seed=0, edge_step=0.04)
    assert len(samples) == 15_000
    at_edge, on_surface = scene.check(samples.coords_yx, samples.depth_m, blur_px)
    assert at_edge.sum() > 80
    assert on_surface[at_edge].mean() >= 0.995
    assert on_surface.mean() >= 0.998


@pytest.mark.parametrize("width_px", [1.5, 3.0, 6.0])
def test_thin_poles_survive_as_themselves(width_px: float) -> None:
    front = pole(3.0, width_px * 3 / CAMERA.fx_px)
    samples = sample_surface(AnalyticField(CAMERA, [BACK, front]), CAMERA, 40_000, seed=0, edge_step=0.04)
    back_m, _ = steps(samples.coords_yx, front)
    on_pole, on_back = np.abs(samples.depth_m / 3 - 1) < 0.01, np.abs(samples.depth_m / back_m - 1) < 0.01
    assert (on_pole | on_back).mean() >= 0.999
    height_m = 3 * CAMERA.height_px / CAMERA.fy_px
    assert samples.area_m2[on_pole].sum() == pytest.approx(width_px * 3 / CAMERA.fx_px * height_m, rel=0.35)


@pytest.mark.slow
def test_no_two_of_a_million_points_coincide() -> None:
    """On a floor to the horizon without any cap, where most points crowd into a few rows."""
    field = AnalyticField(CAMERA, [plane((0, 1, 0), 1.5)])
    samples = sample_surface(field, CAMERA, 1_000_000, seed=0, edge_step=0.04, grazing_cap_deg=None, far_cap=None)
    keys = samples.coords_yx.view(np.int64).ravel()
    assert len(np.unique(keys)) == 1_000_000
    px = coords_to_px(samples.coords_yx, CAMERA.width_px, CAMERA.height_px)
    positions = CAMERA.unproject(px[:, 0], px[:, 1], samples.depth_m)
    order = np.lexsort(positions.T)
    assert not (np.diff(positions[order], axis=0) == 0).all(axis=1).any()


def test_normals_of_a_real_field_agree_with_finite_differences() -> None:
    y, x = np.mgrid[0:180, 0:240]
    photo = np.stack([120 + 60 * np.sin(x / 17), 90 + y / 2, 160 - 50 * np.cos((x + y) / 23)], axis=-1).astype(np.uint8)
    field = load_field_model("bundled", "cpu").encode(photo)
    camera = Camera.from_fov_x(math.radians(60), 240, 180)
    coords = torch.rand(3000, 2, generator=torch.Generator().manual_seed(0)) * 1.8 - 0.9
    disparity, gradient = field.disparity_and_gradient(coords)
    step = 0.01 * 2 / torch.tensor([180.0, 240.0])  # a hundredth of a pixel
    differences = [
        (field.disparity(coords + by).double() - field.disparity(coords - by).double()) / (2 * by.sum())
        for by in (step * torch.tensor([1.0, 0.0]), step * torch.tensor([0.0, 1.0]))
    ]
    exact = surface_normals(disparity, gradient, coords, camera)
    measured = surface_normals(disparity, torch.stack(differences, dim=1), coords, camera)
    angle = torch.rad2deg(torch.arccos((exact * measured).sum(dim=1).clamp(-1, 1)))
    assert angle.median() < 0.5
    assert angle.quantile(0.95) < 2
