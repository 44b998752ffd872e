"""Splat objects become a splat file again, as they were edited."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import bpy
import numpy as np
from numpy.typing import NDArray

from ..camera import BLENDER_CAMERA_TO_OPENCV, OPENCV_TO_BLENDER_WORLD, Camera
from ..errors import SceneError
from ..reconstruction import Gaussians
from ..splats.files import write_splats
from ..splats.placed import concatenate
from ..splats.transform import mapped
from .attributes import get_attribute
from .saved import SIZE_KEY, find_photo, own_root

_NEEDED = ("scale", "rotation", "radiance:base")


def holds_splats(obj: bpy.types.Object | None) -> bool:
    """Whether an object was made by `splats.make_splats` and still has what a file needs.

    A point cloud with attributes of these names does as well: so a splat object converted to one, and Blender's own.
    """
    carries = obj is not None and obj.type in ("MESH", "POINTCLOUD")
    return carries and all(name in obj.data.attributes for name in _NEEDED)


def export_splats(
    path: Path, objects: Sequence[bpy.types.Object], scene: bpy.types.Scene, *, with_camera: bool = True
) -> int:
    """Writes splat objects into one file, where they stand in the world.

    A PLY has OpenCV's axes (y down, z forward) and metres, so that an import puts them back where they were.

    Args:
        path: The file; its ending says which kind (`splats.WRITTEN_SUFFIXES`).
        objects: Splat objects.
        scene: Its unit scale says what a metre is.
        with_camera: Whether a PLY or GLB gets the photo's camera, as it stands, if all objects are of one photo.

    Returns:
        The number of splats in the file: those with values that are not numbers are left out.

    Raises:
        SceneError: an object holds no splats, or there are none left.
        OutputError: the file cannot be written; nothing is left behind.
        SplatFileError: its name ends in no kind of splat file, or no splat has values that are all numbers.
    """
    for obj in objects:
        if not holds_splats(obj):
            raise SceneError(
                f"'{obj.name}' holds no splats that can be written.", "Select objects of splats whose data is intact."
            )
    parts = [
        _in_world(obj, scene.unit_settings.scale_length) for obj in objects if len(obj.data.attributes["position"].data)
    ]
    if not parts:
        raise SceneError("There is no splat to write.", "Select an object of splats.")
    together = concatenate(*parts)
    camera, pose = _photo_camera(objects, scene) if with_camera else (None, None)
    return write_splats(path, together, camera, pose)


def _photo_camera(
    objects: Sequence[bpy.types.Object], scene: bpy.types.Scene
) -> tuple[Camera | None, NDArray[np.float64] | None]:
    """The camera of the one photo that all objects are of, and its (4, 4) pose in the file's axes."""
    roots = [own_root(obj) for obj in objects]
    if roots[0] is None or any(root != roots[0] for root in roots) or SIZE_KEY not in roots[0]:
        return None, None
    photo = find_photo(scene, objects[0])
    if photo is None or photo.camera is None:
        return None, None
    width_px, height_px = photo.photo_size_px
    aspect_x, aspect_y = photo.pixel_aspect
    depsgraph = bpy.context.evaluated_depsgraph_get()
    projection = photo.camera.calc_matrix_camera(depsgraph, x=width_px, y=height_px, scale_x=aspect_x, scale_y=aspect_y)
    camera = Camera(
        width_px,
        height_px,
        fx_px=projection[0][0] * width_px / 2,
        fy_px=projection[1][1] * height_px / 2,
        cx_px=(1 - projection[0][2]) * width_px / 2,
        cy_px=(1 + projection[1][2]) * height_px / 2,
    )
    to_file = OPENCV_TO_BLENDER_WORLD.astype(np.float64).T
    place, turn, _ = photo.camera.matrix_world.decompose()
    pose = np.eye(4)
    pose[:3, :3] = to_file @ np.array(turn.to_matrix(), np.float64) @ BLENDER_CAMERA_TO_OPENCV
    pose[:3, 3] = to_file @ np.array(place, np.float64) * scene.unit_settings.scale_length
    return camera, pose


def _in_world(obj: bpy.types.Object, metres_per_unit: float) -> Gaussians:
    """The object's splats in OpenCV's axes and metres, turned, moved and stretched as the object is."""
    mesh = obj.data
    base = get_attribute(mesh, "radiance:base")
    harmonics = [get_attribute(mesh, f"radiance:sh_{k}") for k in range(_harmonics(mesh))]
    sh = np.stack([base[:, :3], *harmonics], axis=1).astype(np.float32)
    scales, rotations = get_attribute(mesh, "scale"), get_attribute(mesh, "rotation")
    rotations /= np.maximum(np.linalg.norm(rotations, axis=1, keepdims=True), 1e-12)
    to_file = OPENCV_TO_BLENDER_WORLD.astype(np.float64).T
    world = to_file @ np.array(obj.matrix_world, np.float64)[:3] * metres_per_unit
    own = Gaussians(get_attribute(mesh, "position"), scales, rotations, base[:, 3].copy(), sh)
    return mapped(own, world[:, :3], world[:, 3])


def _harmonics(mesh: bpy.types.Mesh | bpy.types.PointCloud) -> int:
    """Number of coefficients beyond the constant one: those of whole degrees that are there."""
    for count in (15, 8, 3):
        if all(f"radiance:sh_{k}" in mesh.attributes for k in range(count)):
            return count
    return 0
