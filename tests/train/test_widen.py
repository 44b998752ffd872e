"""A network of twice the width says the same and can learn other things with its second half."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from train import widen
from train.data import PoolReader, make_batch
from train.mix import mix
from train.presets import PRESETS
from train.train import Trainer
from train.widen import widened

from infinidepth_blender.field.network import InfiniDepthNetwork
from infinidepth_blender.field.weights_files import load_weights, save_weights

TINY = PRESETS["tiny"]


@pytest.fixture
def network() -> InfiniDepthNetwork:
    """A network whose every weight matters."""
    torch.manual_seed(0)
    network = InfiniDepthNetwork(TINY.network).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return network


@pytest.mark.parametrize("ratio", [2.0, 3.0, 4.0])
def test_the_answers_stay(network: InfiniDepthNetwork, ratio: float) -> None:
    wide = widened(network, ratio).eval()
    vit = wide.config.vit
    assert (vit.width, vit.heads, vit.ratio) == (2 * network.config.vit.width, 2 * network.config.vit.heads, ratio)
    image, coords, prompt = torch.rand(2, 3, 64, 96), torch.rand(2, 50, 2) * 2 - 1, torch.rand(2, 4, 16, 24)
    with torch.inference_mode():
        old, new = network.encode(image, prompt), wide.encode(image, prompt)
        for before, after in zip(old.levels, new.levels, strict=True):
            torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(new.perspective, old.perspective, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(wide.decode(new, coords).t, network.decode(old, coords).t, rtol=1e-3, atol=1e-4)
        for name, value in vars(network.globals(old)).items():
            torch.testing.assert_close(getattr(wide.globals(new), name), value, rtol=1e-3, atol=1e-4)


def test_the_two_copies_of_a_channel_part_while_learning(network: InfiniDepthNetwork, pool, tmp_path) -> None:
    save_weights(widened(network, 3.0), tmp_path / "wide.safetensors", {"steps": 7, "images_seen": 14})
    wide = replace(TINY.network, vit=replace(TINY.network.vit, width=64, heads=4, ratio=3.0))
    trainer = Trainer(tmp_path, replace(TINY, network=wide))
    trainer.begin_with(tmp_path / "wide.safetensors")
    assert (trainer.step, trainer.warm_since) == (7, 7)
    weight = trainer.network.get_parameter("pretrained.blocks.0.attn.proj.weight")
    assert torch.equal(weight[:32], weight[32:])
    batch = make_batch(PoolReader(pool, 0), np.random.default_rng(0), 2, 128, 12, wide.input_patch_px)
    trainer.learn(batch, 0.0)
    assert not torch.equal(weight[:32], weight[32:])


@pytest.mark.parametrize("ratio", [1.5, 5.0])
def test_hidden_units_cannot_be_dropped_or_tripled(network: InfiniDepthNetwork, ratio: float) -> None:
    with pytest.raises(ValueError, match="hidden width"):
        widened(network, ratio)


def test_the_command(network: InfiniDepthNetwork, tmp_path, monkeypatch, capsys) -> None:
    old, new = tmp_path / "old.safetensors", tmp_path / "new.safetensors"
    save_weights(network, old, {"steps": 5})
    monkeypatch.setattr(sys, "argv", ["widen.py", str(old), str(new), "--ratio", "2"])
    widen.main()
    assert load_weights(new).training == {"steps": 5}
    assert load_weights(new).network.config.vit.width == 64
    assert "million parameters" in capsys.readouterr().out


def test_mixed_weights_lie_between_two_files(tmp_path):
    networks = {}
    for name, seed in (("old", 0), ("new", 1)):
        torch.manual_seed(seed)
        networks[name] = InfiniDepthNetwork(PRESETS["tiny"].network)
        save_weights(networks[name], tmp_path / name, {"steps": seed})
    mix(tmp_path / "old", tmp_path / "new", tmp_path / "out", 0.75)
    mixed = load_weights(tmp_path / "out")
    assert mixed.training == {"steps": 1, "mixed_with_older": 0.25}
    for old, new, value in zip(*(n.parameters() for n in (*networks.values(), mixed.network)), strict=True):
        torch.testing.assert_close(value, 0.25 * old + 0.75 * new, atol=2e-3, rtol=2e-3)


def test_weights_of_different_networks_are_not_mixed(tmp_path):
    small = PRESETS["tiny"].network
    save_weights(InfiniDepthNetwork(small), tmp_path / "old", {})
    save_weights(InfiniDepthNetwork(replace(small, head_hidden=24)), tmp_path / "new", {})
    with pytest.raises(ValueError, match="is of another network than"):
        mix(tmp_path / "old", tmp_path / "new", tmp_path / "out", 0.5)
    assert not (tmp_path / "out").exists()
