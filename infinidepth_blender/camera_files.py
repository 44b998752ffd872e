"""Camera files that users have, for `--camera`.

| file | what is read |
|---|---|
| .json | our own `camera.json`; `fl_x, fl_y, cx, cy, w, h` (nerfstudio, instant-ngp); `fx, fy, cx, cy` with or without a size |
| any other | numbers in text: a 3 x 3, 3 x 4 or 4 x 4 calibration matrix, or `fx fy cx cy`, in pixels of the photo; distortion may follow |
| | COLMAP's `cameras.txt` with one camera |

Without a size, numbers are pixels of the photo; with one, they are scaled to it. Where the photo's pixels were made square, both
may also be those of the file.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

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
_COLMAP_MODELS = {
    "SIMPLE_PINHOLE": "f cx cy",
    "PINHOLE": "fx fy cx cy",
    "SIMPLE_RADIAL": "f cx cy k1",
    "RADIAL": "f cx cy k1 k2",
    "OPENCV": "fx fy cx cy k1 k2 p1 p2",
    "FULL_OPENCV": "fx fy cx cy k1 k2 p1 p2 k3 k4 k5 k6",
}
"""COLMAP's models of cameras that are pinholes once distortion is taken away, and their parameters."""
_JSON_NAMES = {
    "fx_px": ("fl_x", "fx"),
    "fy_px": ("fl_y", "fy"),
    "cx_px": ("cx",),
    "cy_px": ("cy",),
    "width_px": ("w", "width"),
    "height_px": ("h", "height"),
}
"""What other programs call our own names in JSON."""
_DISTORTION = ("k1", "k2", "k3", "k4", "k5", "k6", "p1", "p2")


def read_camera_file(
    path: Path, width_px: int, height_px: int, stored_size_px: tuple[int, int] | None = None
) -> tuple[Camera, list[str]]:
    """The camera of a photo from a file.

    Args:
        path: A file of one of the kinds above.
        width_px, height_px: Size of the upright photo.
        stored_size_px: Its size before its pixels were made square; the camera may be for that, too.

    Returns:
        The camera for that size, and sentences for the user.

    Raises:
        CameraFileError: the file cannot be read, is of another kind, or belongs to another picture.
    """
    text = _text(path)
    try:
        if path.suffix.lower() == ".json":
            camera, distorted, has_size = _from_json(path, text, width_px, height_px)
        elif (found := _from_colmap(path, text)) is not None:
            (camera, distorted), has_size = found, True
        else:
            has_size = False
            matrix, distortion = read_intrinsics(path)
            fx, fy, cx, cy = (float(matrix[at]) for at in ((0, 0), (1, 1), (0, 2), (1, 2)))
            if max(fx, fy) < _LARGEST_SHARE and max(cx, cy) <= 1 and min(width_px, height_px) > _LARGEST_SHARE:
                # Shares of the picture's sides, as some programs write them.
                fx, fy, cx, cy, has_size = fx * width_px, fy * height_px, cx * width_px, cy * height_px, True
            camera, distorted = Camera(width_px, height_px, fx, fy, cx, cy), any(distortion)
    except OptionsError as error:
        raise CameraFileError(f"{path.name} holds no camera: {error.message}", _FORMS) from error
    warnings = []
    if distorted:
        warnings.append(
            f"The lens distortion in {path.name} was left aside: photos are taken as undistorted. Undistort the photo first if lines look bent."
        )
    if stored_size_px is not None and not has_size:
        camera = _of_stored(camera, stored_size_px)
    shapes = [(width_px, height_px), *([stored_size_px] if stored_size_px else [])]
    if all(abs(math.log(camera.width_px / camera.height_px * h / w)) > _SAME_ASPECT for w, h in shapes):
        raise CameraFileError(
            f"{path.name} is for a picture of {camera.width_px} x {camera.height_px} pixels, "
            f"which is not the shape of the photo ({width_px} x {height_px}).",
            "Give the camera of this photo.",
        )
    camera = replace(camera.resized(width_px, height_px), source="given")
    return camera, [*_doubts(path, camera), *warnings]


def _of_stored(camera: Camera, stored_size_px: tuple[int, int]) -> Camera:
    """A camera without a size of its own, of the photo or of the file: whichever makes its focal lengths more equal in square pixels."""
    widened = camera.width_px / camera.height_px * stored_size_px[1] / stored_size_px[0]
    ratio = math.log(camera.fx_px / camera.fy_px)
    is_of_file = abs(ratio + math.log(widened)) < abs(ratio)
    return replace(camera, width_px=stored_size_px[0], height_px=stored_size_px[1]) if is_of_file else camera


def _doubts(path: Path, camera: Camera) -> list[str]:
    """What is unusual about a camera in pixels of its photo.

    Raises:
        CameraFileError: no photo of this size has such a camera.
    """
    width_px, height_px, fx, fy, cx, cy = (
        getattr(camera, name) for name in ("width_px", "height_px", "fx_px", "fy_px", "cx_px", "cy_px")
    )
    if not (0 <= cx <= width_px and 0 <= cy <= height_px):
        raise CameraFileError(
            f"{path.name} puts the middle at ({cx:g}, {cy:g}), outside of the photo of "
            f"{width_px} x {height_px} pixels: it was made for a picture of another size.",
            "Scale its numbers to the photo, or give the photo at its original size.",
        )
    if max(camera.fov_x_rad, camera.fov_y_rad) > _WIDEST_RAD:
        raise CameraFileError(
            f"{path.name} has a focal length of {fx:g} pixels, which no photo of {width_px} x {height_px} pixels has.",
            _FORMS,
        )
    off_middle = max(abs(cx / width_px - 0.5), abs(cy / height_px - 0.5))
    if off_middle > _FAR_OFF_MIDDLE or not 0.5 < fx / fy < 2:
        return [
            f"{path.name} is an unusual camera for this photo (focal lengths {fx:g} and {fy:g}, middle at {cx:g}, {cy:g}): "
            "check that it was made for a picture of this size."
        ]
    return []


def read_intrinsics(path: Path) -> tuple[NDArray[np.float64], tuple[float, ...]]:
    """Intrinsics from a text file.

    Returns:
        The (3, 3) calibration matrix, and the numbers that follow `fx fy cx cy`, as a rule lens distortion.

    Raises:
        CameraFileError: it cannot be read or holds no intrinsics.
    """
    rows = _rows_of_numbers(path)
    values = [value for row in rows for value in row]
    matrix = _matrix_of([len(row) for row in rows], values)
    if matrix is not None:
        if matrix[:3, 3:].any() or matrix[3:].ravel().tolist() not in ([], [0, 0, 0, 1]):
            raise CameraFileError(
                f"{path.name} holds a matrix that is no camera calibration alone: its fourth column is not 0.", _FORMS
            )
        matrix = matrix[:3, :3]
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


def _from_json(path: Path, text: str, width_px: int, height_px: int) -> tuple[Camera, bool, bool]:
    """The camera for the size that the file names, else for the photo's, whether its lens is distorted, and whether it names one."""
    try:
        data: dict[str, Any] = json.loads(text)
        if data.get("camera_model", "PINHOLE") not in ("PERSPECTIVE", *_COLMAP_MODELS):
            raise _other_lens(path, data["camera_model"])
        if data.get("is_fisheye"):
            raise _other_lens(path, "fisheye")
        if "fx_px" in data:
            return Camera.from_json(data), False, True
        found = {own: data[name] for own, names in _JSON_NAMES.items() for name in names if name in data}
        has_size = "width_px" in found or "height_px" in found
        if not has_size:
            found |= {"width_px": width_px, "height_px": height_px}
        distorted = any(float(data.get(name) or 0) for name in _DISTORTION)
        return Camera.from_json({"fy_px": found["fx_px"], **found}), distorted, has_size
    except (LookupError, ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise CameraFileError(f"{path.name} is no camera.json, and holds no fx, fy, cx, cy.", _FORMS) from error


def _from_colmap(path: Path, text: str) -> tuple[Camera, bool] | None:
    """The camera of COLMAP's list and whether its lens is distorted; None: it is no such list."""
    lines = [line.split() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not lines or any(len(words) < 5 or not re.fullmatch(r"[A-Z][A-Z_0-9]+", words[1]) for words in lines):
        return None
    if len(lines) > 1:
        raise CameraFileError(
            f"{path.name} holds {len(lines)} cameras, and it is not clear which is the photo's.",
            "Give a file with the line of the photo's camera alone.",
        )
    _, model, width, height, *words = lines[0]
    if model not in _COLMAP_MODELS:
        raise _other_lens(path, model)
    names = _COLMAP_MODELS[model].split()
    try:
        values = dict(zip(names, map(float, words), strict=True))
        size_px = int(width), int(height)
    except ValueError as error:
        raise CameraFileError(f"{path.name} has a line that is not as COLMAP writes a {model}.", _FORMS) from error
    fx, fy = (values.get(name, values.get("f", 0.0)) for name in ("fx", "fy"))
    distorted = any(values.get(name) for name in _DISTORTION)
    return Camera(*size_px, fx, fy, values["cx"], values["cy"]), distorted


def _other_lens(path: Path, model: Any) -> CameraFileError:
    return CameraFileError(
        f"{path.name} has a lens of the model {model}, which is no pinhole.", "Undistort the photo first."
    )


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


def _matrix_of(lengths: list[int], values: list[float]) -> NDArray[np.float64] | None:
    """The matrix, 3 or 4 each way, that stands in lines of these lengths, or in one row; None if there is none."""
    for rows, cols in ((3, 3), (3, 4), (4, 4)):
        if len(values) == rows * cols:
            matrix = np.array(values).reshape(rows, cols)
            # Numbers in a row may be a matrix, or fx fy cx cy and distortion.
            in_a_row = matrix[2, :3].tolist() == [0, 0, 1] and matrix[0, 1] == matrix[1, 0] == 0
            return matrix if lengths == [cols] * rows or in_a_row else None
    return None
