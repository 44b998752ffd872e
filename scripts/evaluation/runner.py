"""Runs a model over a data set and scores it beside what needs no model."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from infinidepth_blender.engine.depth_files import DepthPrompt
from infinidepth_blender.engine.photo import open_photo
from infinidepth_blender.engine.scale import scale_to_metres
from infinidepth_blender.errors import DepthFileError, OptionsError
from infinidepth_blender.field.load import DepthModel
from infinidepth_blender.field.official.model import OfficialModel
from infinidepth_blender.field.preprocess import patch_grid
from infinidepth_blender.field.protocol import DepthField

from .datasets import Dataset
from .fits import FACTOR
from .items import Item
from .judge import Judge, Scores, Settings
from .metrics import mean_scores
from .paper_inputs import as_released
from .scores_file import reason
from .sparse import INTERPOLATIONS, interpolated

RAMP_START = 0.45
_PATCH_PX = 16
_ASPECT_TOLERANCE = 0.03

Report = Callable[[dict[str, Any]], None]


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
    report: Report | None = None,
) -> dict[str, Any]:
    """Scores of the model and of the baselines for every item, and their means.

    An item that cannot be scored is told under `failed`, with the reason; the others are scored.

    Args:
        dataset: What to score on.
        model: The model.
        settings: How.
        limit: Only this many items, evenly spread over the set; None: all.
        report: Called with what is there so far, before the first item and after each.

    Returns:
        `mean`: of each who, with the number of `images`; `images`: each one's scores; `failed`: names and reasons;
        `asked`: how many items there are to score.

    Raises:
        OptionsError: the model needs points and gets none.
    """
    needs_points = isinstance(model, OfficialModel) and model.needs_prompt
    if needs_points and not settings.prompt_points:
        raise OptionsError("This model fills in measured depth, and none is given.", "Use --prompt-points 1500.")
    if settings.paper_sizes and isinstance(model, OfficialModel):
        height, width = dataset.paper_input
        model.tokens = height // _PATCH_PX * (width // _PATCH_PX)
    chosen = list(_spread(dataset.items, limit))
    images: list[dict[str, Any]] = []
    failed: list[dict[str, str]] = []
    result = {"mean": {}, "asked": len(chosen), "failed": failed, "images": images}
    if report is not None:
        report(result)
    for index, item in enumerate(chosen):
        seeds = [[settings.seed, index, draw] for draw in range(settings.draws)]
        try:
            images.append(_mean_of_draws([_score_item(dataset, item, model, settings, seed) for seed in seeds]))
        except Exception as error:  # what reads files and what runs networks fail in ways of their own
            failed.append({"image": item.name, "reason": reason(error)})
        result["mean"] = means(images)
        if report is not None:
            report(result)
    return result


def means(images: list[dict[str, Any]]) -> dict[str, Scores]:
    """Of the model and every baseline the mean of each score over the images that have it, and how many have any."""
    result = {}
    for who in dict.fromkeys(name for image in images for name in _who(image)):
        there = [{key: score for key, score in image[who].items() if key != FACTOR} for image in images if who in image]
        result[who] = {"images": len(there), **mean_scores(there)}
    return result


def _who(image: dict[str, Any]) -> list[str]:
    return [name for name, value in image.items() if isinstance(value, dict)]


def _mean_of_draws(images: list[dict[str, Any]]) -> dict[str, Any]:
    """One image's results from several, which differ in what was drawn."""
    who = dict.fromkeys(name for image in images for name in _who(image))
    return images[0] | {name: mean_scores([image[name] for image in images if name in image]) for name in who}


def _spread(items: tuple[Item, ...], limit: int | None) -> Iterable[Item]:
    if limit is None or limit >= len(items):
        return items
    return (items[i * len(items) // limit] for i in range(limit))


def _score_item(
    dataset: Dataset, item: Item, model: DepthModel, settings: Settings, seeds: list[int]
) -> dict[str, Any]:
    photo, truth = open_photo(item.photo).pixels_srgb, dataset.truth(item)
    _check_shape(item.depth, photo, truth.depth_m)
    if item.prompt is not None and truth.measured_m is not None:
        _check_shape(item.prompt, photo, truth.measured_m)
    if settings.paper_sizes:
        photo, truth = as_released(dataset, photo, truth)
    true_m = truth.depth_m
    height, width = true_m.shape
    seed = int(np.random.default_rng(seeds).integers(1 << 31))
    judge = Judge(item, truth, settings, seed)
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


def _check_shape(file: Path, photo: NDArray[np.uint8], depth_m: NDArray[np.float32]) -> None:
    (height, width), (rows, columns) = photo.shape[:2], depth_m.shape
    if abs(np.log(columns / rows * height / width)) > _ASPECT_TOLERANCE:
        raise DepthFileError(
            f"{file.name} is {columns} x {rows} pixels, another shape than the photo's {width} x {height}.",
            "Give the depth of the whole photo, the same way up.",
        )


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
