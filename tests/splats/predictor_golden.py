"""The Gaussian predictor with the golden weights, and its answers named as the golden files name them."""

from __future__ import annotations

import functools

import numpy as np
import torch
import torch.nn.functional as F
from goldens import fill_by_rule
from numpy.typing import NDArray

from infinidepth_blender.splats.predictor import GaussianMap, GaussianPredictor, SampledGaussians, _split

ATTRIBUTES = ("means", "harmonics", "opacities", "scales", "rotations")


def assert_close(ours: NDArray, expected: NDArray) -> None:
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-4)


@functools.cache
def rule_predictor(token_width: int) -> GaussianPredictor:
    predictor = GaussianPredictor(token_width)
    fill_by_rule(predictor)
    return predictor.requires_grad_(False)


def official_names(gaussians: SampledGaussians, means: torch.Tensor) -> dict[str, NDArray]:
    """Arrays of the first photo as the golden files have them: harmonics are colour by colour."""
    return {
        "means": means[0].numpy(),
        "harmonics": gaussians.sh[0].mT.numpy(),
        "opacities": gaussians.opacities[0].numpy(),
        "scales": gaussians.scales_m[0].numpy(),
        "rotations": gaussians.rotations[0].numpy(),
    }


def every_pixel(seen: GaussianMap) -> SampledGaussians:
    """The Gaussians of all pixels, row by row."""
    return _split(seen.attributes.flatten(2).mT)


def official_at(seen: GaussianMap, coords_yx: torch.Tensor) -> SampledGaussians:
    """Between the pixels as the official pipeline has them: zeros beyond the outermost pixel centres."""
    size = torch.tensor(seen.attributes.shape[2:])
    framed = GaussianMap(F.pad(seen.offsets_px, (1, 1, 1, 1)), F.pad(seen.attributes, (1, 1, 1, 1)))
    return framed.at(coords_yx * (size / (size + 2)))


def official_dense_means(
    seen: GaussianMap, depth_m: torch.Tensor, intrinsics: torch.Tensor, cam_to_world: torch.Tensor
) -> torch.Tensor:
    """(B, H * W, 3) places of the pixels' own Gaussians, row by row; the arguments are the golden file's."""
    height, width = seen.offsets_px.shape[2:]
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    pixels = torch.cat([torch.stack([x, y]) + seen.offsets_px, torch.ones_like(depth_m)], dim=1).flatten(2)
    rays = torch.linalg.inv(intrinsics) @ pixels
    points = rays / rays[:, 2:] * depth_m.flatten(2)
    return (cam_to_world[:, :3, :3] @ points + cam_to_world[:, :3, 3:]).mT


def official_sparse_means(g: dict[str, NDArray]) -> torch.Tensor:
    """The official pipeline's places, with its half pixel off: pixel centres at whole numbers."""
    height, width = g["image_u8"].shape[1:3]
    y, x = np.moveaxis(g["sparse_coords"].astype(np.float64), -1, 0)
    pixels = np.stack([(x + 1) * width / 2 - 0.5, (y + 1) * height / 2 - 0.5, np.ones_like(x)], axis=-1)
    points = pixels @ np.linalg.inv(g["intrinsics"].astype(np.float64)).transpose(0, 2, 1) * g["sparse_depth"]
    pose = g["extrinsics_c2w"].astype(np.float64)
    return torch.from_numpy(points @ pose[:, :3, :3].transpose(0, 2, 1) + pose[:, None, :3, 3])
