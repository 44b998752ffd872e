"""Why a package cannot be loaded, and what to do about it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from .. import addresses
from ..errors import EngineError, InfiniDepthError, RuntimeMissingError

_NUMBER = re.compile(r"\[WinError (\d+)\]")
_LACKING = {"126", "127", "1114"}
"""A library that another one needs is missing (126), of another version (127) or too old to start (1114)."""
_LACKING_WORDS = re.compile(
    r"module could not be found|procedure could not be found|initialization routine failed|"
    r"Could not find/load shared object|Could not find module '"
)
"""The same in words: Windows' in English, and those of `ctypes` and, where it loads its compiler, of llvmlite."""
_WINDOWS_WORDS = re.compile(r"DLL load failed while importing [^:\n]*: *(.*)")
"""Python gives Windows' words in the user's language, and no number."""
_ENGLISH = re.compile(r"\b(the|this|not|denied|failed)\b", re.IGNORECASE)
_OPENCV = re.compile(r"\bcv2\b")


class WindowsLibraryError(EngineError):
    """Microsoft's libraries are missing; to install the engine again does not help."""


class DamagedError(RuntimeMissingError):
    """An environment's Python does not start, or it lacks a package: only a new one helps."""


def cannot_load(python: Path | str, what: str, reason: str, system: str = sys.platform) -> InfiniDepthError:
    """The error for a package that the engine's Python has but cannot load, or has not.

    Args:
        python: The interpreter.
        what: What cannot be loaded.
        reason: What Python said.
        system: As `sys.platform` says it.
    """
    lacking = _lacks_windows_library(reason) if system == "win32" else False
    if lacking is not False:
        # OpenCV reads videos by Windows' own means, which its editions N leave out.
        media = bool(_OPENCV.search(f"{what} {reason}"))
        also = " or, on an edition N of Windows, the Media Feature Pack" if media else ""
        feature = ", on an edition N of Windows add the Media Feature Pack under Optional Features," if media else ""
        verb, otherwise = "is missing or too old", ""
        if lacking is None:
            verb = "may be missing or too old"
            otherwise = " If it is there already, see whether a security program blocks the engine."
        return WindowsLibraryError(
            f"The engine's Python {python} cannot load {what}: the Microsoft Visual C++ Redistributable{also} {verb}.",
            f"Install it from {addresses.VISUAL_CPP}{feature} and start Blender again.{otherwise}",
        )
    return RuntimeMissingError(
        f"The engine's Python {python} cannot load {what}.",
        "Install the engine again, or choose a Python that has its packages.",
    )


def _lacks_windows_library(reason: str) -> bool | None:
    """Whether a library is missing; None: perhaps, Windows says why in a language that is not known here."""
    if numbers := set(_NUMBER.findall(reason)):
        return bool(numbers & _LACKING)
    if _LACKING_WORDS.search(reason):
        return True
    said = _WINDOWS_WORDS.search(reason)
    return None if said and not _ENGLISH.search(said[1]) else False
