"""What an engine keeps of the models that it has loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from goldens import fill_by_rule
from safetensors.torch import save_file

from infinidepth_blender.engine.models import ModelCache
from infinidepth_blender.errors import ModelError
from infinidepth_blender.field.evaluation import OUT_OF_MEMORY
from infinidepth_blender.field.network import InfiniDepthNetwork, NetworkConfig
from infinidepth_blender.field.vit import VitConfig
from infinidepth_blender.field.weights_files import save_weights
from infinidepth_blender.hashing import sha256_of
from infinidepth_blender.splats.predictor import GaussianPredictor


def write_model(path: Path, seed: int) -> str:
    torch.manual_seed(seed)
    vit = VitConfig(width=32, blocks=4, heads=2, in_channels=5)
    config = NetworkConfig(vit=vit, blocks=(0, 1, 2, 3), channels=(8, 8, 8, 8), head_hidden=16, tokens=24)
    save_weights(InfiniDepthNetwork(config), path, {"steps": 0})
    return str(path)


def write_predictor(path: Path, shift: float) -> str:
    with torch.device("meta"):
        predictor = GaussianPredictor(64)
    state = fill_by_rule(predictor).state_dict()
    save_file({name: (value + shift).contiguous() for name, value in state.items()}, path)
    return str(path)


def test_a_model_stays_until_its_file_is_replaced(tmp_path: Path) -> None:
    models, path = ModelCache(), tmp_path / "model.safetensors"
    file = write_model(path, seed=0)
    first = models.get(file, "cpu")
    assert models.get(file, "cpu") is first
    size = path.stat().st_size
    write_model(path, seed=1)
    assert path.stat().st_size == size
    second = models.get(file, "cpu")
    assert second.info["sha256"] == sha256_of(path) != first.info["sha256"]
    path.unlink()
    with pytest.raises(ModelError, match="no model file"):
        models.get(file, "cpu")


def test_models_that_find_the_card_full_are_loaded_on_the_processor(tmp_path: Path, full_card: torch.device) -> None:
    models = ModelCache()
    predictor, _ = models.gaussian_predictor(write_predictor(tmp_path / "gs.safetensors", 0.0), str(full_card))
    assert {value.device.type for value in predictor.parameters()} == {"cpu"}
    assert models.take_notices() == [OUT_OF_MEMORY]
    model = models.get(write_model(tmp_path / "model.safetensors", seed=0), str(full_card))
    assert model.info["device"] == "cpu"
    assert models.take_notices() == [OUT_OF_MEMORY]


def test_a_predictor_stays_until_its_file_is_replaced(tmp_path: Path) -> None:
    models, path = ModelCache(), tmp_path / "gs.safetensors"
    file = write_predictor(path, 0.0)
    first, record = models.gaussian_predictor(file, "cpu")
    assert models.gaussian_predictor(file, "cpu")[0] is first
    # Written beside and moved, as downloads are: the weights in use are mapped from the old file.
    write_predictor(tmp_path / "new", 0.01)
    (tmp_path / "new").replace(path)
    second, other = models.gaussian_predictor(file, "cpu")
    assert second is not first
    assert other["splats_model_sha256"] == sha256_of(path) != record["splats_model_sha256"]
