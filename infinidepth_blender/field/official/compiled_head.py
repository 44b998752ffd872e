"""The official decoder, rewritten for one encoded photo so that queries are cheap. Exact up to rounding.

Three facts make it fast:

1. The first layer is linear and acts on interpolated features: it can be applied to the
   features of the corners of cells (see `cells`), and its result interpolated.
2. Within a cell that result is bilinear. A hidden unit whose four corners agree in sign has
   that sign in the whole cell, so behind the rectifier it is bilinear, too, or zero.
3. The second layer is linear. With u = W2 relu(z) + b2 at the corners, everywhere in the cell

       W2 relu(z) + b2 = bilinear(u) + sum over mixed units k of W2[:, k] d_k,
       d_k = relu(bilinear(z_k)) - bilinear(relu(z_k)),

   and only units with corners of both signs are mixed: on one photo, with random weights, one in twelve.

The bilinear part costs four corners per cell. Derivatives follow the same sums. Where
queries are fewer than corners, the layers are evaluated query by query instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .cells import LIMIT, CellGrid, SortedQueries, locate, neighbours, sort_grid, sort_points

_DIRECT_ROWS = 2048
_CORNERS_AT_ONCE = 4096
_WORTH_SORTING = 2
"""Queries per corner from which cells are cheaper than query by query."""
PIECE_CPU, PIECE_CARD, SMALLEST_PIECE = 1 << 16, 1 << 20, 1 << 14
"""Queries at a time, which set how much memory is worked in."""
_BLOCK_NUMBERS_CPU, _BLOCK_NUMBERS_CARD = 16, 64
"""Numbers in one block of gathered features or weights, for each query of a piece: on a processor, what its cache holds."""
_BAND_ROWS = 4
"""Rows of cells in a strip of a grid, where they make enough strips."""
_STRIPS_AT_LEAST = 16


@dataclass(frozen=True)
class _Corners:
    """Hidden units at the corners of some cells.

    Attributes:
        z: (C, D + 1) first layer before its rectifier; the last unit is always 0.
        u: (C, H) second layer before its rectifier.
        of_cell: (M, 4) rows of `z` and `u` for each cell.
        mixed: (M, D) which units have corners of both signs.
    """

    z: Tensor
    u: Tensor
    of_cell: Tensor
    mixed: Tensor


class CompiledHead:
    """Raw predictions for one photo.

    Attributes:
        grid: The cells of the photo.
    """

    def __init__(self, layers: Sequence[nn.Linear], tokens: Tensor, conv: Tensor) -> None:
        """Compiles a decoder.

        Args:
            layers: Its four linear layers.
            tokens: (1, C, h, w) map of tokens.
            conv: (1, D, h', w') map of the convolutional encoder.
        """
        width = tokens.shape[1]
        first, second, *rest = layers
        with torch.no_grad():
            self._token_size = (tokens.shape[2], tokens.shape[3])
            self._conv_size = (conv.shape[2], conv.shape[3])
            self._tokens = (tokens[0].flatten(1).T.float() @ first.weight[:, :width].T.float()).contiguous()
            self._conv = conv[0].flatten(1).T.float().contiguous()
            self._conv_weight = first.weight[:, width:].T.float().contiguous()
            self._bias = first.bias.float()
            # One row more, of zeros, for the unit that is always 0.
            self._second = F.pad(second.weight.T.float(), (0, 0, 0, 1)).contiguous()
            self._second_bias = second.bias.float()
            self._rest = [(layer.weight.T.float().contiguous(), layer.bias.float()) for layer in rest]
        self.grid = CellGrid.of((self._token_size, self._conv_size), tokens.device)

    @property
    def device(self) -> torch.device:
        """Where the maps live; coordinates must be there, too."""
        return self._bias.device

    def to(self, device: torch.device) -> CompiledHead:
        """The same decoder on another device."""
        moved = object.__new__(CompiledHead)
        for name, value in vars(self).items():
            setattr(moved, name, value.to(device) if isinstance(value, Tensor | CellGrid) else value)
        moved._rest = [(weight.to(device), bias.to(device)) for weight, bias in self._rest]
        return moved

    def points_plan(self, coords_yx: Tensor, piece: int = PIECE_CPU) -> PointsPlan:
        """Prepares (N, 2) coordinates, order (y, x), as queries of at most `piece` at a time."""
        return PointsPlan(self, coords_yx, piece)

    def grid_plan(
        self,
        height: int,
        width: int,
        inside_y: float = 1.0,
        inside_x: float = 1.0,
        rows: tuple[int, int] | None = None,
        piece: int = PIECE_CPU,
    ) -> GridPlan:
        """Prepares the pixel centres of an image as queries.

        Args:
            height, width: Size of the grid.
            inside_y, inside_x: Part of the maps that the grid covers, centred.
            rows: First and last row (exclusive) that are wanted; None: all.
            piece: Queries at a time; strips may be longer, the memory that they work in goes by this.
        """
        return GridPlan(self, height, width, inside_y, inside_x, rows or (0, height), piece)

    def evaluate(self, coords_yx: Tensor, slopes: bool = False, piece: int = PIECE_CPU) -> Tensor:
        """(N, 2) coordinates -> (N, 1) raw predictions; with slopes (N, 3): and derivatives by (y, x)."""
        if len(coords_yx) == 0:
            return torch.empty(0, 3 if slopes else 1, device=self.device)
        queries = sort_points(coords_yx, self.grid)
        corners = self.grid.corners_of(queries.cells).unique()
        if len(coords_yx) < _WORTH_SORTING * len(corners):
            return torch.cat([self._direct(part, slopes) for part in coords_yx.split(_DIRECT_ROWS)])
        answer = self._by_cells(queries, slopes, piece)
        if slopes:
            answer[:, 1:] *= coords_yx.abs() <= LIMIT
        return answer

    def _direct(self, coords_yx: Tensor, slopes: bool) -> Tensor:
        """Every layer query by query."""
        hidden = self._first_layer(coords_yx.clamp(-LIMIT, LIMIT), slopes)
        answer = self._head(_linear(_relu(hidden), self._second[:-1], self._second_bias))
        if slopes:
            answer[:, 1:] *= coords_yx.abs() <= LIMIT
        return answer

    def _first_layer(self, coords_yx: Tensor, slopes: bool) -> Tensor:
        """(N, 2) -> (N, 1 or 3, D) before the rectifier."""
        hidden = neighbours(coords_yx, *self._token_size, slopes).sample(self._tokens)
        conv = neighbours(coords_yx, *self._conv_size, slopes).sample(self._conv)
        hidden.flatten(0, 1).addmm_(conv.flatten(0, 1), self._conv_weight)
        hidden[:, 0] += self._bias
        return hidden

    def _head(self, hidden: Tensor) -> Tensor:
        """(N, 1 or 3, H) second layer before its rectifier -> (N, 1 or 3)."""
        for weight, bias in self._rest:
            hidden = _linear(_relu(hidden), weight, bias)
        value = hidden[:, :1, 0]
        # Behind an ELU with alpha 1 the derivative is that before it, times exp where negative.
        slopes = hidden[:, 1:, 0] * value.clamp(max=0).exp()
        return torch.cat([F.elu(value), slopes], dim=1)

    def _by_cells(self, queries: SortedQueries, slopes: bool, piece: int) -> Tensor:
        answer = torch.empty(queries.total, 3 if slopes else 1, device=self.device)
        corners = self._corners(queries.cells)
        mixed_counts = corners.mixed.sum(1)
        scale = self.grid.per_coordinate(queries.cells)
        scratch = _Scratch(self.device)
        limit = piece * (_BLOCK_NUMBERS_CPU if self.device.type == "cpu" else _BLOCK_NUMBERS_CARD)
        for block, count, mixed in _blocks(queries.counts, mixed_counts, self._second.shape, limit):
            y, x, index = queries.places(block, count)
            weights = _corner_weights(y, x, scale[block] if slopes else None)
            units = _padded_indices(corners.mixed[block], mixed_counts[block], mixed)
            answer[index.flatten()] = self._head(self._cell_block(corners, block, units, weights, scratch))
        return answer

    def _cell_block(
        self, corners: _Corners, block: Tensor, units: Tensor, weights: Tensor, scratch: _Scratch
    ) -> Tensor:
        """Second layer of the n queries in each of b cells -> (b * n, 1 or 3, H).

        Args:
            corners: Of all cells.
            block: (b,) the cells.
            units: (b, k) their mixed units, filled up with the one that is 0.
            weights: (b, n, 1 or 3, 4) interpolation from the corners.
            scratch: Memory to work in.
        """
        cells, count, parts, _ = weights.shape
        mixed, wide = units.shape[1], corners.u.shape[1]
        flat = weights.reshape(cells, count * parts, 4)
        rows = corners.of_cell[block].flatten()
        u = scratch.take("u", cells * 4, wide)
        torch.index_select(corners.u, 0, rows, out=u)
        out = scratch.take("out", cells, count * parts, wide)
        torch.bmm(flat, u.view(cells, 4, wide), out=out)
        if mixed:
            z = scratch.take("z", cells * 4, corners.z.shape[1])
            torch.index_select(corners.z, 0, rows, out=z)
            z = z.view(cells, 4, -1).gather(2, units[:, None].expand(-1, 4, -1))
            bend = scratch.take("bend", cells, count * parts, mixed)
            torch.bmm(flat, z, out=bend)
            by_part = bend.view(cells, count, parts, mixed)
            if parts > 1:
                by_part *= by_part[:, :, :1] > 0
            else:
                bend.relu_()
            bend.baddbmm_(flat, z.relu_(), alpha=-1)
            columns = scratch.take("columns", cells * mixed, wide)
            torch.index_select(self._second, 0, units.flatten(), out=columns)
            out.baddbmm_(bend, columns.view(cells, mixed, wide))
        return out.view(cells * count, parts, wide)

    def _corners(self, cells: Tensor) -> _Corners:
        numbers, of_cell = self.grid.corners_of(cells).unique(return_inverse=True)
        units, wide = self._second.shape[0] - 1, self._second.shape[1]
        z = torch.zeros(len(numbers), units + 1, device=self.device)
        u = torch.empty(len(numbers), wide, device=self.device)
        for part in torch.arange(len(numbers), device=self.device).split(_CORNERS_AT_ONCE):
            rows = slice(int(part[0]), int(part[-1]) + 1)
            hidden = self._first_layer(self.grid.corner_coords(numbers[rows]), slopes=False)[:, 0]
            z[rows, :units] = hidden
            torch.addmm(self._second_bias, hidden.relu_(), self._second[:-1], out=u[rows])
        positive = z[:, :units] > 0
        some = torch.zeros(len(cells), units, dtype=torch.bool, device=self.device)
        every = torch.ones_like(some)
        for corner in of_cell.unbind(1):
            there = positive.index_select(0, corner)
            some |= there
            every &= there
        return _Corners(z, u, of_cell, some & ~every)


class PointsPlan:
    """Scattered queries in compact parts that can be evaluated in any order, on any thread.

    Attributes:
        strips: The parts: positions in the order by cells.
        order: (N,) the query at each of these positions.
    """

    def __init__(self, head: CompiledHead, coords_yx: Tensor, piece: int) -> None:
        self._head = head
        self._piece = piece
        y, x = (
            locate(coords_yx[:, axis], edges)[0] for axis, edges in enumerate((head.grid.y_edges, head.grid.x_edges))
        )
        # Compact parts share corners.
        self.order = (y // _BAND_ROWS * head.grid.shape[1] + x).argsort()
        self._coords = coords_yx[self.order]
        self.strips = [(start, min(start + piece, len(coords_yx))) for start in range(0, len(coords_yx), piece)]

    def evaluate(self, strip: tuple[int, int], slopes: bool = False) -> Tensor:
        """Answers in a part, as `CompiledHead.evaluate` gives them; they belong to `order[first:last]`."""
        return self._head.evaluate(self._coords[slice(*strip)], slopes, self._piece)


class GridPlan:
    """A grid of queries in strips of rows that can be evaluated in any order, on any thread.

    Attributes:
        strips: First and last row (exclusive) of each strip.
        shape: Height and width of the grid.
    """

    def __init__(
        self,
        head: CompiledHead,
        height: int,
        width: int,
        inside_y: float,
        inside_x: float,
        wanted: tuple[int, int],
        piece: int,
    ) -> None:
        self.shape = (height, width)
        self._head = head
        self._piece = piece
        self._centres = (
            _pixel_centres(height, inside_y, head.grid.y_edges),
            _pixel_centres(width, inside_x, head.grid.x_edges),
        )
        self._rows = locate(self._centres[0], head.grid.y_edges)
        self._columns = locate(self._centres[1], head.grid.x_edges)
        top, bottom = wanted
        in_rows = self._rows[0][top:bottom].unique_consecutive(return_counts=True)[1]
        # Neighbouring rows of cells share corners; but all cores shall have work.
        band = max(1, min(_BAND_ROWS, len(in_rows) // _STRIPS_AT_LEAST))
        ends = [top + int(counts) for counts in in_rows.cumsum(0)[band - 1 :: band]]
        ends = [end for end in ends if end < bottom] + [bottom]
        self.strips = list(zip([top, *ends[:-1]], ends, strict=True))
        self._sparse = (bottom - top) * width < _WORTH_SORTING * len(in_rows) * len(self._columns[0].unique())

    def evaluate(self, strip: tuple[int, int]) -> Tensor:
        """(rows, width) raw predictions in a strip."""
        rows = slice(*strip)
        if self._sparse:
            coords = torch.cartesian_prod(self._centres[0][rows], self._centres[1])
            return self._head.evaluate(coords, piece=self._piece)[:, 0].view(-1, self.shape[1])
        queries = sort_grid((self._rows[0][rows], self._rows[1][rows]), self._columns, self._head.grid)
        return self._head._by_cells(queries, slopes=False, piece=self._piece).view(-1, self.shape[1])


def _pixel_centres(count: int, inside: float, edges: Tensor) -> Tensor:
    """(count,) coordinates where and in the type that the edges of cells are."""
    centres = (torch.arange(count, dtype=torch.float64) + 0.5) / count * 2 - 1
    return (centres * inside).to(edges.dtype).to(edges.device)


def _relu(hidden: Tensor) -> Tensor:
    """Rectifies (N, 1 or 3, C) in place: derivatives pass where the value is positive."""
    if hidden.shape[1] == 1:
        return hidden.relu_()
    return hidden.mul_(hidden[:, :1] > 0)


def _linear(hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """A linear layer on (N, 1 or 3, C): derivatives know no bias."""
    out = (hidden.flatten(0, 1) @ weight).view(*hidden.shape[:2], -1)
    out[:, 0] += bias
    return out


def _corner_weights(y: Tensor, x: Tensor, per_coordinate: Tensor | None) -> Tensor:
    """(b, n) positions in cells -> (b, n, 1, 4) weights of their corners.

    With the (b, 2) derivatives of the positions by the coordinates: (b, n, 3, 4).
    """
    y, x = torch.stack([1 - y, y], dim=-1), torch.stack([1 - x, x], dim=-1)
    pairs = [(y, x)]
    if per_coordinate is not None:
        step = y.new_tensor([-1.0, 1.0])
        slope_y, slope_x = (step * per_coordinate[:, None, axis, None] for axis in (0, 1))
        pairs += [(slope_y, x), (y, slope_x)]
    weights = [(a[..., :, None] * b[..., None, :]).flatten(-2) for a, b in pairs]
    return torch.stack(torch.broadcast_tensors(*weights), dim=-2)


def _padded_indices(chosen: Tensor, counts: Tensor, length: int) -> Tensor:
    """(b, D) booleans, `counts` of them true per row -> (b, length) their indices, filled up with D."""
    rows, columns = chosen.nonzero(as_tuple=True)
    padded = torch.full((len(chosen), length), chosen.shape[1], device=chosen.device)
    place = torch.arange(len(rows), device=chosen.device) - (counts.cumsum(0) - counts)[rows]
    padded[rows, place] = columns
    return padded


def _blocks(counts: Tensor, mixed: Tensor, second: tuple[int, ...], limit: int) -> Iterator[tuple[Tensor, int, int]]:
    """Cells in blocks of equally many queries and similarly many mixed units, with both numbers.

    Args:
        counts: (M,) queries in each cell.
        mixed: (M,) mixed units of each cell.
        second: Inputs and outputs of the second layer.
        limit: Numbers that a block may gather, of features or of weights; a block of one cell may exceed it.
    """
    units, wide = second
    order = (counts * (int(mixed.max()) + 1) + mixed).argsort()
    _, lengths = counts[order].unique_consecutive(return_counts=True)
    for run in order.split(lengths.tolist()):
        count = int(counts[run[0]])
        most_mixed = mixed[run].tolist()
        end = len(run)
        while end > 0:
            most = most_mixed[end - 1]
            start = max(0, end - max(1, limit // max(wide * most, wide * count, 4 * units)))
            yield run[start:end], count, most
            end = start


class _Scratch:
    """Memory that is used again and again: fresh pages from the system cost more than the arithmetic on them."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._flat: dict[str, Tensor] = {}

    def take(self, name: str, *shape: int) -> Tensor:
        """A tensor of some shape, with anything in it; it lives until the name is taken again."""
        size = 1
        for side in shape:
            size *= side
        if name not in self._flat or self._flat[name].numel() < size:
            self._flat[name] = torch.empty(size, device=self._device)
        return self._flat[name][:size].view(shape)
