"""Runs a model over a data set and scores it beside what needs no model."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

from infinidepth_blender.engine.depth_files import DepthPrompt
from infinidepth_blender.engine.photo import open_photo
from infinidepth_blender.engine.scale import scale_to_metres
from infinidepth_blender.errors import OptionsError
from infinidepth_blender.field.load import DepthModel
from infinidepth_blender.field.official.model import OfficialModel
from infinidepth_blender.field.preprocess import patch_grid
from infinidepth_blender.field.protocol import DepthField

from .boundaries import boundary_f1
from .datasets import Dataset, Item, read_detail_mask
from .fits import Fit, fitted_depth
from .highfreq import MASK_PIXELS, detail_mask
from .metrics import depth_scores, mean_scores
from .paper_inputs import resized_nearest, resized_photo
from .sparse import DENSE, INTERPOLATIONS, interpolated, near_edges, random_points

RAMP_START = 0.45
_PATCH_PX = 16

Scores = dict[str, float]


@dataclass(frozen=True)
class Settings:
    """How to evaluate.

    Attributes:
        fit: Which fit each prediction gets.
        prompt_points: Random true depths that are given to the model; 0: none, depth up to the fit.
        paper_sizes: Photos and truth at the sizes of the paper's evaluation, aspect ratio not kept.
        upsample_from_px: Longer side of the coarse answer that is enlarged for comparison, where
            the truth is at least half as large again; None: that of the network's input.
        seed: Of points, masks and fits; each image has its own numbers.
        pixels: Fit and score on so many drawn pixels of each image (and as many near depth steps, and those of the
            detail mask) instead of all; `boundary_f1`, which needs all, is then left out. None: all.
        draws: Every image is scored so often, with points and pixels drawn anew, and the mean of the scores is told.
    """

    fit: Fit = "lad"
    prompt_points: int = 0
    paper_sizes: bool = False
    upsample_from_px: int | None = None
    seed: int = 0
    pixels: int | None = None
    draws: int = 1


def ramp_disparity(height: int, width: int) -> NDArray[np.float64]:
    """(height, width): 0 down to 45 % of the height, then growing linearly to 1 at the bottom."""
    y = (np.arange(height) + 0.5) / height
    column = np.clip((y - RAMP_START) / (1 - RAMP_START), 0, None)
    return np.repeat(column[:, None], width, axis=1)


def evaluate_dataset(
    dataset: Dataset,
    model: DepthModel,
    settings: Settings,
    limit: int | None = None,
    report: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """Scores of the model and of the baselines for every item, and their means.

    Args:
        dataset: What to score on.
        model: The model.
        settings: How.
        limit: Only this many items, evenly spread over the set; None: all.
        report: Called with each image's scores.

    Raises:
        InfiniDepthError: a file cannot be read, or the model needs points and gets none.
    """
    needs_points = isinstance(model, OfficialModel) and model.needs_prompt
    if needs_points and not settings.prompt_points:
        raise OptionsError("This model fills in measured depth, and none is given.", "Use --prompt-points 1500.")
    if settings.paper_sizes and isinstance(model, OfficialModel):
        height, width = dataset.paper_input
        model.tokens = height // _PATCH_PX * (width // _PATCH_PX)
    images = []
    for index, item in enumerate(_spread(dataset.items, limit)):
        images.append(
            _mean_of_draws(
                [
                    _score_item(dataset, item, model, settings, [settings.seed, index, draw])
                    for draw in range(settings.draws)
                ]
            )
        )
        if report is not None:
            report(images[-1])
    who = [name for name, value in images[0].items() if isinstance(value, dict)]
    return {"mean": {name: mean_scores([image[name] for image in images if name in image]) for name in who}, "images": images}  # fmt: skip


def _mean_of_draws(images: list[dict[str, Any]]) -> dict[str, Any]:
    """One image's results from several, which differ in what was drawn."""
    return {
        key: mean_scores([image[key] for image in images]) if isinstance(value, dict) else value
        for key, value in images[0].items()
    }


def _spread(items: tuple[Item, ...], limit: int | None) -> Iterable[Item]:
    if limit is None or limit >= len(items):
        return items
    return (items[i * len(items) // limit] for i in range(limit))


def _score_item(
    dataset: Dataset, item: Item, model: DepthModel, settings: Settings, seeds: list[int]
) -> dict[str, Any]:
    photo, true_m = open_photo(item.photo).pixels_srgb, dataset.true_depth(item)
    if settings.paper_sizes:
        photo = resized_photo(photo, *dataset.paper_input)
        if dataset.name not in ("synth4k", "benchmark"):
            true_m = resized_nearest(true_m, *dataset.paper_input)
    height, width = true_m.shape
    seed = int(np.random.default_rng(seeds).integers(1 << 31))
    judge = _Judge(dataset, item, true_m, settings, seed)
    start = time.perf_counter()
    field = _field(model, photo, judge.prompt_m, item.depth, seed)
    disparity = field.disparity_grid(height, width).cpu().numpy()
    seconds = time.perf_counter() - start
    result: dict[str, Any] = {
        "image": item.name,
        "width": width,
        "height": height,
        "known_pixels": int((true_m > 0).sum()),
        "seconds": round(seconds, 3),
        "model": judge.scores(disparity),
    }
    coarse = (settings.upsample_from_px or _input_longer_px(model, *photo.shape[:2])) / max(true_m.shape)
    if coarse < 1 / 1.5:
        small = field.disparity_grid(max(1, round(height * coarse)), max(1, round(width * coarse))).cpu().numpy()
        result["upsampled"] = judge.scores(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR))
    if judge.prompt_m is None:
        result["ramp"] = judge.scores(ramp_disparity(height, width))
    else:
        for name, method in INTERPOLATIONS.items():
            result[name] = judge.depth_scores(interpolated(judge.prompt_m, judge.wanted, method))
    return result


def _input_longer_px(model: DepthModel, height: int, width: int) -> int:
    if isinstance(model, OfficialModel):
        return max(patch_grid(width, height, model.tokens)) * _PATCH_PX
    return max(patch_grid(width, height, int(model.info["tokens"]))) * int(model.info["input_patch_px"])


def _field(
    model: DepthModel, photo: NDArray[np.uint8], prompt_m: NDArray[np.float32] | None, path: Path, seed: int
) -> DepthField:
    """The model's answer; with a prompt it is in metres, as the extension makes it."""
    if prompt_m is None:
        return model.encode(photo)
    height, width = photo.shape[:2]
    if not isinstance(model, OfficialModel):
        again = partial(model.encode, photo) if model.reads_measurements else None
        prompt = DepthPrompt(path, prompt_m)
        return scale_to_metres(model.encode(photo), prompt, width, height, seed, photo, ask_again=again).field
    if model.needs_prompt:
        return model.encode(photo, prompt_m, seed)
    return scale_to_metres(
        model.encode(photo), DepthPrompt(path, prompt_m), width, height, seed, photo, prompt_use="align"
    ).field


class _Judge:
    """The truth of one item, and the parts of it that are scored.

    Attributes:
        prompt_m: (h, w) the points that the model is given; None: none.
        scored: (h, w) where scores are taken: known, not given to the model, and drawn.
        wanted: (h, w) the same and the parts that have scores of their own.
    """

    def __init__(
        self, dataset: Dataset, item: Item, true_m: NDArray[np.float32], settings: Settings, seed: int
    ) -> None:
        self._true_m = true_m
        self._fit: Fit = "none" if settings.prompt_points else settings.fit
        self._seed = seed
        known = true_m > 0
        if not known.any():
            raise ValueError(f"{item.name}: the depth file has no valid pixel.")
        self.prompt_m = random_points(true_m, settings.prompt_points, seed) if settings.prompt_points else None
        free = known if self.prompt_m is None else known & (self.prompt_m == 0)
        self._dense = bool(known.mean() >= DENSE)
        self._few = settings.pixels is not None

        def drawn(part: NDArray[np.bool_]) -> NDArray[np.bool_]:
            return part if settings.pixels is None else _drawn(part, settings.pixels, seed)

        self.scored = drawn(free)
        if not self.scored.any():
            raise ValueError(f"{item.name}: every pixel with known depth is given to the model, none is left to score.")
        self._fitted_m = np.where(self.scored, true_m, 0) if self._few else true_m
        self._parts: dict[str, NDArray[np.bool_]] = {}
        if self._dense:
            detail = read_detail_mask(item, true_m.shape)
            if detail is None:
                detail = _own_detail_mask(true_m, seed, sky=dataset.name in ("synth4k", "benchmark"))
            self._parts["detail"] = detail & free
        if self._dense or self.prompt_m is not None:
            self._parts["edges"] = drawn(near_edges(true_m) & free)
        self.wanted = np.logical_or.reduce([self.scored, *self._parts.values()])

    def scores(self, disparity: NDArray[Any]) -> Scores:
        """All scores of a disparity map after its fit."""
        return self.depth_scores(fitted_depth(disparity, self._fitted_m, self._fit, self._seed))

    def depth_scores(self, depth_m: NDArray[np.floating]) -> Scores:
        """All scores of a depth map; those of a part of the image begin with its name."""
        scores = depth_scores(depth_m, self._true_m, self.scored)
        for name, part in self._parts.items():
            if part.any():
                scores |= {f"{name}_{key}": value for key, value in depth_scores(depth_m, self._true_m, part).items()}
        if self._dense and not self._few:
            filled = np.where(depth_m > 0, depth_m, self._true_m)
            scores["boundary_f1"] = boundary_f1(np.where(filled > 0, filled, 1), self._true_m)
        return scores


def _drawn(part: NDArray[np.bool_], count: int, seed: int) -> NDArray[np.bool_]:
    """(h, w) `count` pixels of a part, or all of a smaller one."""
    there = np.flatnonzero(part)
    if len(there) <= count:
        return part
    result = np.zeros(part.size, bool)
    result[np.random.default_rng(seed).choice(there, count, replace=False)] = True
    return result.reshape(part.shape)


def _own_detail_mask(true_m: NDArray[np.float32], seed: int, *, sky: bool) -> NDArray[np.bool_]:
    """Where depth has detail; what is unknown is the sky, or a hole whose rim is no detail."""
    known = true_m > 0
    count = min(MASK_PIXELS, max(100, true_m.size // 800))  # 10,000 at 4K
    counts = known if sky else np.asarray(binary_erosion(known, iterations=3), bool)
    try:
        return detail_mask(np.where(known, true_m, true_m.max()), counts, np.random.default_rng(seed), count)
    except ValueError:
        return np.zeros(true_m.shape, bool)
