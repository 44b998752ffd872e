"""What a photo's objects are, written on them, so that a saved file knows it when it is opened again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import bpy

from ..errors import SceneError
from .visibility import HIDDEN_KEY

if TYPE_CHECKING:
    from .build import SceneObjects

PHOTO_KEY = "infinidepth_photo"
"""Custom property of a photo's collection: the photo's path."""
BUNDLE_KEY = "infinidepth_bundle"
"""Custom property of a photo's collection: the bundle's folder."""
PART_KEY = "infinidepth_part"
"""Custom property of an object: the key of `SceneObjects.parts`."""
SIZE_KEY = "infinidepth_photo_size_px"
ASPECT_KEY = "infinidepth_pixel_aspect"


def remember(objects: SceneObjects) -> None:
    """Marks the objects; names may change afterwards.

    Not pointers: those would keep an object in the file that the user deleted.
    """
    objects.collection[SIZE_KEY] = list(objects.photo_size_px)
    objects.collection[ASPECT_KEY] = list(objects.pixel_aspect)
    objects.collection[HIDDEN_KEY] = ""
    # Else it would be lost when a file with a library override of the photo is opened again.
    objects.collection.property_overridable_library_set(f'["{HIDDEN_KEY}"]', True)
    for part, obj in objects.parts().items():
        obj[PART_KEY] = part


def recall(collection: bpy.types.Collection) -> SceneObjects:
    """The objects of a photo's collection.

    Raises:
        SceneError: it is no photo's collection, or its camera or root was deleted.
    """
    from .build import SceneObjects

    if not is_photo(collection):
        raise SceneError(f"The collection '{collection.name}' was not made from a photo.")
    found = parts_of(collection)
    if "Root" not in found or "Camera" not in found:
        raise SceneError(f"The camera of '{collection.name}' was deleted.", "Build the photo again.")
    width_px, height_px = collection[SIZE_KEY]
    aspect_x, aspect_y = collection[ASPECT_KEY]
    return SceneObjects(
        collection=collection,
        root=found["Root"],
        camera=found["Camera"],
        mesh=found.get("Mesh"),
        backdrop=found.get("Sky"),
        background=found.get("Background"),
        points=found.get("Points"),
        splats=found.get("Splats"),
        photo_size_px=(width_px, height_px),
        pixel_aspect=(aspect_x, aspect_y),
    )


def parts_of(collection: bpy.types.Collection) -> dict[str, bpy.types.Object]:
    """The objects that were built for a photo and still exist, by their keys in `SceneObjects.parts`.

    A copy that the user made carries the mark, too; the object that was there first is the built one.
    """
    found: dict[str, bpy.types.Object] = {}
    for obj in _objects_of(collection):
        if PART_KEY in obj:
            found.setdefault(str(obj[PART_KEY]), obj)
    # What was sorted into other collections still hangs on the root.
    for obj in found["Root"].children_recursive if "Root" in found else ():
        if PART_KEY in obj:
            found.setdefault(str(obj[PART_KEY]), obj)
    return found


def _objects_of(collection: bpy.types.Collection) -> Iterator[bpy.types.Object]:
    """The objects of a photo's collection and of those below it, but not of other photos."""
    yield from collection.objects
    for child in collection.children:
        if not is_photo(child):
            yield from _objects_of(child)


def is_photo(collection: bpy.types.Collection) -> bool:
    """Whether `build_scene` made the collection."""
    return SIZE_KEY in collection and ASPECT_KEY in collection


def photo_collection(scene: bpy.types.Scene, active: bpy.types.Object | None) -> bpy.types.Collection | None:
    """The collection of the photo that the user means: the active object's, else the scene's only one."""
    photos = [collection for collection in scene.collection.children_recursive if is_photo(collection)]
    if active is not None:
        for collection in photos:
            if any(obj == active for obj in _objects_of(collection)):
                return collection
        for collection in photos:  # sorted into another collection, but still hanging on the photo's root
            root = next((obj for obj in _objects_of(collection) if obj.get(PART_KEY) == "Root"), None)
            if root is not None and any(obj == active for obj in root.children_recursive):
                return collection
    return photos[0] if len(photos) == 1 else None
