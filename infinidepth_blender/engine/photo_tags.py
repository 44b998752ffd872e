"""Colours that a picture names otherwise than by a colour profile: code points, primaries, EXIF."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

from PIL import Image

from ..srgb import decode_srgb
from .color_codes import ADOBE_RGB_GAMMA, ADOBE_RGB_XY, coded_profile, profile_of
from .photo_color import to_rec709
from .photo_profile import MatrixProfile, power_curve

_TAG_EXIF_IFD, _TAG_INTEROP_IFD = 0x8769, 0xA005
_TAG_COLOR_SPACE, _TAG_INTEROP_INDEX = 0xA001, 1
_SRGB, _ADOBE_RGB = 1, 2
_UNSPECIFIED = 2
"""Code for colours that are told elsewhere, if at all."""
_SRGB_FILE_GAMMA, _GAMMA_TOLERANCE = 1 / 2.2, 0.01
_MOST_CHUNKS = 64
_MOST_META_BYTES = 1 << 24


SRGB: Final = "sRGB"


def named_profile(path: Path, image: Image.Image) -> MatrixProfile | Literal["sRGB"] | None:
    """The conversion of a loaded picture by what else than a colour profile names its colours.

    Args:
        path: The file.
        image: The file as Pillow has it.

    Returns:
        The conversion, also beside a colour profile where it goes before that (`cICP` of PNG); `SRGB`: there is
        nothing to convert, whatever the profile says; None: nothing is named that goes before the profile, or sRGB without one.

    Raises:
        OSError: the file cannot be read.
    """
    if image.format == "PNG":
        return _of_png(path, image)
    if image.info.get("icc_profile"):
        return None
    if image.format == "HEIF":
        nclx = image.info.get("nclx_profile") or {}
        return coded_profile(nclx.get("color_primaries", 2), nclx.get("transfer_characteristics", 2))
    if image.format == "AVIF":
        codes = _avif_codes(path)
        return None if codes is None else coded_profile(*codes)
    if image.format in ("JPEG", "MPO", "TIFF") and _is_adobe_rgb(image):
        return profile_of(power_curve(ADOBE_RGB_GAMMA), ADOBE_RGB_XY)
    return None


def _is_adobe_rgb(image: Image.Image) -> bool:
    """Whether EXIF says so: by the colour space itself, or as DCF (JEITA CP-3461) has it, by the file R03."""
    try:
        exif = image.getexif()
        space = exif.get_ifd(_TAG_EXIF_IFD).get(_TAG_COLOR_SPACE, _SRGB)
        if space in (_SRGB, _ADOBE_RGB):
            return space == _ADOBE_RGB
        return str(exif.get_ifd(_TAG_INTEROP_IFD).get(_TAG_INTEROP_INDEX, "")).startswith("R03")
    except Exception:  # Pillow's parser fails in many ways on what cameras and editors write
        return False


def _of_png(path: Path, image: Image.Image) -> MatrixProfile | Literal["sRGB"] | None:
    codes = _png_codes(path)
    coded = None if codes is None else coded_profile(*codes)
    if codes is not None and _UNSPECIFIED not in codes:
        return coded or SRGB
    if image.info.get("icc_profile"):
        return None
    if coded is not None or "srgb" in image.info:
        return coded
    gamma, chromaticity = image.info.get("gamma"), image.info.get("chromaticity")
    is_srgb_curve = not gamma or abs(gamma - _SRGB_FILE_GAMMA) < _GAMMA_TOLERANCE
    # Pillow has white first, as the file.
    xy = None if chromaticity is None else (*chromaticity[2:], *chromaticity[:2])
    if is_srgb_curve and (xy is None or to_rec709(xy) is None):
        return None
    return profile_of(decode_srgb if is_srgb_curve else power_curve(1 / float(gamma or 1)), xy)


def _png_codes(path: Path) -> tuple[int, int] | None:
    """Primaries and transfer of the chunk `cICP`, which Pillow passes over."""
    with path.open("rb") as file:
        file.seek(8)
        for _ in range(_MOST_CHUNKS):
            head = file.read(8)
            if len(head) < 8 or head[4:] == b"IDAT":
                return None
            (size,) = struct.unpack(">I", head[:4])
            if head[4:] == b"cICP" and size == 4:
                primaries, transfer = file.read(2)
                return primaries, transfer
            file.seek(size + 4, 1)
    return None


def _avif_codes(path: Path) -> tuple[int, int] | None:
    """Primaries and transfer of the main picture's `colr` box (ISO/IEC 14496-12), which Pillow passes over."""
    try:
        with path.open("rb") as file:
            meta = _meta(file)
        boxes = dict(_boxes(meta, 4))
        main = struct.unpack_from(">H" if boxes[b"pitm"][0] == 0 else ">I", boxes[b"pitm"], 4)[0]
        properties = dict(_boxes(boxes[b"iprp"], 0))
        listed = list(_boxes(properties[b"ipco"], 0))
        for index in _associated(properties[b"ipma"], main):
            kind, body = listed[index - 1]
            if kind == b"colr" and body[:4] == b"nclx":
                return struct.unpack_from(">HH", body, 4)
    except (LookupError, ValueError, struct.error):
        return None
    return None


def _meta(file: BinaryIO) -> bytes:
    """What the `meta` box of a file holds."""
    while len(head := file.read(8)) == 8:
        size, kind = struct.unpack(">I4s", head)
        rest = size - 8 if size != 1 else struct.unpack(">Q", file.read(8))[0] - 16
        if kind == b"meta" and 0 <= rest <= _MOST_META_BYTES:
            return file.read(rest)
        if rest < 0:
            break
        file.seek(rest, 1)
    return b""


def _boxes(data: bytes, at: int) -> Iterator[tuple[bytes, bytes]]:
    """Kind and contents of the boxes from a place on."""
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if size < 8:
            return
        yield kind, data[at + 8 : at + size]
        at += size


def _associated(ipma: bytes, item: int) -> list[int]:
    """Numbers, from 1, of an item's properties."""
    (head, count), at = struct.unpack_from(">II", ipma), 8
    id_form, wide = ">H" if head >> 24 == 0 else ">I", head & 1
    for _ in range(count):
        (found,) = struct.unpack_from(id_form, ipma, at)
        at += struct.calcsize(id_form)
        (number,) = struct.unpack_from(">B", ipma, at)
        form: Any = f">{number}{'H' if wide else 'B'}"
        indices = struct.unpack_from(form, ipma, at + 1)
        at += 1 + struct.calcsize(form)
        if found == item:
            return [index & (0x7FFF if wide else 0x7F) for index in indices]
    return []
