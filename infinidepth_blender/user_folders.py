"""Folders that the user knows, wherever they were moved to; standard library only."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from pathlib import Path

from .engine.process import home_dir


def documents_dir() -> Path | None:
    """The user's folder for documents; None: there is none, as on servers, or it may not be looked at."""
    folder = Path(_documents())
    with contextlib.suppress(OSError):
        # Who has switched the folder off has it set to the home itself.
        if folder.is_absolute() and folder.is_dir() and folder != home_dir():
            return folder
    return None


if sys.platform == "win32":
    import ctypes
    import uuid

    _DOCUMENTS = uuid.UUID("FDD39AD0-238F-46AF-ADB4-6C85480369C7")

    def _documents() -> str:
        """What Windows says: it may be on another drive or in OneDrive."""
        wanted = ctypes.create_string_buffer(_DOCUMENTS.bytes_le, 16)
        found = ctypes.c_wchar_p()
        failed = ctypes.windll.shell32.SHGetKnownFolderPath(wanted, 0, None, ctypes.byref(found))
        try:
            return "" if failed else found.value or ""
        finally:
            ctypes.windll.ole32.CoTaskMemFree(found)

elif sys.platform == "darwin":

    def _documents() -> str:
        return str(home_dir() / "Documents")

else:

    def _documents() -> str:
        """What the desktop says, whose folders have names in the user's language."""
        settings = Path(os.environ.get("XDG_CONFIG_HOME") or home_dir() / ".config") / "user-dirs.dirs"
        try:
            told = re.search(r'^\s*XDG_DOCUMENTS_DIR="(.*)"', settings.read_text(encoding="utf-8"), re.MULTILINE)
        except (OSError, ValueError):
            told = None
        return told[1].replace("$HOME", str(home_dir())) if told else str(home_dir() / "Documents")
