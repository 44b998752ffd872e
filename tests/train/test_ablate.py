"""The ablation: what each variant cannot do, and the command."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from train import ablate
from train.ablate import DeepestLevelNetwork, GridNetwork, at_pixel_centres
from train.data import PoolReader, make_batch
from train.presets import PRESETS

TINY = replace(PRESETS["tiny"].network, prompt_channels=0)


@pytest.fixture
def batch(pool):
    return make_batch(PoolReader(pool, 0), np.random.default_rng(0), 2, 258, 12, TINY.input_patch_px, augment=False)


def test_queries_move_to_the_centres_of_their_pixels(batch):
    height, width = (2 * side for side in batch.prompt.shape[2:])
    moved = at_pixel_centres(batch)
    size = torch.tensor([height, width])
    pixel = (moved.coords_yx + 1) / 2 * size - 0.5
    assert torch.allclose(pixel, pixel.round(), atol=1e-3)
    assert float(((moved.coords_yx - batch.coords_yx).abs() * size).max()) <= 1.001
    assert not torch.equal(moved.coords_yx, batch.coords_yx)
    assert torch.equal(moved.t, batch.t)


def test_the_deepest_level_alone_is_blind_to_the_finer_ones(batch):
    network = DeepestLevelNetwork(TINY).eval()
    features = network.encode(batch.image)
    changed = replace(features, levels=(*(level + 1 for level in features.levels[:-1]), features.levels[-1]))
    assert torch.equal(network.decode(features, batch.coords_yx).t, network.decode(changed, batch.coords_yx).t)
    other = replace(features, levels=(*features.levels[:-1], features.levels[-1] + 1))
    assert not torch.equal(network.decode(features, batch.coords_yx).t, network.decode(other, batch.coords_yx).t)


def test_the_grid_is_straight_between_its_cells(batch):
    network = GridNetwork(TINY).eval()
    features = network.encode(batch.image)
    width = features.levels[-4].shape[3]
    y = torch.zeros(2, 3)
    x = ((torch.tensor([5.0, 5.25, 6.0]) + 0.5) / width * 2 - 1).expand(2, 3)
    left, between, right = network.decode(features, torch.stack([y, x], dim=-1)).t.unbind(dim=1)
    assert torch.allclose(between, 0.75 * left + 0.25 * right, atol=1e-5)


def test_the_command_trains_and_scores_every_variant(pool, tmp_path, monkeypatch):
    out = tmp_path / "out"
    arguments = [out, "--pool", pool, "--validation", pool, "--preset", "tiny", "--steps", "2", "--images", "2"]
    monkeypatch.setattr(sys, "argv", ["ablate.py", *map(str, arguments)])
    ablate.main()
    result = json.loads((out / "ablation.json").read_text())
    assert list(result["scores"]) == ["full", "deepest level", "pixel centres", "grid"]
    assert all(0 <= scores["delta_1"] <= 1 for scores in result["scores"].values())
    assert json.loads((out / "grid" / "average.json").read_text())["step"] == 2
