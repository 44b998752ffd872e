"""The photo's camera as it was made: remembered on it, compared with what it is now, and put back."""

from __future__ import annotations

import math
from collections.abc import Iterator

import bpy
from mathutils import Matrix, Quaternion

from .animated import animated_paths
from .saved import PART_KEY

LEVEL_CAMERA = Quaternion((0.5**0.5, 0.5**0.5, 0.0, 0.0))
"""Turns a Blender camera, which looks along its own -Z, to look along the rig's +Y with +Z up."""

LENS_KEY = "infinidepth_lens"
"""Custom property of the photo's camera: its lens as it was made, by the names of Blender's properties."""
_LENS = ("type", "sensor_fit", "sensor_width", "sensor_height", "lens", "shift_x", "shift_y")
_PLACE = ("location", "rotation_", "scale", "delta_")
_CLOSE = 1e-5
"""Blender keeps 32-bit numbers, and a pose goes through angles where the user chose these."""


def remember_lens(obj: bpy.types.Object) -> None:
    """Writes a camera's lens on it. The place needs no note: it is the rig's own."""
    obj[LENS_KEY] = {name: getattr(obj.data, name) for name in _LENS}


def camera_changes(camera: bpy.types.Object) -> list[str]:
    """What `reset_camera` would put back, in words; changes nothing."""
    changes = []
    if _lens_changes(camera) and not _why_lens_stays(camera):
        changes.append("lens")
    if _is_elsewhere(camera) and not _why_place_stays(camera):
        changes.append("place")
    return changes


def reset_camera(camera: bpy.types.Object) -> tuple[list[str], list[str]]:
    """Puts lens and place back as they were made, but touches nothing that is animated, held or linked.

    Args:
        camera: A photo's camera.

    Returns:
        What was put back, in words, and sentences about what could not be.
    """
    changes, left = camera_changes(camera), []
    if "lens" in changes:
        for name, value in _lens_changes(camera).items():
            setattr(camera.data, name, value)
    if "place" in changes:
        camera.matrix_basis = _above(camera).inverted() @ LEVEL_CAMERA.to_matrix().to_4x4()
    if _lens_changes(camera):
        left.append(_why_lens_stays(camera))
    if reason := _why_place_stays(camera):
        left.append(reason)
    return changes, left


def _lens_changes(camera: bpy.types.Object) -> dict[str, object]:
    """What differs from the lens as it was made, with the values of then; results of earlier versions do not know theirs."""
    made = camera.get(LENS_KEY)
    if made is None:
        return {}
    return {name: made[name] for name in _LENS if name in made and not _same(getattr(camera.data, name), made[name])}


def _same(now: object, then: object) -> bool:
    if isinstance(now, float) and isinstance(then, float):
        return math.isclose(now, then, rel_tol=_CLOSE, abs_tol=_CLOSE)
    return now == then


def _is_elsewhere(camera: bpy.types.Object) -> bool:
    made = LEVEL_CAMERA.to_matrix().to_4x4()
    now = _above(camera) @ camera.matrix_basis
    return any(abs(now[row][column] - made[row][column]) > _CLOSE for row in range(4) for column in range(4))


def _above(camera: bpy.types.Object) -> Matrix:
    """From the space in which the camera's own numbers are given to the rig's."""
    place = Matrix.Identity(4)
    for obj in _chain(camera):
        if obj.parent is not None:
            place = obj.matrix_parent_inverse @ place
            if obj.parent.get(PART_KEY) != "Root":
                place = obj.parent.matrix_basis @ place
    return place


def _chain(camera: bpy.types.Object) -> Iterator[bpy.types.Object]:
    """The camera and what carries it, up to the photo's root, which moves everything alike."""
    obj: bpy.types.Object | None = camera
    while obj is not None and obj.get(PART_KEY) != "Root":
        yield obj
        obj = obj.parent


def _why_lens_stays(camera: bpy.types.Object) -> str:
    data = camera.data
    if data is None or data.library is not None:
        return f"The lens of '{camera.name}' was changed and is linked: its own file can put it back"
    if any(path in _LENS for path in animated_paths(data)):
        return f"The lens of '{camera.name}' is animated and was left so: remove its keyframes or drivers"
    return ""


def _why_place_stays(camera: bpy.types.Object) -> str:
    """Why the camera cannot simply be put back; empty: it can, or it is held by nothing."""
    for obj in _chain(camera):
        if obj.parent is None:
            return f"'{camera.name}' does not hang on its photo's root any more" if _is_elsewhere(camera) else ""
        if any(path.startswith(_PLACE) for path in animated_paths(obj)):
            return f"'{obj.name}' is animated and was left so: remove its keyframes or drivers"
        if any(not constraint.mute and constraint.influence > 0 for constraint in obj.constraints):
            return f"'{obj.name}' has constraints, which may hold it elsewhere than the photo was taken"
        if obj.parent.get(PART_KEY) != "Root" and not all(obj.parent.scale):
            return f"'{obj.parent.name}' has a scale of 0, and '{camera.name}' hangs on it"
        if obj.parent_type != "OBJECT":
            return f"'{obj.name}' hangs on a part of '{obj.parent.name}', which may hold it elsewhere"
    if camera.library is not None and _is_elsewhere(camera):
        return f"'{camera.name}' was moved and is linked: its own file can put it back"
    return ""
