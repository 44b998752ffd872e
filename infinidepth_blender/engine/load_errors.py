"""Why a package cannot be loaded, and what to do about it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from .. import addresses
from ..errors import EngineError, InfiniDepthError, RuntimeMissingError

_WINDOWS_LIBRARY = re.compile(
    r"\[WinError (126|127|1114)\]|DLL load failed while importing|Could not find/load shared object|Could not find module '"
)
"""A library that another one needs is missing (126), of another version (127) or too old to start (1114).

Beside Python's own words there are those of `ctypes` and, where it loads its compiler, of llvmlite.
"""
_OPENCV = re.compile(r"\bcv2\b")


class WindowsLibraryError(EngineError):
    """Microsoft's libraries are missing; to install the engine again does not help."""


def cannot_load(python: Path | str, what: str, reason: str, system: str = sys.platform) -> InfiniDepthError:
    """The error for a package that the engine's Python has but cannot load, or has not.

    Args:
        python: The interpreter.
        what: What cannot be loaded.
        reason: What Python said.
        system: As `sys.platform` says it.
    """
    if system == "win32" and _WINDOWS_LIBRARY.search(reason):
        # OpenCV reads videos by Windows' own means, which its editions N leave out.
        media = bool(_OPENCV.search(f"{what} {reason}"))
        also = " or, on an edition N of Windows, the Media Feature Pack" if media else ""
        feature = ", on an edition N of Windows add the Media Feature Pack under Optional Features," if media else ""
        return WindowsLibraryError(
            f"The engine's Python {python} cannot load {what}: the Microsoft Visual C++ Redistributable{also} is missing "
            "or too old.",
            f"Install it from {addresses.VISUAL_CPP}{feature} and start Blender again.",
        )
    return RuntimeMissingError(
        f"The engine's Python {python} cannot load {what}.",
        "Install the engine again, or choose a Python that has its packages.",
    )
