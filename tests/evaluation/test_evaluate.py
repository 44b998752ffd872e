"""The evaluation command: pairs, fits, baselines, points, bad input."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import evaluate
import numpy as np
import pytest
import torch
from evaluation.fits import fitted_depth
from evaluation.metrics import depth_scores
from evaluation.runner import Settings, ramp_disparity
from PIL import Image
from safetensors.torch import save_file
from train.presets import PRESETS
from train.train import Trainer

from infinidepth_blender.errors import OptionsError
from infinidepth_blender.field.network import InfiniDepthNetwork
from infinidepth_blender.field.official import model as official_model
from infinidepth_blender.field.official.config import OfficialConfig
from infinidepth_blender.field.official.network import OfficialDepthNetwork
from infinidepth_blender.field.weights_files import save_weights

SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "samples"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    place = tmp_path / "set"
    place.mkdir()
    for k, suffix in enumerate((".npz", ".npy")):
        Image.fromarray(rng.integers(0, 255, (40, 60, 3), dtype=np.uint8)).save(place / f"photo{k}.png")
        depth = rng.uniform(1, 9, (20, 30)).astype(np.float32)
        if suffix == ".npz":
            np.savez(place / f"photo{k}.npz", depth=depth)
        else:
            mask = rng.random((20, 30)) < 0.1
            np.save(place / f"photo{k}.npy", np.array({"mask": mask, "value": depth[mask]}, dtype=object))
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(place / "alone.png")
    return place


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "weights" / "tiny.safetensors"
    save_weights(Trainer(tmp_path, PRESETS["tiny"]).average, path, {})
    return path


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, str(evaluate.__file__), *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, check=False)


def run(place: Path, model: Path, limit: int | None = 1, **settings: Any) -> dict[str, Any]:
    return evaluate.evaluate(place, str(model), "cpu", settings=Settings(**settings), limit=limit)


def test_a_folder_is_scored_and_written_as_json(folder: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "scores.json"
    done = command(folder, "--json", out, "--model", model, "--device", "cpu")
    assert done.returncode == 0, done.stderr
    result = json.loads(out.read_text())
    assert [image["image"] for image in result["images"]] == ["photo0.png", "photo1.png"]
    assert result["images"][0]["known_pixels"] == 600
    assert result["fit"].endswith("least absolute deviations")
    for who in ("model", "ramp"):
        mean = result["mean"][who]
        assert 0 <= mean["delta_0.5"] <= mean["delta_1"] <= mean["delta_2"] <= 1
        assert {
            "delta_0.01",
            "delta_0.02",
            "delta_0.04",
            "abs_rel",
            "detail_delta_1",
            "edges_delta_1",
            "boundary_f1",
        } <= set(mean)
    # Sparse truth has no neighbours to tell details and boundaries by.
    assert "boundary_f1" not in result["images"][1]["model"]
    assert "photo1.png" in done.stdout


def test_points_make_it_metric_and_are_not_scored(folder: Path, model: Path) -> None:
    result = run(folder, model, None, prompt_points=30)
    assert set(result["mean"]) == {"model", "nearest", "linear", "idw"}
    assert result["fit"].startswith("none")
    assert "edges_delta_0.01" in result["mean"]["linear"]
    again = run(folder, model, None, prompt_points=30)
    assert again["mean"] == result["mean"] and result["mean"]["linear"]["images"] == 2
    other = run(folder, model, prompt_points=30, seed=1)
    assert other["images"][0]["linear"] != result["images"][0]["linear"]


def test_the_paper_sizes_resize_photo_and_truth(folder: Path, model: Path) -> None:
    (image,) = run(folder, model, fit="paper", paper_sizes=True)["images"]
    assert (image["width"], image["height"]) == (672, 512)


def test_several_draws_are_averaged(folder: Path, model: Path) -> None:
    done = command(folder, "--model", model, "--device", "cpu", "--limit", 1, "--prompt-points", 30, "--draws", 2, "--json", folder / "out.json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads((folder / "out.json").read_text())
    assert result["draws"] == 2
    one = run(folder, model, prompt_points=30)["images"][0]
    three = run(folder, model, prompt_points=30, draws=3)["images"][0]
    values = [image["nearest"]["abs_rel"] for image in (one, result["images"][0], three)]
    assert len(set(values)) == 3
    assert max(values) < 2 * min(values)


def test_drawn_pixels_leave_nothing_of_an_interpolation_unscored(folder: Path, model: Path) -> None:
    few, whole = (run(folder, model, prompt_points=30, pixels=pixels)["images"][0] for pixels in (40, None))
    assert few["nearest"]["detail_abs_rel"] == pytest.approx(whole["nearest"]["detail_abs_rel"])
    assert few["nearest"]["edges_mae"] < 2 * whole["nearest"]["edges_mae"]


def test_points_that_leave_nothing_to_score_are_said_plainly(folder: Path, model: Path) -> None:
    (failed,) = run(folder, model, prompt_points=5000, pixels=40)["failed"]
    assert failed["image"] == "photo0.png" and "none is left to score" in failed["reason"]


def test_drawn_pixels_are_fitted_and_scored_alone(folder: Path, model: Path) -> None:
    (some,), (other,) = (run(folder, model, pixels=50, seed=seed)["images"] for seed in (0, 1))
    (whole,) = run(folder, model)["images"]
    assert some["ramp"]["delta_1"] * 50 == pytest.approx(round(some["ramp"]["delta_1"] * 50))
    assert some["ramp"] != other["ramp"]
    assert abs(some["ramp"]["delta_1"] - whole["ramp"]["delta_1"]) < 0.25
    assert "boundary_f1" not in some["model"]
    assert run(folder, model, pixels=600)["images"][0]["ramp"]["delta_1"] == whole["ramp"]["delta_1"]


def test_large_truth_is_compared_with_an_enlarged_answer(folder: Path, model: Path) -> None:
    assert set(run(folder, model, upsample_from_px=12)["mean"]) == {"model", "upsampled", "ramp"}


@pytest.mark.parametrize(("detail_channels", "input_px"), [(0, 16), (8, 32)])
def test_the_enlarged_answer_has_the_size_of_the_networks_input(
    tmp_path: Path, detail_channels: int, input_px: int
) -> None:
    torch.manual_seed(0)
    config = dataclasses.replace(PRESETS["tiny"].network, tokens=1, detail_channels=detail_channels)
    save_weights(InfiniDepthNetwork(config), tmp_path / "small.safetensors", {})
    rng, place = np.random.default_rng(0), tmp_path / "set"
    place.mkdir()
    Image.fromarray(rng.integers(0, 255, (60, 60, 3), dtype=np.uint8)).save(place / "photo.png")
    np.savez(place / "photo.npz", depth=rng.uniform(1, 9, (60, 60)).astype(np.float32))
    path = tmp_path / "small.safetensors"
    usual, asked = (run(place, path, fit="none", upsample_from_px=size)["images"][0] for size in (None, input_px))
    assert usual["upsampled"] == asked["upsampled"] != usual["model"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["."], 1, "no image with a depth file"),
        (["gone"], 1, "does not exist"),
        ([".", "--model", "nobody"], 1, "no image with a depth file"),
        ([".", "--limit", "0"], 2, "limit"),
        ([".", "--pixels", "1"], 2, "below 2"),
        ([".", "--draws", "0"], 2, "below 1"),
    ],
)
def test_bad_input_is_one_sentence(
    tmp_path: Path,
    arguments: list[str],
    code: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", ["evaluate.py", str(tmp_path / arguments[0]), *arguments[1:]])
    try:
        returned = evaluate.main()
    except SystemExit as stop:
        returned = stop.code
    assert returned == code
    assert message in capsys.readouterr().err


def test_an_official_model_is_one_of_the_models(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small published network with random weights, found by its file alone; small inputs, for time's sake."""
    monkeypatch.setattr(official_model, "INPUT_TOKENS", 24)
    for prompted in (False, True):
        torch.manual_seed(0)
        network = OfficialDepthNetwork(OfficialConfig("vits16", prompted))
        state = {name: torch.nan_to_num(value).contiguous().clone() for name, value in network.state_dict().items()}
        path = tmp_path / f"official{prompted}.safetensors"
        save_file(state, path)
        if prompted:
            with pytest.raises(OptionsError, match="measured depth"):
                run(folder, path)
        result = run(folder, path, prompt_points=20 * prompted)
        assert result["model"]["encoder"] == "vits16"
        assert np.isfinite(result["mean"]["model"]["abs_rel"])


def scores_of(disparity: np.ndarray, depth: np.ndarray) -> dict[str, Any]:
    return depth_scores(fitted_depth(disparity, depth, "lad"), depth)


def test_the_fit_follows_the_many_not_the_few() -> None:
    rng = np.random.default_rng(2)
    depth = rng.uniform(2, 10, 4000).reshape(40, 100)
    disparity = 1 / depth
    disparity[:, :20] = rng.uniform(0, 0.5, (40, 20))
    assert scores_of(disparity, depth)["delta_1"] > 0.8


def test_the_ramp_starts_at_45_percent_and_ends_near_one() -> None:
    ramp = ramp_disparity(100, 3)
    assert not ramp[:45].any()
    assert ramp[45, 0] > 0
    np.testing.assert_allclose(np.diff(ramp[45:, 1]), 1 / 55, atol=1e-12)
    assert ramp[-1, 2] == pytest.approx(1 - 0.5 / 55)


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the sample photographs are not on this machine")
@pytest.mark.parametrize(("name", "expected"), [("eth3d_office.npz", 0.707), ("waymo_002.npy", 0.487)])
def test_the_baseline_on_known_photographs(name: str, expected: float) -> None:
    from infinidepth_blender.engine.depth_files import read_depth_file

    depth = read_depth_file(SAMPLES / name).depth_m
    assert scores_of(ramp_disparity(*depth.shape), depth)["delta_1"] == pytest.approx(expected, abs=0.004)
