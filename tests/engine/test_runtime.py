"""Finding and checking the engine's environment, with real interpreters."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tiny_engines import posix_only, reporting_python, shell_python

from infinidepth_blender.engine import install_place
from infinidepth_blender.engine.probe import REQUIRED, too_old
from infinidepth_blender.engine.runtime import PYTHON_VARIABLE, find_runtime, interpreter_in, probe
from infinidepth_blender.errors import RuntimeMissingError


@pytest.fixture(autouse=True)
def no_named_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PYTHON_VARIABLE, raising=False)


def test_current_interpreter_is_found_with_its_packages(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    runtime = find_runtime(None, tmp_path)
    assert runtime.origin == "current" and runtime.python == Path(sys.executable)
    assert {"torch", "numpy", "cv2", "scipy", "numba", "safetensors", "PIL", "h5py", "OpenEXR"} <= set(runtime.packages)


def test_packages_of_the_callers_environment_do_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "not_there_otherwise.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONHOME", str(tmp_path))
    assert probe(Path(sys.executable))["python"] == ".".join(map(str, sys.version_info[:3]))


@posix_only
@pytest.mark.parametrize(
    ("script", "words"),
    [("exit 1", "not a working Python 3"), ("echo hello", "not a working Python 3")],
)
def test_chosen_interpreter_that_is_none_is_not_passed_over(tmp_path: Path, script: str, words: str) -> None:
    with pytest.raises(RuntimeMissingError, match=words):
        find_runtime(shell_python(tmp_path / "python", script), tmp_path)


@posix_only
def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    lacking = reporting_python(tmp_path / "a", "3.11.9", ["torch", "cv2", "numba"])
    with pytest.raises(RuntimeMissingError, match="lacks torch, cv2 and numba"):
        find_runtime(lacking)
    with pytest.raises(RuntimeMissingError, match=r"version 3\.9\.1, too old"):
        find_runtime(reporting_python(tmp_path / "b", "3.9.1", []))
    with pytest.raises(RuntimeMissingError, match="cannot be used"):
        find_runtime(tmp_path / "nowhere")


def test_packages_that_are_too_old_are_named_with_what_is_needed(tmp_path: Path) -> None:
    old = {"torch": "2.4.1+cpu", "PIL": "9.5.0"}
    names = {"cv2": "opencv-python", "PIL": "pillow"}
    for module in REQUIRED:
        version = old.get(module, "99.0")
        (tmp_path / f"{module}.py").touch()
        info = tmp_path / f"{names.get(module, module).replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {names.get(module, module)}\nVersion: {version}\n"
        )
    folder = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = interpreter_in(folder)
    with pytest.raises(RuntimeMissingError) as caught:
        find_runtime(python, site=tmp_path)
    assert "has torch 2.4.1+cpu (2.5 or later is needed) and PIL 9.5.0 (10.3 or later" in caught.value.message
    assert "Install them there" in caught.value.remedy
    assert too_old({"torch": "2.10.0", "OpenEXR": "unknown"}) == []


def test_the_pins_are_new_enough() -> None:
    by_package = {package: module for module, packages in REQUIRED.items() for package in packages}
    pinned = [pin.split(";")[0].strip().partition("==") for pin in install_place.read_pins()]
    assert too_old({by_package.get(name, name): version for name, _, version in pinned}) == []


@posix_only
def test_order_of_preference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = reporting_python(tmp_path / "chosen" / "bin" / "python3", "3.11.1", [])
    variable = reporting_python(tmp_path / "variable", "3.11.2", [])
    installed = reporting_python(tmp_path / "runtime-00000000" / "bin" / "python", "3.11.3", [])
    assert find_runtime(None, tmp_path / "none", None).origin == "current" if _has_torch() else True
    (installed.parent.parent / install_place.MARKER).write_text("{}")
    assert find_runtime(None, tmp_path).origin == "installed"
    monkeypatch.setenv(PYTHON_VARIABLE, str(variable))
    assert find_runtime(None, tmp_path).origin == "variable"
    found = find_runtime(tmp_path / "chosen", tmp_path)
    assert found.origin == "chosen" and found.python == chosen


def _has_torch() -> bool:
    return "torch" in probe(Path(sys.executable))["packages"]


@posix_only
def test_engines_of_earlier_versions_go_on_working_and_say_that_they_are_old(tmp_path: Path) -> None:
    older, here = tmp_path / "older", tmp_path / "here"
    old = reporting_python(older / "runtime-00000000" / "bin" / "python", "3.11.3", [])
    (older / "runtime-00000000" / install_place.MARKER).write_text('{"packages": ["torch==1"]}')
    found = find_runtime(None, here, older_dirs=[older])
    assert (found.python, found.origin, found.outdated, found.note) == (old, "installed", True, "")

    new = reporting_python(here / "rt-00000000" / "bin" / "python", "3.11.3", [])
    install_place.write_marker(here / "rt-00000000", install_place.read_pins(), "3.11", "2.13.0", "A general build.")
    found = find_runtime(None, here, older_dirs=[older])
    assert (found.python, found.outdated, found.note) == (new, False, "A general build.")

    new.unlink()
    install_place.write_marker(here / "rt-00000000", install_place.read_pins(), "3.2", "2.13.0", "")
    assert find_runtime(None, here, older_dirs=[older]).python == old  # what works is taken


def test_interpreter_in_a_folder(tmp_path: Path) -> None:
    for name in ("bin/python", "Scripts/python.exe"):
        folder = tmp_path / name.split("/")[0]
        (folder / name).parent.mkdir(parents=True)
        (folder / name).touch()
        assert interpreter_in(folder) == folder / name
    assert interpreter_in(tmp_path / "python3.11") == tmp_path / "python3.11"
