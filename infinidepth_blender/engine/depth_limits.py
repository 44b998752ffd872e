"""What depth files say of their size, looked at before memory is taken for it: a few bytes can promise gigabytes."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy_format

from ..errors import DepthFileError

MAX_PIXELS = 100_000_000
MAX_UNPACKED_BYTES = 10 * MAX_PIXELS
"""Of a part of an archive: eight bytes for each pixel, and a mask."""

_MAX_HEADER_BYTES = 1 << 16
"""Of .npy files, whose newer versions have room for gigabytes."""

_PNG = b"\x89PNG\r\n\x1a\n"
_WIDTH, _HEIGHT, _TILE_WIDTH, _TILE_HEIGHT = 256, 257, 322, 323
_WHOLE_TYPES = {1: "B", 3: "H", 4: "I", 16: "Q"}
"""Of TIFF: bytes, and whole numbers of 16, 32 and 64 bits."""


def too_large(path: Path, width_px: int, height_px: int) -> DepthFileError:
    """The error of a depth map that is larger than any that is read."""
    return DepthFileError(f"{path.name} is too large: {width_px} x {height_px} pixels.", "Scale it down.")


def check_array(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Refuses what is no depth of each pixel, or of too many.

    Raises:
        DepthFileError: it says which.
    """
    sides = [side for side in shape if side != 1]
    if len(sides) != 2 or dtype.kind not in "fiu":
        raise DepthFileError(
            f"{path.name} holds {dtype} values of shape {tuple(shape)}, not one depth for each pixel.",
            "Save a (height, width) array of metres.",
        )
    if math.prod(sides) > MAX_PIXELS:
        raise too_large(path, sides[1], sides[0])


def npy_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of the array in an open .npy file, which is then where it was.

    Raises:
        ValueError, EOFError: it is damaged.
    """
    start = file.tell()
    version = npy_format.read_magic(file)
    if version != (1, 0):
        if int.from_bytes(file.read(4), "little") > _MAX_HEADER_BYTES:
            raise ValueError("its header is too long")
        file.seek(start + npy_format.MAGIC_LEN)
    read_header = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
    shape, _, dtype = read_header(file)
    file.seek(start)
    return shape, dtype


def check_picture(path: Path, data: bytes | memoryview) -> None:
    """Refuses a PNG or TIFF file that promises more pixels, or longer parts, than it can have.

    Args:
        path: The file.
        data: All of it.

    Raises:
        DepthFileError: it is damaged, too large or of another kind.
    """
    start = bytes(data[:8])
    if start == _PNG:
        sizes = _sizes_of_png(data)
    elif start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        sizes = _sizes_of_tiff(data)
    else:
        raise damaged(path)
    try:
        for width_px, height_px in sizes:
            if width_px * height_px > MAX_PIXELS:
                raise too_large(path, width_px, height_px)
    except (struct.error, ValueError) as error:
        raise damaged(path) from error


def damaged(path: Path) -> DepthFileError:
    """The error of a picture that cannot be decoded."""
    return DepthFileError(f"{path.name} is damaged or no PNG or TIFF picture.", "Write or copy it again.")


def _sizes_of_png(data: bytes | memoryview) -> Iterator[tuple[int, int]]:
    """The size of its picture; every part must lie within the file, since the decoder believes what they say."""
    place = len(_PNG)
    while place < len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        if length > len(data) - place - 12:
            raise ValueError("a part of it is longer than the file")
        if kind == b"IHDR":
            yield struct.unpack_from(">II", data, place + 8)
        if kind == b"IEND":
            return
        place += 12 + length


def _sizes_of_tiff(data: bytes | memoryview) -> Iterator[tuple[int, int]]:
    """The size of the first picture and, where it has some, of its tiles."""
    order = "<" if bytes(data[:2]) == b"II" else ">"
    is_big = struct.unpack_from(order + "H", data, 2) == (43,)
    place_at, place_type, count_type, entry = (8, "Q", "Q", "HHQ") if is_big else (4, "I", "H", "HHI")
    (place,) = struct.unpack_from(order + place_type, data, place_at)
    (count,) = struct.unpack_from(order + count_type, data, place)
    place += struct.calcsize(order + count_type)
    head, step = struct.calcsize(order + entry), 20 if is_big else 12
    if count * step > len(data) - place:
        raise ValueError("its tags are more than the file has")
    most: dict[int, int] = {}
    for at in range(place, place + count * step, step):
        tag, kind, _ = struct.unpack_from(order + entry, data, at)
        if tag in (_WIDTH, _HEIGHT, _TILE_WIDTH, _TILE_HEIGHT) and kind in _WHOLE_TYPES:
            (value,) = struct.unpack_from(order + _WHOLE_TYPES[kind], data, at + head)
            most[tag] = max(value, most.get(tag, 0))
    yield most.get(_WIDTH, 0), most.get(_HEIGHT, 0)
    yield most.get(_TILE_WIDTH, 0), most.get(_TILE_HEIGHT, 0)
