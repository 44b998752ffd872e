"""What a photo's objects are, written on them, so that a saved file knows it when it is opened again."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from typing import Any

import bpy

from ..errors import SceneError
from .objects import SceneObjects
from .visibility import HIDDEN_KEY

PHOTO_KEY = "infinidepth_photo"
"""Custom property of a photo's collection and root: the photo's path."""
BUNDLE_KEY = "infinidepth_bundle"
"""Custom property of a photo's collection: the bundle's folder."""
JOB_KEY = "infinidepth_job"
"""Custom property of a photo's collection and root: the same for photos that came together and stand in the same place."""
PART_KEY = "infinidepth_part"
"""Custom property of an object: the key of `SceneObjects.parts`."""
SIZE_KEY = "infinidepth_photo_size_px"
ASPECT_KEY = "infinidepth_pixel_aspect"
_OWN_KEYS = "infinidepth_"
_ROOT_NAME = re.compile(r" Root(?=\.\d+$|$)")


def remember(objects: SceneObjects) -> None:
    """Marks the objects; names may change afterwards, and objects may be sorted elsewhere, or copied as a whole.

    Not pointers: those would keep an object in the file that the user deleted. What is written on the collection goes
    onto the root as well: the Outliner deletes collections and keeps what is in them.
    """
    if objects.root is not None:
        for key, value in objects.collection.items():
            if key.startswith(_OWN_KEYS):
                objects.root[key] = value
    for item in (objects.collection, objects.root):
        if item is not None:
            item[SIZE_KEY] = list(objects.photo_size_px)
            item[ASPECT_KEY] = list(objects.pixel_aspect)
            item[HIDDEN_KEY] = ""
            # Else it would be lost when a file with a library override of the photo is opened again.
            item.property_overridable_library_set(f'["{HIDDEN_KEY}"]', True)
    for part, obj in objects.parts().items():
        obj[PART_KEY] = part


def remember_job(objects: SceneObjects, job: str) -> None:
    """Marks a photo as one of those that came together and stand in the same place."""
    for item in (objects.collection, objects.root):
        if item is not None:
            item[JOB_KEY] = job


def told(objects: SceneObjects, key: str) -> Any:
    """What is written on a photo's root, or on its collection; older files have it there alone. None: nothing."""
    for item in (objects.root, objects.collection):
        if item is not None and key in item:
            return item[key]
    return None


def photo_name(objects: SceneObjects) -> str:
    """The name of a photo's collection; where the user deleted that, what its root is named after."""
    if objects.root is None or is_photo(objects.collection):
        return objects.collection.name
    return _ROOT_NAME.sub("", objects.root.name)


def find_photo(scene: bpy.types.Scene, active: bpy.types.Object | None) -> SceneObjects | None:
    """The photo that the user means.

    It is the one on whose root the active object hangs, else that of its collection, else the scene's only one.
    """
    root = own_root(active)
    if root is not None and SIZE_KEY in root:
        return _of_root(scene, root)
    if active is not None and (collection := _collection_of(scene, active)) is not None:
        return recall(collection)
    photos = photos_in(scene)
    return photos[0] if len(photos) == 1 else None


def photos_in(scene: bpy.types.Scene) -> list[SceneObjects]:
    """The photos of a scene of which something is left: by their collections, then those whose collection is gone."""
    collections = _collections_in(scene)
    photos = [photo for photo in map(recall, collections) if photo.parts()]
    held = {own_root(obj) for collection in collections for obj in _objects_of(collection) if PART_KEY in obj}
    marked = [obj for obj in scene.objects if PART_KEY in obj]  # a scene may have many objects, and panels ask often
    loose = [obj for obj in marked if obj[PART_KEY] == "Root" and SIZE_KEY in obj and obj not in held]
    return photos + [_of_root(scene, root) for root in loose]


def recall(collection: bpy.types.Collection) -> SceneObjects:
    """The objects of a photo's collection.

    Raises:
        SceneError: it is no photo's collection.
    """
    if not is_photo(collection):
        raise SceneError(f"The collection '{collection.name}' was not made from a photo.")
    return _photo(collection, collection, parts_of(collection))


def _of_root(scene: bpy.types.Scene, root: bpy.types.Object) -> SceneObjects:
    collection = _collection_of(scene, root) or next(iter(root.users_collection), scene.collection)
    return _photo(collection, root, _first_of_each(_hanging_on(root, collection)))


def _photo(collection: bpy.types.Collection, sizes: bpy.types.ID, found: dict[str, bpy.types.Object]) -> SceneObjects:
    width_px, height_px = sizes[SIZE_KEY]
    aspect_x, aspect_y = sizes[ASPECT_KEY]
    return SceneObjects(
        collection=collection,
        root=found.get("Root"),
        camera=found.get("Camera"),
        mesh=found.get("Mesh"),
        backdrop=found.get("Sky"),
        background=found.get("Background"),
        points=found.get("Points"),
        splats=found.get("Splats"),
        photo_size_px=(width_px, height_px),
        pixel_aspect=(aspect_x, aspect_y),
    )


def parts_of(collection: bpy.types.Collection) -> dict[str, bpy.types.Object]:
    """The objects that were built for a photo and still exist, by their keys in `SceneObjects.parts`."""
    found = _first_of_each(_objects_of(collection))
    if "Root" in found:  # what was sorted into other collections still hangs on it
        found = _first_of_each(found.values(), _hanging_on(found["Root"], collection))
    return found


def own_root(obj: bpy.types.Object | None) -> bpy.types.Object | None:
    """The photo's root that an object hangs on, or is."""
    while obj is not None and obj.get(PART_KEY) != "Root":
        obj = obj.parent
    return obj


def _hanging_on(root: bpy.types.Object, collection: bpy.types.Collection) -> Iterator[bpy.types.Object]:
    """A root and what hangs on it and on no other one; those in the collection first, in their order there."""
    for obj in (root, *_objects_of(collection), *root.children_recursive):
        if own_root(obj) == root:
            yield obj


def _first_of_each(*objects: Iterable[bpy.types.Object]) -> dict[str, bpy.types.Object]:
    """The marked objects by their marks.

    A copy that the user made of one of them carries the mark, too; the object that was there first is the built one.
    """
    found: dict[str, bpy.types.Object] = {}
    for obj in itertools.chain(*objects):
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


def _collection_of(scene: bpy.types.Scene, obj: bpy.types.Object) -> bpy.types.Collection | None:
    root = own_root(obj)
    for wanted in (obj, root) if root is not None else (obj,):
        for collection in _collections_in(scene):
            if any(other == wanted for other in _objects_of(collection)):
                return collection
    return None


def _collections_in(scene: bpy.types.Scene) -> list[bpy.types.Collection]:
    return [collection for collection in scene.collection.children_recursive if is_photo(collection)]
