"""What scenes are painted with and cut from: textures, height maps and masks, used by index.

Each is drawn once (a few milliseconds) and used by many solids under random tints and
scales, so that shading costs one lookup however elaborate the pattern is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from .charts import make_charts
from .pigments import SIZE
from .shapes import Charts
from .textures import PATTERNS

LEVELS = 7
TAPS = 4
"""Places on a slanted surface whose mean a pixel shows."""
_SLANTED = 1.5
_LONGEST = 12.0
"""Length of a pixel's image on a surface in multiples of its width: from where on, and up to where it counts."""


@dataclass(frozen=True)
class Footprint:
    """What pixels cover of textures, in tiles.

    Attributes:
        width: (n,) across the direction of view.
        along_u, along_v: (n,) the whole way along it.
        slanted: (n,) bool, where that is clearly longer than the width.
    """

    width: Tensor
    along_u: Tensor
    along_v: Tensor
    slanted: Tensor

    @classmethod
    def of(
        cls, size_m: Tensor, slant_u: Tensor, slant_v: Tensor, cosine: Tensor, tile_u_m: Tensor, tile_v_m: Tensor
    ) -> Footprint:
        """From a pixel's size at the surface and what is seen of it; all are (n,).

        Args:
            size_m: Of surfaces that face the camera.
            slant_u, slant_v: The direction of view in the surface's own axes.
            cosine: Between that direction and the normal, positive.
            tile_u_m, tile_v_m: Size of a tile.
        """
        longer = (1 / cosine.clamp_min(1 / _LONGEST)) * size_m / torch.hypot(slant_u, slant_v).clamp_min(1e-6)
        width = size_m / torch.sqrt(tile_u_m * tile_v_m)
        return cls(width, longer * slant_u / tile_u_m, longer * slant_v / tile_v_m, cosine < 1 / _SLANTED)


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

    def mean_colours(self) -> NDArray[np.float64]:
        """(n, 3) linear RGB of every texture in the mean."""
        last = (SIZE >> (LEVELS - 1)) ** 2
        return self.texels.reshape(-1, self.per_texture, 3)[:, -last:].mean(dim=1).double().cpu().numpy()

    def sample(self, texture: Tensor, u: Tensor, v: Tensor, footprint: Footprint) -> Tensor:
        """(n, 3) colours: of surfaces seen at a slant the mean of several places along the pixel's image on them.

        Args:
            texture: (n,) int64 index.
            u, v: (n,) coordinates in tiles, v upward.
            footprint: Of the pixels.
        """
        colours = self.blend(texture, u, v, footprint.width)
        slant = footprint.slanted.nonzero()[:, 0]
        if len(slant):
            along_u, along_v = footprint.along_u[slant], footprint.along_v[slant]
            width = torch.maximum(footprint.width[slant], torch.hypot(along_u, along_v) / TAPS)
            total = torch.zeros_like(colours[slant])
            for tap in range(TAPS):
                share = (tap + 0.5) / TAPS - 0.5
                total += self.blend(texture[slant], u[slant] + share * along_u, v[slant] + share * along_v, width)
            colours[slant] = total / TAPS
        return colours

    def blend(self, texture: Tensor, u: Tensor, v: Tensor, width: Tensor) -> Tensor:
        """(n, 3) colours, bilinear within the mip level whose texels are about (n,) `width` wide, in tiles."""
        level = torch.log2((width * SIZE).clamp_min(1e-6)).round().clamp(0, LEVELS - 1).long()
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
