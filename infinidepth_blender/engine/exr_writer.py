"""OpenEXR files."""

from __future__ import annotations

import contextlib
import errno
import importlib
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def write_exr(path: Path, channels: dict[str, NDArray[Any]], comment: str) -> None:
    """Writes an OpenEXR file of one part.

    Args:
        path: The file to write.
        channels: (h, w) planes by their names, or one (h, w, 3) under `RGB`; half floats or floats.
        comment: What the file holds, for whoever looks into its header.

    Raises:
        OSError: the file cannot be written.
    """
    openexr: Any = importlib.import_module("OpenEXR")
    header = {"compression": openexr.ZIP_COMPRESSION, "type": openexr.scanlineimage, "comments": comment}
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
    try:
        exr = openexr.File(header, {name: np.ascontiguousarray(pixels) for name, pixels in channels.items()})
        if _is_utf8(path):
            exr.write(str(path))
        else:  # the library takes no other names
            content = io.BytesIO()
            exr.write(content)
            path.write_bytes(content.getbuffer())
    except Exception as error:  # the library hides the operating system's reason
        raise _write_error(path, error) from error


def _is_utf8(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _write_error(path: Path, error: Exception) -> OSError:
    """The operating system's reason why a library could not write `path`."""
    if isinstance(error, OSError) and error.errno:
        return error
    try:
        with path.open("ab") as file:  # the same disk says why, once more
            file.write(bytes(1 << 16))
            file.flush()
            os.fsync(file.fileno())
    except OSError as reason:
        return reason
    return OSError(errno.EIO, " ".join(str(error).split()) or "it could not be written")
