"""A photograph of a random place with the truth about it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from infinidepth_blender.camera import Camera

from . import harmony, layouts, shading
from .bank import Bank
from .casting import RayGrid, cast_grid, cast_rays
from .layouts import Place
from .lighting import Lighting, draw_lighting
from .looks import Looks
from .sensor import expose
from .shapes import BOX, NO_HIT, RELIEF
from .solids import Solids

MIRROR_GLOSS = 0.25
"""Gloss from which planes mirror what is before them."""

LARGE_RELIEF_M = 20.0
"""Half the side of displaced ground, in whose box the camera may stand."""
AIR_M = 100.0
"""Height of the haze before the sky."""


@dataclass
class Sample:
    """One training image.

    Attributes:
        image: (H, W, 3) uint8 sRGB; (2H, 2W, 3) of a fine one.
        log_depth: (2H, 2W) float32 natural logarithm of the depth in metres along the optical
            axis, at the pixel centres of an image of twice the size; infinity where there is sky.
        normal: (2H, 2W, 3) unit normals in camera axes (OpenCV), towards the camera; zero where there is sky.
        thing: (2H, 2W) int64 number of the thing that is seen, 0 where there is sky.
        camera: Intrinsics of the image, pitch and roll.
        kind: Name of the layout.
    """

    image: Tensor
    log_depth: Tensor
    normal: Tensor
    thing: Tensor
    camera: Camera
    kind: str

    def boundaries(self, ratio: float = 1.04) -> Tensor:
        """(2H, 2W) bool: pixels whose right or lower neighbour is another thing at another depth."""
        result = torch.zeros_like(self.thing, dtype=torch.bool)
        depth = self.log_depth.clamp(max=12)
        for axis in (0, 1):
            count = depth.shape[axis] - 1
            steps = (depth.diff(dim=axis).abs() > math.log(ratio)) & (self.thing.diff(dim=axis) != 0)
            result.narrow(axis, 0, count).logical_or_(steps)
        return result


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
        """(n,) exact depth in metres at any (n, 2) coordinates in [-1, 1]; infinity at the sky.

        The coordinates must be on the device of the bank that the place was made with.
        """
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
        if rng.random() < harmony.SHARE:
            harmony.harmonise(place.items, bank, rng)
        shot = _aim(rng, bank, place, name, height, width)
        depth, index = cast_grid(shot.solids, _thin(shot.rays(1, bank.texels.device)))
        ground = depth[torch.isfinite(depth)]
        best = shot
        if len(ground) < 0.3 * depth.numel() or attempt == 7:
            continue
        low, high = ground.log().quantile(ground.new_tensor([0.02, 0.98])).tolist()
        largest = torch.bincount(index.flatten() + 1)[1:].max().item() / depth.numel()
        least, most = (0.15, 0.97) if place.filled else (0.35, 0.75)
        if high - low > least and (largest < most or rng.random() < 0.1) and low > math.log(0.12):
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
    if place.height_at is not None:
        position[2] = max(position[2], place.height_at(position[0], position[1]) + margin)
    items = place.items
    distance = items.distance_to(position)
    # The ground and walls are large and stay; what the camera would stand in goes.
    is_relief = np.asarray(items.kinds) == RELIEF
    largest_half_m = np.asarray(items.halves).max(axis=1)
    large = largest_half_m > np.where(is_relief, LARGE_RELIEF_M, 100)
    kept = items.keep((distance > margin) | large)
    level = large & ~is_relief
    if level.any() and distance[level].min() < 0.05:
        position = position + np.array([0, 0, 0.3])
    return Shot(Solids.from_list(kept, bank.charts), place, camera, position, rotation, kind)


def render(
    rng: np.random.Generator, bank: Bank, height: int, width: int, kind: str | None = None, fine: bool = False
) -> Sample:
    """Draws a place, photographs it at (height, width) and keeps the truth, and if `fine` the photograph, at twice the resolution."""
    shot = take_shot(rng, bank, height, width, kind)
    device = bank.texels.device
    rays = shot.rays(2, device)
    depth, index = cast_grid(shot.solids, rays)
    ground = depth[torch.isfinite(depth)]
    middle_m = float(ground.median()) if len(ground) else 20.0
    forward = shot.rotation[:, 2]
    lighting = draw_lighting(rng, bank, shot.solids, shot.place, shot.position, forward, middle_m)
    view = _shade(bank, shot.solids, lighting, rays, depth, index, fine)
    linear = _reflect(rng, bank, shot.solids, lighting, rays, depth, index, view, fine)
    linear = lighting.weather.falls_over(linear, lighting.veil, rng)
    image = expose(rng, linear.permute(2, 0, 1), fine).permute(1, 2, 0).contiguous()
    things = torch.tensor(np.append(shot.solids.things, 0), device=device)[index]
    normal = view.normal @ view.normal.new_tensor(shot.rotation)
    camera = shot.camera.resized(2 * width, 2 * height) if fine else shot.camera
    return Sample(image, depth.log(), normal, things, camera, shot.kind)


@dataclass
class _View:
    """What rays see: (rows, columns, 3) linear light, normals in the world, and (rows, columns) gloss."""

    light: Tensor
    normal: Tensor
    gloss: Tensor


def _shade(
    bank: Bank, solids: Solids, lighting: Lighting, rays: RayGrid, depth: Tensor, index: Tensor, fine: bool
) -> _View:
    """Light along the rays of a grid with known hits; each a pixel if `fine`, else a quarter of one."""
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
    pixel_rad = float(rays.x[1] - rays.x[0]) * (1 if fine else 2)
    hits = shading.surface(solids, bank, index.flatten()[where], points, eye, t, pixel_rad)
    lighting.weather.lies_on(hits, bank, t * pixel_rad)

    full = torch.zeros((rows * columns, 7), device=device)
    full[where] = torch.cat([points, hits.normals, hits.specular], dim=1)
    full = full.reshape(rows, columns, 7)
    solid_depth, there = torch.where(torch.isfinite(depth), depth, 1e4), full[..., :6].permute(2, 0, 1)
    if fine:
        open_share = shading.occlusion(solid_depth, there[:3], there[3:], reach=2)
    else:
        # On every second ray, repeated: rays are averaged by fours.
        there = there[:, ::2, ::2]
        open_share = shading.occlusion(solid_depth[::2, ::2], there[:3], there[3:])
        open_share = open_share.repeat_interleave(2, 0).repeat_interleave(2, 1)[:rows, :columns]
    open_share = open_share.flatten()[where][:, None]

    colour = hits.albedo * (lighting.at(hits, open_share) + hits.emission) + hits.specular * lighting.shine(hits)
    light = torch.zeros((rows * columns, 3), device=device)
    light[where] = lighting.haze(colour, t * directions[where].norm(dim=1))
    if len(where) < len(hit):
        sky = (~hit).nonzero()[:, 0]
        upward = F.normalize(directions[sky], dim=1)
        colour = lighting.sky.colour(bank, upward, lighting.sun)
        light[sky] = lighting.haze(colour, AIR_M / (upward[:, 2].clamp_min(0) + 0.05))
    return _View(light.reshape(rows, columns, 3), full[..., 3:6], full[..., 6])


def _reflect(
    rng: np.random.Generator,
    bank: Bank,
    solids: Solids,
    lighting: Lighting,
    rays: RayGrid,
    depth: Tensor,
    index: Tensor,
    view: _View,
    fine: bool,
) -> Tensor:
    """(rows, columns, 3) light of a view with what the largest glossy plane mirrors added to it.

    The depth of a mirror stays that of its surface.
    """
    shares = torch.bincount(index[view.gloss >= MIRROR_GLOSS].flatten(), minlength=len(solids)) / depth.numel()
    shares = shares * torch.as_tensor(np.equal(solids.kinds, BOX), device=shares.device)
    if not len(shares) or float(shares.max()) < 0.02:
        return view.light
    chosen = int(shares.argmax())
    seen = index == chosen
    pixels = seen.flatten().nonzero()[:, 0]
    corner = int(pixels[len(pixels) // 2])
    normal = view.normal.reshape(-1, 3)[corner].double().cpu().numpy()
    seen &= (view.normal @ view.normal.new_tensor(normal)) > 0.99
    row, column = divmod(corner, depth.shape[1])
    direction = rays.axis_x * float(rays.x[column]) + rays.axis_y * float(rays.y[row]) + rays.forward
    point = rays.origin + direction * float(depth[row, column])
    rows, columns = (slice(int(line.min()) // 2 * 2, int(line.max()) + 1) for line in seen.nonzero().unbind(1))
    turn = np.eye(3) - 2 * np.outer(normal, normal)
    mirrored = RayGrid(
        point + turn @ (rays.origin - point),
        turn @ rays.axis_x,
        turn @ rays.axis_y,
        turn @ rays.forward,
        rays.x[columns],
        rays.y[rows],
    )
    if len(mirrored.x) < 8 or len(mirrored.y) < 8:
        return view.light
    near = torch.where(seen[rows, columns], depth[rows, columns] * 1.001 + 0.005, NO_HIT)
    behind, what = cast_grid(solids, mirrored, near)
    image = _shade(bank, solids, lighting, mirrored, behind, what, fine).light
    gloss = view.gloss[rows, columns]
    cosine = (normal @ (point - rays.origin)) / np.linalg.norm(point - rays.origin)
    polish = gloss * (0.25 + 0.75 * (1 - abs(float(cosine))) ** 3) * float(rng.uniform(0.3, 1.0))
    share = torch.where(gloss > 0.9, gloss, polish)
    light = view.light.clone()
    mixed = light[rows, columns].lerp(image, share.clamp(0, 0.95)[..., None])
    light[rows, columns] = torch.where(seen[rows, columns][..., None], mixed, light[rows, columns])
    return light
