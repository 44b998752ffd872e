"""Installing an engine again: what could not be loaded, what is damaged, what another program holds; with a real pip."""

from __future__ import annotations

import functools
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_engines import install_tiny, left_in, posix_only

from infinidepth_blender import file_lock
from infinidepth_blender.engine import install, install_place
from infinidepth_blender.engine.install import find_installed, find_unloaded, remove_replaced, remove_runtime
from infinidepth_blender.engine.install_commands import Commands
from infinidepth_blender.engine.runtime import PYTHON_VARIABLE
from infinidepth_blender.errors import InfiniDepthError, OutputError, RuntimeMissingError


@pytest.fixture(autouse=True)
def no_named_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PYTHON_VARIABLE, raising=False)


@pytest.fixture
def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Path, list[str]]]:
    """An install as the button makes it, without arguments for pip: what it fetches is named by pip's variables."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    return functools.partial(install_tiny, tmp_path / "user", pip_arguments=[])


def code_that_needs(file: Path) -> str:
    return (
        f"import os\nif not os.path.exists({str(file)!r}): raise ImportError('libraries of the system are missing')\n"
    )


def is_made(lines: list[str]) -> bool:
    return any("Making an environment" in line for line in lines)


def test_what_does_not_load_stays_and_is_only_tried_again(
    tmp_path: Path, plain: Callable[..., tuple[Path, list[str]]]
) -> None:
    user_dir, mended = tmp_path / "user", tmp_path / "mended"
    code, kept = code_that_needs(mended), []
    for reinstall in (False, False, True):
        with pytest.raises(RuntimeMissingError, match=r"cannot load tinypackage .*libraries of the system") as caught:
            plain("1.0", code, reinstall=reinstall)
        assert "The download is kept" in caught.value.remedy
        kept += left_in(user_dir)
    assert kept[0] == kept[1] != kept[2] and len(kept) == 3  # a new one removes what it takes the place of
    found = install_place.environments([user_dir])
    assert [(one.folder, one.loads) for one in found] == [(kept[2], False)]
    mended.touch()
    python, lines = plain("1.0", code)
    assert python.parent.parent == kept[2] and not is_made(lines)
    assert install_place.environments([user_dir])[0].loads


def test_whoever_wants_a_new_one_or_other_packages_gets_them(
    tmp_path: Path, plain: Callable[..., tuple[Path, list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    user_dir, mended = tmp_path / "user", tmp_path / "mended"
    with pytest.raises(RuntimeMissingError):
        plain("1.0", code_that_needs(mended))
    (first,) = left_in(user_dir)
    mended.touch()
    python, lines = install_tiny(user_dir, "1.0", code_that_needs(mended))
    assert python.parent.parent != first and is_made(lines) and left_in(user_dir) == [python.parent.parent]

    (python.parent.parent / install_place.UNLOADED).touch()
    load_problem, tried = install.load_problem, []

    def only_the_new_one(commands: Commands, python: Path, pins: list[str]) -> InfiniDepthError | None:
        tried.append(python)
        return load_problem(commands, python, pins)

    monkeypatch.setattr(install, "load_problem", only_the_new_one)
    again, lines = plain("1.0", reinstall=True)
    assert again != python and is_made(lines) and tried == [again]


@pytest.mark.parametrize("lost", ["package", "python"])
def test_an_engine_that_did_not_load_and_is_damaged_is_replaced(
    tmp_path: Path, plain: Callable[..., tuple[Path, list[str]]], lost: str
) -> None:
    user_dir, mended = tmp_path / "user", tmp_path / "mended"
    with pytest.raises(RuntimeMissingError):
        plain("1.0", code_that_needs(mended))
    (first,) = left_in(user_dir)
    if lost == "package":
        for folder in first.glob("**/site-packages/tinypackage*"):
            shutil.rmtree(folder)
    else:
        shutil.rmtree(first / ("Scripts" if os.name == "nt" else "bin"))
        text = (first / install_place.MARKER).read_text()
        (first / install_place.MARKER).write_text(re.sub(r'"python": "[^"]*"', '"python": "3.2"', text))
    mended.touch()
    python, lines = plain("1.0", code_that_needs(mended))
    assert is_made(lines) and left_in(user_dir) == [python.parent.parent] != [first]


def test_what_was_downloaded_to_replace_a_working_engine_is_not_removed(
    tmp_path: Path, plain: Callable[..., tuple[Path, list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    user_dir, mended = tmp_path / "user", tmp_path / "mended"
    monkeypatch.setattr(install_place, "read_pins", lambda *_path: ["tinypackage==1.0"])
    old, _ = plain("1.0")
    with pytest.raises(RuntimeMissingError, match="cannot load tinypackage"):
        plain("1.0", code_that_needs(mended), reinstall=True)
    assert find_installed(user_dir) == old  # what loads comes first
    assert remove_replaced(old, user_dir) == [] and len(left_in(user_dir)) == 2
    kept = find_unloaded(user_dir)
    assert kept is not None and kept != old
    mended.touch()
    python, lines = plain("1.0", code_that_needs(mended))
    assert python == kept and not is_made(lines) and left_in(user_dir) == [kept.parent.parent]
    assert find_unloaded(user_dir) is None


@posix_only
def test_trying_an_engine_again_does_not_let_go_of_one_at_work(
    tmp_path: Path, plain: Callable[..., tuple[Path, list[str]]]
) -> None:
    user_dir, mended = tmp_path / "user", tmp_path / "mended"
    with pytest.raises(RuntimeMissingError):
        plain("1.0", code_that_needs(mended))
    (folder,) = left_in(user_dir)
    mended.touch()
    handle = file_lock.mark_in_use(folder / install_place.MARKER)
    assert handle is not None
    try:
        plain("1.0", code_that_needs(mended))
        with pytest.raises(OutputError, match="another Blender or command uses it"):
            remove_runtime(user_dir)
    finally:
        os.close(handle)


def test_an_engine_whose_state_cannot_be_noted_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unlink = Path.unlink

    def held(self: Path, missing_ok: bool = False) -> None:
        if self.name == install_place.UNLOADED:
            raise PermissionError(13, "used by another process")
        unlink(self, missing_ok)

    monkeypatch.setattr(Path, "unlink", held)
    python, _ = install_tiny(tmp_path / "user")
    assert find_installed(tmp_path / "user") == python


@pytest.mark.parametrize("held_times", [1, 2])
def test_a_marker_that_another_program_holds_costs_no_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held_times: int
) -> None:
    replace, tried = Path.replace, []

    def held(self: Path, target: Path) -> Path:
        tried.append(target)
        if len(tried) <= held_times:
            raise PermissionError(13, "used by another process")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", held)
    python, _ = install_tiny(tmp_path / "user")
    assert find_installed(tmp_path / "user") == python
