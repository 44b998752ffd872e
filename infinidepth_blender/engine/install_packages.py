"""Brings the pinned packages into a new environment, and sees whether they load. Standard library only."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from pathlib import Path

from ..errors import InfiniDepthError, OutputError, RuntimeMissingError
from .install_commands import Commands
from .load_errors import cannot_load
from .probe import OPTIONAL, REQUIRED
from .torch_builds import TorchBuild, other_build_note, torch_pip_arguments

_RESUMING_PIP = (25, 1)
"""The first that goes on where a download was cut."""
_NEWER_PIP = "pip>=25.1"

_LOAD = """
import importlib, sys
for name in sys.argv[1:]:
    print("Loading", name, flush=True)
    try:
        importlib.import_module(name)
    except BaseException as error:
        print("ERROR:", type(error).__name__ + ":", str(error).replace("\\n", " "))
        sys.exit(1)
"""


def torch_pin(pins: Sequence[str]) -> str | None:
    """The line for PyTorch, which has builds of its own."""
    return next((pin for pin in pins if pin.startswith("torch==")), None)


def install_packages(
    commands: Commands, python: Path, pins: Sequence[str], build: TorchBuild | None, pip_arguments: Sequence[str]
) -> tuple[str, str]:
    """Installs the pins.

    Args:
        commands: Runs pip.
        python: Interpreter of the new environment.
        pins: The packages.
        build: Which PyTorch, where one is among the pins.
        pip_arguments: More arguments for pip.

    Returns:
        The version of PyTorch that came (empty: none), and a sentence for the user if it is another build than wanted.

    Raises:
        RuntimeMissingError: pip failed.
        OutputError: the disk is full.
        Cancelled: the user did not want to wait.
    """
    pip = [str(python), "-I", "-u", "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
    pip += ["--only-binary", ":all:", "--progress-bar", "off"]
    if _pip_version(commands, python) < _RESUMING_PIP:
        # Only a convenience: the pip that is there does it as well.
        with contextlib.suppress(RuntimeMissingError, OutputError):
            commands.run([*pip, "--upgrade", "--retries", "1", _NEWER_PIP, *pip_arguments])
    if _pip_version(commands, python) >= _RESUMING_PIP:
        pip += ["--resume-retries", "5"]
    torch, version, note = torch_pin(pins), "", ""
    if torch:
        commands.run([*pip, *torch_pip_arguments(torch, build), *pip_arguments])
        version = _version(commands, python, "torch")
        note = other_build_note(build, version) if build else ""
        if note:
            commands.on_line(note)
    commands.run([*pip, *(pin for pin in pins if pin != torch), *pip_arguments])
    return version, note


def load_problem(commands: Commands, python: Path, pins: Sequence[str]) -> InfiniDepthError | None:
    """Loads the packages of an environment once; returns why one cannot be loaded.

    What the engine can do without is left aside.

    Raises:
        Cancelled: the user did not want to wait.
    """
    try:
        code, lines = commands.outcome([str(python), "-I", "-c", _LOAD, *_modules(pins)])
    except RuntimeMissingError as error:
        return error
    if code == 0:
        return None
    names = [line.removeprefix("Loading ") for line in lines if line.startswith("Loading ")]
    reasons = [line for line in lines if line.startswith("ERROR: ")]
    reason = reasons[-1].removeprefix("ERROR: ") if reasons else f"it ended with code {code}"
    error = cannot_load(python, f"{names[-1]} ({reason.rstrip('.')})" if names else reason, reason)
    error.add_note("\n".join(lines))
    return error


def _modules(pins: Sequence[str]) -> list[str]:
    """The modules to import of pinned packages."""
    by_package = {package: module for module, packages in REQUIRED.items() for package in packages}
    skipped = {package for packages in OPTIONAL.values() for package in packages}
    packages = dict.fromkeys(re.split(r"[=<>~!;\s\[]", pin, maxsplit=1)[0] for pin in pins)
    return [by_package.get(name, name.replace("-", "_")) for name in packages if name not in skipped]


def _pip_version(commands: Commands, python: Path) -> tuple[int, ...]:
    match = re.match(r"(\d+)\.(\d+)", _version(commands, python, "pip"))
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _version(commands: Commands, python: Path, package: str) -> str:
    """Version of a package in the environment; empty: it is not there."""
    show = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))"
    code, lines = commands.outcome([str(python), "-I", "-c", show, package])
    return lines[-1] if code == 0 and lines else ""
