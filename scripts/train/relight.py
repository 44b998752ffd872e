"""The same places in other light: changes of tone that follow the surfaces, which `recolour` does not see.

In rendered scenes a wall is hardly ever as bright as the ground before it, and a network learns to tell them apart by
that. In photographs of plain rooms and shaded roads they often are. What a picture owes to the directions of its
surfaces is close to nine spherical harmonics of their normals (Ramamoorthi and Hanrahan, "An efficient representation
for irradiance environment maps", 2001): fitted and taken away, surfaces become equally bright; another light can be
put in its place. Runs where the images are.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from .pool import LOG_FAR, LOG_NEAR, SKY_CODE
from .sending import sent

Codes = TypeVar("Codes", NDArray[np.uint16], Tensor)
SHARE = 0.35
"""Of the images of a batch."""
_LEVELLED_SHARE = 0.65
_LEVELLED = (0.4, 1.1)
_LIGHT, _TINT = 0.22, 0.05
"""Standard deviations of the logarithm of light from one side, of all channels and of each."""
_LARGEST = 1.2
"""Change of the logarithm that no pixel exceeds."""
_DARKEST = 0.02
_JUMP = 0.1
"""What a jump of disparity counts beside a second difference of the same size."""
_CODE = float((LOG_FAR - LOG_NEAR) / (SKY_CODE - 1))
"""Step of log depth in a shard."""
_ROUNDED = 4 * _CODE
"""Second difference over disparity that rounding and dither alone can make: a whole code at each of the four terms."""


def chosen_to_relight(count: int, rng: np.random.Generator) -> NDArray[np.int_]:
    """Which of `count` images get another light."""
    return np.flatnonzero(rng.random(count) < SHARE)


def every_other(codes: Codes, height_px: int) -> Codes:
    """(..., h, w) truth at every other pixel of an image of that height, which is as fine as the truth or half as fine."""
    step = 2 * codes.shape[-2] // height_px
    return codes[..., step // 2 :: step, step // 2 :: step]


def relit(images: Tensor, log_depth: Tensor, focal: Tensor, rng: np.random.Generator) -> Tensor:
    """(n, 3, H, W) images in [0, 1] whose light from all sides was evened out, or changed, or both.

    Args:
        images: (n, 3, H, W) in [0, 1].
        log_depth: (n, h, w) at every other pixel of them (`every_other`), infinite at the sky, which stays as it is but for
            a pixel at its border. What is a single place wide before the sky has no normal and stays, too.
        focal: (n,) focal lengths over the diagonal.
        rng: Source of randomness.
    """
    count, device = len(images), images.device
    log_depth = dithered(log_depth, int(rng.integers(1 << 31)))
    strength = np.where(rng.random(count) < _LEVELLED_SHARE, rng.uniform(*_LEVELLED, count), 0.0)
    light = rng.normal(0, _LIGHT, (count, 3, 1)) + rng.normal(0, _TINT, (count, 3, 3))
    return _in_light(images, normals(log_depth, focal), sent(strength, device), sent(light, device))


def evened(images: Tensor, log_depth: Tensor, focal: Tensor) -> Tensor:
    """(n, 3, H, W) images as `relit` takes them, in which surfaces of all directions are equally bright in the mean."""
    normal = normals(dithered(log_depth, 0), focal)
    return _in_light(images, normal, torch.ones_like(focal), normal.new_zeros((len(images), 3, 3)))


def dithered(log_depth: Tensor, seed: int) -> Tensor:
    """Log depth that was rounded to the codes of a shard, anywhere inside of what was rounded to the same.

    Where neighbours have the same code or the next, light by the normals of rounded depth has steps along lines that
    follow the shape; so it has a little grain instead.

    Args:
        log_depth: Any shape, infinite at the sky.
        seed: Of the noise.
    """
    noise = torch.rand(
        log_depth.shape, generator=torch.Generator(log_depth.device).manual_seed(seed), device=log_depth.device
    )
    return log_depth + _CODE * (noise - 0.5)


def _in_light(images: Tensor, normal: Tensor, strength: Tensor, light: Tensor) -> Tensor:
    """Images with (n,) shares of what normals tell taken away, and (n, 3 axes, 3 channels) logarithmic light added."""
    solid = normal.square().sum(1) > 0.5
    change = torch.einsum("nkhw,nkc->nchw", normal, light)
    change = change - strength[:, None, None, None] * explained(images, normal, solid)
    change = change.clamp(-_LARGEST, _LARGEST) * solid[:, None]
    return (images * F.interpolate(change, images.shape[2:], mode="bilinear").exp()).clamp(0, 1)


def normals(log_depth: Tensor, focal: Tensor) -> Tensor:
    """(n, 3, h, w) unit normals in the camera's axes, from the neighbours that are on the same surface; 0 at the sky.

    Args:
        log_depth, focal: As `relit` has them.
    """
    count, height, width = log_depth.shape
    device = log_depth.device
    focal_px = focal * float(np.hypot(height, width))
    y = torch.arange(height, device=device) + 0.5 - height / 2
    x = torch.arange(width, device=device) + 0.5 - width / 2
    ray_y = (y / focal_px[:, None])[:, :, None].expand(count, height, width)
    ray_x = (x / focal_px[:, None])[:, None, :].expand(count, height, width)
    rays = torch.stack([ray_x, ray_y, torch.ones_like(ray_x)], dim=1)
    known = log_depth.isfinite()
    depth = torch.where(known, log_depth, 0.0).exp()
    points, disparity = rays * depth[:, None], torch.where(known, 1 / depth, torch.nan)
    # x right and y down: in this order it looks at the camera.
    normal = torch.linalg.cross(_step(points, disparity, 2), _step(points, disparity, 3), dim=1)
    length = normal.square().sum(dim=1, keepdim=True).sqrt()
    return torch.where(known[:, None] & (length > 0), normal / length.clamp_min(1e-20), 0.0)


def _step(points: Tensor, disparity: Tensor, axis: int) -> Tensor:
    """(n, 3, h, w) way to the next place along an axis of `points`, by the neighbours that are on the same surface.

    Along a plane disparity is linear, so that its second difference is 0. Where that of both neighbours is nothing but
    rounded, the way is the mean to either side; else it is the one on the side where the surface goes on straighter.
    There a jump counts a little as well, since beside a thing of two places both sides have the same second difference.

    Args:
        points: (n, 3, h, w).
        disparity: (n, h, w), not a number at the sky.
        axis: 2 or 3.
    """
    last, first = {2: ((0, 0, 0, 1), (0, 0, 1, 0)), 3: ((0, 1), (1, 0))}[axis]
    jump = disparity.diff(dim=axis - 1)
    bend, jump = jump.diff(dim=axis - 1).abs(), jump.abs()
    # Between two places without a third one only the jump is known.
    next_cost, last_cost = (
        torch.where(straight.isnan(), jump, straight + _JUMP * jump).nan_to_num(torch.inf)
        for straight in (F.pad(bend, last, value=torch.nan), F.pad(bend, first, value=torch.nan))
    )
    next_cost, last_cost = F.pad(next_cost, last, value=torch.inf), F.pad(last_cost, first, value=torch.inf)
    flat = F.pad(F.pad(bend, first, value=torch.nan), last, value=torch.nan) <= _ROUNDED * disparity
    ahead = points.diff(dim=axis)
    after, before = F.pad(ahead, last), F.pad(ahead, first)
    share = torch.where(flat, 0.5, (next_cost <= last_cost).to(points.dtype))[:, None]
    steps = torch.lerp(before, after, share)
    return torch.where((next_cost.isfinite() | last_cost.isfinite())[:, None], steps, 0.0)


def harmonics(normal: Tensor) -> Tensor:
    """(n, 9, H, W) spherical harmonics up to the second order, but for constant factors."""
    x, y, z = normal.unbind(1)
    one = torch.ones_like(x)
    return torch.stack([one, x, y, z, x * y, y * z, z * x, x * x - y * y, 3 * z * z - 1], dim=1)


def explained(images: Tensor, normal: Tensor, solid: Tensor) -> Tensor:
    """(n, 3, h, w) what normals tell of the logarithm of every channel, its mean over the surfaces taken away.

    Args:
        images: (n, 3, H, W).
        normal: (n, 3, h, w).
        solid: (n, h, w) where there is a surface.
    """
    basis = harmonics(normal)
    weight = solid[:, None].flatten(2).to(images.dtype)
    known = basis.flatten(2) * weight
    pixels = F.interpolate(images, solid.shape[1:], mode="nearest-exact")
    tones = pixels.flatten(2).clamp_min(_DARKEST).log() * weight
    total = weight.sum(2, keepdim=True).clamp_min(1)
    ridge = 1e-3 * torch.eye(basis.shape[1], device=images.device)
    # `solve` would wait for a graphics card; the ridge keeps the matrix from being singular.
    factors, _ = torch.linalg.solve_ex(known @ known.mT / total + ridge, known @ tones.mT / total)
    told = torch.einsum("nkhw,nkc->nchw", basis[:, 1:], factors[:, 1:])
    mean = (told.flatten(2) * weight).sum(2, keepdim=True) / total
    return told - mean[..., None]
