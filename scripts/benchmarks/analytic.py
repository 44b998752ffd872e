"""Depth fields of scenes that are known in closed form, for tests and benchmarks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from infinidepth_blender.camera import Camera
from infinidepth_blender.field.protocol import FieldScale, Rows, pixel_centres_yx

Rays = tuple[Tensor, Tensor]
"""(N,) slopes x / z and y / z of the rays, float64, OpenCV axes."""
Surface = Callable[[Rays], Tensor]
"""(N,) disparity of one surface along the rays, 0 or less where they miss it."""


def plane(normal: tuple[float, float, float], offset: float) -> Surface:
    """The plane normal . X = offset."""
    return lambda rays: (normal[0] * rays[0] + normal[1] * rays[1] + normal[2]) / offset


def sphere(centre: tuple[float, float, float], radius: float) -> Surface:
    def disparity(rays: Rays) -> Tensor:
        rx, ry = rays
        a = rx**2 + ry**2 + 1
        b = rx * centre[0] + ry * centre[1] + centre[2]
        c = sum(value**2 for value in centre) - radius**2
        root = b**2 - a * c
        hit = root > 0
        return torch.where(hit, (b + root.where(hit, torch.ones_like(root)).sqrt()) / c, 0.0)

    return disparity


def card(z_m: float, left: float, top: float, right: float, bottom: float) -> Surface:
    """A rectangle facing the camera at depth z; its borders in metres."""

    def disparity(rays: Rays) -> Tensor:
        x, y = rays[0] * z_m, rays[1] * z_m
        return torch.where((x > left) & (x < right) & (y > top) & (y < bottom), 1 / z_m + 0 * x, 0.0)

    return disparity


@dataclass
class AnalyticField:
    """A `DepthField` of surfaces, the nearest of which is seen; sky where there is none.

    Attributes:
        camera: The camera that sees the scene.
        surfaces: The surfaces.
    """

    camera: Camera
    surfaces: Sequence[Surface]
    scale: FieldScale = "metric"
    fov_x_rad: float | None = None

    def _exact(self, coords_yx: Tensor) -> Tensor:
        c = self.camera
        coords = coords_yx.double()
        rx = ((coords[:, 1] + 1) / 2 * c.width_px - c.cx_px) / c.fx_px
        ry = ((coords[:, 0] + 1) / 2 * c.height_px - c.cy_px) / c.fy_px
        return torch.stack([s((rx, ry)) for s in self.surfaces]).amax(dim=0).clamp(min=0)

    def disparity(self, coords_yx: Tensor) -> Tensor:
        with torch.no_grad():
            return self._exact(coords_yx).float()

    def disparity_and_gradient(self, coords_yx: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            coords = coords_yx.detach().double().requires_grad_()
            disparity = self._exact(coords)
            (gradient,) = torch.autograd.grad(disparity.sum(), coords)
        return disparity.detach().float(), gradient.float()

    def disparity_grid(self, height: int, width: int, rows: Rows | None = None) -> Tensor:
        return self.disparity(pixel_centres_yx(height, width, rows=rows)).reshape(-1, width)

    def sky_grid(self, height: int, width: int, rows: Rows | None = None) -> Tensor:
        return (self.disparity_grid(height, width, rows) <= 0).float()


def room(camera: Camera) -> AnalyticField:
    """Floor 1.5 m below, ceiling 1.2 m above, walls 2.5 m to either side and 8 m ahead."""
    walls = [
        plane((0, 1, 0), 1.5),
        plane((0, -1, 0), 1.2),
        plane((1, 0, 0), 2.5),
        plane((-1, 0, 0), 2.5),
        plane((0, 0, 1), 8.0),
    ]
    return AnalyticField(camera, walls)
