"""3D views that look through a photo's camera."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import bpy

_MARGIN = 0.88
"""How much of a view the camera's frame fills, along the side that is short of room: headers lie over it."""


@dataclass(frozen=True)
class View:
    """A 3D view and the size of its region in pixels."""

    space: bpy.types.SpaceView3D
    width_px: int
    height_px: int


def views_of(screen: bpy.types.Screen) -> Iterator[View]:
    """The 3D views that are open in a screen."""
    for area in screen.areas:
        space = area.spaces.active
        if isinstance(space, bpy.types.SpaceView3D):
            region = next((region for region in area.regions if region.type == "WINDOW"), area)
            yield View(space, region.width or area.width, region.height or area.height)


def look_through(view: View, camera: bpy.types.Object, scene: bpy.types.Scene) -> None:
    """Shows what a camera sees, as large as the view allows and with the materials' colours.

    The scene's active camera stays; where it is another one, the view gets a camera of its own.
    """
    space = view.space
    space.use_local_camera = scene.camera != camera
    if space.use_local_camera:
        space.camera = camera
    if space.region_3d is not None:
        space.region_3d.view_perspective = "CAMERA"
        space.region_3d.view_camera_offset = (0.0, 0.0)
        space.region_3d.view_camera_zoom = _zoom(view, camera, scene)
    if space.shading.type in {"SOLID", "WIREFRAME"}:
        space.shading.type = "MATERIAL"


def _zoom(view: View, camera: bpy.types.Object, scene: bpy.types.Scene) -> float:
    """The zoom at which the camera's frame just fits: Blender scales the side that the lens is given along."""
    render = scene.render
    width = render.resolution_x * render.pixel_aspect_x
    height = render.resolution_y * render.pixel_aspect_y
    by_height = camera.data.sensor_fit == "VERTICAL"
    shown_px = view.height_px if by_height else view.width_px
    along = height if by_height else width
    if min(view.width_px, view.height_px, along) <= 0:
        return 0.0
    # The frame's two sides in pixels for a share s of the region are s * shown_px * (width, height) / along.
    share = _MARGIN * min(view.width_px / width, view.height_px / height) * along / shown_px
    return max(-30.0, min(600.0, 50.0 * (2.0 * share**0.5 - 2.0**0.5)))
