"""Settings of a scene that a photo needs, changed only when the user asks for it."""

from __future__ import annotations

import bpy

from ..errors import SceneError
from .animated import animated_paths
from .clip import FPS_KEY, FRAMES_KEY
from .color_names import PLAIN_VIEWS, SRGB_DISPLAYS, set_first
from .objects import SceneObjects
from .obstacles import obstacles_to_photo
from .photo_camera import reset_camera
from .saved import photo_name, told

TRANSPARENT_BOUNCES = 128
"""Splats that one ray may pass. Rays end earlier by themselves once hardly any light comes through."""
SURE_TRANSPARENT_BOUNCES = 12
"""Splats that every ray passes before it may end by chance: most of the noise in splats comes from
rays that end early (31 dB against 38 dB at 8 samples)."""


def match_scene_to_photo(objects: SceneObjects, scene: bpy.types.Scene | None = None) -> list[str]:
    """Makes a render of the scene give the photo back.

    Sets the render size, pixel aspect, active camera, a view transform that leaves photo
    colours alone (Standard, no look, exposure or gamma), also for the files that are written, Cycles'
    film exposure and enough transparent bounces for splats; of a clip also first and last frame and frames per
    second. The photo's camera gets its lens and place back, sharp throughout. Nothing else of the scene changes.

    Args:
        objects: What `build_scene` made.
        scene: The scene; the current one by default.

    Returns:
        Sentences for the user: what was done to the camera, and what still stands in the way.

    Raises:
        SceneError: the camera is not in this scene any more, or Blender's colour configuration has no
            view that shows colours as they are; nothing was changed.
    """
    target = scene or bpy.context.scene
    camera = photo_camera(objects)
    if target.objects.get(camera.name) is None:
        raise SceneError(
            f"The scene '{target.name}' has no camera '{camera.name}'.", "Reconstruct or open the photo again."
        )
    match_colors_to_photo(target)
    render = target.render
    render.resolution_x, render.resolution_y = objects.photo_size_px
    render.resolution_percentage = 100
    render.pixel_aspect_x, render.pixel_aspect_y = objects.pixel_aspect
    render.use_border = False
    match_time_to_clip(target, objects)
    target.camera = camera
    if hasattr(target, "cycles"):
        cycles = target.cycles
        cycles.film_exposure = 1.0
        cycles.transparent_max_bounces = max(cycles.transparent_max_bounces, TRANSPARENT_BOUNCES)
        cycles.min_transparent_bounces = max(cycles.min_transparent_bounces, SURE_TRANSPARENT_BOUNCES)
    changes, left = reset_camera(camera)
    changes += _without_blur(camera.data)
    notes = [f"The photo's camera was put back: {', '.join(changes)}"] if changes else []
    return notes + left + obstacles_to_photo(target, objects)


def match_time_to_clip(scene: bpy.types.Scene, objects: SceneObjects) -> None:
    """Gives the scene the frames and the speed of a clip; of a photo nothing changes."""
    frames, fps = int(told(objects, FRAMES_KEY) or 0), float(told(objects, FPS_KEY) or 0.0)
    if frames < 1:
        return
    scene.frame_start, scene.frame_end = 1, frames
    if fps > 0:
        scene.render.fps = max(1, round(fps))
        scene.render.fps_base = scene.render.fps / fps


def photo_camera(objects: SceneObjects) -> bpy.types.Object:
    """The photo's camera.

    Raises:
        SceneError: it was deleted.
    """
    if objects.camera is None or objects.camera.data is None:
        raise SceneError(f"The camera of '{photo_name(objects)}' was deleted.", "Reconstruct or open the photo again.")
    return objects.camera


def _without_blur(data: bpy.types.Camera) -> list[str]:
    """Makes near and far sharp, as they are in the photo already; what was done, in words."""
    if not data.dof.use_dof or data.library is not None or "dof.use_dof" in animated_paths(data):
        return []
    data.dof.use_dof = False
    return ["depth of field"]


def match_colors_to_photo(scene: bpy.types.Scene) -> None:
    """Lets the colours of emission materials reach the image unchanged.

    Raises:
        SceneError: the colour configuration has no display or view for that; nothing was changed.
    """
    view, display = scene.view_settings, scene.display_settings
    before = display.display_device, view.view_transform
    if not (set_first(display, "display_device", SRGB_DISPLAYS) and set_first(view, "view_transform", PLAIN_VIEWS)):
        display.display_device = before[0]
        view.view_transform = before[1]
        raise SceneError(
            "This color configuration (OCIO) has no sRGB display with a view that shows colors as they are.",
            "Choose such a view under Color Management by hand, or use Blender's own configuration.",
        )
    set_first(view, "look", ("None",))
    view.exposure = 0.0
    view.gamma = 1.0
    view.use_curve_mapping = False
    if hasattr(view, "use_white_balance"):
        view.use_white_balance = False
    scene.render.image_settings.color_management = "FOLLOW_SCENE"
