"""Weather outdoors: fog, snow that lies and falls, rain, wet ground."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from .bank import Bank
from .shading import Hits

SNOW_COLOUR = (0.86, 0.88, 0.93)
_PATCH_M = 5.0
"""Size of the pattern by which snow has melted."""


@dataclass(frozen=True)
class Weather:
    """What the weather does to a place.

    Attributes:
        snow: How far surfaces that face up are covered, 0 none, 1 all.
        texture: Of the bank, where snow has melted. wet: Gloss that level surfaces gain.
        falling: Flakes or drops per megapixel, of `size_px` and `streak_px` length at an image of 1000 pixels, in
            direction `slant` (radians from straight down). visibility: Metres over which haze takes 63 % of the contrast.
        overcast: Whether the sun is hidden.
    """

    snow: float = 0.0
    texture: int = 0
    wet: float = 0.0
    falling: int = 0
    size_px: float = 2.0
    streak_px: float = 0.0
    slant: float = 0.0
    visibility: float = math.inf
    overcast: bool = False

    @classmethod
    def draw(cls, rng: np.random.Generator, bank: Bank) -> Weather:
        """Mostly fair, at times fog, snow or rain."""
        visibility = math.inf
        if rng.random() < 0.7:
            visibility = float(np.exp(rng.uniform(math.log(90), math.log(5000))))
        kind = rng.choice(["fair", "fog", "snow", "rain"], p=[0.72, 0.08, 0.12, 0.08])
        thick = float(np.exp(rng.uniform(math.log(12), math.log(150))))
        texture, slant = int(rng.choice(bank.kinds["noise"])), float(rng.normal(0, 0.3))
        if kind == "fog":
            return cls(visibility=thick, overcast=rng.random() < 0.8)
        if kind == "snow":
            falls = rng.random() < 0.4
            return cls(
                snow=float(rng.choice([1.0, rng.uniform(0.3, 1.0)])),
                texture=texture,
                falling=int(np.exp(rng.uniform(5, 8.3))) if falls else 0,
                size_px=float(rng.uniform(1, 5)),
                streak_px=float(rng.uniform(0, 6)),
                slant=slant,
                visibility=thick * 2 if falls or rng.random() < 0.3 else visibility,
                overcast=falls or rng.random() < 0.5,
            )
        if kind == "rain":
            falls = rng.random() < 0.5
            return cls(
                wet=float(rng.uniform(0.1, 0.6)),
                falling=int(np.exp(rng.uniform(5, 7.5))) if falls else 0,
                size_px=1.0,
                streak_px=float(rng.uniform(10, 60)),
                slant=slant,
                visibility=thick * 3 if falls else visibility,
                overcast=falls or rng.random() < 0.5,
            )
        return cls(visibility=visibility)

    def lies_on(self, hits: Hits, bank: Bank) -> None:
        """Covers surfaces with snow or water."""
        up = hits.normals[:, 2:3]
        if self.snow > 0:
            where = hits.points[:, :2] / _PATCH_M
            texture = torch.full((len(where),), self.texture, device=where.device)
            pattern = bank.sample(texture, where[:, 0], where[:, 1], torch.full_like(where[:, 0], 0.01)).mean(1)[
                :, None
            ]
            covered = ((up - 0.4) * 4).clamp(0, 1) * ((self.snow - pattern) * 8 + 4 * self.snow).clamp(0, 1)
            hits.albedo = torch.lerp(hits.albedo, hits.albedo.new_tensor(SNOW_COLOUR), covered)
            hits.specular = hits.specular * (1 - covered)
        if self.wet > 0:
            hits.specular = hits.specular + self.wet * ((up - 0.9) * 10).clamp(0, 1)
            hits.albedo = hits.albedo * (1 - 0.4 * self.wet)

    def falls_over(self, light: Tensor, colour: np.ndarray, rng: np.random.Generator) -> Tensor:
        """(rows, columns, 3) light with flakes or drops of a colour before it."""
        if not self.falling:
            return light
        rows, columns = light.shape[:2]
        scale = max(rows, columns) / 1000
        veil = np.zeros((rows, columns), np.float32)
        for _ in range(int(self.falling * rows * columns / 1e6)):
            near = float(rng.uniform(0.2, 1.0)) ** 2  # most are far, and small
            x, y = int(rng.integers(columns)), int(rng.integers(rows))
            long = self.streak_px * scale * near
            end = round(x + long * math.sin(self.slant)), round(y + long * math.cos(self.slant))
            width = max(1, round(self.size_px * scale * near))
            cv2.line(veil, (x, y), end, (float(rng.uniform(0.2, 0.9)),), width, cv2.LINE_AA)
        veil = cv2.GaussianBlur(veil, (0, 0), 0.6)
        share = torch.from_numpy(np.asarray(veil)).to(light)[..., None].clamp(0, 0.95)
        return torch.lerp(light, light.new_tensor(colour), share)
