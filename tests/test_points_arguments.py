"""The arguments of `reconstruct` that say where points lie and where the sky is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
from engine_support import QUICK_ARGUMENTS, write_photo, write_tiny_model
from PIL import Image

from infinidepth_blender import cli
from infinidepth_blender.commands.reconstruct import options_of
from infinidepth_blender.options import ReconstructOptions
from infinidepth_blender.reconstruction import load


def parsed(*arguments: str) -> ReconstructOptions:
    return options_of(cli.build_parser().parse_args(["reconstruct", "a.jpg", *arguments]))


def test_without_them_the_options_are_the_defaults() -> None:
    assert replace(parsed(), model=ReconstructOptions().model) == ReconstructOptions()


def test_all_reach_the_options_with_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("mask.png", "density.png", "sky.png"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    options = parsed(
        *("--points-mask", "mask.png", "--points-crop", "10,20,30,40", "--points-density", "density.png"),
        *("--points-outliers", "remove", "--grazing-cap", "75.5", "--sky", "sky.png"),
    )
    assert options.points_mask == str(tmp_path / "mask.png")
    assert options.points_crop == (10, 20, 30, 40)
    assert options.points_density == str(tmp_path / "density.png")
    assert options.points_outliers == "remove"
    assert options.grazing_cap_deg == 75.5
    assert options.sky == str(tmp_path / "sky.png")
    assert ReconstructOptions.from_json(options.to_json()) == options


def test_words_instead_of_values() -> None:
    assert parsed("--grazing-cap", "off").grazing_cap_deg is None
    assert parsed("--sky", "off").sky == "off"
    assert parsed("--sky", "auto").sky == "auto"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--points-mask", "/no/such/mask.png"], "The points mask /no/such/mask.png does not exist"),
        (["--points-density", "/no/such/density.png"], "The points density /no/such/density.png does not exist"),
        (["--sky", "/no/such/sky.png"], "The sky mask /no/such/sky.png does not exist"),
        (["--make", "splats", "--points-crop", "0,0,9,9"], "--points-crop has no effect without points"),
        (["--points-crop", "1,2,3"], "is not X,Y,W,H in whole pixels"),
        (["--points-crop", "1,2,3,wide"], "is not X,Y,W,H in whole pixels"),
        (["--points-crop", "0,0,0,5"], "is empty or begins outside the photo"),
        (["--points-outliers", "maybe"], "invalid choice: 'maybe'"),
        (["--grazing-cap", "flat"], "neither an angle in degrees nor off"),
        (["--grazing-cap", "90"], "out of range"),
        (["--grazing-cap", "nan"], "out of range"),
    ],
    ids=" ".join,
)
def test_what_makes_no_sense_is_exit_2(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["reconstruct", "a.jpg", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and said in captured.err
    assert "Traceback" not in captured.err


def test_settings_that_no_part_reads_are_told_and_stop_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo, model = write_photo(tmp_path / "a.png"), write_tiny_model(tmp_path / "tiny.safetensors")
    asked = ("reconstruct", str(photo), "-o", str(tmp_path / "out"), "--model", str(model), "--make", "camera")
    assert cli.main([*asked, "--points", "7", "--background", "none", "--seed", "3"]) == 0
    told = [line for line in capsys.readouterr().err.splitlines() if "no effect" in line]
    assert told == [
        "note: --background has no effect here: only mesh, splats and glb read it.",
        "note: --points has no effect here: only points and splats read it.",
    ]
    assert cli.main([*asked, "--make", "camera,points", "--points", "7"]) == 0
    assert "no effect" not in capsys.readouterr().err


def test_points_lie_where_all_of_them_allow(tmp_path: Path) -> None:
    photo, out = write_photo(tmp_path / "a.png"), tmp_path / "out"
    left, lower, sky = (np.zeros((64, 96), np.uint8) for _ in range(3))
    left[:, :60], lower[24:], sky[:, :20] = 255, 128, 255
    for name, grey in (("mask", left), ("density", lower), ("sky", sky)):
        Image.fromarray(grey).save(tmp_path / f"{name}.png")
    done = cli.main(
        [
            *("reconstruct", str(photo), "-o", str(out), "--make", "points", *QUICK_ARGUMENTS),
            *("--model", str(write_tiny_model(tmp_path / "tiny.safetensors")), "--points-crop", "0,0,96,48"),
            *("--points-mask", str(tmp_path / "mask.png"), "--points-density", str(tmp_path / "density.png")),
            *("--sky", str(tmp_path / "sky.png"), "--grazing-cap", "off", "--points-outliers", "keep"),
        ]
    )
    assert done == 0
    points = load(out / "a").points
    assert points is not None
    x, y = points.source_px.T
    assert len(x) == 500
    assert x.min() >= 20 and x.max() <= 60
    assert y.min() >= 24 and y.max() <= 48
