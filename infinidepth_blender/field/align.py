"""Robust alignment of a disparity to a reference, and the field that applies it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from .protocol import DepthField, FieldScale, Rows

_MAX_SAMPLES = 20_000
_SLOPE_PAIRS = 2_000
_BISECTIONS = 100


def fit_affine_lad(
    source: NDArray[Any],
    target: NDArray[Any],
    weight: NDArray[Any] | None = None,
    seed: int = 0,
    max_samples: int = _MAX_SAMPLES,
) -> tuple[float, float]:
    """Least absolute deviations: factor a and offset b that minimise the weighted sum of |target - (a source + b)|.

    For a given factor the best offset is a weighted median, and what remains is convex in
    the factor, so a bisection on its slope finds the minimum. Outliers in `target` hardly move it.

    Args:
        source, target: Arrays of one shape; pairs with a value that is not finite are ignored.
        weight: Array of the same shape, not negative; None: all 1.
        seed: For the choice of at most `max_samples` pairs out of more.
        max_samples: More take longer and give a steadier answer.

    Returns:
        (a, b). Where `source` does not vary, b is 0 and a maps one median to the other.

    Raises:
        ValueError: no pair is usable.
    """
    s, t, w = usable_pairs(source, target, weight, seed, max_samples)
    middle = weighted_median(s, w)
    spread = float(np.abs(s - middle).max())
    if spread <= 1e-9 * max(abs(middle), 1e-300):
        return fit_scale_lad(source, target, weight, seed), 0.0
    u = (s - middle) / spread
    low, high = _bracket(u, t, w, seed)
    for _ in range(_BISECTIONS):
        slope = 0.5 * (low + high)
        if slope in (low, high):
            break
        if _cost_slope(slope, u, t, w) > 0:
            high = slope
        else:
            low = slope
    slope = 0.5 * (low + high)
    offset = weighted_median(t - slope * u, w)
    factor = slope / spread
    return float(factor), float(offset - factor * middle)


def fit_scale_lad(
    source: NDArray[Any], target: NDArray[Any], weight: NDArray[Any] | None = None, seed: int = 0
) -> float:
    """The factor a alone that minimises the weighted sum of |target - a source|.

    Args and errors as for `fit_affine_lad`; also ValueError if `source` is 0 everywhere.
    """
    s, t, w = usable_pairs(source, target, weight, seed)
    used = s != 0
    if not used.any():
        raise ValueError("a factor cannot be fitted to a source of zeros")
    return weighted_median(t[used] / s[used], w[used] * np.abs(s[used]))


def weighted_median(values: NDArray[Any], weight: NDArray[Any]) -> float:
    """The value that halves the total weight (1-D arrays, weights not all 0)."""
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(weight[order])
    index = int(np.searchsorted(cumulative, 0.5 * cumulative[-1]))
    return float(values[order[min(index, len(order) - 1)]])


def usable_pairs(
    source: NDArray[Any],
    target: NDArray[Any],
    weight: NDArray[Any] | None,
    seed: int,
    max_samples: int = _MAX_SAMPLES,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Source, target and weight of the pairs that are finite and have weight: (N,) float64 each, N <= `max_samples`.

    Raises:
        ValueError: the sizes differ, or there is no such pair.
    """
    s, t = (np.asarray(values, dtype=np.float64).ravel() for values in (source, target))
    w = np.ones_like(s) if weight is None else np.asarray(weight, dtype=np.float64).ravel()
    if not s.shape == t.shape == w.shape:
        raise ValueError(f"source, target and weight differ in size: {s.size}, {t.size}, {w.size}")
    good = np.isfinite(s) & np.isfinite(t) & np.isfinite(w) & (w > 0)
    s, t, w = s[good], t[good], w[good]
    if s.size == 0:
        raise ValueError("there is no pair of finite values to align")
    if s.size > max_samples:
        chosen = np.random.default_rng(seed).choice(s.size, max_samples, replace=False)
        s, t, w = s[chosen], t[chosen], w[chosen]
    return s, t, w


def _cost_slope(slope: float, u: NDArray[Any], t: NDArray[Any], w: NDArray[Any]) -> float:
    """Derivative of the least cost with respect to the factor."""
    rest = t - slope * u
    return -float(np.sum(w * u * np.sign(rest - weighted_median(rest, w))))


def _bracket(u: NDArray[Any], t: NDArray[Any], w: NDArray[Any], seed: int) -> tuple[float, float]:
    """Factors on both sides of the minimum, around the median slope of random pairs."""
    rng = np.random.default_rng(seed)
    first, second = rng.integers(0, len(u), (2, _SLOPE_PAIRS))
    run = u[second] - u[first]
    rise = (t[second] - t[first])[np.abs(run) > 0.05]
    run = run[np.abs(run) > 0.05]
    start = float(np.median(rise / run)) if len(run) else 0.0
    step = max(abs(start), float(np.abs(t - np.median(t)).mean()), 1e-12) * 0.1
    low, high = start - step, start + step
    while _cost_slope(low, u, t, w) > 0 and math.isfinite(low):
        step *= 4
        low = start - step
    while _cost_slope(high, u, t, w) < 0 and math.isfinite(high):
        step *= 4
        high = start + step
    return low, high


class AlignedField:
    """A field with another scale: `factor * disparity + offset`.

    Attributes:
        scale: What the new disparity means.
        fov_x_rad: As the inner field says.
        inner: The field that is aligned.
    """

    def __init__(self, inner: DepthField, factor: float, offset: float = 0.0, scale: FieldScale = "metric") -> None:
        if not (math.isfinite(factor) and math.isfinite(offset)):
            raise ValueError(f"the alignment {factor} * disparity + {offset} is not finite")
        self.inner = inner
        self.factor = factor
        self.offset = offset
        self.scale: FieldScale = scale
        self.fov_x_rad = inner.fov_x_rad

    def disparity(self, coords_yx: Tensor) -> Tensor:
        """(N,) disparity at (N, 2) coordinates."""
        return self.aligned(self.inner.disparity(coords_yx))

    def disparity_and_gradient(self, coords_yx: Tensor) -> tuple[Tensor, Tensor]:
        """(N,) disparity and its (N, 2) derivative by (y, x)."""
        disparity, gradient = self.inner.disparity_and_gradient(coords_yx)
        return self.aligned(disparity), gradient * self.factor

    def disparity_grid(self, height: int, width: int, rows: Rows | None = None) -> Tensor:
        """(height, width) disparity at the pixel centres."""
        return self.aligned(self.inner.disparity_grid(height, width, rows))

    def aligned(self, seen: Tensor) -> Tensor:
        """The new disparity of the inner field's disparity."""
        return seen * self.factor + self.offset

    def sky_grid(self, height: int, width: int, rows: Rows | None = None) -> Tensor:
        """(height, width) probability of sky at the pixel centres."""
        return self.inner.sky_grid(height, width, rows)
