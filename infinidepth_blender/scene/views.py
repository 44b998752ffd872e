"""3D views that look through a photo's camera."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import bpy

_MARGIN = 0.94
"""How much of a view's free part the camera's frame fills, along the side that is short of room."""


@dataclass(frozen=True)
class View:
    """A 3D view, the size of its region, and how much of that lies under headers, tools and sidebar; pixels."""

    space: bpy.types.SpaceView3D
    width_px: int
    height_px: int
    left_px: int = 0
    right_px: int = 0
    top_px: int = 0


def views_of(screen: bpy.types.Screen) -> Iterator[View]:
    """The 3D views that are open in a screen."""
    for area in screen.areas:
        space = area.spaces.active
        if isinstance(space, bpy.types.SpaceView3D):
            region = next((region for region in area.regions if region.type == "WINDOW"), None)
            if region is None or min(region.width, region.height) <= 1:
                yield View(space, area.width, area.height)
            else:
                yield _view(space, region, area.regions)


def _view(space: bpy.types.SpaceView3D, window: bpy.types.Region, regions: bpy.types.AreaRegions) -> View:
    """Regions that do not overlap the window cover nothing of it."""
    left = right = top = 0
    for region in regions:
        if min(region.width, region.height) <= 1:
            continue
        if region.type == "TOOLS":
            left = max(left, region.x + region.width - window.x)
        elif region.type == "UI":
            right = max(right, window.x + window.width - region.x)
        elif region.type in {"HEADER", "TOOL_HEADER"} and region.y > window.y + window.height / 2:
            top = max(top, window.y + window.height - region.y)
    if left + right > window.width / 2:
        left = right = 0
    return View(space, window.width, window.height, left, right, top)


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
        _frame(view, space.region_3d, camera, scene)
    if space.shading.type in {"SOLID", "WIREFRAME"}:
        space.shading.type = "MATERIAL"


def _frame(view: View, region_3d: bpy.types.RegionView3D, camera: bpy.types.Object, scene: bpy.types.Scene) -> None:
    """Fits the camera's frame into what is free of the view.

    Blender scales the side that the lens is given along to a share of the region's same side, (sqrt 2 + zoom / 50)^2 / 4
    (`BKE_screen_view3d_zoom_to_fac`), and shifts by twice the offset times that share of the region.
    """
    render = scene.render
    width = render.resolution_x * render.pixel_aspect_x
    height = render.resolution_y * render.pixel_aspect_y
    free_width_px = view.width_px - view.left_px - view.right_px
    free_height_px = view.height_px - view.top_px
    by_height = camera.data.sensor_fit == "VERTICAL"
    along, along_px = (height, view.height_px) if by_height else (width, view.width_px)
    if min(free_width_px, free_height_px) <= 0:
        return
    share = _MARGIN * min(free_width_px / width, free_height_px / height) * along / along_px
    region_3d.view_camera_zoom = max(-30.0, min(600.0, 50.0 * (2.0 * share**0.5 - 2.0**0.5)))
    region_3d.view_camera_offset = (
        (view.right_px - view.left_px) / (4.0 * share * view.width_px),
        view.top_px / (4.0 * share * view.height_px),
    )
