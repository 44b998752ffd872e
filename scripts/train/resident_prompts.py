"""Maps of measured depth for many images at once, as `prompt_map` draws them one by one."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from infinidepth_blender.field.prompt_map import CLOSE_CELLS, SMOOTH_CELLS, T_LIMITS

from .sending import constant


def prompt_maps(coords_yx: Tensor, t: Tensor, given: Tensor, height: int, width: int) -> Tensor:
    """Draws measurements on grids and continues them.

    Args:
        coords_yx: (B, N, 2) places in [-1, 1]. t: (B, N) normalised log depth. given: (B, N) bool, which of them
            are measured; of an image without any the answer means nothing.
        height, width: Of the grids.

    Returns:
        (B, 4, height, width) as `field.prompt_map` defines it. The nearest measurement is found by jump flooding
        (Rong and Tan, 2006), which now and then takes one that is hardly farther.
    """
    count = len(t)
    size = constant((float(height), float(width)), coords_yx.device)
    place = (coords_yx + 1) / 2 * size - 0.5
    cell = place.round().clamp(torch.zeros_like(size), size - 1)
    flat = torch.where(given, (cell[..., 0] * width + cell[..., 1]).long(), height * width)
    off = ((place - cell) ** 2).sum(-1)
    # One more cell, for what is not measured. The measurement nearest to the middle of a cell stays.
    best = off.new_full((count, height * width + 1), torch.inf).scatter_reduce(1, flat, off, "amin")
    drawn = torch.zeros_like(best).scatter(
        1, torch.where(off <= best.gather(1, flat), flat, height * width), t.clamp(*T_LIMITS)
    )
    drawn, seen = drawn[:, :-1].reshape(count, 1, height, width), best[:, :-1].isfinite()
    seen = seen.reshape(count, 1, height, width)
    nearest, squared = _nearest(seen)
    value = drawn.flatten(1).gather(1, nearest.flatten(1)).reshape(drawn.shape)
    weight, smooth = _smooth(torch.cat([seen.float(), torch.where(seen, drawn, 0.0)])).chunk(2)
    smooth = torch.where(weight > 1e-4, smooth / weight.clamp_min(1e-4), value)
    return torch.cat([value, smooth, (-squared.sqrt() / CLOSE_CELLS).exp(), torch.ones_like(value)], dim=1)


def _nearest(seen: Tensor) -> tuple[Tensor, Tensor]:
    """Flat index of the nearest cell that is seen, and the squared distance to it, both like (B, 1, h, w) `seen`."""
    height, width = seen.shape[2:]
    row = torch.arange(height, device=seen.device, dtype=torch.float32)[:, None].expand(height, width)
    column = torch.arange(width, device=seen.device, dtype=torch.float32).expand(height, width)
    far = float(4 * (height + width))
    found = torch.where(seen, torch.stack([row, column]), far)
    reach = 2 ** math.ceil(math.log2(max(height, width)))
    for step in [reach >> k for k in range(1, reach.bit_length())] + [2, 1]:
        padded = F.pad(found, (step, step, step, step), value=far)
        best = (found[:, 0] - row) ** 2 + (found[:, 1] - column) ** 2
        for dy in (0, step, 2 * step):
            for dx in (0, step, 2 * step):
                other = padded[:, :, dy : dy + height, dx : dx + width]
                squared = (other[:, 0] - row) ** 2 + (other[:, 1] - column) ** 2
                closer = squared < best
                best = torch.where(closer, squared, best)
                found = torch.where(closer[:, None], other, found)
    squared = (found[:, 0] - row) ** 2 + (found[:, 1] - column) ** 2
    index = (found[:, 0].clamp(0, height - 1) * width + found[:, 1].clamp(0, width - 1)).long()
    return index[:, None], squared[:, None]


def _smooth(maps: Tensor) -> Tensor:
    """(B, 1, h, w) blurred by `SMOOTH_CELLS` to four deviations, the border repeated as in a mirror."""
    reach = int(4 * SMOOTH_CELLS + 0.5)
    taps = torch.arange(-reach, reach + 1, device=maps.device)
    kernel = torch.exp(-0.5 * (taps / SMOOTH_CELLS) ** 2)
    kernel = (kernel / kernel.sum()).reshape(1, 1, -1)
    for axis in (2, 3):
        size = maps.shape[axis]
        index = torch.arange(-reach, size + reach, device=maps.device) % (2 * size)
        padded = maps.index_select(axis, torch.where(index < size, index, 2 * size - 1 - index))
        maps = F.conv2d(padded, kernel[..., None] if axis == 2 else kernel[:, :, None])
    return maps
