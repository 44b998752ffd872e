"""Bilinear interpolation of channels-last feature maps: at points, and on whole grids.

One rule for both, that of `torch.nn.functional.grid_sample` with `align_corners=False`
and border padding: the coordinate c in [-1, 1] lies at ((c + 1) n - 1) / 2 between the n
cells of an axis, and beyond the centres of the outermost cells the border value holds.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class AxisWeights:
    """Two neighbours on one axis, for many coordinates.

    Attributes:
        low, high: (N,) int64 indices of the neighbours.
        weight: (N,) weight of the high one.
        slope: (N,) derivative of the weight with respect to the coordinate.
    """

    low: Tensor
    high: Tensor
    weight: Tensor
    slope: Tensor


def axis_weights(coords: Tensor, size: int) -> AxisWeights:
    """Neighbours and weights of (N,) coordinates on an axis of `size` cells."""
    position = ((coords + 1) * size - 1) / 2
    inside = position.clamp(0, size - 1)
    low = inside.floor().clamp(max=max(size - 2, 0)).long()
    slope = torch.where((position > 0) & (position < size - 1), size / 2, 0.0).to(coords.dtype)
    return AxisWeights(low, (low + 1).clamp(max=size - 1), inside - low, slope)


def sample_points(features: Tensor, y: AxisWeights, x: AxisWeights) -> Tensor:
    """(h, w, C) features at N points -> (N, C)."""
    top, bottom, _, _ = _gather_rows(features, y, x, slopes=False)
    return torch.lerp(top, bottom, y.weight[:, None])


def sample_points_with_slopes(features: Tensor, y: AxisWeights, x: AxisWeights) -> Tensor:
    """(h, w, C) features at N points -> (3, N, C): value, derivative by y, derivative by x."""
    top, bottom, top_slope, bottom_slope = _gather_rows(features, y, x, slopes=True)
    across = bottom - top
    value = torch.addcmul(top, across, y.weight[:, None])
    by_y = across.mul_(y.slope[:, None])
    by_x = torch.lerp(top_slope, bottom_slope, y.weight[:, None]).mul_(x.slope[:, None])
    return torch.stack([value, by_y, by_x])


def _gather_rows(
    features: Tensor, y: AxisWeights, x: AxisWeights, slopes: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Interpolates along x in the two rows that enclose each point."""
    width = features.shape[1]
    cells = features.flatten(0, 1)
    rows, differences = [], []
    for row in (y.low, y.high):
        left = cells.index_select(0, row * width + x.low)
        right = cells.index_select(0, row * width + x.high)
        rows.append(torch.lerp(left, right, x.weight[:, None]))
        differences.append(right.sub_(left) if slopes else right)
    return rows[0], rows[1], differences[0], differences[1]


@dataclass(frozen=True)
class AxisBand:
    """Interpolation of a run of neighbouring grid lines as a small dense matrix.

    Attributes:
        start, stop: The source cells that the run touches.
        matrix: (lines, stop - start).
    """

    start: int
    stop: int
    matrix: Tensor

    @classmethod
    def of(cls, axis: AxisWeights, first: int, last: int, device: torch.device) -> AxisBand:
        """The band for the grid lines `first` to `last` (exclusive) of an axis on the CPU."""
        low, high, weight = axis.low[first:last], axis.high[first:last], axis.weight[first:last]
        start, stop = int(low[0]), int(high[-1]) + 1
        matrix = torch.zeros(last - first, stop - start, dtype=torch.float32)
        lines = torch.arange(last - first)
        matrix[lines, low - start] = 1 - weight
        # On an axis of one cell both neighbours are the same, with all weight on the first.
        matrix[lines, high - start] += weight
        return cls(start, stop, matrix.to(device))


def grid_axis(count: int, size: int, inside: float) -> AxisWeights:
    """Weights for `count` pixel centres on an axis of `size` cells, of which the photo covers a part; on the CPU."""
    centres = (torch.arange(count, dtype=torch.float64) + 0.5) / count * 2 - 1
    axis = axis_weights(centres * inside, size)
    return AxisWeights(axis.low, axis.high, axis.weight.float(), axis.slope.float())
