"""Python interpreters: which one is meant, what it says of itself, which can make environments.

Standard library only.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import RuntimeMissingError
from .process import child_environment, no_window_flags

VENV_REMEDY = (
    "On Debian and Ubuntu install the package python3-venv; elsewhere install Python from python.org, "
    "or choose a Python that already has PyTorch in the preferences."
)
_SUPPORTED = ((3, 11), (3, 14))
_ANSWER_S = 60


class InterpreterError(RuntimeMissingError):
    """A Python does not start: it is gone, or it is no Python."""


def interpreter_in(path: Path) -> Path:
    """The interpreter that a user means: the file itself, or the one of an environment's folder."""
    if path.is_dir():
        for name in ("bin/python3", "bin/python", "Scripts/python.exe", "python.exe"):
            if (path / name).is_file():
                return path / name
    return path


def venv_python(folder: Path) -> Path:
    """The interpreter of an environment that `venv` made."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def probe(python: Path, site: Path | None = None) -> dict[str, Any]:
    """What a Python says of itself: `python`, `executable`, `packages`, `missing`.

    Raises:
        InterpreterError: it does not start, or is no Python.
        RuntimeMissingError: it does not answer.
    """
    command = [str(python), "-I", str(Path(__file__).with_name("probe.py"))]
    if site is not None:
        command += ["--site", str(site)]
    kind: type[RuntimeMissingError] = InterpreterError
    try:
        result = subprocess.run(
            command,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_ANSWER_S,
            check=False,
            env=child_environment(python),
            creationflags=no_window_flags(),
        )
        return json.loads(result.stdout)
    except OSError as error:
        reason = error.strerror or str(error)
    except subprocess.TimeoutExpired:
        kind, reason = RuntimeMissingError, f"it did not answer within {_ANSWER_S} seconds"
    except ValueError:
        reason = "it is not a working Python 3"
    raise kind(
        f"The engine's Python {python} cannot be used: {reason}.", "Install the engine, or choose another Python."
    )


def base_python(minor: str = "") -> Path:
    """The first Python that can make environments, the running one first.

    Args:
        minor: Wanted version, such as `3.11`, to mend an environment of it without pip; empty: any that the engine's
            packages are made for, with pip.

    Raises:
        RuntimeMissingError: there is none.
    """
    names = [minor] if minor else ["3.11", "3.13", "3.12"]
    for python in _candidates(names):
        version = _version_if_able(python, ("venv",) if minor else ("venv", "ensurepip"))
        if version and (".".join(map(str, version)) == minor if minor else _SUPPORTED[0] <= version <= _SUPPORTED[1]):
            return python
    raise RuntimeMissingError(
        f"No Python {minor} was found."
        if minor
        else "No Python was found that can make environments (it lacks venv or ensurepip).",
        VENV_REMEDY,
    )


def _candidates(minors: list[str]) -> Iterator[Path]:
    yield Path(sys.executable or "python3")
    yield Path(sys.prefix) / ("bin/python.exe" if os.name == "nt" else f"bin/python3.{sys.version_info[1]}")
    for name in (*(f"python{minor}" for minor in minors), "python3", "python"):
        if found := shutil.which(name):
            yield Path(found)


def _version_if_able(python: Path, modules: tuple[str, ...]) -> tuple[int, ...]:
    """Major and minor version of a Python that has some modules; empty if it lacks one, or does not start."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired, ValueError):
        check = subprocess.run(
            [str(python), "-I", "-c", f"import sys, {', '.join(modules)}; print(*sys.version_info[:2])"],
            capture_output=True, stdin=subprocess.DEVNULL, timeout=30, check=False,
            env=child_environment(python), creationflags=no_window_flags(),
        )  # fmt: skip
        return tuple(map(int, check.stdout.split()))
    return ()
