"""Small things about files that the model store and the downloads share; standard library only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..errors import ModelError, OutputError
from ..progress import Progress
from ..small_files import write_json
from .registry import ModelEntry, megabytes

CHUNK_BYTES = 1 << 20
_SIZE_TOLERANCE = 0.2
"""Of the sizes in the registry that are not exact."""


@dataclass(frozen=True)
class Fingerprint:
    """What tells one file from another.

    Attributes:
        sha256: 64 hexadecimal digits.
        size_bytes: Its size.
        revision: The commit on the hub that it was found at; empty: unknown.
    """

    sha256: str
    size_bytes: int
    revision: str = field(default="", compare=False)


def write_note(path: Path, data: dict[str, Any]) -> None:
    """Writes a small file, all or nothing.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        write_json(path, data)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}.", "Check the disk.") from error


def fingerprint_of(data: dict[str, Any]) -> Fingerprint | None:
    """The fingerprint that `asdict` wrote; None if there is none."""
    sha256, size = data.get("sha256"), data.get("size_bytes")
    if not isinstance(sha256, str) or not isinstance(size, int):
        return None
    return Fingerprint(sha256, size, str(data.get("revision") or ""))


def beside(file: Path) -> Path:
    """The small file with what is known of a large one."""
    return file.with_name(f"{file.name}.json")


def share_of(progress: Progress | None, total: int, what: str) -> Callable[[int], None]:
    """A function that takes the bytes that were done and reports them as a share of the whole."""
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        if progress:
            progress("check", done / max(total, 1), what)

    return advance


def readable_size(entry: ModelEntry, source: Path) -> int:
    """Size of a file that looks like the kind that the model is.

    Raises:
        ModelError: it cannot be read, or is something else.
    """
    try:
        with source.open("rb") as file:
            head = file.read(16)
        size = source.stat().st_size
    except OSError as error:
        raise ModelError(f"{source} cannot be read: {error.strerror or error}.", "Check the path.") from error
    if head.startswith(b"version https://"):
        raise ModelError(
            f"{source} is only a pointer to a large file, not the file itself.", "Fetch it with 'git lfs pull'."
        )
    suffix = Path(entry.file).suffix
    fits = {
        ".ckpt": head.startswith(b"PK\x03\x04"),
        ".safetensors": len(head) > 8 and int.from_bytes(head[:8], "little") < size and head[8:9] == b"{",
    }
    if not fits.get(suffix, size > 0):
        raise ModelError(
            f"The content of {source} is not that of a {suffix} file ({size:,} bytes).",
            f"'{entry.name}' is the file {entry.file} of its repository, {entry.size_text}.",
        )
    return size


def check_size(entry: ModelEntry, source: Path, size: int, expected: Fingerprint | None) -> None:
    """Refuses a file of another size than a model's; where nobody knows that exactly, of a size far from it.

    Raises:
        ModelError: so it is.
    """
    if expected is not None:
        if size != expected.size_bytes:
            raise ModelError(
                f"{source} is not '{entry.name}': it has {size:,} bytes instead of {expected.size_bytes:,}.",
                "Copy or download the file again.",
            )
    elif entry.size_bytes and abs(size - entry.size_bytes) > _SIZE_TOLERANCE * entry.size_bytes:
        raise ModelError(
            f"{source} is not '{entry.name}': it has {megabytes(size)} instead of {entry.size_text}.",
            f"Check the name and the file; 'reconstruct --model {source}' takes a model without a name.",
        )


def now_text() -> str:
    """The time, for what people may read."""
    return datetime.now(UTC).isoformat(timespec="seconds")
