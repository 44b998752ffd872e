# SPDX-License-Identifier: GPL-3.0-or-later
"""What operators on a photo that is in the scene have in common."""

import bpy

from ..errors import InfiniDepthError
from ..scene.objects import SceneObjects
from ..scene.saved import find_photo
from .reports import needs_object_mode, refuse
from .session import forget_refusal


def photo_at_hand(context: bpy.types.Context) -> SceneObjects | None:
    """The photo of the active object, or the only one in the scene."""
    # Not `context.active_object`: in a 3D view that is None where the object is hidden, as that of a photo that is to come back.
    return find_photo(context.scene, context.view_layer.objects.active)


class OnPhoto:
    """What works on the photo of the active object, or on the only one in the scene."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """A photo's objects must be in the scene."""
        if photo_at_hand(context) is None:
            cls.poll_message_set("Select an object of a reconstructed photo")  # pyright: ignore[reportAttributeAccessIssue]
            return False
        return needs_object_mode(cls, context)  # pyright: ignore[reportArgumentType]

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Changes the photo's objects."""
        forget_refusal()
        objects = photo_at_hand(context)
        if objects is None:
            return {"CANCELLED"}
        try:
            self._change(context, objects)
        except InfiniDepthError as error:
            return refuse(self, error)  # pyright: ignore[reportArgumentType]
        return {"FINISHED"}

    def _change(self, context: bpy.types.Context, objects: SceneObjects) -> None:
        """What the operator does.

        Raises:
            InfiniDepthError: it cannot be done.
        """
        raise NotImplementedError
