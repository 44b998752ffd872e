"""The evaluation command: pairs, the fit, the baseline, bad input."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import evaluate
import numpy as np
import pytest
from PIL import Image
from train.train import PRESETS, Trainer

from infinidepth_blender.field.weights_files import save_weights

SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "samples"


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for k, suffix in enumerate((".npz", ".npy")):
        Image.fromarray(rng.integers(0, 255, (40, 60, 3), dtype=np.uint8)).save(tmp_path / f"photo{k}.png")
        depth = rng.uniform(1, 9, (20, 30)).astype(np.float32)
        if suffix == ".npz":
            np.savez(tmp_path / f"photo{k}.npz", depth=depth)
        else:
            mask = rng.random((20, 30)) < 0.4
            np.save(tmp_path / f"photo{k}.npy", np.array({"mask": mask, "value": depth[mask]}, dtype=object))
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "alone.png")
    return tmp_path


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "weights" / "tiny.safetensors"
    save_weights(Trainer(tmp_path, PRESETS["tiny"]).average, path, {})
    return path


def test_a_folder_is_scored_and_written_as_json(folder, model, tmp_path):
    out = tmp_path / "scores.json"
    command = [
        sys.executable,
        str(evaluate.__file__),
        str(folder),
        "--json",
        str(out),
        "--model",
        str(model),
        "--device",
        "cpu",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(out.read_text())
    assert [image["image"] for image in result["images"]] == ["photo0.png", "photo1.png"]
    assert result["images"][0]["pixels"] == 600
    for who in ("model", "ramp"):
        assert set(result["mean"][who]) == {"delta_0.5", "delta_1", "delta_2", "abs_rel"}
        assert (
            0
            <= result["mean"][who]["delta_0.5"]
            <= result["mean"][who]["delta_1"]
            <= result["mean"][who]["delta_2"]
            <= 1
        )
    assert "photo1.png" in done.stdout


def test_an_empty_folder_is_one_sentence(tmp_path):
    done = subprocess.run(
        [sys.executable, str(evaluate.__file__), str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "no image with a depth file" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_prediction_right_up_to_scale_and_offset_scores_fully():
    depth = np.random.default_rng(1).uniform(1, 30, (30, 40))
    scores = evaluate.score(0.3 / depth + 4, np.where(depth > 20, 0, depth))
    assert scores["delta_0.5"] == 1
    assert scores["abs_rel"] < 1e-4


def test_the_fit_follows_the_many_not_the_few():
    rng = np.random.default_rng(2)
    depth = rng.uniform(2, 10, 4000).reshape(40, 100)
    disparity = 1 / depth
    disparity[:, :20] = rng.uniform(0, 0.5, (40, 20))
    assert evaluate.score(disparity, depth)["delta_1"] > 0.8


def test_the_ramp_starts_at_45_percent_and_ends_near_one():
    ramp = evaluate.ramp_disparity(100, 3)
    assert not ramp[:45].any()
    assert ramp[45, 0] > 0
    np.testing.assert_allclose(np.diff(ramp[45:, 1]), 1 / 55, atol=1e-12)
    assert ramp[-1, 2] == pytest.approx(1 - 0.5 / 55)


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the sample photographs are not on this machine")
@pytest.mark.parametrize(("name", "expected"), [("eth3d_office.npz", 0.707), ("waymo_002.npy", 0.487)])
def test_the_baseline_on_known_photographs(name, expected):
    from infinidepth_blender.engine.depth_files import read_depth_file

    depth = read_depth_file(SAMPLES / name).depth_m
    assert evaluate.score(evaluate.ramp_disparity(*depth.shape), depth)["delta_1"] == pytest.approx(expected, abs=0.004)
