"""Where up is and how high each part of a photo looks: what a camera's lens and tilt do to every patch.

The field after Perspective Fields (arXiv 2212.03239). Each patch can tell its own share from what it shows; the
lens and the tilt then follow from how the answers change over the photo, which a few moments sum up.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

CHANNELS = 3
MOMENTS = 6 * CHANNELS


def patch_centres(rows: int, columns: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """(rows * columns,) positions x and y of patch centres from the middle, in half diagonals, row by row."""
    options = {"dtype": like.dtype, "device": like.device}
    diagonal = math.hypot(rows, columns)
    y = (torch.arange(rows, **options) * 2 + 1 - rows) / diagonal
    x = (torch.arange(columns, **options) * 2 + 1 - columns) / diagonal
    grid_y, grid_x = torch.meshgrid(y, x, indexing="ij")
    return grid_x.flatten(), grid_y.flatten()


def perspective_field(log_focal: Tensor, sin_pitch: Tensor, roll_rad: Tensor, rows: int, columns: int) -> Tensor:
    """The field of cameras.

    Args:
        log_focal, sin_pitch, roll_rad: (B,) as `network.Globals` defines them.
        rows, columns: Patches.

    Returns:
        (B, rows * columns, 3): sine of the height above the horizon of the ray through the patch's centre, and
        the unit vector (x, y) in the image plane along which the image moves up there.
    """
    x, y = patch_centres(rows, columns, log_focal)
    focal = 2 * log_focal.exp()[:, None]  # over half a diagonal
    x, y = x / focal, y / focal
    cos_pitch = (1 - sin_pitch**2).clamp_min(0).sqrt()
    up_x = (-roll_rad.sin() * cos_pitch)[:, None]
    up_y = (-roll_rad.cos() * cos_pitch)[:, None]
    up_z = sin_pitch[:, None]
    height = (x * up_x + y * up_y + up_z) / (1 + x**2 + y**2).sqrt()
    along = torch.stack([up_x - x * up_z, up_y - y * up_z], dim=-1)
    along = along / along.norm(dim=-1, keepdim=True).clamp_min(1e-6)
    return torch.cat([height[..., None], along], dim=-1)


def moments(field: Tensor, rows: int, columns: int) -> Tensor:
    """(B, rows * columns, 3) -> (B, 18): means of the field times 1, x, y, x², xy and y², of about equal size."""
    x, y = patch_centres(rows, columns, field)
    basis = torch.stack([torch.ones_like(x), 4 * x, 4 * y, 8 * x * x, 16 * x * y, 8 * y * y], dim=-1)
    return torch.einsum("bnc,nk->bck", field, basis).flatten(1) / len(x)
