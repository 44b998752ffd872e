"""Camera moves for novel views: poses frame by frame.

Poses are (F, 4, 4) float64 camera-to-world, OpenCV axes: columns right, down, forward,
position. Orbit, swing and look-at are those of the official InfiniDepth.
"""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from ..errors import OptionsError
from ..options import PathKind

ORBIT_RADIUS_M, ORBIT_VERTICAL_M, ORBIT_FORWARD_M = 0.25, 0.075, 0.3
"""Half of the official lengths: one photo does not show what lies behind its things."""

DOLLY_FORWARD_M = 0.8
RISE_M = 0.3
TYPICAL_DEPTH_M = 5.0
"""Median depth of the scenes that the lengths above suit."""

_TINY = 1e-8


def camera_path(
    kind: PathKind, frames: int, median_depth_m: float, base: NDArray[Any] | None = None, amplitude: float = 1.0
) -> NDArray[np.float64]:
    """A camera move whose size suits the scene.

    Args:
        kind: The move.
        frames: Number of poses, at least 1; of a single one the base pose is all.
        median_depth_m: Median distance of what the base pose sees; also how far the point
            that the camera turns to lies in front of it.
        base: (4, 4) pose of the photo's camera; None is the identity.
        amplitude: Factor on the size of the move.

    Returns:
        (frames, 4, 4) poses.

    Raises:
        OptionsError: there is no such move, or a number is out of range.
    """
    if kind not in get_args(PathKind):
        raise OptionsError(f"Unknown camera path '{kind}'.", f"Use one of {', '.join(get_args(PathKind))}.")
    if not 1 <= frames <= 100_000:
        raise OptionsError(f"{frames} frames are out of range.", "Use 1 to 100000.")
    if not (np.isfinite(amplitude) and 0 <= amplitude <= 100):
        raise OptionsError(f"A camera move of {amplitude} times its usual size is not possible.", "Use 0 to 100.")
    pose = np.eye(4) if base is None else np.array(base, dtype=np.float64)
    if kind == "still" or frames == 1:
        return np.repeat(pose[None], frames, axis=0)
    size = amplitude * median_depth_m / TYPICAL_DEPTH_M
    target = pose[:3, 3] + pose[:3, 2] * median_depth_m
    radius, vertical, forward = (size * v for v in (ORBIT_RADIUS_M, ORBIT_VERTICAL_M, ORBIT_FORWARD_M))
    if kind == "orbit":
        return orbit(pose, target, frames, radius, vertical, forward)
    if kind == "swing":
        return swing(pose, frames, radius, forward)
    # There and back with a soft start and end, so that the clip can be looped.
    along = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(frames) / frames)
    if kind == "dolly":
        return _moved(pose, along[:, None] * size * DOLLY_FORWARD_M * pose[:3, 2])
    positions = pose[:3, 3] - along[:, None] * size * RISE_M * pose[:3, 1]
    return look_at(positions, target, pose[:3, 1])


def orbit(
    base: NDArray[Any], target: NDArray[Any], frames: int, radius_m: float, vertical_m: float, forward_m: float
) -> NDArray[np.float64]:
    """A closed loop about the base position, always looking at the target.

    Args:
        base: (4, 4) pose that the loop starts from.
        target: (3,) point to look at.
        frames: Number of poses; the next one would be the first again.
        radius_m, vertical_m, forward_m: How far it goes to the sides, up and down, and forward.

    Returns:
        (frames, 4, 4) poses.
    """
    theta = 2 * np.pi * np.arange(frames) / frames
    right, down, ahead = (np.asarray(base, np.float64)[:3, k] for k in range(3))
    positions = (
        np.asarray(base, np.float64)[:3, 3]
        + np.outer(radius_m * np.sin(theta), right)
        + np.outer(vertical_m * np.sin(2 * theta), down)
        + np.outer(forward_m / 2 * (1 - np.cos(theta)), ahead)
    )
    return look_at(positions, target, down)


def swing(base: NDArray[Any], frames: int, radius_m: float, forward_m: float) -> NDArray[np.float64]:
    """Straight to the left, to the right, forward and back, without turning.

    The five stations are equally far apart in time. The official version gives 4 n - 3
    poses for n to a side; with that many frames this is the same, and it gives any number.

    Args:
        base: (4, 4) pose of the first and the last station.
        frames: Number of poses, at least 1.
        radius_m, forward_m: How far it goes to the sides and forward.

    Returns:
        (frames, 4, 4) poses.
    """
    pose = np.asarray(base, np.float64)
    right, ahead = pose[:3, 0] * radius_m, pose[:3, 2] * forward_m
    stations = np.stack([0 * right, -right, right, ahead, 0 * right])
    at = np.linspace(0, 4, frames) if frames > 1 else np.zeros(1)
    offsets = np.stack([np.interp(at, np.arange(5), stations[:, k]) for k in range(3)], axis=-1)
    return _moved(pose, offsets)


def look_at(position: NDArray[Any], target: NDArray[Any], up: NDArray[Any]) -> NDArray[np.float64]:
    """The pose at a position that looks at a target.

    Args:
        position: (..., 3), one or several.
        target: (3,).
        up: (3,) direction that the image's second axis (down in the picture) leans to.

    Returns:
        (..., 4, 4) poses. Looking along `up` itself, some roll is chosen.
    """
    position = np.asarray(position, np.float64)
    forward = _unit(np.asarray(target, np.float64) - position)
    right = np.cross(up, forward)
    along = np.linalg.norm(right, axis=-1, keepdims=True) < 1e-6
    right = _unit(np.where(along, np.cross((1.0, 0.0, 0.0), forward), right))
    pose = np.zeros((*position.shape[:-1], 4, 4))
    pose[..., :3, :] = np.stack([right, _unit(np.cross(forward, right)), forward, position], axis=-1)
    pose[..., 3, 3] = 1.0
    return pose


def _moved(pose: NDArray[np.float64], offsets: NDArray[np.float64]) -> NDArray[np.float64]:
    poses = np.repeat(pose[None], len(offsets), axis=0)
    poses[:, :3, 3] += offsets
    return poses


def _unit(v: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(v, np.float64) / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), _TINY)
