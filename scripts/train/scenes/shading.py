"""Colour of what the rays hit: textures, sun or lamps with shadow maps, ambient occlusion, sky, fog."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from . import shapes
from .bank import Bank
from .casting import RayGrid, cast_grid
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
    footprint = distance * pixel_rad / torch.where(stretched, 2 * half_v, tile) / cosine.abs().clamp_min(0.2)
    albedo = bank.sample(textures, u, v, footprint) * look[:, 3:6]
    return Hits(points, normal, albedo, look[:, 7:8], look[:, 6:7], to_eye, kinds == shapes.CARD)


def _is_one_of(kinds: Tensor, wanted: tuple[int, ...]) -> Tensor:
    return torch.isin(kinds, torch.tensor(wanted, device=kinds.device))


@dataclass
class ShadowMap:
    """Distances seen from a light; soft by comparing at several jittered places."""

    rays: RayGrid
    t: Tensor
    bias: float
    softness: float

    @classmethod
    def sun(
        cls,
        solids: Solids,
        direction: np.ndarray,
        centre: np.ndarray,
        extent: float,
        size: int,
        softness: float,
        device,
    ) -> ShadowMap:
        """A map of parallel light that travels against `direction`, over a square around `centre`."""
        x = np.cross(direction, [0.0, 0.0, 1.0] if abs(direction[2]) < 0.95 else [1.0, 0.0, 0.0])
        x /= np.linalg.norm(x)
        y = np.cross(direction, x)
        axis = torch.linspace(-extent, extent, size, device=device)
        far = 4 * extent + 60
        rays = RayGrid(centre + direction * far, x, y, -direction, axis, axis, parallel=True)
        t, _ = cast_grid(solids, rays, near=0.0)
        return cls(rays, t, 2.5 * extent / size + 0.02, softness)

    @classmethod
    def lamp(
        cls, solids: Solids, position: np.ndarray, forward: np.ndarray, size: int, softness: float, device
    ) -> ShadowMap:
        """A map of a lamp's light in a wide cone around a direction."""
        x = np.cross(forward, [0.0, 0.0, 1.0] if abs(forward[2]) < 0.95 else [1.0, 0.0, 0.0])
        x /= np.linalg.norm(x)
        axis = torch.linspace(-4, 4, size, device=device)
        rays = RayGrid(position, x, np.cross(forward, x), forward, axis, axis)
        t, _ = cast_grid(solids, rays, near=0.25)
        return cls(rays, t, 0.06, softness)

    def light(self, points: Tensor, rng: np.random.Generator) -> Tensor:
        """(n,) share of the light that arrives; full outside of the map."""
        relative = points - points.new_tensor(self.rays.origin)
        px, py, depth = (
            relative @ points.new_tensor(np.stack([self.rays.axis_x, self.rays.axis_y, self.rays.forward], axis=1))
        ).unbind(1)
        if not self.rays.parallel:
            px, py = px / depth.clamp_min(0.05), py / depth.clamp_min(0.05)
        size, reach = len(self.rays.x), float(self.rays.x[-1])
        cx, cy = (px / reach + 1) / 2 * (size - 1), (py / reach + 1) / 2 * (size - 1)
        inside = (cx >= 0) & (cx <= size - 1) & (cy >= 0) & (cy <= size - 1)
        bias = self.bias if self.rays.parallel else self.bias + depth * 0.03
        share = torch.zeros_like(px)
        taps = 5
        turn = rng.uniform(0, 6.3)
        for k in range(taps):
            radius, a = self.softness * ((k + 0.5) / taps) ** 0.5, turn + 2.4 * k
            ix = (cx + radius * np.cos(a)).round().clamp(0, size - 1).long()
            iy = (cy + radius * np.sin(a)).round().clamp(0, size - 1).long()
            share += (self.t[iy, ix] > depth - bias).float()
        share = share / taps
        if not self.rays.parallel:
            inside &= depth > 0.05
        return torch.where(inside, share, 1.0)


def occlusion(depth: Tensor, points: Tensor, normals: Tensor) -> Tensor:
    """(h, w) share of ambient light, from the depth map itself (darker in corners and near contacts)."""
    total = torch.zeros_like(depth)
    offsets = [(3, 0), (-3, 0), (0, 3), (0, -3), (8, 8), (-8, 8), (8, -8), (-8, -8)]
    for dy, dx in offsets:
        shift = torch.roll(points, (dy, dx), dims=(1, 2)) - points
        square = shift.square().sum(dim=0)
        facing = (shift * normals).sum(dim=0) / (square.sqrt() + 1e-4)
        near = 1 / (1 + square / (0.12 * depth).square())
        total += (facing - 0.08).clamp(0, 0.8) * near
    return (1 - total * (2.2 / len(offsets))).clamp(0.15, 1)


def sky_colour(
    rng: np.random.Generator,
    bank: Bank,
    directions: Tensor,
    sun: np.ndarray,
    horizon: Tensor,
    zenith: Tensor,
    cover: float,
) -> Tensor:
    """(n, 3) colour of the sky in given unit directions."""
    up = directions[:, 2].clamp_min(0.0)
    colour = horizon + (zenith - horizon) * (1 - (1 - up) ** 3)[:, None]
    texture = torch.full((len(directions),), int(rng.choice(bank.kinds["noise"])), device=directions.device)
    spread = float(rng.uniform(0.05, 0.5))
    u, v = directions[:, 0] / (up + 0.12) * spread, directions[:, 1] / (up + 0.12) * spread
    cloud = bank.sample(texture, u, v, torch.full_like(u, 0.01)).mean(dim=1)
    middle = cloud.mean()
    cloud = ((cloud - middle) / (cloud.std() + 1e-3) * 0.35 + cover).clamp(0, 1)
    grey = float(rng.uniform(0.6, 1.3))
    colour = colour + (colour.new_tensor([grey, grey, grey * 1.02]) - colour) * (cloud * (up * 6).clamp(0, 1))[:, None]
    glow = (directions @ directions.new_tensor(sun)).clamp_min(0) ** 60
    return colour + glow[:, None] * float(rng.uniform(0, 2))
