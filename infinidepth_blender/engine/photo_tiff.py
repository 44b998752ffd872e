"""The samples of TIFF files that other readers cut, refuse or turn black: of 16 bits, floating point, in planes, with more channels.

A few compressions know nothing of what they hold. To undo them, a file is shown to Pillow's decoder as one whose pixels
are single bytes; what these mean is worked out here (TIFF 6.0, and its technical notes 1 and 3).
"""

from __future__ import annotations

import io
import math
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from ..errors import PhotoError

MAGIC = (b"II*\0", b"MM\0*", b"II+\0")
"""How TIFF files and little-endian BigTIFF files begin; Pillow reads no tags of others."""

TAG_KIND, TAG_WIDTH, TAG_HEIGHT, TAG_BITS, TAG_COMPRESSION = 254, 256, 257, 258, 259
TAG_PHOTOMETRIC, TAG_ORIENTATION, TAG_PLANES, TAG_EXTRA_SAMPLES = 262, 274, 284, 338
TAG_ICC_PROFILE, TAG_EXIF = 34675, 34665
_TAG_STRIPS, _TAG_SAMPLES, _TAG_STRIP_ROWS, _TAG_STRIP_BYTES, _TAG_PREDICTOR = 273, 277, 278, 279, 317
_TAG_TILE_WIDTH, _TAG_TILE_HEIGHT, _TAG_TILES, _TAG_TILE_BYTES, _TAG_FORMAT = 322, 323, 324, 325, 339

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB = 0, 1, 2
LOG_LUV = (32844, 32845)
REDUCED = 1
"""Bit of `TAG_KIND`: a smaller copy of another picture of the file."""
_IN_PLANES = 2
_PREMULTIPLIED, _NOT_PREMULTIPLIED = 1, 2
_UNCOMPRESSED = 1
_COMPRESSIONS_OF_BYTES = {
    5: "LZW",
    8: "Deflate",
    32946: "Deflate",
    32773: "PackBits",
    34925: "LZMA",
    50000: "Zstandard",
}
_OTHER_COMPRESSIONS = {
    6: "old JPEG",
    7: "JPEG",
    33003: "JPEG 2000",
    33005: "JPEG 2000",
    34712: "JPEG 2000",
    34887: "LERC",
    34892: "lossy JPEG of DNG",
    34933: "PNG",
    34934: "JPEG XR",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
}
_DIFFERENCES, _FLOAT_DIFFERENCES = 2, 3
_DTYPES = {(1, 8): "u1", (1, 16): "u2", (3, 16): "f2", (3, 32): "f4", (3, 64): "f8"}
"""By the kind of a sample and its bits."""
_WHOLE = 1
_BIG_TIFF = 43
_MOST_PICTURES, _MOST_SAMPLES, _MOST_TILE_PX = 1000, 64, 1 << 16


@dataclass(frozen=True)
class TiffSamples:
    """The pixels as they are stored.

    Attributes:
        colors: (H, W, C) uint8, uint16 or float32, C of 1 or 3; 0 is black.
        alpha: (H, W) of the same type; None: there is none.
        is_premultiplied: The colours are multiplied by it.
    """

    colors: NDArray[Any]
    alpha: NDArray[Any] | None
    is_premultiplied: bool


def picture_tags(path: Path) -> Any:
    """The tags of the first picture that is not a smaller copy of another, whether or not Pillow knows its kind; nothing of a damaged file.

    Raises:
        OSError: it cannot be read.
    """
    first = None
    try:
        with path.open("rb") as file:
            tags = _directory(file, None)
            for _ in range(_MOST_PICTURES):
                first = first or tags
                if not tags.get(TAG_KIND, 0) & REDUCED:
                    return tags
                if not tags.next:
                    break
                tags = _directory(file, tags.next)
    except (SyntaxError, ValueError, LookupError, TypeError, struct.error):
        pass
    return first or {}


def exif_tags(path: Path, tags: Any) -> Any:
    """The tags of a picture's EXIF directory; nothing where it has none, or a damaged one.

    Raises:
        OSError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return _directory(file, int(tags[TAG_EXIF]))
    except (SyntaxError, ValueError, LookupError, TypeError, struct.error):
        return {}


def is_in_planes(tags: Any) -> bool:
    """Whether colours of more than 8 bits lie one after the other instead of side by side, of which Pillow makes a wrong picture."""
    bits = tags.get(TAG_BITS, ())
    return tags.get(TAG_PLANES) == _IN_PLANES and len(bits) > 1 and max(bits) > 8


def compression_problem(path: Path, tags: Any) -> PhotoError | None:
    """What to say of a picture that cannot be decoded because of its compression; None: that is not why."""
    compression = tags.get(TAG_COMPRESSION, _UNCOMPRESSED)
    if compression == _UNCOMPRESSED or compression in _COMPRESSIONS_OF_BYTES:
        return None
    name = _OTHER_COMPRESSIONS.get(compression, f"number {compression}")
    return PhotoError(
        f"{path.name} is compressed in a way that cannot be read here ({name}).",
        "Save it again with LZW or Deflate (ZIP) compression, or none.",
    )


def read_samples(path: Path, tags: Any) -> TiffSamples:
    """Reads a picture.

    Args:
        path: The file.
        tags: Of its picture.

    Raises:
        PhotoError: it is damaged, or of a kind or a compression that is not read.
        OSError: the file cannot be read.
    """
    damaged = PhotoError(f"{path.name} is damaged or incomplete.", "Copy the file again, or save it as PNG or EXR.")
    try:
        problem = _kind_problem(path, tags) or compression_problem(path, tags)
        if problem is not None:
            raise problem
        return _interpreted(_Layout(tags), np.fromfile(path, dtype=np.uint8), tags)
    except (PhotoError, MemoryError):
        raise
    except (SyntaxError, ValueError, LookupError, TypeError, ArithmeticError, struct.error) as error:
        raise damaged from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise damaged from error  # the decoder's


def _directory(file: BinaryIO, at: int | None) -> Any:
    file.seek(0)
    head = file.read(8)
    tags: Any = TiffImagePlugin.ImageFileDirectory_v2(head + (file.read(8) if head[2] == _BIG_TIFF else b""))
    file.seek(tags.next if at is None else at)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about damage: what can be read of the tags is used
        tags.load(file)
    return tags


def _kind_problem(path: Path, tags: Any) -> PhotoError | None:
    """What to say of a picture whose samples have no meaning here."""
    bits, kinds = tags[TAG_BITS], tags.get(_TAG_FORMAT, (_WHOLE,))
    if (kinds[0], bits[0]) in _DTYPES and len({*bits}) == len({*kinds}) == 1:
        if tags.get(TAG_PHOTOMETRIC) in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB):
            return None
        return PhotoError(f"{path.name} is neither RGB nor grey, which is read with 8 bits only.", "Save it as RGB.")
    kind = "floating point numbers" if kinds[0] == 3 else "whole numbers"
    told = f"{max(bits)}-bit {kind}" if len({*bits}) == 1 else "numbers of different sizes"
    return PhotoError(f"{path.name} has {told} as pixels, which is no photo format.", "Save it with 8 or 16 bits.")


class _Layout:
    """How samples lie in a file: in tiles, or in strips, which are tiles as wide as the picture."""

    def __init__(self, tags: Any) -> None:
        self.width, self.height = int(tags[TAG_WIDTH]), int(tags[TAG_HEIGHT])
        self.samples = int(tags.get(_TAG_SAMPLES, 1))
        self.dtype = np.dtype(_DTYPES[tags.get(_TAG_FORMAT, (_WHOLE,))[0], tags[TAG_BITS][0]])
        self.order: Literal["<", ">"] = "<" if tags.prefix == b"II" else ">"
        self.compression = tags.get(TAG_COMPRESSION, _UNCOMPRESSED)
        self.predictor = tags.get(_TAG_PREDICTOR, 1)
        self.is_tiled = _TAG_TILES in tags
        if self.is_tiled:
            self.tile_width, self.tile_height = int(tags[_TAG_TILE_WIDTH]), int(tags[_TAG_TILE_HEIGHT])
            self.places, sizes = tags[_TAG_TILES], tags[_TAG_TILE_BYTES]
        else:
            self.tile_width, self.tile_height = (
                self.width,
                min(int(tags.get(_TAG_STRIP_ROWS, self.height)), self.height),
            )
            self.places, sizes = tags[_TAG_STRIPS], tags[_TAG_STRIP_BYTES]
        if not 0 < self.samples <= _MOST_SAMPLES or max(self.tile_width, self.tile_height) > _MOST_TILE_PX:
            raise ValueError("sizes that cannot be")
        self.planes = self.samples if tags.get(TAG_PLANES) == _IN_PLANES else 1
        self.across = math.ceil(self.width / self.tile_width)
        self.down = math.ceil(self.height / self.tile_height)
        self.row_bytes = self.tile_width * (self.samples // self.planes) * self.dtype.itemsize
        self.sizes = sizes
        if len(self.places) != self.planes * self.across * self.down or len(sizes) != len(self.places):
            raise ValueError("parts are missing")

    def of_plane(self, plane: int) -> tuple[list[int], list[int]]:
        """Where its parts lie in the file, and how many bytes they have."""
        count = self.across * self.down
        part = slice(plane * count, (plane + 1) * count)
        return [int(place) for place in self.places[part]], [int(size) for size in self.sizes[part]]


def _interpreted(layout: _Layout, file: NDArray[np.uint8], tags: Any) -> TiffSamples:
    kind = np.float32 if layout.dtype.kind == "f" else layout.dtype
    samples = np.empty((layout.height, layout.width, layout.samples), kind)
    per_plane = layout.samples // layout.planes
    for plane in range(layout.planes):
        raw = (_as_they_lie if layout.compression == _UNCOMPRESSED else _decompressed)(layout, file, plane)
        for column in range(layout.across):
            left = column * layout.tile_width
            tile = np.ascontiguousarray(raw[:, column * layout.row_bytes : (column + 1) * layout.row_bytes])
            values = _without_predictor(tile, layout, per_plane)[:, : layout.width - left]
            samples[:, left : left + layout.tile_width, plane * per_plane : (plane + 1) * per_plane] = values
    is_rgb = tags[TAG_PHOTOMETRIC] == RGB
    colors, extra = np.split(samples, [3 if is_rgb else 1], axis=2)
    if tags[TAG_PHOTOMETRIC] == WHITE_IS_ZERO and layout.dtype.kind == "u":
        colors = np.iinfo(layout.dtype).max - colors
    # A fourth channel that nothing is said of is taken for alpha, as other programs do.
    meanings = tags.get(TAG_EXTRA_SAMPLES, (_NOT_PREMULTIPLIED,))
    for index, meaning in enumerate(meanings[: extra.shape[2]]):
        if meaning in (_PREMULTIPLIED, _NOT_PREMULTIPLIED):
            return TiffSamples(np.ascontiguousarray(colors), extra[..., index], meaning == _PREMULTIPLIED)
    return TiffSamples(np.ascontiguousarray(colors), None, False)


def _as_they_lie(layout: _Layout, file: NDArray[np.uint8], plane: int) -> NDArray[np.uint8]:
    """(H, bytes) the rows of a plane that is not compressed, tiles beside each other."""
    out = np.empty((layout.height, layout.across * layout.row_bytes), np.uint8)
    for index, place in enumerate(layout.of_plane(plane)[0]):
        row, column = divmod(index, layout.across)
        top, left = row * layout.tile_height, column * layout.row_bytes
        rows = min(layout.tile_height, layout.height - top)
        part = file[place : place + rows * layout.row_bytes]
        out[top : top + rows, left : left + layout.row_bytes] = part.reshape(rows, layout.row_bytes)
    return out


def _decompressed(layout: _Layout, file: NDArray[np.uint8], plane: int) -> NDArray[np.uint8]:
    """(H, bytes) the same of a plane that is compressed."""
    with Image.open(io.BytesIO(_as_bytes_of_grey(layout, file, plane)), formats=["TIFF"]) as image:
        return np.asarray(image)


def _as_bytes_of_grey(layout: _Layout, file: NDArray[np.uint8], plane: int) -> bytes:
    """A BigTIFF file with the same compressed parts, in which every byte is a grey pixel."""
    places, sizes = layout.of_plane(plane)
    entries = {
        TAG_WIDTH: layout.across * layout.row_bytes,
        TAG_HEIGHT: layout.height,
        TAG_BITS: 8,
        TAG_COMPRESSION: layout.compression,
        TAG_PHOTOMETRIC: BLACK_IS_ZERO,
        _TAG_SAMPLES: 1,
    }
    if layout.is_tiled:
        entries |= {_TAG_TILE_WIDTH: layout.row_bytes, _TAG_TILE_HEIGHT: layout.tile_height}
    else:
        entries[_TAG_STRIP_ROWS] = layout.tile_height
    # Header, count, the numbers and two lists, the end; the lists and the file itself follow.
    lists_at = 16 + 8 + 20 * (len(entries) + 2) + 8
    list_bytes = 8 * len(places) if len(places) > 1 else 0
    file_at = lists_at + 2 * list_bytes
    lists = [[file_at + place for place in places], sizes]
    tags = [(tag, struct.pack("<HHQI4x", tag, 4, 1, value)) for tag, value in entries.items()]
    for number, tag in enumerate((_TAG_TILES, _TAG_TILE_BYTES) if layout.is_tiled else (_TAG_STRIPS, _TAG_STRIP_BYTES)):
        inline = lists_at + number * list_bytes if list_bytes else lists[number][0]
        tags.append((tag, struct.pack("<HHQQ", tag, 16, len(places), inline)))
    head = struct.pack("<2sHHHQQ", b"II", _BIG_TIFF, 8, 0, 16, len(tags))
    head += b"".join(entry for _, entry in sorted(tags)) + bytes(8)
    if list_bytes:
        head += b"".join(struct.pack(f"<{len(values)}Q", *values) for values in lists)
    return b"".join((head, file.data))


def _without_predictor(rows: NDArray[np.uint8], layout: _Layout, samples: int) -> NDArray[Any]:
    """(H, n, samples) the values of rows of bytes, in which neighbours may be differences."""
    height, dtype = len(rows), layout.dtype
    if layout.predictor == _FLOAT_DIFFERENCES:
        # Differences of bytes; first the highest bytes of all values of a row, and so on.
        summed = np.cumsum(rows.reshape(height, -1, samples), axis=1, dtype=np.uint8)
        of_values = np.moveaxis(summed.reshape(height, dtype.itemsize, -1), 1, 2)
        values = np.ascontiguousarray(of_values).view(dtype.newbyteorder(">"))
        return values.reshape(height, -1, samples)
    if layout.predictor == _DIFFERENCES:
        whole = np.dtype(f"u{dtype.itemsize}")
        differences = rows.view(whole.newbyteorder(layout.order)).reshape(height, -1, samples)
        return np.cumsum(differences, axis=1, dtype=whole).view(dtype)
    return rows.view(dtype.newbyteorder(layout.order)).reshape(height, -1, samples)
