"""Where a camera stands that nobody named: so that splats without a camera are seen from outside, as a whole."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..camera import Camera
from ..errors import OptionsError
from ..reconstruction import Gaussians
from .paths import look_at

BULK = (0.05, 0.95)
"""Shares of all opacity between which, on each axis, lies what must be seen: strays do not count."""
DOWN = (0.0, 1.0, 0.0)
_MARGIN = 1.1


def bulk_of(gaussians: Gaussians) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(3,) lowest and (3,) highest corner of the box that holds nearly all opacity."""
    low, high = np.empty(3), np.empty(3)
    for axis in range(3):
        order = np.argsort(gaussians.means[:, axis], kind="stable")
        along = gaussians.means[order, axis].astype(np.float64)
        share = np.cumsum(gaussians.opacities[order], dtype=np.float64)
        share /= max(share[-1], 1e-12)
        low[axis], high[axis] = along[np.minimum(np.searchsorted(share, BULK), len(along) - 1)]
    return low, high


def stands_outside(gaussians: Gaussians, cam_to_world: NDArray[Any]) -> bool:
    """Whether a pose is outside of the bulk and has its middle before it."""
    low, high = bulk_of(gaussians)
    eye = np.asarray(cam_to_world)[:3, 3]
    ahead = ((low + high) / 2 - eye) @ np.asarray(cam_to_world)[:3, 2]
    return bool(((eye < low).any() or (eye > high).any()) and ahead > 0)


def view_from_outside(gaussians: Gaussians, camera: Camera) -> NDArray[np.float64]:
    """(4, 4) pose that looks along +z at the bulk and sees all of it."""
    low, high = bulk_of(gaussians)
    radius = float(np.linalg.norm(high - low)) / 2
    half_angle = min(camera.fov_x_rad, camera.fov_y_rad) / 2
    pose = np.eye(4)
    pose[:3, 3] = (low + high) / 2 - (0, 0, _MARGIN * max(radius, 1e-6) / math.sin(half_angle))
    return pose


def view_from(gaussians: Gaussians, eye: NDArray[Any], target: NDArray[Any] | None) -> NDArray[np.float64]:
    """(4, 4) pose at a place that looks at another one, or at the middle of the bulk.

    Raises:
        OptionsError: both are the same place.
    """
    low, high = bulk_of(gaussians)
    seen = (low + high) / 2 if target is None else np.asarray(target, np.float64)
    if np.linalg.norm(seen - eye) < 1e-9:
        raise OptionsError("The camera stands where it looks at.", "Give --from and --look-at two different places.")
    return look_at(np.asarray(eye, np.float64), seen, np.array(DOWN))
