"""The implicit decoder, rewritten for one encoded photo so that queries are cheap.

Bilinear interpolation commutes with linear layers, and the fusion has no residual path,
so between two rectifiers everything is one linear map. For each level the part that acts
on features is applied to the feature map once; what is left per query is: interpolate,
add one small matrix product, rectify; three times, and a head. Derivatives with respect
to the coordinate follow the same chain in closed form.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .decoder import ImplicitDecoder
from .interpolate import AxisBand, AxisWeights, axis_weights, grid_axis, sample_points, sample_points_with_slopes
from .surfaces import seen_surface, seen_surface_with_slopes

_BLOCK_COLUMNS = 256
"""Columns of a block on a grid: few source cells per block keep the interpolation cheap."""


@dataclass(frozen=True)
class _Stage:
    """Rectified sum of interpolated maps and, from the second stage on, a product with the stage before.

    Attributes:
        maps: Channels-last maps (h, w, C); constants are folded into the first.
        carry: (C_before, C) matrix, or None for the first stage.
    """

    maps: tuple[Tensor, ...]
    carry: Tensor | None


class CompiledDecoder:
    """Evaluates (t, sky logit) for one photo.

    Attributes:
        choice: (h, w, 1) logits that take the place of the decoder's own choice between two surfaces at steps; None: its own.
    """

    def __init__(self, stages: list[_Stage], head: nn.Linear, out: nn.Linear) -> None:
        self.stages = stages
        self.choice: Tensor | None = None
        self._head_weight, self._head_bias = head.weight.detach(), head.bias.detach()
        self._out_weight, self._out_bias = out.weight.detach(), out.bias.detach()

    @classmethod
    def of(cls, decoder: ImplicitDecoder, levels: tuple[Tensor, ...]) -> CompiledDecoder:
        """Compiles a decoder for the (1, C_k, h_k, w_k) levels of one photo."""
        with torch.no_grad():
            features = [level[0].permute(1, 2, 0) for level in levels]
            # The products of weights are small, and not every device has float64.
            decoder = copy.deepcopy(decoder).cpu().double()
            detail = features.pop(0) if decoder.detail is not None else None
            stages = []
            before: Tensor | None = None
            narrow: nn.Linear | None = None
            for index, step in enumerate(decoder.fusion_steps()):
                widen = step.widen.weight
                # Everything that is linear between the hidden state before and this rectifier.
                through = widen @ (step.gate[:, None] * step.project.weight)
                constant = widen @ (step.gate * step.project.bias) + step.widen.bias
                own = _apply(features[index + 1], widen)
                if narrow is None:
                    maps = (own, _apply(features[0], through))
                    if decoder.detail is not None and detail is not None:
                        maps = (*maps, _apply(detail, through @ decoder.detail.weight))
                else:
                    constant = constant + through @ narrow.bias
                    before = (through @ narrow.weight).T
                    maps = (own,)
                maps[0].add_(constant.to(maps[0]))
                stages.append(_Stage(maps, None if before is None else before.to(maps[0]).contiguous()))
                narrow = step.narrow
            head = _merged(narrow, decoder.head_hidden)
            device = features[0].device
            return cls(stages, head.float().to(device), decoder.out_layer().float().to(device))

    @property
    def device(self) -> torch.device:
        """Where the maps live; coordinates must be there, too."""
        return self._head_weight.device

    def to(self, device: torch.device) -> CompiledDecoder:
        """The same decoder on another device."""
        moved = object.__new__(CompiledDecoder)
        moved.stages = [
            _Stage(tuple(m.to(device) for m in stage.maps), None if stage.carry is None else stage.carry.to(device))
            for stage in self.stages
        ]
        for name in ("_head_weight", "_head_bias", "_out_weight", "_out_bias"):
            setattr(moved, name, getattr(self, name).to(device))
        moved.choice = None if self.choice is None else self.choice.to(device)
        return moved

    @property
    def has_two_surfaces(self) -> bool:
        """Whether there is a choice."""
        return len(self._out_bias) == 4

    def points(self, coords_yx: Tensor) -> Tensor:
        """(N, 2) coordinates -> (N, 2): normalised log depth and sky logit."""
        hidden: Tensor | None = None
        for stage in self.stages:
            total = _sum(sample_points(m, *_axes(coords_yx, m)) for m in stage.maps)
            if hidden is not None and stage.carry is not None:
                total.addmm_(hidden, stage.carry)
            hidden = total.relu_()
        assert hidden is not None
        choice = None if self.choice is None else sample_points(self.choice, *_axes(coords_yx, self.choice))
        return self.seen(self.head(hidden), choice)

    def points_with_slopes(self, coords_yx: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 2) coordinates -> (N,) normalised log depth and its (N, 2) derivative by (y, x)."""
        hidden: Tensor | None = None
        for stage in self.stages:
            total = _sum(sample_points_with_slopes(m, *_axes(coords_yx, m)) for m in stage.maps)
            if hidden is not None and stage.carry is not None:
                total += hidden @ stage.carry
            hidden = _relu_with_slopes(total)
        assert hidden is not None
        head = hidden @ self._head_weight.T
        head[0] += self._head_bias
        out = _relu_with_slopes(head) @ self._out_weight.T
        out[0] += self._out_bias
        if not self.has_two_surfaces:
            return out[0, :, 0].contiguous(), out[1:, :, 0].T.contiguous()
        near, _, gap, choice = out.unbind(dim=-1)
        by_colours = None
        if self.choice is not None:
            by_colours = sample_points_with_slopes(self.choice, *_axes(coords_yx, self.choice))[..., 0]
        seen = seen_surface_with_slopes(near, gap, choice, by_colours)
        return seen[0], seen[1:].T.contiguous()

    def grid(
        self,
        height: int,
        width: int,
        inside_y: float,
        inside_x: float,
        block_pixels: int,
        rows: tuple[int, int] | None = None,
    ) -> GridPlan:
        """Prepares the pixel centres of an image as queries.

        Args:
            height, width: Size of the grid.
            inside_y, inside_x: Part of the maps that the grid covers, centred.
            block_pixels: Pixels evaluated at a time.
            rows: First and last row (exclusive) that are wanted; None: all.
        """
        return GridPlan(self, height, width, inside_y, inside_x, block_pixels, rows or (0, height))

    def head(self, hidden: Tensor) -> Tensor:
        """What the last stage found, (N, C), -> (N, 2 or 4) answers as `ImplicitDecoder.forward` gives them."""
        head = torch.addmm(self._head_bias, hidden, self._head_weight.T).relu_()
        return torch.addmm(self._out_bias, head, self._out_weight.T)

    def seen(self, answers: Tensor, choice: Tensor | None) -> Tensor:
        """(N, 2 or 4) answers, with another choice (N, 1) -> (N, 2): normalised log depth of what is seen and sky logit."""
        if not self.has_two_surfaces:
            return answers
        near, sky_logit, gap, own_choice = answers.unbind(dim=-1)
        chosen = seen_surface(near, gap, own_choice, None if choice is None else choice[:, 0])
        return torch.stack([chosen, sky_logit], dim=-1)


class GridPlan:
    """A grid of queries in strips of rows that can be evaluated in any order, on any thread.

    On a grid bilinear interpolation is separable: rows first, then small dense products along x.

    Attributes:
        strips: First and last row (exclusive) of each strip.
        shape: Height and width of the grid.
    """

    def __init__(
        self,
        decoder: CompiledDecoder,
        height: int,
        width: int,
        inside_y: float,
        inside_x: float,
        block_pixels: int,
        wanted: tuple[int, int],
    ) -> None:
        self.shape = (height, width)
        self._decoder = decoder
        columns = min(width, _BLOCK_COLUMNS)
        rows = max(1, min(height, block_pixels // columns))
        self.strips = _runs(*wanted, rows)
        self._columns = _runs(0, width, columns)
        maps = [m for stage in decoder.stages for m in stage.maps]
        sizes = {m.shape[:2] for m in (maps if decoder.choice is None else [*maps, decoder.choice])}
        self._y_axes = {h: grid_axis(height, h, inside_y) for h, _ in sizes}
        x_axes = {w: grid_axis(width, w, inside_x) for _, w in sizes}
        self._x_bands = {
            w: [AxisBand.of(axis, *run, decoder.device) for run in self._columns] for w, axis in x_axes.items()
        }

    def evaluate(self, strip: tuple[int, int]) -> Tensor:
        """(rows, width, 2) answers in a strip, as `CompiledDecoder.points` gives them."""
        return self._evaluate(strip, 2)

    def own_choice(self, strip: tuple[int, int]) -> Tensor:
        """(rows, width) logits of the decoder's own choice between two surfaces, which it must have."""
        return self._evaluate(strip, 4)[..., 3]

    def _evaluate(self, strip: tuple[int, int], wanted: int) -> Tensor:
        top, bottom = strip
        device = self._decoder.device
        y_bands = {h: AxisBand.of(axis, top, bottom, device) for h, axis in self._y_axes.items()}
        # Vertical interpolation first: the maps are narrow, so this is the cheap order.
        rows = [[_rows_of(m, y_bands[m.shape[0]]) for m in stage.maps] for stage in self._decoder.stages]
        choice = self._decoder.choice
        choices = None if choice is None else _rows_of(choice, y_bands[choice.shape[0]])
        answer = torch.empty(bottom - top, self.shape[1], wanted, device=device)
        for index, (left, right) in enumerate(self._columns):
            bands = {w: band[index] for w, band in self._x_bands.items()}
            found = self._block(rows, bands)
            if wanted == 2:
                here = None if choices is None else _across(choices, bands[choices.shape[1]]).flatten(0, 1)
                found = self._decoder.seen(found, here)
            answer[:, left:right] = found.view(bottom - top, right - left, wanted)
        return answer

    def _block(self, strips: list[list[Tensor]], x_bands: dict[int, AxisBand]) -> Tensor:
        hidden: Tensor | None = None
        for stage, rows in zip(self._decoder.stages, strips, strict=True):
            total: Tensor | None = None
            for strip in rows:
                total = _across(strip, x_bands[strip.shape[1]], total)
            assert total is not None
            flat = total.view(-1, total.shape[-1])
            if hidden is not None and stage.carry is not None:
                flat.addmm_(hidden, stage.carry)
            hidden = flat.relu_()
        assert hidden is not None
        return self._decoder.head(hidden)


def _runs(first: int, last: int, length: int) -> list[tuple[int, int]]:
    return [(start, min(start + length, last)) for start in range(first, last, length)]


def _apply(features: Tensor, weight: Tensor) -> Tensor:
    """(h, w, C) features through a (D, C) matrix -> (h, w, D) float32."""
    return (features @ weight.T.to(features)).contiguous()


def _merged(first: nn.Linear | None, second: nn.Linear) -> nn.Linear:
    """One layer for two that follow each other without a rectifier between."""
    if first is None:
        return second
    merged = nn.Linear(first.in_features, second.out_features, dtype=second.weight.dtype)
    merged.weight.copy_(second.weight @ first.weight)
    merged.bias.copy_(second.weight @ first.bias + second.bias)
    return merged


def _rows_of(features: Tensor, band: AxisBand) -> Tensor:
    """(h, w, C) -> (lines, w, C)."""
    source = features[band.start : band.stop]
    return (band.matrix @ source.flatten(1)).view(-1, *features.shape[1:])


def _across(lines: Tensor, band: AxisBand, add_to: Tensor | None = None) -> Tensor:
    """(lines, w, C) -> (lines, columns, C)."""
    matrix, source = band.matrix.expand(len(lines), -1, -1), lines[:, band.start : band.stop]
    return torch.bmm(matrix, source) if add_to is None else add_to.baddbmm_(matrix, source)


def _axes(coords_yx: Tensor, features: Tensor) -> tuple[AxisWeights, AxisWeights]:
    return axis_weights(coords_yx[:, 0], features.shape[0]), axis_weights(coords_yx[:, 1], features.shape[1])


def _relu_with_slopes(values: Tensor) -> Tensor:
    """Rectifies (3, N, C): value and two derivatives, which pass where the value is positive."""
    return values * (values[0] > 0)


def _sum(parts: Iterator[Tensor]) -> Tensor:
    total = next(parts)
    for part in parts:
        total += part
    return total
