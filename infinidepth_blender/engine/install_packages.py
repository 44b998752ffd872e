"""Brings the pinned packages into a new environment, and sees whether they load. Standard library only."""

from __future__ import annotations

import contextlib
import math
import os
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..errors import InfiniDepthError, OutputError, RuntimeMissingError
from .install_certificates import write_certificates
from .install_commands import Commands, error_lines
from .load_errors import DamagedError, cannot_load
from .probe import OPTIONAL, REQUIRED
from .process import isolated
from .torch_builds import TorchBuild, general_build_serves, other_build_note, torch_pip_arguments

_RESUMING_PIP = (25, 1)
"""The first that goes on where a download was cut."""
_NEWER_PIP = "pip>=25.1"
_TRUSTING_PIP = (24, 2)
"""The first that trusts the certificates that the system trusts."""
_INDEX_ANSWER_S = 5
_INDEX_PATIENCE_S = 15
"""How long PyTorch's own server may take to answer the first time, and with what follows: where a firewall swallows what
is sent there, pip asks it for every package, and waits for a minute each time."""
_INDEX_PAUSE_S = 1.0
_PIP_TRUE = {"y", "yes", "t", "true", "on", "1"}

_LOAD = """
import importlib, sys
sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
for name in sys.argv[1:]:
    print("Loading", name, flush=True)
    try:
        importlib.import_module(name)
    except BaseException as error:
        while error is not None:
            text, number = str(error).replace("\\n", " "), getattr(error, "winerror", None)
            if number and "[WinError" not in text:
                text = f"[WinError {number}] {text}"
            print("ERROR:", type(error).__name__ + ":", text)
            error = error.__cause__
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
    offline = "--no-index" in pip_arguments or os.environ.get("PIP_NO_INDEX", "").lower() in _PIP_TRUE
    pip = [*isolated(python), "-u", "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
    pip += ["--only-binary", ":all:", "--progress-bar", "off"]
    plain = commands
    if not offline:
        commands = _trusting(plain, python)
    if _pip_version(commands, python) < _RESUMING_PIP:
        # Only a convenience: the pip that is there does it as well.
        with contextlib.suppress(RuntimeMissingError, OutputError):
            commands.run([*pip, "--upgrade", "--retries", "1", _NEWER_PIP, *pip_arguments])
            if not offline:
                commands = _trusting(plain, python)
    if _pip_version(commands, python) >= _RESUMING_PIP:
        pip += ["--resume-retries", "5"]
    torch, version, note = torch_pin(pins), "", ""
    if torch:
        asked = build
        if build and build.index_url and not offline and not _answers(commands, python, build.index_url):
            if general_build_serves(build):
                commands.on_line(f"{_without_user(build.index_url)} does not answer: pip's own index has to do")
                asked = replace(build, index_url="")
            else:
                commands.on_line(f"{_without_user(build.index_url)} does not answer: pip may have to wait for it")
        commands.run([*pip, *torch_pip_arguments(torch, asked), *pip_arguments])
        version = _version(commands, python, "torch")
        note = other_build_note(build, version, offline=offline) if build else ""
        if note:
            commands.on_line(note)
    commands.run([*pip, *(pin for pin in pins if pin != torch), *pip_arguments])
    return version, note


def _trusting(commands: Commands, python: Path) -> Commands:
    """The commands with what pip must be told of certificates.

    An older pip trusts its own alone, and a newer one on Windows and macOS those of the system alone.
    """
    if _pip_version(commands, python) >= _TRUSTING_PIP and not os.environ.get("SSL_CERT_FILE"):
        return commands
    file = write_certificates(commands, python)
    return replace(commands, variables={**commands.variables, "PIP_CERT": str(file)}) if file else commands


def _answers(commands: Commands, python: Path, index_url: str) -> bool:
    """Whether an index gives what it has of PyTorch, without letting anybody wait for it.

    Pip asks, because it alone knows its proxies and certificates; it says what it could not fetch to who wants to know
    everything.
    """
    place = _without_user(index_url)  # pip says no password, in one way or another
    ask = [*isolated(python), "-m", "pip", "index", "versions", "torch", "-vv", "--index-url", index_url]
    limits = ["--retries", "0", "--no-input", "--disable-pip-version-check", "--timeout"]
    deadline_s, wait_s = time.monotonic() + _INDEX_PATIENCE_S, float(_INDEX_ANSWER_S)
    while wait_s >= 1.0:
        said: list[str] = []
        replace(commands, on_line=said.append).outcome([*ask, *limits, str(math.ceil(wait_s))])
        if not any("Could not fetch URL" in line and place in _without_user(line) for line in said):
            return True
        commands.cancel.wait(_INDEX_PAUSE_S)  # a server that is busy says so at once
        wait_s = deadline_s - time.monotonic()
    return False


def _without_user(text: str) -> str:
    """A text whose addresses name no user and no password."""
    return re.sub(r"//[^/\s]*@", "//", text)


def load_problem(commands: Commands, python: Path, pins: Sequence[str]) -> InfiniDepthError | None:
    """Loads the packages of an environment once; returns why one cannot be loaded.

    What the engine can do without is left aside.

    Returns:
        The reason, a `DamagedError` if its Python does not start or a package is not there; None: all load.

    Raises:
        Cancelled: the user did not want to wait.
    """
    try:
        code, lines = commands.outcome([*isolated(python), "-c", _LOAD, *_modules(pins)])
    except RuntimeMissingError as error:
        return error
    if code == 0:
        return None
    names = [line.removeprefix("Loading ") for line in lines if line.startswith("Loading ")]
    reasons = [line.removeprefix("ERROR: ") for line in error_lines(lines)]
    reason = reasons[-1] if reasons else f"it ended with code {code}"  # the last is the cause of the others
    error = cannot_load(python, f"{names[-1]} ({reason.rstrip('.')})" if names else reason, "\n".join(reasons))
    if not names or any(line.startswith("ModuleNotFoundError") for line in reasons):
        error = DamagedError(error.message, error.remedy)
    error.add_note("\n".join(lines))
    return error


def _modules(pins: Sequence[str]) -> list[str]:
    """The modules to import of pinned packages.

    PyTorch comes first: no other tells as clearly which libraries Windows lacks.
    """
    by_package = {package: module for module, packages in REQUIRED.items() for package in packages}
    skipped = {package for packages in OPTIONAL.values() for package in packages}
    packages = dict.fromkeys(re.split(r"[=<>~!;\s\[]", pin, maxsplit=1)[0] for pin in pins)
    names = sorted((name for name in packages if name not in skipped), key=lambda name: name != "torch")
    return [by_package.get(name, name.replace("-", "_")) for name in names]


def _pip_version(commands: Commands, python: Path) -> tuple[int, ...]:
    match = re.match(r"(\d+)\.(\d+)", _version(commands, python, "pip"))
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _version(commands: Commands, python: Path, package: str) -> str:
    """Version of a package in the environment; empty: it is not there."""
    show = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))"
    code, lines = commands.outcome([*isolated(python), "-c", show, package])
    return lines[-1] if code == 0 and lines else ""
