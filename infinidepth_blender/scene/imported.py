"""Splat files of any origin become objects."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import bpy
import numpy as np
from numpy.typing import NDArray

from ..reconstruction import Gaussians
from ..splats.ply import read_splats
from ..splats.sh import dc_to_rgb, rgb_to_dc
from .build import short_name
from .camera import placed_camera
from .splats import make_splats

SPLAT_BOUNCES = 128
"""Transparent bounces with which splats of other programs look as they should in Cycles."""


def import_splats(path: Path, scene: bpy.types.Scene) -> tuple[bpy.types.Object, list[str]]:
    """Reads a splat file into an object of the scene's own collection.

    The file's axes are taken for OpenCV's (y down, z forward), as 3DGS trainers write them. They are drawn for the
    scene's active camera; a camera that the file brings becomes an object below the splats.

    Args:
        path: A PLY file in the 3DGS layout.
        scene: Where the object goes.

    Returns:
        The object, and sentences for the user about what could not be shown as it is in the file.

    Raises:
        SplatFileError: the file cannot be read; the scene is as it was.
    """
    file = read_splats(path)
    gaussians, notes = file.gaussians, []
    if file.dropped:
        notes.append(f"{file.dropped:,} splats were left out because they hold values that are no numbers")
    if file.color_space == "linear":
        if gaussians.sh.shape[1] > 1:
            notes.append("Colors that depend on the view are linear in this file and were left out")
        gaussians = _srgb_encoded(gaussians)
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


def _srgb_encoded(gaussians: Gaussians) -> Gaussians:
    """Linear base colours turned into sRGB-encoded ones."""
    colors = _encode(np.clip(dc_to_rgb(gaussians.sh[:, 0]), 0.0, None))
    return replace(gaussians, sh=rgb_to_dc(colors)[:, None].astype(np.float32))


def _encode(linear: NDArray[np.float32]) -> NDArray[np.float32]:
    """The sRGB transfer function (IEC 61966-2-1)."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.power(linear, 1 / 2.4) - 0.055)
