"""Small things that arguments and names of files say."""

from __future__ import annotations

from pathlib import Path

import pytest

from infinidepth_blender.cli import build_parser
from infinidepth_blender.clip_files import source_sha256
from infinidepth_blender.commands.render import _colour, _frames


def test_colours_reach_white() -> None:
    assert _colour("#ffffff") == [1, 1, 1] and _colour("000000") == [0, 0, 0]
    assert _colour("#ff8000") == [1, 128 / 255, 0]


@pytest.mark.parametrize(
    ("path", "name", "frames"), [("still", "one.png", 1), ("still", "folder.png", 120), ("orbit", "one.png", 120)]
)
def test_one_frame_is_meant_where_one_picture_is_named_that_does_not_move(
    tmp_path: Path, path: str, name: str, frames: int
) -> None:
    (tmp_path / "folder.png").mkdir()
    arguments = build_parser().parse_args(["render", "a.ply", "--path", path])
    assert _frames(arguments, tmp_path / name) == frames


def test_frames_that_were_numbered_anew_are_another_clip(tmp_path: Path) -> None:
    """Numbers say how the frames lie in the scene."""
    shot = tmp_path / "shot"
    shot.mkdir()
    for number in (1, 2, 3):
        (shot / f"a_{number}.png").write_text(str(number))
    before = source_sha256(shot)
    for number in (3, 2, 1):
        (shot / f"a_{number}.png").rename(shot / f"a_{number + 10}.png")
    assert before and source_sha256(shot) not in ("", before)
