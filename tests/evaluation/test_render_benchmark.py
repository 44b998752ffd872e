"""The benchmark that Blender renders: depth on shapes with a closed form, and the command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from evaluation.datasets import open_dataset
from PIL import Image

from infinidepth_blender.camera import Camera
from infinidepth_blender.engine.depth_files import read_depth_file

pytest.importorskip("bpy", reason="this environment has no Blender")

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"

PLANE = """
import math, os, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from benchmark_scenes.parts import camera, empty_scene, material, terrain, tubes
from benchmark_scenes.rendering import prepare, render_depth
scene = empty_scene()
look = material("plain", (1, 1, 1), (1, 1, 1))
terrain((-50, 50), (2, 60), lambda x, y: 0 * x, look, 2)
camera(scene, (0, 0, 1.5), (0, 10, 1.0), 70)
prepare(scene, 64, 36)
render_depth(scene, Path(sys.argv[2]))
os._exit(0)
"""


def test_depth_is_exact_at_the_pixel_centres(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PLANE, str(SCRIPTS), str(tmp_path / "depth.exr")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    depth = read_depth_file(tmp_path / "depth.exr").depth_m
    lens = Camera.from_fov_x(np.radians(70), 64, 36)
    pitch = -np.arctan2(0.5, 10)
    y = (np.arange(36) + 0.5 - lens.cy_px) / lens.fy_px
    # A ray (x, y, 1) sinks by cos(pitch) y - sin(pitch) for each metre along the axis, from 1.5 m above the ground.
    sinks = np.cos(pitch) * y - np.sin(pitch)
    along = 1.5 / np.where(sinks > 0, sinks, np.nan)
    hit = np.isfinite(along) & (along * (np.cos(pitch) + np.sin(pitch) * y) < 59) & (along < 40)
    hit &= along * (np.cos(pitch) + np.sin(pitch) * y) > 2.1
    assert hit.sum() > 8
    np.testing.assert_allclose(depth[hit][:, 20:44], np.repeat(along[hit, None], 24, axis=1), rtol=2e-3)
    assert not depth[sinks < 0].any()
    assert [path.name for path in tmp_path.iterdir()] == ["depth.exr"]


@pytest.mark.slow
def test_the_command_renders_pairs_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    script = [sys.executable, str(SCRIPTS / "render_benchmark.py"), str(tmp_path / "out")]
    small = ["--size", "64x36", "--samples", "1"]
    done = subprocess.run([*script, *small], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 12
    items = open_dataset(tmp_path / "out", "benchmark").items
    assert [item.name for item in items] == ["alley.png", "bicycles.png", "bridge.png", "greenhouse.png", "harbour.png", "kitchen.png", "scaffold.png", "stairwell.png", "studio.png", "terrace.png", "winter.png", "workshop.png"]  # fmt: skip
    for item in items:
        known = read_depth_file(item.depth).depth_m > 0
        assert known.shape == (36, 64) and known.mean() > 0.3
    assert json.loads((tmp_path / "out" / "benchmark.json").read_text())["size"] == [64, 36]
    again = subprocess.run([*script, *small], capture_output=True, text=True, check=False)
    assert again.stdout.count("is there") == 12
    other = subprocess.run([*script, "--size", "32x18", "--samples", "1"], capture_output=True, text=True, check=False)
    assert other.returncode == 2 and "another folder" in other.stderr


def test_pictures_can_be_smaller_than_their_depth_but_not_of_another_ratio(tmp_path: Path) -> None:
    script = [sys.executable, str(SCRIPTS / "render_benchmark.py"), str(tmp_path / "out"), "--scenes", "workshop"]
    sizes = ["--size", "64x36", "--photo-size", "32x18", "--samples", "1"]
    done = subprocess.run([*script, *sizes], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "out" / "workshop.png") as picture:
        assert picture.size == (32, 18)
    assert read_depth_file(tmp_path / "out" / "workshop.exr").depth_m.shape == (36, 64)
    other = subprocess.run([*script, "--photo-size", "32x32"], capture_output=True, text=True, check=False)
    assert other.returncode == 2 and "ratio" in other.stderr


def test_a_clip_walks_on_and_is_scored(tmp_path: Path) -> None:
    script = [sys.executable, str(SCRIPTS / "render_benchmark.py"), str(tmp_path / "out"), "--scenes", "workshop"]
    small = ["--clip", "3", "--size", "96x54", "--samples", "1"]
    done = subprocess.run([*script, *small], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    clip = tmp_path / "out" / "workshop"
    depths = [read_depth_file(clip / f"000{number}.exr").depth_m for number in (1, 2, 3)]
    nearest = [float(np.median(depth[40:][depth[40:] > 0])) for depth in depths]
    assert nearest[0] > nearest[1] > nearest[2] > 0.8 * nearest[0]
    again = subprocess.run([*script, *small], capture_output=True, text=True, check=False)
    assert again.stdout.strip() == "workshop: is there"
    other = subprocess.run([*script, "--size", "96x54", "--samples", "1"], capture_output=True, text=True, check=False)
    assert other.returncode == 2 and "another folder" in other.stderr
    score = [sys.executable, str(SCRIPTS / "evaluate_clips.py"), str(tmp_path / "out"), "--json", str(tmp_path / "s.json")]  # fmt: skip
    done = subprocess.run(score, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    scores = json.loads((tmp_path / "s.json").read_text())
    assert set(scores["clips"]) == {"workshop"} and not scores["failed"]
    shot, photos = (scores["clips"]["workshop"][kind] for kind in ("as one shot", "as photos"))
    assert shot["flicker"] < photos["flicker"]
    assert 0 < shot["coverage"] <= 1
    assert scores["mean"]["as one shot"] == shot
