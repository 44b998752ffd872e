"""Batches that are made where the network is trained, from images that stay in the memory of a graphics card.

The same crops, colours, queries and measurements as `data.make_batch` draws, many images at a time: sixteen processor
cores make about a thousand such images a second, and are busy rendering new ones.
"""

from __future__ import annotations

import contextlib
import math
import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from infinidepth_blender.field.preprocess import patch_grid
from infinidepth_blender.field.prompt_map import CELLS_PER_PATCH, MIN_LOG_RANGE

from .data import EDGE_SHARE, Batch
from .measured import NOISY_SHARE, PATCH_DIVISOR_SHARES, PROMPT_POINTS
from .pool import LOG_FAR, LOG_NEAR, SKY_CODE, Shard, shard_folders
from .queries import AHEAD, BEND
from .recolour import recoloured
from .resident_prompts import prompt_maps
from .views import draw_views

GROWTH = 1.5
QUANTILE_GRID = 96
"""Rows and columns of the places that a view's range of depths is taken from."""
SHRINKS = 1.15
"""Pixels of the image under one of the view from which four places are averaged."""


@dataclass
class Images:
    """Images of one size, and their truth, as `Shard` has them; the oldest make room for the newest.

    Attributes:
        image: (n, H, W, 3) uint8. codes: (n, h, w) int16, the bits of the codes of log depth. labels: (n, 4).
        count: How many of the n there are. oldest: The next to make room.
    """

    image: Tensor
    codes: Tensor
    labels: NDArray[np.float32]
    count: int = 0
    oldest: int = 0

    @classmethod
    def like(cls, shard: Shard, device: str) -> Images:
        """Room for images of a shard's size, and none of them yet."""
        none = torch.empty((0, *shard.image.shape[1:]), dtype=torch.uint8, device=device)
        no_codes = torch.empty((0, *shard.log_depth.shape[1:]), dtype=torch.int16, device=device)
        return cls(none, no_codes, np.empty((0, 4), np.float32))

    def add(self, image: Tensor, codes: Tensor, labels: NDArray[np.float32], may_grow: bool) -> None:
        """Takes images in."""
        room = len(self.labels) - self.count
        if room < len(image) and (may_grow or not self.count):
            more = max(math.ceil((GROWTH - 1) * self.count), len(image))
            self.image = torch.cat([self.image, self.image.new_empty((more, *self.image.shape[1:]))])
            self.codes = torch.cat([self.codes, self.codes.new_empty((more, *self.codes.shape[1:]))])
            self.labels = np.concatenate([self.labels, np.empty((more, 4), np.float32)])
        for k in range(len(image)):
            if self.count < len(self.labels):
                at, self.count = self.count, self.count + 1
            else:
                at, self.oldest = self.oldest, (self.oldest + 1) % self.count
            self.image[at].copy_(image[k], non_blocking=True)
            self.codes[at].copy_(codes[k], non_blocking=True)
            self.labels[at] = labels[k]

    def decode(self, codes: Tensor) -> Tensor:
        """Log depth of codes, infinite at the sky."""
        values = codes.int() & 0xFFFF
        return torch.where(values == SKY_CODE, torch.inf, values * ((LOG_FAR - LOG_NEAR) / (SKY_CODE - 1)) + LOG_NEAR)


@dataclass
class ResidentPool:
    """What the shards of some folders hold, read ahead by a thread and kept on a device.

    Attributes:
        folders: Pools that may still grow.
        device: Where the images are kept.
        limit_bytes: Size from which the oldest images make room.
        by_size: Images by height, width and the height of their truth.
    """

    folders: Sequence[Path]
    device: str
    limit_bytes: float
    by_size: dict[tuple[int, ...], Images] = field(default_factory=dict)
    bytes: int = 0

    def __post_init__(self) -> None:
        self._read: queue.Queue[Shard] = queue.Queue(16)
        self._ended = threading.Event()
        self._reader = threading.Thread(target=self._read_ahead, daemon=True)
        self._reader.start()

    def close(self) -> None:
        """Ends the thread."""
        self._ended.set()
        self._reader.join()

    def _read_ahead(self) -> None:
        known: set[Path] = set()
        while not self._ended.is_set():
            new = [path for folder in self.folders for path in shard_folders(folder) if path not in known]
            if not new:
                time.sleep(0.5)
            for path in new:
                known.add(path)
                with contextlib.suppress(OSError, ValueError):  # removed meanwhile
                    mapped = Shard.open(path)
                    shard = Shard(*(np.array(getattr(mapped, name)) for name in mapped.__dataclass_fields__))
                    while not self._ended.is_set():
                        with contextlib.suppress(queue.Full):
                            self._read.put(shard, timeout=1)
                            break

    def take(self, wait_s: float = 0.0) -> None:
        """Takes in what has been read, without waiting if there are images already."""
        with contextlib.suppress(queue.Empty):
            while True:
                shard = self._read.get(timeout=wait_s) if wait_s and not self.by_size else self._read.get_nowait()
                images = self.by_size.setdefault(
                    (*shard.image.shape[1:3], shard.log_depth.shape[1]), Images.like(shard, self.device)
                )
                image, codes = torch.from_numpy(shard.image), torch.from_numpy(shard.log_depth.view(np.int16))
                images.add(image.to(self.device), codes.to(self.device), shard.labels, self.bytes < self.limit_bytes)
                self.bytes = sum(kept.image.nbytes + kept.codes.nbytes for kept in self.by_size.values())

    def __len__(self) -> int:
        return sum(images.count for images in self.by_size.values())


class ResidentStream:
    """Batches without end from a resident pool.

    Args:
        folders, device: As `ResidentPool` has them.
        seed: Decides what is drawn.
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
        self.pool = ResidentPool(folders, device, limit_bytes)
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


@lru_cache(maxsize=4096)
def _grid(width: int, height: int, tokens: int) -> tuple[int, int]:
    return patch_grid(width, height, tokens)


class _Maker:
    """One batch of images of one size."""

    def __init__(self, stream: ResidentStream, images: Images, tokens: int) -> None:
        self.stream, self.images, self.rng = stream, images, stream.rng
        height, width = images.image.shape[1:3]
        self.rows, self.columns = _grid(width, height, tokens)
        chosen = self.rng.integers(0, images.count, stream.count)
        self.views = draw_views(
            images.labels[chosen],
            (height, width),
            (2 * self.rows * CELLS_PER_PATCH, 2 * self.columns * CELLS_PER_PATCH),
            self.rng,
            augment=True,
        )
        self.device = images.image.device
        self.chosen = torch.from_numpy(chosen).to(self.device)
        to_image = self.views.to_image()
        self.to_image = self._number(to_image)
        self.to_view = self._number(np.linalg.inv(to_image[:, :, :2]))
        self.finer = images.codes.shape[1] / height

    def _number(self, values: NDArray[np.floating]) -> Tensor:
        return torch.from_numpy(values.astype(np.float32)).to(self.device)

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
        image = recoloured(self._pixels(), self.rng)
        focal, sin_pitch, roll = (self._number(v) for v in (self.views.focal, self.views.sin_pitch, self.views.roll))
        return Batch(
            image,
            coords,
            t,
            t_near,
            t_far,
            log_depth.isinf().float(),
            focal.log(),
            spread.log(),
            sin_pitch,
            roll,
            prompt,
            spread_told.log(),
        )

    def _pixels(self) -> Tensor:
        """(B, 3, h, w) the views as the network takes them."""
        height, width = self.rows * self.stream.input_patch_px, self.columns * self.stream.input_patch_px
        whole = self.images.image[self.chosen].permute(0, 3, 1, 2).float() / 255
        # `affine_grid` takes (x, y, 1) in [-1, 1] of the view to (x, y) in [-1, 1] of the image.
        size = self.to_image.new_tensor(whole.shape[2:])[:, None]
        theta = self.to_image * 2 / size
        theta[:, :, 2] -= 1
        theta = theta.flip(1)[:, :, [1, 0, 2]]
        grid = F.affine_grid(theta, [len(whole), 3, height, width], align_corners=False)
        options = {"mode": "bilinear", "padding_mode": "border", "align_corners": False}
        if max(self.views.height.max() / height, self.views.width.max() / width) < SHRINKS:
            return F.grid_sample(whole, grid, **options)
        pixels = torch.zeros((len(whole), 3, height, width), device=self.device)
        for row in (-0.5, 0.5):
            for column in (-0.5, 0.5):
                shift = theta[:, :, 0] * (column / width) + theta[:, :, 1] * (row / height)
                pixels += F.grid_sample(whole, grid + shift[:, None, None], **options)
        return pixels / 4

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
        return self.images.decode(self.images.codes[chosen, y, x])

    def _queries(self) -> tuple[Tensor, Tensor]:
        """Rows and columns (B, N): a third anywhere or beside steps, a third near these, a third opposite."""
        count, third = len(self.chosen), self.stream.queries // 3
        rows, columns = self.images.codes.shape[1:]
        y, x = self._place(self._uniform(count, third, 2) * 2 - 1)
        beside = int(EDGE_SHARE * third)
        tried_y, tried_x = self._place(self._uniform(count, 8 * beside, 2) * 2 - 1)
        here = self._log_depth(tried_y, tried_x).clamp(max=10)
        below = self._log_depth((tried_y + 2).clamp(max=rows - 1), tried_x).clamp(max=10)
        right = self._log_depth(tried_y, (tried_x + 2).clamp(max=columns - 1)).clamp(max=10)
        best = ((below - here).abs() + (right - here).abs()).topk(beside, dim=1).indices
        y[:, :beside], x[:, :beside] = tried_y.gather(1, best), tried_x.gather(1, best)
        reach = (self._uniform(count, third) * math.log(24)).exp()
        heading = self._uniform(count, third) * 2 * math.pi
        dy, dx = (reach * heading.sin()).round().long(), (reach * heading.cos()).round().long()
        y, x = torch.cat([y, y + dy, y - dy], dim=1), torch.cat([x, x + dx, x - dx], dim=1)
        # What lies outside of the view becomes the query itself.
        inside = (self._in_view(y, x).abs() < 1).all(-1) & (y >= 0) & (y < rows) & (x >= 0) & (x < columns)
        own_y, own_x = y[:, :third].repeat(1, 3), x[:, :third].repeat(1, 3)
        return torch.where(inside, y, own_y), torch.where(inside, x, own_x)

    def _surfaces(self, y: Tensor, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Log depth of queries, and of the nearer and the farther surface as `queries.both_surfaces` tells them."""
        here = self._log_depth(y, x)
        offsets = torch.from_numpy(AHEAD).to(self.device)
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
        return _range(log_depth)

    def _measured(self, low: Tensor, spread: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Maps of measurements, and the ranges that they tell; of images without any the given ranges."""
        count = len(self.chosen)
        shape = self.rows * CELLS_PER_PATCH, self.columns * CELLS_PER_PATCH
        most = PROMPT_POINTS[1]
        places = self._uniform(count, most, 2) * 2 - 1
        y, x = self._place(places)
        places, log_depth = self._in_view(y, x), self._log_depth(y, x)
        known = log_depth.isfinite()
        left = known & ~self._left_out(places)
        usable = torch.where(left.any(1, keepdim=True), left, known)
        wanted = np.exp(self.rng.uniform(math.log(PROMPT_POINTS[0]), math.log(most), count))
        given = usable & (usable.cumsum(1) <= self._number(wanted)[:, None])
        chosen = np.flatnonzero(self.rng.random(count) < self.stream.prompted_share)
        some = torch.from_numpy(chosen).to(self.device)
        given &= torch.zeros_like(known).index_fill(0, some, True) & (known.sum(1, keepdim=True) > 8)
        deviation = np.where(self.rng.random(count) < NOISY_SHARE, self.rng.uniform(0.002, 0.02, count), 0)
        noise = torch.randn(log_depth.shape, generator=self.stream.noise, device=self.device)
        measured = torch.where(given, log_depth + noise * self._number(deviation)[:, None], torch.inf)
        told = given.any(1)
        told_low, told_spread = _range(measured)
        low, spread = torch.where(told, told_low, low), torch.where(told, told_spread, spread)
        prompt = torch.zeros((count, 4, *shape), device=self.device)
        if len(chosen):
            t = (measured[some] - low[some, None]) / spread[some, None]
            prompt[some] = prompt_maps(places[some], t, given[some], *shape) * told[some, None, None, None]
        return prompt, low, spread

    def _left_out(self, places: Tensor) -> Tensor:
        """Which of the (B, n, 2) places lie in rectangles without measurements, of half of the images."""
        count = len(places)
        parts = self.rng.choice(np.arange(2, 9), count, p=PATCH_DIVISOR_SHARES)
        numbers = np.array([self.rng.integers(1, max(2, n * n // 2)) for n in parts])
        numbers[self.rng.random(count) < 0.5] = 0
        centres = self.rng.uniform(-1, 1, (count, numbers.max(initial=0), 2))
        centres[np.arange(centres.shape[1]) >= numbers[:, None]] = np.inf
        away = (places[:, :, None] - self._number(centres)[:, None]).abs()
        return (away < self._number(1 / parts)[:, None, None, None]).all(-1).any(-1)


def _range(log_depth: Tensor) -> tuple[Tensor, Tensor]:
    """(B,) low end and spread of (B, n) log depths, those that are finite; 0 and 1 of fewer than nine."""
    finite = log_depth.isfinite()
    low, high = torch.where(finite, log_depth, torch.nan).nanquantile(log_depth.new_tensor([0.02, 0.98]), dim=1)
    enough = finite.sum(1) > 8
    return torch.where(enough, low, 0.0), torch.where(enough, (high - low).clamp_min(MIN_LOG_RANGE), 1.0)
