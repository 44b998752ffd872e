"""SHA-256 of files; standard library only."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

_CHUNK_BYTES = 1 << 20


def sha256_of(path: Path, advance: Callable[[int], None] | None = None) -> str:
    """Hash of a file's bytes, as 64 hexadecimal digits.

    Args:
        path: The file.
        advance: Called with the number of bytes of every chunk that was read; it may raise to stop.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            if advance is not None:
                advance(len(chunk))
    return digest.hexdigest()


def sha256_if_there(path: Path) -> str:
    """Hash of a file as `sha256_of`; empty if it cannot be read."""
    try:
        return sha256_of(path)
    except OSError:
        return ""
