"""Renders a bundle's scene.blend from the photo's camera and from a camera moved aside.

Runs in a process of its own: `python scripts/_render_views.py BUNDLE [--width PX]`.
Writes `render_photo_camera.png` and `render_moved_camera.png` into the bundle's folder.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import bpy
import numpy as np
from mathutils import Vector

SIDE_STEP = 0.09
"""Sideways step of the second camera, in units of the distance to what it looks at."""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--width", type=int, default=960, help="longer side of the pictures in pixels")
    options = parser.parse_args()
    bpy.ops.wm.open_mainfile(filepath=str(options.bundle / "scene.blend"))
    scene = bpy.context.scene
    prepare(scene, options.width)
    render(scene, options.bundle / "render_photo_camera.png")
    step_aside(scene, options.bundle)
    render(scene, options.bundle / "render_moved_camera.png")
    return 0


def prepare(scene: bpy.types.Scene, width: int) -> None:
    render_settings = scene.render
    longer = max(render_settings.resolution_x, render_settings.resolution_y)
    render_settings.resolution_percentage = max(1, min(100, round(100 * width / longer)))
    render_settings.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples = 16
    scene.cycles.use_denoising = False
    render_settings.image_settings.file_format = "PNG"


def step_aside(scene: bpy.types.Scene, bundle: Path) -> None:
    """Moves the camera sideways and up a little, still looking at the middle of what it saw."""
    camera = scene.camera
    depth = np.load(bundle / "arrays" / "depth.npy", mmap_mode="r")
    distance = float(np.median(depth[depth < 1e9])) * scene.unit_settings.scale_length**-1
    matrix = camera.matrix_world.copy()
    axes = matrix.to_3x3()
    target = matrix.translation + axes @ Vector((0, 0, -distance))
    position = matrix.translation + axes @ Vector((SIDE_STEP * distance, 0.4 * SIDE_STEP * distance, 0))
    camera.location = camera.parent.matrix_world.inverted() @ position if camera.parent else position
    world_rotation = (target - position).to_track_quat("-Z", "Y")
    if camera.parent:
        world_rotation = camera.parent.matrix_world.to_quaternion().inverted() @ world_rotation
    camera.rotation_mode = "QUATERNION"
    camera.rotation_quaternion = world_rotation


def render(scene: bpy.types.Scene, path: Path) -> None:
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # The bpy module can wait for ever in its own clean-up at exit.
    os._exit(code)
