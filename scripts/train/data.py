"""Batches from a pool of shards: crops, flips, colour changes, and sub-pixel queries with their truth."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from infinidepth_blender.field.preprocess import patch_grid, resized
from infinidepth_blender.field.prompt_map import CELLS_PER_PATCH, CHANNELS, LogDepthRange, prompt_map

from .measured import PROMPT_POINTS, draw_points
from .pool import Shard, decode_log_depth, shard_folders
from .queries import both_surfaces, near_edges
from .recolour import recoloured
from .relight import chosen_to_relight, every_other, relit
from .views import Views, draw_views

EDGE_SHARE = 0.2
"""Share of the queries that are drawn beside depth steps."""


Points = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Places (N, 2) in [-1, 1], order (y, x), and log depths (N,), as `draw_points` has them."""


@dataclass
class Batch:
    """Images of one size with queries.

    Attributes:
        image: (B, 3, H, W) float32 in [0, 1].
        coords_yx: (B, N, 2) queries in three parts, point by point: one anywhere, one near it, and the one opposite,
            as far on the other side (at the border moved inwards).
        t: (B, N) log depth, 0 and 1 at the image's 2 % and 98 % quantiles; 0 at the sky.
        t_near, t_far: (B, N) the same of the nearer and the farther surface around a query, one of which is its own.
            0 at the sky.
        sky: (B, N) float32, 1 where there is sky.
        log_focal, log_range, sin_pitch, roll_rad: (B,) labels as `Globals` defines them.
        prompt: (B, 4, h, w) measured depth as `prompt_map` draws it, `CELLS_PER_PATCH` a side of every patch, all 0 for
            images without. Where there is some, `t` is normalised by the quantiles of the measurements instead.
        log_spread: (B,) logarithm of what log depth was divided by.
    """

    image: Tensor
    coords_yx: Tensor
    t: Tensor
    t_near: Tensor
    t_far: Tensor
    sky: Tensor
    log_focal: Tensor
    log_range: Tensor
    sin_pitch: Tensor
    roll_rad: Tensor
    prompt: Tensor
    log_spread: Tensor

    def to(self, device: str | torch.device) -> Batch:
        """The batch on another device."""
        return Batch(*(getattr(self, name).to(device, non_blocking=True) for name in self.__dataclass_fields__))


class Pictures(Protocol):
    """Where batches get their images from."""

    def draw(self, count: int) -> list[tuple[NDArray[np.uint8], NDArray[np.uint16], NDArray[np.float32]]]:
        """`count` images of one size."""
        ...


class PoolReader:
    """Draws images from the shards that are in one or several pools at the moment."""

    def __init__(self, folders: Path | Sequence[Path], seed: int, refresh_s: float = 20.0) -> None:
        self.folders = [folders] if isinstance(folders, Path) else list(folders)
        self.rng = np.random.default_rng([seed, 17])
        self.refresh_s = refresh_s
        self.shards: dict[str, Shard] = {}
        self.refreshed = -math.inf

    def refresh(self) -> None:
        """Looks for new and removed shards."""
        if time.monotonic() - self.refreshed < self.refresh_s:
            return
        self.refreshed = time.monotonic()
        present = {str(path): path for folder in self.folders for path in shard_folders(folder)}
        self.shards = {name: shard for name, shard in self.shards.items() if name in present}
        for name, path in present.items():
            if name not in self.shards:
                try:
                    self.shards[name] = Shard.open(path)
                except (OSError, ValueError):
                    continue  # removed meanwhile

    def draw(self, count: int) -> list[tuple[NDArray[np.uint8], NDArray[np.uint16], NDArray[np.float32]]]:
        """`count` images of one size, from up to four shards.

        Raises:
            FileNotFoundError: the pool is empty.
        """
        self.refresh()
        if not self.shards:
            raise FileNotFoundError(f"No shards yet in {', '.join(map(str, self.folders))}.")
        names = list(self.shards)
        shape = self.shards[names[self.rng.integers(len(names))]].image.shape[1:]
        alike = [name for name in names if self.shards[name].image.shape[1:] == shape]
        chosen = self.rng.choice(len(alike), size=min(4, len(alike)), replace=False)
        result = []
        for k in range(count):
            shard = self.shards[alike[chosen[k % len(chosen)]]]
            i = int(self.rng.integers(len(shard)))
            result.append((shard.image[i], shard.log_depth[i], shard.labels[i]))
        return result


class BatchStream:
    """Batches without end.

    Args:
        folders: Pools.
        seed: Decides what is drawn.
        count, queries: As `make_batch`.
        input_patch_px: As `make_batch`.
        prompted_share: Share of the images that get measured points.
    """

    def __init__(
        self,
        folders: Path | Sequence[Path],
        seed: int,
        count: int,
        queries: int,
        input_patch_px: int,
        prompted_share: float = 0.0,
    ) -> None:
        self.count, self.queries, self.prompted_share = count, queries, prompted_share
        self.input_patch_px = input_patch_px
        self.reader = PoolReader(folders, seed)
        self.rng = np.random.default_rng(seed)

    def next(self, tokens: int) -> Batch:
        """A batch of about `tokens` patches per image."""
        what = self.count, self.queries, tokens, self.input_patch_px
        return make_batch(self.reader, self.rng, *what, prompted_share=self.prompted_share)

    def close(self) -> None:
        """Nothing is held open."""


def make_batch(
    reader: Pictures,
    rng: np.random.Generator,
    count: int,
    queries: int,
    tokens: int,
    input_patch_px: int,
    augment: bool = True,
    prompted_share: float = 0.0,
    points: tuple[int, int] = PROMPT_POINTS,
    drawn_points: list[Points | None] | None = None,
) -> Batch:
    """Draws and augments one batch.

    Args:
        reader: Where images come from. rng: Decides everything else.
        count: Images. queries: Coordinates per image, a multiple of three. tokens: Patches per image.
        input_patch_px: Side of a patch in pixels of the network's input (`NetworkConfig.input_patch_px`).
        augment: Whether cameras, colours and queries are varied.
        prompted_share: Share of the images that get measured points.
        points: Fewest and most of them.
        drawn_points: Gets the measured points of every image, None of those without.
    """
    drawn = reader.draw(count)
    height, width = drawn[0][0].shape[:2]
    if augment:
        tokens = int(tokens * math.exp(rng.uniform(-0.3, 0.3)))
    rows, columns = patch_grid(width, height, tokens)
    size = rows * input_patch_px, columns * input_patch_px
    labels = np.stack([labels for *_, labels in drawn])
    if augment:
        for k in chosen_to_relight(count, rng):
            image, codes, own = drawn[k]
            drawn[k] = in_other_light(image, codes, own, partial(relit, rng=rng)), codes, own
    views = draw_views(labels, (height, width), (rows, columns), 2 * CELLS_PER_PATCH, rng, augment)
    parts = [
        _prepare(
            *_cut(image, codes, views, k),
            rng,
            size,
            (rows * CELLS_PER_PATCH, columns * CELLS_PER_PATCH),
            queries,
            augment,
            points if rng.random() < prompted_share else None,
            drawn_points,
        )
        for k, (image, codes, _) in enumerate(drawn)
    ]
    stacked = [torch.from_numpy(np.stack(column).astype(np.float32)) for column in zip(*parts, strict=True)]
    image, coords, t, t_near, t_far, sky, log_range, prompt, log_spread = stacked
    log_focal, sin_pitch, roll_rad = (
        torch.from_numpy(values.astype(np.float32)) for values in (views.log_focal, views.sin_pitch, views.roll_rad)
    )
    return Batch(
        image=recoloured(image, rng) if augment else image,
        coords_yx=coords,
        t=t,
        t_near=t_near,
        t_far=t_far,
        sky=sky,
        log_focal=log_focal,
        log_range=log_range,
        sin_pitch=sin_pitch,
        roll_rad=roll_rad,
        prompt=prompt,
        log_spread=log_spread,
    )


def in_other_light(
    image: NDArray[np.uint8],
    codes: NDArray[np.uint16],
    labels: NDArray[np.float32],
    change: Callable[[Tensor, Tensor, Tensor], Tensor],
) -> NDArray[np.uint8]:
    """An image of a shard, with its truth and labels, after a change of `relight`."""
    height, width = image.shape[:2]
    log_depth = decode_log_depth(every_other(codes, height))
    pixels = torch.from_numpy(image.transpose(2, 0, 1).astype(np.float32) / 255)
    focal = torch.tensor([float(labels[0]) / math.hypot(height, width)])
    changed = change(pixels[None], torch.from_numpy(log_depth)[None], focal)[0]
    return (255 * changed + 0.5).to(torch.uint8).permute(1, 2, 0).numpy()


def _cut(
    image: NDArray[np.uint8], codes: NDArray[np.uint16], views: Views, k: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """The `k`-th view of an image (h, w, 3) and of its truth, which is as fine or twice as fine."""
    finer = len(codes) // len(image)
    turn, height, width = float(views.turn_rad[k]), int(views.height_px[k]), int(views.width_px[k])
    centre_x, centre_y = float(views.centre_x_px[k]), float(views.centre_y_px[k])
    if turn:
        image = _turned(image, turn, centre_x, centre_y, width, height, cv2.INTER_LINEAR)
        centre, size = (finer * centre_x, finer * centre_y), (finer * width, finer * height)
        codes = _turned(codes, turn, *centre, *size, cv2.INTER_NEAREST)
    else:
        top, left = round(centre_y - height / 2), round(centre_x - width / 2)
        image = image[top : top + height, left : left + width]
        codes = codes[finer * top : finer * (top + height), finer * left : finer * (left + width)]
    return (image[:, ::-1], codes[:, ::-1]) if views.mirrored[k] else (image, codes)


def _prepare(
    image: NDArray[np.uint8],
    codes: NDArray[np.uint16],
    rng: np.random.Generator,
    size: tuple[int, int],
    prompt_size: tuple[int, int],
    queries: int,
    augment: bool,
    points: tuple[int, int] | None,
    drawn_points: list[Points | None] | None,
):
    pixels = resized(np.ascontiguousarray(image), *size)
    truth = decode_log_depth(codes)
    rows, columns = truth.shape
    third = queries // 3
    y, x = rng.integers(0, rows, third), rng.integers(0, columns, third)
    if augment:
        chosen = int(EDGE_SHARE * third)
        y[:chosen], x[:chosen] = near_edges(truth, rng, chosen)
    reach = np.exp(rng.uniform(0, math.log(24), third))
    heading = rng.uniform(0, 2 * math.pi, third)
    dy, dx = np.round(reach * np.sin(heading)).astype(int), np.round(reach * np.cos(heading)).astype(int)
    y, x = (
        np.concatenate([y, y + dy, y - dy]).clip(0, rows - 1),
        np.concatenate([x, x + dx, x - dx]).clip(0, columns - 1),
    )
    log_depth = truth[y, x]
    ground = np.isfinite(log_depth)
    solid = truth[::3, ::3]
    solid = solid[np.isfinite(solid)]
    whole = given = LogDepthRange.of(solid) if solid.size > 8 else LogDepthRange(0.0, 1.0)
    prompt = np.zeros((CHANNELS, *prompt_size), np.float32)
    found = draw_points(truth, rng, points, augment) if points is not None and solid.size > 8 else None
    if drawn_points is not None:
        drawn_points.append(found)
    if found is not None:
        place, measured = found
        given = LogDepthRange.of(measured)
        prompt = prompt_map(place, (measured - given.low) / given.spread, *prompt_size)
    ts = [
        np.where(ground, (np.where(ground, value, 0.0) - given.low) / given.spread, 0.0)
        for value in (log_depth, *both_surfaces(truth, y, x))
    ]
    coords = np.stack([(y + 0.5) / rows * 2 - 1, (x + 0.5) / columns * 2 - 1], axis=-1)
    return pixels.transpose(2, 0, 1), coords, *ts, ~ground, math.log(whole.spread), prompt, math.log(given.spread)


def _turned(
    source: NDArray, turn: float, centre_x: float, centre_y: float, width: int, height: int, how: int
) -> NDArray:
    """The (height, width) view of a camera that is rolled clockwise by `turn` about a point of `source`."""
    c, s = math.cos(turn), math.sin(turn)
    x, y = width / 2 - 0.5, height / 2 - 0.5
    matrix = np.array([[c, -s, centre_x - 0.5 - c * x + s * y], [s, c, centre_y - 0.5 - s * x - c * y]])
    flags, border = how | cv2.WARP_INVERSE_MAP, cv2.BORDER_REPLICATE
    return np.asarray(
        cv2.warpAffine(np.ascontiguousarray(source), matrix, (width, height), flags=flags, borderMode=border)
    )
