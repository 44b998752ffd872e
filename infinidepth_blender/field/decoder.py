"""The implicit decoder: features at a continuous coordinate, fused from shallow to deep."""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def sample_bilinear(features: Tensor, coords_yx: Tensor) -> Tensor:
    """Features at continuous coordinates; beyond the outermost cell centres the border value holds.

    Args:
        features: (B, C, h, w).
        coords_yx: (B, N, 2) in [-1, 1], order (y, x).

    Returns:
        (B, N, C).
    """
    grid = coords_yx.flip(-1)[:, None]
    sampled = F.grid_sample(features, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return sampled[:, :, 0].transpose(1, 2)


class FusionStep(nn.Module):
    """One step h' = FFN(f + g * Linear(h)) of the paper's fusion, without a residual path.

    Without it, all that lies between two rectifiers is linear, so that a grid of queries
    can be evaluated with one small product per step (see `compiled_decoder`).
    """

    def __init__(self, in_channels: int, channels: int, expansion: int) -> None:
        super().__init__()
        self.project = nn.Linear(in_channels, channels)
        self.gate = nn.Parameter(torch.ones(channels))
        self.widen = nn.Linear(channels, channels * expansion)
        self.narrow = nn.Linear(channels * expansion, channels)

    def forward(self, hidden: Tensor, features: Tensor) -> Tensor:
        """(..., in_channels) and (..., channels) -> (..., channels)."""
        return self.narrow(F.relu(self.widen(features + self.gate * self.project(hidden))))


class ImplicitDecoder(nn.Module):
    """Normalised log depth, of one or two surfaces, and sky at any coordinate, from a pyramid of feature maps."""

    def __init__(
        self,
        channels: tuple[int, ...],
        expansion: int,
        head_hidden: int,
        two_surfaces: bool,
        detail_channels: int = 0,
    ) -> None:
        super().__init__()
        self.steps = nn.ModuleList(FusionStep(before, here, expansion) for before, here in pairwise(channels))
        self.head_hidden = nn.Linear(channels[-1], head_hidden)
        self.head_out = nn.Linear(head_hidden, 2)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="linear")
                nn.init.zeros_(module.bias)
        for step in self.fusion_steps():
            nn.init.kaiming_normal_(step.widen.weight, nonlinearity="relu")
        nn.init.normal_(self.head_out.weight, std=0.02)
        # Half-way through the range of depths, and no sky.
        self.head_out.bias.data.copy_(torch.tensor([0.5, -1.0]))
        self.head_sides: nn.Linear | None = None
        if two_surfaces:
            # Both surfaces are one at first, so that a network trained without can go on.
            self.head_sides = nn.Linear(head_hidden, 2)
            nn.init.zeros_(self.head_sides.weight)
            nn.init.zeros_(self.head_sides.bias)
        self.detail: nn.Linear | None = None
        if detail_channels:
            # Adds to the first level; nothing at first, for the same reason.
            self.detail = nn.Linear(detail_channels, channels[0], bias=False)
            nn.init.zeros_(self.detail.weight)

    def fusion_steps(self) -> list[FusionStep]:
        """The steps from shallow to deep, typed."""
        return cast(list[FusionStep], list(self.steps))

    def forward(self, levels: tuple[Tensor, ...], coords_yx: Tensor) -> Tensor:
        """Evaluates (B, N, 2) coordinates.

        Args:
            levels: Feature maps (B, C_k, h_k, w_k), shallow to deep; of a decoder with a detail level this first.
            coords_yx: In [-1, 1], order (y, x).

        Returns:
            (B, N, 2): normalised log depth and the logit of sky; of a decoder with two surfaces (B, N, 4): the depth
            of the nearer one, sky, gap and choice as `seen_surface` takes them.
        """
        hidden = sample_bilinear(levels[0], coords_yx)
        if self.detail is not None:
            levels = levels[1:]
            hidden = sample_bilinear(levels[0], coords_yx) + self.detail(hidden)
        for step, level in zip(self.fusion_steps(), levels[1:], strict=True):
            hidden = step(hidden, sample_bilinear(level, coords_yx))
        hidden = F.relu(self.head_hidden(hidden))
        answers = self.head_out(hidden)
        return answers if self.head_sides is None else torch.cat([answers, self.head_sides(hidden)], dim=-1)

    def out_layer(self) -> nn.Linear:
        """The last layer for all the answers of `forward`."""
        if self.head_sides is None:
            return self.head_out
        parts = [self.head_out, self.head_sides]
        whole = nn.Linear(self.head_out.in_features, 4, dtype=self.head_out.weight.dtype)
        whole.weight.data.copy_(torch.cat([part.weight.detach() for part in parts]))
        whole.bias.data.copy_(torch.cat([part.bias.detach() for part in parts]))
        return whole
