"""The engine's own Python environment (the runtime): find it, check it.

Blender's Python is never touched. The engine runs in an environment that the user asked
InfiniDepth to make (`install.install_runtime`), or in any Python that the user points at.
Standard library only.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..errors import RuntimeMissingError
from .install import (
    INSTALL_REMEDY,
    InstallPlan,
    find_installed,
    install_runtime,
    plan_install,
    remove_runtime,
)
from .process import child_environment, no_window_flags
from .torch_builds import torch_pip_arguments

__all__ = [
    "PYTHON_VARIABLE",
    "InstallPlan",
    "Runtime",
    "find_runtime",
    "install_runtime",
    "plan_install",
    "probe",
    "remove_runtime",
    "torch_pip_arguments",
]

PYTHON_VARIABLE = "INFINIDEPTH_PYTHON"
"""Environment variable that names the engine's interpreter."""

Origin = Literal["chosen", "variable", "installed", "current"]

_MINIMUM_PYTHON = (3, 11)


@dataclass(frozen=True)
class Runtime:
    """A Python that can run the engine.

    Attributes:
        python: The interpreter.
        origin: `chosen` by the user, named by the `variable`, `installed` by InfiniDepth,
            or the `current` interpreter.
        version: Of Python.
        packages: Versions by module name.
    """

    python: Path
    origin: Origin
    version: str
    packages: dict[str, str]


def find_runtime(preferred: Path | None = None, user_dir: Path | None = None, site: Path | None = None) -> Runtime:
    """The Python to run the engine with; takes a fraction of a second.

    Tried in this order: `preferred`, the variable `INFINIDEPTH_PYTHON`, the environment
    that `install_runtime` made in `user_dir`, the current interpreter. What was named
    explicitly is not passed over silently when it is no good.

    Args:
        preferred: An interpreter, or the folder of an environment, that the user chose.
        user_dir: Folder that `install_runtime` was given.
        site: Folder with packages that count as installed, see `EngineClient`.

    Raises:
        RuntimeMissingError: none of them can run the engine; the message names what is missing.
    """
    variable = os.environ.get(PYTHON_VARIABLE)
    named: list[tuple[Origin, Path]] = []
    if preferred:
        named.append(("chosen", Path(preferred)))
    elif variable:
        named.append(("variable", Path(variable)))
    for origin, path in named:
        try:
            return _checked(interpreter_in(path.expanduser()), origin, site)
        except RuntimeMissingError as error:
            if origin != "variable":
                raise
            raise RuntimeMissingError(
                error.message, f"{error.remedy} The variable {PYTHON_VARIABLE} names it."
            ) from None

    problems: list[RuntimeMissingError] = []
    candidates: list[tuple[Origin, Path | None]] = [
        ("installed", find_installed(user_dir) if user_dir else None),
        ("current", Path(sys.executable) if sys.executable else None),
    ]
    for origin, python in candidates:
        if python is not None:
            try:
                return _checked(python, origin, site)
            except RuntimeMissingError as error:
                problems.append(error)
    if len(problems) > 1 or (problems and user_dir is None):
        raise problems[0]
    raise RuntimeMissingError("The engine is not installed yet.", INSTALL_REMEDY)


def interpreter_in(path: Path) -> Path:
    """The interpreter that a user means: the file itself, or the one of an environment's folder."""
    if path.is_dir():
        for name in ("bin/python3", "bin/python", "Scripts/python.exe", "python.exe"):
            if (path / name).is_file():
                return path / name
    return path


def probe(python: Path, site: Path | None = None, timeout_s: float = 60.0) -> dict[str, Any]:
    """What a Python says of itself: `python`, `executable`, `packages`, `missing`.

    Raises:
        RuntimeMissingError: it does not run, or is no Python.
    """
    command = [str(python), "-I", str(Path(__file__).with_name("probe.py"))]
    if site is not None:
        command += ["--site", str(site)]
    try:
        result = subprocess.run(
            command,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=timeout_s,
            check=False,
            env=child_environment(python),
            creationflags=no_window_flags(),
        )
        return json.loads(result.stdout)
    except OSError as error:
        reason = error.strerror or str(error)
    except subprocess.TimeoutExpired:
        reason = f"it did not answer within {timeout_s:.0f} seconds"
    except ValueError:
        reason = "it is not a working Python 3"
    raise RuntimeMissingError(
        f"The engine's Python {python} cannot be used: {reason}.", "Install the engine, or choose another Python."
    )


def _checked(python: Path, origin: Origin, site: Path | None) -> Runtime:
    if len(python.parts) > 1:
        python = python.absolute()  # the engine runs in another folder; links of environments stay as they are
    found = probe(python, site)
    version = tuple(int(part) for part in found["python"].split(".")[:2])
    if version < _MINIMUM_PYTHON:
        wanted = ".".join(map(str, _MINIMUM_PYTHON))
        raise RuntimeMissingError(
            f"The engine's Python {python} is version {found['python']}, too old.", f"Choose Python {wanted} or later."
        )
    if found["missing"]:
        raise RuntimeMissingError(
            f"The engine's Python {python} lacks {_listed(found['missing'])}.",
            INSTALL_REMEDY if origin == "current" else "Install them there, or let InfiniDepth install its own engine.",
        )
    return Runtime(python, origin, found["python"], found["packages"])


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
