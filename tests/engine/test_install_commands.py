"""What the commands of an install are given, and what their failures mean."""

from __future__ import annotations

import shutil
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from tiny_engines import posix_only, shell_python

from infinidepth_blender.engine.install_commands import Commands, install_error
from infinidepth_blender.engine.install_packages import load_problem
from infinidepth_blender.engine.load_errors import DamagedError, WindowsLibraryError, cannot_load
from infinidepth_blender.engine.process import isolated
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


NOISE = "ERROR: ld.so: object '/home/me/.steam/ubuntu12_32/gameoverlayrenderer.so' from LD_PRELOAD cannot be preloaded: ignored."


def test_what_cannot_be_preloaded_is_no_reason(tmp_path: Path) -> None:
    said = [NOISE, "ERROR: Could not find a version", "ERROR: No matching distribution found for torch==99", NOISE]
    error = install_error(PIP, said, tmp_path / "rt")
    assert error.message == "The engine could not be installed: No matching distribution found for torch==99."
    conflict = [NOISE, "ERROR: Cannot install a and b.", "ERROR: ResolutionImpossible: for help visit the manual"]
    assert install_error(PIP, conflict, tmp_path / "rt").message.endswith("installed: Cannot install a and b.")


@posix_only
def test_noise_of_the_loader_does_not_hide_why_a_package_does_not_load(tmp_path: Path) -> None:
    python = shell_python(tmp_path / "python", f'echo "{NOISE}"; echo "Loading torch"; echo "{NOISE}"; exit 9')
    problem = load_problem(commands(tmp_path), python, ["torch==1.0"])
    assert problem is not None and "cannot load torch (it ended with code 9)" in problem.message


def test_a_certificate_that_nobody_trusts_has_a_remedy_of_its_own(tmp_path: Path) -> None:
    said = ["SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed'))"]
    error = install_error(PIP, [*said, "ERROR: No matching distribution found for torch"], tmp_path / "rt")
    assert "certificate of the package server is not trusted" in error.message and "SSL_CERT_FILE" in error.remedy


def test_children_speak_utf8_whatever_the_code_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.setenv("PYTHONCOERCECLOCALE", "0")
    show = "import sys; print(sys.flags.utf8_mode, sys.stdout.encoding)"
    assert commands(tmp_path).run([*isolated(sys.executable), "-c", show]) == ["1 utf-8"]
    # Those whom it starts in turn, as venv starts pip.
    again = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {show!r}])"
    assert commands(tmp_path).run([*isolated(sys.executable), "-c", again]) == ["1 utf-8"]


WINDOWS_SAYS = [
    '[WinError 126] The specified module could not be found. Error loading "c10.dll".',
    '[WinError 127] The specified procedure could not be found. Error loading "shm.dll".',
    '[WinError 1114] A dynamic link library (DLL) initialization routine failed. Error loading "c10.dll".',
    "ImportError: DLL load failed while importing _errors: Das angegebene Modul wurde nicht gefunden.",
    "OSError: Could not find/load shared object file 'llvmlite.dll' from resource location: 'llvmlite.binding'.",
    "FileNotFoundError: Could not find module 'C:\\x\\llvmlite.dll' (or one of its dependencies).",
]


@pytest.mark.parametrize("reason", WINDOWS_SAYS)
def test_missing_libraries_of_windows_are_named(reason: str) -> None:
    error = cannot_load("python.exe", "torch", reason, "win32")
    assert isinstance(error, WindowsLibraryError)
    assert "Visual C++ Redistributable" in error.message and "https://" in error.remedy
    assert "Media Feature Pack" not in str(error)
    assert "again" not in error.remedy.replace("start Blender again", "")
    travelled = InfiniDepthError.from_json(error.to_json())
    assert travelled.kind != "runtime_missing" and str(travelled) == str(error)
    assert not isinstance(cannot_load("python", "torch", reason, "linux"), WindowsLibraryError)


NOT_THE_LIBRARIES = [
    "ImportError: DLL load failed while importing _core: An Application Control policy has blocked this file.",
    "ImportError: DLL load failed while importing _core: The paging file is too small for this operation to complete.",
    "ImportError: DLL load failed while importing _C: %1 is not a valid Win32 application.",
    "ImportError: DLL load failed while importing _C: Access is denied.",
    "OSError: Could not find/load shared object file 'llvmlite.dll'.\nOSError: [WinError 4551] Blocked.",
    "OSError: [WinError 1455] Die Auslagerungsdatei ist zu klein.",
]


@pytest.mark.parametrize("reason", NOT_THE_LIBRARIES)
def test_what_the_libraries_of_windows_would_not_mend_is_not_blamed_on_them(reason: str) -> None:
    assert not isinstance(cannot_load("python.exe", "numpy", reason, "win32"), WindowsLibraryError)


def test_what_windows_says_in_another_language_is_told_as_a_possibility() -> None:
    said = ("Das angegebene Modul wurde nicht gefunden.", "The specified module could not be found.")
    german, english = (
        cannot_load("python.exe", "torch", f"ImportError: DLL load failed while importing _C: {text}", "win32")
        for text in said
    )
    assert "may be missing" in german.message and "security program" in german.remedy
    assert "is missing or too old" in english.message


def test_opencv_may_lack_what_editions_n_of_windows_leave_out() -> None:
    reason = "ImportError: DLL load failed while importing cv2: The specified module could not be found."
    error = cannot_load("python.exe", "cv2", reason, "win32")
    assert "Media Feature Pack" in error.message and "Media Feature Pack" in error.remedy


def test_a_package_that_does_not_load_is_named(tmp_path: Path) -> None:
    python = Path(sys.executable)
    assert load_problem(commands(tmp_path), python, ["json==1.0", 'numpy==1; python_version < "3"']) is None
    problem = load_problem(commands(tmp_path), python, ["json==1.0", "no-such-package==1.0"])
    assert problem is not None
    assert "cannot load no_such_package (ModuleNotFoundError: No module named" in problem.message
    assert "Install the engine again" in problem.remedy
    # PyTorch is tried first, whatever the order of the pins.
    problem = load_problem(commands(tmp_path), python, ["no-such-package==1.0", "torch==1.0"])
    assert problem is not None and "cannot load no_such_package" in problem.message
    assert any("Loading torch" in note for note in getattr(problem, "__notes__", [""]))
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


@posix_only
def test_causes_are_told_in_letters_that_the_code_page_lacks(tmp_path: Path) -> None:
    module = "try:\n    raise OSError('C:/Users/\u0141ukasz/c10.dll')\nexcept OSError as error:\n    "
    (tmp_path / "outer.py").write_text(f"{module}raise ImportError('see the manual') from error\n", encoding="utf-8")
    # Python's -I is left out, so that variables can stand for what Windows sets.
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nif not sys.flags.utf8_mode: sys.stdout.reconfigure(encoding='cp1252', errors='strict')\n"
    )
    variables = f"PYTHONPATH={tmp_path}"
    python = shell_python(tmp_path / "python", f'shift\n{variables} exec {sys.executable} "$@"')
    problem = load_problem(commands(tmp_path), python, ["outer==1.0"])
    assert problem is not None and "cannot load outer (OSError: C:/Users/\u0141ukasz/c10.dll)" in problem.message


@posix_only
def test_settings_of_pip_in_windows_code_page_are_read(tmp_path: Path) -> None:
    body = 'case "$*" in *utf8=0*) echo fine;; *) echo "ERROR: x contains invalid utf-8 characters in pip.ini."; exit 1;; esac'
    python = shell_python(tmp_path / "python", body)
    assert commands(tmp_path).run([*isolated(python), "-m", "pip"]) == ["fine"]


@posix_only
def test_numbers_of_windows_are_told(tmp_path: Path) -> None:
    module = "class E(ImportError):\n    winerror = 4551\nraise E('blocked')\n"
    (tmp_path / "blocked.py").write_text(module)
    python = shell_python(tmp_path / "python", f'shift\nPYTHONPATH={tmp_path} exec {sys.executable} "$@"')
    problem = load_problem(commands(tmp_path), python, ["blocked==1.0"])
    assert problem is not None and "[WinError 4551] blocked" in problem.message


@posix_only
def test_a_python_that_does_not_start_is_damage_and_so_is_a_package_that_is_gone(tmp_path: Path) -> None:
    for python in (tmp_path / "gone", shell_python(tmp_path / "python", "echo No Python at there; exit 103")):
        assert isinstance(load_problem(commands(tmp_path), python, ["json==1.0"]), DamagedError)
    assert isinstance(load_problem(commands(tmp_path), Path(sys.executable), ["no-such-package==1"]), DamagedError)
    crashing = shell_python(tmp_path / "crashing", 'echo "Loading torch"; exit 9')
    assert not isinstance(load_problem(commands(tmp_path), crashing, ["torch==1.0"]), DamagedError)
