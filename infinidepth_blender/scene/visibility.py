"""Which of a photo's objects are seen, in the viewport and in renders."""

from __future__ import annotations

import contextlib
from typing import Literal

import bpy

from .objects import SceneObjects

Shown = Literal["MESH", "POINTS", "SPLATS"]
HIDDEN_KEY = "infinidepth_hidden"
"""Custom property of a photo's root, or where that is gone of its collection: the parts that `hide_parts` hid, apart by spaces."""


def show_only(objects: SceneObjects, shown: Shown) -> None:
    """Makes one representation visible in viewport and render and hides the others; the sky stays as it is.

    The background belongs to the mesh. What `hide_parts` hid comes back.

    If the wanted one was not made, the first that was is shown.
    """
    marked = objects.root or objects.collection
    hidden = marked.get(HIDDEN_KEY, "")
    if hidden:
        marked[HIDDEN_KEY] = ""
        for part, obj in objects.parts().items():
            if part in hidden.split():
                set_hidden(obj, False)
    by_name: dict[Shown, bpy.types.Object | None] = {
        "MESH": objects.mesh,
        "POINTS": objects.points,
        "SPLATS": objects.splats,
    }
    if by_name[shown] is None:
        made: list[Shown] = [name for name, obj in by_name.items() if obj is not None]
        shown = made[0] if made else shown
    for name, obj in by_name.items():
        if obj is not None:
            set_hidden(obj, name != shown)
    if objects.background is not None:
        set_hidden(objects.background, shown != "MESH")


def switch_on(collection: bpy.types.Collection, layer: bpy.types.ViewLayer) -> bool:
    """Brings a collection back that is unticked or closed by its eye in a view layer, with those that it is in; whether it was."""
    was_off = False
    for item in _way_to(layer.layer_collection, collection):
        was_off |= item.exclude or item.hide_viewport
        if item.exclude:  # else the collections below it would be ticked as well
            item.exclude = False
        item.hide_viewport = False
    return was_off


def _way_to(start: bpy.types.LayerCollection, collection: bpy.types.Collection) -> list[bpy.types.LayerCollection]:
    """From below `start` to a collection; empty: it is not there."""
    for child in start.children:
        if child.collection == collection:
            return [child]
        if way := _way_to(child, collection):
            return [child, *way]
    return []


def hide_parts(marked: bpy.types.Object | bpy.types.Collection, parts: dict[str, bpy.types.Object]) -> None:
    """Hides objects of a photo until `show_only` is asked for one of its representations.

    Args:
        marked: The photo's root, or where that is gone its collection.
        parts: The objects, by their keys in `SceneObjects.parts`.
    """
    for obj in parts.values():
        set_hidden(obj, True)
    marked[HIDDEN_KEY] = " ".join(parts)


def set_hidden(obj: bpy.types.Object, hidden: bool) -> None:
    """Hides an object by the outliner's eye and camera icons, where a user looks for it."""
    obj.hide_render = hidden
    for scene in obj.users_scene:
        for layer in scene.view_layers:
            # Asking the layer first would not do: it does not know objects that were just linked.
            with contextlib.suppress(RuntimeError):  # a layer that leaves the photo's collection out
                obj.hide_set(hidden, view_layer=layer)
