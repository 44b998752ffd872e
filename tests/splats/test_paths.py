"""Camera paths: the official formulas, and moves that suit the scene."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest

from infinidepth_blender.errors import OptionsError
from infinidepth_blender.splats.paths import camera_path, look_at, orbit, swing

GOLDENS = Path(os.environ.get("INFINIDEPTH_GOLDENS", Path(__file__).parents[3] / "shared" / "reference" / "goldens"))
GOLDEN = GOLDENS / "camera_paths.npz"
AMPLITUDES = {120: (0.5, 0.15, 0.6), 7: (0.8, 0.3, 0.2), 1: (0.5, 0.15, 0.6)}
KINDS = ("orbit", "swing", "dolly", "rise", "still")


@pytest.mark.skipif(not GOLDEN.is_file(), reason=f"no golden camera paths in {GOLDENS}")
def test_orbit_swing_and_look_at_are_the_official_ones():
    golden = np.load(GOLDEN)
    compared = 0
    for key in golden.files:
        match = re.fullmatch(r"(\w+)_(orbit|swing)_(\d+)", key)
        if not match or len(golden[key]) == 1:
            continue  # with too few frames the official swing is a single pose off to the side
        base = golden[f"{match[1]}_base_c2w"]
        radius, vertical, forward = AMPLITUDES[int(match[3])]
        count = len(golden[key])
        if match[2] == "orbit":
            ours = orbit(base, golden[f"{match[1]}_target"], count, radius, vertical, forward)
        else:
            ours = swing(base, count, radius, forward)
        np.testing.assert_allclose(ours, golden[key], atol=1e-5, err_msg=key)
        compared += 1
    assert compared >= 4
    for place, target, up, expected in zip(*(golden[f"look_{n}"] for n in ("pos", "target", "up", "c2w")), strict=True):
        np.testing.assert_allclose(look_at(place, target, up), expected, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("frames", [1, 2, 3, 24])
def test_every_path_gives_the_frames_asked_for_as_rigid_poses_from_the_base(kind, frames):
    base = look_at(np.array([1.0, 2, 3]), np.array([2.0, 2, 9]), np.array([0, 1.0, 0.1]))
    poses = camera_path(kind, frames, 5.0, base)
    assert poses.shape == (frames, 4, 4)
    np.testing.assert_allclose(poses[0], base, atol=1e-9)
    rotations = poses[:, :3, :3]
    np.testing.assert_allclose(rotations @ rotations.transpose(0, 2, 1), np.tile(np.eye(3), (frames, 1, 1)), atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(rotations), 1, atol=1e-9)


@pytest.mark.parametrize("kind", ["orbit", "swing", "dolly", "rise"])
def test_moves_grow_with_the_scene_and_with_the_amplitude(kind):
    def reach(depth_m: float, amplitude: float = 1.0) -> float:
        return float(np.abs(camera_path(kind, 60, depth_m, amplitude=amplitude)[:, :3, 3]).max())

    assert 0.2 < reach(5.0) < 1.0
    assert reach(50.0) == pytest.approx(10 * reach(5.0))
    assert reach(5.0, 0.5) == pytest.approx(0.5 * reach(5.0))
    assert reach(5.0, 0) == 0


@pytest.mark.parametrize("kind", ["orbit", "rise"])
def test_orbit_and_rise_keep_the_middle_of_the_scene_in_the_middle(kind):
    for pose in camera_path(kind, 12, 4.0):
        seen = np.linalg.inv(pose) @ [0, 0, 4.0, 1]
        np.testing.assert_allclose(seen[:2], 0, atol=1e-9)


@pytest.mark.parametrize("wrong", [{"kind": "zoom"}, {"frames": 0}, {"amplitude": -1}, {"amplitude": float("nan")}])
def test_what_is_no_move_is_refused(wrong):
    with pytest.raises(OptionsError):
        camera_path(**({"kind": "orbit", "frames": 5, "median_depth_m": 5.0} | wrong))
