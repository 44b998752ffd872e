"""Folders of the user, wherever they were moved to, and of this program among them; standard library only."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from pathlib import Path

_APP_FOLDER = "infinidepth"


def home_dir() -> Path:
    """The user's home, or the folder for temporary files where there is none, as in some containers."""
    try:
        return Path.home()
    except RuntimeError:
        return Path(tempfile.gettempdir())


def user_data_dir() -> Path:
    """Where the engine's environment lies: `INFINIDEPTH_HOME` or the system's place."""
    home = os.environ.get("INFINIDEPTH_HOME")
    if home:
        return Path(os.path.expanduser(home))  # noqa: PTH111 - takes unknown users as they are
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", home_dir() / "AppData" / "Local")) / _APP_FOLDER
    if sys.platform == "darwin":
        return home_dir() / "Library" / "Application Support" / _APP_FOLDER
    return Path(os.environ.get("XDG_DATA_HOME") or home_dir() / ".local" / "share") / _APP_FOLDER


def user_cache_dir() -> Path:
    """Where files go that may be deleted at any time."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", home_dir() / "AppData" / "Local")) / _APP_FOLDER / "cache"
    if sys.platform == "darwin":
        return home_dir() / "Library" / "Caches" / _APP_FOLDER
    return Path(os.environ.get("XDG_CACHE_HOME") or home_dir() / ".cache") / _APP_FOLDER


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
