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

from ..errors import PhotoError
from .exr_window import on_display, size_of
from .photo_color import REC709_XY, encode_srgb_8bit, to_rec709
from .photo_deep import to_8_bits, to_half
from .photo_pillow import DecodedPhoto, check_size

_MAX_LINEAR_PIXELS = 1 << 28
_PREFERRED_LAYERS = ("combined", "beauty", "rgba", "color", "colour", "image", "composite")


def decode_exr(path: Path) -> DecodedPhoto:
    """Reads an OpenEXR picture: RGB, RGBA or Y, half or float, scan lines or tiles, layers or parts.

    Of several layers the one named Combined, Beauty or the like is used, else the first.
    Alpha in OpenEXR is multiplied into the colour; it is divided out again. Other primaries
    than those of sRGB (ACES, say) are converted where the file names them.

    Raises:
        PhotoError: it is damaged, deep, has no colour, or the engine has no OpenEXR.
    """
    exr = _open_exr(path)
    names = [(part, name) for part in range(len(exr.parts)) for name in exr.channels(part)]
    part, channels = _color_channels(names, path)
    header = exr.header(part)
    check_size(path, *size_of(header["displayWindow"]))
    width, height = size_of(header["dataWindow"])
    planes = []
    for name in channels:
        pixels = exr.channels(part)[name].pixels
        if pixels.shape != (height, width):
            raise PhotoError(f"{path.name} has subsampled channels, which are not read.", "Save it as RGB.")
        planes.append(on_display(pixels, header).astype(np.float32, copy=False))
    alpha = planes.pop() if len(planes) in (2, 4) else None
    matrix = to_rec709(header.get("chromaticities", REC709_XY)) if len(planes) == 3 else None
    if matrix is not None:
        planes = list(np.tensordot(matrix.astype(np.float32), np.stack(planes), axes=1))
    return _finish(planes, alpha)


def decode_float_image(path: Path) -> DecodedPhoto:
    """Reads a Radiance HDR picture, or a TIFF that Pillow does not take (floating point, planes).

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
    if pixels is None:
        raise problem
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    check_size(path, pixels.shape[1], pixels.shape[0])
    color = pixels[..., :3][..., ::-1] if pixels.shape[2] >= 3 else pixels[..., :1]
    alpha = pixels[..., -1] if pixels.shape[2] in (2, 4) else None
    if pixels.dtype.kind == "f":
        return _finish([color[..., i] for i in range(color.shape[2])], alpha, premultiplied=False)
    if pixels.dtype not in (np.uint8, np.uint16):
        raise problem
    return DecodedPhoto(
        _rgb(_bits_8(color)),
        None if alpha is None else _bits_8(alpha),
        pixels_deep=_rgb(color) if color.dtype == np.uint16 else None,
    )


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
        header = openexr.File(str(path), header_only=True).header(0)
        if "deep" in str(header.get("type", "")).lower():
            raise PhotoError(f"{path.name} holds deep data, which is not read.", "Save a flat picture.")
        width, height = size_of(header["dataWindow"])
        if width * height > _MAX_LINEAR_PIXELS:
            raise PhotoError(f"{path.name} is too large: {width} x {height} pixels.", "Scale it below 268 megapixels.")
        exr = openexr.File(str(path), separate_channels=True)
        if not exr.parts:
            raise damaged  # the library only prints that pixels are missing
        return exr
    except PhotoError:
        raise
    except Exception as error:  # the library raises RuntimeError, ValueError and its own
        raise damaged from error


def _color_channels(names: list[tuple[int, str]], path: Path) -> tuple[int, list[str]]:
    """The part and the channel names R, G, B(, A) or Y(, A) of the layer to use."""
    layers: dict[tuple[int, str], dict[str, str]] = {}
    for part, name in names:
        layer, _, channel = name.rpartition(".")
        layers.setdefault((part, layer), {})[channel.upper()] = name
    usable: list[tuple[int, list[str], str]] = []
    for (part, layer), channels in layers.items():
        for wanted in (("R", "G", "B"), ("Y",)):
            if all(c in channels for c in wanted):
                alpha = [channels["A"]] if "A" in channels else []
                usable.append((part, [channels[c] for c in wanted] + alpha, layer))
                break
    if not usable:
        found = ", ".join(name for _, name in names[:8]) or "none"
        raise PhotoError(
            f"{path.name} has no colour channels R, G, B or Y (it has: {found}).", "Save the picture with its colour."
        )

    def rank(entry: tuple[int, list[str], str]) -> tuple[int, int]:
        last = entry[2].rpartition(".")[2].lower()
        named = _PREFERRED_LAYERS.index(last) + 1 if last in _PREFERRED_LAYERS else 99
        return (0 if not entry[2] else named, -len(entry[1]))

    part, channels_used, _ = min(usable, key=rank)
    return part, channels_used


def _finish(planes: list[NDArray[Any]], alpha: NDArray[Any] | None, premultiplied: bool = True) -> DecodedPhoto:
    out = np.empty((*planes[0].shape, 3), dtype=np.uint8)
    deep = np.empty(out.shape, dtype=np.float16)
    for i, plane in enumerate(planes):
        if alpha is not None and premultiplied:
            plane = np.divide(plane, alpha, out=np.zeros(plane.shape, np.float32), where=alpha > 1e-6)
        out[..., i] = encode_srgb_8bit(plane)
        deep[..., i] = to_half(plane)
    if len(planes) == 1:
        out[..., 1:], deep[..., 1:] = out[..., :1], deep[..., :1]
    if alpha is None:
        return DecodedPhoto(out, pixels_deep=deep)
    alpha_8 = np.rint(np.clip(np.nan_to_num(alpha), 0, 1) * 255).astype(np.uint8)
    return DecodedPhoto(out, alpha_8, pixels_deep=deep)


def _bits_8(values: NDArray[Any]) -> NDArray[np.uint8]:
    return values if values.dtype == np.uint8 else to_8_bits(values)


def _rgb(color: NDArray[Any]) -> NDArray[Any]:
    return np.repeat(color, 3, axis=2) if color.shape[2] == 1 else np.ascontiguousarray(color)
