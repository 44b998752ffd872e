"""Names of results that Windows and macOS take, and take for different ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from infinidepth_blender.batch import plan_batch
from infinidepth_blender.folder_names import folder_name, same_folder_key


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("photo", "photo"),
        (" photo.1", " photo.1"),
        ("photo. .", "photo"),
        ("...", "Photo"),
        ("", "Photo"),
        ("con", "con_photo"),
        ("NUL.tar", "NUL_photo.tar"),
        ("com1 .x", "com1_photo.x"),
        ("LPT\u00b9", "LPT\u00b9_photo"),
        ("console", "console"),
        ("com10", "com10"),
        ("work.partial", "work.partial_photo"),
    ],
)
def test_a_folders_name(name: str, folder: str) -> None:
    assert folder_name(name) == folder


def test_long_names_are_cut_between_letters() -> None:
    assert folder_name("絵" * 100) == "絵" * 66
    assert len(os.fsencode(folder_name("\udcff" * 300))) == 200
    assert folder_name("x" * 199 + " y") == "x" * 199


def test_folders_that_other_systems_take_for_one() -> None:
    assert same_folder_key(Path("/a/Ä")) == same_folder_key(Path("/a/a\u0308"))
    assert same_folder_key(Path("/a/PHOTO")) == same_folder_key(Path("/A/photo"))
    assert same_folder_key(Path("/a/b")) != same_folder_key(Path("/a/c"))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
def test_photos_whose_folders_would_be_one_get_two(tmp_path: Path) -> None:
    names = ["photo .jpg", "photo..png", "nul.jpg", "\u00e9t\u00e9.jpg", "e\u0301te\u0301.png"]
    for name in names:
        (tmp_path / "in" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "in" / name).touch()
    items, _ = plan_batch([tmp_path / "in" / name for name in names], tmp_path / "out")
    found = [item.folder.name for item in items]
    assert found[:3] == ["photo_jpg", "photo_png", "nul_photo"]
    assert len({same_folder_key(item.folder) for item in items}) == 5
    items, _ = plan_batch([tmp_path / "in" / "nul.jpg"], None)
    assert items[0].folder.name == "nul_photo_infinidepth"
