"""Photos of more than 8 bits: their own values, for the texture.

The network and the colours of points and splats need no more than 8 bits. What an artist looks at and renders keeps
what the file holds: 16 bits as they are, linear light as half floats, however bright.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import PhotoError
from ..srgb import decode_srgb
from .exr_writer import write_exr
from .photo_color import OPAQUE, STRIP_PX
from .photo_shape import upright
from .photo_tiff import RGB, TAG_BITS, TAG_ORIENTATION, TAG_PHOTOMETRIC, picture_tags, read_samples

DeepPixels = NDArray[np.uint16] | NDArray[np.float16]
"""(H, W, 3): uint16 encoded as sRGB, or float16 linear light of Rec.709 primaries."""

_HALF_MAX = 65_504.0
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
    """Reads the colours of a PNG, TIFF or HEIC file of more than 8 bits anew, since Pillow cuts them to 8.

    Args:
        path: The file.
        image: The file, loaded by Pillow.
        flat: (H, W, 3) or (H, W) Pillow's colours, before any profile.
        alpha: (H, W) Pillow's alpha; None: opaque.

    Returns:
        (H, W, 3) uint16 colours, not multiplied by alpha, before any profile, turned as `flat` is;
        None: the two readers do not agree on what it shows.
    """
    read = {"PNG": _png_samples, "TIFF": _tiff_samples, "HEIF": _heif_samples}[str(image.format)]
    colors = read(path)
    if colors is None or colors.shape != (*flat.shape[:2], 3):
        return None
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
    """Whether a PNG, TIFF or HEIC file that Pillow has loaded has RGB colours of more than 8 bits."""
    if image.format == "HEIF":
        return image.info.get("bit_depth", 8) > 8 and image.mode in ("RGB", "RGBA")
    if image.format == "PNG":
        with path.open("rb") as file:
            return file.read(25)[24:] == b"\x10"
    tags: Any = getattr(image, "tag_v2", None)
    if image.format != "TIFF" or tags is None or tags.get(TAG_PHOTOMETRIC) != RGB:
        return False
    return set(tags.get(TAG_BITS, ())) == {16}


def _tiff_samples(path: Path) -> NDArray[np.uint16] | None:
    """The colours of a TIFF file of 16 bits, upright; None where they cannot be decoded."""
    tags = picture_tags(path)
    try:
        samples = read_samples(path, tags)
    except PhotoError:
        return None
    if samples.alpha is not None and samples.is_premultiplied:
        divide_by_alpha(samples.colors, samples.alpha)
    return upright(samples.colors, tags.get(TAG_ORIENTATION, 1))


def _png_samples(path: Path) -> NDArray[np.uint16] | None:
    """The colours of a PNG file of 16 bits; None where they cannot be decoded."""
    try:
        read: Any = cv2.imdecode(np.fromfile(path, dtype=np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_ANYDEPTH)
    except cv2.error:
        return None
    if read is None or read.dtype != np.uint16 or read.ndim != 3 or read.shape[2] < 3:
        return None
    return np.ascontiguousarray(read[..., 2::-1])


def _heif_samples(path: Path) -> NDArray[np.uint16] | None:
    """The colours of a HEIC file of 10 or 12 bits, scaled to 16, upright; None where they cannot be decoded."""
    heif: Any = importlib.import_module("pillow_heif")
    read: Any = heif.open_heif(path, convert_hdr_to_8bit=False)
    values = np.asarray(read)
    if values.dtype != np.uint16 or values.ndim != 3 or values.shape[2] < 3:
        return None
    colors = np.ascontiguousarray(values[..., :3])
    # The decoder leaves the low bits empty, so that white would not be white.
    return np.bitwise_or(colors, colors >> np.uint16(read.info["bit_depth"]))


def divide_by_alpha(colors: NDArray[np.uint16], alpha: NDArray[np.uint16]) -> None:
    """Takes alpha out of (H, W, C) colours that are multiplied by it, in place."""
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
