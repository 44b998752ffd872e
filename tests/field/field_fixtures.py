"""A small random network, so that the tests of this room take seconds."""

from __future__ import annotations

import numpy as np
import torch

from infinidepth_blender.field.network import InfiniDepthNetwork, NetworkConfig
from infinidepth_blender.field.vit import VitConfig


def small_network(seed: int = 0, two_surfaces: bool = False, detail_channels: int = 0) -> InfiniDepthNetwork:
    config = NetworkConfig(
        vit=VitConfig(width=32, blocks=4, heads=2, in_channels=5),
        blocks=(0, 1, 2, 3),
        channels=(8, 12, 16, 20),
        expansion=2,
        head_hidden=16,
        globals_hidden=16,
        tokens=24,
        two_surfaces=two_surfaces,
        detail_channels=detail_channels,
    )
    torch.manual_seed(seed)
    network = InfiniDepthNetwork(config).eval()
    # Fresh gates are 1 and fresh biases 0, which would hide mistakes with them.
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
        if network.decoder.head_sides is not None:
            network.decoder.head_sides.weight.mul_(2)
    return network


def make_photo(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A smooth random photo with some texture."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = [
        np.sin(x * f + p) + np.cos(y * f - p) for f, p in zip((0.05, 0.11, 0.23), rng.uniform(0, 6, 3), strict=True)
    ]
    picture = np.stack(waves, axis=-1) * 40 + 128 + rng.normal(0, 4, (height, width, 3))
    return picture.clip(0, 255).astype(np.uint8)
