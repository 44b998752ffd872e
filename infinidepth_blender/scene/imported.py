"""Splat files of any origin become objects."""

from __future__ import annotations

import tempfile
from pathlib import Path

import bpy
import numpy as np
from numpy.typing import NDArray

from ..splats.files import read_splats
from ..splats.transform import srgb_encoded
from .build import short_name
from .camera import placed_camera
from .splats import make_splats

SPLAT_BOUNCES = 128
"""Transparent bounces with which splats of other programs look as they should in Cycles."""


def import_splats(path: Path, scene: bpy.types.Scene) -> tuple[bpy.types.Object, list[str]]:
    """Reads a splat file into an object of the scene's own collection.

    Axes are taken for OpenCV's (y down, z forward), as 3DGS trainers write them, in SPZ and GLB for OpenGL's. They are drawn for the
    scene's active camera; a camera that the file brings becomes an object below the splats.

    Args:
        path: A PLY, SPZ, SOG, GLB or .splat file.
        scene: Where the object goes.

    Returns:
        The object, and sentences for the user about what could not be shown as it is in the file.

    Raises:
        SplatFileError: the file cannot be read; the scene is as it was.
    """
    file = read_splats(path, rgba_by_blender)
    gaussians, notes = file.gaussians, []
    if file.dropped:
        notes.append(f"{file.dropped:,} splats were left out because they hold values that are no numbers")
    if file.color_space == "linear":
        if gaussians.sh.shape[1] > 1:
            notes.append("Colors that depend on the view are linear in this file and were left out")
        gaussians = srgb_encoded(gaussians)
    name = short_name(path.stem or "Splats")
    splats = make_splats(gaussians, name, face_active_camera=True)
    splats.scale = (1.0 / scene.unit_settings.scale_length,) * 3
    scene.collection.objects.link(splats)
    if file.camera is not None:
        camera = placed_camera(file.camera, f"{name} Camera", file.cam_to_world)
        camera.parent = splats
        scene.collection.objects.link(camera)
    if scene.render.engine == "CYCLES" and scene.cycles.transparent_max_bounces < SPLAT_BOUNCES:
        notes.append(
            f"Cycles looks through {scene.cycles.transparent_max_bounces} splats only: more show with Render > Light Paths > "
            f"Transparent at {SPLAT_BOUNCES}"
        )
    return splats, notes


def rgba_by_blender(data: bytes) -> NDArray[np.uint8]:
    """The (height, width, 4) values of a picture's file, top row first; of any format that Blender reads.

    Raises:
        OSError: it is no picture.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "picture"
        file.write_bytes(data)
        try:
            image = bpy.data.images.load(str(file))
        except RuntimeError as error:
            raise OSError(str(error).strip()) from error
        try:
            # The bytes as they are: neither converted nor multiplied by opacity.
            image.colorspace_settings.is_data = True
            image.alpha_mode = "CHANNEL_PACKED"
            width, height = image.size
            if not image.has_data:
                raise OSError("it is no picture that Blender reads")
            values = np.empty(height * width * image.channels, np.float32)
            image.pixels.foreach_get(values)
            channels = image.channels
        finally:
            bpy.data.images.remove(image)
    rgba = np.full((height, width, 4), 255, np.uint8)
    rgba[..., :channels] = np.rint(values * 255).reshape(height, width, channels)[::-1]
    return rgba
