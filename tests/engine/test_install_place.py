"""Where engines lie, and what is known of the ones that are there."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from infinidepth_blender.engine import install_place
from infinidepth_blender.engine.windows_job import ExtendedLimits
from infinidepth_blender.errors import OutputError


def windows_home(user: str) -> str:
    return f"C:\\Users\\{user}\\AppData\\Local\\infinidepth"


def test_paths_fit_into_those_of_windows() -> None:
    install_place.refuse_long_paths(windows_home("u" * 20))  # the longest name of a user
    with pytest.raises(OutputError, match="would have 260 characters, and Windows takes 259") as caught:
        install_place.refuse_long_paths(windows_home("u" * 21))
    assert "INFINIDEPTH_HOME" in caught.value.remedy
    extensions = (
        "\\AppData\\Roaming\\Blender Foundation\\Blender\\4.2\\extensions\\.user\\user_default\\infinidepth_blender"
    )
    with pytest.raises(OutputError, match="312 characters"):
        install_place.refuse_long_paths(f"C:\\Users\\Me{extensions}")
    with pytest.raises(OutputError):
        install_place.refuse_long_paths(windows_home("\N{GRINNING FACE}" * 11))  # two units each


def test_folders_are_short_and_never_the_same(tmp_path: Path) -> None:
    names = {install_place.new_folder(tmp_path).name for _ in range(20)}
    assert len(names) == 20 and {len(name) for name in names} == {11}


def make(directory: Path, name: str, packages: list[str], time_s: int) -> Path:
    folder = directory / name
    folder.mkdir(parents=True)
    install_place.write_marker(folder, packages, "3.11", "", "")
    os.utime(folder / install_place.MARKER, (time_s, time_s))
    return folder


def test_the_current_engine_comes_first_then_the_newest(tmp_path: Path) -> None:
    here, older = tmp_path / "here", tmp_path / "older"
    pins = install_place.read_pins()
    old = make(here, "rt-00000001", ["torch==1"], 1000)
    newer = make(here, "rt-00000002", ["torch==2"], 2000)
    earlier_place = make(older, "runtime-00000003", pins, 500)
    (here / "rt-00000004").mkdir()  # unfinished
    found = install_place.environments([here, older])
    assert [one.folder for one in found] == [earlier_place, newer, old]
    assert [one.current for one in found] == [True, False, False]
    current = make(here, "rt-00000005", pins, 100)
    assert install_place.environments([here, older])[0].folder == current


def test_markers_of_earlier_versions_and_damaged_ones_are_read(tmp_path: Path) -> None:
    for name, text in (("runtime-00000001", '{"packages": ["torch==1"]}'), ("runtime-00000002", "")):
        (tmp_path / name).mkdir()
        (tmp_path / name / install_place.MARKER).write_text(text)
        (tmp_path / name / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.11.9\n")
    assert {one.python_minor for one in install_place.environments([tmp_path])} == {"3.11"}


def test_the_job_that_ends_pip_has_the_layout_of_windows() -> None:
    if sys.maxsize > 2**32:
        import ctypes

        assert ctypes.sizeof(ExtendedLimits) == 144
