"""Colour of photographs: ICC profiles, linear light, and what lies under transparent pixels."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from ..srgb import encode_srgb

STRIP_PX = 1 << 22
"""Pixels that are converted at a time, which bounds the memory beside the picture itself."""

OPAQUE = 128
"""Alpha, of 255, from which on a pixel counts as part of the photo."""

_SRGB_TOLERANCE = 2
_SRGB = ImageCms.createProfile("sRGB")
_COLOR_SPACES = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK", "LAB": "LAB"}
_INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC
_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION


class ProfileError(ValueError):
    """An embedded colour profile cannot be used with its picture."""


def srgb_transform(icc_profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The conversion of pictures with an embedded profile to sRGB.

    Args:
        icc_profile: The profile as it stands in the file.
        mode: Pillow mode of the pixels: RGB, L, CMYK or LAB.

    Returns:
        The transform to mode RGB, relative colorimetric with black point compensation;
        None if the profile is sRGB already, to within two steps of 255.

    Raises:
        ProfileError: the profile is damaged, or made for another kind of picture.
    """
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc_profile))
        space = cast(Any, profile.profile).xcolor_space.strip()
        if space != _COLOR_SPACES.get(mode):
            raise ProfileError(f"a profile for {space} in a picture of mode {mode}")
        transform = ImageCms.ImageCmsTransform(
            profile, ImageCms.ImageCmsProfile(_SRGB), mode, "RGB", _INTENT, flags=_FLAGS
        )
        return None if mode == "RGB" and _changes_nothing(transform) else transform
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError) as error:
        raise ProfileError(str(error)) from error


def lab_transform() -> ImageCms.ImageCmsTransform:
    """The conversion of CIE Lab pictures without a profile to sRGB."""
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    return ImageCms.ImageCmsTransform(lab, ImageCms.ImageCmsProfile(_SRGB), "LAB", "RGB", _INTENT)


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    steps = np.linspace(0, 255, 9).round().astype(np.uint8)
    colors = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(27, 27, 3)
    converted = np.asarray(transform.apply(Image.fromarray(colors)))
    return bool(np.abs(converted.astype(int) - colors).max() <= _SRGB_TOLERANCE)


def encode_srgb_8bit(linear: NDArray[Any]) -> NDArray[np.uint8]:
    """Encodes linear light as 8-bit sRGB (IEC 61966-2-1); values outside [0, 1] are clipped.

    Args:
        linear: (H, ...) float; not a number counts as black, infinity as white.

    Returns:
        (H, ...) uint8.
    """
    out = np.empty(linear.shape, dtype=np.uint8)
    rows = max(1, STRIP_PX // max(1, linear[0].size))
    for top in range(0, len(linear), rows):
        strip = np.nan_to_num(linear[top : top + rows].astype(np.float32), nan=0.0, posinf=1.0, neginf=0.0)
        np.clip(strip, 0.0, 1.0, out=strip)
        out[top : top + rows] = np.rint(encode_srgb(strip) * 255)
    return out


REC709_XY = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)
"""CIE xy of the red, green and blue primaries and the white of sRGB."""
_MOST_XY = 2.0
"""Beyond all primaries, of which those of cameras lie far outside of what is seen: REDWideGamutRGB has a green of x + y = 1.62."""
_LEAST_VOLUME = 1e-4
"""Determinant of three primaries that span colours at all; that of sRGB is 0.11."""
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def to_rec709(chromaticities: Sequence[float]) -> NDArray[np.float64] | None:
    """The (3, 3) matrix from linear RGB of other primaries, such as ACES, to that of sRGB.

    Args:
        chromaticities: CIE x and y of red, green, blue and white, as OpenEXR stores them.

    Returns:
        The matrix, white adapted by Bradford's method; None if there is nothing to convert, or they are no primaries.
    """
    if not _are_primaries(chromaticities) or np.allclose(chromaticities, REC709_XY, atol=2e-3):
        return None
    source, source_white = _rgb_to_xyz(chromaticities)
    target, target_white = _rgb_to_xyz(REC709_XY)
    gain = (_BRADFORD @ target_white) / (_BRADFORD @ source_white)
    adapt = np.linalg.solve(_BRADFORD, gain[:, None] * _BRADFORD)
    return np.linalg.solve(target, adapt @ source)


def _are_primaries(chromaticities: Sequence[float]) -> bool:
    """Whether these are the eight numbers of three colours around a white; programs also write zeros."""
    if len(chromaticities) != 8 or not np.isfinite(chromaticities).all():
        return False
    xy = np.asarray(chromaticities, dtype=np.float64).reshape(4, 2)
    if xy[3, 1] <= 0 or xy[3].sum() > 1 or np.abs(xy).max() > _MOST_XY or xy.sum(axis=1).max() > _MOST_XY:
        return False
    volume = np.linalg.det(np.column_stack([xy[:3], 1 - xy[:3].sum(axis=1)]))
    return bool(abs(volume) > _LEAST_VOLUME)


def _rgb_to_xyz(chromaticities: Sequence[float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(3, 3) matrix from linear RGB to CIE XYZ, and the XYZ of white with Y = 1."""
    xy = np.asarray(chromaticities, dtype=np.float64).reshape(4, 2)
    xyz = np.column_stack([xy, 1 - xy.sum(axis=1)])
    white = xyz[3] / xyz[3, 1]
    primaries = xyz[:3].T
    return primaries * np.linalg.solve(primaries, white), white


def fill_transparent(pixels: NDArray[np.uint8], opaque: NDArray[np.bool_]) -> None:
    """Replaces the colour of transparent pixels by that of the opaque ones around them, in place.

    Files often hold black there, which texture filtering would draw into the outline as
    a halo. Averages of the opaque pixels are taken at ever coarser levels and handed
    back down ("pull-push").

    Args:
        pixels: (H, W, 3) uint8.
        opaque: (H, W) bool, at least one of them True.
    """
    height, width = opaque.shape
    half = (max(1, width // 2), max(1, height // 2))
    weight = cv2.resize(opaque.astype(np.uint8) * np.uint8(255), half, interpolation=cv2.INTER_AREA).astype(np.float32)
    premultiplied = cv2.resize(np.where(opaque[..., None], pixels, np.uint8(0)), half, interpolation=cv2.INTER_AREA)
    colors = _push(premultiplied.astype(np.float32) * 255, weight)
    filled = cv2.resize(
        np.clip(np.rint(colors), 0, 255).astype(np.uint8), (width, height), interpolation=cv2.INTER_LINEAR
    )
    np.copyto(pixels, filled, where=~opaque[..., None])


def _push(premultiplied: NDArray[Any], weight: NDArray[Any]) -> NDArray[Any]:
    """(h, w, 3) colours: `premultiplied / weight`, and coarser averages where there is no weight."""
    colors = premultiplied / np.maximum(weight, 1e-6)[..., None]
    height, width = weight.shape
    if (weight > 0).all() or max(height, width) == 1:
        return colors
    half = (max(1, width // 2), max(1, height // 2))
    coarse = _push(
        cv2.resize(premultiplied, half, interpolation=cv2.INTER_AREA).reshape(half[1], half[0], 3),
        cv2.resize(weight, half, interpolation=cv2.INTER_AREA),
    )
    coarse = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.where(weight[..., None] > 0, colors, coarse)
