"""SOG files (PlayCanvas), version 2: splats as lossless pictures in a zip or a folder, with a list of what they mean.

A pixel, row by row, is a splat: `means` are 16 bits of sign(x) log(1 + |x|) between bounds, in two pictures; `scales`
and `sh0` index books of logarithms of scales and of colours, opacity beside them; `quats` are the three smallest
components, and 252 plus the number of the largest one; `shN` indexes a palette of harmonics, 64 entries a row of its
picture. The axes are those of PLY files.
"""

from __future__ import annotations

import contextlib
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import SplatFileError
from ..reconstruction import Gaussians
from . import SOG_LIST
from .splat_file import FEW, SplatFile, check_count, completed_quaternions, damaged, opening, usable

RgbaOf = Callable[[bytes], NDArray[np.uint8]]
"""From the bytes of a picture's file to its (height, width, 4) values, top row first, or a ValueError or OSError."""

MAGIC = b"PK\x03\x04"
_MAX_LIST_BYTES = 1 << 23
_MAX_PICTURE_BYTES = 1 << 30
_SMALL_PICTURE_BYTES = 1 << 26
"""What the picture of a zip may unpack to, however small the zip is."""
_ROOM = 4
"""How many times as many pixels as splats a picture may have: programs fill up to round sides."""
_COEFFICIENTS = (0, 3, 8, 15)
_PALETTE_COLUMNS = 64


def rgba_by_pillow(data: bytes) -> NDArray[np.uint8]:
    """Decodes a picture where Pillow is installed, as it is beside the engine.

    Raises:
        OSError: it is no picture.
        ValueError: it is larger than any splat file needs.
    """
    from PIL import Image

    try:
        # No others: for EPS, say, Pillow would start a program.
        with Image.open(io.BytesIO(data), formats=("WEBP", "PNG")) as picture:
            return np.asarray(picture.convert("RGBA"))
    except Image.DecompressionBombError as error:
        raise ValueError(str(error)) from error


def read_sog(path: Path, rgba_of: RgbaOf = rgba_by_pillow) -> SplatFile:
    """Reads a SOG file of version 2.

    Args:
        path: The file.
        rgba_of: Decodes its pictures.

    Raises:
        SplatFileError: the file is missing, damaged or of another version.
    """
    with opening(path, "a SOG file"):
        stream = path.open("rb")
    with _told(path), stream, zipfile.ZipFile(stream) as archive:
        if SOG_LIST not in archive.namelist():
            raise SplatFileError(f"{path} is a zip file without splats.", "Choose a splat file.")
        most_bytes = min(max(path.stat().st_size, _SMALL_PICTURE_BYTES), _MAX_PICTURE_BYTES)

        def part(name: str) -> bytes:
            if archive.getinfo(name).file_size > (_MAX_LIST_BYTES if name == SOG_LIST else most_bytes):
                raise ValueError(f"{name} is too large")
            return archive.read(name)

        gaussians = _gaussians(path, part, path.stat().st_size, rgba_of)
    gaussians, dropped = usable(path, gaussians)
    return SplatFile(gaussians, dropped=dropped)


def read_unpacked_sog(path: Path, rgba_of: RgbaOf = rgba_by_pillow) -> SplatFile:
    """Reads SOG of version 2 that is no zip: its list, and the pictures beside it.

    Args:
        path: The list, `meta.json`.
        rgba_of: Decodes the pictures.

    Raises:
        SplatFileError: one of the files is missing, damaged or of another version.
    """

    def part(name: str) -> bytes:
        # The list is another's: a name in it must not lead out of its folder.
        if not isinstance(name, str) or name in ("", ".", "..") or set(name) & set("/\\:\0"):
            raise ValueError(f"{name!r} is no name of a file beside it")
        most_bytes = _MAX_LIST_BYTES if name == SOG_LIST else _MAX_PICTURE_BYTES
        with (path.parent / name).open("rb") as stream:
            data = stream.read(most_bytes + 1)
        if len(data) > most_bytes:
            raise ValueError(f"{name} is too large")
        return data

    with opening(path, "a SOG file"):
        path.open("rb").close()
    with _told(path):
        gaussians = _gaussians(path, part, unpacked_bytes(path), rgba_of)
    gaussians, dropped = usable(path, gaussians)
    return SplatFile(gaussians, dropped=dropped)


def unpacked_bytes(path: Path) -> int:
    """Size of the list of unpacked SOG and of the pictures beside it; others' files in the folder count as well."""
    pictures = (file for file in path.parent.iterdir() if file.suffix.lower() in (".webp", ".png"))
    return path.stat().st_size + sum(file.stat().st_size for file in pictures)


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Says in one sentence what is wrong with a file."""
    try:
        yield
    except ImportError as error:
        raise SplatFileError(
            f"{path} is SOG, and this Python cannot read its pictures ({error}).",
            "Install the package pillow, or export the file as PLY, SPZ or .splat.",
        ) from error
    except FileNotFoundError as error:
        name = Path(str(error.filename)).name
        raise SplatFileError(f"{path} lacks its picture {name}.", "Keep all files of its folder together.") from error
    # RuntimeError: it has a password; NotImplementedError, which is one: it is packed in a way that Python does not know.
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        LookupError,
        TypeError,
        ValueError,
        OverflowError,
        OSError,
        RuntimeError,
    ) as error:
        raise damaged(path, " ".join(f"{type(error).__name__}: {error}".split())[:160]) from error


def _gaussians(path: Path, part: Callable[[str], bytes], length: int, rgba_of: RgbaOf) -> Gaussians:
    """The splats of a file of so many bytes, whose parts `part` gives by their names."""
    meta = json.loads(part(SOG_LIST))
    if not isinstance(meta, dict) or meta.get("version") != 2:
        raise SplatFileError(f"{path} is no SOG file of version 2.", "Export it anew, or as PLY, SPZ or .splat.")
    count = meta["count"]
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise ValueError("its count is no number of splats")
    check_count(path, count, length)

    def rgba(kind: str, k: int = 0) -> NDArray[np.uint8]:
        data = part(meta[kind]["files"][k])
        width, height = _size_of(data)
        if width * height > _ROOM * max(count, FEW):
            raise ValueError(f"the picture of {kind} has {width} x {height} pixels for {count} splats")
        return rgba_of(data)

    return _decoded(meta, count, rgba)


def _size_of(data: bytes) -> tuple[int, int]:
    """Width and height that the file of a picture tells; decoders take memory for them before they look further."""
    if data[:8] == b"\x89PNG\r\n\x1a\n" and data[12:16] == b"IHDR" and len(data) >= 24:
        return struct.unpack_from(">II", data, 16)
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or len(data) < 30:
        raise ValueError("a part of it is no WebP or PNG picture")
    if data[12:16] == b"VP8X":
        width, height = (int.from_bytes(data[k : k + 3], "little") for k in (24, 27))
        return width + 1, height + 1
    if data[12:16] == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


def _decoded(meta: dict[str, Any], count: int, rgba: Callable[[str, int], NDArray[np.uint8]]) -> Gaussians:
    def pixels(part: str, k: int = 0) -> NDArray[np.uint8]:
        found = rgba(part, k).reshape(-1, 4)
        if len(found) < count:
            raise ValueError(f"the picture of {part} has {len(found)} pixels for {count} splats")
        return found[:count]

    low, high = (_bound(meta["means"][end]) for end in ("mins", "maxs"))
    fixed = pixels("means", 1)[:, :3].astype(np.float32)
    fixed *= 256
    fixed += pixels("means", 0)[:, :3]
    logs = low + fixed * ((high - low) / np.float32(65535))
    scales = _book(meta["scales"])[pixels("scales")[:, :3]]
    base = pixels("sh0")
    sh = _book(meta["sh0"])[base[:, :3]][:, None]
    if meta.get("shN"):
        labels = pixels("shN", 1)
        sh = np.concatenate(
            [sh, _harmonics(meta["shN"], rgba("shN", 0), labels[:, 0] + 256 * labels[:, 1].astype(np.int32))], 1
        )
    return Gaussians(
        np.copysign(np.expm1(np.abs(logs)), logs),
        np.exp(scales),
        _rotations(pixels("quats")),
        base[:, 3].astype(np.float32) / 255,
        sh,
    )


def _bound(values: Any) -> NDArray[np.float32]:
    """Three coordinates."""
    bound = np.asarray(values, np.float32)
    if bound.shape != (3,):
        raise ValueError("its bounds are no three numbers")
    return bound


def _book(about: dict[str, Any]) -> NDArray[np.float32]:
    """What a number of a picture stands for, each a single value."""
    book = np.asarray(about["codebook"], np.float32)
    if book.ndim != 1:
        raise ValueError("one of its code books is no list of numbers")
    return book


def _rotations(codes: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(N, 4) unit quaternions w, x, y, z; none where the tag is not one."""
    known = codes[:, 3] >= 252
    largest = np.where(known, codes[:, 3].astype(np.intp) - 252, 0)
    q = completed_quaternions((codes[:, :3].astype(np.float32) / 255 * 2 - 1) * np.float32(np.sqrt(0.5)), largest)
    q[~known] = (1, 0, 0, 0)
    return q


def _harmonics(about: dict[str, Any], palette: NDArray[np.uint8], labels: NDArray[np.int32]) -> NDArray[np.float32]:
    """(N, K, 3) coefficients of each splat's palette entry."""
    coefficients = _COEFFICIENTS[int(about["bands"])]
    book = _book(about)
    entries = palette[:, : _PALETTE_COLUMNS * coefficients, :3].reshape(-1, coefficients, 3)
    return book[entries][np.minimum(labels, len(entries) - 1)]
