"""Finding, checking and installing the engine's environment, with real interpreters and a real pip."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from infinidepth_blender.engine import install, torch_builds
from infinidepth_blender.engine.install import InstallPlan, find_installed, install_runtime, remove_runtime
from infinidepth_blender.engine.runtime import PYTHON_VARIABLE, find_runtime, interpreter_in, probe
from infinidepth_blender.engine.torch_builds import NvidiaCard, choose_build, torch_pip_arguments
from infinidepth_blender.errors import Cancelled, OutputError, RuntimeMissingError
from infinidepth_blender.file_lock import locked

posix_only = pytest.mark.skipif(os.name == "nt", reason="shell scripts stand for interpreters")


@pytest.fixture(autouse=True)
def no_named_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PYTHON_VARIABLE, raising=False)


def make_wheel(folder: Path, name: str, version: str) -> Path:
    """A tiny pure Python wheel."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}/__init__.py": f"__version__ = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(text)}\n"
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in (files | {f"{info}/RECORD": record + f"{info}/RECORD,,\n"}).items():
            archive.writestr(path, text)
    return wheel


def shell_python(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def reporting_python(path: Path, version: str, missing: list[str]) -> Path:
    """A program that answers the probe as a Python of another version would."""
    report = {"python": version, "executable": str(path), "packages": {}, "missing": missing}
    return shell_python(path, f"echo '{json.dumps(report)}'")


# -- finding ----------------------------------------------------------------------------


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


@posix_only
def test_order_of_preference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = reporting_python(tmp_path / "chosen" / "bin" / "python3", "3.11.1", [])
    variable = reporting_python(tmp_path / "variable", "3.11.2", [])
    installed = reporting_python(tmp_path / "runtime-00000000" / "bin" / "python", "3.11.3", [])
    assert find_runtime(None, tmp_path / "none", None).origin == "current" if _has_torch() else True
    (installed.parent.parent / install.MARKER).write_text("{}")
    assert find_runtime(None, tmp_path).origin == "installed"
    monkeypatch.setenv(PYTHON_VARIABLE, str(variable))
    assert find_runtime(None, tmp_path).origin == "variable"
    found = find_runtime(tmp_path / "chosen", tmp_path)
    assert found.origin == "chosen" and found.python == chosen


def _has_torch() -> bool:
    return "torch" in probe(Path(sys.executable))["packages"]


def test_interpreter_in_a_folder(tmp_path: Path) -> None:
    for name in ("bin/python", "Scripts/python.exe"):
        folder = tmp_path / name.split("/")[0]
        (folder / name).parent.mkdir(parents=True)
        (folder / name).touch()
        assert interpreter_in(folder) == folder / name
    assert interpreter_in(tmp_path / "python3.11") == tmp_path / "python3.11"


# -- installing --------------------------------------------------------------------------


def install_tiny(user_dir: Path, version: str = "1.0", **more: object) -> tuple[Path, list[str]]:
    wheels, lines = user_dir.parent / "wheels", []
    make_wheel(wheels, "tinypackage", version)
    requirements = user_dir.parent / "requirements.txt"
    requirements.write_text(f"# pins\ntinypackage=={version}\n")
    python = install_runtime(
        user_dir,
        lines.append,
        requirements=requirements,
        pip_arguments=["--no-index", "--find-links", str(wheels)],
        **more,  # type: ignore[arg-type]
    )
    return python, lines


def left_in(user_dir: Path) -> list[Path]:
    """What is there beside the lock, whose file stays."""
    return [path for path in user_dir.iterdir() if path.name != install.LOCK_NAME]


def test_a_second_install_waits_and_cancelling_it_does_not_open_the_lock(tmp_path: Path) -> None:
    user_dir, cancel, said = tmp_path / "user", threading.Event(), []

    def hear(line: str) -> None:
        said.append(line)
        cancel.set()

    user_dir.mkdir()
    with locked(user_dir / install.LOCK_NAME, lambda: None):
        with pytest.raises(Cancelled), install._alone(user_dir, hear, cancel):
            pass
        assert (user_dir / install.LOCK_NAME).is_file()
    assert said == ["Another Blender is installing the engine; waiting for it"]
    with install._alone(user_dir, hear, threading.Event()) as waited:
        assert not waited


def test_install_for_real_and_update(tmp_path: Path) -> None:
    user_dir = tmp_path / "user folder"
    python, lines = install_tiny(user_dir)
    show = [str(python), "-I", "-c", "import tinypackage; print(tinypackage.__version__)"]
    assert subprocess.run(show, capture_output=True, text=True, check=True).stdout == "1.0\n"
    assert any("Successfully installed tinypackage" in line for line in lines)
    assert find_installed(user_dir) == python
    (python.parent.parent / install.MARKER).unlink()
    assert find_installed(user_dir) is None  # not complete without its marker
    remove_runtime(user_dir)
    assert left_in(user_dir) == []


@pytest.mark.slow
def test_package_that_cannot_be_had_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("no-such-package==1.0\n")
    with pytest.raises(RuntimeMissingError, match="no-such-package") as caught:
        install_runtime(tmp_path / "user", lambda line: None, requirements=requirements, pip_arguments=["--no-index"])
    assert caught.value.remedy
    assert left_in(tmp_path / "user") == []


def test_cancelled_install_leaves_nothing(tmp_path: Path) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        install_tiny(tmp_path / "user", cancel=cancel)
    assert left_in(tmp_path / "user") == []


@posix_only
def test_python_without_venv_is_explained_and_what_works_is_kept(tmp_path: Path) -> None:
    old = tmp_path / "user" / "runtime-0ld"
    old.mkdir(parents=True)
    (old / install.MARKER).write_text("{}")
    python = shell_python(tmp_path / "python", "echo 'No module named venv' >&2; exit 1")
    with pytest.raises(RuntimeMissingError, match="environment could not be made") as caught:
        install_tiny(tmp_path / "user", base_python=python)
    assert "python3-venv" in caught.value.remedy
    assert left_in(tmp_path / "user") == [old]


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be installed in"):
        install_runtime(tmp_path / "file" / "user", lambda line: None)


# -- which PyTorch -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("card", "kind"),
    [
        (None, "cpu"),
        (NvidiaCard("RTX 4090", 580, 8.9), "cu130"),
        (NvidiaCard("RTX 5090", 590, 12.0), "cu130"),
        (NvidiaCard("RTX 3060", 550, 8.6), "cu126"),
        (NvidiaCard("GTX 1080", 580, 6.1), "cu126"),
        (NvidiaCard("GTX 680", 470, 3.0), "cpu"),
        (NvidiaCard("RTX 5090", 570, 12.0), "cu130"),
    ],
)
def test_build_for_the_card(card: NvidiaCard | None, kind: str) -> None:
    build = choose_build(card, "linux", "x86_64")
    assert build.kind == kind
    assert build.index_url.endswith(f"/{kind}")
    assert bool(build.note) == (card is not None and card.driver in (470, 570))


def test_macs() -> None:
    assert choose_build(None, "darwin", "arm64").kind == "mps"
    assert torch_pip_arguments("torch==2", choose_build(None, "darwin", "arm64")) == ["torch==2"]
    with pytest.raises(RuntimeMissingError, match="Intel"):
        choose_build(None, "darwin", "x86_64")


@posix_only
def test_card_is_read_from_nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert torch_builds.nvidia_card() is None
    shell_python(tmp_path / "nvidia-smi", "echo 'NVIDIA RTX A6000, Ada, 580.95.05, 8.9'")
    assert torch_builds.nvidia_card() == NvidiaCard("NVIDIA RTX A6000, Ada", 580, 8.9)
    shell_python(tmp_path / "nvidia-smi", "echo 'No devices were found'; exit 6")
    assert torch_builds.nvidia_card() is None


def test_plan_tells_size_and_time() -> None:
    plan = InstallPlan(Path("/data/runtime"), choose_build(None, "linux", "x86_64"), 450, 1600, 2)
    assert "0.5 GB" in plan.text and "1.6 GB" in plan.text and "2 minutes" in plan.text


def test_pins_are_exact() -> None:
    lines = [line for line in install.REQUIREMENTS.read_text().splitlines() if line and not line.startswith("#")]
    assert all("==" in line.split(";")[0] for line in lines)
    assert {"torch", "numpy", "scipy", "numba", "safetensors", "pillow", "h5py", "OpenEXR"} <= {
        line.split("==")[0] for line in lines
    }
