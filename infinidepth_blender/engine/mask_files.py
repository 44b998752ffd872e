"""Pictures that an artist painted over a photo: where points may lie, how densely, where the sky is."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ..errors import OptionsError
from .photo_pillow import formats_for

_ASPECT_TOLERANCE = 0.01
_HALF = 128
_MAX_PIXELS = 1 << 28


def read_painted(
    path: Path,
    width_px: int,
    height_px: int,
    what: str,
    *,
    hard: bool,
    stored_size_px: tuple[int, int] | None = None,
) -> NDArray[np.uint8]:
    """Reads the grey values of a picture that lies over the whole photo.

    Colours count by their brightness, transparent parts as black. The picture may have
    another resolution than the photo, but must have its shape.

    Args:
        path: Any file that Pillow reads, of 8 or 16 bits.
        width_px, height_px: Size of the upright photo.
        what: What the picture is to the user, such as `points mask`.
        stored_size_px: Size of the photo before its pixels were made square; the picture may have that shape, too.
        hard: Whether only black and white count: what is at least half bright becomes 255, the rest 0.

    Returns:
        (height_px, width_px) uint8.

    Raises:
        OptionsError: the file is missing, no picture, too large, or has another shape than the photo.
    """
    try:
        with Image.open(path, formats=formats_for(path)) as opened:
            if opened.width * opened.height > _MAX_PIXELS:
                raise OptionsError(
                    f"The {what} {path} is too large: {opened.width} x {opened.height} pixels.", "Scale it down."
                )
            picture = ImageOps.exif_transpose(opened)
            grey = _grey(picture)
    except FileNotFoundError:
        raise OptionsError(f"The {what} {path} does not exist.", "Check the spelling.") from None
    except (MemoryError, OptionsError):
        raise
    except Exception as error:  # each decoder fails in its own ways on damaged files
        raise OptionsError(f"The {what} {path} is no picture that can be read.", "Save it as a PNG file.") from error
    height, width = grey.shape
    slack = max(1 / width, 1 / height, _ASPECT_TOLERANCE)
    shapes = [(width_px, height_px), *([stored_size_px] if stored_size_px else [])]
    if all(abs(np.log(width / height * h / w)) > slack for w, h in shapes):
        raise OptionsError(
            f"The {what} {path.name} is {width} x {height} pixels, but the photo is {width_px} x {height_px}.",
            "Paint it over the whole photo, turned as the photo is.",
        )
    if hard:
        grey = np.where(grey >= _HALF, np.uint8(255), np.uint8(0))
    if (height, width) == (height_px, width_px):
        return grey
    smaller = width > width_px or height > height_px
    smooth = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    resized = cv2.resize(grey, (width_px, height_px), interpolation=cv2.INTER_NEAREST_EXACT if hard else smooth)
    return np.asarray(resized, np.uint8)


def _grey(picture: Image.Image) -> NDArray[np.uint8]:
    """(h, w) brightness of a picture over black."""
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        values = np.asarray(picture).astype(np.float64)
        # Pillow reads 16-bit PNG files as I;16 or I, floating point TIFF files with white at 1 as F.
        scaled = values * 255 if picture.mode == "F" else values / 257
        return np.clip(np.rint(np.nan_to_num(scaled)), 0, 255).astype(np.uint8)
    grey = np.asarray(picture.convert("RGB").convert("L"))
    if "A" not in picture.getbands() and "transparency" not in picture.info:
        return grey
    alpha = np.asarray(picture.convert("RGBA").getchannel("A")).astype(np.uint16)
    return ((grey * alpha + 127) // 255).astype(np.uint8)
