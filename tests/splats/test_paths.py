"""Camera paths: the official formulas, and moves that suit the scene."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from goldens import golden_paths

from infinidepth_blender.camera import Camera
from infinidepth_blender.errors import OptionsError
from infinidepth_blender.splats.paths import camera_path, look_at, orbit, swing
from infinidepth_blender.splats.views import view_camera

AMPLITUDES = {120: (0.5, 0.15, 0.6), 7: (0.8, 0.3, 0.2), 1: (0.5, 0.15, 0.6)}
"""To the side, up and down, and forward, by the number of frames that the golden clips were asked for."""
KINDS = ("orbit", "swing", "dolly", "rise", "still")


def golden_arrays(pattern: str) -> list:
    """A parameter for each array of the golden camera files whose name matches."""
    return [
        pytest.param(path, key, id=key)
        for path in golden_paths("camera_paths*.npz")
        for key in np.load(path).files
        if re.fullmatch(pattern, key)
    ]


def base_and_amplitudes(golden, key: str) -> tuple[np.ndarray, tuple[float, float, float]]:
    name, _, frames = key.rsplit("_", 2)
    if int(frames) not in AMPLITUDES:
        pytest.skip(f"nothing says how far the camera moves in a clip of {frames} frames")
    return golden[f"{name}_base_c2w"], AMPLITUDES[int(frames)]


@pytest.mark.parametrize(("path", "key"), golden_arrays(r"\w+_orbit_\d+"))
def test_orbit_is_the_official_one(path: Path, key: str):
    golden = np.load(path)
    base, amplitudes = base_and_amplitudes(golden, key)
    ours = orbit(base, golden[f"{key.rsplit('_', 2)[0]}_target"], len(golden[key]), *amplitudes)
    np.testing.assert_allclose(ours, golden[key], atol=1e-5)


@pytest.mark.parametrize(("path", "key"), golden_arrays(r"\w+_swing_\d+"))
def test_swing_is_the_official_one(path: Path, key: str):
    golden = np.load(path)
    base, (radius, _, forward) = base_and_amplitudes(golden, key)
    count = len(golden[key])
    # Of fewer than eight frames the official clip keeps one: the second of its five stations.
    ours = swing(base, 5, radius, forward)[1:2] if count == 1 else swing(base, count, radius, forward)
    np.testing.assert_allclose(ours, golden[key], atol=1e-5)


@pytest.mark.parametrize(("path", "key"), golden_arrays("look_c2w"))
def test_look_at_is_the_official_one(path: Path, key: str):
    golden = np.load(path)
    for place, target, up, expected in zip(*(golden[f"look_{n}"] for n in ("pos", "target", "up", "c2w")), strict=True):
        np.testing.assert_allclose(look_at(place, target, up), expected, atol=1e-5)


@pytest.mark.parametrize(("path", "key"), golden_arrays(r"K_\d+x\d+_to_\d+x\d+"))
def test_intrinsics_scale_as_the_official_ones(path: Path, key: str):
    golden = np.load(path)
    height, width, new_height, new_width = (int(n) for n in re.findall(r"\d+", key))
    k = golden["K_in"].astype(np.float64)
    camera = Camera(width, height, k[0, 0], k[1, 1], k[0, 2], k[1, 2]).resized(new_width, new_height)
    np.testing.assert_allclose(camera.matrix(), golden[key], rtol=1e-5)


@pytest.mark.parametrize(("path", "key"), golden_arrays("render_size_out"))
def test_videos_have_the_official_even_sizes(path: Path, key: str):
    golden = np.load(path)
    for (height, width), expected in zip(golden["render_size_in"].tolist(), golden[key].tolist(), strict=True):
        camera = view_camera(None, (width, height), None, even=True)
        assert [camera.height_px, camera.width_px] == expected


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
