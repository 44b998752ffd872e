"""The error of depth after the fit that evaluation makes: affine in disparity, least absolute deviations."""

from __future__ import annotations

import torch
from torch import Tensor

HALF_COUNTED = 0.22
"""Error of log depth that counts half: about that of a quarter, beyond which delta_1 calls depth wrong."""

_NEAREST, _FARTHEST = 2.0, 12.0
"""Log depths in front of and behind the 2 % quantile within which disparity is compared."""
_LOWEST = 0.3
"""Share of the true disparity below which the fitted one goes on as a logarithm's tangent: it may be negative."""
_FIT_STEPS = 8
_LEAST_DEVIATION = 0.01
"""Of the mean disparity; smaller ones count as much in the fit."""


def fitted_error(log_depth: Tensor, true_log_depth: Tensor, weight: Tensor) -> Tensor:
    """(B, N) errors of log depth after the fit, in [0, 1): `e / (e + HALF_COUNTED)`.

    Like delta_1, and unlike a mean of errors, it gains most where depth is nearly right: what is hopeless counts little
    more when it is worse. No gradient goes through the fit.

    Args:
        log_depth, true_log_depth: (B, N), the 2 % quantile of the truth, or of the points that were given, at 0.
        weight: (B, N) of the queries in the fit, not negative; 0 at the sky.
    """
    disparity, truth = ((-log.clamp(-_NEAREST, _FARTHEST)).exp() for log in (log_depth, true_log_depth))
    with torch.no_grad():
        factor, offset = least_deviations(disparity, truth, weight)
    fitted, lowest = factor * disparity + offset, _LOWEST * truth
    log = torch.where(fitted > lowest, fitted.clamp_min(1e-6).log(), lowest.log() + fitted / lowest - 1)
    error = (log - truth.log()).abs()
    return error / (error + HALF_COUNTED)


def least_deviations(source: Tensor, target: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """(B, 1) factor and offset of the lines with least absolute deviations, by least squares that are weighted anew.

    An approximation, to a few percent, of `align.fit_affine_lad`, which does one image at a time.

    Args:
        source, target, weight: (B, N); weights not negative.
    """
    scale = ((target * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True).clamp_min(1)).clamp_min(1e-6)
    weights = weight
    factor = offset = torch.zeros_like(scale)
    for _ in range(_FIT_STEPS):
        whole = weights.sum(1, keepdim=True).clamp_min(1e-6)
        source_mean, target_mean = ((weights * values).sum(1, keepdim=True) / whole for values in (source, target))
        s, t = source - source_mean, target - target_mean
        factor = (weights * s * t).sum(1, keepdim=True) / (weights * s * s).sum(1, keepdim=True).clamp_min(1e-9)
        offset = target_mean - factor * source_mean
        weights = weight / ((target - factor * source - offset).abs() / scale).clamp_min(_LEAST_DEVIATION)
    return factor, offset
