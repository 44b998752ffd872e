"""Where points may lie: masks and densities of any size, exact to the mask's own pixels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from whole_sample import sample_surface

from infinidepth_blender.camera import Camera
from infinidepth_blender.geometry.points import coords_to_px
from infinidepth_blender.query.grids import depth_grid
from infinidepth_blender.query.sampling import SurfaceSamples
from infinidepth_blender.query.selection import CellSelection
from scripts.benchmarks.analytic import AnalyticField, plane

CAMERA = Camera.from_fov_x(math.radians(60), 320, 240)
WALL = AnalyticField(CAMERA, [plane((0.2, 0.1, 1.0), 4.0)])


def draw(density: NDArray[np.uint8], count: int = 20_000, grid_px: tuple[int, int] = (320, 240)) -> SurfaceSamples:
    grid = depth_grid(WALL, CAMERA, *grid_px, edge_step=0.04)
    return sample_surface(WALL, CAMERA, count, seed=0, edge_step=0.04, grid=grid, density=density, grazing_cap_deg=None)


def values_at(density: NDArray[np.uint8], samples: SurfaceSamples) -> NDArray[np.uint8]:
    px = coords_to_px(samples.coords_yx, density.shape[1], density.shape[0]).astype(int)
    return density[px[:, 1], px[:, 0]]


def disc(height: int, width: int, radius: float = 0.3) -> NDArray[np.uint8]:
    y, x = np.mgrid[0:height, 0:width]
    inside = np.hypot((x + 0.5) / width - 0.5, (y + 0.5) / height - 0.5) < radius
    return inside.astype(np.uint8) * 255


@pytest.mark.parametrize("shape", [(240, 320), (960, 1280), (731, 977), (60, 80), (7, 9)])
@pytest.mark.parametrize("grid_px", [(320, 240), (97, 73)])
def test_no_point_leaves_the_mask_and_all_are_kept(shape: tuple[int, int], grid_px: tuple[int, int]) -> None:
    mask = disc(*shape)
    samples = draw(mask, grid_px=grid_px)
    assert len(samples) == 20_000
    assert (values_at(mask, samples) == 255).all()
    assert len(np.unique(samples.coords_yx, axis=0)) == 20_000


def test_even_a_single_pixel_can_be_chosen() -> None:
    mask = np.zeros((960, 1280), np.uint8)
    mask[501, 333] = 255
    samples = draw(mask, count=500)
    assert (values_at(mask, samples) == 255).all()
    assert len(np.unique(samples.coords_yx, axis=0)) == 500


def test_the_density_is_the_ratio_of_points_per_area() -> None:
    density = np.full((240, 320), 64, np.uint8)
    density[:, 160:] = 255
    samples = draw(density, count=50_000)
    even = draw(np.full((240, 320), 255, np.uint8), count=50_000)
    right = values_at(density, samples) == 255
    area_right = (values_at(density, even) == 255).mean()
    expected = area_right / (area_right + 64 / 255 * (1 - area_right))
    assert right.mean() == pytest.approx(expected, abs=0.002)
    # Each point stands for the area around it, so that the radii close the surface everywhere.
    assert samples.area_m2[~right].mean() / samples.area_m2[right].mean() == pytest.approx(255 / 64, rel=0.01)
    assert samples.area_m2.sum() == pytest.approx(even.area_m2.sum(), rel=0.01)


def test_points_in_a_mask_stand_for_the_area_of_the_mask() -> None:
    mask = disc(960, 1280)
    even = draw(np.full((1, 1), 255, np.uint8), count=100_000)
    inside = values_at(mask, even) == 255
    assert draw(mask).area_m2.sum() == pytest.approx(even.area_m2[inside].sum(), rel=0.01)


def test_nothing_chosen_gives_nothing() -> None:
    assert len(draw(np.zeros((24, 32), np.uint8))) == 0


def test_means_over_cells() -> None:
    density = np.array([[255, 0, 102, 102], [255, 0, 102, 0]], np.uint8)
    cells = CellSelection.of(density, 1, 2)
    np.testing.assert_allclose(cells.mean, [0.5, 0.3], rtol=1e-6)
    np.testing.assert_allclose(cells.mean_inside, [1.0, 0.4], rtol=1e-6)
    row, start, pixels, shape = cells.lists
    assert shape == (2, 4)
    assert [pixels[start[r] : start[r + 1]].tolist() for r in row] == [[0, 4], [2, 3, 6]]
