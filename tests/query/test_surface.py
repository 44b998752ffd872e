"""Normals and areas from disparity, against geometry known in closed form."""

from __future__ import annotations

import math

import pytest
import torch

from infinidepth_blender.camera import Camera
from infinidepth_blender.field.protocol import pixel_centres_yx
from infinidepth_blender.query.surface import area_vector, surface_normals
from scripts.benchmarks.analytic import AnalyticField, plane, sphere

CAMERA = Camera(320, 200, 210.0, 250.0, 140.0, 120.0)
"""Off-centre, and with pixels that are not square."""


def test_a_plane_has_its_own_normal_everywhere() -> None:
    normal = torch.tensor([0.4, -0.3, 0.866], dtype=torch.float64)
    normal /= normal.norm()
    field = AnalyticField(CAMERA, [plane((float(normal[0]), float(normal[1]), float(normal[2])), 3.0)])
    coords = pixel_centres_yx(20, 32)
    normals = surface_normals(*field.disparity_and_gradient(coords), coords, CAMERA)
    assert torch.allclose(normals, -normal.expand_as(normals), atol=1e-5)


def test_a_sphere_has_radial_normals() -> None:
    centre = torch.tensor([0.2, 0.1, 4.0], dtype=torch.float64)
    field = AnalyticField(CAMERA, [sphere((0.2, 0.1, 4.0), 1.0)])
    coords = pixel_centres_yx(100, 160)
    disparity, gradient = field.disparity_and_gradient(coords)
    hit = disparity > 0
    x = ((coords[:, 1].double() + 1) / 2 * 320 - 140) / 210 / disparity
    y = ((coords[:, 0].double() + 1) / 2 * 200 - 120) / 250 / disparity
    points = torch.stack([x, y, 1 / disparity.double()], dim=1)
    normals = surface_normals(disparity, gradient, coords, CAMERA)
    cosine = ((points - centre) * normals).sum(dim=1)[hit]
    angle = torch.rad2deg(torch.arccos(cosine.clamp(-1, 1)))
    assert hit.sum() > 500
    assert angle.median() < 0.1


def area_density(field: AnalyticField, coords: torch.Tensor) -> torch.Tensor:
    """Square metres of surface per square pixel, as the module's first lines have it."""
    disparity, gradient = field.disparity_and_gradient(coords)
    m = area_vector(disparity, gradient, coords, field.camera)
    return m.norm(dim=1) / (field.camera.fx_px * field.camera.fy_px * disparity.double() ** 3)


@pytest.mark.parametrize("normal", [(0.0, 0.0, 1.0), (0.0, 1.0, 0.1), (0.6, -0.5, 0.6)])
def test_area_density_is_the_limit_of_small_patches(normal: tuple[float, float, float]) -> None:
    field = AnalyticField(CAMERA, [plane(normal, 2.0)])
    step_px = 1e-3
    at = torch.tensor([[150.0, 190.0], [30.0, 170.0]], dtype=torch.float64)  # x, y in pixels

    def points(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        rx, ry = (x - CAMERA.cx_px) / CAMERA.fx_px, (y - CAMERA.cy_px) / CAMERA.fy_px
        z = 2.0 / (normal[0] * rx + normal[1] * ry + normal[2])
        return torch.stack([rx * z, ry * z, z], dim=-1)

    along_x = (points(at[:, 0] + step_px, at[:, 1]) - points(at[:, 0] - step_px, at[:, 1])) / (2 * step_px)
    along_y = (points(at[:, 0], at[:, 1] + step_px) - points(at[:, 0], at[:, 1] - step_px)) / (2 * step_px)
    expected = torch.linalg.cross(along_x, along_y).norm(dim=1)
    coords = torch.stack([at[:, 1] / 200 * 2 - 1, at[:, 0] / 320 * 2 - 1], dim=1).float()
    density = area_density(field, coords)
    assert torch.allclose(density, expected, rtol=1e-4)


def test_density_sums_up_to_the_area_of_a_sphere_cap() -> None:
    camera = Camera.from_fov_x(math.radians(40), 600, 600)
    field = AnalyticField(camera, [sphere((0.0, 0.0, 4.0), 1.0)])
    density = area_density(field, pixel_centres_yx(600, 600))
    visible_area = 2 * math.pi * (1 - 1 / 4)
    assert float(density[density.isfinite()].sum()) == pytest.approx(visible_area, rel=0.02)
