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
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solveh_banded

from ..camera import Camera

SMALL_SIDE_PX = 256
"""Longer side of the small frames."""

_LEAST_SHARED = 0.15
"""Share of a frame that must be found again in the next one; else it is a cut."""
_MAX_ROUND_TRIP_PX = 1.0
_SAMPLES, _LEAST_PAIRS = 1500, 50
_KEPT = 3
"""Links to either side of the one that was asked for last."""
_GAIN_ERROR, _SHIFT_ERROR = 0.03, 0.02
"""How well two neighbouring frames tell the ratio of their gains, and their shift."""
_GAIN_PRIOR, _SHIFT_PRIOR = 0.2, 0.6
"""How far the network's own answers for a frame usually are from those for the shot."""
_MAX_GAIN = 1.5
_SAME_SURFACE = 0.12
"""Difference of log depth up to which two frames see the same surface."""
_WEIGHTS = {1: 0.8, 2: 0.5}
"""Of frames so far away, beside the frame itself."""
_MAX_APPROACH = 0.7
"""Of log depth from one frame to the next: more is no motion of a camera."""
_LEAST_RIGID = 0.5
"""Share of a frame that must follow one motion of the camera for it to count."""


@dataclass(frozen=True)
class SmallFrame:
    """What is kept of a frame.

    Attributes:
        log_depth: (h, w) float32; NaN where there is none.
        grey: (h, w) uint8.
    """

    log_depth: NDArray[np.float32]
    grey: NDArray[np.uint8]


@dataclass(frozen=True)
class Steadied:
    """How each frame's log depth is to be changed: `gain * (log_depth - pivot) + level + residual`.

    Attributes:
        gain, pivot, level: (K,) float64.
        residuals: (K, h, w) float16, small.
        cuts: Frames (from 0) that show another scene than the one before.
        flicker_before, flicker_after: Median over pairs of neighbouring frames of the mean difference in log depth of what
            both show, less the camera's own motion; NaN for a single frame.
    """

    gain: NDArray[np.float64]
    pivot: NDArray[np.float64]
    level: NDArray[np.float64]
    residuals: NDArray[np.float16]
    cuts: tuple[int, ...]
    flicker_before: float
    flicker_after: float

    def apply(self, frame: int, depth_m: NDArray[np.float32]) -> NDArray[np.float32]:
        """The steady depth of a frame at any size; infinite and larger than 1e9 stay as they are."""
        height, width = depth_m.shape
        residual = cv2.resize(self.residuals[frame].astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
        there = depth_m < 1e9
        with np.errstate(divide="ignore", invalid="ignore"):
            changed = self.gain[frame] * (np.log(depth_m) - self.pivot[frame]) + self.level[frame] + residual
        return np.where(there, np.exp(changed), depth_m).astype(np.float32)


@dataclass(frozen=True)
class _Link:
    """Two neighbouring frames.

    Attributes:
        forward, backward: (h, w, 2) float16 flow in pixels from the first to the second frame and back.
        seen_next, seen_before: (h, w) bool: what of each frame is found again in the other.
        approach: (h, w) float16 change of log depth by the camera's motion, on the first frame.
        is_cut: Whether they show different scenes.
    """

    forward: NDArray[np.float16]
    backward: NDArray[np.float16]
    seen_next: NDArray[np.bool_]
    seen_before: NDArray[np.bool_]
    approach: NDArray[np.float16]
    is_cut: bool


def small_size(width_px: int, height_px: int) -> tuple[int, int]:
    """Width and height of the small frames of a clip."""
    shrink = min(1.0, SMALL_SIDE_PX / max(width_px, height_px))
    return max(16, round(width_px * shrink)), max(16, round(height_px * shrink))


def steady(
    frames: list[SmallFrame],
    camera: Camera,
    *,
    keep_scale: bool = False,
    report: Callable[[float], None] = lambda fraction: None,
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
    links = _Links(frames, camera.resized(width, height))
    pairs: list[_Pair | None] = []
    for k in range(count - 1):
        pairs.append(_pair(frames[k], frames[k + 1], links[k]))
        report(0.5 * (k + 1) / count)
    pivot = np.array([_median(frame.log_depth) for frame in frames])
    gain, level = np.ones(count), pivot.copy()
    if not keep_scale:
        gain, level = _balanced(pairs, pivot)

    def aligned(k: int) -> NDArray[np.float32]:
        return (gain[k] * (frames[k].log_depth - pivot[k]) + level[k]).astype(np.float32)

    residuals = np.zeros((count, height, width), np.float16)
    before: list[float] = []
    after: list[float] = []
    for k in range(count):
        residuals[k] = _residual(k, count, aligned, links)
        if k and not links[k - 1].is_cut:
            before.append(_difference(frames[k - 1].log_depth, frames[k].log_depth, links[k - 1]))
            then, now = (aligned(i) + residuals[i].astype(np.float32) for i in (k - 1, k))
            after.append(_difference(then, now, links[k - 1]))
        report(0.5 + 0.5 * (k + 1) / count)
    cuts = tuple(k + 1 for k, pair in enumerate(pairs) if pair is not None and pair.is_cut)
    return Steadied(gain, pivot, level, residuals, cuts, _typical(before), _typical(after))


# -- what two neighbouring frames share ------------------------------------------------


class _Links:
    """What neighbouring frames share, `links[k]` of the frames k and k + 1.

    A link is many times as large as a frame: only the last few are kept, and one that is asked for again is found again.
    """

    def __init__(self, frames: list[SmallFrame], view: Camera) -> None:
        self._frames, self._view = frames, view
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self._known: dict[int, _Link] = {}

    def __len__(self) -> int:
        return len(self._frames) - 1

    def __getitem__(self, k: int) -> _Link:
        if k not in self._known:
            self._known = {near: link for near, link in self._known.items() if abs(near - k) <= _KEPT}
            self._known[k] = _link(self._frames[k], self._frames[k + 1], self._view, self._flow)
        return self._known[k]


def _link(first: SmallFrame, second: SmallFrame, view: Camera, flow: cv2.DISOpticalFlow) -> _Link:
    nothing = np.zeros((*first.grey.shape, 2), np.float32)
    forward = _floats(flow.calc(first.grey, second.grey, nothing.copy()))
    backward = _floats(flow.calc(second.grey, first.grey, nothing))
    seen_next, seen_before = _returns(forward, backward), _returns(backward, forward)
    # Where nothing moves and nothing has structure flow returns always: the colours must agree as well.
    seen_next &= np.abs(_moved(second.grey.astype(np.float32), forward) - first.grey) < 24
    is_cut = float(seen_next.mean()) < _LEAST_SHARED
    approach = np.zeros(first.grey.shape, np.float32) if is_cut else _approach(first, forward, seen_next, view)
    return _Link(
        forward.astype(np.float16),
        backward.astype(np.float16),
        seen_next,
        seen_before,
        approach.astype(np.float16),
        is_cut,
    )


def _returns(there: NDArray[np.float32], back: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which pixels come back to where they began, and stay inside the picture."""
    height, width = there.shape[:2]
    x, y = _places(there)
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    returned = there + cv2.remap(back, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    allowed = _MAX_ROUND_TRIP_PX + 0.05 * np.hypot(there[..., 0], there[..., 1])
    return inside & (np.hypot(returned[..., 0], returned[..., 1]) < allowed)


def _places(flow: NDArray[np.floating]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    height, width = flow.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return x + flow[..., 0].astype(np.float32), y + flow[..., 1].astype(np.float32)


def _moved(values: NDArray[np.float32], flow: NDArray[np.floating]) -> NDArray[np.float32]:
    """What a picture shows at the places to which the flow leads; NaN spreads."""
    x, y = _places(flow)
    outside = (math.nan,) * 4
    return _floats(cv2.remap(values, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=outside))


def _approach(
    frame: SmallFrame, forward: NDArray[np.float32], seen: NDArray[np.bool_], view: Camera
) -> NDArray[np.float32]:
    """(h, w) change of log depth to the next frame if the scene is rigid; 0 if it does not move as one.

    The camera's motion is found from points in space and where the flow takes them (perspective-n-point with RANSAC);
    the unknown scale of depth is that of the motion as well, so that it does not matter.
    """
    height, width = frame.grey.shape
    unmoved = np.zeros((height, width), np.float32)
    usable = np.flatnonzero(seen & np.isfinite(frame.log_depth))
    if len(usable) < _LEAST_PAIRS:
        return unmoved
    chosen = usable[:: max(1, len(usable) // _SAMPLES)]
    y, x = np.mgrid[:height, :width]
    rays = np.stack([(x + 0.5 - view.cx_px) / view.fx_px, (y + 0.5 - view.cy_px) / view.fy_px], axis=-1)
    depth = np.exp(frame.log_depth.ravel()[chosen].astype(np.float64))
    depth /= np.median(depth)
    ray = np.concatenate([rays.reshape(-1, 2)[chosen], np.ones((len(chosen), 1))], axis=1)
    to_x, to_y = (values.ravel()[chosen] + 0.5 for values in _places(forward))
    matrix = np.array([[view.fx_px, 0, view.cx_px], [0, view.fy_px, view.cy_px], [0, 0, 1.0]])
    cv2.setRNGSeed(0)
    found, turn, shift, inliers = cv2.solvePnPRansac(
        ray * depth[:, None],
        np.stack([to_x, to_y], axis=-1).astype(np.float64),
        matrix,
        np.zeros(4),
        iterationsCount=100,
        reprojectionError=1.0,
        flags=cv2.SOLVEPNP_EPNP,
    )
    if not found or inliers is None or len(inliers) < _LEAST_RIGID * len(chosen):
        return unmoved
    # The scale of depth above was that of this median.
    median = math.exp(_median(frame.log_depth.ravel()[chosen]))
    third = cv2.Rodrigues(turn)[0][2]
    along = rays @ third[:2] + third[2] + float(shift[2, 0]) * median / np.exp(frame.log_depth.astype(np.float64))
    with np.errstate(invalid="ignore", divide="ignore"):
        change = np.log(along)
    return np.where(np.abs(change) < _MAX_APPROACH, change, 0.0).astype(np.float32)


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


def _pair(first: SmallFrame, second: SmallFrame, link: _Link) -> _Pair | None:
    """What the frames tell of one another's depth; None: they share a view, but too few depths."""
    nothing = np.empty(0, np.float32)
    if link.is_cut:
        return _Pair(nothing, nothing, is_cut=True)
    there = _moved(second.log_depth, link.forward)
    here = first.log_depth + link.approach.astype(np.float32)
    usable = np.flatnonzero(link.seen_next & np.isfinite(there) & np.isfinite(here))
    if len(usable) < _LEAST_PAIRS:
        return None
    usable = usable[:: max(1, len(usable) // _SAMPLES)]
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
    """Values of the frames whose neighbours differ by `steps` where they are told, and that stay near `prior`."""
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


def _residual(k: int, count: int, aligned: Callable[[int], NDArray[np.float32]], links: _Links) -> NDArray[np.float32]:
    """(h, w) correction of a frame towards the mean of itself and the frames around it."""
    own = aligned(k)
    total, weights = np.zeros_like(own), np.ones_like(own)
    for direction in (1, -1):
        flow = np.zeros((*own.shape, 2), np.float32)
        seen, approach = np.ones(own.shape, bool), np.zeros_like(own)
        for distance, weight in _WEIGHTS.items():
            step = k + distance - 1 if direction > 0 else k - distance
            if not 0 <= step < count - 1 or links[step].is_cut:
                break
            flow, seen, approach = _followed(links[step], direction, flow, seen, approach)
            difference = _moved(aligned(k + direction * distance), flow) - approach - own
            same = seen & (np.abs(difference) < _SAME_SURFACE)
            total += np.where(same, weight * difference, 0)
            weights += weight * same
    mean = np.where(np.isfinite(own), total / weights, 0)
    return _floats(cv2.GaussianBlur(mean, (0, 0), 1.0))


def _followed(
    link: _Link, direction: int, flow: NDArray[np.float32], seen: NDArray[np.bool_], approach: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float32]]:
    """Flow, what is seen and approach, continued over one more link from where they have led."""
    x, y = _places(flow)
    ahead = direction > 0
    field, visible = (link.forward, link.seen_next) if ahead else (link.backward, link.seen_before)
    further = cv2.remap(field.astype(np.float32), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    still = cv2.remap(visible.astype(np.uint8), x, y, cv2.INTER_NEAREST, borderValue=(0,)) > 0
    flow = flow + further
    # The approach is known on the earlier one of the two frames.
    at = (x, y) if ahead else _places(flow)
    change = cv2.remap(link.approach.astype(np.float32), *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return flow, seen & still, approach + (change if ahead else -change)


def _difference(first: NDArray[np.float32], second: NDArray[np.float32], link: _Link) -> float:
    """Mean difference of log depth of what two neighbouring frames both show, less the camera's motion."""
    difference = _moved(second, link.forward) - link.approach - first
    usable = link.seen_next & np.isfinite(difference)
    return float(np.minimum(np.abs(difference[usable]), 0.5).mean()) if usable.any() else math.nan


def _typical(values: list[float]) -> float:
    known = [value for value in values if math.isfinite(value)]
    return float(np.median(known)) if known else math.nan


def _median(values: NDArray[np.floating]) -> float:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if len(finite) else 0.0


def _floats(values: Any) -> NDArray[np.float32]:
    """What OpenCV gives back, whose types say less than is known."""
    return np.asarray(values, np.float32)
