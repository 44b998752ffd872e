"""Weather outdoors: fog, snow that lies and falls, rain, wet ground."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from .bank import Bank
from .pigments import SIZE
from .shading import Hits

SNOW_COLOUR = (0.86, 0.88, 0.93)
_PATCHES_M = 5.0, 23.0
"""Sizes of the two patterns by which snow has melted."""
_GLOSSIEST = 0.85
"""Wet things are no mirrors."""


@dataclass(frozen=True)
class Weather:
    """What the weather does to a place.

    Attributes:
        snow: Share of what faces up that is covered, 0 none, 1 all.
        texture: Of the bank, where snow has melted.
        wet: Gloss that level surfaces gain.
        falling: Flakes or drops in a square image, of `size_px` and `streak_px` length if it has 1000 pixels a side, in
            direction `slant_rad` from the picture's down.
        visibility_m: Distance over which haze takes 63 % of the contrast.
        overcast: Whether the sun is hidden.
    """

    snow: float = 0.0
    texture: int = 0
    wet: float = 0.0
    falling: int = 0
    size_px: float = 2.0
    streak_px: float = 0.0
    slant_rad: float = 0.0
    visibility_m: float = math.inf
    overcast: bool = False

    @classmethod
    def draw(cls, rng: np.random.Generator, bank: Bank, middle_m: float) -> Weather:
        """Mostly fair, at times fog, snow or rain; half of a view of median depth `middle_m` stays visible."""
        visibility_m = math.inf
        if rng.random() < 0.7:
            visibility_m = float(np.exp(rng.uniform(math.log(90), math.log(5000))))
        kind = rng.choice(["fair", "fog", "snow", "rain"], p=[0.72, 0.08, 0.12, 0.08])
        thick = max(float(np.exp(rng.uniform(math.log(12), math.log(150)))), 0.7 * middle_m)
        texture, slant_rad = int(rng.choice(bank.kinds["noise"])), float(rng.normal(0, 0.3))
        if kind == "fog":
            return cls(visibility_m=thick, overcast=True)
        if kind == "snow":
            falls = rng.random() < 0.4
            hazy = falls or rng.random() < 0.3
            return cls(
                snow=float(rng.choice([1.0, rng.uniform(0.3, 1.0)])),
                texture=texture,
                falling=int(np.exp(rng.uniform(5, 8.3))) if falls else 0,
                size_px=float(rng.uniform(1, 5)),
                streak_px=float(rng.uniform(0, 6)),
                slant_rad=slant_rad,
                visibility_m=thick * 2 if hazy else visibility_m,
                overcast=hazy or rng.random() < 0.4,
            )
        if kind == "rain":
            falls = rng.random() < 0.5
            return cls(
                wet=float(rng.uniform(0.1, 0.6)),
                falling=int(np.exp(rng.uniform(5, 7.5))) if falls else 0,
                size_px=1.0,
                streak_px=float(rng.uniform(10, 60)),
                slant_rad=slant_rad,
                visibility_m=thick * 3 if falls else visibility_m,
                overcast=falls or rng.random() < 0.5,
            )
        return cls(visibility_m=visibility_m)

    def lies_on(self, hits: Hits, bank: Bank, footprint_m: Tensor) -> None:
        """Covers surfaces with snow or water.

        Args:
            hits: Surface points, changed in place.
            bank: Of the pattern.
            footprint_m: (n,) size of a pixel there.
        """
        up = hits.normals[:, 2:3]
        if self.snow > 0:
            pattern = sum(_standard(bank, self.texture, hits.points, size_m, footprint_m) for size_m in _PATCHES_M)
            limit = torch.special.ndtri(torch.tensor(self.snow)).clamp(-4, 4) * math.sqrt(len(_PATCHES_M))
            covered = ((up - 0.4) * 4).clamp(0, 1) * ((limit - pattern) * 3 + 0.5).clamp(0, 1)
            hits.albedo = torch.lerp(hits.albedo, hits.albedo.new_tensor(SNOW_COLOUR), covered)
            hits.specular = hits.specular * (1 - covered)
        if self.wet > 0:
            wetter = (hits.specular + self.wet * ((up - 0.9) * 10).clamp(0, 1)).clamp(max=_GLOSSIEST)
            hits.specular = torch.maximum(hits.specular, wetter)
            hits.albedo = hits.albedo * (1 - 0.4 * self.wet)

    def falls_over(self, light: Tensor, colour: np.ndarray, rng: np.random.Generator) -> Tensor:
        """(rows, columns, 3) light with flakes or drops of a colour before it."""
        if not self.falling:
            return light
        rows, columns = light.shape[:2]
        scale = max(rows, columns) / 1000
        veil = np.zeros((rows, columns), np.uint8)
        count = round(self.falling * rows * columns / max(rows, columns) ** 2)
        # The densest last, and most are far, and small.
        for density in np.sort(rng.uniform(50, 230, count)):
            near = float(rng.uniform(0.2, 1.0)) ** 2
            long = self.streak_px * scale * near
            x, y = int(rng.integers(columns)), int(rng.integers(-math.ceil(long), rows))
            end = round(x + long * math.sin(self.slant_rad)), round(y + long * math.cos(self.slant_rad))
            width = max(1, round(self.size_px * scale * near))
            cv2.line(veil, (x, y), end, (float(density),), width, cv2.LINE_AA)
        soft = cv2.GaussianBlur(veil, (0, 0), 0.6)
        share = torch.from_numpy(np.asarray(soft)).to(light)[..., None] / 255
        return torch.lerp(light, light.new_tensor(colour), share)


def _standard(bank: Bank, texture: int, points: Tensor, size_m: float, footprint_m: Tensor) -> Tensor:
    """(n, 1) a texture on the ground, with mean 0 and deviation 1 over the texture."""
    index = torch.full((len(points),), texture, device=points.device)
    u, v = (points[:, 0] / size_m, points[:, 1] / size_m)
    whole = bank.texels[texture * bank.per_texture : texture * bank.per_texture + SIZE * SIZE].mean(dim=1)
    value = bank.blend(index, u, v, footprint_m / size_m).mean(dim=1)
    return ((value - whole.mean()) / (whole.std() + 1e-4))[:, None]
