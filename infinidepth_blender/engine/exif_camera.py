"""Focal length from a photo's EXIF record.

Tags and their meaning: CIPA DC-008 (Exif 2.32); the 35 mm equivalent: CIPA DCG-001.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..camera import Camera

MAX_PINHOLE_ASPECT = 2.45
"""Longer pictures are panoramas or strips, which no pinhole camera takes."""

_DIAGONAL_35MM = math.hypot(36.0, 24.0)
"""CIPA DCG-001 defines the equivalence by the diagonal of the frame, which also holds for sensors that are not 3:2."""
_MIN_FOCAL_35MM, _MAX_FOCAL_35MM = 4.0, 3000.0
_SAME_ASPECT = 0.01

_TAG_FOCAL_MM = 0x920A
_TAG_FOCAL_35MM = 0xA405
_TAG_PLANE_X_RESOLUTION = 0xA20E
_TAG_PLANE_Y_RESOLUTION = 0xA20F
_TAG_PLANE_UNIT = 0xA210
_TAG_DIGITAL_ZOOM = 0xA404
_TAG_PIXELS_X = 0xA002
_TAG_PIXELS_Y = 0xA003
_UNIT_MM = {1: 25.4, 2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}


@dataclass(frozen=True)
class PhotoExif:
    """What a photo's EXIF record says about its lens; None: it says nothing.

    Attributes:
        focal_35mm: 35 mm equivalent focal length, digital zoom included.
        focal_mm: True focal length.
        plane_x_per_mm, plane_y_per_mm: Pixels per millimetre on the sensor, along the
            stored (not the upright) image's sides.
        digital_zoom: Digital zoom ratio, 1 or more.
        width_px, height_px: Size that the camera wrote, in the upright orientation.
    """

    focal_35mm: float | None = None
    focal_mm: float | None = None
    plane_x_per_mm: float | None = None
    plane_y_per_mm: float | None = None
    digital_zoom: float = 1.0
    width_px: int | None = None
    height_px: int | None = None


def read_exif(exif_ifd: Mapping[int, Any], turned: bool = False) -> PhotoExif:
    """The lens data of an Exif directory.

    Args:
        exif_ifd: Values by tag of the Exif IFD (not of IFD 0).
        turned: Whether the orientation tag turns the picture by a quarter.
    """
    unit_mm = _UNIT_MM.get(int(_positive(exif_ifd.get(_TAG_PLANE_UNIT)) or 2), 25.4)
    plane = [_positive(exif_ifd.get(tag)) for tag in (_TAG_PLANE_X_RESOLUTION, _TAG_PLANE_Y_RESOLUTION)]
    size = [_positive(exif_ifd.get(tag)) for tag in (_TAG_PIXELS_X, _TAG_PIXELS_Y)]
    if turned:
        plane.reverse()
        size.reverse()
    return PhotoExif(
        focal_35mm=_positive(exif_ifd.get(_TAG_FOCAL_35MM)),
        focal_mm=_positive(exif_ifd.get(_TAG_FOCAL_MM)),
        plane_x_per_mm=plane[0] / unit_mm if plane[0] else None,
        plane_y_per_mm=plane[1] / unit_mm if plane[1] else None,
        digital_zoom=max(1.0, _positive(exif_ifd.get(_TAG_DIGITAL_ZOOM)) or 1.0),
        width_px=int(size[0]) if size[0] and size[0] >= 1 else None,
        height_px=int(size[1]) if size[1] and size[1] >= 1 else None,
    )


def camera_from_exif(exif: PhotoExif, width_px: int, height_px: int) -> tuple[Camera | None, list[str]]:
    """The camera that took a photo, from its EXIF record.

    The 35 mm equivalent comes first; it includes digital zoom. Else the focal length and
    the sensor's pixel density are used, and digital zoom counts once. An image whose
    aspect ratio is not the one that the camera wrote was cropped: the largest crop of
    that shape is assumed, since a copy that was also made smaller looks the same.

    Args:
        exif: The record.
        width_px, height_px: Size of the upright photo as it is now.

    Returns:
        The camera, None if the record does not tell, and sentences for the user.
    """
    if exif.focal_35mm is None and exif.focal_mm is None:
        return None, []
    if max(width_px, height_px) > MAX_PINHOLE_ASPECT * min(width_px, height_px):
        return None, [
            "The photo is a panorama or a narrow strip: the focal length in its EXIF data does not apply and was ignored."
        ]
    exif = _turned_as_the_photo(exif, width_px, height_px)
    original, warnings = _size_before_cropping(exif, width_px, height_px)
    px_per_mm = math.hypot(*original) / _DIAGONAL_35MM
    focal_px = exif.focal_35mm * px_per_mm if exif.focal_35mm is not None else _focal_from_sensor(exif, original)
    if focal_px is None:
        return None, []
    equivalent_mm = focal_px / px_per_mm
    if not _MIN_FOCAL_35MM <= equivalent_mm <= _MAX_FOCAL_35MM:
        return None, [
            f"The EXIF data claims a lens of {equivalent_mm:.3g} mm (35 mm equivalent), which cannot be; it was ignored."
        ]
    return Camera.from_focal_px(focal_px, width_px, height_px, "exif"), warnings


def _turned_as_the_photo(exif: PhotoExif, width_px: int, height_px: int) -> PhotoExif:
    """The record for a photo that an editor turned, leaving the sizes as they were."""
    if exif.width_px is None or exif.height_px is None:
        return exif
    full = (exif.width_px, exif.height_px)
    if (width_px > height_px) == (full[0] > full[1]) or not _alike(width_px / height_px, full[1] / full[0]):
        return exif
    return replace(
        exif,
        width_px=full[1],
        height_px=full[0],
        plane_x_per_mm=exif.plane_y_per_mm or exif.plane_x_per_mm,
        plane_y_per_mm=exif.plane_x_per_mm,
    )


def _size_before_cropping(exif: PhotoExif, width_px: int, height_px: int) -> tuple[tuple[float, float], list[str]]:
    """Size of the whole frame at the photo's present resolution, and a warning if it was cropped."""
    size = (float(width_px), float(height_px))
    if exif.width_px is None or exif.height_px is None:
        return size, []
    full = (exif.width_px, exif.height_px)
    if _alike(width_px / height_px, full[0] / full[1]):
        return size, []
    factor = max(width_px / full[0], height_px / full[1])
    warning = (
        f"The photo was cropped after it was taken (the camera wrote {full[0]} x {full[1]} pixels): "
        "its focal length is right only if the crop keeps the middle and one whole side."
    )
    return (full[0] * factor, full[1] * factor), [warning]


def _focal_from_sensor(exif: PhotoExif, original: tuple[float, float]) -> float | None:
    if exif.focal_mm is None or exif.plane_x_per_mm is None:
        return None
    written_px = exif.width_px or original[0]
    return exif.focal_mm * exif.plane_x_per_mm * exif.digital_zoom * original[0] / written_px


def _alike(ratio: float, other: float) -> bool:
    return abs(math.log(ratio / other)) <= _SAME_ASPECT


def _positive(value: Any) -> float | None:
    """The value as a positive, finite number; None for anything else a file may hold."""
    try:
        number = float(value[0] if isinstance(value, tuple) else value)
    except (TypeError, ValueError, IndexError, ZeroDivisionError, OverflowError):
        return None
    return number if math.isfinite(number) and number > 0 else None
