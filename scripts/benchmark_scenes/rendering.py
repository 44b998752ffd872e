"""Colour as a photograph would have it, and depth exactly at the pixel centres."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bpy
from mathutils import Vector

NARROWEST_FILTER_PX = 0.01
USUAL_FILTER_PX = 1.5
_FARTHEST_M = 12.0


def prepare(scene: Any, width_px: int, height_px: int) -> None:
    """Cycles on the processor, at a size."""
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.use_adaptive_sampling = False
    scene.cycles.max_bounces = 4
    scene.render.resolution_x, scene.render.resolution_y = width_px, height_px
    scene.render.resolution_percentage = 100
    scene.view_settings.view_transform = "Standard"


def walk(scene: Any, frames: int) -> Callable[[int], None]:
    """Moves the scene's camera over a clip: on by a twelfth of the distance to what it looks at, swaying to the sides.

    Returns:
        What takes the number of a frame, from 0.
    """
    camera = scene.camera
    bpy.context.view_layer.update()
    begin = camera.matrix_world.copy()
    forward, right = begin.to_3x3() @ Vector((0, 0, -1)), begin.to_3x3() @ Vector((1, 0, 0))
    hit, place, *_ = scene.ray_cast(bpy.context.evaluated_depsgraph_get(), begin.translation, forward)
    distance = min((place - begin.translation).length, _FARTHEST_M) if hit else _FARTHEST_M

    def step(number: int) -> None:
        done = number / (frames - 1)
        sway = 0.03 * distance * math.sin(2 * math.pi * done)
        camera.location = begin.translation + forward * (distance * done / 12) + right * sway

    return step


def render_colour(scene: Any, path: Path, samples: int) -> None:
    """Writes an sRGB PNG."""
    scene.cycles.samples, scene.cycles.use_denoising = samples, True
    scene.cycles.filter_width = USUAL_FILTER_PX
    settings = scene.render.image_settings
    _kind(settings, "IMAGE")
    settings.file_format, settings.color_mode, settings.color_depth = "PNG", "RGB", "8"
    _write(scene, path)


def render_depth(scene: Any, path: Path) -> None:
    """Writes an EXR with the distance along the optical axis (channel `ViewLayer.Depth.Z`, metres).

    One sample through the middle of each pixel: depth that is averaged belongs to no surface. 1e10 where there is none.
    """
    scene.cycles.samples, scene.cycles.use_denoising = 1, False
    scene.cycles.filter_width = NARROWEST_FILTER_PX
    layer = scene.view_layers[0]
    layer.use_pass_z, layer.use_pass_combined = True, False
    settings = scene.render.image_settings
    _kind(settings, "MULTI_LAYER_IMAGE")
    settings.file_format, settings.color_depth, settings.exr_codec = "OPEN_EXR_MULTILAYER", "32", "ZIP"
    _write(scene, path)
    layer.use_pass_z, layer.use_pass_combined = False, True


def _kind(settings: Any, name: str) -> None:
    """Blender 5 asks for the kind of file first."""
    if hasattr(settings, "media_type"):
        settings.media_type = name


def _write(scene: Any, path: Path) -> None:
    """Renders to a file that appears only when it is complete."""
    partial = path.with_name(f"{path.stem}.partial{path.suffix}")
    scene.render.filepath = str(partial)
    try:
        with _silent():
            bpy.ops.render.render(write_still=True)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Drops what Blender itself writes to the standard output: a line for every object and tile."""
    kept = os.dup(1)
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(null)
        os.close(kept)
