"""The camera and the colour space in splat files: elements of their own behind the splats."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from plyfile import PlyData, PlyElement

from ..camera import Camera
from ..errors import OptionsError
from ..reconstruction import ColorSpace

CAMERA_ELEMENTS = ("image_size", "intrinsic", "extrinsic", "color_space")
_SHARP_ELEMENTS = ("version", "frame")
_POSE_TOLERANCE = 1e-3


def camera_elements(camera: Camera, cam_to_world: NDArray[Any] | None) -> list[PlyElement]:
    """The elements that `ply.write_splat_ply` appends; its arguments say what they mean."""
    pose = np.eye(4) if cam_to_world is None else np.asarray(cam_to_world)
    return [
        _list_element("image_size", [camera.width_px, camera.height_px], "<u4"),
        _list_element("intrinsic", camera.matrix().ravel(), "<f4"),
        _list_element("extrinsic", pose.ravel(), "<f4"),
        _list_element("color_space", [0], "u1"),
    ]


def _list_element(name: str, values: Any, dtype: str) -> PlyElement:
    return PlyElement.describe(np.asarray(values).astype(dtype).view([(name, dtype)]), name)


def _values(data: PlyData, name: str) -> NDArray[Any] | None:
    """The values of an element of one property, whatever the property is called."""
    if name not in data or len(data[name].properties) != 1:
        return None
    values = data[name].data[data[name].properties[0].name]
    return None if values.dtype == object else np.asarray(values)


def camera_of(data: PlyData) -> tuple[Camera | None, NDArray[np.float64]]:
    """Camera and pose that the file brings.

    Early SHARP files have four values in `intrinsic` (fx, fy, width, height) and no image_size.
    """
    intrinsic, size, extrinsic = (_values(data, n) for n in ("intrinsic", "image_size", "extrinsic"))
    pose = _pose(extrinsic)
    if intrinsic is None:
        return None, pose
    try:
        if intrinsic.size == 9 and size is not None and size.size == 2:
            fx, _, cx, _, fy, cy = (float(v) for v in intrinsic[:6])
            return Camera(int(size[0]), int(size[1]), fx, fy, cx, cy), pose
        if intrinsic.size == 4:
            fx, fy, width, height = (float(v) for v in intrinsic)
            return Camera(int(width), int(height), fx, fy, width / 2, height / 2), pose
    except (OptionsError, ValueError, OverflowError):
        pass  # The splats are worth having without their camera.
    return None, pose


def _pose(extrinsic: NDArray[Any] | None) -> NDArray[np.float64]:
    """(4, 4) camera-to-world of 12 or 16 numbers, row by row; the identity where they are no rotation and translation."""
    pose = np.eye(4)
    if extrinsic is None or extrinsic.size not in (12, 16) or not np.isfinite(extrinsic).all():
        return pose
    pose[:3] = extrinsic.reshape(-1, 4)[:3]
    turn = pose[:3, :3]
    is_rotation = np.allclose(turn @ turn.T, np.eye(3), atol=_POSE_TOLERANCE) and np.linalg.det(turn) > 0
    return pose if is_rotation else np.eye(4)


def color_space_of(data: PlyData) -> ColorSpace:
    """Encoding of the colours; see `ply.read_splat_ply`."""
    code = _values(data, "color_space")
    by_sharp = any(name in data for name in _SHARP_ELEMENTS)
    return "linear" if by_sharp and code is not None and code.size and int(code[0]) == 1 else "srgb"
