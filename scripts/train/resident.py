"""Batches that are made where the network is trained, from images that stay in the memory of a graphics card.

Crops, colours, queries and measurements as `data.make_batch` draws them, but many images at a time and without waiting
for the card: the processor's cores are busy rendering new ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from infinidepth_blender.field.preprocess import patch_grid
from infinidepth_blender.field.prompt_map import CELLS_PER_PATCH, MIN_LOG_RANGE

from .data import EDGE_SHARE, Batch
from .measured import (
    LINE_SLOPE,
    LINES,
    LINES_SHARE,
    NOISY_SHARE,
    PATCH_DIVISOR_SHARES,
    PROMPT_POINTS,
    SHORT_QUANTILES,
    SHORT_SHARE,
)
from .queries import AHEAD, BEND
from .recolour import recoloured
from .relight import chosen_to_relight, every_other, relit
from .resident_pool import Images, ResidentPool, decode_on_device
from .resident_prompts import prompt_maps
from .sending import constant, sent
from .views import draw_views

QUANTILE_GRID = 96
"""Rows and columns of the places that a view's range of depths is taken from."""
SHRINKS = 1.15
"""Pixels of the image under one of the view from which four places are averaged."""
FEWEST_SOLID = 9
"""Places with depth below which a view has no range of its own, and no measurements."""


class ResidentStream:
    """Batches without end from a resident pool.

    Args:
        folders, device: As `ResidentPool` has them.
        seed: Decides what is drawn from the images that are there.
        count: Images of a batch. queries: Coordinates per image, a multiple of three.
        input_patch_px: Side of a patch in pixels of the network's input.
        prompted_share: Share of the images that get measured points.
        limit_bytes: As `ResidentPool` has it.
    """

    def __init__(
        self,
        folders: Path | Sequence[Path],
        device: str,
        seed: int,
        count: int,
        queries: int,
        input_patch_px: int,
        prompted_share: float,
        limit_bytes: float,
    ) -> None:
        folders = [folders] if isinstance(folders, Path) else list(folders)
        self.pool = ResidentPool(folders, torch.device(device), limit_bytes)
        self.rng = np.random.default_rng([seed, 23])
        self.noise = torch.Generator(device).manual_seed(seed)
        self.count, self.queries, self.input_patch_px = count, queries, input_patch_px
        self.prompted_share = prompted_share

    def next(self, tokens: int) -> Batch:
        """A batch of about `tokens` patches per image.

        Raises:
            FileNotFoundError: the pools stayed empty for half a minute.
        """
        self.pool.take(wait_s=30)
        sizes = list(self.pool.by_size.values())
        if not sizes:
            raise FileNotFoundError(f"No shards yet in {', '.join(map(str, self.pool.folders))}.")
        shares = np.array([images.count for images in sizes]) / len(self.pool)
        images = sizes[self.rng.choice(len(sizes), p=shares)]
        tokens = int(tokens * math.exp(self.rng.uniform(-0.3, 0.3)))
        return _Maker(self, images, tokens).batch()

    def close(self) -> None:
        """Ends reading."""
        self.pool.close()


class _Maker:
    """One batch of images of one size."""

    def __init__(self, stream: ResidentStream, images: Images, tokens: int) -> None:
        self.stream, self.images, self.rng = stream, images, stream.rng
        self.device = images.image.device
        height, width = images.image.shape[1:3]
        self.patch_rows, self.patch_columns = grid = patch_grid(width, height, tokens)
        chosen = self.rng.integers(0, images.count, stream.count)
        self.labels = images.labels[chosen]
        self.views = draw_views(self.labels, (height, width), grid, 2 * CELLS_PER_PATCH, self.rng, augment=True)
        self.chosen = sent(chosen, self.device)
        to_image = self.views.to_image()
        self.to_image = sent(to_image, self.device)
        self.to_view = sent(np.linalg.inv(to_image[:, :, :2]), self.device)
        self.finer = images.codes.shape[1] / height

    def _uniform(self, *shape: int) -> Tensor:
        return torch.rand(shape, generator=self.stream.noise, device=self.device)

    def batch(self) -> Batch:
        """Pixels, queries with their truth, and measurements."""
        y, x = self._queries()
        coords = self._in_view(y, x).clamp(-1, 1)
        log_depth, near, far = self._surfaces(y, x)
        low, spread = self._whole_range()
        prompt, low_told, spread_told = self._measured(low, spread)
        # The sky has no depth.
        t, t_near, t_far = (
            torch.where(log_depth.isinf(), 0.0, (value - low_told[:, None]) / spread_told[:, None])
            for value in (log_depth, near, far)
        )
        return Batch(
            image=recoloured(self._pixels(), self.rng),
            coords_yx=coords,
            t=t,
            t_near=t_near,
            t_far=t_far,
            sky=log_depth.isinf().float(),
            log_focal=sent(self.views.log_focal, self.device),
            log_range=spread.log(),
            sin_pitch=sent(self.views.sin_pitch, self.device),
            roll_rad=sent(self.views.roll_rad, self.device),
            prompt=prompt,
            log_spread=spread_told.log(),
        )

    def _pixels(self) -> Tensor:
        """(B, 3, h, w) the views as the network takes them."""
        height, width = (n * self.stream.input_patch_px for n in (self.patch_rows, self.patch_columns))
        whole = self._relit(self.images.image[self.chosen].permute(0, 3, 1, 2).float() / 255)
        # `affine_grid` takes (x, y, 1) in [-1, 1] of the view to (x, y) in [-1, 1] of the image.
        size = constant(tuple(whole.shape[2:]), self.device)[:, None]
        theta = self.to_image * 2 / size
        theta[:, :, 2] -= 1
        theta = theta.flip(1)[:, :, [1, 0, 2]]
        grid = F.affine_grid(theta, [len(whole), 3, height, width], align_corners=False)
        options = {"mode": "bilinear", "padding_mode": "border", "align_corners": False}
        if max(self.views.height_px.max() / height, self.views.width_px.max() / width) < SHRINKS:
            return F.grid_sample(whole, grid, **options)
        pixels = torch.zeros((len(whole), 3, height, width), device=self.device)
        for row in (-0.5, 0.5):
            for column in (-0.5, 0.5):
                shift = theta[:, :, 0] * (column / width) + theta[:, :, 1] * (row / height)
                pixels += F.grid_sample(whole, grid + shift[:, None, None], **options)
        return pixels / 4

    def _relit(self, whole: Tensor) -> Tensor:
        """The images, some of them in another light."""
        chosen = chosen_to_relight(len(whole), self.rng)
        if not len(chosen):
            return whole
        some, (height, width) = sent(chosen, self.device), whole.shape[2:]
        log_depth = decode_on_device(every_other(self.images.codes[self.chosen[some]], height))
        focal = sent(self.labels[chosen, 0] / math.hypot(height, width), self.device)
        return whole.index_copy(0, some, relit(whole[some], log_depth, focal, self.rng))

    def _place(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """Row and column (B, n) of the truth at (B, n, 2) places of the views, order (y, x)."""
        at = (places @ self.to_image[:, :, :2].mT + self.to_image[:, None, :, 2]) * self.finer
        rows, columns = self.images.codes.shape[1:]
        y, x = at.floor().long().unbind(-1)
        return y.clamp(0, rows - 1), x.clamp(0, columns - 1)

    def _in_view(self, y: Tensor, x: Tensor) -> Tensor:
        """(B, n, 2) places in the views of the middles of pixels of the truth, the inverse of `_place`."""
        at = (torch.stack([y, x], dim=-1) + 0.5) / self.finer
        return (at - self.to_image[:, None, :, 2]) @ self.to_view.mT

    def _log_depth(self, y: Tensor, x: Tensor) -> Tensor:
        """Log depth at rows and columns (B, ...) of the truth."""
        chosen = self.chosen.reshape(-1, *(1,) * (y.ndim - 1))
        return decode_on_device(self.images.codes[chosen, y, x])

    def _queries(self) -> tuple[Tensor, Tensor]:
        """Rows and columns (B, N): a third anywhere or beside steps, a third near these, a third opposite."""
        count, third = len(self.chosen), self.stream.queries // 3
        rows, columns = self.images.codes.shape[1:]
        y, x = self._place(self._uniform(count, third, 2) * 2 - 1)
        beside = int(EDGE_SHARE * third)
        tried_y, tried_x = self._place(self._uniform(count, 8 * beside, 2) * 2 - 1)
        best = self._bends(tried_y, tried_x).topk(beside, dim=1).indices
        y[:, :beside], x[:, :beside] = tried_y.gather(1, best), tried_x.gather(1, best)
        reach = (self._uniform(count, third) * math.log(24)).exp()
        heading = self._uniform(count, third) * 2 * math.pi
        dy, dx = reach * heading.sin(), reach * heading.cos()
        # Both neighbours lie in the view, as far away as it allows.
        middle = self._in_view(y, x)
        step = torch.stack([dy, dx], dim=-1) / self.finer @ self.to_view.mT
        room = ((1 - middle.abs()).clamp_min(0) / step.abs().clamp_min(1e-6)).amin(-1)
        near_border = room < 1
        dy, dx = (torch.where(near_border, (d * room).trunc(), d.round()).long() for d in (dy, dx))
        y, x = torch.cat([y, y + dy, y - dy], dim=1), torch.cat([x, x + dx, x - dx], dim=1)
        return y.clamp(0, rows - 1), x.clamp(0, columns - 1)

    def _bends(self, y: Tensor, x: Tensor) -> Tensor:
        """(B, N) rank of places by how much disparity bends there, as `queries.near_edges` takes it."""
        rows, columns = self.images.codes.shape[1:]
        y, x = y.clamp(2, rows - 3), x.clamp(2, columns - 3)
        here = self._log_depth(y, x)
        rank = torch.zeros_like(here)
        for dy, dx in ((2, 0), (0, 2)):
            either = [(here - self._log_depth(y + k * dy, x + k * dx)).exp() for k in (-1, 1)]
            rank = torch.fmax(rank, (either[0] + either[1] - 2).abs().nan_to_num(0.0))
        return rank.clamp(max=BEND) + 1e-3 * self._uniform(*y.shape)

    def _surfaces(self, y: Tensor, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Log depth of queries, and of the nearer and the farther surface as `queries.both_surfaces` tells them."""
        here = self._log_depth(y, x)
        offsets = constant(tuple(map(tuple, AHEAD.tolist())), self.device)
        ahead, behind = self._around(y, x, offsets), self._around(y, x, -offsets)
        bend = ((here[..., None] - ahead).exp() + (here[..., None] - behind).exp() - 2).abs()
        # A comparison with nothing is false.
        stepped = (bend > BEND).any(-1) & here.isfinite()
        around = torch.stack([ahead, behind], dim=-1).flatten(-2)
        known = around.isfinite()
        nearest = torch.where(known, around, torch.inf).amin(-1).fmin(here)
        farthest = torch.where(known, around, -torch.inf).amax(-1).fmax(here)
        middle = (nearest + farthest) / 2
        is_near = here <= middle
        beyond = torch.where(is_near[..., None], around > middle[..., None], around < middle[..., None])
        other = around.gather(-1, beyond.float().argmax(-1, keepdim=True))[..., 0]
        stepped &= beyond.any(-1)
        return here, torch.where(stepped & ~is_near, other, here), torch.where(stepped & is_near, other, here)

    def _around(self, y: Tensor, x: Tensor, offsets: Tensor) -> Tensor:
        """(B, N, n) samples beside the queries; NaN at the sky and outside the image."""
        rows, columns = self.images.codes.shape[1:]
        there_y, there_x = y[..., None] + offsets[:, 0], x[..., None] + offsets[:, 1]
        inside = (there_y >= 0) & (there_y < rows) & (there_x >= 0) & (there_x < columns)
        values = self._log_depth(there_y.clamp(0, rows - 1), there_x.clamp(0, columns - 1))
        return torch.where(inside & values.isfinite(), values, torch.nan)

    def _whole_range(self) -> tuple[Tensor, Tensor]:
        """(B,) low end and spread of log depth in the views."""
        side = (torch.arange(QUANTILE_GRID, device=self.device) + 0.5) / QUANTILE_GRID * 2 - 1
        places = torch.stack(torch.meshgrid(side, side, indexing="ij"), dim=-1).reshape(1, -1, 2)
        log_depth = self._log_depth(*self._place(places.expand(len(self.chosen), -1, -1)))
        return _range(log_depth, FEWEST_SOLID)

    def _measured(self, low: Tensor, spread: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Maps of measurements, and the ranges that they tell; of images without any the given ranges.

        As many places are tried as there may be measurements; where some lie in the sky or are left out, the largest
        numbers of measurements are not reached.
        """
        count = len(self.chosen)
        shape = self.patch_rows * CELLS_PER_PATCH, self.patch_columns * CELLS_PER_PATCH
        most = PROMPT_POINTS[1]
        places = self._on_lines(self._uniform(count, most, 2) * 2 - 1)
        y, x = self._place(places)
        places, log_depth = self._in_view(y, x), self._log_depth(y, x)
        known = log_depth.isfinite()
        left = known & ~self._left_out(places) & self._in_reach(log_depth)
        usable = torch.where(left.any(1, keepdim=True), left, known)
        wanted = np.exp(self.rng.uniform(math.log(PROMPT_POINTS[0]), math.log(most), count))
        given = usable & (usable.cumsum(1) <= sent(wanted, self.device)[:, None])
        chosen = np.flatnonzero(self.rng.random(count) < self.stream.prompted_share)
        some = sent(chosen, self.device)
        given &= torch.zeros_like(known).index_fill(0, some, True) & (known.sum(1, keepdim=True) >= FEWEST_SOLID)
        deviation = np.where(self.rng.random(count) < NOISY_SHARE, self.rng.uniform(0.002, 0.02, count), 0)
        noise = torch.randn(log_depth.shape, generator=self.stream.noise, device=self.device)
        measured = torch.where(given, log_depth + noise * sent(deviation, self.device)[:, None], torch.inf)
        told = given.any(1)
        told_low, told_spread = _range(measured, 1)
        low, spread = torch.where(told, told_low, low), torch.where(told, told_spread, spread)
        prompt = torch.zeros((count, 4, *shape), device=self.device)
        if len(chosen):
            t = (measured[some] - low[some, None]) / spread[some, None]
            prompt[some] = prompt_maps(places[some], t, given[some], *shape) * told[some, None, None, None]
        return prompt, low, spread

    def _on_lines(self, places: Tensor) -> Tensor:
        """The (B, n, 2) places, of some images moved up or down onto lines across the picture."""
        count = len(places)
        number, slope, phase = (
            sent(value, self.device)[:, None]
            for value in (
                np.exp(self.rng.uniform(math.log(LINES[0]), math.log(LINES[1]), count)),
                self.rng.uniform(-LINE_SLOPE, LINE_SLOPE, count),
                self.rng.random(count),
            )
        )
        height, across = (places[..., 0] + 1) / 2, (places[..., 1] + 1) / 2
        line = ((height + slope * across) * number + phase).round()
        moved = ((line - phase) / number - slope * across).clamp(0, 1) * 2 - 1
        some = sent(self.rng.random(count) < LINES_SHARE, self.device)[:, None]
        return torch.stack([torch.where(some, moved, places[..., 0]), places[..., 1]], dim=-1)

    def _in_reach(self, log_depth: Tensor) -> Tensor:
        """Which of (B, n) depths a sensor sees; of some images those below a quantile alone."""
        count = len(log_depth)
        share = sent(self.rng.uniform(*SHORT_QUANTILES, count), self.device)
        ordered = log_depth.sort(dim=1).values  # the sky, which is infinite, last
        known = log_depth.isfinite().sum(1)
        last = (share * (known - 1).clamp_min(0)).long()
        reach = ordered.gather(1, last[:, None])
        far = sent(self.rng.random(count) >= SHORT_SHARE, self.device)[:, None]
        return far | (log_depth <= reach)

    def _left_out(self, places: Tensor) -> Tensor:
        """Which of the (B, n, 2) places lie in rectangles without measurements, of half of the images."""
        count = len(places)
        parts = self.rng.choice(np.arange(2, 9), count, p=PATCH_DIVISOR_SHARES)
        numbers = np.array([self.rng.integers(1, max(2, n * n // 2)) for n in parts])
        numbers[self.rng.random(count) < 0.5] = 0
        centres = self.rng.uniform(-1, 1, (count, numbers.max(initial=0), 2))
        centres[np.arange(centres.shape[1]) >= numbers[:, None]] = np.inf
        away = (places[:, :, None] - sent(centres, self.device)[:, None]).abs()
        return (away < sent(1 / parts, self.device)[:, None, None, None]).all(-1).any(-1)


def _range(log_depth: Tensor, fewest: int) -> tuple[Tensor, Tensor]:
    """(B,) low end and spread of (B, n) log depths, those that are finite; 0 and 1 of fewer than `fewest`."""
    finite = log_depth.isfinite()
    quantiles = constant((0.02, 0.98), log_depth.device)
    low, high = torch.where(finite, log_depth, torch.nan).nanquantile(quantiles, dim=1)
    enough = finite.sum(1) >= fewest
    return torch.where(enough, low, 0.0), torch.where(enough, (high - low).clamp_min(MIN_LOG_RANGE), 1.0)
