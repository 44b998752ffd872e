"""The Gaussian predictor with the golden weights, and its answers named as the golden files name them."""

from __future__ import annotations

import functools

import numpy as np
import torch
from goldens import fill_by_rule
from numpy.typing import NDArray

from infinidepth_blender.splats.predictor import GaussianPredictor, SampledGaussians

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


def official_sparse_means(g: dict[str, NDArray]) -> torch.Tensor:
    """The official pipeline's places, with its half pixel off: pixel centres at whole numbers."""
    height, width = g["image_u8"].shape[1:3]
    y, x = np.moveaxis(g["sparse_coords"].astype(np.float64), -1, 0)
    pixels = np.stack([(x + 1) * width / 2 - 0.5, (y + 1) * height / 2 - 0.5, np.ones_like(x)], axis=-1)
    points = pixels @ np.linalg.inv(g["intrinsics"].astype(np.float64)).transpose(0, 2, 1) * g["sparse_depth"]
    pose = g["extrinsics_c2w"].astype(np.float64)
    return torch.from_numpy(points @ pose[:, :3, :3].transpose(0, 2, 1) + pose[:, None, :3, 3])
