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
from .splats import make_splats


def import_splats(path: Path, scene: bpy.types.Scene) -> tuple[bpy.types.Object, list[str]]:
    """Reads a splat file into an object of the scene's own collection.

    The file's axes are taken for OpenCV's (y down, z forward), as 3DGS trainers write them.

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
    splats = make_splats(gaussians, short_name(path.stem or "Splats"))
    splats.scale = (1.0 / scene.unit_settings.scale_length,) * 3
    scene.collection.objects.link(splats)
    return splats, notes


def _srgb_encoded(gaussians: Gaussians) -> Gaussians:
    """Linear base colours turned into sRGB-encoded ones."""
    colors = _encode(np.clip(dc_to_rgb(gaussians.sh[:, 0]), 0.0, None))
    return replace(gaussians, sh=rgb_to_dc(colors)[:, None].astype(np.float32))


def _encode(linear: NDArray[np.float32]) -> NDArray[np.float32]:
    """The sRGB transfer function (IEC 61966-2-1)."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.power(linear, 1 / 2.4) - 0.055)
