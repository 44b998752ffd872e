"""Batches from a pool of shards: crops, flips, colour changes, and sub-pixel queries with their truth."""

from __future__ import annotations

import contextlib
import math
import queue
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, multiprocessing

from infinidepth_blender.camera import Camera
from infinidepth_blender.field.preprocess import patch_grid, resized
from infinidepth_blender.field.prompt_map import CELLS_PER_PATCH, CHANNELS, LogDepthRange, prompt_map

from .measured import PROMPT_POINTS, draw_points
from .pool import Shard, decode_log_depth, shard_folders
from .queries import both_surfaces, near_edges

TURNED_SHARE = 0.3
"""Share of the images whose camera is rolled anew."""
EDGE_SHARE = 0.2
"""Share of the queries that are drawn beside depth steps."""


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
    """Batches without end, made inline or ahead of time by processes.

    Args:
        folders: Pools.
        seed: Decides what is drawn.
        count, queries: As `make_batch`.
        input_patch_px: As `make_batch`.
        workers: Processes; 0 makes each batch when it is asked for.
        prompted_share: Share of the images that get measured points.
    """

    def __init__(
        self,
        folders: Path | Sequence[Path],
        seed: int,
        count: int,
        queries: int,
        input_patch_px: int,
        workers: int = 0,
        prompted_share: float = 0.0,
    ) -> None:
        self.count, self.queries, self.prompted_share = count, queries, prompted_share
        self.input_patch_px = input_patch_px
        self.reader = PoolReader(folders, seed)
        self.rng = np.random.default_rng(seed)
        self.workers: list = []
        if workers:
            context = multiprocessing.get_context("spawn")
            self.queue = context.Queue(2 * workers)
            self.tokens = context.Value("i", 0)
            for k in range(workers):
                arguments = folders, seed + 7919 * (k + 1), count, queries, self.tokens, input_patch_px, prompted_share
                process = context.Process(target=_serve, args=(*arguments, self.queue), daemon=True)
                self.workers.append(process)
            self.started = False

    def next(self, tokens: int) -> Batch:
        """A batch of about `tokens` patches per image; those made ahead may still have the number before."""
        if not self.workers:
            what = self.count, self.queries, tokens, self.input_patch_px
            return make_batch(self.reader, self.rng, *what, prompted_share=self.prompted_share)
        self.tokens.value = tokens
        if not self.started:
            self.started = True
            for worker in self.workers:
                worker.start()
        while True:
            try:
                return self.queue.get(timeout=30)
            except queue.Empty:
                if not all(worker.is_alive() for worker in self.workers):
                    raise RuntimeError("A process that makes batches has ended.") from None

    def close(self) -> None:
        """Ends the processes."""
        for worker in self.workers:
            if worker.is_alive():
                worker.terminate()
                worker.join()


def _serve(
    folders, seed: int, count: int, queries: int, tokens, input_patch_px: int, prompted_share: float, batches
) -> None:
    """Makes batches for another process until it is ended."""
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    reader, rng = PoolReader(folders, seed), np.random.default_rng(seed)
    # Where the trainer was killed, nobody takes the batches any more.
    trainer = multiprocessing.parent_process()
    while trainer is None or trainer.is_alive():
        batch = make_batch(reader, rng, count, queries, tokens.value, input_patch_px, prompted_share=prompted_share)
        with contextlib.suppress(queue.Full):
            batches.put(batch, timeout=60)


def make_batch(
    reader: PoolReader,
    rng: np.random.Generator,
    count: int,
    queries: int,
    tokens: int,
    input_patch_px: int,
    augment: bool = True,
    prompted_share: float = 0.0,
    points: tuple[int, int] = PROMPT_POINTS,
) -> Batch:
    """Draws and augments one batch.

    Args:
        reader: Where images come from. rng: Decides everything else.
        count: Images. queries: Coordinates per image, a multiple of three. tokens: Patches per image.
        input_patch_px: Side of a patch in pixels of the network's input (`NetworkConfig.input_patch_px`).
        augment: Whether cameras, colours and queries are varied.
        prompted_share: Share of the images that get measured points.
        points: Fewest and most of them.
    """
    drawn = reader.draw(count)
    height, width = drawn[0][0].shape[:2]
    if augment:
        tokens = int(tokens * math.exp(rng.uniform(-0.3, 0.3)))
    rows, columns = patch_grid(width, height, tokens)
    parts = [
        _prepare(
            *item,
            rng,
            (rows * input_patch_px, columns * input_patch_px),
            (rows * CELLS_PER_PATCH, columns * CELLS_PER_PATCH),
            queries,
            augment,
            points if rng.random() < prompted_share else None,
        )
        for item in drawn
    ]
    return Batch(*(torch.from_numpy(np.stack(column).astype(np.float32)) for column in zip(*parts, strict=True)))


@dataclass
class _View:
    """A part of a rendered image as another camera sees it.

    Attributes:
        image: (h, w, 3) uint8. codes: (2 h, 2 w), or (h, w) of a fine image, codes of log depth.
        focal: Focal length over the diagonal of the view. sin_pitch, roll: Of the ray through its middle.
    """

    image: NDArray[np.uint8]
    codes: NDArray[np.uint16]
    focal: float
    sin_pitch: float
    roll: float


def _cut(image, codes, labels, rng: np.random.Generator, size: tuple[int, int], augment: bool) -> _View:
    """The middle of an image in the aspect ratio of `size`; augmented, a random part, rolled and mirrored."""
    height, width = image.shape[:2]
    finer = len(codes) // height  # the truth's resolution over the image's
    focal, pitch, roll, _ = (float(v) for v in labels)
    aspect = size[1] / size[0]
    crop_h, crop_w = min(height, width / aspect), min(width, height * aspect)
    turn = 0.0
    if augment:
        # A narrower crop is another camera; enlarged pixels are no photograph.
        smallest = float(np.clip(size[0] / (1.2 * crop_h), 0.5, 0.9))
        zoom = float(rng.uniform(smallest, 1.0)) if rng.random() < 0.7 else 1.0
        if rng.random() < TURNED_SHARE:
            turn = float(rng.normal(0, 0.12))
            c, s = math.cos(turn), abs(math.sin(turn))
            zoom = min(zoom, height / (crop_h * c + crop_w * s), width / (crop_w * c + crop_h * s))
        crop_h, crop_w = crop_h * zoom, crop_w * zoom
    crop_h, crop_w = max(8, int(crop_h)), max(8, int(crop_w))
    c, s = math.cos(turn), abs(math.sin(turn))
    slack_y, slack_x = height - math.ceil(crop_h * c + crop_w * s), width - math.ceil(crop_w * c + crop_h * s)
    # Mostly near the middle: a principal point far off the centre is rare in photographs.
    top = int(np.clip(slack_y * (0.5 + rng.normal(0, 0.2)), 0, max(0, slack_y))) if augment else slack_y // 2
    left = int(np.clip(slack_x * (0.5 + rng.normal(0, 0.2)), 0, max(0, slack_x))) if augment else slack_x // 2
    if turn:
        centre_x, centre_y = left + (width - slack_x) / 2, top + (height - slack_y) / 2
        image = _turned(image, turn, centre_x, centre_y, crop_w, crop_h, cv2.INTER_LINEAR)
        centre, part = (finer * centre_x, finer * centre_y), (finer * crop_w, finer * crop_h)
        codes = _turned(codes, turn, *centre, *part, cv2.INTER_NEAREST)
    else:
        centre_x, centre_y = left + crop_w / 2, top + crop_h / 2
        image = image[top : top + crop_h, left : left + crop_w]
        codes = codes[finer * top : finer * (top + crop_h), finer * left : finer * (left + crop_w)]
    ray = np.array([(centre_x - width / 2) / focal, (centre_y - height / 2) / focal, 1.0])
    world = Camera(width, height, focal, focal, width / 2, height / 2, "given", pitch, roll).world_rotation()
    sin_pitch = float((world @ ray)[2] / np.linalg.norm(ray))
    # Up as it is seen at the middle of the part, which need not be parallel to up in the middle of the whole.
    up = world[2]
    roll = turn + math.atan2(ray[0] * up[2] - up[0], ray[1] * up[2] - up[1])
    if augment and rng.random() < 0.5:
        image, codes, roll = image[:, ::-1], codes[:, ::-1], -roll
    return _View(image, codes, focal / math.hypot(crop_w, crop_h), sin_pitch, roll)


def _prepare(
    image,
    codes,
    labels,
    rng: np.random.Generator,
    size: tuple[int, int],
    prompt_size: tuple[int, int],
    queries: int,
    augment: bool,
    points: tuple[int, int] | None,
):
    # Parts are chosen by the pixels of the transformer, half of whose size is the map of measurements.
    view = _cut(image, codes, labels, rng, (2 * prompt_size[0], 2 * prompt_size[1]), augment)
    pixels = resized(np.ascontiguousarray(view.image), *size)
    truth = decode_log_depth(view.codes)
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
    if points is not None and solid.size > 8:
        place, measured = draw_points(truth, rng, points, augment)
        given = LogDepthRange.of(measured)
        prompt = prompt_map(place, (measured - given.low) / given.spread, *prompt_size)
    ts = [
        np.where(ground, (np.where(ground, value, 0.0) - given.low) / given.spread, 0.0)
        for value in (log_depth, *both_surfaces(truth, y, x))
    ]
    coords = np.stack([(y + 0.5) / rows * 2 - 1, (x + 0.5) / columns * 2 - 1], axis=-1)
    if augment:
        pixels = _recolour(pixels, rng)
    labels_out = (math.log(view.focal), math.log(whole.spread), view.sin_pitch, view.roll)
    return pixels.transpose(2, 0, 1), coords, *ts, ~ground, *labels_out, prompt, math.log(given.spread)


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


def _recolour(pixels: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Exposure, white balance, gamma, saturation, softness and noise of another camera."""
    gains = rng.uniform(0.75, 1.25) * np.exp(rng.normal(0, 0.06, 3))
    pixels = np.clip(pixels * gains.astype(np.float32), 0, 1)
    if rng.random() < 0.7:
        pixels = pixels ** np.float32(math.exp(rng.normal(0, 0.22)))
    if rng.random() < 0.4:
        grey = pixels.mean(axis=2, keepdims=True)
        pixels = grey + (pixels - grey) * np.float32(rng.uniform(0.2, 1.3))
    if rng.random() < 0.04:
        pixels = pixels[..., rng.permutation(3)]
    if rng.random() < 0.2:
        pixels = cv2.GaussianBlur(np.ascontiguousarray(pixels), (0, 0), float(rng.uniform(0.4, 1.2))).astype(np.float32)
    if rng.random() < 0.3:
        pixels = pixels + rng.standard_normal(pixels.shape, dtype=np.float32) * np.float32(rng.uniform(0.005, 0.04))
    return np.clip(pixels, 0, 1)
