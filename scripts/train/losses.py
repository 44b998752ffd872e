"""What the network is trained to do."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from infinidepth_blender.field.network import Decoded, Features, Globals
from infinidepth_blender.field.perspective import perspective_field

from .data import Batch
from .fitted import fitted_error
from .queries import BEND

WEIGHTS = {
    "depth": 1.0,
    "sides": 1.0,
    "choice": 0.15,
    "aligned": 0.5,
    "fitted": 0.5,
    "pairs": 0.5,
    "bends": 0.4,
    "sky": 0.25,
    "focal": 0.4,
    "range": 0.25,
    "pitch": 0.8,
    "roll": 0.8,
    "perspective": 0.8,
}


FULLY_APART = 0.2
"""Distance of two surfaces from which the choice between them counts fully."""
WITHOUT_STEP = 0.2
"""Weight of the two surfaces where they are one."""
STRAIGHT = 1e-4
"""Deviation from the middle up to which a query lies between its two neighbours."""
PROMPTED_DEPTH = 3.0
"""Weight of the depth of images with measured points: their errors are several times smaller."""


def compute_losses(decoded: Decoded, estimates: Globals, features: Features, batch: Batch) -> dict[str, Tensor]:
    """Every term, unweighted, each a scalar.

    `depth` is the paper's L1 on normalised log depth. `aligned` is the same after both were
    freed from shift and scale (median and mean deviation), `pairs` compares the differences
    of these between neighbouring queries at all distances up to 24 samples of the truth: a
    gradient loss over several scales, free from scale and shift, so that edges count. `fitted` is the error of depth
    after the fit that it is judged by, of log depth and its range together. `bends` compares
    second differences of disparity over its value, which are 0 on planes, where the truth has no step:
    what a wall is painted with must not make it uneven. `perspective` is the error of every patch's
    height above the horizon and direction of up.

    Of a network with two surfaces `depth` is the expectation over the choice, `aligned`, `pairs`, `fitted` and `bends` read the mean over it,
    `sides` is the L1 of each surface and `choice` the cross entropy of which of them is the query's own.
    """
    ground = 1 - batch.sky
    prompted = batch.prompt[:, -1].amax(dim=(1, 2))[:, None]
    # Beyond the quantiles a target may be far away; those few must not rule the image.
    target = batch.t.clamp(-0.5, 1.6)
    losses = {}
    if decoded.sides is None:
        t, error = decoded.t, (decoded.t - target).abs()
    else:
        near, gap, choice = decoded.sides.unbind(dim=-1)
        share = choice.sigmoid()
        # Not the abrupt choice of the answer itself, which nothing could be learnt from.
        t = near + share * gap
        error = (near - target).abs().lerp((near + gap - target).abs(), share)
        true_near, true_far = batch.t_near.clamp(-0.5, 1.6), batch.t_far.clamp(-0.5, 1.6)
        sides = 0.5 * ((near - true_near).abs() + (near + gap - true_far).abs())
        # An outline lies somewhere near: were all places alike, the second surface would be none almost everywhere.
        told = torch.where(true_far > true_near, 1.0, WITHOUT_STEP)
        losses["sides"] = _mean(sides * told * (1 + (PROMPTED_DEPTH - 1) * prompted), ground)
        is_far = ((target - true_near).abs() > (target - true_far).abs()).float()
        apart = ((true_far - true_near) / FULLY_APART).clamp(0, 1)
        losses["choice"] = _mean(F.binary_cross_entropy_with_logits(choice, is_far, reduction="none") * apart, ground)
    predicted, wanted = _standard(t, ground), _standard(target, ground)
    (here, beside, _), (true_here, true_beside, _) = predicted.chunk(3, dim=1), wanted.chunk(3, dim=1)
    solid = ground.chunk(3, dim=1)
    both = solid[0] * solid[1]
    step, true_step = here - beside, true_here - true_beside
    # With points the range of log depth is theirs and need not be guessed.
    true_spread = batch.log_spread.exp()[:, None]
    spread = torch.where(prompted > 0, true_spread, estimates.log_depth_range[:, None])
    bend, true_bend = _bends(t, batch.log_spread), _bends(batch.t, batch.log_spread)
    smooth = both * solid[2] * (true_bend.abs() < BEND) * _between(batch.coords_yx)
    losses |= {
        "depth": _mean(error * (1 + (PROMPTED_DEPTH - 1) * prompted), ground),
        "aligned": 0.3 * _mean((predicted - wanted).abs().clamp(max=6), ground),
        "pairs": 0.3 * _mean((step - true_step).abs().clamp(max=6), both),
        "fitted": _mean(fitted_error(spread * t, true_spread * batch.t, ground), ground),
        "bends": _mean((bend - true_bend).abs(), smooth),
        "sky": F.binary_cross_entropy_with_logits(decoded.sky_logit, batch.sky),
        "focal": (estimates.log_focal - batch.log_focal).abs().mean(),
        "range": (estimates.log_depth_range.log() - batch.log_range).abs().mean(),
        "pitch": (estimates.sin_pitch - batch.sin_pitch).abs().mean(),
        "roll": (estimates.roll_rad - batch.roll_rad).abs().mean(),
    }
    if features.perspective is not None:
        camera = batch.log_focal, batch.sin_pitch, batch.roll_rad
        field = perspective_field(*camera, features.rows, features.columns)
        losses["perspective"] = (features.perspective.float() - field).abs().mean()
    return losses


def total(losses: dict[str, Tensor]) -> Tensor:
    """The weighted sum."""
    return torch.stack([WEIGHTS[name] * value for name, value in losses.items()]).sum()


def _bends(t: Tensor, log_spread: Tensor) -> Tensor:
    """(B, n) second differences of disparity over the disparity between, of n queries with two opposite neighbours each."""
    here, beside, opposite = (t * log_spread.exp()[:, None]).chunk(3, dim=1)
    # Nothing is more than e^2 times as near as a sample beside it on the same surface.
    return (here - beside).clamp(max=2).exp() + (here - opposite).clamp(max=2).exp() - 2


def _between(coords_yx: Tensor) -> Tensor:
    """(B, n) bool: queries in the middle of their neighbours, none of which was moved at the border."""
    here, beside, opposite = coords_yx.chunk(3, dim=1)
    return ((beside + opposite) / 2 - here).abs().amax(dim=2) < STRAIGHT


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    """Mean over the weighted queries of every image, then over images."""
    return ((values * weight).sum(dim=1) / weight.sum(dim=1).clamp_min(1)).mean()


def _standard(t: Tensor, weight: Tensor) -> Tensor:
    """Values minus their median, over their mean deviation, per image."""
    masked = torch.where(weight > 0, t, torch.nan)
    middle = masked.nanmedian(dim=1, keepdim=True).values.nan_to_num()
    centred = t - middle
    deviation = (centred.abs() * weight).sum(dim=1, keepdim=True) / weight.sum(dim=1, keepdim=True).clamp_min(1)
    return centred / deviation.clamp_min(0.02)
