"""The area behind a pixel: planes go on to their corners, rough surfaces are asked for there."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from infinidepth_blender.camera import Camera
from infinidepth_blender.query.corners import meeting_disparity
from infinidepth_blender.query.grids import depth_grid
from infinidepth_blender.query.surface_cells import SurfaceCells
from scripts.benchmarks.analytic import AnalyticField, Rays, plane
from scripts.benchmarks.uniformity import mesh_area

CAMERA = Camera.from_fov_x(math.radians(60), 240, 180)
SMOOTH_UPTO_PX = 120


def half_rough(rays: Rays) -> Tensor:
    """A wall whose right half has waves of about three pixels, by half a percent of its distance."""
    x, y = rays[0] * CAMERA.fx_px, rays[1] * CAMERA.fy_px
    waves = torch.sin(2.1 * x + 0.7 * y) + torch.sin(1.9 * y - 0.9 * x)
    return 0.25 * (1 + 0.1 * rays[0] + torch.where(x > 0, 0.0025 * waves, 0.0))


class Counted(AnalyticField):
    asked = 0

    def disparity(self, coords_yx: Tensor) -> Tensor:
        self.asked += len(coords_yx)
        return super().disparity(coords_yx)


def weights(field: AnalyticField, questions: int) -> NDArray[np.float64]:
    grid = depth_grid(field, CAMERA, CAMERA.width_px, CAMERA.height_px, edge_step=0.1)
    cells = SurfaceCells.from_depth(grid, CAMERA, 0.1, field=field, questions=questions)
    area = np.zeros(grid.depth_m.size)
    area[cells.order] = np.diff(cells.cumulative, prepend=0)
    return area.reshape(grid.depth_m.shape)


def test_a_rough_surface_gets_the_area_of_its_mesh() -> None:
    field = AnalyticField(CAMERA, [half_rough])
    grid = depth_grid(field, CAMERA, CAMERA.width_px, CAMERA.height_px, edge_step=0.1)
    right = mesh_area(field, CAMERA, grid)[:, SMOOTH_UPTO_PX + 4 :].sum()
    smooth = AnalyticField(CAMERA, [lambda rays: 0.25 * (1 + 0.1 * rays[0])])
    assert right > 1.05 * weights(smooth, 0)[:, SMOOTH_UPTO_PX + 4 :].sum()
    assert abs(weights(field, 10**6)[:, SMOOTH_UPTO_PX + 4 :].sum() / right - 1) < 0.01


def test_only_rough_corners_are_asked_for_and_no_more_than_allowed() -> None:
    smooth = Counted(CAMERA, [plane((0.2, 0.3, 1.0), 4.0)])
    weights(smooth, 10**6)
    before = smooth.asked
    field = Counted(CAMERA, [half_rough])
    weights(field, 10**6)
    rough = field.asked - before
    assert 0.3 * CAMERA.width_px * CAMERA.height_px < rough < 0.55 * CAMERA.width_px * CAMERA.height_px
    limited = Counted(CAMERA, [half_rough])
    weights(limited, 500)
    assert limited.asked - before == 500


def test_a_crease_is_not_rough() -> None:
    """A floor meets a wall between two rows: at their corners each plane goes on alone."""
    y = np.arange(40) + 0.5
    wall, floor = np.full(40, 0.2), 0.01 * (y - 20) + 0.2
    disparity = np.maximum(wall, floor)[:, None].repeat(50, axis=1).astype(np.float32)
    slope_y = np.where(y > 20, 0.01, 0.0)[:, None].repeat(50, axis=1).astype(np.float32)
    met = meeting_disparity(disparity, np.zeros_like(disparity), slope_y, 0.05, CAMERA.resized(50, 40))
    assert np.isnan(met).all()
