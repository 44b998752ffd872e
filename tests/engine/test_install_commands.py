"""What the commands of an install are given, and what their failures mean."""

from __future__ import annotations

import shutil
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from infinidepth_blender.engine.install_commands import Commands, install_error
from infinidepth_blender.engine.install_packages import load_problem
from infinidepth_blender.engine.load_errors import WindowsLibraryError, cannot_load
from infinidepth_blender.errors import InfiniDepthError, OutputError, RuntimeMissingError

PIP = ["python", "-m", "pip", "install", "torch"]


def commands(folder: Path) -> Commands:
    return Commands(folder, lambda line: None, threading.Event())


def test_temporary_files_lie_in_the_environment(tmp_path: Path) -> None:
    made = commands(tmp_path / "rt-00000000")
    made.temporary.mkdir(parents=True)
    show = "import os, tempfile; print(tempfile.gettempdir()); print(os.environ['PIP_NO_CACHE_DIR'])"
    assert made.run([sys.executable, "-I", "-c", show]) == [str(tmp_path / "rt-00000000" / "tmp"), "1"]


@pytest.mark.parametrize(
    "line",
    [
        "ERROR: Wheel 'torch' located at /tmp/x/torch-2.13.0-cp311-cp311-linux_x86_64.whl is invalid.",
        "urllib3.exceptions.IncompleteRead: IncompleteRead(1 bytes read, 2 more expected)",
        "ProtocolError: ('Connection broken: InvalidChunkLength(got length b'', 0 bytes read)')",
        "error: incomplete-download",
        "ERROR: Could not find a version: NewConnectionError",
    ],
)
def test_a_cut_line_is_a_matter_of_the_connection(line: str, tmp_path: Path) -> None:
    error = install_error(PIP, [line], tmp_path / "rt")
    assert isinstance(error, RuntimeMissingError) and "connection broke" in error.message
    assert "Check the connection" in error.remedy


@pytest.mark.parametrize("line", ["OSError: [Errno 28] No space left on device", "[Errno 122] Disk quota exceeded"])
def test_the_full_disk_is_named(line: str, tmp_path: Path) -> None:
    error = install_error(PIP, ["ERROR: Could not install", line], tmp_path / "rt")
    assert isinstance(error, OutputError) and f"The disk of {tmp_path} is full" in error.message


def test_a_full_disk_that_nobody_names_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    venv = ["python", "-I", "-m", "venv", str(tmp_path / "rt")]
    said = ["Error: Command 'ensurepip' returned non-zero exit status 1."]
    assert "could not be made" in install_error(venv, said, tmp_path / "rt").message
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: SimpleNamespace(free=1_000_000))
    assert f"The disk of {tmp_path} is full" in install_error(venv, said, tmp_path / "rt").message


def test_other_failures_are_told_in_pips_words(tmp_path: Path) -> None:
    error = install_error(PIP, ["ERROR: No matching distribution found for torch", "more"], tmp_path / "rt")
    assert error.message == "The engine could not be installed: No matching distribution found for torch."


@pytest.mark.parametrize("code", [126, 1114])
def test_missing_libraries_of_windows_are_named(code: int) -> None:
    reason = f'[WinError {code}] The specified module could not be found. Error loading "fbgemm.dll".'
    error = cannot_load("python.exe", "torch", reason)
    assert isinstance(error, WindowsLibraryError)
    assert "Visual C++ Redistributable" in error.message and "https://" in error.remedy
    assert "again" not in error.remedy.replace("start Blender again", "")
    travelled = InfiniDepthError.from_json(error.to_json())
    assert travelled.kind != "runtime_missing" and str(travelled) == str(error)


def test_a_package_that_does_not_load_is_named(tmp_path: Path) -> None:
    python = Path(sys.executable)
    assert load_problem(commands(tmp_path), python, ["json==1.0", 'numpy==1; python_version < "3"']) is None
    problem = load_problem(commands(tmp_path), python, ["json==1.0", "no-such-package==1.0"])
    assert problem is not None
    assert "cannot load no_such_package (ModuleNotFoundError: No module named" in problem.message
    assert "Install the engine again" in problem.remedy
    # What the engine can do without.
    assert load_problem(commands(tmp_path), python, ["json==1.0", "zstandard==0.0"]) is None


def test_a_package_that_ends_python_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "crashing.py").write_text("import os; os._exit(9)\n")
    starter = tmp_path / "python"
    starter.write_text(f'#!/bin/sh\nshift\nPYTHONPATH={folder} exec {sys.executable} "$@"\n')
    starter.chmod(0o755)
    if sys.platform == "win32":
        pytest.skip("a shell script stands for the interpreter")
    problem = load_problem(commands(tmp_path), starter, ["crashing==1.0"])
    assert problem is not None and "cannot load crashing (it ended with code 9)" in problem.message
