"""Depth fields with a closed form, for tests of what is built on a field."""

from __future__ import annotations

import torch
from torch import Tensor

from infinidepth_blender.field.protocol import FieldScale, Rows, pixel_centres_yx


class PlaneField:
    """A plane: disparity is linear in the image. Above `sky_above_y` there is sky.

    Attributes:
        calls: Number of questions asked so far.
    """

    def __init__(
        self,
        constant: float = 0.2,
        by_y: float = 0.1,
        by_x: float = 0.03,
        sky_above_y: float = -2.0,
        scale: FieldScale = "metric",
        fov_x_rad: float | None = None,
    ) -> None:
        self.scale: FieldScale = scale
        self.fov_x_rad = fov_x_rad
        self.coefficients = (constant, by_y, by_x)
        self.sky_above_y = sky_above_y
        self.calls = 0

    def disparity(self, coords_yx: Tensor) -> Tensor:
        self.calls += 1
        constant, by_y, by_x = self.coefficients
        return constant + by_y * coords_yx[:, 0] + by_x * coords_yx[:, 1]

    def disparity_and_gradient(self, coords_yx: Tensor) -> tuple[Tensor, Tensor]:
        disparity = self.disparity(coords_yx)
        return disparity, torch.tensor(self.coefficients[1:]).to(coords_yx).expand(len(coords_yx), 2)

    def disparity_grid(self, height: int, width: int, rows: Rows | None = None) -> Tensor:
        return self.disparity(pixel_centres_yx(height, width, rows=rows)).view(-1, width)

    def sky_grid(self, height: int, width: int, rows: Rows | None = None) -> Tensor:
        return (pixel_centres_yx(height, width, rows=rows)[:, 0] < self.sky_above_y).float().view(-1, width)
