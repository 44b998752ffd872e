"""What scenes are painted with and cut from: textures, height maps and masks, used by index.

Each is drawn once (a few milliseconds) and used by many solids under random tints and
scales, so that shading costs one lookup however elaborate the pattern is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .charts import make_charts
from .shapes import Charts
from .textures import PATTERNS, SIZE

LEVELS = 7


@dataclass
class Bank:
    """Textures with mip levels in one flat table of texels, linear RGB; height maps and masks."""

    texels: Tensor
    """(n * texels per texture, 3) float32."""
    kinds: dict[str, list[int]]
    """Indices by the name of the pattern."""
    charts: Charts

    @property
    def per_texture(self) -> int:
        """Texels of one texture over all levels."""
        return sum((SIZE >> level) ** 2 for level in range(LEVELS))

    def sample(self, texture: Tensor, u: Tensor, v: Tensor, footprint: Tensor) -> Tensor:
        """(n, 3) colours, bilinear within the mip level that fits the footprint.

        Args:
            texture: (n,) int64 index.
            u, v: (n,) coordinates in tiles, v upward.
            footprint: (n,) size of a pixel in tiles.
        """
        level = torch.log2((footprint * SIZE).clamp_min(1e-6)).round().clamp(0, LEVELS - 1).long()
        sizes = torch.tensor([SIZE >> k for k in range(LEVELS)], device=u.device)
        starts = torch.cat([sizes.new_zeros(1), (sizes * sizes).cumsum(0)[:-1]])
        size = sizes[level]
        base = texture * self.per_texture + starts[level]
        fu, fv = (u - u.floor()) * size - 0.5, (1 - (v - v.floor())) * size - 0.5
        iu, iv = fu.floor(), fv.floor()
        wu, wv = (fu - iu)[:, None], (fv - iv)[:, None]
        u0, v0 = iu.long() % size, iv.long() % size
        u1, v1 = (u0 + 1) % size, (v0 + 1) % size
        row0, row1 = base + v0 * size, base + v1 * size
        top = self.texels[row0 + u0].lerp(self.texels[row0 + u1], wu)
        bottom = self.texels[row1 + u0].lerp(self.texels[row1 + u1], wu)
        return top.lerp(bottom, wv)


def make_bank(rng: np.random.Generator, each: int = 12, device: str = "cpu") -> Bank:
    """Draws `each` textures of a pattern of share 1, and all height maps and masks."""
    images, kinds = [], {}
    for name, (draw, share) in PATTERNS.items():
        count = max(1, round(each * share))
        kinds[name] = list(range(len(images), len(images) + count))
        images += [np.clip(draw(rng), 0, 1) for _ in range(count)]
    stack = torch.from_numpy(np.stack(images).astype(np.float32)).permute(0, 3, 1, 2) ** 2.2
    levels = [stack]
    for _ in range(LEVELS - 1):
        levels.append(F.avg_pool2d(levels[-1], 2))
    flat = torch.cat([level.permute(0, 2, 3, 1).reshape(len(stack), -1, 3) for level in levels], dim=1)
    return Bank(flat.reshape(-1, 3).contiguous().to(device), kinds, make_charts(rng, device))
