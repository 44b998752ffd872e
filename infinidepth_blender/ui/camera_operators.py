# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators for the camera of a photo that is in the scene: match, reset, look through."""

import bpy

from ..errors import SceneError
from ..scene.match import match_scene_to_photo, photo_camera
from ..scene.objects import SceneObjects
from ..scene.obstacles import around_camera
from ..scene.photo_camera import reset_camera
from ..scene.views import look_through, views_of
from .delivery import tell
from .on_photo import OnPhoto
from .registering import add_classes, remove_classes


class INFINIDEPTH_OT_match_scene(OnPhoto, bpy.types.Operator):
    """Give the scene the photo's size, camera and colours"""

    bl_idname = "infinidepth.match_scene"
    bl_label = "Match Scene to Photo"
    bl_description = (
        "Set the render size, the active camera and the Standard view transform, and put the photo's camera back, "
        "so that a render gives the photo back"
    )
    bl_options = {"REGISTER", "UNDO"}

    def _change(self, context: bpy.types.Context, objects: SceneObjects) -> None:
        notes = match_scene_to_photo(objects, context.scene)
        for note in notes:
            self.report({"WARNING"}, note)
        tell(context.scene, objects, "The scene is matched to the photo", notes)


class INFINIDEPTH_OT_reset_camera(OnPhoto, bpy.types.Operator):
    """Put the photo's camera back to where the photo was taken"""

    bl_idname = "infinidepth.reset_camera"
    bl_label = "Reset Photo Camera"
    bl_description = "Give the photo's camera the lens and the place back that it was made with"
    bl_options = {"REGISTER", "UNDO"}

    def _change(self, _context: bpy.types.Context, objects: SceneObjects) -> None:
        changes, left = reset_camera(photo_camera(objects))
        if left and not changes:
            raise SceneError(f"{left[0]}.")
        for note in left:
            self.report({"WARNING"}, note)


class INFINIDEPTH_OT_look_through(OnPhoto, bpy.types.Operator):
    """See the photo's scene from where the photo was taken"""

    bl_idname = "infinidepth.look_through"
    bl_label = "Look Through Photo"
    bl_description = (
        "Look through the photo's camera in the 3D views of this window, with colors. The scene itself stays as it is"
    )
    bl_options = {"REGISTER"}

    def _change(self, context: bpy.types.Context, objects: SceneObjects) -> None:
        camera = photo_camera(objects)
        views = list(views_of(context.screen)) if context.screen is not None else []
        if not views:
            raise SceneError("There is no 3D view in this window.", "Open one, or go to the Layout workspace.")
        for view in views:
            look_through(view, camera, context.scene)
        for note in around_camera(context.scene, objects):
            self.report({"WARNING"}, note)


CLASSES = (INFINIDEPTH_OT_match_scene, INFINIDEPTH_OT_reset_camera, INFINIDEPTH_OT_look_through)


def register() -> None:
    """Adds the operators."""
    add_classes(CLASSES)


def unregister() -> None:
    """Takes them away again."""
    remove_classes(CLASSES)
