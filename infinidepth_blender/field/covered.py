"""Which of the depths that a network sees were measured, and what is taken beyond them.

A sensor that reaches five metres measures nothing behind. What it says about the network's shape (an offset of
disparity, or the answer of a network that is told the measurements) then holds as far as it measured. It must not be
continued: of the places that the network sees about as far as the sensor reaches, only those that are nearer than
seen were measured, so that every line through them bends. One factor between measured depth and seen depth
is free of that, since it does not matter for it where measuring ends.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .align import AlignedField
from .prompt_map import MIN_LOG_RANGE
from .protocol import DepthField

_END = 0.02
"""Quantile of the measured places' log depth, as the network sees it, that counts as an end of what was measured."""
_BEYOND = (0.06, 0.15)
"""Share of the surface beyond an end: up to the first the measurements reach it, as random ones do, from the second
on they do not."""
_RAMP = (0.75, 1.15)
"""Where measurements cease to tell, in the range between both ends; 1 is the end itself, which is no sharp one."""
PAST = (1.0, 1.4)
"""The same where the picture has surely left what was measured."""
_LEAST = 1e-9


@dataclass(frozen=True)
class Covered:
    """Log depths, as a network sees them, that measurements cover.

    Attributes:
        low, spread: The nearer end of what was measured, and the distance to the farther one.
        near_open, far_open: How sure it is that the picture goes on beyond that end, 0 to 1.
        beyond: Share of the surface beyond both ends.
    """

    low: float = 0.0
    spread: float = 1.0
    near_open: float = 0.0
    far_open: float = 0.0
    beyond: float = 0.0

    @classmethod
    def of(cls, measured: NDArray[np.floating], surface: NDArray[np.floating]) -> Covered:
        """From what a network sees.

        Args:
            measured: (N,) its log depth where there are measurements.
            surface: (M,) its log depth of all that is not sky.
        """
        if not len(measured) or not len(surface):
            return cls()
        low, high = np.quantile(measured, [_END, 1 - _END])
        nearer, farther = float(np.mean(surface < low)), float(np.mean(surface > high))
        near_open, far_open = np.clip((np.array([nearer, farther]) - _BEYOND[0]) / (_BEYOND[1] - _BEYOND[0]), 0, 1)
        spread = max(float(high - low), MIN_LOG_RANGE)
        return cls(float(low), spread, float(near_open), float(far_open), nearer + farther)

    @property
    def complete(self) -> bool:
        """Whether the measurements reach both ends."""
        return self.near_open == self.far_open == 0

    def share(self, log_depth: Tensor, ramp: tuple[float, float] = _RAMP) -> Tensor:
        """1 where log depth is covered, falling to 0 beyond an end that is open, along a ramp."""
        farther, nearer = self._along(log_depth, ramp)
        return (1 - self.far_open * _smooth(farther)) * (1 - self.near_open * _smooth(nearer))

    def slope(self, log_depth: Tensor) -> Tensor:
        """The derivative of `share`."""
        farther, nearer = self._along(log_depth, _RAMP)
        by_x = self.near_open * 6 * nearer * (1 - nearer) - self.far_open * 6 * farther * (1 - farther)
        return by_x / ((_RAMP[1] - _RAMP[0]) * self.spread)

    def mixed(self, inside: Tensor, beyond: Tensor, seen: Tensor, certain: Tensor | float = 0.0) -> Tensor:
        """Disparity: the one where measurements reach, the other beyond.

        In between it is a mean of both log depths.

        Args:
            inside, beyond: Disparity of either.
            seen: The network's own log depth, which tells where it is.
            certain: 1 where the first holds all the same, 0 where `seen` decides alone.
        """
        share = 1 - (1 - self.share(seen)) * (1 - certain)
        logs = share * inside.clamp_min(_LEAST).log() + (1 - share) * beyond.clamp_min(_LEAST).log()
        return torch.where(share < 1, torch.where(share > 0, logs.exp(), beyond), inside)

    def _along(self, log_depth: Tensor, ramp: tuple[float, float]) -> tuple[Tensor, Tensor]:
        """How far along the ramp at the farther end and at the nearer one, 0 to 1; never both."""
        start, stop = ramp
        t = (log_depth - self.low) / self.spread
        return ((t - start) / (stop - start)).clamp(0, 1), ((1 - t - start) / (stop - start)).clamp(0, 1)


class CoveredField(AlignedField):
    """A field aligned by factor and offset where measurements reach, and by one factor alone beyond.

    Attributes:
        factor_beyond: That factor.
        covered: Where measurements reach.
    """

    def __init__(
        self, inner: DepthField, line: tuple[float, float], factor_beyond: float, covered: Covered, floor: float
    ) -> None:
        """Takes the alignment.

        Args:
            inner: A field of positive disparity.
            line: Factor and offset.
            factor_beyond: The factor beyond.
            covered: Where measurements reach.
            floor: Disparity in 1 / metres that the line does not fall below where it is left.
        """
        super().__init__(inner, *line, "metric")
        self.factor_beyond = factor_beyond
        self.covered = covered
        self._floor = floor

    def disparity_and_gradient(self, coords_yx: Tensor) -> tuple[Tensor, Tensor]:
        """(N,) disparity and its (N, 2) derivative by (y, x)."""
        seen, gradient = self.inner.disparity_and_gradient(coords_yx)
        return self.aligned(seen), gradient * self._slope(seen)[:, None]

    def aligned(self, seen: Tensor) -> Tensor:
        """Disparity in 1 / metres of the inner field's disparity."""
        line = seen * self.factor + self.offset
        log_depth = -seen.clamp_min(_LEAST).log()
        kept = torch.where(self.covered.share(log_depth) < 1, line.clamp_min(self._floor), line)
        return self.covered.mixed(kept, seen * self.factor_beyond, log_depth)

    def _slope(self, seen: Tensor) -> Tensor:
        """The derivative of `aligned`."""
        seen = seen.clamp_min(_LEAST)
        log_depth = -seen.log()
        share = self.covered.share(log_depth)
        line = seen * self.factor + self.offset
        kept, beyond = line.clamp_min(self._floor), seen * self.factor_beyond
        by_line = torch.where(line > self._floor, self.factor / kept, 0.0)
        by_share = -self.covered.slope(log_depth) / seen * (kept / beyond).log()
        slope = self.aligned(seen) * (share * by_line + (1 - share) / seen + by_share)
        return torch.where(share < 1, slope, self.factor)


def _smooth(x: Tensor) -> Tensor:
    """0 to 1 with level ends."""
    return x * x * (3 - 2 * x)
