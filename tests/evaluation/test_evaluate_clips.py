"""How the steadiness of a clip is scored, on depth whose faults are known."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import evaluate_clips
import numpy as np
import pytest
from evaluate_clips import compare, read_frame


def truth() -> np.ndarray:
    """(8, 40, 60) metres that do not change, with sky."""
    depth = np.tile(np.linspace(2, 9, 60, dtype=np.float32), (8, 40, 1))
    depth[:, :5] = 0
    return depth


def test_another_scale_is_no_fault() -> None:
    scores = compare(3.7 * truth(), truth())
    assert scores["scale_drift"] == pytest.approx(0, abs=1e-6)
    assert scores["flicker"] == pytest.approx(0, abs=1e-6)
    assert scores["shot_delta_1"] == scores["frame_delta_1"] == 1


def test_drift_and_flicker_are_told_apart() -> None:
    slow = np.exp(np.linspace(0, 0.7, 8))[:, None, None].astype(np.float32)
    drifting = compare(truth() * slow, truth())
    assert drifting["scale_drift"] == pytest.approx(np.std(np.linspace(0, 0.7, 8)), rel=1e-4)
    assert drifting["flicker"] == pytest.approx(0.1, rel=1e-3)
    assert drifting["shot_delta_1"] < drifting["frame_delta_1"] == 1
    waves = np.where(np.arange(60) % 2 == 0, 0.1, -0.1) * np.where(np.arange(8) % 2 == 0, 1, -1)[:, None]
    flickering = compare(truth() * np.exp(waves[:, None]).astype(np.float32), truth())
    assert flickering["scale_drift"] < 0.01
    assert flickering["flicker"] == pytest.approx(0.2, rel=1e-3)


def test_what_moves_by_itself_is_no_flicker() -> None:
    moving = truth()
    moving[4:, 20:] *= 0.5
    assert compare(moving, moving)["flicker"] == pytest.approx(0, abs=1e-6)


def test_what_an_answer_leaves_out_is_wrong() -> None:
    answer = truth()
    answer[:, 5:12] = np.nan
    answer[:, 12:15] = 1e10  # the sky
    scores = compare(answer, truth())
    assert scores["shot_delta_1"] == scores["frame_delta_1"] == pytest.approx(25 / 35)
    assert scores["coverage"] == pytest.approx(25 / 35)
    assert scores["flicker"] == pytest.approx(0, abs=1e-6)


def test_frames_without_depth_are_left_out_of_drift_and_flicker() -> None:
    answer, true = truth(), truth()
    answer[3] = np.inf
    true[6] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = compare(answer, true)
        nothing = compare(np.zeros_like(true), true)
    assert scores["shot_delta_1"] == scores["frame_delta_1"] == pytest.approx(6 / 7)
    assert scores["scale_drift"] == pytest.approx(0, abs=1e-6)
    assert nothing == {"shot_delta_1": 0, "frame_delta_1": 0, "coverage": 0}
    with pytest.raises(ValueError, match="no frame"):
        compare(answer, np.zeros_like(true))


def test_drift_and_flicker_are_of_the_pixels_that_all_answers_tell() -> None:
    answer = truth()
    answer[::2, 20:] *= 2
    common = np.zeros(answer.shape, bool)
    common[:, :20] = True
    assert compare(answer, truth())["flicker"] > 0.3
    scores = compare(answer, truth(), common)
    assert scores["flicker"] == pytest.approx(0, abs=1e-6)
    assert scores["coverage"] == 1
    assert scores["shot_delta_1"] < 1


def test_thin_things_at_regular_places_are_seen() -> None:
    true = np.full((24, 270, 480), 4, np.float32)
    true[:, :, ::15] = 2
    flat = np.exp(np.random.default_rng(0).normal(0, 0.01, true.shape)).astype(np.float32)
    assert compare(flat, true)["shot_delta_1"] == pytest.approx(14 / 15, abs=0.003)


def clips(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).mkdir()
        (folder / name / "0001.exr").write_bytes(b"x")


def test_a_clip_that_fails_is_told_and_the_others_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clips(tmp_path, "a", "b", "c")
    out = tmp_path / "deep" / "out.json"

    def scores_of(clip: Path, *_: object) -> dict[str, dict[str, float]]:
        if clip.name == "b":
            assert json.loads(out.read_text())["clips"].keys() == {"a"}
            raise ValueError("no frame has known depth")
        return {kind: {"flicker": 0.1 if clip.name == "a" else 0.3} for kind in evaluate_clips.KINDS}

    monkeypatch.setattr(evaluate_clips, "scores_of", scores_of)
    monkeypatch.setattr(sys, "argv", ["evaluate_clips.py", str(tmp_path), "--json", str(out)])
    assert evaluate_clips.main() == 1
    told = json.loads(out.read_text())
    assert told["clips"].keys() == {"a", "c"}
    assert told["failed"] == [{"clip": "b", "reason": "ValueError: no frame has known depth"}]
    assert told["mean"]["as photos"]["flicker"] == pytest.approx(0.2)
    shown = capsys.readouterr()
    assert "b failed: ValueError" in shown.err and "1 of 3 clips" in shown.err and "mean" in shown.out


def test_a_frame_of_nothing_but_sky_is_one_without_depth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "0001.npy", np.full((4, 6), 1e10, np.float32))
    np.save(tmp_path / "0002.npy", np.full((4, 6), 3, np.float32))
    assert not read_frame(tmp_path / "0001.npy", 6, 4).any()
    assert "0001.npy counts as without depth" in capsys.readouterr().err
    assert (read_frame(tmp_path / "0002.npy", 6, 4) == 3).all()
    assert read_frame(None, 6, 4).shape == (4, 6)
