"""How the surfaces of a photo show it: their material and, for shadows alone, what Cycles knows of the object.

A shadow catcher is a lit surface that Cycles leaves out of the picture, but for the shadows that fall onto it. Its sky
then goes on giving light without being seen, so that the picture lies over the photo as a whole.
"""

from __future__ import annotations

from typing import Literal

import bpy

from .materials import MaterialMode, photo_mode, set_photo_mode

PhotoMode = Literal["PHOTO", "LIT", "SHADOW", "HOLDOUT"]


def set_surface_mode(surface: bpy.types.Object, mode: PhotoMode) -> None:
    """Changes how a mesh of the photo shows it.

    Raises:
        KeyError: a photo material lacks one of its nodes.
    """
    _set_materials(surface, "LIT" if mode == "SHADOW" else mode)
    surface.is_shadow_catcher = mode == "SHADOW"


def set_sky_mode(sky: bpy.types.Object, mode: PhotoMode) -> None:
    """Changes the sky so that it goes with its surfaces: cut out, unseen, or as the photo has it.

    Raises:
        KeyError: a photo material lacks one of its nodes.
    """
    _set_materials(sky, "HOLDOUT" if mode == "HOLDOUT" else "PHOTO")
    sky.visible_camera = mode != "SHADOW"


def surface_mode(surface: bpy.types.Object) -> PhotoMode | None:
    """How a mesh shows the photo; None if it has no photo material in its active slot."""
    material = surface.active_material
    mode = photo_mode(material) if material is not None else None
    return "SHADOW" if mode == "LIT" and surface.is_shadow_catcher else mode


def catches_shadows(scene: bpy.types.Scene) -> bool:
    """Whether a render of the scene gives shadows without the surface that they fall onto."""
    return scene.render.engine == "CYCLES" and scene.render.film_transparent


def photo_materials(obj: bpy.types.Object | None) -> list[bpy.types.Material]:
    """The photo materials in an object's slots."""
    slots = obj.material_slots if obj is not None else ()
    return [slot.material for slot in slots if slot.material and photo_mode(slot.material) is not None]


def _set_materials(obj: bpy.types.Object, mode: MaterialMode) -> None:
    for material in photo_materials(obj):
        set_photo_mode(material, mode)
