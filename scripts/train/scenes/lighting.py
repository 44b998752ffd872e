"""Light of a scene: sun or lamps and windows with soft shadows, a sky with clouds, haze.

Everything random is drawn once per scene, so that reflections see the same light.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from .bank import Bank
from .casting import RayGrid, cast_grid
from .places import Place
from .shading import Hits
from .solids import Solids
from .weather import Weather


@dataclass
class ShadowMap:
    """Distances seen from a light; soft by comparing at several jittered places."""

    rays: RayGrid
    t: Tensor
    bias: float
    softness: float
    turn: float
    """Direction of the first of the jittered places."""

    @classmethod
    def sun(
        cls,
        solids: Solids,
        direction: np.ndarray,
        centre: np.ndarray,
        extent: float,
        size: int,
        softness: float,
        turn: float,
        device: torch.device,
    ) -> ShadowMap:
        """A map of parallel light that travels against `direction`, over a square around `centre`."""
        x = np.cross(direction, [0.0, 0.0, 1.0] if abs(direction[2]) < 0.95 else [1.0, 0.0, 0.0])
        x /= np.linalg.norm(x)
        y = np.cross(direction, x)
        axis = torch.linspace(-extent, extent, size, device=device)
        far = 4 * extent + 60
        rays = RayGrid(centre + direction * far, x, y, -direction, axis, axis, parallel=True)
        t, _ = cast_grid(solids, rays, near=0.0)
        return cls(rays, t, 2.5 * extent / size + 0.02, softness, turn)

    @classmethod
    def lamp(
        cls,
        solids: Solids,
        position: np.ndarray,
        forward: np.ndarray,
        size: int,
        softness: float,
        turn: float,
        device: torch.device,
    ) -> ShadowMap:
        """A map of a lamp's light in a wide cone around a direction."""
        x = np.cross(forward, [0.0, 0.0, 1.0] if abs(forward[2]) < 0.95 else [1.0, 0.0, 0.0])
        x /= np.linalg.norm(x)
        axis = torch.linspace(-4, 4, size, device=device)
        rays = RayGrid(position, x, np.cross(forward, x), forward, axis, axis)
        t, _ = cast_grid(solids, rays, near=0.25)
        return cls(rays, t, 0.06, softness, turn)

    def light(self, points: Tensor, facing: Tensor) -> Tensor:
        """(n,) share of the light that arrives; full outside of the map.

        Args:
            points: (n, 3). facing: (n,) cosine between their normals and the direction to the light.
        """
        relative = points - points.new_tensor(self.rays.origin)
        px, py, depth = (
            relative @ points.new_tensor(np.stack([self.rays.axis_x, self.rays.axis_y, self.rays.forward], axis=1))
        ).unbind(1)
        if not self.rays.parallel:
            px, py = px / depth.clamp_min(0.05), py / depth.clamp_min(0.05)
        size, reach = len(self.rays.x), float(self.rays.x[-1])
        cx, cy = (px / reach + 1) / 2 * (size - 1), (py / reach + 1) / 2 * (size - 1)
        inside = (cx >= 0) & (cx <= size - 1) & (cy >= 0) & (cy <= size - 1)
        # Over the texels that are compared, a slanted surface is at other distances itself.
        slope = (1 - facing.square()).clamp_min(0).sqrt() / facing.clamp_min(0.15)
        texels = 1 + self.softness
        if self.rays.parallel:
            bias = self.bias + texels * (2 * reach / size) * slope
        else:
            bias = self.bias + depth * (0.03 + texels * (2 * reach / size) * slope.clamp(max=2))
        share = torch.zeros_like(px)
        taps = 3
        for k in range(taps):
            radius, a = self.softness * ((k + 0.5) / taps) ** 0.5, self.turn + 2.4 * k
            share += self._compared(cx + radius * np.cos(a), cy + radius * np.sin(a), depth - bias)
        share = share / taps
        if not self.rays.parallel:
            inside &= depth > 0.05
        return torch.where(inside, share, 1.0)

    def _compared(self, x: Tensor, y: Tensor, depth: Tensor) -> Tensor:
        """(n,) share of the four texels around places that are farther than a depth, by their distance: no blocks."""
        size = len(self.rays.x)
        x, y = x.clamp(0, size - 1.001), y.clamp(0, size - 1.001)
        x0, y0 = x.floor(), y.floor()
        wx, wy = x - x0, y - y0
        first = y0.long() * size + x0.long()
        t = self.t.flatten()
        lit = [(t[first + step] > depth).float() for step in (0, 1, size, size + 1)]
        return lit[0].lerp(lit[1], wx).lerp(lit[2].lerp(lit[3], wx), wy)


@dataclass
class Lamp:
    """A point light; `inward` is given for a window, which shines to one side only."""

    position: np.ndarray
    strength: float
    tone: np.ndarray
    inward: np.ndarray | None = None
    shadow: ShadowMap | None = None

    def at(self, hits: Hits, lifted: Tensor) -> Tensor:
        """(n, 3) light at surface points; `lifted` are the points raised off their surfaces."""
        away = hits.points.new_tensor(self.position) - hits.points
        square = away.square().sum(dim=1)
        towards = away / (square.sqrt() + 1e-3)[:, None]
        if self.inward is None:
            scale = float(self.position[2] ** 2 + 1.0)
            share = scale / (square + 0.15 * scale)
        else:
            share = 6 * (-towards @ away.new_tensor(self.inward)).clamp_min(0) / (square + 1)
        facing = hits.facing(towards)
        share = share * facing
        if self.shadow is not None:
            share = share * self.shadow.light(lifted, facing)
        return self.strength * share[:, None] * away.new_tensor(self.tone)


@dataclass
class Sky:
    """Gradient, clouds and the glow around the sun."""

    horizon: np.ndarray
    zenith: np.ndarray
    texture: int
    spread: float
    cover: float
    grey: float
    glow: float

    @classmethod
    def draw(cls, rng: np.random.Generator, bank: Bank, bright: float, low_sun: np.ndarray | None) -> Sky:
        """A random sky; `low_sun` is the colour of a sun near the horizon."""
        horizon = np.array([0.75, 0.82, 0.9]) * bright * (1.0 if low_sun is None else low_sun)
        cover = float(rng.choice([rng.uniform(-0.4, 0.2), rng.uniform(0.2, 1.2)]))
        texture, spread = int(rng.choice(bank.kinds["noise"])), float(rng.uniform(0.05, 0.5))
        zenith = np.array([0.2, 0.38, 0.75]) * bright
        return cls(horizon, zenith, texture, spread, cover, float(rng.uniform(0.6, 1.3)), float(rng.uniform(0, 2)))

    def colour(self, bank: Bank, directions: Tensor, sun: np.ndarray) -> Tensor:
        """(n, 3) colour in unit directions."""
        up = directions[:, 2].clamp_min(0.0)
        horizon, zenith = directions.new_tensor(self.horizon), directions.new_tensor(self.zenith)
        colour = horizon + (zenith - horizon) * (1 - (1 - up) ** 3)[:, None]
        texture = torch.full((len(directions),), self.texture, device=directions.device)
        u, v = directions[:, 0] / (up + 0.12) * self.spread, directions[:, 1] / (up + 0.12) * self.spread
        cloud = bank.blend(texture, u, v, torch.full_like(u, 0.01)).mean(dim=1)
        cloud = ((cloud - cloud.mean()) / (cloud.std(correction=0) + 1e-3) * 0.35 + self.cover).clamp(0, 1)
        grey = directions.new_tensor([self.grey, self.grey, self.grey * 1.02])
        colour = colour + (grey - colour) * (cloud * (up * 6).clamp(0, 1))[:, None]
        glow = (directions @ directions.new_tensor(sun)).clamp_min(0) ** 60
        return colour + glow[:, None] * self.glow


@dataclass
class Lighting:
    """All light of one scene.

    Attributes:
        sun: (3,) unit direction to the sun. sun_light: (3,) its light, zero where it does not shine.
        ambient: (3,) light from everywhere, of which surfaces that face down get `1 - lean` less.
        side: (3,) direction of a weak gradient, its length the strength.
        weather: Fog, snow, rain.
    """

    sun: np.ndarray
    sun_light: np.ndarray
    sun_shadow: ShadowMap | None
    ambient: np.ndarray
    lean: float
    side: np.ndarray
    sky: Sky
    weather: Weather
    indoor: bool
    lamps: list[Lamp] = field(default_factory=list)

    def at(self, hits: Hits, open_share: Tensor) -> Tensor:
        """(n, 3) light that arrives at surface points of which `open_share` (n, 1) is open to the surroundings."""
        new = hits.points.new_tensor
        lifted = hits.points + hits.normals * 0.02
        light = new(self.ambient) * (1 - self.lean + self.lean * hits.normals[:, 2:3]) * open_share
        for lamp in self.lamps:
            light = light + lamp.at(hits, lifted)
        if self.sun_shadow is not None:
            facing = hits.facing(new(self.sun))
            light = light + (facing * self.sun_shadow.light(lifted, facing))[:, None] * new(self.sun_light)
        strength = float(np.linalg.norm(self.side))
        if strength > 0:
            turned = 0.5 * strength + 0.5 * (hits.normals @ new(self.side))
            light = light + turned[:, None] * open_share
        return light

    def shine(self, hits: Hits) -> Tensor:
        """(n, 1) mirror-like light: the sun's highlight and a brightening at grazing angles."""
        cosine = (hits.normals * hits.to_eye).sum(dim=1, keepdim=True).clamp(0, 1)
        shine = 0.5 * (1 - cosine) ** 4
        if not self.indoor and self.sun_shadow is not None:
            mirrored = 2 * cosine * hits.normals - hits.to_eye
            shine = shine + 2 * (mirrored @ hits.normals.new_tensor(self.sun)).clamp_min(0)[:, None] ** 40
        return shine

    @property
    def veil(self) -> np.ndarray:
        """(3,) light that the air itself sends."""
        return self.sky.horizon * 0.8

    def haze(self, colour: Tensor, distance: Tensor) -> Tensor:
        """(n, 3) colours as they look over (n,) distances."""
        visibility_m = self.weather.visibility_m
        if math.isinf(visibility_m):
            return colour
        veil = colour.new_tensor(self.veil)
        return colour + (veil - colour) * (1 - torch.exp(-distance / visibility_m))[:, None]


def draw_lighting(
    rng: np.random.Generator,
    bank: Bank,
    solids: Solids,
    place: Place,
    eye: np.ndarray,
    forward: np.ndarray,
    middle_m: float,
) -> Lighting:
    """Random light for a place.

    Args:
        rng, bank: Where numbers and clouds come from.
        solids, place: What is lit.
        eye, forward: (3,) the camera, around whose field the shadows are sharp.
        middle_m: Median depth of what it sees.
    """
    azimuth, height = rng.uniform(0, 2 * math.pi), math.radians(rng.uniform(8, 75))
    sun = np.array([math.cos(azimuth) * math.cos(height), math.sin(azimuth) * math.cos(height), math.sin(height)])
    warm = float(np.clip(1.2 - height, 0, 0.5))
    sun_colour = np.array([1.0 + 0.25 * warm, 1.0, 1.0 - 0.6 * warm])
    bright = float(rng.uniform(0.8, 1.6)) * (float(rng.uniform(1, 4)) if place.indoor else 1.0)
    weather = Weather() if place.indoor else Weather.draw(rng, bank, middle_m)
    sky = Sky.draw(rng, bank, bright, sun_colour if warm > 0.3 and not weather.overcast else None)
    if weather.overcast:
        sky.cover, sky.glow = 1.5, 0.0
    device = bank.texels.device
    lamps: list[Lamp] = []
    if place.indoor:
        ambient, lean = np.full(3, rng.uniform(0.15, 0.5)), 0.2
        lamps = _lamps(rng, solids, place, device)
        shines = rng.random() < 0.5 or not lamps
        strength, extent = float(rng.uniform(1, 5)) * shines, 12.0
        a = rng.uniform(0, 6.3)
        side = np.array([math.cos(a), math.sin(a), 0.3]) / math.hypot(1, 0.3) * rng.uniform(0, 0.5)
    else:
        ambient, lean = np.array([0.36, 0.4, 0.46]) * rng.uniform(0.7, 1.4), 0.35
        strength = float(rng.choice([0.0, rng.uniform(0.5, 3.5)], p=[0.22, 0.78])) * (not weather.overcast)
        extent, side = float(np.clip(middle_m * 2.5, 8, 90)), np.zeros(3)
    shadow = None
    if strength > 0:
        centre = eye + np.array([forward[0], forward[1], 0]) * extent * 0.6
        softness, turn = float(rng.uniform(0.3, 1.3)), float(rng.uniform(0, 6.3))
        shadow = ShadowMap.sun(solids, sun, centre, extent, 256, softness, turn, device)
    sun_light = strength * sun_colour
    return Lighting(sun, sun_light, shadow, ambient, lean, side, sky, weather, place.indoor, lamps)


def _lamps(rng: np.random.Generator, solids: Solids, place: Place, device: torch.device) -> list[Lamp]:
    """Some of the lamps and windows of an interior, the first two of each with shadows."""
    down = np.array([0.0, 0.0, -1.0])
    positions = [np.asarray(lamp) for lamp in place.lamps]
    rng.shuffle(positions)
    tone = np.exp(rng.normal(0, 0.08, 3))
    result = []
    for k, position in enumerate(positions[: rng.integers(1, 4)] if rng.random() < 0.85 else []):
        softness, turn = float(rng.uniform(0.5, 4)), float(rng.uniform(0, 6.3))
        shadow = ShadowMap.lamp(solids, position, down, 144, softness, turn, device) if k < 2 else None
        result.append(Lamp(position, float(rng.uniform(0.4, 1.3)), tone, None, shadow))
    windows = list(place.windows)
    rng.shuffle(windows)
    day = float(np.exp(rng.uniform(-1.5, 1.2)))
    for middle, inward in windows[:2] if rng.random() < 0.8 else ():
        out, softness, turn = np.asarray(inward), float(rng.uniform(2, 5)), float(rng.uniform(0, 6.3))
        shadow = ShadowMap.lamp(solids, np.asarray(middle) + 0.1 * out, out, 96, softness, turn, device)
        result.append(Lamp(np.asarray(middle), day, np.array([0.92, 0.97, 1.05]), out, shadow))
    return result
