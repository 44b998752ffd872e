"""Photographs of the same places by other cameras, in other light, after other hands: changes of colour alone.

Rendered pictures differ from photographs in what they are made of: tone curves, sharpening, compression, shadows of
things out of sight, dirt. A network that has seen all of these vary at random reads shapes instead (domain
randomisation, arXiv 1703.06907; random convolutions, arXiv 2007.13003). Runs where the images are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from .scenes.sensor import LUMA, jpeg_like
from .sending import constant, sent


def recoloured(images: Tensor, rng: np.random.Generator) -> Tensor:
    """(B, 3, H, W) in [0, 1], changed in the order light, lens, sensor, development, file, each change for some of them."""
    change = _Changes(images, rng)
    change.some(0.15, _lit, noisy=True, strength=(0.1, 0.6), hardness=(0.0, 1.0))
    change.some(0.08, _stained, others=True, strength=(0.1, 0.5))
    change.some(0.12, _toned_like, others=True, strength=(0.1, 0.8))
    change.all(_exposed, rng.uniform(0.75, 1.25, (len(images), 1)) * np.exp(rng.normal(0, 0.07, (len(images), 3))))
    change.some(0.2, _blurred, sigma_px=(0.4, 1.5))
    change.some(0.1, partial(_coarsened, factor=float(rng.uniform(1.3, 2.5))))
    change.some(0.05, _shaken, noisy=True, length_px=(2.0, 9.0))
    change.some(0.35, _noisy, noisy=True, deviation=(0.004, 0.045), grey=(0.0, 1.0), coarse=(0.0, 1.0))
    change.some(0.7, _bent, log_gamma=(-0.45, 0.45))
    change.some(0.4, _contrasted, strength=(-0.2, 0.5))
    change.some(0.15, _relieved, strength=(-0.3, 0.8))
    change.some(0.4, _saturated, factor=(0.0, 1.4))
    change.some(0.03, partial(_permuted, order=rng.permutation(3).tolist()))
    change.some(0.05, _convolved, noisy=True, strength=(0.2, 0.8))
    change.some(0.2, _sharpened, strength=(0.2, 1.2))
    change.some(0.3, jpeg_like, strength=(0.5, 8.0))
    return change.images


class _Changes:
    """Applies changes to random images of a batch."""

    def __init__(self, images: Tensor, rng: np.random.Generator) -> None:
        # The images that came in are the caller's.
        self.images, self.rng = images.clone(), rng
        self.noise = torch.Generator(images.device).manual_seed(int(rng.integers(2**62)))

    def all(self, change: Callable[..., Tensor], values: NDArray[np.floating]) -> None:
        """`change` of all images with (B, ...) values."""
        self.images = change(self.images, sent(values, self.images.device))

    def some(
        self,
        share: float,
        change: Callable[..., Tensor],
        others: bool = False,
        noisy: bool = False,
        **ranges: tuple[float, float],
    ) -> None:
        """`change` of a share of the images, with a number out of each range for every one.

        Args:
            share: As above.
            change: Takes images, then as many other images of the batch if `others`, a source of noise if `noisy`, and
                numbers (n, 1, 1, 1) by name.
            others, noisy: As above.
            ranges: Least and largest of every number.
        """
        count, device = len(self.images), self.images.device
        chosen = np.flatnonzero(self.rng.random(count) < share)
        if not len(chosen):
            return
        drawn = np.array([self.rng.uniform(*limits, len(chosen)) for limits in ranges.values()])
        values = sent(drawn.reshape(-1, len(chosen), 1, 1, 1), device)
        source = {"noise": self.noise} if noisy else {}
        apart = self.rng.integers(1, max(2, count)) if others else 0
        before = self.images.clone() if others else self.images
        for part in self._parts(len(chosen)):
            at = sent(chosen[part], device)
            seen = [self.images[at]]
            if others:
                seen.append(before[sent((chosen[part] + apart) % count, device)])
            numbers = {name: value[part] for name, value in zip(ranges, values, strict=True)}
            self.images.index_copy_(0, at, change(*seen, **source, **numbers).clamp_(0, 1))

    def _parts(self, count: int) -> list[slice]:
        """A processor changes one image after another, each of which its cache holds; a graphics card all at once."""
        return [slice(None)] if self.images.is_cuda else [slice(k, k + 1) for k in range(count)]


# -- light and surfaces ----------------------------------------------------------


def _lit(images: Tensor, noise: torch.Generator, strength: Tensor, hardness: Tensor) -> Tensor:
    """Patches of light and shadow that no surface follows; the harder, the closer to two levels."""
    count, _, height, width = images.shape
    field = torch.randn((count, 1, 5, 5), generator=noise, device=images.device)
    field = F.interpolate(field, (height, width), mode="bicubic", align_corners=True)
    field = (field * (1 + 40 * hardness**4)).tanh()
    return images * (strength * field).exp()


def _stained(images: Tensor, others: Tensor, strength: Tensor) -> Tensor:
    """The fine structure of another picture on this one, as dirt, prints and reflections have it."""
    return images + strength * (others - _smooth(others, 8))


def _toned_like(images: Tensor, others: Tensor, strength: Tensor) -> Tensor:
    """Mean and contrast of every channel moved towards those of another picture."""
    mean, contrast = _moments(images)
    other_mean, other_contrast = _moments(others)
    ratio = (other_contrast + 0.02) / (contrast + 0.02)
    return images.lerp((images - mean) * ratio.clamp(0.4, 2.5) + other_mean, strength)


# -- lens and sensor -------------------------------------------------------------


def _exposed(images: Tensor, gains: Tensor) -> Tensor:
    return (images * gains[..., None, None]).clamp_(0, 1)


def _blurred(images: Tensor, sigma_px: Tensor) -> Tensor:
    taps = torch.arange(-4, 5, device=images.device)
    kernel = torch.exp(-0.5 * (taps / sigma_px.flatten(1)) ** 2)
    return _filtered(images, kernel / kernel.sum(1, keepdim=True))


def _filtered(images: Tensor, kernel: Tensor) -> Tensor:
    """Every image with its own (B, 2 r + 1) kernel, along both axes."""
    count, channels, height, width = images.shape
    reach = kernel.shape[1] // 2
    flat = F.pad(images, (reach,) * 4, mode="replicate").flatten(0, 1)[None]
    weight = kernel.repeat_interleave(channels, 0)[:, None]
    flat = F.conv2d(flat, weight[..., None], groups=count * channels)
    return F.conv2d(flat, weight[..., None, :], groups=count * channels).reshape(count, channels, height, width)


def _coarsened(images: Tensor, factor: float) -> Tensor:
    """Enlarged from fewer pixels, all of them by one factor."""
    small = [max(8, round(side / factor)) for side in images.shape[2:]]
    shrunk = F.interpolate(images, small, mode="bilinear", antialias=True)
    return F.interpolate(shrunk, images.shape[2:], mode="bilinear")


def _shaken(images: Tensor, noise: torch.Generator, length_px: Tensor) -> Tensor:
    """Moved along a line while the shutter was open."""
    count, _, height, width = images.shape
    angle = math.pi * torch.rand((count, 1), generator=noise, device=images.device)
    steps = torch.linspace(-0.5, 0.5, 9, device=images.device) * length_px.flatten(1)
    base = F.affine_grid(torch.eye(2, 3, device=images.device)[None], [1, 1, height, width], align_corners=False)
    moved = torch.zeros_like(images)
    for k in range(9):
        shift = torch.stack([steps[:, k] * angle[:, 0].cos() / width, steps[:, k] * angle[:, 0].sin() / height], dim=1)
        moved += F.grid_sample(images, base + 2 * shift[:, None, None], padding_mode="border", align_corners=False)
    return moved / 9


def _noisy(images: Tensor, noise: torch.Generator, deviation: Tensor, grey: Tensor, coarse: Tensor) -> Tensor:
    """Grain that is fine or coarse, coloured or grey, and stronger in the dark."""
    grain = torch.randn(images.shape, generator=noise, device=images.device)
    grain = torch.where(grey > 0.5, grain[:, :1], grain)
    grain = torch.where(coarse > 0.6, 2 * _averaged(grain), grain)
    return images + grain * deviation * (1.3 - images.mean(dim=1, keepdim=True))


# -- development and file --------------------------------------------------------


def _bent(images: Tensor, log_gamma: Tensor) -> Tensor:
    # A power, in a third of its time.
    return images.clamp_min(1e-4).log_().mul_(log_gamma.exp()).exp_()


def _contrasted(images: Tensor, strength: Tensor) -> Tensor:
    return images + 4 * strength * (images - 0.5) * images * (1 - images)


def _relieved(images: Tensor, strength: Tensor) -> Tensor:
    """Local contrast, as tone mapping adds or removes it."""
    return images + strength * (images - _smooth(images, 16))


def _saturated(images: Tensor, factor: Tensor) -> Tensor:
    grey = _grey(images)
    # What is nearly grey becomes so.
    return grey + (images - grey) * torch.where(factor < 0.15, 0.0, factor)


def _permuted(images: Tensor, order: list[int]) -> Tensor:
    """The channels in another order, the same for all."""
    return images[:, order]


def _convolved(images: Tensor, noise: torch.Generator, strength: Tensor) -> Tensor:
    """Mixed with random filters of 3 x 3 pixels over all channels, every channel with the mean and contrast before."""
    count, channels, height, width = images.shape
    weight = torch.randn((count * channels, channels, 3, 3), generator=noise, device=images.device)
    padded = F.pad(images, (1, 1, 1, 1), mode="replicate").flatten(0, 1)[None]
    mixed = F.conv2d(padded, weight, groups=count).reshape(count, channels, height, width)
    (mean, contrast), (mixed_mean, mixed_contrast) = _moments(images), _moments(mixed)
    return images.lerp((mixed - mixed_mean) * (contrast / mixed_contrast.clamp_min(1e-4)) + mean, strength)


def _sharpened(images: Tensor, strength: Tensor) -> Tensor:
    return images + strength * (images - _averaged(images))


def _moments(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of every channel, (B, C, 1, 1)."""
    mean = images.mean(dim=(2, 3), keepdim=True)
    # Over one square, as torch's own takes four times as long here.
    variance = images.square().mean(dim=(2, 3), keepdim=True) - mean.square()
    return mean, variance.clamp_min(0).sqrt()


def _averaged(images: Tensor) -> Tensor:
    """Means over 3 x 3 pixels, in a third of the time of a pooling."""
    padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
    rows = padded[..., :-2] + padded[..., 1:-1]
    rows += padded[..., 2:]
    both = rows[..., :-2, :] + rows[..., 1:-1, :]
    both += rows[..., 2:, :]
    return both.mul_(1 / 9)


def _grey(images: Tensor) -> Tensor:
    return (images * constant(LUMA, images.device)[:, None, None]).sum(dim=1, keepdim=True)


def _smooth(images: Tensor, cell_px: int) -> Tensor:
    """Blurred by about `cell_px`, cheaply."""
    small = F.avg_pool2d(images, cell_px, ceil_mode=True, count_include_pad=False)
    small = F.avg_pool2d(small, 3, stride=1, padding=1, count_include_pad=False)
    return F.interpolate(small, images.shape[2:], mode="bilinear")
