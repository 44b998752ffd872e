"""The truth of one photo, and what of a prediction is scored against it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from infinidepth_blender.errors import DepthFileError, OptionsError

from .boundaries import boundary_f1
from .fits import FACTOR, Fit, farthest_m, fit_depth
from .highfreq import MASK_PIXELS, REACH_PX, detail_mask
from .items import Item, TrueDepth
from .metrics import depth_scores
from .sparse import DENSE, near_edges, random_points

_MARGIN_PX = 3

Scores = dict[str, float]


@dataclass(frozen=True)
class Settings:
    """How to evaluate.

    Attributes:
        fit: Which fit each prediction gets.
        prompt_points: Random true depths that are given to the model; 0: none, depth up to the fit.
        paper_sizes: Photos and truth cut and resized as in the paper's evaluation.
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


class Judge:
    """The truth of one item, and the parts of it that are scored.

    Args:
        item: Named in errors.
        truth: Its depth, where its sky is, and, where it has them, its own mask of detail and what points are drawn from.
        settings: Fit, points and pixels.
        seed: Of all that is drawn.

    Raises:
        DepthFileError: nothing is known, or nothing was measured.
        OptionsError: all that is known is given to the model.

    Attributes:
        prompt_m: (h, w) the points that the model is given; None: none.
        scored: (h, w) where scores are taken: known, not given to the model, and drawn.
        wanted: (h, w) the same and the parts that have scores of their own.
    """

    def __init__(self, item: Item, truth: TrueDepth, settings: Settings, seed: int) -> None:
        self._true_m = true_m = truth.depth_m
        self._fit: Fit = "none" if settings.prompt_points else settings.fit
        self._seed = seed
        known = true_m > 0
        if not known.any():
            raise DepthFileError(f"No pixel of {item.depth.name} has a depth that counts.", "Check the data set.")
        self._reach_m = farthest_m(true_m)
        self.prompt_m = _points(item, truth, settings.prompt_points, seed) if settings.prompt_points else None
        free = known if self.prompt_m is None else known & (self.prompt_m == 0)
        self._dense = bool(known.mean() >= DENSE)
        self._few = settings.pixels is not None

        def drawn(part: NDArray[np.bool_]) -> NDArray[np.bool_]:
            return part if settings.pixels is None else _drawn(part, settings.pixels, seed)

        self.scored = drawn(free)
        if not self.scored.any():
            raise OptionsError(
                "Every pixel with known depth is given to the model, none is left to score.", "Give fewer points."
            )
        self._fitted_m = np.where(self.scored, true_m, 0) if self._few else true_m
        self._parts: dict[str, NDArray[np.bool_]] = {}
        if self._dense:
            detail = own_detail_mask(true_m, truth.sky, seed) if truth.detail is None else truth.detail
            self._parts["detail"] = detail & free
        if self._dense or self.prompt_m is not None:
            self._parts["edges"] = drawn(near_edges(true_m) & free)
        self.wanted = np.logical_or.reduce([self.scored, *self._parts.values()])

    def scores(self, disparity: NDArray[Any]) -> Scores:
        """All scores of a disparity map after its fit, and the fit's factor as `FACTOR`."""
        depth_m, factor = fit_depth(disparity, self._fitted_m, self._fit, self._seed, self._reach_m)
        return self.depth_scores(depth_m) | {FACTOR: factor}

    def depth_scores(self, depth_m: NDArray[np.floating]) -> Scores:
        """All scores of a depth map; those of a part of the image begin with its name.

        Whoever made it, it ends as far away as `fit_depth` lets predictions reach.
        """
        if self._fit != "paper":
            depth_m = np.minimum(depth_m, self._reach_m)
        scores = depth_scores(depth_m, self._true_m, self.scored)
        for name, part in self._parts.items():
            if part.any():
                scores |= {f"{name}_{key}": value for key, value in depth_scores(depth_m, self._true_m, part).items()}
        if self._dense and not self._few:
            filled = np.where(depth_m > 0, depth_m, self._true_m)
            scores["boundary_f1"] = boundary_f1(np.where(filled > 0, filled, 1), self._true_m)
        return scores


def _points(item: Item, truth: TrueDepth, count: int, seed: int) -> NDArray[np.float32]:
    """(h, w) the points that the model is given, drawn from what was measured beside the truth or else from the truth.

    Raises:
        DepthFileError: nothing was measured.
    """
    height, width = truth.depth_m.shape
    if truth.measured_m is None:
        return random_points(truth.depth_m, count, seed)
    if not (truth.measured_m > 0).any():
        raise DepthFileError(f"Nothing was measured in the photo {item.name}.", "Check the list's third column.")
    return random_points(truth.measured_m, count, seed, (height, width))


def _drawn(part: NDArray[np.bool_], count: int, seed: int) -> NDArray[np.bool_]:
    """(h, w) `count` pixels of a part, or all of a smaller one."""
    there = np.flatnonzero(part)
    if len(there) <= count:
        return part
    result = np.zeros(part.size, bool)
    result[np.random.default_rng(seed).choice(there, count, replace=False)] = True
    return result.reshape(part.shape)


def own_detail_mask(true_m: NDArray[np.float32], sky: NDArray[np.bool_] | None, seed: int) -> NDArray[np.bool_]:
    """(h, w) where depth has detail, for data sets without such masks; empty where it has none.

    Pixels whose energy a hole acts on do not count, nor do they decide what much energy is: whatever a hole is filled
    with looks like detail at its rim.

    Args:
        true_m: (h, w) metres, 0 where unknown.
        sky: (h, w) the unknown pixels that are as far as anything; None: all are holes.
        seed: Of the draw.
    """
    known = true_m > 0
    told = known if sky is None else known | sky
    clear = cv2.erode(told.astype(np.uint8), np.ones((2 * REACH_PX + 1,) * 2, np.uint8)) > 0
    counts = clear & known
    if sky is None:
        # The map goes on mirrored, where even a slope has a bend; rendered ones count whole, as they always did.
        inside = np.zeros(known.shape, bool)
        inside[_MARGIN_PX:-_MARGIN_PX, _MARGIN_PX:-_MARGIN_PX] = True
        counts &= inside
    if not counts.any():
        return counts
    count = min(MASK_PIXELS, max(100, true_m.size // 800))  # 10,000 at 4K
    depth_m = np.where(known, true_m, true_m.max())
    try:
        return detail_mask(depth_m, counts, np.random.default_rng(seed), count, clear)
    except ValueError:
        return np.zeros(known.shape, bool)
