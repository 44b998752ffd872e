"""Why a package cannot be loaded, and what to do about it."""

from __future__ import annotations

import re
from pathlib import Path

from .. import addresses
from ..errors import EngineError, InfiniDepthError, RuntimeMissingError

_WINDOWS_LIBRARY = re.compile(r"\[WinError (126|1114)\]")
"""A library that another one needs is missing (126) or too old to start (1114)."""


class WindowsLibraryError(EngineError):
    """Microsoft's libraries are missing; to install the engine again does not help."""


def cannot_load(python: Path | str, what: str, reason: str) -> InfiniDepthError:
    """The error for a package that the engine's Python has but cannot load, or has not.

    Args:
        python: The interpreter.
        what: What cannot be loaded.
        reason: What Python said.
    """
    if _WINDOWS_LIBRARY.search(reason):
        return WindowsLibraryError(
            f"The engine's Python {python} cannot load {what}: the Microsoft Visual C++ Redistributable is missing or "
            "too old.",
            f"Install it from {addresses.VISUAL_CPP} and start Blender again.",
        )
    return RuntimeMissingError(
        f"The engine's Python {python} cannot load {what}.",
        "Install the engine again, or choose a Python that has its packages.",
    )
