"""How the steadiness of a clip is scored, on depth whose faults are known."""

from __future__ import annotations

import numpy as np
import pytest
from evaluate_clips import compare


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
