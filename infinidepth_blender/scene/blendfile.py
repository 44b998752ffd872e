"""A bundle as a .blend file of its own."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import bpy

from .. import reconstruction as bundles
from ..errors import OutputError
from ..staging import output_error
from .build import SceneOptions, build_scene, short_name
from .match import match_scene_to_photo, photo_camera
from .views import look_through, views_of

WORLD_GREY = 0.05
"""Blender's own default world: dim enough for cuts to stay quiet, enough to light a scene by."""


SAMPLES = 64
"""The photo's material is free of noise: more would only smooth the edges of splats further, and
a denoiser would wipe out the photo's own grain."""


def write_blend(bundle: Path, path: Path) -> None:
    """Writes a .blend file with one photo's scene, ready to render; replaces the file that is open.

    The photo is packed, the scene is matched to it, and the file appears only when it is
    complete. The open file of this Blender is replaced by an empty one first, so that nothing
    of it gets in: run it in a process of its own.

    Args:
        bundle: Folder of the reconstruction.
        path: The file to write.

    Raises:
        BundleError: the bundle is missing or damaged.
        OutputError: the file cannot be written.
    """
    rec = bundles.load(bundle)
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    scene = bpy.context.scene
    scene.name = short_name(rec.name)
    scene.render.engine = "CYCLES"
    scene.cycles.samples = SAMPLES
    scene.cycles.use_denoising = False
    scene.world = _world()
    objects = build_scene(rec, SceneOptions(pack_photo=True))
    match_scene_to_photo(objects)
    _look_through_photo(photo_camera(objects), scene)
    _find_beside(path.resolve().parent)
    _save_atomically(path.resolve())


def _look_through_photo(camera: bpy.types.Object, scene: bpy.types.Scene) -> None:
    """Lets every workspace begin with the photo in its colours, not with a grey relief seen from outside."""
    for screen in bpy.data.screens:
        for view in views_of(screen):
            look_through(view, camera, scene)
            # For when the view is turned away from the camera: the sky stands far off.
            view.space.clip_end = max(view.space.clip_end, 2 * camera.data.clip_end)


def _find_beside(folder: Path) -> None:
    """Frames of a clip cannot be packed: they are found beside the file, wherever its folder is moved."""
    for image in bpy.data.images:
        if image.source == "SEQUENCE" and Path(image.filepath).is_relative_to(folder):
            image.filepath = f"//{Path(image.filepath).relative_to(folder).as_posix()}"


def _world() -> bpy.types.World:
    world = bpy.data.worlds.new("World")
    if world.node_tree is None:
        # Always on from Blender 5.0, where setting it warns.
        world.use_nodes = True
    background = next(node for node in world.node_tree.nodes if node.type == "BACKGROUND")
    background.inputs["Color"].default_value = (WORLD_GREY, WORLD_GREY, WORLD_GREY, 1.0)
    return world


def _save_atomically(path: Path) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}.blend")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            bpy.ops.wm.save_as_mainfile(filepath=str(partial), copy=True, compress=True, relative_remap=True)
        except RuntimeError as error:
            raise OutputError(f"{path} could not be written: {error}.", "Choose another output folder.") from error
        partial.replace(path)
    except OSError as error:
        raise output_error(error, path) from error
    finally:
        for leftover in (partial, partial.with_name(partial.name + "@")):
            with contextlib.suppress(OSError):
                leftover.unlink()
