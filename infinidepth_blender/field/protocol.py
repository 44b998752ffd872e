"""What the rest of the engine knows of a depth field, whatever computes it."""

from __future__ import annotations

from typing import Literal, Protocol

import torch
from torch import Tensor

FieldScale = Literal["metric", "relative", "affine"]
"""What the disparity means.

`metric`: 1 / metres. `relative`: right up to one factor, so that depths are right up to
scale. `affine`: right up to factor and offset; it must be aligned before it is a depth.
"""


Rows = tuple[int, int]
"""First row and last row (exclusive) of a part of a grid."""


class DepthField(Protocol):
    """Disparity (1 / depth) of one photo as a function of continuous image coordinates.

    Coordinates are (N, 2) float32 in the order (y, x), in [-1, 1], pixel centres of an
    H-row image at `(i + 0.5) / H * 2 - 1`, on any device; results come back on the same.
    """

    scale: FieldScale
    fov_x_rad: float | None
    """Horizontal field of view that the model estimates, if it does."""

    def disparity(self, coords_yx: Tensor) -> Tensor:
        """(N,) disparity at (N, 2) coordinates."""
        ...

    def disparity_and_gradient(self, coords_yx: Tensor) -> tuple[Tensor, Tensor]:
        """(N,) disparity and its (N, 2) derivative with respect to the coordinates (y, x)."""
        ...

    def disparity_grid(self, height: int, width: int, rows: Rows | None = None) -> Tensor:
        """(height, width) disparity at the pixel centres of an image of that size; only some rows of it if asked."""
        ...

    def sky_grid(self, height: int, width: int, rows: Rows | None = None) -> Tensor:
        """(height, width) probability of sky in [0, 1] at the pixel centres; only some rows of it if asked."""
        ...


def pixel_centres_yx(height: int, width: int, device: torch.device | str = "cpu", rows: Rows | None = None) -> Tensor:
    """(height * width, 2) coordinates (y, x) of all pixel centres, row by row; only those of some rows if asked."""
    y = (torch.arange(*(rows or (0, height)), dtype=torch.float64, device=device) + 0.5) / height * 2 - 1
    x = (torch.arange(width, dtype=torch.float64, device=device) + 0.5) / width * 2 - 1
    return torch.cartesian_prod(y, x).float()
