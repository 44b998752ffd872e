"""The camera that took a photo: what is known of it, what the depth model says, what straight lines show."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..camera import Camera
from ..camera_files import read_camera_file
from ..errors import OptionsError
from ..lines.segments import find_segments
from ..lines.upright import CameraGuess, find_upright
from ..options import ReconstructOptions
from .exif_camera import MAX_PINHOLE_ASPECT, PhotoExif, camera_from_exif
from .photo import Photo

DEFAULT_FOV_RAD = math.radians(55)
"""Along the longer side, when nothing is known: about 35 mm on full frame, between a phone and a standard lens."""

_MIN_FOV_RAD, _MAX_FOV_RAD = math.radians(2), math.radians(170)
_WIDEST_BY_FOCAL_RAD = math.radians(160)
"""No lens without distortion is wider: a focal length that says so was meant in millimetres."""
_MAX_PITCH_RAD, _MAX_ROLL_RAD = math.radians(75), math.radians(30)
_LOG_FOCAL_ERROR = 0.2
_PITCH_ERROR_RAD, _BLIND_PITCH_ERROR_RAD = math.radians(3), math.radians(6)
_ROLL_ERROR_RAD = math.radians(1.2)
"""How far the bundled model's estimates usually are from the truth; blind: where there is none, for a level camera."""
_MOST_TRANSPARENT = 0.02
"""Share of a photo."""


@dataclass(frozen=True)
class CameraEstimate:
    """What a depth model says of the camera; None: nothing.

    Attributes:
        fov_x_rad: Horizontal field of view.
        pitch_rad, roll_rad: Tilt as `Camera` defines it.
    """

    fov_x_rad: float | None = None
    pitch_rad: float | None = None
    roll_rad: float | None = None


@dataclass(frozen=True)
class PhotoCamera:
    """A photo's camera.

    Attributes:
        camera: Of the photo's size.
        warnings: Sentences for the user.
        record: Plain values for the record of the result.
    """

    camera: Camera
    warnings: tuple[str, ...] = ()
    record: dict[str, Any] = field(default_factory=dict)


def find_camera(photo: Photo, options: ReconstructOptions, estimate: CameraEstimate) -> PhotoCamera:
    """The camera of a photo by the best source there is: given, EXIF, straight lines, depth model, default.

    Args:
        photo: The photo.
        options: May give a camera file, the focal length or the field of view; whether the tilt counts.
        estimate: What the depth model says.

    Raises:
        CameraFileError: the camera file cannot be used.
    """
    found = _find_tilted(photo, options, estimate)
    if options.tilt == "level":
        return replace(found, camera=replace(found.camera, pitch_rad=0.0, roll_rad=0.0))
    return found


def _find_tilted(photo: Photo, options: ReconstructOptions, estimate: CameraEstimate) -> PhotoCamera:
    known, warnings = known_camera(options, photo.exif, photo.width_px, photo.height_px, photo.stored_size_px)
    camera = known or guessed_camera(estimate.fov_x_rad, photo.width_px, photo.height_px)
    if camera.pitch_rad is not None or camera.roll_rad is not None:
        return PhotoCamera(camera, tuple(warnings))
    camera = tilted(camera, estimate.pitch_rad, estimate.roll_rad)
    camera, record = _by_lines(photo, camera, known is not None)
    if known is None:
        warnings = [*warnings, _how_it_was_guessed(camera, bool(record.get("camera_lines_tell_focal")))]
    return PhotoCamera(camera, tuple(warnings), record)


def known_camera(
    options: ReconstructOptions,
    exif: PhotoExif,
    width_px: int,
    height_px: int,
    stored_size_px: tuple[int, int] | None = None,
) -> tuple[Camera | None, list[str]]:
    """The camera that the user or the photo's EXIF record gives, None if neither does, and sentences for the user.

    Raises:
        CameraFileError: the camera file cannot be used.
        OptionsError: the focal length cannot be in pixels of this photo.
    """
    if options.camera is not None:
        return read_camera_file(Path(options.camera), width_px, height_px, stored_size_px)
    if options.focal_px is not None:
        camera = Camera.from_focal_px(options.focal_px, width_px, height_px, "given")
        if max(camera.fov_x_rad, camera.fov_y_rad) > _WIDEST_BY_FOCAL_RAD:
            raise OptionsError(
                f"A focal length of {options.focal_px:g} pixels is far too short for a photo of {width_px} x {height_px} "
                f"pixels: it would see {math.degrees(max(camera.fov_x_rad, camera.fov_y_rad)):.0f} degrees.",
                "Give it in pixels of the photo, not in millimetres, or give --fov.",
            )
        return camera, []
    if options.fov_deg is not None:
        return Camera.from_fov_x(math.radians(options.fov_deg), width_px, height_px, "given"), []
    return camera_from_exif(exif, width_px, height_px)


def guessed_camera(fov_x_rad: float | None, width_px: int, height_px: int) -> Camera:
    """A camera with the field of view that a depth model says, or with the usual one."""
    if fov_x_rad is not None and _MIN_FOV_RAD <= fov_x_rad <= _MAX_FOV_RAD:
        return Camera.from_fov_x(fov_x_rad, width_px, height_px, "estimated")
    focal_px = max(width_px, height_px) / 2 / math.tan(DEFAULT_FOV_RAD / 2)
    return Camera.from_focal_px(focal_px, width_px, height_px, "default")


def tilted(camera: Camera, pitch_rad: float | None, roll_rad: float | None) -> Camera:
    """The camera with an estimated tilt; level where the estimate is missing or no photographer would hold it so."""
    if pitch_rad is None or roll_rad is None:
        return camera
    if not _plausible_tilt(pitch_rad, roll_rad):
        return camera
    return replace(camera, pitch_rad=pitch_rad, roll_rad=roll_rad)


def _by_lines(photo: Photo, camera: Camera, focal_known: bool) -> tuple[Camera, dict[str, Any]]:
    """The camera that the photo's straight lines and the one that was guessed agree on, and a record of it."""
    width, height = photo.width_px, photo.height_px
    if max(width, height) > MAX_PINHOLE_ASPECT * min(width, height) or abs(camera.fx_px / camera.fy_px - 1) > 0.01:
        return camera, {}
    # Where pixels were cut away, the outline is no line of the place.
    if photo.opaque is not None and 1 - photo.opaque.mean() > _MOST_TRANSPARENT:
        return camera, {}
    diagonal_px = math.hypot(width, height)
    blind = camera.pitch_rad is None
    guess = CameraGuess(
        math.log(camera.fx_px / diagonal_px),
        camera.pitch_rad or 0.0,
        camera.roll_rad or 0.0,
        0.0 if focal_known else _LOG_FOCAL_ERROR,
        _BLIND_PITCH_ERROR_RAD if blind else _PITCH_ERROR_RAD,
        _ROLL_ERROR_RAD,
    )
    segments = find_segments(photo.pixels_srgb, (camera.cx_px, camera.cy_px))
    found = find_upright(segments, guess)
    if found is None or not _plausible_tilt(found.pitch_rad, found.roll_rad):
        return camera, {}
    straight = replace(camera, pitch_rad=found.pitch_rad, roll_rad=found.roll_rad)
    if not focal_known:
        focal_px = math.exp(found.log_focal) * diagonal_px
        straight = replace(straight, fx_px=focal_px, fy_px=focal_px)
        if not _MIN_FOV_RAD <= straight.fov_x_rad <= _MAX_FOV_RAD:
            return camera, {}
        if found.tells_focal:
            straight = replace(straight, source="estimated")
    record = {
        "camera_line_segments": len(segments),
        "camera_line_evidence": round(found.gain, 2),
        "camera_lines_tell_focal": found.tells_focal and not focal_known,
    }
    return straight, record


def _plausible_tilt(pitch_rad: float, roll_rad: float) -> bool:
    return abs(pitch_rad) <= _MAX_PITCH_RAD and abs(roll_rad) <= _MAX_ROLL_RAD


def _how_it_was_guessed(camera: Camera, by_lines: bool) -> str:
    if by_lines:
        how = "was estimated from straight lines in the picture"
    else:
        how = "was estimated from the picture" if camera.source == "estimated" else "was assumed"
    degrees = math.degrees(camera.fov_x_rad)
    return (
        f"The photo does not tell its focal length: a field of view of {degrees:.{0 if degrees >= 2 else 2}f} degrees "
        f"{how}. Give --fov or --focal-px if you know better."
    )
