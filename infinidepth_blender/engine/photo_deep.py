"""Photos of more than 8 bits: their own values, for the texture.

The network and the colours of points and splats need no more than 8 bits. What an artist looks at and renders keeps
what the file holds: 16 bits as they are, linear light as half floats, however bright.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from ..errors import PhotoError
from ..srgb import decode_srgb
from .exr_writer import write_exr
from .photo_color import OPAQUE, STRIP_PX

DeepPixels = NDArray[np.uint16] | NDArray[np.float16]
"""(H, W, 3): uint16 encoded as sRGB, or float16 linear light of Rec.709 primaries."""

_HALF_MAX = 65_504.0
_TAG_TIFF_BITS, _TAG_TIFF_COMPRESSION, _TAG_TIFF_PHOTOMETRIC = 258, 259, 262
_TAG_TIFF_PLANES, _TAG_TIFF_EXTRA_SAMPLES = 284, 338
_UNCOMPRESSED = 1
_IN_PLANES = 2
_BIG_TIFF = 43
_TIFF_RGB = 2
_PREMULTIPLIED = 1
_READERS_AGREE = 4
"""Most that two readers may differ, of 255: one of them cuts to 8 bits before it divides by alpha."""
_COMPARED_PX = 1 << 20


def to_half(linear: NDArray[Any]) -> NDArray[np.float16]:
    """Linear light as half floats; not a number counts as black, and what is too bright as the brightest."""
    out = np.empty(linear.shape, dtype=np.float16)
    rows = max(1, STRIP_PX // max(1, linear[0].size))
    for top in range(0, len(linear), rows):
        strip = np.nan_to_num(linear[top : top + rows], nan=0.0, posinf=_HALF_MAX, neginf=-_HALF_MAX)
        out[top : top + rows] = np.clip(strip, -_HALF_MAX, _HALF_MAX)
    return out


def to_8_bits(values: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """16 bits scaled (not cut) to 8."""
    out = np.empty(values.shape, dtype=np.uint8)
    rows = max(1, STRIP_PX // max(1, values[0].size))
    for top in range(0, len(values), rows):
        out[top : top + rows] = (values[top : top + rows].astype(np.uint32) * 255 + 32_767) // 65_535
    return out


def read_16_bits(
    path: Path, image: Image.Image, flat: NDArray[np.uint8], alpha: NDArray[np.uint8] | None
) -> NDArray[np.uint16] | None:
    """Reads the colours of a PNG or TIFF file of 16 bits anew, since Pillow cuts them to 8.

    Args:
        path: The file.
        image: The file, loaded by Pillow.
        flat: (H, W, 3) or (H, W) Pillow's colours, before any profile.
        alpha: (H, W) Pillow's alpha; None: opaque.

    Returns:
        (H, W, 3) uint16 colours, not multiplied by alpha, before any profile, turned as `flat` is;
        None: the two readers do not agree on what it shows.
    """
    try:
        read: Any = cv2.imdecode(np.fromfile(path, dtype=np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_ANYDEPTH)
    except cv2.error:
        return None
    if (
        read is None
        or read.dtype != np.uint16
        or read.ndim != 3
        or read.shape[2] < 3
        or read.shape[:2] != flat.shape[:2]
    ):
        return None
    colors = np.ascontiguousarray(read[..., 2::-1])
    if _is_premultiplied(image) and read.shape[2] == 4:
        _divide_by_alpha(colors, read[..., 3])
    return colors if _agree(colors, flat, alpha) else None


def write_png_16(path: Path, pixels: DeepPixels) -> None:
    """Writes (H, W, 3) uint16 values as a PNG file of 16 bits.

    Raises:
        OSError: it cannot be written.
    """
    _, encoded = cv2.imencode(".png", pixels[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])
    path.write_bytes(encoded.data)


def write_linear_exr(path: Path, linear: NDArray[Any]) -> None:
    """Writes (H, W, 3) linear light of Rec.709 primaries as an OpenEXR file of half floats.

    Raises:
        OSError: it cannot be written.
    """
    write_exr(path, {"RGB": linear}, "linear light, Rec.709 primaries")


def fill_deep(pixels: DeepPixels, filled_srgb: NDArray[np.uint8], opaque: NDArray[np.bool_]) -> None:
    """Gives transparent pixels the colours that their 8-bit picture has there, in place."""
    levels = np.arange(256)
    values = decode_srgb(levels / 255) if pixels.dtype == np.float16 else levels * 257
    pixels[~opaque] = values.astype(pixels.dtype)[filled_srgb[~opaque]]


def has_16_bits(path: Path, image: Image.Image) -> bool:
    """Whether a PNG or TIFF file that Pillow has loaded has colours of 16 bits.

    Raises:
        PhotoError: they are in planes, of which Pillow makes a wrong picture.
    """
    if image.format == "PNG":
        with path.open("rb") as file:
            return file.read(25)[24:] == b"\x10"
    tags: Any = getattr(image, "tag_v2", None)
    if image.format != "TIFF" or tags is None or tags.get(_TAG_TIFF_PHOTOMETRIC) != _TIFF_RGB:
        return False
    if set(tags.get(_TAG_TIFF_BITS, ())) != {16}:
        return False
    if tags.get(_TAG_TIFF_COMPRESSION, _UNCOMPRESSED) == _UNCOMPRESSED:
        refuse_planes(path, tags)
    return True


def refuse_planes(path: Path, tags: Any) -> None:
    """Refuses a TIFF file of more than 8 bits whose colours lie one after the other instead of side by side.

    Args:
        path: The file, for the message.
        tags: Its tags.

    Raises:
        PhotoError: it is such a file.
    """
    bits = tags.get(_TAG_TIFF_BITS, ())
    if tags.get(_TAG_TIFF_PLANES) == _IN_PLANES and len(bits) > 1 and max(bits) > 8:
        raise PhotoError(
            f"{path.name} keeps each colour in a plane of its own, which is not read with more than 8 bits.",
            "Save it with interleaved channels.",
        )


def tiff_tags(path: Path) -> Any:
    """The tags of the first picture of a TIFF file, whether or not Pillow knows its kind; nothing of a damaged one.

    Raises:
        OSError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(8)
            tags = TiffImagePlugin.ImageFileDirectory_v2(head + (file.read(8) if head[2] == _BIG_TIFF else b""))
            file.seek(tags.next)
            tags.load(file)
            return tags
    except (SyntaxError, ValueError, IndexError, struct.error):
        return {}


def _is_premultiplied(image: Image.Image) -> bool:
    tags: Any = getattr(image, "tag_v2", {})
    return tuple(tags.get(_TAG_TIFF_EXTRA_SAMPLES, ())) == (_PREMULTIPLIED,)


def _divide_by_alpha(colors: NDArray[np.uint16], alpha: NDArray[np.uint16]) -> None:
    rows = max(1, STRIP_PX // max(1, colors[0].size))
    for top in range(0, len(colors), rows):
        strip, weight = colors[top : top + rows], np.maximum(alpha[top : top + rows, :, None], 1)
        strip[:] = np.minimum(np.rint(strip * (65_535 / weight)), 65_535)


def _agree(colors: NDArray[np.uint16], flat: NDArray[np.uint8], alpha: NDArray[np.uint8] | None) -> bool:
    """Whether 16-bit colours are those of the 8-bit picture, as far as anything is seen."""
    step = 1 + flat.shape[0] * flat.shape[1] // _COMPARED_PX
    eight = (colors[::step] >> 8).astype(np.int16)
    apart = np.abs(eight - (flat[::step, :, None] if flat.ndim == 2 else flat[::step]))
    if alpha is not None:
        apart = apart[alpha[::step] >= OPAQUE]
    return not apart.size or int(apart.max()) <= _READERS_AGREE
