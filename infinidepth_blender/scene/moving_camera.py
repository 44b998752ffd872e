"""A camera beside the photo's own that moves as the command line's camera moves do."""

from __future__ import annotations

import bpy
import numpy as np
from mathutils import Matrix

from ..camera import BLENDER_CAMERA_TO_OPENCV, OPENCV_TO_BLENDER_WORLD
from ..errors import SceneError
from ..options import PathKind
from ..splats.paths import camera_path
from .attributes import get_attribute
from .clip import DISTANCE_KEY
from .objects import SceneObjects


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
    obj = bpy.data.objects.new(f"{objects.collection.name} {kind.capitalize()}", _lens_like(objects.camera))
    obj.data.name = obj.name
    obj.parent = objects.root
    held = objects.collection.library is not None or objects.collection.override_library is not None
    (scene.collection if held else objects.collection).objects.link(obj)
    obj.rotation_mode = "QUATERNION"
    before = None
    for frame, pose in zip(frames, poses, strict=True):
        rotation = OPENCV_TO_BLENDER_WORLD @ pose[:3, :3] @ BLENDER_CAMERA_TO_OPENCV
        turn = Matrix(rotation.tolist()).to_quaternion()
        if before is not None:
            turn.make_compatible(before)  # else it would turn the long way round between two frames
        before = turn
        obj.location, obj.rotation_quaternion = (OPENCV_TO_BLENDER_WORLD @ pose[:3, 3]).tolist(), turn
        obj.keyframe_insert("location", frame=frame)
        obj.keyframe_insert("rotation_quaternion", frame=frame)
    scene.camera = obj
    return obj


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
    if objects.mesh is not None and DISTANCE_KEY in objects.collection:
        return float(objects.collection[DISTANCE_KEY])  # the mesh of a clip alone lies at depth 1
    for obj in (objects.mesh, objects.points, objects.splats):
        if obj is not None and obj.data is not None:
            ahead = get_attribute(obj.data, "position")[:, 1]
            ahead = ahead[ahead > 0]
            if len(ahead):
                return float(np.median(ahead))
    raise SceneError("The photo's mesh, points and splats were deleted.", "Reconstruct the photo again.")
