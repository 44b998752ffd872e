"""What earlier runs made, when a new result arrives: hidden, or removed and replaced."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal

import bpy

from .clip import depth_images
from .objects import SceneObjects
from .saved import JOB_KEY, PART_KEY, PHOTO_KEY, is_photo, photo_name, photos_in, told
from .visibility import hide_parts


@dataclass
class Earlier:
    """Photos that were hidden, by their names.

    Attributes:
        hidden: Results of the same photo whose own objects were hidden.
        excluded: Results of the same photo whose collections were taken out of the scene's view layers.
        beside: Other photos, by either means.
        camera: Whether one of them has the scene's active camera.
    """

    hidden: list[str] = field(default_factory=list)
    excluded: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)
    camera: bool = False


def hide_earlier(objects: SceneObjects, scene: bpy.types.Scene, also: Collection[int] = ()) -> Earlier:
    """Hides the scene's other results of the same photo, which would lie exactly on the new one.

    Only what was built is hidden, not what the user keeps in the same collection. What belongs to other scenes
    or files as well stays as it is there: the collection is taken out of this scene's view layers.

    Args:
        objects: The new result.
        scene: The scene that it came into.
        also: Session UIDs of collections of other photos to hide.
    """
    source = told(objects, PHOTO_KEY)
    earlier = Earlier()
    for other in photos_in(scene):
        same = told(other, PHOTO_KEY) == source
        if _are_one(objects, other) or not (same or other.collection.session_uid in also):
            continue
        # Without its collection it may be a copy that the user made, and put elsewhere.
        if not is_photo(other.collection) and not _stand_together(objects.root, other.root):
            continue
        how = _hide(other, scene)
        if how is None:
            continue
        if not same:
            earlier.beside.append(photo_name(other))
        else:
            (earlier.hidden if how == "hidden" else earlier.excluded).append(photo_name(other))
        earlier.camera |= scene.camera is not None and scene.camera == other.camera
    return earlier


def hide_rivals(objects: SceneObjects, scene: bpy.types.Scene) -> list[str]:
    """Hides what a photo lies on again once it was brought back: other results of it, and photos that came with it.

    What the user moved apart stays.

    Returns:
        Their names.
    """
    keys = {key: told(objects, key) for key in (PHOTO_KEY, JOB_KEY)}
    rivals = []
    for other in photos_in(scene):
        related = any(mine is not None and told(other, key) == mine for key, mine in keys.items())
        if related and not _are_one(objects, other) and _stand_together(objects.root, other.root):
            rivals.append(other)
    return [photo_name(other) for other in rivals if _hide(other, scene) is not None]


def _are_one(one: SceneObjects, other: SceneObjects) -> bool:
    """Whether they are the same photo, or share its collection."""
    if one.root is not None and one.root == other.root:
        return True
    return one.collection == other.collection and is_photo(one.collection)


def _hide(photo: SceneObjects, scene: bpy.types.Scene) -> Literal["hidden", "excluded"] | None:
    """Hides what was built for a photo, or where others use it takes its collection out; None: nothing was seen."""
    collection = photo.collection
    if collection.hide_viewport and collection.hide_render:
        return None
    parts = photo.parts()
    # Its camera may still be the one that the scene is rendered with.
    seen = {part: obj for part, obj in parts.items() if not obj.hide_render and obj != scene.camera}
    if not set(seen) - {"Root", "Camera"}:
        return None
    if not _is_shared(collection, parts, scene):
        hide_parts(photo.root or collection, seen)
        return "hidden"
    return "excluded" if is_photo(collection) and _exclude(collection, scene) else None


def _stand_together(one: bpy.types.Object | None, other: bpy.types.Object | None) -> bool:
    """Whether two roots are at the same place; pitch and roll are each photo's own."""
    if one is None or other is None:
        return False
    apart = one.matrix_world.translation - other.matrix_world.translation
    return apart.length <= 1e-3 * max(1.0, one.matrix_world.to_scale().length)


def _is_shared(collection: bpy.types.Collection, parts: dict[str, bpy.types.Object], scene: bpy.types.Scene) -> bool:
    """Whether its objects are also another file's, another scene's or instances'."""
    if collection.library is not None or any(obj.library is not None for obj in parts.values()):
        return True
    if any(obj.instance_collection == collection for obj in bpy.data.objects):
        return True
    return any(user != scene for obj in parts.values() for user in obj.users_scene)


def _exclude(collection: bpy.types.Collection, scene: bpy.types.Scene) -> bool:
    """Takes a collection out of the scene's view layers; False if it was already."""
    changed = False
    for layer in scene.view_layers:
        # One at a time: Blender builds the tree of places anew after every change.
        while (place := _seen_place(collection, layer.layer_collection)) is not None:
            place.exclude = changed = True
    return changed


def _seen_place(collection: bpy.types.Collection, below: bpy.types.LayerCollection) -> bpy.types.LayerCollection | None:
    for child in below.children:
        if child.collection == collection:
            if not child.exclude:
                return child
        elif (found := _seen_place(collection, child)) is not None:
            return found
    return None


# -- removed and replaced ------------------------------------------------------------


def replace_earlier(objects: SceneObjects, name: str, scene: bpy.types.Scene) -> None:
    """Removes the scene's other collections of the same photo and gives their names to the new objects."""
    source = told(objects, PHOTO_KEY)
    had_camera = scene.camera is not None
    for other in scene.collection.children_recursive:
        if other != objects.collection and other.get(PHOTO_KEY) == source:
            remove_collection(other, scene)
    if had_camera and scene.camera is None:
        scene.camera = objects.camera
    objects.collection.name = name
    for part, obj in objects.parts().items():
        obj.name = f"{name} {part}"
        if obj.data is not None:
            obj.data.name = obj.name


def remove_collection(collection: bpy.types.Collection, scene: bpy.types.Scene) -> None:
    """Removes a photo's collection, the objects built for it and the data that nothing else uses.

    What the user put there stays where it stands, in the scene's own collection.
    """
    # A copy that the user made carries the mark, too; the object that was there first is the built one.
    objects = list({obj[PART_KEY]: obj for obj in reversed(_built_objects(collection))}.values())
    data = [obj.data for obj in objects if obj.data is not None]
    materials = [slot.material for obj in objects for slot in obj.material_slots if slot.material is not None]
    images = {
        node.image
        for material in materials
        if material.node_tree
        for node in material.node_tree.nodes
        if node.type == "TEX_IMAGE" and node.image is not None
    } | {image for obj in objects for image in depth_images(obj)}
    children = list(collection.children)
    freed = [obj for obj in bpy.data.objects if obj.parent in objects and obj not in objects]
    if freed:
        for layer in scene.view_layers:
            layer.update()
    places = [obj.matrix_world.copy() for obj in freed]
    kept = [obj for obj in collection.objects if obj not in objects]
    bpy.data.batch_remove(objects)
    bpy.data.collections.remove(collection)
    for child in children:
        if child not in scene.collection.children_recursive:
            scene.collection.children.link(child)
    for obj in kept:
        if scene.collection.all_objects.get(obj.name) != obj:
            scene.collection.objects.link(obj)
    for obj, place in zip(freed, places, strict=True):
        obj.matrix_world = place
    for items in (data, materials, list(images)):
        bpy.data.batch_remove([item for item in dict.fromkeys(items) if item.users == 0])


def _built_objects(collection: bpy.types.Collection) -> list[bpy.types.Object]:
    """The photo's own objects that are nowhere else, also where the user sorted them into collections below."""
    found = [obj for obj in collection.objects if PART_KEY in obj and len(obj.users_collection) == 1]
    for child in collection.children:
        if PHOTO_KEY not in child:
            found += _built_objects(child)
    return found
