"""Camera files that users have, for `--camera`.

| file | what is read |
|---|---|
| .json | our own `camera.json` |
| any other | numbers in text: a 3 x 3 calibration matrix, or `fx fy cx cy`, in pixels of the photo; distortion may follow |
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .camera import Camera
from .errors import CameraFileError, OptionsError

_MAX_BYTES = 1 << 20
_SAME_ASPECT = 0.01
_LARGEST_SHARE = 16.0
"""Focal lengths below this are shares of the picture's side: in pixels they would be those of a fish's eye."""
_FAR_OFF_MIDDLE = 0.2
"""Of the side: what only a crop, or another picture, has."""
_WIDEST_RAD = math.radians(179)
_FORMS = "Give camera.json, a 3 x 3 matrix, or fx fy cx cy in pixels of the photo."


def read_camera_file(path: Path, width_px: int, height_px: int) -> tuple[Camera, list[str]]:
    """The camera of a photo from a file.

    Args:
        path: `camera.json`, or intrinsics in text.
        width_px, height_px: Size of the upright photo.

    Returns:
        The camera for that size, and sentences for the user.

    Raises:
        CameraFileError: the file cannot be read, is of another kind, or belongs to another picture.
    """
    if path.suffix.lower() == ".json":
        return _from_json(path, width_px, height_px), []
    matrix, distortion = read_intrinsics(path)
    fx, fy, cx, cy = (float(matrix[at]) for at in ((0, 0), (1, 1), (0, 2), (1, 2)))
    if max(fx, fy) < _LARGEST_SHARE and max(cx, cy) <= 1 and min(width_px, height_px) > _LARGEST_SHARE:
        # Shares of the picture's sides, as some programs write them.
        fx, fy, cx, cy = fx * width_px, fy * height_px, cx * width_px, cy * height_px
    try:
        camera = Camera(width_px, height_px, fx, fy, cx, cy)
    except OptionsError as error:
        raise CameraFileError(f"{path.name} holds no camera: {error.message}", _FORMS) from error
    if not (0 <= camera.cx_px <= width_px and 0 <= camera.cy_px <= height_px):
        raise CameraFileError(
            f"{path.name} puts the middle at ({camera.cx_px:g}, {camera.cy_px:g}), outside of the photo of "
            f"{width_px} x {height_px} pixels: it was made for a picture of another size.",
            "Scale its numbers to the photo, or give the photo at its original size.",
        )
    if max(camera.fov_x_rad, camera.fov_y_rad) > _WIDEST_RAD:
        raise CameraFileError(
            f"{path.name} has a focal length of {fx:g} pixels, which no photo of {width_px} x {height_px} pixels has.",
            _FORMS,
        )
    warnings = []
    off_middle = max(abs(cx / width_px - 0.5), abs(cy / height_px - 0.5))
    if off_middle > _FAR_OFF_MIDDLE or not 0.5 < fx / fy < 2:
        warnings.append(
            f"{path.name} is an unusual camera for this photo (focal lengths {fx:g} and {fy:g}, middle at {cx:g}, {cy:g}): "
            "check that it was made for a picture of this size."
        )
    if any(distortion):
        warnings.append(
            f"The lens distortion in {path.name} was left aside: photos are taken as undistorted. Undistort the photo first if lines look bent."
        )
    return camera, warnings


def read_intrinsics(path: Path) -> tuple[NDArray[np.float64], tuple[float, ...]]:
    """Intrinsics from a text file.

    Returns:
        The (3, 3) calibration matrix, and the numbers that follow `fx fy cx cy`, as a rule lens distortion.

    Raises:
        CameraFileError: it cannot be read or holds no intrinsics.
    """
    rows = _rows_of_numbers(path)
    values = [value for row in rows for value in row]
    if [len(row) for row in rows] == [3, 3, 3] or _is_flat_matrix(values):
        matrix = np.array(values).reshape(3, 3)
        if not np.allclose(matrix[2], (0, 0, 1), atol=1e-6) or abs(matrix[1, 0]) > 1e-6:
            raise CameraFileError(f"{path.name} holds a matrix that is no camera calibration.", _FORMS)
        if abs(matrix[0, 1]) > 1e-3 * abs(matrix[0, 0]):
            raise CameraFileError(
                f"{path.name} has a skew of {matrix[0, 1]:g}, which photos and Blender's cameras do not have.",
                "Set the second number to 0.",
            )
        return matrix, ()
    if len(values) < 4:
        raise CameraFileError(f"{path.name} holds {len(values)} numbers, too few for a camera.", _FORMS)
    fx, fy, cx, cy = values[:4]
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]), tuple(values[4:])


def _from_json(path: Path, width_px: int, height_px: int) -> Camera:
    try:
        data = json.loads(_text(path))
        camera = Camera.from_json(data)
        aspect = camera.width_px / camera.height_px
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise CameraFileError(f"{path.name} is not a camera.json.", _FORMS) from error
    except OptionsError as error:
        raise CameraFileError(f"{path.name} holds no camera: {error.message}", _FORMS) from error
    if abs(math.log(aspect * height_px / width_px)) > _SAME_ASPECT:
        raise CameraFileError(
            f"{path.name} is for a picture of {camera.width_px} x {camera.height_px} pixels, "
            f"which is not the shape of the photo ({width_px} x {height_px}).",
            "Give the camera of this photo.",
        )
    return replace(camera.resized(width_px, height_px), source="given")


def _rows_of_numbers(path: Path) -> list[list[float]]:
    rows = []
    for line in _text(path).splitlines():
        words = [word for word in re.split(r"[\s,;\[\]]+", line.partition("#")[0]) if word]
        try:
            row = [float(word) for word in words]
        except ValueError:
            raise CameraFileError(
                f"{path.name} holds words, not only numbers: '{line.strip()[:40]}'.", _FORMS
            ) from None
        if not np.isfinite(row).all():
            raise CameraFileError(f"{path.name} holds a number that is not finite.", _FORMS)
        if row:
            rows.append(row)
    return rows


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise CameraFileError(f"{path} does not exist.", "Check the name and the folder.") from error
    except IsADirectoryError as error:
        raise CameraFileError(f"{path} is a folder, not a camera file.", _FORMS) from error
    except OSError as error:
        raise CameraFileError(f"{path} cannot be read ({error.strerror}).", "Check the file.") from error
    try:
        if len(content) > _MAX_BYTES or b"\0" in content:
            raise ValueError
        return content.decode("utf-8-sig")
    except ValueError as error:
        raise CameraFileError(f"{path.name} is not a text file with a camera.", _FORMS) from error


def _is_flat_matrix(values: list[float]) -> bool:
    """Nine numbers in a row may be a matrix, or fx fy cx cy and five of distortion."""
    return len(values) == 9 and values[6:] == [0, 0, 1] and values[1] == values[3] == 0
