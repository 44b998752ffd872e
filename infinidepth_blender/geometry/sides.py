"""The two surfaces that meet at a depth discontinuity, each as a plane in disparity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Everything within three pixels, and eight rays further out for wide ramps.
_NEAR_RADIUS = 3
_RAY_STEPS = (5, 7, 9)
REACH = _RAY_STEPS[-1]
"""Pixels, or strides, from a pixel to the furthest that tells its surfaces."""
_RAYS = ((0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1))
_OFFSETS_YX = np.array(
    sorted(
        [(y, x) for y in range(-_NEAR_RADIUS, _NEAR_RADIUS + 1) for x in range(-_NEAR_RADIUS, _NEAR_RADIUS + 1)]
        + [(y * step, x * step) for step in _RAY_STEPS for y, x in _RAYS],
        key=lambda offset: offset[0] ** 2 + offset[1] ** 2,
    )
)
"""(n, 2) the neighbourhood of a pixel, the closest first."""
_DISTANCE = np.abs(_OFFSETS_YX).max(axis=1)
_RINGS = tuple(np.flatnonzero(distance >= _DISTANCE) for distance in (3, 2, 1))
_DOUBT = 0.001
"""Weight of a doubtful pixel."""
_SLOPE_RIDGE = 0.05
"""Holds the slope at 0 where too few pixels carry it; 5 % of a one-pixel spread."""


@dataclass(frozen=True)
class SidePlanes:
    """Near and far surface at K pixels: disparity = c0 + c1 * dx + c2 * dy, pixels from the centre.

    Attributes:
        near: (K, 3) float32. Equal to `far` where only one surface was found.
        far: (K, 3) float32; NaN in both where no reliable pixel is at hand.
    """

    near: NDArray[np.float32]
    far: NDArray[np.float32]

    def nearest_side(self, disparity: NDArray[np.float32]) -> NDArray[np.float32]:
        """(K,) the disparity of the surface that each given value is closer to."""
        near, far = self.near[:, 0], self.far[:, 0]
        side = np.where(np.abs(disparity - near) <= np.abs(disparity - far), near, far)
        return np.where(np.isfinite(side), side, disparity)


def fit_side_planes(
    disparity: NDArray[np.float32],
    solid: NDArray[np.bool_],
    rows: NDArray[np.intp],
    cols: NDArray[np.intp],
    edge_step: float,
    doubtful: NDArray[np.bool_] | None = None,
    stride: int = 1,
) -> SidePlanes:
    """Fits a plane to the near and one to the far pixels around each of K pixels.

    Weighted least squares over the solid pixels of a small neighbourhood, split at the
    middle of their disparities where these differ by more than `edge_step`.

    Args:
        disparity: (h, w).
        solid: (h, w) pixels whose disparity can be trusted.
        rows, cols: (K,) the pixels.
        edge_step: Relative step below which all neighbours are one surface.
        doubtful: (h, w) solid pixels that count only where there are no others, such as the foot of a ramp.
        stride: Pixels between those that are looked at; the neighbourhood grows with it.
    """
    height, width = disparity.shape
    y = rows[:, None] + stride * _OFFSETS_YX[:, 0]
    x = cols[:, None] + stride * _OFFSETS_YX[:, 1]
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    index = np.where(inside, y * width + x, 0)
    values = disparity.ravel()[index]
    trusted = inside & solid.ravel()[index]
    belief = np.ones(values.shape, np.float32)
    if doubtful is not None:
        belief[doubtful.ravel()[index]] = _DOUBT
    highest, lowest = _range(values, trusted)
    # The two surfaces are those closest by, whatever else lies further out.
    certain = trusted & (belief == 1)
    for ring, there in zip(_RINGS, (trusted, certain, certain), strict=True):
        high, low = _range(values[:, ring], there[:, ring])
        found = high > low * (1 + edge_step)
        highest, lowest = np.where(found, high, highest), np.where(found, low, lowest)
    two = highest > lowest * (1 + edge_step)
    half = np.subtract(highest, lowest, out=np.full(len(rows), np.inf, np.float32), where=two)[:, None] / 2
    split = np.where(two[:, None], lowest[:, None] + half, -np.inf)
    with np.errstate(invalid="ignore"):
        is_near = trusted & (values >= split) & ~(values > split + 2 * half)
    is_far = trusted & (values < split) & (values >= split - 2 * half)
    near = _fit_planes(values, _one_surface(values, is_near, edge_step), belief)
    far = near.copy()
    far[two] = _fit_planes(values[two], _one_surface(values[two], is_far[two], edge_step), belief[two])
    per_pixel = np.array([1, 1 / stride, 1 / stride], np.float32)
    return SidePlanes(near * per_pixel, far * per_pixel)


def _one_surface(values: NDArray[np.float32], chosen: NDArray[np.bool_], edge_step: float) -> NDArray[np.bool_]:
    """Of the chosen pixels those that one surface through the closest of them can reach."""
    closest = np.take_along_axis(values, chosen.argmax(axis=1)[:, None], axis=1)
    return chosen & (np.abs(values - closest) <= edge_step * (1 + _DISTANCE) * closest)


def _range(values: NDArray[np.float32], chosen: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(K,) highest and lowest of the chosen values in each row; -inf and inf where there are none."""
    highest = np.where(chosen, values, -np.inf).max(axis=1, initial=-np.inf)
    lowest = np.where(chosen, values, np.inf).min(axis=1, initial=np.inf)
    return highest, lowest


def _fit_planes(
    values: NDArray[np.float32], chosen: NDArray[np.bool_], belief: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(K, 3) plane coefficients; the value at the centre stays near the range of the chosen pixels."""
    dy, dx = _OFFSETS_YX.T.astype(np.float64)
    weight = chosen * belief / (dx**2 + dy**2 + 0.5) ** 1.5
    weighted = weight * values
    with np.errstate(invalid="ignore", divide="ignore"):
        total = weight.sum(axis=1)
        mean_x, mean_y, mean_d = weight @ dx / total, weight @ dy / total, weighted.sum(axis=1) / total
        xx = weight @ (dx * dx) / total - mean_x**2 + _SLOPE_RIDGE
        yy = weight @ (dy * dy) / total - mean_y**2 + _SLOPE_RIDGE
        xy = weight @ (dx * dy) / total - mean_x * mean_y
        xd = weighted @ dx / total - mean_x * mean_d
        yd = weighted @ dy / total - mean_y * mean_d
        det = xx * yy - xy * xy
        slope_x = (xd * yy - yd * xy) / det
        slope_y = (yd * xx - xd * xy) / det
    highest, lowest = _range(values, chosen)
    slack = (highest - lowest) / 2
    centre = np.clip(
        mean_d - slope_x * mean_x - slope_y * mean_y, np.maximum(lowest - slack, lowest / 2), highest + slack
    )
    return np.stack([centre, slope_x, slope_y], axis=1).astype(np.float32)
