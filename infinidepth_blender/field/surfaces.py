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


def seen_surface(near: Tensor, gap: Tensor, choice: Tensor) -> Tensor:
    """Depth of the surface that is seen.

    The smaller the gap, the softer the choice, so that no smooth surface cracks where it changes.

    Args:
        near: Normalised log depth of the nearer surface.
        gap: From there to the farther one.
        choice: Logit of the probability that the farther one is seen.

    Returns:
        Normalised log depth, of the same shape.
    """
    return torch.addcmul(near, gap, torch.sigmoid(choice * _sharpness(gap)))


def seen_surface_with_slopes(near: Tensor, gap: Tensor, choice: Tensor) -> Tensor:
    """As `seen_surface` of values and their derivatives.

    Args:
        near, gap, choice: (1 + D, N): values, then derivatives by each of D coordinates.

    Returns:
        (1 + D, N) normalised log depth and its derivatives.
    """
    sharpness = _sharpness(gap[0])
    share = torch.sigmoid(choice[0] * sharpness)
    by_logit = gap[0] * share * (1 - share)
    by_gap = share + by_logit * choice[0] * 2 * gap[0] / SOFT_GAP**2
    slopes = near[1:] + by_gap * gap[1:] + by_logit * sharpness * choice[1:]
    return torch.cat([torch.addcmul(near[0], gap[0], share)[None], slopes])


def _sharpness(gap: Tensor) -> Tensor:
    return 1 + (gap / SOFT_GAP).square()
