"""A camera beside the photo's own that moves as the command line's camera moves do."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np
from mathutils import Matrix, Quaternion
from numpy.typing import NDArray

from ..camera import BLENDER_CAMERA_TO_OPENCV, OPENCV_TO_BLENDER_WORLD
from ..errors import SceneError
from ..options import PathKind
from ..splats.paths import camera_path
from .attributes import get_attribute
from .clip import DISTANCE_KEY
from .objects import SceneObjects
from .saved import photo_name, told

_PER_KEY = ("interpolation", "handle_left_type", "handle_right_type", "easing", "back", "amplitude", "period")
"""What the user's preferences say of a key, and Blender's own numbers for it."""


def add_moving_camera(
    objects: SceneObjects, scene: bpy.types.Scene, kind: PathKind, amplitude: float = 1.0
) -> bpy.types.Object:
    """Adds a camera that moves through the photo during the scene's own frame range, and makes it the active one.

    It starts where the photo was taken, has the lens of the photo's camera, and hangs on the photo's root, so that it
    goes wherever that goes. The photo's own camera stays as it is.

    Args:
        objects: The photo's objects.
        scene: Whose frames and active camera are meant.
        kind: The move.
        amplitude: Factor on the size of the move.

    Raises:
        SceneError: the photo's camera, or everything that it shows, was deleted.
        OptionsError: a number is out of range.
    """
    if objects.camera is None or objects.root is None:
        raise SceneError("The photo's camera was deleted.", "Reconstruct the photo again.")
    frames = range(scene.frame_start, scene.frame_end + 1)
    poses = camera_path(kind, len(frames), _median_distance(objects), amplitude=amplitude)
    obj = bpy.data.objects.new(f"{photo_name(objects)} {kind.capitalize()}", _lens_like(objects.camera))
    obj.data.name = obj.name
    obj.parent = objects.root
    held = objects.collection.library is not None or objects.collection.override_library is not None
    (scene.collection if held else objects.collection).objects.link(obj)
    obj.rotation_mode = "QUATERNION"
    turns = _turns(poses)
    places = (poses[:, :3, 3] @ OPENCV_TO_BLENDER_WORLD.T).astype(np.float32)
    _animate(obj, frames, {"location": places, "rotation_quaternion": turns})
    scene.camera = obj
    return obj


def _turns(poses: NDArray[np.float64]) -> NDArray[np.float32]:
    """(N, 4) unit quaternions of Blender cameras that stand as (N, 4, 4) poses say."""
    rotations = OPENCV_TO_BLENDER_WORLD @ poses[:, :3, :3] @ BLENDER_CAMERA_TO_OPENCV
    turns: list[Quaternion] = []
    for rotation in rotations.tolist():
        turn = Matrix(rotation).to_quaternion()
        if turns:
            turn.make_compatible(turns[-1])  # else it would turn the long way round between two frames
        turns.append(turn)
    return np.array(turns, np.float32)


def _animate(obj: bpy.types.Object, frames: range, values: dict[str, NDArray[np.float32]]) -> None:
    """Gives an object without an action a key at every frame.

    `keyframe_insert` goes through all keys at each call. So it sets those of the first frame alone, makes action and
    curves as this Blender has them, and shows what a key of the user's preferences is like.

    Args:
        obj: The object.
        frames: One after the other.
        values: (N, K) values at the frames, by the property's path.
    """
    for path, rows in values.items():
        setattr(obj, path, rows[0].tolist())
        obj.keyframe_insert(path, frame=frames[0])
    for curve in _curves(obj):
        keys = curve.keyframe_points
        first = {name: getattr(keys[0], name) for name in _PER_KEY}
        places = np.stack([np.array(frames, np.float32), values[curve.data_path][:, curve.array_index]], axis=1)
        keys.add(len(frames) - 1)
        for name, ahead in (("co", 0), ("handle_left", -1), ("handle_right", 1)):
            keys.foreach_set(name, (places + np.array((ahead, 0), np.float32)).ravel())
        for name, value in first.items():
            kind = keys[0].bl_rna.properties[name]
            number = kind.enum_items[value].value if kind.type == "ENUM" else value
            keys.foreach_set(name, np.full(len(frames), number, np.int32 if kind.type == "ENUM" else np.float32))
        curve.update()


def _curves(obj: bpy.types.Object) -> list[Any]:
    """The curves of an object; from Blender 4.4 on they are those of its slot, and its lens may have another one."""
    data: Any = obj.animation_data
    if not hasattr(data, "action_slot_handle"):
        return list(data.action.fcurves)
    bags = [bag for layer in data.action.layers for strip in layer.strips for bag in strip.channelbags]
    return [curve for bag in bags if bag.slot_handle == data.action_slot_handle for curve in bag.fcurves]


def _lens_like(camera: bpy.types.Object) -> bpy.types.Camera:
    """The lens of a photo's camera, without the photo behind it: that stands still."""
    data = camera.data.copy()
    data.background_images.clear()
    data.show_background_images = False
    if data.animation_data is not None and data.animation_data.action is not None:
        data.animation_data.action = data.animation_data.action.copy()  # else both would change at once
    return data


def _median_distance(objects: SceneObjects) -> float:
    """Of what the photo shows from where it was taken, along its axis, in units of the rig."""
    distance = told(objects, DISTANCE_KEY)
    if objects.mesh is not None and distance is not None:
        return float(distance)  # the mesh of a clip alone lies at depth 1
    for obj in (objects.mesh, objects.points, objects.splats):
        if obj is not None and obj.data is not None:
            ahead = get_attribute(obj.data, "position")[:, 1]
            ahead = ahead[ahead > 0]
            if len(ahead):
                return float(np.median(ahead))
    raise SceneError("The photo's mesh, points and splats were deleted.", "Reconstruct the photo again.")
