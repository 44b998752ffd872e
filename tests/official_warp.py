"""How the released pipeline turns measured depth into the network's prompt, and the answer into metres.

Written from the specification, for the golden files and as a reference of
`OfficialModel`, which chooses among the measurements and counts them in a median of its own.
"""

from __future__ import annotations

import torch
from torch import Tensor

from infinidepth_blender.field.official.prompt_model import Prompt

MIN_DISPARITY = 5e-3
"""Disparities below are this far away: 200 m."""

_FEW_POINTS = 5
_SMALL_MEDIAN = 0.01
_MIN_DIVISOR = 1e-2
_MIN_FACTOR = 1e-3
"""Not the divisor's limit: with a median depth beyond 100 m the official network answers smaller disparities than measured."""


def depth_to_disparity(depth_m: Tensor) -> Tensor:
    """1 / depth in 1/m; zeros and negative values, which mark no measurement, stay as they are."""
    measured = depth_m > 0
    return torch.where(measured, 1 / torch.where(measured, depth_m, 1), depth_m)


def disparity_to_depth(disparity: Tensor) -> Tensor:
    """Depth in metres of disparity in 1/m, at most 200 m."""
    return 1 / disparity.clamp_min(MIN_DISPARITY)


def prompt_median(prompt: Tensor, prompt_mask: Tensor, reference: Tensor, reference_mask: Tensor) -> Tensor:
    """Median disparity of each photo's measurements, by which the network's answer is counted.

    Args:
        prompt, prompt_mask: (B, 1, H, W) measured disparity in 1/m and where there is one (> 0).
        reference, reference_mask: (B, 1, H', W') what takes its place where the prompt has at most
            five points or a median depth beyond 100 m; may be the prompt itself.

    Returns:
        (B,) medians; the mean of the two middle values for an even count, NaN where nothing was measured.
    """
    medians = []
    for values, mask, other, other_mask in zip(prompt, prompt_mask, reference, reference_mask, strict=True):
        measured = values[mask > 0]
        median = _median(measured)
        if len(measured) <= _FEW_POINTS or bool(median <= _SMALL_MEDIAN):
            median = _median(other[other_mask > 0])
        medians.append(median)
    return torch.stack(medians)


def normalise_prompt(
    prompt: Tensor, prompt_mask: Tensor, reference: Tensor, reference_mask: Tensor
) -> tuple[Prompt, Tensor]:
    """Measured disparity as the network takes it, and the way back.

    Args:
        prompt, prompt_mask, reference, reference_mask: See `prompt_median`.

    Returns:
        The prompt, and (B,) factors that turn the network's answers into disparity in 1/m. Where
        nothing was measured the factor is 1: the answers are relative.
    """
    median = prompt_median(prompt, prompt_mask, reference, reference_mask).nan_to_num(nan=1.0)
    disparity = prompt / median.clamp_min(_MIN_DIVISOR)[:, None, None, None]
    return Prompt(disparity, (prompt >= 0) & (prompt_mask > 0)), median.clamp_min(_MIN_FACTOR)


def _median(values: Tensor) -> Tensor:
    """The 0.5 quantile, of any number of values (torch.quantile refuses more than 16 million)."""
    if values.numel() == 0:
        return values.new_tensor(torch.nan)
    ordered = values.sort().values
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
