"""TIFF files (TIFF 6.0) for the tests of reading photos."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

Tags = Mapping[int, tuple[int, Sequence[int] | bytes]]
"""Forms (3: 16 bits, 4: 32 bits, 7: bytes) and values."""
_FORMS = {3: "H", 4: "I"}


def write_tiff(
    path: Path,
    pixels: np.ndarray,
    kind: int,
    *,
    orientation: int = 1,
    planes: bool = False,
    strip_rows: int = 0,
    tile_px: int = 0,
    deflated: bool = False,
    predictor: int = 1,
    tags: Tags | None = None,
    exif: Tags | None = None,
    thumbnail: np.ndarray | None = None,
    thumbnail_kind: int = 1,
) -> None:
    """Writes a TIFF file.

    Args:
        path: The file.
        pixels: (H, W, C), or (C, H, W) in planes; little endian.
        kind: 1 for whole numbers, 3 for floating point.
        orientation: Its tag.
        planes: Colours one after the other.
        strip_rows: Rows of a strip; 0: all.
        tile_px: Side of a tile; 0: strips.
        deflated: Compressed.
        predictor: 1, or 3 for differences of the bytes of floating point.
        tags: Further ones, or others.
        exif: Of the EXIF directory.
        thumbnail: (h, w, 3) uint8 a small copy that comes first.
        thumbnail_kind: Tag 254 of it.
    """
    body, directories = b"", []
    if thumbnail is not None:
        body += thumbnail.tobytes()
        directories.append(
            _tags(thumbnail, 1, [8], [thumbnail.size], thumbnail.shape[0])
            | {254: (4, [thumbnail_kind]), 258: (3, [8] * 3)}
        )
    every = pixels if planes else pixels[None]
    height = every.shape[1]
    parts = [part for plane in every for part in _parts(plane, strip_rows or height, tile_px)]
    stored = [_packed(part, predictor) for part in parts]
    stored = [zlib.compress(part) for part in stored] if deflated else stored
    begin = 8 + len(body)
    places = [begin + sum(len(part) for part in stored[:k]) for k in range(len(stored))]
    sizes = [len(part) for part in stored]
    main = _tags(np.moveaxis(pixels, 0, -1) if planes else pixels, kind, places, sizes, strip_rows or height)
    main |= {
        259: (3, [8 if deflated else 1]),
        274: (3, [orientation]),
        284: (3, [2 if planes else 1]),
        317: (3, [predictor]),
    }
    if tile_px:
        main |= {322: (4, [tile_px]), 323: (4, [tile_px]), 324: main.pop(273), 325: main.pop(279)}
        del main[278]
    body += b"".join(stored)
    if exif is not None:
        main[34665] = (4, [8 + len(body)])
        body += _directory(exif, 8 + len(body), 0)
    directories.append(main | dict(tags or {}))
    data, first = body, 8 + len(body)
    for index, each in enumerate(directories):
        at = 8 + len(data)
        follows = index + 1 < len(directories)
        data += _directory(each, at, at + len(_directory(each, at, 0)) if follows else 0)
    path.write_bytes(b"II*\0" + struct.pack("<I", first) + data)


def _tags(pixels: np.ndarray, kind: int, places: list[int], sizes: list[int], rows: int) -> dict:
    height, width, samples = pixels.shape
    return {
        256: (4, [width]), 257: (4, [height]), 258: (3, [8 * pixels.itemsize] * samples), 259: (3, [1]),
        262: (3, [1 if samples < 3 else 2]), 273: (4, places), 277: (3, [samples]), 278: (4, [rows]),
        279: (4, sizes), 339: (3, [kind] * samples),
    }  # fmt: skip


def _parts(plane: np.ndarray, rows: int, tile_px: int) -> list[np.ndarray]:
    if not tile_px:
        return [plane[top : top + rows] for top in range(0, len(plane), rows)]
    more = [(0, -size % tile_px) for size in plane.shape[:2]] + [(0, 0)] * (plane.ndim - 2)
    padded = np.pad(plane, more)
    return [
        padded[top : top + tile_px, left : left + tile_px]
        for top in range(0, padded.shape[0], tile_px)
        for left in range(0, padded.shape[1], tile_px)
    ]


def _packed(part: np.ndarray, predictor: int) -> bytes:
    if predictor == 1:
        return part.tobytes()
    rows, samples, size = len(part), part.shape[2], part.itemsize
    highest_first = part.astype(part.dtype.newbyteorder(">")).reshape(rows, -1).view(np.uint8).reshape(rows, -1, size)
    of_rows = np.moveaxis(highest_first, 2, 1).reshape(rows, -1, samples)
    return np.diff(of_rows, axis=1, prepend=np.zeros((rows, 1, samples), np.uint8)).tobytes()


def _directory(tags: Tags, at: int, following: int) -> bytes:
    entries, behind = struct.pack("<H", len(tags)), b""
    behind_at = at + 2 + 12 * len(tags) + 4
    for tag, (form, values) in sorted(tags.items()):
        packed = values if isinstance(values, bytes) else struct.pack(f"<{len(values)}{_FORMS[form]}", *values)
        place = packed.ljust(4, b"\0") if len(packed) <= 4 else struct.pack("<I", behind_at + len(behind))
        behind += packed if len(packed) > 4 else b""
        entries += struct.pack("<HHI", tag, form, len(values)) + place
    return entries + struct.pack("<I", following) + behind
