"""Which files make a clip, and which of its frames count."""

from __future__ import annotations

from pathlib import Path

import pytest

from infinidepth_blender.batch import plan_batch
from infinidepth_blender.clip_files import (
    FrameRange,
    as_pattern,
    chosen_frames,
    clip_name,
    frame_files,
    frame_numbers,
    is_clip,
    source_sha256,
)
from infinidepth_blender.errors import OptionsError


@pytest.mark.parametrize(
    ("text", "step", "numbers"),
    [
        (None, 1, [1, 2, 3, 4, 5, 6, 7]),
        ("3-5", 1, [3, 4, 5]),
        ("5-", 1, [5, 6, 7]),
        ("-2", 1, [1, 2]),
        ("4", 1, [4]),
        ("2-7", 3, [2, 5]),
        (None, 4, [1, 5]),
        ("3-99", 2, [3, 5, 7]),
    ],
)
def test_frames_are_counted_from_one(text: str | None, step: int, numbers: list[int]) -> None:
    frames = FrameRange.parse(text, step)
    assert [n for n in range(1, 8) if n in frames] == numbers
    assert frames.count(7) == len(numbers)


@pytest.mark.parametrize("text", ["", "-", "a-b", "5-2", "1,5", "1-2-3"])
def test_what_names_no_frames_is_refused(text: str) -> None:
    with pytest.raises(OptionsError, match="frames"):
        FrameRange.parse(text)


def test_every_zero_frames_is_refused() -> None:
    with pytest.raises(OptionsError, match="Every 0"):
        FrameRange.parse(None, 0)


def make(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(name.encode())


def test_frames_come_in_natural_order(tmp_path: Path) -> None:
    make(tmp_path, "f10.png", "f9.png", "notes.txt", ".f1.png", "f100.jpg")
    assert [file.name for file in frame_files(tmp_path)] == ["f9.png", "f10.png", "f100.jpg"]


def test_a_pattern_names_one_sequence_of_several(tmp_path: Path) -> None:
    make(tmp_path, "a.0001.png", "a.0002.png", "b.0001.png", "a.01.png", "a.10000.png", "a.0001.jpg", "xa.0001.png")
    names = [file.name for file in frame_files(tmp_path / "a.####.png")]
    assert names == ["a.0001.png", "a.0002.png", "a.10000.png"]
    assert len(frame_files(tmp_path / "a.#.png")) == 4
    assert is_clip(tmp_path / "a.####.png") and clip_name(tmp_path / "a.####.png") == "a"
    assert clip_name(tmp_path / "####.png") == tmp_path.name
    assert clip_name(Path("####.png")) == Path().absolute().name


@pytest.mark.parametrize(
    ("text", "step", "numbers"),
    [
        ("1001-1003", 1, [1001, 1002, 1003]),
        ("1002-", 1, [1002, 1003, 1005, 1006]),
        (None, 2, [1001, 1003, 1006]),
        ("1002-1006", 2, [1002, 1005]),
        ("2-3", 1, [1002, 1003]),  # none has these numbers: places
    ],
)
def test_numbered_files_are_frames_of_their_numbers(text: str | None, step: int, numbers: list[int]) -> None:
    files = [Path(f"shot.{number}.png") for number in (1001, 1002, 1003, 1005, 1006)]
    chosen = chosen_frames(files, FrameRange.parse(text, step))
    assert [int(file.stem[5:]) for file in chosen] == numbers


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (("frame_0001_4k", "frame_0002_4k", "frame_0003_4k"), [1, 2, 3]),
        (("p001_v2_rgb", "p002_v2_rgb"), [1, 2]),
        (("s.0000", "s.0001"), [0, 1]),
        (("only_0007",), [7]),
        (("a.0001", "b.0001"), None),
        (("s1_t1", "s2_t2"), None),
        (("x", "y"), None),
        (("01", "1"), None),
    ],
)
def test_the_number_of_a_frame_is_the_one_that_changes(names: tuple[str, ...], numbers: list[int] | None) -> None:
    assert frame_numbers([Path(f"{name}.png") for name in names]) == numbers


def test_frame_zero_can_be_chosen() -> None:
    files = [Path(f"s.{number:04d}.png") for number in range(4)]
    for text, names in (("0", [0]), ("0-1", [0, 1]), ("1-", [1, 2, 3]), ("-1", [0, 1]), (None, [0, 1, 2, 3])):
        chosen = chosen_frames(files, FrameRange.parse(text))
        assert [int(file.stem[2:]) for file in chosen] == names


def test_files_without_numbers_are_counted() -> None:
    files = [Path(name) for name in ("a.png", "b.png", "c.png")]
    assert chosen_frames(files, FrameRange(2, 3)) == files[1:]


def test_the_numbers_of_other_programs_are_understood(tmp_path: Path) -> None:
    assert as_pattern(tmp_path / "plate.%04d.exr") == tmp_path / "plate.####.exr"
    assert as_pattern(tmp_path / "plate.%d.exr") == tmp_path / "plate.#.exr"
    make(tmp_path, "100%1d.png")
    assert as_pattern(tmp_path / "100%1d.png") == tmp_path / "100%1d.png"


def test_a_folder_of_videos_says_so(tmp_path: Path) -> None:
    make(tmp_path / "v", "film.mp4")
    _, refused = plan_batch([tmp_path / "v"], None)
    assert "holds videos and no images" in str(refused[0].error) and "film.mp4" in refused[0].error.remedy


def test_a_photo_whose_name_has_the_mark_is_a_photo(tmp_path: Path) -> None:
    make(tmp_path, "take #1.png")
    assert not is_clip(tmp_path / "take #1.png")
    assert clip_name(tmp_path / "take #1.png") == "take #1"


def test_a_clip_is_known_by_all_its_frames(tmp_path: Path) -> None:
    make(tmp_path / "a", "1.png", "2.png")
    before = source_sha256(tmp_path / "a")
    assert before == source_sha256(tmp_path / "a") and len(before) == 64
    (tmp_path / "a" / "2.png").write_bytes(b"other")
    assert source_sha256(tmp_path / "a") != before
    assert source_sha256(tmp_path / "missing.mp4") == ""


def test_clips_get_folders_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "shot.v01", "1.png", "2.png")
    make(tmp_path / "p", "s.01.png")
    make(tmp_path, "film.mp4")
    named = [tmp_path / "shot.v01", tmp_path / "film.mp4", tmp_path / "p" / "s.##.png"]
    items, refused = plan_batch(named, tmp_path / "out", sequences=True)
    assert not refused
    assert [item.folder.name for item in items] == ["shot.v01", "film", "s"]
    assert [item.photo for item in items] == named
    items, _ = plan_batch([tmp_path / "shot.v01"], None, sequences=True)
    assert items[0].folder == tmp_path / "shot.v01_infinidepth"
    monkeypatch.chdir(tmp_path / "shot.v01")
    items, _ = plan_batch([Path()], None, sequences=True)
    assert items[0].folder == tmp_path / "shot.v01_infinidepth"


def test_without_sequences_a_folder_holds_photos(tmp_path: Path) -> None:
    make(tmp_path / "holiday", "1.png", "2.png", "film.mp4")
    items, _ = plan_batch([tmp_path / "holiday"], tmp_path / "out")
    assert [item.photo.name for item in items] == ["1.png", "2.png"]
