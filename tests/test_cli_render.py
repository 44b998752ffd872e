"""What `render` understands."""

from __future__ import annotations

from pathlib import Path

import pytest

from infinidepth_blender.cli import build_parser, main


def test_places_may_be_negative() -> None:
    arguments = build_parser().parse_args(["render", "a.ply", "--from", "-1", "-0.5", "2", "--look-at", "0", "0", "-3"])
    assert (arguments.eye, arguments.target) == ([-1, -0.5, 2], [0, 0, -3])


def test_a_wrong_colour_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", str(tmp_path / "a.ply"), "--background", "blue"]) == 2
    assert "#ff8000" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
