"""A depth map as a field: exact on planes, no points between surfaces, holes and sky stay what they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from infinidepth_blender.field.grid import GridField
from infinidepth_blender.field.protocol import pixel_centres_yx


def plane_disparity(coords_yx: torch.Tensor) -> torch.Tensor:
    """A tilted plane: disparity is linear in image coordinates."""
    return 0.3 + 0.05 * coords_yx[:, 0] - 0.08 * coords_yx[:, 1]


def plane_depth(height: int, width: int) -> np.ndarray:
    return (1 / plane_disparity(pixel_centres_yx(height, width).double())).view(height, width).numpy()


def test_a_plane_is_exact_everywhere_with_its_gradient() -> None:
    field = GridField(plane_depth(24, 31))
    torch.manual_seed(0)
    coords = torch.cat([torch.rand(500, 2) * 2 - 1, torch.tensor([[-1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])])
    value, gradient = field.disparity_and_gradient(coords)
    torch.testing.assert_close(value, plane_disparity(coords), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(gradient, torch.tensor([[0.05, -0.08]]).expand(503, 2), rtol=1e-3, atol=1e-5)


def test_any_grid_of_a_plane_is_exact() -> None:
    field = GridField(plane_depth(24, 31))
    grid = field.disparity_grid(50, 47)
    expected = plane_disparity(pixel_centres_yx(50, 47)).view(50, 47)
    torch.testing.assert_close(grid, expected, rtol=1e-5, atol=1e-6)


def test_the_samples_themselves_come_back() -> None:
    depth = np.random.default_rng(0).uniform(1, 9, (12, 17)).astype(np.float32)
    field = GridField(depth)
    np.testing.assert_allclose(1 / field.disparity_grid(12, 17).numpy(), depth, rtol=1e-5)
    points = field.disparity(pixel_centres_yx(12, 17)).view(12, 17)
    np.testing.assert_allclose(1 / points.numpy(), depth, rtol=1e-5)


def test_no_point_floats_between_two_surfaces() -> None:
    depth = np.full((20, 20), 2.0)
    depth[:, 10:] = 5.0
    depth[14:, 4:8] = 3.0
    torch.manual_seed(0)
    values = 1 / GridField(depth).disparity(torch.rand(20_000, 2) * 2 - 1)
    distance = (values[:, None] - torch.tensor([2.0, 3.0, 5.0])).abs().min(dim=1).values
    assert float(distance.max()) < 1e-5


def test_surfaces_keep_their_slope_up_to_the_edge() -> None:
    depth = plane_depth(40, 40)
    depth[:, 20:] *= 3
    field = GridField(depth)
    torch.manual_seed(0)
    coords = torch.rand(5000, 2) * 2 - 1
    value, gradient = field.disparity_and_gradient(coords)
    factor = torch.where(coords[:, 1] < 0, 1.0, 1 / 3)
    torch.testing.assert_close(value, plane_disparity(coords) * factor, rtol=2e-3, atol=1e-4)
    inner = coords[:, 1].abs() > 2 / 40
    expected = torch.tensor([0.05, -0.08]) * factor[inner, None]
    torch.testing.assert_close(gradient[inner], expected, rtol=1e-3, atol=1e-4)


def test_holes_are_nan_and_do_not_spread() -> None:
    depth = plane_depth(16, 16)
    for row, value in ((3, np.nan), (6, 0.0), (9, -1.0), (12, np.inf)):
        depth[row, 5] = value
    grid = GridField(depth).disparity_grid(64, 64)
    hole = np.zeros((16, 16), dtype=bool)
    hole[[3, 6, 9, 12], 5] = True
    np.testing.assert_array_equal(np.isnan(grid.numpy()), hole.repeat(4, axis=0).repeat(4, axis=1))


def test_sky_is_at_no_distance_and_does_not_blend() -> None:
    depth, sky = np.full((10, 10), 4.0), np.zeros((10, 10), dtype=bool)
    depth[:3], sky[:3] = np.nan, True
    field = GridField(depth, sky)
    sky_grid, disparity = field.sky_grid(40, 40), field.disparity_grid(40, 40)
    assert (sky_grid[:12] == 1).all()
    assert (sky_grid[12:] == 0).all()
    assert (disparity[:12] == 0).all()
    torch.testing.assert_close(disparity[12:], torch.full((28, 40), 0.25))


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1)])
def test_maps_of_one_row_or_column(shape: tuple[int, int]) -> None:
    value, gradient = GridField(np.full(shape, 2.0)).disparity_and_gradient(torch.rand(50, 2) * 2 - 1)
    torch.testing.assert_close(value, torch.full((50,), 0.5))
    assert torch.equal(gradient, torch.zeros(50, 2))


def test_no_coordinates_give_no_answers() -> None:
    value, gradient = GridField(np.ones((3, 4))).disparity_and_gradient(torch.zeros(0, 2))
    assert (value.shape, gradient.shape) == ((0,), (0, 2))


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="depth map of shape"):
        GridField(np.zeros((3, 3, 1)))
    with pytest.raises(ValueError, match="differ in shape"):
        GridField(np.ones((3, 3)), np.zeros((3, 4), dtype=bool))
