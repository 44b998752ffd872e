"""Surfaces that rays hit: normals, materials, and how much of the sky they see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from . import shapes
from .bank import Bank, Footprint
from .solids import Solids


@dataclass
class Hits:
    """Surface points of the n rays that hit something."""

    points: Tensor
    """(n, 3) in the world."""
    normals: Tensor
    """(n, 3) unit, towards the camera."""
    albedo: Tensor
    emission: Tensor
    specular: Tensor
    to_eye: Tensor
    """(n, 3) unit."""
    sheer: Tensor
    """(n,) bool: thin things, which light shines through."""

    def facing(self, towards: Tensor) -> Tensor:
        """(n,) share of the light from unit directions, (3,) or (n, 3), that a surface takes."""
        cosine = (self.normals * towards).sum(dim=1)
        return torch.where(self.sheer, 0.3 + 0.5 * cosine.abs(), cosine.clamp_min(0))


def surface(
    solids: Solids, bank: Bank, index: Tensor, points: Tensor, eye: Tensor, distance: Tensor, pixel_rad: float
) -> Hits:
    """Normals and materials at hit points.

    Args:
        solids, bank: The scene.
        index: (n,) solid hit.
        points: (n, 3) where, in the world.
        eye: (3,) the camera.
        distance: (n,) depth of the points, for the size of a pixel on the surface.
        pixel_rad: Angle that a pixel covers.
    """
    f32 = {"dtype": torch.float32, "device": points.device}
    table = torch.tensor(
        np.concatenate(
            [solids.rotations.reshape(-1, 9), solids.centres, solids.halves, solids.params[:, None]], axis=1
        ),
        **f32,
    )
    looks = torch.tensor([[m.tile_m, *m.offset, *m.tint, m.specular, m.emission] for m in solids.materials], **f32)
    whole = torch.tensor(
        np.stack([solids.kinds, solids.chart_index, [m.texture for m in solids.materials]]), device=points.device
    )
    kinds, charts, textures = whole[:, index]
    rows = table[index]
    r, half = rows[:, :9].reshape(-1, 3, 3), rows[:, 12:15]
    local = (r * (points - rows[:, 9:12])[:, None]).sum(dim=2)
    facing = shapes.normals(kinds, local, half, rows[:, 15], charts, solids.charts)
    normal = (r * facing[:, :, None]).sum(dim=1)
    to_eye = F.normalize(eye - points, dim=1)
    cosine = (normal * to_eye).sum(dim=1)
    normal = normal * torch.where(cosine < 0, -1.0, 1.0)[:, None]

    x, y, z = local.unbind(1)
    turned = _is_one_of(kinds, (shapes.ELLIPSOID, shapes.CYLINDER, shapes.CONE, shapes.TUBE))
    relief = kinds == shapes.RELIEF
    level = relief | (torch.where(turned, 0.95, 0.71) < facing[:, 2].abs())
    flat = ~turned | level
    side = flat & ~level & (facing[:, 0].abs() > 0.71)
    angle = torch.atan2(y / half[:, 1], x / half[:, 0]) * half[:, 0]
    u = torch.where(side, y, torch.where(flat, x, angle))
    v = torch.where(level, y, z)
    half_u = torch.where(side, half[:, 1], torch.where(flat, half[:, 0], 3.1416 * half[:, 0]))
    half_v = torch.where(level, half[:, 1], half[:, 2])
    look = looks[index]
    stretched = look[:, 0] <= 0
    tile = look[:, 0].clamp_min(1e-3)
    u = torch.where(stretched, u / half_u * 0.4995 + 0.5, u / tile + look[:, 1])
    v = torch.where(stretched, v / half_v * 0.4995 + 0.5, v / tile + look[:, 2])
    eye = (r * to_eye[:, None]).sum(dim=2)
    round_u = (eye[:, 1] * x / half[:, 0] - eye[:, 0] * y / half[:, 1]) / torch.hypot(
        x / half[:, 0], y / half[:, 1]
    ).clamp_min(1e-6)
    slant_u = torch.where(side, eye[:, 1], torch.where(flat, eye[:, 0], round_u))
    slant_v = torch.where(level, eye[:, 1], eye[:, 2])
    per_u, per_v = torch.where(stretched, 2 * half_u, tile), torch.where(stretched, 2 * half_v, tile)
    footprint = Footprint.of(distance * pixel_rad, slant_u, slant_v, cosine.abs(), per_u, per_v)
    albedo = bank.sample(textures, u, v, footprint) * look[:, 3:6]
    return Hits(points, normal, albedo, look[:, 7:8], look[:, 6:7], to_eye, kinds == shapes.CARD)


def _is_one_of(kinds: Tensor, wanted: tuple[int, ...]) -> Tensor:
    return torch.isin(kinds, torch.tensor(wanted, device=kinds.device))


def occlusion(depth: Tensor, points: Tensor, normals: Tensor, reach: int = 1) -> Tensor:
    """(h, w) share of ambient light, from the depth map itself (darker in corners and near contacts).

    Args:
        depth: (h, w). points, normals: (3, h, w).
        reach: Pixels between what is compared, in multiples of the usual.
    """
    total = torch.zeros_like(depth)
    offsets = [(3, 0), (-3, 0), (0, 3), (0, -3), (8, 8), (-8, 8), (8, -8), (-8, -8)]
    for dy, dx in offsets:
        shift = torch.roll(points, (dy * reach, dx * reach), dims=(1, 2)) - points
        square = shift.square().sum(dim=0)
        facing = (shift * normals).sum(dim=0) / (square.sqrt() + 1e-4)
        near = 1 / (1 + square / (0.12 * depth).square())
        total += (facing - 0.08).clamp(0, 0.8) * near
    return (1 - total * (2.2 / len(offsets))).clamp(0.15, 1)
