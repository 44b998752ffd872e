"""Two surfaces at every coordinate and which of them is seen: how a smooth network tells a sharp step.

Between an object and what lies behind it a single smooth answer becomes a ramp. Here the nearer
and the farther surface go on smoothly past the outline, and only the choice between them
changes there, after SMD-Nets (arXiv 2104.03866).
"""

from __future__ import annotations

import torch
from torch import Tensor

SOFT_GAP = 0.03
"""Gap in normalised log depth at which the logit of the choice counts twice, and beyond it with the gap's square."""
STEP = 0.05
"""Gap from which a choice by colours counts for more than the network's own."""


def seen_surface(near: Tensor, gap: Tensor, choice: Tensor, by_colours: Tensor | None = None) -> Tensor:
    """Depth of the surface that is seen.

    The smaller the gap, the softer the choice, so that no smooth surface cracks where it changes; and the less
    it heeds colours, so that no surface takes on the texture of what it shows.

    Args:
        near: Normalised log depth of the nearer surface.
        gap: From there to the farther one.
        choice: Logit of the probability that the farther one is seen.
        by_colours: Another such logit, which holds where there is a step; None: there is no other.

    Returns:
        Normalised log depth, of the same shape.
    """
    leading = choice if by_colours is None else torch.lerp(choice, by_colours, _step_share(gap))
    return torch.addcmul(near, gap, torch.sigmoid(leading * _sharpness(gap)))


def seen_surface_with_slopes(near: Tensor, gap: Tensor, choice: Tensor, by_colours: Tensor | None = None) -> Tensor:
    """As `seen_surface` of values and their derivatives.

    Args:
        near, gap, choice, by_colours: (1 + D, N): values, then derivatives by each of D coordinates.

    Returns:
        (1 + D, N) normalised log depth and its derivatives.
    """
    sharpness = _sharpness(gap[0])
    leading, leading_by_gap = choice, torch.zeros_like(choice[0])
    if by_colours is not None:
        step = _step_share(gap[0])
        leading = torch.lerp(choice, by_colours, step)
        # The derivative of g^4 / (g^4 + STEP^4) is 4 step (1 - step) / g.
        step_by_gap = 4 * step * (1 - step) / torch.where(gap[0] == 0, 1, gap[0])
        leading_by_gap = (by_colours[0] - choice[0]) * step_by_gap
    share = torch.sigmoid(leading[0] * sharpness)
    by_logit = gap[0] * share * (1 - share)
    by_gap = share + by_logit * (leading[0] * 2 * gap[0] / SOFT_GAP**2 + sharpness * leading_by_gap)
    slopes = near[1:] + by_gap * gap[1:] + by_logit * sharpness * leading[1:]
    return torch.cat([torch.addcmul(near[0], gap[0], share)[None], slopes])


def _sharpness(gap: Tensor) -> Tensor:
    return 1 + (gap / SOFT_GAP).square()


def _step_share(gap: Tensor) -> Tensor:
    """Between 0 and 1: how much of a step a gap is."""
    fourth = (gap / STEP).square().square()
    return fourth / (1 + fourth)
