"""What the released training does to a sample: crop, queries, prompts, targets, loss.

The trainer in `scripts/train` follows the paper (log depth); these are the pieces of the released
code, which predicts disparity, as the golden files have them. Written from the specification.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

MAX_TARGET = 10.0
MIN_RANGE = 1e-3
QUANTILES = (0.02, 0.98)
PROMPT_COUNTS = (50, 2500)
_DROP_PROBABILITY = 0.5
_DROP_SCALES = {2: 0.02, 3: 0.04, 4: 0.08, 5: 0.16, 6: 0.3, 7: 0.2, 8: 0.2}

Random = np.random.Generator | np.random.RandomState


class Sample(NamedTuple):
    """A photo cropped to the network's shape.

    Attributes:
        image: (h, w, 3) float32 in [0, 1], at the network's size.
        prompt_m: (h, w) float32, the true depth at the network's size, from which prompts are chosen.
        true_m: (H, W) float32, the true depth of the crop at its own full resolution.
    """

    image: NDArray[np.float32]
    prompt_m: NDArray[np.float32]
    true_m: NDArray[np.float32]


class Queries(NamedTuple):
    """Where the network is asked, and what is true there.

    Attributes:
        coords_yx: (N, 2) float32 pixel centres in [-1, 1].
        disparity: (N,) float32, 0 where unknown.
    """

    coords_yx: NDArray[np.float32]
    disparity: NDArray[np.float32]


def crop_and_resize(image: NDArray[np.float32], depth_m: NDArray[np.float32], height: int, width: int) -> Sample:
    """The largest crop of the wanted shape, in the middle; only photo and prompt are resized.

    Args:
        image: (H, W, 3) float32 in [0, 1].
        depth_m: (H, W) metres.
        height, width: The network's input.
    """
    rows, columns = depth_m.shape
    if columns * height > rows * width:
        rows_kept, columns_kept = rows, int(rows * width / height)
    else:
        rows_kept, columns_kept = int(columns * height / width), columns
    top, left = (rows - rows_kept) // 2, (columns - columns_kept) // 2
    part = np.s_[top : top + rows_kept, left : left + columns_kept]
    size = (width, height)
    return Sample(
        np.asarray(cv2.resize(image[part], size, interpolation=cv2.INTER_AREA), np.float32),
        np.asarray(cv2.resize(depth_m[part], size, interpolation=cv2.INTER_NEAREST), np.float32),
        depth_m[part],
    )


def disparity_targets(depth_m: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 / depth beyond 1 cm, else 0."""
    return np.divide(1, depth_m, out=np.zeros_like(depth_m), where=depth_m > 0.01)


def all_queries(depth_m: NDArray[np.float32]) -> Queries:
    """Every pixel, row by row."""
    return _queries(disparity_targets(depth_m), np.arange(depth_m.size))


def random_prompt(mask: NDArray[np.bool_], random: Random) -> NDArray[np.bool_]:
    """50 to 2499 of the pixels (all, where they are fewer)."""
    count = _integer(random, *PROMPT_COUNTS)
    chosen = np.zeros(mask.size, bool)
    chosen[random.permutation(np.flatnonzero(mask))[:count]] = True
    return chosen.reshape(mask.shape)


def drop_patches(mask: NDArray[np.bool_], random: Random) -> NDArray[np.bool_]:
    """With probability 1/2 the mask without up to s^2 / 2 - 1 rectangles of a size of 1/s, s from 2 to 8."""
    kept = mask.copy()
    if random.random() >= _DROP_PROBABILITY:
        return kept
    height, width = mask.shape
    scale = int(random.choice(list(_DROP_SCALES), p=list(_DROP_SCALES.values())))
    patch_h, patch_w = height // scale, width // scale
    for _ in range(_integer(random, 1, scale**2 // 2)):
        top = _integer(random, 0, height) - patch_h // 2
        left = _integer(random, 0, width) - patch_w // 2
        kept[max(0, top) : max(0, top + patch_h), max(0, left) : max(0, left + patch_w)] = False
    return kept


def disparity_range(disparity: NDArray[np.floating]) -> tuple[float, float]:
    """The 2 % and 98 % quantiles of what is positive, by which `normalised_by_range` divides."""
    low, high = np.quantile(disparity[disparity > 0], QUANTILES)
    return float(low), float(high)


def normalised_by_range(disparity: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Targets of the photo-only network: 0 and 1 at the quantiles; of (B, N, 1) by (B,) limits."""
    low, high = low.view(-1, 1, 1), high.view(-1, 1, 1)
    return (disparity - low) / (high - low).clamp_min(MIN_RANGE)


def normalised_by_median(disparity: Tensor, median: Tensor) -> Tensor:
    """Targets of the network with prompts: over the prompt's median; of (B, N, 1) by (B,)."""
    return disparity / median.view(-1, 1, 1).clamp_min(MIN_RANGE)


def mean_absolute_error(predicted: Tensor, target: Tensor) -> Tensor:
    """The loss: a scalar, over the targets up to 10 of the whole batch; 0 where there is none."""
    used = target <= MAX_TARGET
    error = torch.where(used, (predicted - target).abs(), torch.zeros_like(predicted))
    return error.sum() / used.sum().clamp_min(1)


def learning_rate(name: str, pretrained: float = 1e-5, other: float = 5e-5) -> float:
    """The rate of a parameter by its name: slower for the pretrained encoder."""
    return pretrained if "pretrained" in name else other


def annealed(rate: float, step: int, steps: int = 1_500_000, floor: float = 5e-7) -> float:
    """The rate after some steps: half a cosine from `rate` to `floor`."""
    return floor + (rate - floor) * 0.5 * (1 + math.cos(math.pi * min(step / steps, 1.0)))


def _queries(disparity: NDArray[np.float32], flat: NDArray[np.intp]) -> Queries:
    height, width = disparity.shape
    row, column = np.divmod(flat, width)
    coords = np.stack([(row + 0.5) / height * 2 - 1, (column + 0.5) / width * 2 - 1], axis=-1)
    return Queries(coords.astype(np.float32), disparity.ravel()[flat])


def _integer(random: Random, low: int, high: int) -> int:
    """A number from `low` to `high` - 1."""
    draw = random.integers if isinstance(random, np.random.Generator) else random.randint
    return int(draw(low, high))
