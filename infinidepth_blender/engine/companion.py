"""What a model that gives only the shape of depth lacks, taken from the bundled model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..field.align import AlignedField, fit_scale_lad
from ..field.protocol import DepthField, Rows
from ..field.robust_line import fit_affine_robust

_LOOK_SIDE_PX = 384
_FAR_PERCENTILE = 1.0
_NEAR_PERCENTILE = 99.0
_FARTHEST_SHARE = 0.2
"""The farthest surface gets at least this share of the disparity that the bundled model gives to its own farthest."""


class CompanionField(AlignedField):
    """A field of open factor and offset, fitted to the bundled model's; sky and camera are the bundled model's.

    What the fit puts near the horizon or beyond (disparity 0 and less) is squeezed into the distance in front of it,
    in order: far land that was no part of the fit because it passed for sky gets a large depth, not a hole.

    Attributes:
        fov_x_rad, pitch_rad, roll_rad: As the bundled model estimates them; the field's own where it has them.
        details: Plain values for the model record of the result.
    """

    def __init__(self, inner: DepthField, companion: DepthField, fit: _Fit | None) -> None:
        """Use `companion_alignment` or `with_estimates`."""
        fitted = fit or _Fit(1.0, 0.0)
        self._squeezed_below = fitted.squeezed_below
        super().__init__(inner, fitted.factor, fitted.offset, companion.scale if fit else inner.scale)
        self.companion = companion
        self.fov_x_rad = inner.fov_x_rad if inner.fov_x_rad is not None else companion.fov_x_rad
        self.pitch_rad: float | None = getattr(companion, "pitch_rad", None)
        self.roll_rad: float | None = getattr(companion, "roll_rad", None)
        self.details: dict[str, Any] = {}
        if fit is not None:
            self.details = {
                "companion_factor": fit.factor,
                "companion_offset": fit.offset,
                "companion_median_error": fit.error,
                "companion_squeezed_below": fit.squeezed_below,
            }

    def disparity(self, coords_yx: Tensor) -> Tensor:
        """(N,) disparity at (N, 2) coordinates."""
        return self._in_front(super().disparity(coords_yx))

    def disparity_and_gradient(self, coords_yx: Tensor) -> tuple[Tensor, Tensor]:
        """(N,) disparity and its (N, 2) derivative by (y, x)."""
        disparity, gradient = super().disparity_and_gradient(coords_yx)
        if self._squeezed_below:
            gradient = gradient * (self._squeezed_below / self._to_pole(disparity)).square()[:, None]
        return self._in_front(disparity), gradient

    def disparity_grid(self, height: int, width: int, rows: Rows | None = None) -> Tensor:
        """(height, width) disparity at the pixel centres."""
        return self._in_front(super().disparity_grid(height, width, rows))

    def sky_grid(self, height: int, width: int, rows: Rows | None = None) -> Tensor:
        """(height, width) probability of sky at the pixel centres, as the bundled model sees it."""
        return self.companion.sky_grid(height, width, rows)

    def _in_front(self, disparity: Tensor) -> Tensor:
        """`limit^2 / (2 limit - disparity)` below the limit, where it goes on with the same value and slope."""
        limit = self._squeezed_below
        if not limit:
            return disparity
        return torch.where(disparity < limit, limit * limit / self._to_pole(disparity), disparity)

    def _to_pole(self, disparity: Tensor) -> Tensor:
        """(N, ...) distance to the pole of that curve; at the limit and above: the limit."""
        limit = self._squeezed_below
        return 2 * limit - disparity.clamp(max=limit)


@dataclass(frozen=True)
class _Fit:
    """`factor * disparity + offset`.

    Attributes:
        factor, offset: Of the line.
        error: Median relative error of the surface under it; None: there is no surface.
        squeezed_below: Disparity below which the line is bent so that it stays positive; 0: nowhere.
    """

    factor: float
    offset: float
    error: float | None = None
    squeezed_below: float = 0.0


def companion_alignment(field: DepthField, companion: DepthField, width_px: int, height_px: int) -> CompanionField:
    """Gives a field that is right up to factor and offset the factor and offset of another one.

    An affine fit of disparity that outliers do not move, over all that is not sky. The factor is positive, and the
    farthest surface stays in front of the camera's horizon: where the free fit breaks that, the
    farthest surfaces of both are matched and the factor alone is fitted.

    Args:
        field: The field to align, of scale `affine`.
        companion: A field of scale `relative` or `metric`, which the result takes over.
        width_px, height_px: Size of the photo.
    """
    factor = min(1.0, _LOOK_SIDE_PX / max(width_px, height_px))
    width, height = max(1, round(width_px * factor)), max(1, round(height_px * factor))
    source = field.disparity_grid(height, width).cpu().numpy().astype(np.float64).ravel()
    target = companion.disparity_grid(height, width).cpu().numpy().astype(np.float64).ravel()
    usable = np.isfinite(source) & np.isfinite(target) & (target > 0)
    surface = usable & (companion.sky_grid(height, width).cpu().numpy().ravel() < 0.5)
    chosen = surface if surface.any() else usable
    if not chosen.any():
        return CompanionField(field, companion, _Fit(1.0, 0.0))
    return CompanionField(field, companion, _fit(source[chosen], target[chosen]))


def with_estimates(field: DepthField, companion: DepthField) -> CompanionField:
    """A field as it is, with the sky and the camera that another one estimates."""
    return CompanionField(field, companion, None)


def _fit(source: NDArray[np.float64], target: NDArray[np.float64]) -> _Fit:
    far, near = np.percentile(source, [_FAR_PERCENTILE, _NEAR_PERCENTILE])
    true_far, true_near = np.percentile(target, [_FAR_PERCENTILE, _NEAR_PERCENTILE])
    if near - far <= 1e-6 * max(abs(near), abs(far), 1e-12):
        factor, offset = 0.0, float(np.median(target))  # the field is flat: so is the scene
        return _Fit(factor, offset, _error(factor, offset, source, target))
    limit = _FARTHEST_SHARE * float(true_far)
    factor, offset = fit_affine_robust(source, target)
    if factor <= 0 or factor * far + offset < limit:
        factor = fit_scale_lad(source - far, target - true_far)
        if factor <= 0:
            factor = (true_near - true_far) / (near - far)
        offset = true_far - factor * far
    return _Fit(float(factor), float(offset), _error(factor, offset, source, target), limit)


def _error(factor: float, offset: float, source: NDArray[np.float64], target: NDArray[np.float64]) -> float:
    return float(np.median(np.abs(factor * source + offset - target) / target))
