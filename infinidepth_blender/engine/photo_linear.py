"""Pictures in linear light: OpenEXR, Radiance HDR and floating point TIFF, to 8-bit sRGB and half floats.

The exposure stays as it is: 1.0 in the file becomes white. Brighter light is clipped in 8 bits, and kept in half floats.
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
from .exif_camera import read_exif
from .exr_layers import color_channels
from .exr_window import on_display, size_of, window_beyond
from .photo_color import REC709_XY, encode_srgb_8bit, to_rec709
from .photo_deep import divide_by_alpha, to_8_bits, to_half
from .photo_pillow import MIN_SIDE_PX, DecodedPhoto, check_size, in_srgb, turned
from .photo_profile import matrix_profile
from .photo_shape import QUARTER_TURNS, square_width_px, with_width
from .photo_tiff import (
    LOG_LUV,
    TAG_HEIGHT,
    TAG_ICC_PROFILE,
    TAG_ORIENTATION,
    TAG_PHOTOMETRIC,
    TAG_WIDTH,
    TiffSamples,
    exif_tags,
    picture_tags,
    read_samples,
)

_MAX_LINEAR_PIXELS = 1 << 28


def decode_exr(path: Path) -> DecodedPhoto:
    """Reads an OpenEXR picture: RGB, RGBA or Y, half or float, scan lines or tiles, layers or parts.

    Of several layers or parts the one named Combined, Beauty or the like is used, else the first.
    Pixels that are not square are made so. Alpha in OpenEXR is multiplied into the colour; it is divided out again. Other primaries
    than those of sRGB (ACES, say) are converted where the file names them.

    Raises:
        PhotoError: it is damaged, deep, has no colour, or the engine has no OpenEXR.
    """
    exr = _open_exr(path)
    part, channels = color_channels(path, exr)
    header = exr.header(part)
    shown_width, shown_height = size_of(header["displayWindow"])
    square_width = square_width_px(shown_width, float(header.get("pixelAspectRatio", 1)))
    check_size(path, square_width, shown_height)
    width, height = size_of(header["dataWindow"])
    planes = []
    for name in channels:
        pixels = exr.channels(part)[name].pixels
        if pixels.shape != (height, width):
            raise PhotoError(f"{path.name} has subsampled channels, which are not read.", "Save it as RGB.")
        planes.append(with_width(on_display(pixels, header).astype(np.float32, copy=False), square_width))
    alpha = planes.pop() if len(planes) in (2, 4) else None
    matrix = to_rec709(header.get("chromaticities", REC709_XY)) if len(planes) == 3 else None
    if matrix is not None:
        planes = list(np.tensordot(matrix.astype(np.float32), np.stack(planes), axes=1))
    photo = _finish(planes, alpha)
    if square_width != shown_width:
        photo.stored_size_px = (shown_width, shown_height)
        photo.warnings.append(
            f"The pixels of {path.name} are {square_width / shown_width:.4g} times as wide as high: it was made "
            f"{square_width} instead of {shown_width} pixels wide."
        )
    return photo


def decode_radiance(path: Path) -> DecodedPhoto:
    """Reads a Radiance HDR picture, or one of the rare kinds of TIFF that OpenCV alone takes (LogLuv, big-endian BigTIFF).

    Raises:
        PhotoError: it is damaged or of an unknown kind.
        OSError: the file cannot be read.
    """
    problem = PhotoError(
        f"{path.name} is damaged or of a kind that cannot be read.", "Save it again as PNG, JPEG or EXR."
    )
    try:
        pixels = cv2.imdecode(np.fromfile(path, dtype=np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_ANYDEPTH)
    except cv2.error as error:
        raise problem from error
    if pixels is None or pixels.dtype.kind != "f":
        raise problem
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    check_size(path, pixels.shape[1], pixels.shape[0])
    color = pixels[..., 2::-1] if pixels.shape[2] >= 3 else pixels[..., :1]
    return _finish([color[..., i] for i in range(color.shape[2])], None)


def decode_tiff(path: Path) -> DecodedPhoto:
    """Reads a TIFF picture that Pillow does not take: floating point, in planes, with more channels.

    Floating point is linear light of Rec.709 primaries, unless a colour profile says something else.

    Raises:
        PhotoError: it is damaged, or of a kind or a compression that is not read.
        OSError: the file cannot be read.
    """
    tags = picture_tags(path)
    if tags.get(TAG_PHOTOMETRIC) in LOG_LUV:
        return decode_radiance(path)
    sides = [tags.get(tag, MIN_SIDE_PX) for tag in (TAG_WIDTH, TAG_HEIGHT)]
    if all(isinstance(side, int) for side in sides):  # else it is damaged, as is said below
        check_size(path, *sides)
    samples = read_samples(path, tags)
    # Tags of a damaged directory are of any type.
    orientation, icc_profile = tags.get(TAG_ORIENTATION), tags.get(TAG_ICC_PROFILE)
    orientation = orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1
    icc_profile = icc_profile if isinstance(icc_profile, bytes) and icc_profile else None
    photo = (_light_of if samples.colors.dtype.kind == "f" else _whole_of)(path, samples, icc_profile)
    photo.exif = read_exif(exif_tags(path, tags), orientation in QUARTER_TURNS)
    return turned(photo, orientation)


def _light_of(path: Path, samples: TiffSamples, icc_profile: bytes | None) -> DecodedPhoto:
    colors, notes = samples.colors, []
    if samples.alpha is not None and samples.is_premultiplied:
        colors = np.stack([_divided(colors[..., i], samples.alpha) for i in range(colors.shape[2])], axis=-1)
    profile = matrix_profile(icc_profile) if icc_profile else None
    if icc_profile and profile is None:
        flat = _flat(np.rint(np.clip(np.nan_to_num(colors), 0, 1) * 255).astype(np.uint8))
        notes.append(
            f"{path.name} has floating point colours and a colour profile that is made of tables or damaged; its texture has 8 bits."
        )
        photo = in_srgb(path, None, flat, icc_profile, None, notes)
        photo.alpha = None if samples.alpha is None else _alpha_8(samples.alpha)
        return photo
    if profile is not None:
        colors = profile.to_linear(colors)
    return _finish([colors[..., i] for i in range(colors.shape[2])], samples.alpha, premultiplied=False)


def _whole_of(path: Path, samples: TiffSamples, icc_profile: bytes | None) -> DecodedPhoto:
    is_deep = samples.colors.dtype == np.uint16
    colors, alpha = _bits_16(samples.colors), None if samples.alpha is None else _bits_16(samples.alpha)
    if alpha is not None and samples.is_premultiplied:
        divide_by_alpha(colors, alpha)
    photo = in_srgb(path, colors if is_deep else None, _flat(to_8_bits(colors)), icc_profile, None, [])
    photo.alpha = None if alpha is None else to_8_bits(alpha)
    photo.is_plain_jpeg = False
    return photo


def _open_exr(path: Path) -> Any:
    try:
        openexr: Any = importlib.import_module("OpenEXR")
    except ImportError as error:
        raise PhotoError(
            f"{path.name} is an OpenEXR file, and the engine's Python environment has no OpenEXR package.",
            "Install OpenEXR there, or save the picture as a 16-bit PNG.",
        ) from error
    damaged = PhotoError(f"{path.name} is damaged, incomplete or no OpenEXR file.", "Render or copy the file again.")
    try:
        exr = openexr.File(str(path), header_only=True)
        header = exr.header(0)
        if "deep" in str(header.get("type", "")).lower():
            raise PhotoError(f"{path.name} holds deep data, which is not read.", "Save a flat picture.")
        for each in exr.parts:
            if (size := window_beyond(each.header, _MAX_LINEAR_PIXELS)) is not None:
                raise _too_large(path, size, size_of(each.header["dataWindow"]))
        exr = openexr.File(str(path), separate_channels=True)
        if not exr.parts:
            raise damaged  # the library only prints that pixels are missing
        return exr
    except PhotoError:
        raise
    except Exception as error:  # the library raises RuntimeError, ValueError and its own
        raise damaged from error


def _too_large(path: Path, size: tuple[int, int], held: tuple[int, int]) -> PhotoError:
    """The error of a window of too many pixels, whether they are there or empty."""
    sentence = f"{path.name} is too large: {size[0]} x {size[1]} pixels"
    if size[0] * size[1] > _MAX_LINEAR_PIXELS:
        return PhotoError(f"{sentence}.", f"Scale it below {_MAX_LINEAR_PIXELS // 1_000_000} megapixels.")
    return PhotoError(
        f"{sentence}, of which it holds only {held[0]} x {held[1]}.",
        "Save it with a display window around what it holds, or scale it down.",
    )


def _finish(planes: list[NDArray[Any]], alpha: NDArray[Any] | None, premultiplied: bool = True) -> DecodedPhoto:
    out = np.empty((*planes[0].shape, 3), dtype=np.uint8)
    deep = np.empty(out.shape, dtype=np.float16)
    for i, plane in enumerate(planes):
        if alpha is not None and premultiplied:
            plane = _divided(plane, alpha)
        out[..., i] = encode_srgb_8bit(plane)
        deep[..., i] = to_half(plane)
    if len(planes) == 1:
        out[..., 1:], deep[..., 1:] = out[..., :1], deep[..., :1]
    return DecodedPhoto(out, None if alpha is None else _alpha_8(alpha), pixels_deep=deep)


def _divided(plane: NDArray[Any], alpha: NDArray[Any]) -> NDArray[np.float32]:
    return np.divide(plane, alpha, out=np.zeros(plane.shape, np.float32), where=alpha > 1e-6)


def _alpha_8(alpha: NDArray[Any]) -> NDArray[np.uint8]:
    return np.rint(np.clip(np.nan_to_num(alpha), 0, 1) * 255).astype(np.uint8)


def _bits_16(values: NDArray[Any]) -> NDArray[np.uint16]:
    return values if values.dtype == np.uint16 else values.astype(np.uint16) * np.uint16(257)


def _flat(colors: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(colors[..., 0] if colors.shape[2] == 1 else colors)
