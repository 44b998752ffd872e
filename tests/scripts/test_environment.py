"""What the scripts do on a machine where something was interrupted, or where Python changed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
import _environment


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that would have run; making an environment makes its interpreter."""
    ran: list[list[str]] = []

    def run(command: list[str], failure: str) -> None:
        ran.append(command)
        if command[1:3] == ["-m", "venv"]:
            python = _environment.venv_python(Path(command[3]))
            python.parent.mkdir(parents=True)
            python.touch()

    monkeypatch.setattr(_environment, "_run", run)
    return ran


def test_an_environment_is_made_once(tmp_path: Path, commands: list[list[str]]) -> None:
    folder = tmp_path / "an environment"
    for _ in range(2):
        python = _environment._make(folder, Path("base"), [["package==1"]], "a test")
    assert python.is_file()
    assert [command[2] for command in commands] == ["venv", "pip"]


def test_a_driver_that_does_not_answer_installs_nothing(
    tmp_path: Path, commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    index = ["--extra-index-url", "https://example.org/cu130"]
    monkeypatch.setattr(_environment, "_torch_arguments", lambda torch: [torch, *index])
    folder = tmp_path / "venv"
    steps = [["torch==1"], ["package==1"]]
    _environment._make(folder, Path("base"), steps, "a test")
    assert commands[1][-3:] == ["torch==1", *index]
    monkeypatch.setattr(_environment, "_torch_arguments", lambda torch: pytest.fail("asked the driver again"))
    _environment._make(folder, Path("base"), steps, "a test")
    stamp = folder / _environment.STAMP
    stamp.write_text(json.dumps({"packages": "a hash", "steps": [["torch==1", *index], ["package==1"]]}))
    _environment._make(folder, Path("base"), steps, "a test")
    assert len(commands) == 3
    monkeypatch.setattr(_environment, "_torch_arguments", lambda torch: [torch])
    monkeypatch.setattr(_environment, "_output", lambda command: "pip 1")
    _environment._make(folder, Path("base"), [["torch==2"], ["package==1"]], "a test")
    assert [command[-1] for command in commands[3:]] == ["torch==2", "package==1"]


def test_an_interrupted_one_is_made_again(tmp_path: Path, commands: list[list[str]]) -> None:
    python = _environment.venv_python(tmp_path / "venv")
    python.parent.mkdir(parents=True)
    python.touch()  # no pip answers
    (tmp_path / "venv" / _environment.STAMP).write_text('{"packa')
    _environment._make(tmp_path / "venv", Path("base"), [["package==1"]], "a test")
    assert [command[2] for command in commands] == ["venv", "pip"]


def test_a_fitting_python_that_was_installed_later_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = _environment.venv_python(tmp_path / "venv")
    python.parent.mkdir(parents=True)
    python.touch()
    monkeypatch.setattr(_environment, "VENV", tmp_path / "venv")
    monkeypatch.setattr(_environment, "_version_of", lambda _: (3, 12))
    monkeypatch.setattr(_environment, "_torch_arguments", lambda torch: [torch])
    made: list[tuple[Path, list[list[str]]]] = []
    monkeypatch.setattr(_environment, "_make", lambda folder, base, steps, what: made.append((base, steps)))
    monkeypatch.setattr(_environment, "_main_python", lambda: (Path("python3.12"), (3, 12)))
    _environment.make_main_environment()
    assert python.is_file()  # nothing better is there
    monkeypatch.setattr(_environment, "_main_python", lambda: (Path("python3.13"), (3, 13)))
    _environment.make_main_environment()
    assert not python.exists()
    assert made[-1][0] == Path("python3.13") and "bpy==5.2.3" in made[-1][1][1]
