"""Cells of the image within which every interpolated feature is bilinear, and queries sorted into them.

The official decoder reads two maps, bilinearly and padded with zeros. Between neighbouring
lines through the centres of the cells of either map, both are bilinear functions of the
coordinate. Those lines, and the border of the image, are the edges of the cells here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

LIMIT = 1 - 1e-6
"""Coordinates are clamped to this magnitude, as the official decoder does."""


def position_dtype(device: torch.device) -> torch.dtype:
    """What coordinates are sorted into cells in: float64, or float32 on Apple's cards, which have nothing else."""
    return torch.float32 if device.type == "mps" else torch.float64


@dataclass(frozen=True)
class Neighbours:
    """The four map cells around each of N places, row by row, and their weights.

    Attributes:
        index: (N, 4) into the flattened map.
        weights: (N, 1, 4), or (N, 3, 4) with the derivatives by y and x; 0 outside the map.
    """

    index: Tensor
    weights: Tensor

    def sample(self, features: Tensor) -> Tensor:
        """(h * w, C) features -> (N, 1 or 3, C)."""
        around = features.index_select(0, self.index.flatten()).view(*self.index.shape, -1)
        return torch.bmm(self.weights.to(features.dtype), around)


def neighbours(coords_yx: Tensor, height: int, width: int, slopes: bool) -> Neighbours:
    """Neighbours of (N, 2) coordinates in [-1, 1] on a map padded with zeros."""
    y_index, y_weight, y_slope = _axis_neighbours(coords_yx[:, 0], height)
    x_index, x_weight, x_slope = _axis_neighbours(coords_yx[:, 1], width)
    index = (y_index[:, :, None] * width + x_index[:, None]).flatten(1)
    pairs = [(y_weight, x_weight)]
    if slopes:
        pairs += [(y_slope, x_weight), (y_weight, x_slope)]
    weights = torch.stack([(a[:, :, None] * b[:, None]).flatten(1) for a, b in pairs], dim=1)
    return Neighbours(index, weights)


def _axis_neighbours(coords: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """(N, 2) indices, weights and derivatives of the weights by the coordinate."""
    position = ((coords.to(position_dtype(coords.device)) + 1) * size - 1) / 2
    low = position.floor()
    index = torch.stack([low, low + 1], dim=1)
    inside = (index >= 0) & (index <= size - 1)
    high_weight = position - low
    weight = torch.stack([1 - high_weight, high_weight], dim=1) * inside
    slope = weight.new_tensor([-size / 2, size / 2]) * inside
    return index.clamp(0, size - 1).long(), weight, slope


@dataclass(frozen=True)
class CellGrid:
    """All cells of an image.

    Attributes:
        y_edges, x_edges: Rising coordinates of their edges, from -1 to 1, in the `position_dtype` of the device.
    """

    y_edges: Tensor
    x_edges: Tensor

    @classmethod
    def of(cls, map_sizes: tuple[tuple[int, int], ...], device: torch.device) -> CellGrid:
        """The cells of maps of the given heights and widths."""
        rows, columns = zip(*map_sizes, strict=True)
        return cls(_edges(rows), _edges(columns)).to(device)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of cells."""
        return len(self.y_edges) - 1, len(self.x_edges) - 1

    def to(self, device: torch.device) -> CellGrid:
        """The same cells on another device."""
        dtype = position_dtype(device)  # changed on the processor, which knows both types
        return CellGrid(*(edges.cpu().to(dtype).to(device) for edges in (self.y_edges, self.x_edges)))

    def per_coordinate(self, cells: Tensor) -> Tensor:
        """(N, 2) float32 derivative of the position in a numbered cell, 0 to 1, by the coordinate (y, x)."""
        heights, widths = self.y_edges.diff(), self.x_edges.diff()
        columns = self.shape[1]
        return (1 / torch.stack([heights[cells // columns], widths[cells % columns]], dim=1)).float()

    def corner_coords(self, corners: Tensor) -> Tensor:
        """(N, 2) coordinates (y, x) of numbered corners, counted row by row."""
        columns = len(self.x_edges)
        return torch.stack([self.y_edges[corners // columns], self.x_edges[corners % columns]], dim=1)

    def corners_of(self, cells: Tensor) -> Tensor:
        """(N, 4) numbers of the corners of numbered cells, both counted row by row."""
        columns = self.shape[1]
        first = cells // columns * (columns + 1) + cells % columns
        return torch.stack([first, first + 1, first + columns + 1, first + columns + 2], dim=1)


def _edges(sizes: tuple[int, ...]) -> Tensor:
    centres = [(torch.arange(size, dtype=torch.float64) + 0.5) / size * 2 - 1 for size in sizes]
    return torch.cat([torch.tensor([-1.0, 1.0], dtype=torch.float64), *centres]).unique()


def locate(coords: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
    """(N,) coordinates of one axis -> numbers of their cells, and float32 positions in them, 0 to 1."""
    coords = coords.to(edges.dtype).clamp(-LIMIT, LIMIT)
    cell = torch.searchsorted(edges, coords.contiguous(), right=True).sub_(1).clamp_(0, len(edges) - 2)
    return cell, ((coords - edges[cell]) / (edges[cell + 1] - edges[cell])).float()


@dataclass(frozen=True)
class SortedQueries:
    """Queries by the cell they are in.

    Attributes:
        cells: (M,) numbers of the cells that hold any, each once.
        counts: (M,) how many each holds.
        places: For (m,) of the cells above that hold equally many, n: positions y and x in
            the cell, and positions in the answer, each (m, n).
        total: Number of queries.
    """

    cells: Tensor
    counts: Tensor
    places: Callable[[Tensor, int], tuple[Tensor, Tensor, Tensor]]
    total: int


def sort_points(coords_yx: Tensor, grid: CellGrid) -> SortedQueries:
    """Sorts (N, 2) coordinates in any order; the answer is in their order."""
    y_cell, y_along = locate(coords_yx[:, 0], grid.y_edges)
    x_cell, x_along = locate(coords_yx[:, 1], grid.x_edges)
    cell, order = (y_cell * grid.shape[1] + x_cell).sort()
    cells, counts = cell.unique_consecutive(return_counts=True)
    starts = counts.cumsum(0) - counts

    def places(chosen: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
        index = order[starts[chosen][:, None] + torch.arange(count, device=order.device)]
        return y_along[index], x_along[index], index

    return SortedQueries(cells, counts, places, len(coords_yx))


def sort_grid(y: tuple[Tensor, Tensor], x: tuple[Tensor, Tensor], grid: CellGrid) -> SortedQueries:
    """Sorts the crossings of rising (h,) and (w,) coordinates, located before; the answer is row by row."""
    (y_cell, y_along), (x_cell, x_along) = y, x
    rows, row_counts = y_cell.unique_consecutive(return_counts=True)
    columns, column_counts = x_cell.unique_consecutive(return_counts=True)
    row_starts, column_starts = row_counts.cumsum(0) - row_counts, column_counts.cumsum(0) - column_counts
    width = len(x_cell)

    def places(chosen: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
        row, column = chosen // len(columns), chosen % len(columns)
        # Cells with equally many queries may be of different shapes, such as 2 x 3 and 3 x 2.
        across = column_counts[column][:, None]
        within = torch.arange(count, device=row.device)
        i = row_starts[row][:, None] + torch.div(within, across, rounding_mode="floor")
        j = column_starts[column][:, None] + within % across
        return y_along[i], x_along[j], i * width + j

    cells = (rows[:, None] * grid.shape[1] + columns).flatten()
    return SortedQueries(cells, (row_counts[:, None] * column_counts).flatten(), places, len(y_cell) * width)
