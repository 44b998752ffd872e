"""The baseline is the released one: its goldens, up to the order of equal areas."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from goldens import golden_files
from official_samplers import (
    Triangles,
    cells_by_weight,
    jittered_coords,
    largest_triangles,
    normal_weights,
    random_in_triangles,
    to_coords,
    triangles,
    within_depth_ratio,
)
from scipy.spatial import KDTree

DETERMINISTIC = golden_files("sampler_[!ar]*.npz")
RANDOM = golden_files("sampler_random_*.npz")
AUTOGRAD = golden_files("sampler_autograd_*.npz")


@functools.cache
def golden(path: Path) -> dict[str, np.ndarray]:
    return dict(np.load(path))


def options_of(path: Path) -> dict[str, Any]:
    return json.loads(bytes(golden(path)["options"])) if "options" in golden(path) else {}


@functools.cache
def kept(path: Path) -> Triangles:
    g, options = golden(path), options_of(path)
    options.pop("coord_norm", None)
    return triangles(g["depth"], tuple(g["K"].tolist()), sky_mask=g.get("sky_mask"), **options)


@functools.cache
def sampled(path: Path) -> np.ndarray:
    g = golden(path)
    return to_coords(largest_triangles(kept(path), int(g["N"])), g["depth"].shape)


def has_ties(path: Path) -> bool:
    """Whether which triangles are the largest is a matter of rounding."""
    areas = np.sort(kept(path).areas)
    return bool((np.diff(areas) < 1e-6 * areas[1:]).mean() > 0.5)


def counts_8x8(coords: np.ndarray) -> np.ndarray:
    bins = np.clip((coords + 1) * 4, 0, 7).astype(np.int64)
    return np.bincount(bins[:, 0] * 8 + bins[:, 1], minlength=64).reshape(8, 8)


@pytest.mark.parametrize("path", DETERMINISTIC)
def test_pruning_keeps_the_same_number_of_triangles(path):
    g, found = golden(path), kept(path)
    assert found.count_all == g["num_faces_all"]
    assert found.count_connected == g["num_faces_depth_ratio"]
    assert len(found) == g["num_faces"]
    np.testing.assert_allclose(found.areas.sum(), g["total_area"][0], rtol=1e-5)


@pytest.mark.parametrize("path", DETERMINISTIC)
def test_coordinates_are_the_same_set(path):
    ours, expected = sampled(path), golden(path)["coords"]
    if options_of(path).get("coord_norm") == "zero_one":
        ours = (ours + 1) / 2
    assert ours.shape == expected.shape
    for a, b in ((ours, expected), (expected, ours)):
        lost = (KDTree(a).query(b)[0] > 1e-5).mean()
        assert lost < (0.02 if has_ties(path) else 1e-3)


@pytest.mark.parametrize("path", DETERMINISTIC)
def test_distribution_over_the_image(path):
    g, ours = golden(path), sampled(path)
    tolerance = 0.02 if has_ties(path) else 1e-3
    moved = np.abs(counts_8x8(ours) - g["hist8x8"]).sum() / 2
    assert moved <= tolerance * len(ours)
    np.testing.assert_allclose(ours.mean(axis=0), g["coord_mean"], atol=tolerance / 2)
    np.testing.assert_allclose(ours.std(axis=0), g["coord_std"], atol=tolerance / 2)
    assert len(np.unique(np.round(ours.astype(np.float64), 6), axis=0)) == pytest.approx(
        int(g["num_unique"]), rel=tolerance
    )


@pytest.mark.parametrize("path", RANDOM)
def test_random_mode_has_the_same_distribution(path):
    g, options = golden(path), options_of(path)
    found = triangles(g["depth"], tuple(g["K"].tolist()), **options)
    count = int(g["N"])
    ours = to_coords(random_in_triangles(found, count, np.random.default_rng(3)), g["depth"].shape)
    share = counts_8x8(ours) / count
    # Both are random: the difference has twice the variance.
    noise = np.sqrt(2 * np.maximum(share, g["hist8x8_fraction"]) / count)
    assert (np.abs(share - g["hist8x8_fraction"]) <= 5 * noise).all()
    std = ours.std(axis=0)
    assert (np.abs(ours.mean(axis=0) - g["coord_mean"]) <= 5 * std * np.sqrt(2 / count)).all()
    assert (np.abs(std - g["coord_std"]) <= 5 * std * np.sqrt(2 / count)).all()


def analytic(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Depth a + b x + c y + e sin(3x) cos(2y) at the pixel centres and its derivative by (y, x)."""
    g = golden(path)
    height, width = g["HW"].tolist()
    a, b, c, e = g["params_abce"].astype(np.float64)
    y = ((np.arange(height) + 0.5) / height * 2 - 1)[:, None]
    x = (np.arange(width) + 0.5) / width * 2 - 1
    depth = a + b * x + c * y + e * np.sin(3 * x) * np.cos(2 * y)
    by_y = c - 2 * e * np.sin(3 * x) * np.sin(2 * y)
    by_x = b + 3 * e * np.cos(3 * x) * np.cos(2 * y)
    return depth, np.stack([by_y, by_x], axis=-1)


@pytest.mark.parametrize("prefix", ["", "nograd_"])
@pytest.mark.parametrize("path", AUTOGRAD)
def test_normal_weights(path, prefix):
    depth, slopes = analytic(path)
    ours = normal_weights(depth, None if prefix else slopes, golden(path)["K"])
    np.testing.assert_allclose(ours, golden(path)[f"{prefix}p_map"].reshape(depth.shape), rtol=1e-3)


@pytest.mark.parametrize("prefix", ["", "nograd_"])
@pytest.mark.parametrize("path", AUTOGRAD)
def test_normal_weighted_cells_and_coordinates(path, prefix):
    g = golden(path)
    cells = cells_by_weight(g[f"{prefix}p_map"], int(g["N"]))
    # A step may fall onto the border of two cells, which rounding then decides.
    same = cells == g[f"{prefix}cell_indices"]
    assert same.mean() > 0.99
    np.testing.assert_array_less(np.abs(cells - g[f"{prefix}cell_indices"]), 2)
    generator = torch.Generator().manual_seed(int(g["torch_seed"]))
    x, y = (torch.rand(len(cells), generator=generator).numpy() - 0.5 for _ in range(2))
    shape = tuple(g["HW"].tolist())
    ours = jittered_coords(g[f"{prefix}cell_indices"], np.stack([y, x], axis=1), shape)
    np.testing.assert_allclose(ours, g[f"{prefix}coords"], atol=1e-5)


MISC = golden_files("misc.npz")


@pytest.mark.parametrize("path", MISC)
def test_filter_by_distance(path):
    g, notes = golden(path), json.loads(path.with_suffix(".json").read_text())
    compared = 0
    for name, expected in notes.items():
        if match := re.fullmatch(r"filter_depth_ratio\(([\d.]+)\)", name):
            keep = within_depth_ratio(g["filter_means"], np.array(expected["cam"], np.float32), float(match[1]))
            assert (keep.sum(), (~keep).sum()) == (expected["num_kept"], expected["num_filtered"])
            np.testing.assert_array_equal(keep, g["filter_depth_ratio_keep"] > 0)
            compared += 1
    assert compared


@pytest.mark.parametrize("path", MISC)
def test_filter_by_opacity(path):
    notes = json.loads(path.with_suffix(".json").read_text())
    counts = {m[1]: n for name, n in notes.items() if (m := re.fullmatch(r"filter_min_opacity\(([\d.]+)\)_kept", name))}
    assert counts
    for threshold, count in counts.items():
        assert (golden(path)["filter_opac"] >= float(threshold)).sum() == count
