"""Depth of the frames of one shot, brought into agreement: one scale, and no flicker.

A network that sees each frame alone scales and stretches each a little differently. Neighbouring
frames see the same surfaces: optical flow says where, the motion of a rigid scene how much nearer
they have come meanwhile. From that follow a gain of log depth and a shift for every frame, over the whole
shot at once, and what is left of the difference is evened out between near frames.

Everything is done on small frames; what comes out is a factor for every pixel that changes slowly
over the picture, so that the outlines of the large maps stay as they are.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solveh_banded

from ..camera import Camera
from ..progress import OnFraction
from ..reconstruction import NO_DEPTH_M
from .frame_links import LEAST_PAIRS, SAMPLES, Link, Links, SmallFrame, floats, median, moved, places

_GAIN_ERROR, _SHIFT_ERROR = 0.03, 0.1
"""How well two neighbouring frames tell the ratio of their gains, and their shift."""
_GAIN_PRIOR, _SHIFT_PRIOR = 0.2, 0.6
"""How far the network's own answers for a frame usually are from those for the shot."""
_MAX_GAIN = 1.5
_MAX_DIFFERENCE = 1.5
"""Of log depth between two frames that show the same."""
_BLUR_PX = 1.0
_SAME_SURFACE = 0.25
"""Difference of log depth from what most of the frames around say, up to which a frame agrees with them."""
_JUMP = 0.1
_WEIGHTS = {1: 0.9, 2: 0.8, 3: 0.7, 4: 0.6}
"""Of frames so far away, beside the frame itself."""
_FLOW_ERROR_PX = 2
"""How far from where it is flow may lead at outlines, for each frame on the way."""


@dataclass(frozen=True)
class Steadied:
    """How each frame's log depth is to be changed: `gain * (log_depth - pivot) + level + residual`.

    Attributes:
        gain, pivot, level: (K,) float64.
        residuals: (K, h, w) float16.
        cuts: Frames (from 0) that show another scene than the one before.
        flicker_before, flicker_after: Mean over pairs of neighbouring frames of the mean difference in log depth of what
            both show, less the camera's own motion; NaN for a single frame.
        jumps_before, jumps_after: Share of what both show whose depth changes by more than 10 %.
    """

    gain: NDArray[np.float64]
    pivot: NDArray[np.float64]
    level: NDArray[np.float64]
    residuals: NDArray[np.float16]
    cuts: tuple[int, ...]
    flicker_before: float
    flicker_after: float
    jumps_before: float
    jumps_after: float

    def apply(self, frame: int, depth_m: NDArray[np.float32]) -> NDArray[np.float32]:
        """(H, W) float32 steady depth of a frame at any size, from that which the network gave; `NO_DEPTH_M` stays as it is."""
        height, width = depth_m.shape
        residual = cv2.resize(self.residuals[frame].astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
        there = depth_m < NO_DEPTH_M
        with np.errstate(divide="ignore", invalid="ignore"):
            changed = self.gain[frame] * (np.log(depth_m) - self.pivot[frame]) + self.level[frame] + residual
        return np.where(there, np.exp(changed), depth_m).astype(np.float32)


def steady(
    frames: list[SmallFrame],
    camera: Camera,
    *,
    keep_scale: bool = False,
    report: OnFraction = lambda fraction: None,
) -> Steadied:
    """Brings the frames of a shot into agreement.

    Args:
        frames: In order, all of one size.
        camera: The shot's camera at any size.
        keep_scale: Depths are in metres already: neither gain nor shift of a frame is open.
        report: Called with the fraction done; may raise to stop.
    """
    count = len(frames)
    height, width = frames[0].log_depth.shape
    links = Links(frames, camera.resized(width, height))
    pairs: list[_Pair | None] = []
    for k in range(count - 1):
        pairs.append(_pair(frames[k], frames[k + 1], links[k]))
        report(0.5 * (k + 1) / count)
    pivot = np.array([median(frame.log_depth) for frame in frames])
    gain, level = np.ones(count), pivot.copy()
    if not keep_scale:
        gain, level = _balanced(pairs, pivot)

    def aligned(k: int) -> NDArray[np.float32]:
        return (gain[k] * (frames[k].log_depth - pivot[k]) + level[k]).astype(np.float32)

    residuals = np.zeros((count, height, width), np.float16)
    before: list[tuple[float, float]] = []
    after: list[tuple[float, float]] = []
    for k in range(count):
        residuals[k] = _residual(k, count, aligned, links)
        if k and not links[k - 1].is_cut:
            before.append(_difference(frames[k - 1].log_depth, frames[k].log_depth, links[k - 1]))
            then, now = (aligned(i) + residuals[i].astype(np.float32) for i in (k - 1, k))
            after.append(_difference(then, now, links[k - 1]))
        report(0.5 + 0.5 * (k + 1) / count)
    cuts = tuple(k + 1 for k, pair in enumerate(pairs) if pair is not None and pair.is_cut)
    (flicker_before, jumps_before), (flicker_after, jumps_after) = _means(before), _means(after)
    return Steadied(gain, pivot, level, residuals, cuts, flicker_before, flicker_after, jumps_before, jumps_after)


# -- one scale for the shot ------------------------------------------------------------


@dataclass(frozen=True)
class _Pair:
    """Log depths of the same places in two neighbouring frames.

    Attributes:
        here: (n,) float32 in the first one, as the camera's motion changes them.
        there: (n,) float32 in the second one.
        is_cut: The frames show different scenes; the arrays are empty then.
    """

    here: NDArray[np.float32]
    there: NDArray[np.float32]
    is_cut: bool = False


def _balanced(pairs: list[_Pair | None], pivot: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gain and level of every frame, by least squares over the whole shot.

    A pair tells the ratio of its gains by the spread of the depths that it shares, which favours neither frame (a
    regression would shrink all depth towards one distance), and then the difference of its levels.
    """
    told = np.array([pair is not None and not pair.is_cut for pair in pairs], bool)
    ratios = np.array([_log_ratio(pair) if pair is not None and not pair.is_cut else 0.0 for pair in pairs])
    limit = math.log(_MAX_GAIN)
    log_gain = _chain(ratios, told, np.zeros(len(pivot)), _GAIN_ERROR, _GAIN_PRIOR)
    # The shot as a whole is as deep as the network says of its frames.
    for part in _parts(len(pivot), told):
        log_gain[part] -= log_gain[part].mean()
    gain = np.exp(np.clip(log_gain, -limit, limit))
    steps = np.zeros(len(pairs))
    for k, pair in enumerate(pairs):
        if pair is not None and not pair.is_cut:
            steps[k] = np.median(gain[k] * (pair.here - pivot[k]) - gain[k + 1] * (pair.there - pivot[k + 1]))
    return gain, _chain(steps, told, pivot, _SHIFT_ERROR, _SHIFT_PRIOR)


def _pair(first: SmallFrame, second: SmallFrame, link: Link) -> _Pair | None:
    """What the frames tell of one another's depth; None: they share a view, but too few depths."""
    nothing = np.empty(0, np.float32)
    if link.is_cut:
        return _Pair(nothing, nothing, is_cut=True)
    there = moved(second.log_depth, link.forward)
    here = first.log_depth + link.approach.astype(np.float32)
    usable = np.flatnonzero(link.seen_next & np.isfinite(there) & np.isfinite(here))
    if len(usable) < LEAST_PAIRS:
        return None
    usable = usable[:: max(1, len(usable) // SAMPLES)]
    here, there = here.ravel()[usable], there.ravel()[usable]
    # What moves by itself, and outlines that the flow missed.
    error = here - there
    error -= np.median(error)
    kept = np.abs(error) <= 3 * max(0.02, float(np.median(np.abs(error))))
    return _Pair(here[kept], there[kept])


def _log_ratio(pair: _Pair) -> float:
    """Logarithm of the second frame's gain over the first one's."""
    spread = float(np.std(pair.here)), float(np.std(pair.there))
    # A flat view tells nothing.
    return math.log(spread[0] / spread[1]) if min(spread) > 0.05 else 0.0


def _chain(
    steps: NDArray[np.float64], told: NDArray[np.bool_], prior: NDArray[np.float64], error: float, prior_error: float
) -> NDArray[np.float64]:
    """(K,) values of the frames, near `prior`, whose neighbours differ by `steps` (K - 1,) where these are told."""
    count = len(prior)
    if count == 1:
        return prior.copy()
    pull, weight = 1 / prior_error**2, np.where(told, 1 / error**2, 0.0)
    diagonal = np.full(count, pull)
    diagonal[:-1] += weight
    diagonal[1:] += weight
    right = pull * prior
    right[:-1] -= weight * steps
    right[1:] += weight * steps
    band = np.zeros((2, count))
    band[0, 1:], band[1] = -weight, diagonal
    return solveh_banded(band, right)


def _parts(count: int, told: NDArray[np.bool_]) -> list[slice]:
    """Runs of frames without a cut between them."""
    borders = [0, *(int(k) + 1 for k in np.flatnonzero(~told)), count]
    return [slice(a, b) for a, b in itertools.pairwise(borders)]


# -- what flickers still ---------------------------------------------------------------


def _residual(k: int, count: int, aligned: Callable[[int], NDArray[np.float32]], links: Links) -> NDArray[np.float32]:
    """(h, w) correction of a frame towards what it and the frames around it say together.

    Where they disagree by much, as when a thing stands before a wall in some frames and is painted on it in others,
    the median decides, and only those count that agree with it: a mean of both would be a third surface.
    A frame with the same outline, a little aside, has been missed by flow and says nothing there: where a shot ends, all
    frames lie to one side and would err together.
    """
    own = aligned(k)
    told, weights = [np.zeros_like(own)], [np.where(np.isfinite(own), np.float32(1), np.float32(0))]
    has_vote = [np.ones(own.shape, bool)]
    for direction in (1, -1):
        flow = np.zeros((*own.shape, 2), np.float32)
        seen, approach = np.ones(own.shape, bool), np.zeros_like(own)
        for distance, weight in _WEIGHTS.items():
            step = k + distance - 1 if direction > 0 else k - distance
            if not 0 <= step < count - 1 or links[step].is_cut:
                break
            flow, seen, approach = _followed(links[step], direction, flow, seen, approach)
            theirs = moved(aligned(k + direction * distance), flow) - approach
            difference = theirs - own
            usable = seen & (np.abs(difference) < _MAX_DIFFERENCE)
            told.append(np.where(usable, difference, 0).astype(np.float32))
            weights.append(np.where(usable, np.float32(weight), np.float32(0)))
            has_vote.append(~_beside_an_outline(own, theirs, distance * _FLOW_ERROR_PX))
    values, weight = np.stack(told), np.stack(weights)
    votes = np.where(np.stack(has_vote), weight, np.float32(0))
    agreed = np.abs(values - _weighted_median(values, votes)) < _SAME_SURFACE
    weight = weight * agreed
    correction = (values * weight).sum(axis=0) / np.maximum(weight.sum(axis=0), 1e-6)
    return floats(cv2.GaussianBlur(np.where(np.isfinite(own), correction, 0), (0, 0), _BLUR_PX))


def _beside_an_outline(own: NDArray[np.float32], theirs: NDArray[np.float32], reach_px: int) -> NDArray[np.bool_]:
    """(h, w) where two log depths differ, and each shows within so many pixels what the other one has here."""
    apart = np.abs(theirs - own) >= _SAME_SURFACE
    return apart & _shows(theirs, own, reach_px) & _shows(own, theirs, reach_px)


def _shows(picture: NDArray[np.float32], value: NDArray[np.float32], reach_px: int) -> NDArray[np.bool_]:
    """(h, w) whether the nearest or the farthest of what is around in a picture of log depth is as deep as `value`."""
    around = np.ones((2 * reach_px + 1, 2 * reach_px + 1), np.uint8)
    there = np.isfinite(picture)
    near = floats(cv2.erode(np.where(there, picture, np.float32(np.inf)), around))
    far = floats(cv2.dilate(np.where(there, picture, np.float32(-np.inf)), around))
    return (np.abs(near - value) < _SAME_SURFACE) | (np.abs(far - value) < _SAME_SURFACE)


def _weighted_median(values: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """(h, w) of (n, h, w), over the first axis."""
    order = np.argsort(values, axis=0)
    ranked, share = np.take_along_axis(values, order, 0), np.cumsum(np.take_along_axis(weights, order, 0), axis=0)
    middle = np.argmax(share >= 0.5 * share[-1], axis=0)
    return np.take_along_axis(ranked, middle[None], 0)[0]


def _followed(
    link: Link, direction: int, flow: NDArray[np.float32], seen: NDArray[np.bool_], approach: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float32]]:
    """Flow, what is seen and approach, continued over one more link from where they have led."""
    x, y = places(flow)
    ahead = direction > 0
    field, visible = (link.forward, link.seen_next) if ahead else (link.backward, link.seen_before)
    further = cv2.remap(field.astype(np.float32), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    still = cv2.remap(visible.astype(np.uint8), x, y, cv2.INTER_NEAREST, borderValue=(0,)) > 0
    flow = flow + further
    # The approach is known on the earlier one of the two frames.
    at = (x, y) if ahead else places(flow)
    change = cv2.remap(link.approach.astype(np.float32), *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return flow, seen & still, approach + (change if ahead else -change)


def _difference(first: NDArray[np.float32], second: NDArray[np.float32], link: Link) -> tuple[float, float]:
    """Mean difference of log depth of what two neighbouring frames both show, less the camera's motion, and the share of jumps."""
    difference = moved(second, link.forward) - link.approach - first
    usable = link.seen_next & np.isfinite(difference)
    if not usable.any():
        return math.nan, math.nan
    size = np.minimum(np.abs(difference[usable]), 0.5)
    return float(size.mean()), float((size > _JUMP).mean())


def _means(values: list[tuple[float, float]]) -> tuple[float, float]:
    known = [value for value in values if math.isfinite(value[0])]
    if not known:
        return math.nan, math.nan
    flicker, jumps = np.mean(known, axis=0)
    return float(flicker), float(jumps)
