"""The photo's camera as a Blender camera, and the rig that it stands in."""

from __future__ import annotations

import bpy
import numpy as np
from mathutils import Matrix, Quaternion
from numpy.typing import NDArray

from ..camera import BLENDER_CAMERA_TO_OPENCV, OPENCV_TO_BLENDER_WORLD, SENSOR_MM, Camera
from ..reconstruction import FLAG_VALID
from .photo_camera import LEVEL_CAMERA, remember_lens

_ROWS_AT_ONCE = 256


def rig_rotation(camera: Camera) -> Quaternion:
    """Rotation of the rig: identity for a level camera, else the photo's pitch and roll."""
    rotation = camera.world_rotation() @ OPENCV_TO_BLENDER_WORLD.astype(np.float64).T
    return Matrix(rotation.tolist()).to_quaternion()


def make_camera(
    camera: Camera, name: str, image: bpy.types.Image, depth_range_m: tuple[float, float], root: bpy.types.Object
) -> bpy.types.Object:
    """A Blender camera that sees exactly the photo, with the photo as its background.

    Args:
        camera: Intrinsics at the photo's size.
        name: Name of the object and of its data.
        image: The photo.
        depth_range_m: Nearest and farthest depth that must not be clipped, metres.
        root: The rig that the camera will stand in; what is clipped grows and shrinks with it.
    """
    data = _lens_of(camera, name)
    near_m, far_m = depth_range_m
    _clip(data, "clip_start", near_m * 0.5, root)
    _clip(data, "clip_end", far_m * 2.0, root)
    data.passepartout_alpha = 0.9

    data.show_background_images = True
    background = data.background_images.new()
    background.image = image
    background.alpha = 1.0
    background.display_depth = "BACK"
    # Stretch would distort the photo as soon as the render size changes; these keep it where the lens, which is
    # given along the photo's longer side, keeps the scene: in every frame that is at least as wide as the photo.
    background.frame_method = "FIT" if data.sensor_fit == "VERTICAL" else "CROP"

    obj = bpy.data.objects.new(name, data)
    obj.rotation_mode = "QUATERNION"
    obj.rotation_quaternion = LEVEL_CAMERA
    remember_lens(obj)
    return obj


def _clip(data: bpy.types.Camera, end: str, distance_m: float, root: bpy.types.Object) -> None:
    """Keeps a clipping distance in step with the scale of the rig, which Blender leaves out of it.

    The expression is one that Blender evaluates without Python: it works in files that nobody trusts.
    """
    setattr(data, end, distance_m * root.scale[0])  # for when the root is gone
    driver = data.driver_add(end).driver
    variable = driver.variables.new()
    variable.name = "scale"
    variable.type = "TRANSFORMS"
    target = variable.targets[0]
    target.id = root
    target.transform_type = "SCALE_AVG"
    target.transform_space = "WORLD_SPACE"
    driver.expression = f"scale * {distance_m:.9g}"


def placed_camera(camera: Camera, name: str, cam_to_world: NDArray[np.float64]) -> bpy.types.Object:
    """A Blender camera for one of a file, whose world has OpenCV's axes.

    Args:
        camera: Intrinsics.
        name: Name of the object and of its data.
        cam_to_world: (4, 4) its pose.
    """
    obj = bpy.data.objects.new(name, _lens_of(camera, name))
    turn = OPENCV_TO_BLENDER_WORLD.astype(np.float64) @ cam_to_world[:3, :3] @ BLENDER_CAMERA_TO_OPENCV
    obj.rotation_mode = "QUATERNION"
    obj.rotation_quaternion = Matrix(turn.tolist()).to_quaternion()
    obj.location = (OPENCV_TO_BLENDER_WORLD @ cam_to_world[:3, 3]).tolist()
    return obj


def _lens_of(camera: Camera, name: str) -> bpy.types.Camera:
    lens = camera.blender_lens()
    data = bpy.data.cameras.new(name)
    data.type = "PERSP"
    data.sensor_fit = lens.sensor_fit
    # Both sides, so that switching the fit by hand does not change the field of view.
    # Blender's shortest lens is 1 mm: beyond 173 degrees the sensor grows instead.
    enlarge = max(1.0, 1.0 / lens.lens_mm)
    data.sensor_width = data.sensor_height = SENSOR_MM * enlarge
    data.lens_unit = "MILLIMETERS"
    data.lens = lens.lens_mm * enlarge
    data.shift_x, data.shift_y = lens.shift_x, lens.shift_y
    return data


def depth_range(depth_m: NDArray[np.float32], flags: NDArray[np.uint8], extra_m: list[float]) -> tuple[float, float]:
    """Nearest and farthest depth of everything in the scene, metres.

    Args:
        depth_m: (h, w) depth map; it may be mapped from a file that is larger than the memory.
        flags: (h, w) with `FLAG_VALID` where it holds a surface.
        extra_m: Further depths that must be seen, such as the backdrop's.
    """
    near_m, far_m = min([*extra_m, 0.2]), max([*extra_m, 50.0])
    for top in range(0, len(depth_m), _ROWS_AT_ONCE):
        rows = slice(top, top + _ROWS_AT_ONCE)
        depths = np.asarray(depth_m[rows])[(np.asarray(flags[rows]) & FLAG_VALID) != 0]
        depths = depths[np.isfinite(depths) & (depths > 0)]
        if len(depths):
            near_m, far_m = min(near_m, float(depths.min())), max(far_m, float(depths.max()))
    return max(near_m, 1e-4), far_m
