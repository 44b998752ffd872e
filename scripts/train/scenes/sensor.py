"""From linear light to a photograph: lens blur, vignetting, white balance, tone curve, noise, JPEG blocks."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..sending import constant

LUMA = (0.299, 0.587, 0.114)
YCC = (LUMA, (-0.169, -0.331, 0.5), (0.5, -0.419, -0.081))
"""Brightness and two differences of colour from red, green and blue, as JPEG stores them."""
RGB = tuple(map(tuple, np.linalg.inv(np.array(YCC)).tolist()))
"""The inverse."""
STEP_OF_MEAN = 2 / 255
"""Step of the mean of a block, at a strength of 1."""


def gaussian_blur(image: Tensor, sigma_px: float) -> Tensor:
    """(C, H, W) blurred with reflected borders; unchanged below a tenth of a pixel."""
    if sigma_px < 0.1:
        return image
    reach = max(1, math.ceil(2.5 * sigma_px))
    taps = torch.arange(-reach, reach + 1, dtype=image.dtype, device=image.device)
    kernel = torch.exp(-0.5 * (taps / sigma_px) ** 2)
    kernel = kernel / kernel.sum()
    padded = F.pad(image[None], (reach, reach, reach, reach), mode="reflect")[0]
    rows, columns = image.shape[1], image.shape[2]
    # Weighted sums of slices: faster than a grouped convolution on a CPU.
    across = sum(float(kernel[k]) * padded[:, :, k : k + columns] for k in range(2 * reach + 1))
    return sum(float(kernel[k]) * across[:, k : k + rows] for k in range(2 * reach + 1))  # type: ignore[index,return-value]


def jpeg_like(images: Tensor, strength: float | Tensor) -> Tensor:
    """(B, 3, H, W) in [0, 1] after quantisation of 8 x 8 cosine blocks, as JPEG does.

    Args:
        images: As above.
        strength: One for all, or (B, 1, 1, 1); 8 has the coarsest step of quality 50.
    """
    height, width = images.shape[2:]
    padded = F.pad(images, (0, -width % 8, 0, -height % 8), mode="replicate")
    mix, unmix = constant(YCC, images.device), constant(RGB, images.device)
    k = torch.arange(8, device=images.device)
    basis = torch.cos((2 * k[None] + 1) * k[:, None] * math.pi / 16) / 2
    basis[0] /= math.sqrt(2)
    blocks = torch.einsum("ij,bjhw->bihw", mix, padded).unflatten(2, (-1, 8)).unflatten(4, (-1, 8))
    spectrum = torch.einsum("ky,lx,bcryqx->bcrkql", basis, basis, blocks)
    # Coarser the finer the structure, and colours half as finely as brightness.
    steps = (
        STEP_OF_MEAN * (1 + k[:, None, None] + k) * constant((1.0, 2.0, 2.0), images.device)[:, None, None, None, None]
    )
    steps = steps * (strength[..., None, None] if isinstance(strength, Tensor) else strength)
    blocks = torch.einsum("ky,lx,bcrkql->bcryqx", basis, basis, (spectrum / steps).round() * steps)
    ycc = blocks.flatten(4, 5).flatten(2, 3)
    return torch.einsum("ij,bjhw->bihw", unmix, ycc)[..., :height, :width].clamp(0, 1)


def expose(rng: np.random.Generator, linear: Tensor, fine: bool = False) -> Tensor:
    """A photograph from linear light at twice its resolution.

    Args:
        rng: Draws the camera's settings.
        linear: (3, 2H, 2W) linear RGB, any scale.
        fine: Keeps all pixels, as soft as a lens makes them instead of averaged by fours.

    Returns:
        (3, H, W) uint8 sRGB, (3, 2H, 2W) if fine.
    """
    image = linear.clamp(0, 60)
    if rng.random() < 0.35:
        image = gaussian_blur(image, float(rng.uniform(0.5, 2.2)))
    elif fine:
        image = gaussian_blur(image, float(rng.uniform(0.4, 0.7)))
    if not fine:
        image = F.avg_pool2d(image[None], 2)[0]
    rows, columns = image.shape[1:]
    if rng.random() < 0.5:
        y = torch.linspace(-1, 1, rows, device=image.device)[:, None]
        x = torch.linspace(-1, 1, columns, device=image.device)[None]
        image = image * (1 - float(rng.uniform(0, 0.45)) * (x * x + y * y) / 2)
    image = image * image.new_tensor(np.exp(rng.normal(0, 0.1, 3)))[:, None, None]
    luma = image.mean(dim=0).flatten()[:: max(1, rows * columns // 4000)]
    key = float(luma.quantile(float(rng.uniform(0.4, 0.75))).clamp_min(1e-4))
    image = image * (float(rng.uniform(0.12, 0.5)) / key)
    white = float(rng.uniform(2.0, 8.0))
    image = image * (1 + image / (white * white)) / (1 + 0.6 * image)
    noise = float(rng.choice([0.0, 0.004, rng.uniform(0.005, 0.03)], p=[0.3, 0.4, 0.3]))
    image = (
        image
        + torch.from_numpy(rng.standard_normal(tuple(image.shape), dtype=np.float32)).to(image)
        * noise
        * (image.clamp(0, 1) + 0.02).sqrt()
    )
    image = image.clamp(0, 1) ** float(1 / rng.uniform(1.9, 2.5))
    if rng.random() < 0.5:
        contrast = float(rng.uniform(-0.15, 0.35))
        image = image + contrast * (image - 0.5) * 4 * image * (1 - image)
    grey = image.mean(dim=0, keepdim=True)
    image = (grey + (image - grey) * float(rng.choice([1.0, rng.uniform(0.3, 1.4), 0.0], p=[0.3, 0.67, 0.03]))).clamp(
        0, 1
    )
    if rng.random() < 0.25:  # sharpening as phones do
        image = (image + float(rng.uniform(0.2, 0.8)) * (image - gaussian_blur(image, 1.0))).clamp(0, 1)
    if rng.random() < 0.5:
        image = jpeg_like(image[None], float(rng.uniform(0.5, 6)))[0]
    return (image * 255).round().clamp(0, 255).to(torch.uint8)
