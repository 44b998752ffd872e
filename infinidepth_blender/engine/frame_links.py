"""What neighbouring frames of a clip share: where the same things are, and how much nearer they came by the camera's motion.

Optical flow (DIS, arXiv 1603.03590) there and back says what is seen in both; perspective-n-point with RANSAC on depth and flow
says how the camera moved.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..camera import Camera

SMALL_SIDE_PX = 256
"""Longer side of the small frames."""
_LEAST_SHARED = 0.15
"""Share of a frame that must be found again in the next one; else it is a cut."""
_MAX_ROUND_TRIP_PX = 1.0
SAMPLES, LEAST_PAIRS = 1500, 50
_KEPT = 5
"""Links to either side of the one that was asked for last."""
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
class Link:
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


class Links:
    """What neighbouring frames share, `links[k]` of the frames k and k + 1.

    A link is many times as large as a frame: only the last few are kept, and one that is asked for again is found again.
    """

    def __init__(self, frames: list[SmallFrame], view: Camera) -> None:
        self._frames, self._view = frames, view
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self._known: dict[int, Link] = {}

    def __len__(self) -> int:
        return len(self._frames) - 1

    def __getitem__(self, k: int) -> Link:
        if k not in self._known:
            self._known = {near: link for near, link in self._known.items() if abs(near - k) <= _KEPT}
            self._known[k] = _link(self._frames[k], self._frames[k + 1], self._view, self._flow)
        return self._known[k]


def _link(first: SmallFrame, second: SmallFrame, view: Camera, flow: cv2.DISOpticalFlow) -> Link:
    nothing = np.zeros((*first.grey.shape, 2), np.float32)
    forward = floats(flow.calc(first.grey, second.grey, nothing.copy()))
    backward = floats(flow.calc(second.grey, first.grey, nothing))
    seen_next, seen_before = _returns(forward, backward), _returns(backward, forward)
    # Where nothing moves and nothing has structure flow returns always: the colours must agree as well.
    seen_next &= np.abs(moved(second.grey.astype(np.float32), forward) - first.grey) < 24
    is_cut = float(seen_next.mean()) < _LEAST_SHARED
    approach = np.zeros(first.grey.shape, np.float32) if is_cut else _approach(first, forward, seen_next, view)
    return Link(
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
    x, y = places(there)
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    returned = there + cv2.remap(back, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    allowed = _MAX_ROUND_TRIP_PX + 0.05 * np.hypot(there[..., 0], there[..., 1])
    return inside & (np.hypot(returned[..., 0], returned[..., 1]) < allowed)


def places(flow: NDArray[np.floating]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Columns and rows (h, w) to which the flow leads from every pixel."""
    height, width = flow.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return x + flow[..., 0].astype(np.float32), y + flow[..., 1].astype(np.float32)


def moved(values: NDArray[np.float32], flow: NDArray[np.floating]) -> NDArray[np.float32]:
    """What a picture shows at the places to which the flow leads; NaN spreads."""
    x, y = places(flow)
    outside = (math.nan,) * 4
    return floats(cv2.remap(values, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=outside))


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
    if len(usable) < LEAST_PAIRS:
        return unmoved
    chosen = usable[:: max(1, len(usable) // SAMPLES)]
    y, x = np.mgrid[:height, :width] + 0.5
    rays = view.unproject(x, y, np.ones_like(x)).astype(np.float64)
    depth = np.exp(frame.log_depth.ravel()[chosen].astype(np.float64))
    # The scale of depth is open, and the motion has the same: it is that of the median here.
    unit = float(np.median(depth))
    points = rays.reshape(-1, 3)[chosen] * (depth / unit)[:, None]
    to_x, to_y = (values.ravel()[chosen] + 0.5 for values in places(forward))
    cv2.setRNGSeed(0)
    found, turn, shift, inliers = cv2.solvePnPRansac(
        points,
        np.stack([to_x, to_y], axis=-1).astype(np.float64),
        view.matrix(),
        np.zeros(4),
        iterationsCount=100,
        reprojectionError=1.0,
        flags=cv2.SOLVEPNP_EPNP,
    )
    if not found or inliers is None or len(inliers) < _LEAST_RIGID * len(chosen):
        return unmoved
    third = cv2.Rodrigues(turn)[0][2]
    along = rays @ third + float(shift[2, 0]) * unit / np.exp(frame.log_depth.astype(np.float64))
    with np.errstate(invalid="ignore", divide="ignore"):
        change = np.log(along)
    return np.where(np.abs(change) < _MAX_APPROACH, change, 0.0).astype(np.float32)


def median(values: NDArray[np.floating]) -> float:
    """Of what is finite; 0 where nothing is."""
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if len(finite) else 0.0


def floats(values: Any) -> NDArray[np.float32]:
    """What OpenCV gives back, whose types say less than is known."""
    return np.asarray(values, np.float32)
