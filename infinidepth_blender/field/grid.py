"""A depth map as a continuous field that never blends two surfaces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .parallel import map_on_cores
from .protocol import FieldScale, Rows, pixel_centres_yx

SURFACE_STEP = 0.04
"""Relative step between the depths of neighbouring samples from which they belong to two surfaces."""

_CHUNK = 1 << 14
"""Coordinates evaluated at a time: what fits into a processor's cache."""


class GridField:
    """Disparity between the samples of a depth map.

    Disparity is interpolated bilinearly, which is exact on planes, also in the half cell outside
    the outermost samples. Around a coordinate only the samples count that belong to the
    same surface as the nearest one; the others are replaced by the continuation of that
    surface, so that no point floats between a front and what is behind it. Where the
    nearest sample has no depth the disparity is NaN, where it is sky it is 0.

    Implements `DepthField`.

    Attributes:
        scale: `metric` or `relative`.
        fov_x_rad: Horizontal field of view, if the depth map came with one.
    """

    def __init__(
        self,
        depth_m: NDArray[np.floating],
        sky: NDArray[np.bool_] | None = None,
        scale: FieldScale = "metric",
        fov_x_rad: float | None = None,
        surface_step: float = SURFACE_STEP,
    ) -> None:
        """Takes a depth map.

        Args:
            depth_m: (h, w) distance along the optical axis; 0, negative, infinite and NaN mean no depth.
            sky: (h, w) where the sky is; None: nowhere.
            scale: What the depth means.
            fov_x_rad: Horizontal field of view, if known.
            surface_step: Relative depth step from which neighbours belong to two surfaces.

        Raises:
            ValueError: the shapes are wrong, or the map is empty.
        """
        if depth_m.ndim != 2 or depth_m.size == 0:
            raise ValueError(f"expected a depth map of shape (h, w), got {depth_m.shape}")
        if sky is not None and sky.shape != depth_m.shape:
            raise ValueError(f"the sky {sky.shape} and the depth map {depth_m.shape} differ in shape")
        self.scale: FieldScale = scale
        self.fov_x_rad = fov_x_rad
        self._step = surface_step
        depth = np.asarray(depth_m, dtype=np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            disparity = np.where(np.isfinite(depth) & (depth > 0), 1 / depth, np.nan)
        if sky is not None:
            disparity = np.where(sky, 0.0, disparity)
        self._height, self._width = depth.shape
        self._disparity = torch.from_numpy(disparity.astype(np.float32).ravel())

    def disparity(self, coords_yx: Tensor) -> Tensor:
        """(N,) disparity at (N, 2) coordinates."""
        return self.disparity_and_gradient(coords_yx)[0]

    def disparity_and_gradient(self, coords_yx: Tensor) -> tuple[Tensor, Tensor]:
        """(N,) disparity and its (N, 2) derivative by (y, x)."""
        parts = map_on_cores(self._evaluate, coords_yx.detach().cpu().split(_CHUNK))
        answer = torch.cat(parts).to(coords_yx)
        return answer[:, 0].contiguous(), answer[:, 1:].contiguous()

    def _evaluate(self, coords_yx: Tensor) -> Tensor:
        """(N, 3) float64: disparity and its derivative by y and x."""
        coords = coords_yx.double().clamp(-1, 1)
        y, x = _nearest(coords[:, 0], self._height), _nearest(coords[:, 1], self._width)
        nearest = self._at(y.nearest, x.nearest)
        beside, below = self._at(y.nearest, x.towards), self._at(y.towards, x.nearest)
        across = self._at(y.towards, x.towards)
        has_beside, has_below = self._one_surface(nearest, beside), self._one_surface(nearest, below)
        # A steep surface reaches the far corner step by step.
        has_across = (
            self._one_surface(nearest, across)
            | (has_beside & self._one_surface(beside, across))
            | (has_below & self._one_surface(below, across))
        )
        # Where the surface ends, its slope is that on the other side of the nearest sample, or else one line further.
        x_slope = torch.where(
            has_beside,
            beside - nearest,
            self._slope_behind(nearest, self._at(y.nearest, x.behind), has_below & has_across, across - below),
        )
        y_slope = torch.where(
            has_below,
            below - nearest,
            self._slope_behind(nearest, self._at(y.behind, x.nearest), has_beside & has_across, across - beside),
        )
        twist = torch.where(has_across, across - nearest - x_slope - y_slope, torch.zeros_like(nearest))
        along_y, along_x = y.distance, x.distance
        value = nearest + along_x * x_slope + along_y * y_slope + along_x * along_y * twist
        by_y = (y_slope + along_x * twist) * y.sign * (self._height / 2)
        by_x = (x_slope + along_y * twist) * x.sign * (self._width / 2)
        return torch.stack([value, by_y, by_x], dim=1)

    def disparity_grid(self, height: int, width: int, rows: Rows | None = None) -> Tensor:
        """(height, width) disparity at the pixel centres."""
        if (height, width) == (self._height, self._width):
            return self._disparity.view(height, width)[slice(*(rows or (0, height)))].clone()
        return self.disparity(pixel_centres_yx(height, width, rows=rows)).view(-1, width)

    def sky_grid(self, height: int, width: int, rows: Rows | None = None) -> Tensor:
        """(height, width) 1 where the nearest sample is sky, else 0."""
        row, column = (
            _nearest((torch.arange(count, dtype=torch.float64) + 0.5) / count * 2 - 1, size).nearest
            for count, size in ((height, self._height), (width, self._width))
        )
        row = row[slice(*(rows or (0, height)))]
        return (self._at(row[:, None], column[None, :]) == 0).float()

    def _at(self, row: Tensor, column: Tensor) -> Tensor:
        return self._disparity[row * self._width + column].double()

    def _slope_behind(self, nearest: Tensor, behind: Tensor, has_parallel: Tensor, parallel: Tensor) -> Tensor:
        """Slope from the sample behind; failing that, a parallel one; failing that, 0."""
        fallback = torch.where(has_parallel, parallel, torch.zeros_like(nearest))
        is_border = behind == nearest
        return torch.where(self._one_surface(nearest, behind) & ~is_border, nearest - behind, fallback)

    def _one_surface(self, a: Tensor, b: Tensor) -> Tensor:
        """Whether two samples lie on one surface; a comparison with NaN is False."""
        return (torch.minimum(a, b) > 0) & (torch.maximum(a, b) <= (1 + self._step) * torch.minimum(a, b))


@dataclass(frozen=True)
class _Neighbours:
    """Samples around coordinates on one axis.

    Attributes:
        nearest: The nearest sample.
        towards: Its neighbour towards the coordinate; at the border, inwards.
        behind: Its other neighbour, or itself at the border.
        distance: From the nearest sample, in the direction of `towards`, in samples.
        sign: 1 where `towards` is the higher index, else -1.
    """

    nearest: Tensor
    towards: Tensor
    behind: Tensor
    distance: Tensor
    sign: Tensor


def _nearest(coords: Tensor, size: int) -> _Neighbours:
    position = ((coords + 1) * size - 1) / 2
    nearest = position.round().clamp(0, size - 1)
    forward = ((position >= nearest) & (nearest < size - 1)) | (nearest == 0)
    sign = torch.where(forward, 1.0, -1.0).double()
    towards, behind = ((nearest + step).clamp(0, size - 1).long() for step in (sign, -sign))
    return _Neighbours(nearest.long(), towards, behind, (position - nearest) * sign, sign)
