"""Names of folders that every file system takes, and takes for different ones; standard library only."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path

from .staging import STAGING_SUFFIX

_NAME_BYTES = 200
"""Of the 255 that file systems allow."""
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3]) *", re.IGNORECASE)
"""What Windows takes for a device, whatever stands after a dot."""


def folder_name(name: str) -> str:
    """A photo's name as that of a folder: to it something may be added.

    It is cut so that file systems take it, ends neither in a space nor in a dot (Windows drops both, so that
    `photo.` would be `photo`), is no device of Windows and not called like a staging folder.

    Args:
        name: The photo's name without its extension.
    """
    while len(os.fsencode(name)) > _NAME_BYTES:
        name = name[:-1]
    name = name.rstrip(" .") or "Photo"
    device, dot, rest = name.partition(".")
    if _DEVICE.fullmatch(device):
        return f"{device.rstrip()}_photo{dot}{rest}"
    return f"{name}_photo" if name.endswith(STAGING_SUFFIX) else name


def same_folder_key(folder: Path) -> str:
    """Equal for folders that Windows or macOS takes for one: case and the way in which accents are written do not count."""
    composed = unicodedata.normalize("NFC", os.path.normcase(folder.absolute()))
    return unicodedata.normalize("NFC", composed.lower())
