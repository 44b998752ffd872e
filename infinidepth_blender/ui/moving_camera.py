# SPDX-License-Identifier: GPL-3.0-or-later
# pyright: reportInvalidTypeForm=false
"""A moving camera at the press of a button."""

import bpy
from bpy.props import EnumProperty, FloatProperty

from ..scene.moving_camera import add_moving_camera
from ..scene.objects import SceneObjects
from .on_photo import OnPhoto
from .registering import add_classes, remove_classes

_MOVES = (
    ("orbit", "Orbit", "A loop about the photo's place, looking at the middle of the scene"),
    ("swing", "Swing", "To either side and forward, without turning"),
    ("dolly", "Dolly", "Towards the scene and back"),
    ("rise", "Rise", "Up and back, looking down at the scene"),
)


class INFINIDEPTH_OT_add_moving_camera(OnPhoto, bpy.types.Operator):
    """Add a camera that moves through the photo"""

    bl_idname = "infinidepth.add_moving_camera"
    bl_label = "Add Moving Camera"
    bl_description = (
        "Add a camera that moves through the photo during the scene's frames, and make it the active one. "
        "The photo's own camera stays as it is"
    )
    bl_options = {"REGISTER", "UNDO"}

    path: EnumProperty(name="Path", items=_MOVES, default="orbit")
    amplitude: FloatProperty(
        name="Size", description="Factor on the size of the move", default=1.0, min=0.0, soft_max=4.0, max=100.0
    )

    def _change(self, context: bpy.types.Context, objects: SceneObjects) -> None:
        camera = add_moving_camera(objects, context.scene, self.path, self.amplitude)
        layer = context.view_layer
        layer.update()  # new objects are not in the layer before
        if layer.objects.get(camera.name) is None:
            return  # the photo's collection is switched off in this layer
        for obj in context.selected_objects:
            obj.select_set(False)
        camera.select_set(True)
        layer.objects.active = camera


CLASSES = (INFINIDEPTH_OT_add_moving_camera,)


def register() -> None:
    """Adds the operator."""
    add_classes(CLASSES)


def unregister() -> None:
    """Takes it away again."""
    remove_classes(CLASSES)
