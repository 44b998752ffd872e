"""What `render` understands."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from infinidepth_blender.camera import Camera
from infinidepth_blender.cli import build_parser, main
from infinidepth_blender.reconstruction import Gaussians
from infinidepth_blender.splats.ply import write_splat_ply


def test_places_may_be_negative() -> None:
    arguments = build_parser().parse_args(["render", "a.ply", "--from", "-1", "-0.5", "2", "--look-at", "0", "0", "-3"])
    assert (arguments.eye, arguments.target) == ([-1, -0.5, 2], [0, 0, -3])


def test_a_wrong_colour_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", str(tmp_path / "a.ply"), "--background", "blue"]) == 2
    assert "#ff8000" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.fixture
def splats(tmp_path: Path) -> Path:
    pytest.importorskip("torch")
    count = 50
    across = np.linspace(-1, 1, count, dtype=np.float32)
    gaussians = Gaussians(
        means=np.stack([across, across, np.full(count, 3, np.float32)], 1),
        scales=np.full((count, 3), 0.05, np.float32),
        rotations=np.tile(np.array([1, 0, 0, 0], np.float32), (count, 1)),
        opacities=np.full(count, 0.9, np.float32),
        sh=np.ones((count, 1, 3), np.float32),
    )
    write_splat_ply(tmp_path / "splats.ply", gaussians, Camera(96, 64, 90.0, 90.0, 48.0, 32.0))
    return tmp_path / "splats.ply"


def test_a_still_picture_and_an_odd_video(splats: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = splats.with_name("one.png")
    assert main(["render", str(splats), "--path", "still", "--size", "47x31", "-o", str(one), "--json"]) == 0
    done = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (done["frames"], done["width_px"], done["height_px"], done["output"]) == (1, 47, 31, str(one))
    assert one.read_bytes()[:4] == b"\x89PNG"
    assert main(["render", str(splats), "--size", "47x31", "-o", str(one.with_name("two.png"))]) == 2
    assert "two.png is one picture and cannot hold 120 frames. Add --frames 1" in capsys.readouterr().err
    video = ["--frames", "2", "--size", "47x31", "-o", str(one.with_name("odd.mp4"))]
    assert main(["render", str(splats), *video]) == 0
    assert "note: Frames of a video have even sides: 46 x 30 instead of 47 x 31." in capsys.readouterr().err
