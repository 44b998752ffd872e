"""Official networks in the pipeline: small ones with weights by the golden rule, from files to bundles."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from goldens import fill_by_rule
from safetensors.torch import save_file

from infinidepth_blender.engine.models import ModelCache
from infinidepth_blender.engine.pipeline import reconstruct_photo
from infinidepth_blender.engine.stages import overall_fraction
from infinidepth_blender.errors import Cancelled, OptionsError
from infinidepth_blender.field.load import NO_CARD
from infinidepth_blender.field.official import model
from infinidepth_blender.field.official.config import OfficialConfig
from infinidepth_blender.field.official.network import OfficialDepthNetwork
from infinidepth_blender.options import ReconstructOptions
from infinidepth_blender.reconstruction import FLAG_VALID, load


def checkpoint(folder: Path, prompted: bool) -> Path:
    with torch.device("meta"):
        network = OfficialDepthNetwork(OfficialConfig("vits16", prompted))
    state = fill_by_rule(network).state_dict()
    path = folder / "model.safetensors"
    save_file({name: value.contiguous() for name, value in state.items()}, path)
    return path


@pytest.fixture(autouse=True)
def small_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """The flow is the same at any size of the network's input."""
    monkeypatch.setattr(model, "INPUT_TOKENS", 12 * 16)


@pytest.fixture(scope="module")
def rgb_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint(tmp_path_factory.mktemp("rgb"), prompted=False)


@pytest.fixture(scope="module")
def models() -> ModelCache:
    return ModelCache()


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    y, x = np.mgrid[0:120, 0:160]
    picture = np.stack([x, y, 128 + 60 * np.sin(x / 9) * np.cos(y / 7)], axis=-1).clip(0, 255).astype(np.uint8)
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), picture)
    return path


def test_a_photo_with_an_official_model(rgb_file: Path, models: ModelCache, photo: Path, tmp_path: Path) -> None:
    options = ReconstructOptions(model=str(rgb_file), points=3000, mesh_size=64)
    result = reconstruct_photo(photo, tmp_path / "bundle", options, models=models)
    if not (torch.cuda.is_available() or torch.backends.mps.is_available()):
        assert NO_CARD in result.warnings
    assert result.model["name"] == "model.safetensors"
    assert result.model["encoder"] == "vits16"
    assert result.model["companion_factor"] > 0
    assert len(result.model["companion_sha256"]) == 64
    assert not result.scale_known
    valid = (result.flags & FLAG_VALID) > 0
    assert valid.mean() > 0.5
    assert np.median(result.depth_m[valid]) == pytest.approx(5, rel=0.2)
    assert result.points is not None
    assert load(tmp_path / "bundle").model == result.model


def test_the_encoding_is_seen_and_can_be_stopped(
    rgb_file: Path, models: ModelCache, photo: Path, tmp_path: Path
) -> None:
    seen: list[tuple[str, float]] = []

    def stop(stage: str, fraction: float, message: str = "") -> None:
        seen.append((stage, fraction))
        if stage == "encode" and fraction > 0.5:
            raise Cancelled

    options = ReconstructOptions(make=("depth",), model=str(rgb_file), device="cpu")
    with pytest.raises(Cancelled):
        reconstruct_photo(photo, tmp_path / "bundle", options, models=models, progress=stop)
    fractions = [fraction for stage, fraction in seen if stage == "encode"]
    assert fractions == sorted(fractions)
    assert len([fraction for fraction in fractions if 0.2 < fraction <= 0.5]) >= 3
    assert not (tmp_path / "bundle").exists()


def test_progress_never_steps_back(rgb_file: Path, models: ModelCache, photo: Path, tmp_path: Path) -> None:
    seen: list[float] = []
    options = ReconstructOptions(make=("depth",), model=str(rgb_file), device="cpu")
    reconstruct_photo(
        photo,
        tmp_path / "bundle",
        options,
        models=models,
        progress=lambda stage, fraction, message="": seen.append(overall_fraction(stage, fraction, ("depth",))),
    )
    assert seen == sorted(seen)


def test_measured_depth_gives_factor_and_offset(
    rgb_file: Path, models: ModelCache, photo: Path, tmp_path: Path
) -> None:
    options = ReconstructOptions(make=("depth",), model=str(rgb_file), device="cpu")
    free = reconstruct_photo(photo, tmp_path / "free", options, models=models)
    truth = np.where((free.flags & FLAG_VALID) > 0, 1 / (0.4 / free.depth_m + 0.03), 0).astype(np.float32)
    np.save(tmp_path / "depth.npy", truth)
    options = ReconstructOptions(make=("depth",), model=str(rgb_file), device="cpu", depth_prompt=str(tmp_path / "depth.npy"))  # fmt: skip
    result = reconstruct_photo(photo, tmp_path / "measured", options, models=models)
    assert result.scale_known
    both = (truth > 0) & ((result.flags & FLAG_VALID) > 0)
    np.testing.assert_allclose(result.depth_m[both], truth[both], rtol=2e-3)


def test_the_sensor_model_takes_measured_depth(models: ModelCache, photo: Path, tmp_path: Path) -> None:
    file = checkpoint(tmp_path, prompted=True)
    depth = np.zeros((120, 160), np.float32)
    rng = np.random.default_rng(0)
    depth[rng.integers(0, 120, 200), rng.integers(0, 160, 200)] = rng.uniform(30, 50, 200)
    np.save(tmp_path / "depth.npy", depth)
    options = ReconstructOptions(make=("depth",), model=str(file), device="cpu")
    with pytest.raises(OptionsError, match="measured depth"):
        reconstruct_photo(photo, tmp_path / "none", options, models=models)
    assert not (tmp_path / "none").exists()
    options = ReconstructOptions(make=("depth",), model=str(file), device="cpu", depth_prompt=str(tmp_path / "depth.npy"))  # fmt: skip
    result = reconstruct_photo(photo, tmp_path / "measured", options, models=models)
    assert result.scale_known
    assert result.model["scale"] == "depth prompt"
    # Counted in medians of the measured disparity; random weights say anything of that size.
    valid = (result.flags & FLAG_VALID) > 0
    assert 4 < np.median(result.depth_m[valid]) < 400
