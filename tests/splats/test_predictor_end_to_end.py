"""From the photo to Gaussians with the published networks, step by step against the golden run."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from goldens import fill_by_rule, golden_files
from numpy.typing import NDArray
from official_samplers import largest_triangles, to_coords, triangles
from official_warp import disparity_to_depth
from predictor_golden import (
    ATTRIBUTES,
    assert_close,
    official_at,
    official_names,
    official_sparse_means,
    rule_predictor,
)
from scipy.spatial import KDTree

from infinidepth_blender.field.official.config import OfficialConfig
from infinidepth_blender.field.official.network import OfficialDepthNetwork, OfficialFeatures
from infinidepth_blender.field.protocol import pixel_centres_yx
from infinidepth_blender.field.robust_line import fit_affine_robust

FILES = golden_files("gs_e2e_*.npz")


@dataclass(frozen=True)
class Run:
    """A golden run and what our network sees of its photo."""

    golden: dict[str, NDArray]
    network: OfficialDepthNetwork
    features: OfficialFeatures

    def depth(self, coords_yx: torch.Tensor) -> NDArray:
        """(N,) metres, with the golden run's own alignment."""
        raw = self.network.decode(self.features, coords_yx)
        scale, shift = (torch.from_numpy(self.golden[name]) for name in ("scale", "shift"))
        return disparity_to_depth(scale * raw + shift)[0].numpy()


@functools.cache
def run(path: Path) -> Run:
    golden = dict(np.load(path))
    with torch.device("meta"):
        network = OfficialDepthNetwork(OfficialConfig("vitl16", prompted=False))
    fill_by_rule(network)
    with torch.no_grad():
        return Run(golden, network, network.encode(torch.from_numpy(golden["image_u8"]).permute(0, 3, 1, 2) / 255))


def sample_counts(golden: dict[str, NDArray]) -> list[str]:
    return sorted((name.removeprefix("coords3d_") for name in golden if name.startswith("coords3d_")), key=int)


@pytest.mark.parametrize("path", FILES)
def test_tokens(path):
    np.testing.assert_allclose(run(path).features.dino_tokens, run(path).golden["dino_tokens"], atol=5e-5)


@pytest.mark.parametrize("path", FILES)
@torch.no_grad()
def test_depth_map(path):
    golden = run(path).golden
    height, width = golden["depthmap"].shape[2:]
    ours = run(path).depth(pixel_centres_yx(height, width)[None])
    np.testing.assert_allclose(ours.reshape(height, width), golden["depthmap"][0, 0], rtol=1e-3)


@pytest.mark.parametrize("path", FILES)
@torch.no_grad()
def test_alignment_with_the_reference(path):
    golden, network, features = run(path).golden, run(path).network, run(path).features
    height, width = golden["gt_disp"].shape[2:]
    raw = network.decode(features, pixel_centres_yx(height, width)[None])[0].numpy()
    reference = golden["gt_disp"].ravel()
    known = (golden["gt_mask"].ravel() > 0) & (reference > 1e-8)
    # The golden fit drew its pairs from another generator: two sound fits agree to a thousandth.
    fit = fit_affine_robust(raw[known], reference[known])
    np.testing.assert_allclose(fit, (golden["scale"][0], golden["shift"][0]), atol=1e-3)


@pytest.mark.parametrize("path", FILES)
def test_sampled_coordinates_are_the_same_set(path):
    golden = run(path).golden
    k = golden["intrinsics"][0]
    kept = triangles(golden["depthmap"][0, 0], (k[0, 0], k[1, 1], k[0, 2], k[1, 2]))
    for count in sample_counts(golden):
        expected = golden[f"coords3d_{count}"][0]
        ours = to_coords(largest_triangles(kept, int(count)), golden["depthmap"].shape[2:])
        for a, b in ((ours, expected), (expected, ours)):
            assert (KDTree(a).query(b)[0] > 1e-5).mean() < 1e-3


@pytest.mark.parametrize("path", FILES)
@torch.no_grad()
def test_depth_of_the_samples(path):
    golden = run(path).golden
    for count in sample_counts(golden):
        ours = run(path).depth(torch.from_numpy(golden[f"coords3d_{count}"]))
        np.testing.assert_allclose(ours, golden[f"depth3d_{count}"][0, :, 0], rtol=1e-3)


@functools.cache
def gaussians(path: Path) -> dict[str, NDArray]:
    """Of the stored coordinates and depths, from the stored depth map and our own tokens."""
    golden, tokens = run(path).golden, run(path).features.dino_tokens
    image = torch.from_numpy(golden["image_u8"]).permute(0, 3, 1, 2) / 255
    seen = rule_predictor(tokens.shape[-1])(image, torch.from_numpy(golden["depthmap"]), tokens)
    first = sample_counts(golden)[0]
    count = len(golden["sparse_means"])
    coords, depth = golden[f"coords3d_{first}"][:, :count], golden[f"depth3d_{first}"][:, :count]
    means = official_sparse_means(golden | {"sparse_coords": coords, "sparse_depth": depth})
    return official_names(official_at(seen, torch.from_numpy(coords)), means)


@pytest.mark.parametrize("name", ATTRIBUTES)
@pytest.mark.parametrize("path", FILES)
def test_gaussians_of_the_samples(path, name):
    assert_close(gaussians(path)[name], run(path).golden[f"sparse_{name}"])
