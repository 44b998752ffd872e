"""What cannot be scored is said and left out; the others are scored, and the file grows as they are."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import evaluate
import numpy as np
import pytest
from evaluation.runner import means
from evaluation.scores_file import ScoresFile
from train.presets import PRESETS
from train.train import Trainer

from infinidepth_blender.errors import OutputError
from infinidepth_blender.field.weights_files import save_weights


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    save_weights(Trainer(folder, PRESETS["tiny"]).average, folder / "tiny.safetensors", {})
    return folder / "tiny.safetensors"


def pair(folder: Path, name: str, depth_m: np.ndarray, width: int = 60, height: int = 40) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    cv2.imwrite(str(folder / f"{name}.png"), pixels)
    np.save(folder / f"{name}.npy", depth_m.astype(np.float32))


def slope(height: int = 20, width: int = 30) -> np.ndarray:
    return np.repeat(np.linspace(9, 1, height)[:, None], width, axis=1)


def line(place: Path, model: Path, *more: object) -> list[str]:
    return [
        sys.executable,
        str(evaluate.__file__),
        str(place),
        "--model",
        str(model),
        "--device",
        "cpu",
        *map(str, more),
    ]


def run(place: Path, model: Path, *more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(line(place, model, *more), capture_output=True, text=True, check=False)


def test_bad_items_are_told_and_the_others_scored(tmp_path: Path, model: Path) -> None:
    place, out = tmp_path / "set", tmp_path / "out.json"
    pair(place, "a", slope())
    pair(place, "b_without_depth", np.zeros((20, 30)))
    pair(place, "c_turned", slope(30, 20))
    pair(place, "d", slope())
    (place / "e_no_picture.png").write_bytes(b"nothing")
    np.save(place / "e_no_picture.npy", slope())
    done = run(place, model, "--json", out)
    result = json.loads(out.read_text())
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert [image["image"] for image in result["images"]] == ["a.png", "d.png"]
    assert [item["image"] for item in result["failed"]] == ["b_without_depth.png", "c_turned.png", "e_no_picture.png"]
    assert "no depth" in result["failed"][0]["reason"]
    assert "another shape than the photo's 60 x 40" in result["failed"][1]["reason"]
    assert result["asked"] == 5
    assert result["mean"]["model"]["images"] == 2
    assert "c_turned.png failed" in done.stderr and "3 of 5 images (3 failed)" in done.stderr
    assert "mean of 2" in done.stdout
    good = run(place, model, "--limit", 1)
    assert good.returncode == 0, good.stderr


def test_an_empty_depth_picture_is_one_sentence(tmp_path: Path, model: Path) -> None:
    for name in ("image", "groundtruth_depth"):
        (tmp_path / name).mkdir()
    cv2.imwrite(str(tmp_path / "image" / "a_image_0.png"), np.zeros((40, 60, 3), np.uint8))
    (tmp_path / "groundtruth_depth" / "a_groundtruth_depth_0.png").write_bytes(b"")
    done = run(tmp_path, model, "--dataset", "kitti")
    assert done.returncode == 1
    assert "is not a 16-bit grey PNG" in done.stderr
    assert "Traceback" not in done.stderr and not done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="interrupts are sent in another way there")
def test_what_is_scored_before_an_interrupt_is_kept(tmp_path: Path, model: Path) -> None:
    place, out = tmp_path / "set", tmp_path / "out.json"
    for number in range(400):
        pair(place, f"{number:03d}", slope(200, 300), 300, 200)
    process = subprocess.Popen(
        line(place, model, "--json", out), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    first = process.stderr.readline()
    assert first.startswith("000.png"), first
    # The file was there before the first image.
    assert json.loads(out.read_text())["asked"] == 400
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Traceback" not in said
    result = json.loads(out.read_text())
    assert 0 < len(result["images"]) < 400
    assert result["mean"]["model"]["images"] == len(result["images"])
    assert not list(tmp_path.glob(".*"))


def test_a_file_that_cannot_be_written_is_said_before_the_work(tmp_path: Path, model: Path) -> None:
    pair(tmp_path / "set", "a", slope())
    (tmp_path / "file").write_text("")
    done = run(tmp_path / "set", model, "--json", tmp_path / "file" / "out.json")
    assert done.returncode == 1
    assert "could not be written" in done.stderr and "a.png" not in done.stderr
    with pytest.raises(OutputError, match="could not be written"):
        ScoresFile(tmp_path / "file" / "out.json").write({})


def test_the_file_is_written_now_and_then(tmp_path: Path) -> None:
    file = ScoresFile(tmp_path / "deep" / "out.json", every_s=60)
    file.now_and_then({"a": 1})
    file.now_and_then({"a": 2})
    assert json.loads(file.path.read_text()) == {"a": 1}
    file.write({"a": 3})
    assert json.loads(file.path.read_text()) == {"a": 3}


def test_the_mean_is_of_all_baselines_that_any_image_has(tmp_path: Path, model: Path) -> None:
    assert means(
        [{"image": "a", "model": {"x": 1.0, "fit_factor": 9.0}}, {"model": {"x": 3.0}, "upsampled": {"x": 4.0}}]
    ) == {
        "model": {"images": 2, "x": 2.0},
        "upsampled": {"images": 1, "x": 4.0},
    }
    pair(tmp_path, "a_small", slope())
    pair(tmp_path, "b_large", slope(400, 600))
    result = evaluate.evaluate(tmp_path, str(model), "cpu")
    assert "upsampled" not in result["images"][0]
    assert [(who, scores["images"]) for who, scores in result["mean"].items()] == [
        ("model", 2),
        ("ramp", 2),
        ("upsampled", 1),
    ]


def test_the_factor_of_the_fit_is_told(tmp_path: Path, model: Path) -> None:
    pair(tmp_path, "a", slope())
    pair(tmp_path, "b_upside_down", slope()[::-1])
    done = run(tmp_path, model, "--json", tmp_path / "out.json")
    ramps = [image["ramp"]["fit_factor"] for image in json.loads((tmp_path / "out.json").read_text())["images"]]
    assert ramps[0] > 0 and ramps[1] == 0
    assert "fit_factor" not in json.loads((tmp_path / "out.json").read_text())["mean"]["ramp"]
    assert "runs against the truth" in done.stderr.splitlines()[1]
