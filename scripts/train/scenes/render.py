"""A photograph of a random place with the truth about it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from infinidepth_blender.camera import Camera

from . import layouts, shading
from .bank import Bank
from .casting import RayGrid, cast_grid, cast_rays
from .layouts import Place
from .looks import Looks
from .sensor import expose
from .solids import Solids


@dataclass
class Sample:
    """One training image.

    Attributes:
        image: (H, W, 3) uint8 sRGB.
        log_depth: (2H, 2W) float32 natural logarithm of the depth in metres along the optical
            axis, at the pixel centres of an image of twice the size; infinity where there is sky.
        camera: Intrinsics of the (H, W) image, pitch and roll.
        kind: Name of the layout.
    """

    image: Tensor
    log_depth: Tensor
    camera: Camera
    kind: str


@dataclass
class Shot:
    """A place with a camera in it, ready to be rendered or asked for depth."""

    solids: Solids
    place: Place
    camera: Camera
    position: np.ndarray
    rotation: np.ndarray
    """(3, 3) world from camera axes (OpenCV)."""
    kind: str

    def rays(self, scale: int, device: torch.device | str = "cpu") -> RayGrid:
        """Rays through the pixel centres of an image `scale` times the camera's size."""
        cam = self.camera
        x = (torch.arange(cam.width_px * scale, dtype=torch.float64, device=device) + 0.5) / scale
        y = (torch.arange(cam.height_px * scale, dtype=torch.float64, device=device) + 0.5) / scale
        x, y = ((x - cam.cx_px) / cam.fx_px).float(), ((y - cam.cy_px) / cam.fy_px).float()
        return RayGrid(self.position, self.rotation[:, 0], self.rotation[:, 1], self.rotation[:, 2], x, y)

    def depth_at(self, coords_yx: Tensor) -> Tensor:
        """(n,) exact depth in metres at any (n, 2) coordinates in [-1, 1]; infinity at the sky."""
        cam = self.camera
        y = ((coords_yx[:, 0].double() + 1) / 2 * cam.height_px - cam.cy_px) / cam.fy_px
        x = ((coords_yx[:, 1].double() + 1) / 2 * cam.width_px - cam.cx_px) / cam.fx_px
        cam_rays = torch.stack([x, y, torch.ones_like(x)], dim=1).float()
        return cast_rays(self.solids, self.position, cam_rays @ cam_rays.new_tensor(self.rotation).T)[0]


def take_shot(rng: np.random.Generator, bank: Bank, height: int, width: int, kind: str | None = None) -> Shot:
    """Builds a random place and looks for a camera pose that shows something."""
    names = list(layouts.LAYOUTS)
    shares = np.array([layouts.LAYOUTS[name][1] for name in names])
    best: Shot | None = None
    for attempt in range(8):
        name = kind or str(rng.choice(names, p=shares / shares.sum()))
        place = layouts.LAYOUTS[name][0](Looks(rng, bank))
        shot = _aim(rng, bank, place, name, height, width)
        depth, index = cast_grid(shot.solids, _thin(shot.rays(1)))
        ground = depth[torch.isfinite(depth)]
        best = shot
        if len(ground) < 0.3 * depth.numel() or attempt == 7:
            continue
        low, high = ground.log().quantile(torch.tensor([0.02, 0.98])).tolist()
        largest = torch.bincount(index.flatten() + 1)[1:].max().item() / depth.numel()
        if high - low > 0.35 and (largest < 0.75 or rng.random() < 0.1) and low > math.log(0.12):
            break
    assert best is not None
    return best


def _thin(rays: RayGrid) -> RayGrid:
    return RayGrid(rays.origin, rays.axis_x, rays.axis_y, rays.forward, rays.x[3::8], rays.y[3::8])


def _aim(rng: np.random.Generator, bank: Bank, place: Place, kind: str, height: int, width: int) -> Shot:
    longer = rng.uniform(*place.fov) if rng.random() < 0.9 else rng.uniform(25, 105)
    focal = max(height, width) / 2 / math.tan(math.radians(longer) / 2)
    roll = rng.normal(0, 0.02) if rng.random() < 0.7 else rng.normal(0, 0.12)
    pitch = float(np.clip(rng.normal(place.pitch, place.pitch_spread), -1.2, 1.0))
    if rng.random() < 0.07:
        pitch = float(rng.uniform(-1.0, 0.6))
    camera = Camera(width, height, focal, focal, width / 2, height / 2, "given", pitch, float(roll))
    yaw = rng.normal(place.yaw, place.yaw_spread)
    c, s = math.cos(yaw), math.sin(yaw)
    rotation = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ camera.world_rotation()
    position = np.asarray(place.eye) + rng.uniform(-1, 1, 3) * np.asarray(place.spread)
    margin = 0.12 if kind == "tabletop" else 0.3
    items = place.items
    distance = items.distance_to(position)
    # The ground and walls are large and stay; what the camera would stand in goes.
    large = np.asarray([max(half) > 100 for half in items.halves])
    kept = items.keep((distance > margin) | large)
    if large.any() and distance[large].min() < 0.05:
        position = position + np.array([0, 0, 0.3])
    return Shot(Solids.from_list(kept, bank.charts), place, camera, position, rotation, kind)


def render(rng: np.random.Generator, bank: Bank, height: int, width: int, kind: str | None = None) -> Sample:
    """Draws a place, photographs it at (height, width) and keeps exact depth at twice the resolution."""
    shot = take_shot(rng, bank, height, width, kind)
    rays = shot.rays(2, bank.texels.device)
    depth, index = cast_grid(shot.solids, rays)
    linear = _shade(rng, bank, shot, rays, depth, index)
    return Sample(expose(rng, linear).permute(1, 2, 0).contiguous(), depth.log(), shot.camera, shot.kind)


def _shade(rng: np.random.Generator, bank: Bank, shot: Shot, rays: RayGrid, depth: Tensor, index: Tensor) -> Tensor:
    """(3, rows, columns) linear light along the rays."""
    device = depth.device
    rows, columns = depth.shape
    basis = torch.tensor(np.stack([rays.axis_x, rays.axis_y, rays.forward]), dtype=torch.float32, device=device)
    grid = rays.x[None, :, None] * basis[0] + rays.y[:, None, None] * basis[1] + basis[2]
    hit = (index >= 0).flatten()
    where = hit.nonzero()[:, 0]
    directions = grid.reshape(-1, 3)
    eye = torch.tensor(rays.origin, dtype=torch.float32, device=device)
    t = depth.flatten()[where]
    points = eye + directions[where] * t[:, None]
    hits = shading.surface(shot.solids, bank, index.flatten()[where], points, eye, t, float(rays.x[1] - rays.x[0]) * 2)

    # Ambient occlusion on every second pixel, repeated.
    full = torch.zeros((rows * columns, 6), device=device)
    full[where] = torch.cat([points, hits.normals], dim=1)
    small = full.reshape(rows, columns, 6)[::2, ::2].permute(2, 0, 1)
    small_depth = torch.where(torch.isfinite(depth), depth, 1e4)[::2, ::2]
    open_share = shading.occlusion(small_depth, small[:3], small[3:])
    open_share = open_share.repeat_interleave(2, 0).repeat_interleave(2, 1).flatten()[where][:, None]

    azimuth, height = rng.uniform(0, 2 * math.pi), math.radians(rng.uniform(8, 75))
    sun = np.array([math.cos(azimuth) * math.cos(height), math.sin(azimuth) * math.cos(height), math.sin(height)])
    warm = float(np.clip(1.2 - height, 0, 0.5))
    sun_colour = torch.tensor([1.0 + 0.25 * warm, 1.0, 1.0 - 0.6 * warm], device=device)
    if shot.place.indoor:
        light = _indoor_light(rng, shot, hits, open_share, sun, sun_colour)
    else:
        strength = float(rng.choice([0.0, rng.uniform(0.5, 3.5)], p=[0.22, 0.78]))
        ambient = torch.tensor([0.36, 0.4, 0.46], device=device) * float(rng.uniform(0.7, 1.4))
        light = ambient * (0.65 + 0.35 * hits.normals[:, 2:3]) * open_share
        if strength > 0:
            near = float(t.quantile(0.5)) if len(t) < 2**24 else 20.0
            light = light + strength * sun_colour * _sunlight(rng, shot, hits, sun, float(np.clip(near * 2.5, 8, 90)))
    glint = _glint(hits, sun if not shot.place.indoor else None)
    colour = hits.albedo * light + hits.specular * glint + hits.albedo * hits.emission
    bright = float(rng.uniform(0.8, 1.6)) * (float(rng.uniform(1, 4)) if shot.place.indoor else 1.0)
    horizon = torch.tensor([0.75, 0.82, 0.9], device=device) * bright * (sun_colour if warm > 0.3 else 1.0)
    zenith = torch.tensor([0.2, 0.38, 0.75], device=device) * bright
    if not shot.place.indoor and rng.random() < 0.7:
        visibility = float(np.exp(rng.uniform(math.log(90), math.log(5000))))
        colour = colour + (horizon * 0.8 - colour) * (1 - torch.exp(-t / visibility))[:, None]
    image = torch.zeros((rows * columns, 3), device=device)
    image[where] = colour
    if not bool(hit.all()):
        sky = (~hit).nonzero()[:, 0]
        cover = float(rng.choice([rng.uniform(-0.4, 0.2), rng.uniform(0.2, 1.2)]))
        image[sky] = shading.sky_colour(rng, bank, F.normalize(directions[sky], dim=1), sun, horizon, zenith, cover)
    return image.reshape(rows, columns, 3).permute(2, 0, 1)


def _sunlight(rng: np.random.Generator, shot: Shot, hits: shading.Hits, sun: np.ndarray, extent: float) -> Tensor:
    forward = shot.rotation[:, 2]
    centre = shot.position + np.array([forward[0], forward[1], 0]) * extent * 0.6
    device = hits.points.device
    shadow = shading.ShadowMap.sun(shot.solids, sun, centre, extent, 256, float(rng.uniform(0.3, 1.3)), device)
    facing = hits.facing(hits.normals.new_tensor(sun))
    return (facing * shadow.light(hits.points + hits.normals * 0.02, rng))[:, None]


def _indoor_light(
    rng, shot: Shot, hits: shading.Hits, open_share: Tensor, sun: np.ndarray, sun_colour: Tensor
) -> Tensor:
    n = hits.points
    light = float(rng.uniform(0.15, 0.5)) * (0.8 + 0.2 * hits.normals[:, 2:3]) * open_share.expand(-1, 3)
    lamps = [np.asarray(lamp) for lamp in shot.place.lamps]
    rng.shuffle(lamps)
    lit = lamps[: rng.integers(1, 4)] if rng.random() < 0.85 else []
    tone = n.new_tensor(np.exp(rng.normal(0, 0.08, 3)))
    for k, lamp in enumerate(lit):
        away = n.new_tensor(lamp) - n
        square = away.square().sum(dim=1)
        facing = hits.facing(away / (square.sqrt() + 1e-3)[:, None])
        scale = float(lamp[2] ** 2 + 1.0)
        strength = facing * scale / (square + 0.15 * scale)
        if k < 2:
            down, softness = np.array([0.0, 0.0, -1.0]), float(rng.uniform(0.5, 4))
            shadow = shading.ShadowMap.lamp(shot.solids, lamp, down, 144, softness, n.device)
            strength = strength * shadow.light(n + hits.normals * 0.02, rng)
        light = light + float(rng.uniform(0.4, 1.3)) * strength[:, None] * tone
    panes = list(shot.place.windows)
    rng.shuffle(panes)
    day = float(np.exp(rng.uniform(-1.5, 1.2)))
    for middle, inward in panes[:2] if rng.random() < 0.8 else ():
        light = light + day * _window_light(rng, shot, hits, np.asarray(middle), np.asarray(inward))
    if rng.random() < 0.5 or not lit:
        light = light + float(rng.uniform(1, 5)) * sun_colour * _sunlight(rng, shot, hits, sun, 12.0)
    # Day light from one side: a smooth gradient over the place.
    side = n.new_tensor(np.array([math.cos(a := rng.uniform(0, 6.3)), math.sin(a), 0.3]))
    return light + float(rng.uniform(0, 0.5)) * (0.5 + 0.5 * (hits.normals @ side))[:, None] * open_share


def _window_light(
    rng: np.random.Generator, shot: Shot, hits: shading.Hits, middle: np.ndarray, inward: np.ndarray
) -> Tensor:
    """(n, 3) sky light through a window, strongest before it, with soft shadows."""
    p = hits.points
    away = p.new_tensor(middle) - p
    square = away.square().sum(dim=1)
    towards = away / (square.sqrt() + 1e-3)[:, None]
    leaving = (-towards @ p.new_tensor(inward)).clamp_min(0)
    shadow = shading.ShadowMap.lamp(shot.solids, middle + 0.1 * inward, inward, 96, float(rng.uniform(2, 5)), p.device)
    strength = 6 * hits.facing(towards) * leaving / (square + 1) * shadow.light(p + hits.normals * 0.02, rng)
    return strength[:, None] * p.new_tensor([0.92, 0.97, 1.05])


def _glint(hits: shading.Hits, sun: np.ndarray | None) -> Tensor:
    """(n, 1) mirror-like light: the sun's highlight and a brightening at grazing angles."""
    cosine = (hits.normals * hits.to_eye).sum(dim=1, keepdim=True).clamp(0, 1)
    shine = 0.5 * (1 - cosine) ** 4
    if sun is not None:
        mirrored = 2 * cosine * hits.normals - hits.to_eye
        shine = shine + 2 * (mirrored @ hits.normals.new_tensor(sun)).clamp_min(0)[:, None] ** 40
    return shine
