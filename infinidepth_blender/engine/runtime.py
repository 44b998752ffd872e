"""The engine's own Python environment (the runtime): find it, check it.

Blender's Python is never touched. The engine runs in an environment that the user asked
InfiniDepth to make (`install.install_runtime`), or in any Python that the user points at.
Standard library only.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ..errors import RuntimeMissingError
from .install import (
    INSTALL_REMEDY,
    InstallPlan,
    find_installed,
    find_unloaded,
    install_runtime,
    plan_install,
    remove_replaced,
    remove_runtime,
    repair,
)
from .install_place import Installed, environments
from .interpreter import InterpreterError, interpreter_in, probe
from .probe import too_old
from .torch_builds import torch_pip_arguments

__all__ = [
    "PYTHON_VARIABLE",
    "InstallPlan",
    "Runtime",
    "find_installed",
    "find_runtime",
    "find_unloaded",
    "install_runtime",
    "interpreter_in",
    "plan_install",
    "probe",
    "remove_replaced",
    "remove_runtime",
    "torch_pip_arguments",
]

PYTHON_VARIABLE = "INFINIDEPTH_PYTHON"
"""Environment variable that names the engine's interpreter."""

Origin = Literal["chosen", "variable", "installed", "current"]

_MINIMUM_PYTHON = (3, 11)
_DID_NOT_LOAD = "Its packages could not be loaded when it was installed: if it does not work, install it again."


@dataclass(frozen=True)
class Runtime:
    """A Python that can run the engine.

    Attributes:
        python: The interpreter.
        origin: `chosen` by the user, named by the `variable`, `installed` by InfiniDepth,
            or the `current` interpreter.
        version: Of Python.
        packages: Versions by module name.
        outdated: Whether InfiniDepth installed it for another version of itself: it works, and an update is better.
        note: What the user should know of it; may be empty.
    """

    python: Path
    origin: Origin
    version: str
    packages: dict[str, str]
    outdated: bool = False
    note: str = ""


def find_runtime(
    preferred: Path | None = None,
    user_dir: Path | None = None,
    site: Path | None = None,
    older_dirs: Sequence[Path] = (),
) -> Runtime:
    """The Python to run the engine with; takes a fraction of a second.

    Tried in this order: `preferred`, the variable `INFINIDEPTH_PYTHON`, the environment
    that `install_runtime` made in `user_dir`, the current interpreter. What was named
    explicitly is not passed over silently when it is no good.

    Args:
        preferred: An interpreter, or the folder of an environment, that the user chose.
        user_dir: Folder that `install_runtime` was given.
        site: Folder with packages that count as installed, see `EngineClient`.
        older_dirs: Where earlier versions of InfiniDepth installed.

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
    for environment in environments((user_dir, *older_dirs)) if user_dir else ():
        try:
            return _checked_installed(environment, site)
        except RuntimeMissingError as error:
            problems.append(error)
    if sys.executable:
        try:
            return _checked(Path(sys.executable), "current", site)
        except RuntimeMissingError as error:
            problems.append(error)
    if len(problems) > 1 or (problems and user_dir is None):
        raise problems[0]
    raise RuntimeMissingError("The engine is not installed yet.", INSTALL_REMEDY)


def _checked_installed(environment: Installed, site: Path | None) -> Runtime:
    """Checks an environment of our own; mends it if its Python is gone or has become another version."""
    try:
        found = _checked(environment.python, "installed", site)
    except RuntimeMissingError as error:
        if not _has_lost_its_python(environment, error) or not repair(environment):
            raise
        found = _checked(environment.python, "installed", site)
    note = environment.note if environment.loads else f"{_DID_NOT_LOAD} {environment.note}".strip()
    return replace(found, outdated=not environment.current, note=note)


def _has_lost_its_python(environment: Installed, error: RuntimeMissingError) -> bool:
    if isinstance(error, InterpreterError):
        return True
    minor = environment.python_minor
    try:
        return bool(minor) and not f"{probe(environment.python)['python']}.".startswith(f"{minor}.")
    except RuntimeMissingError:
        return False  # it does not answer


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
    remedy = INSTALL_REMEDY if origin == "current" else "Install them there, or let InfiniDepth install its own engine."
    if found["missing"]:
        raise RuntimeMissingError(f"The engine's Python {python} lacks {_listed(found['missing'])}.", remedy)
    if old := too_old(found["packages"]):
        told = [f"{module} {version} ({minimum} or later is needed)" for module, version, minimum in old]
        raise RuntimeMissingError(f"The engine's Python {python} has {_listed(told)}.", remedy)
    return Runtime(python, origin, found["python"], found["packages"])


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
