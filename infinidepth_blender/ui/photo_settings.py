# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings that belong to one photo, and which photo that is.

A depth file, a known distance, a crop and the masks mean one picture alone. The scene keeps them, with
the photo that was at hand when they were set; for another one they are left out, and the panel says so
beforehand. What was set while no photo was at hand belongs to the next photo that is made alone.

No methods on the property group: see `engine_options.options_of`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

from .active_image import ActiveImage, find_active_image
from .registering import add_classes, remove_classes
from .text import paragraph

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_WORDS = {
    "depth_prompt": "Depth Hint",
    "known_distance": "Known Distance",
    "points_crop": "Crop",
    "points_mask": "Points Mask",
    "points_density": "Density",
    "sky_file": "Sky Mask",
}
"""The settings, in the order of their weight, and what the panel calls them."""


def photo_key(active: ActiveImage) -> str:
    """What an image is known by: its file, or where it has none its name."""
    image, user = active.image, active.user
    if image.source == "SEQUENCE" and user is not None:
        return _file_key(image.filepath_from_user(image_user=user), image.library)
    if image.source in {"FILE", "SEQUENCE", "MOVIE"} and image.filepath:
        return _file_key(image.filepath, image.library)
    return image.name_full


def file_key(path: Path) -> str:
    """What a photo on disk is known by."""
    return _file_key(str(path), None)


def _file_key(path: str, library: bpy.types.Library | None) -> str:
    # Not resolved: a link and its target are the user's to tell apart, and looking is slow on a network's disks.
    return str(Path(bpy.path.abspath(path, library=library)))


def watch(settings_class: type[Any]) -> None:
    """Lets the properties of these settings keep the photo that is at hand when they are set.

    Not by `update` in the class: Blender 4.2 never lets go of a property group with functions of its own in its
    annotations, and crashes at exit. These properties are defined anew after it was registered, and go before it.
    """
    for name in _WORDS:
        written = settings_class.__annotations__[name]
        setattr(settings_class, name, written.function(**written.keywords, update=_owner_keeper(name)))


def unwatch(settings_class: type[Any]) -> None:
    """The inverse of `watch`, before the class is unregistered."""
    for name in _WORDS:
        delattr(settings_class, name)


def _owner_keeper(name: str) -> Callable[[Any, bpy.types.Context], None]:
    def update(settings: Any, context: bpy.types.Context) -> None:
        active = find_active_image(context)
        _keep_owners(settings, [name], photo_key(active) if active is not None else "")

    return update


def given(settings: Any) -> list[str]:
    """The settings of one photo that say something, by the names of their properties."""
    says = {
        "depth_prompt": settings.depth_prompt,
        "known_distance": settings.known_distance.strip(),
        "points_crop": settings.points_crop[2],
        "points_mask": settings.points_mask,
        "points_density": settings.points_density,
        "sky_file": settings.sky == "FILE" and settings.sky_file,
    }
    return [name for name in _WORDS if says[name]]


def of_another(settings: Any, key: str) -> dict[str, str]:
    """The settings that were set for another photo than this one, with the keys of theirs."""
    owners = _owners(settings)
    return {name: owners[name] for name in given(settings) if not _is_same(owners.get(name, ""), key)}


def in_words(names: Iterable[str]) -> str:
    """The settings as the panel calls them."""
    return ", ".join(_WORDS[name] for name in names)


def left_out_note(others: dict[str, str]) -> str:
    """What was left out of a photo, and how it would have counted; `of_another` says which."""
    return (
        f"Left out, because it was set for {_photos_of(others)}: {in_words(others)}. To use it for this photo as well, "
        "choose the photo in the panel and press Use Here."
    )


def _photos_of(others: dict[str, str]) -> str:
    return ", ".join(dict.fromkeys(Path(owner).name for owner in others.values()))


def set_for_no_photo(settings: Any) -> list[str]:
    """The settings that say something and were set while no photo was at hand."""
    owners = _owners(settings)
    return [name for name in given(settings) if not owners.get(name)]


def keep_for(settings: Any, key: str) -> None:
    """What belonged to no photo yet belongs to this one, which is made alone."""
    _keep_owners(settings, set_for_no_photo(settings), key)


def _is_same(owner: str, key: str) -> bool:
    if not owner or owner == key:
        return True
    # A project that was moved takes its photos along.
    return Path(owner).name == Path(key).name and not Path(owner).exists()


def _owners(settings: Any) -> dict[str, str]:
    try:
        owners = json.loads(settings.photo_settings_of or "{}")
    except ValueError:
        return {}
    return {str(name): str(key) for name, key in owners.items()} if isinstance(owners, dict) else {}


def _keep_owners(settings: Any, names: Iterable[str], key: str) -> None:
    owners = _owners(settings) | dict.fromkeys(names, key)
    settings.photo_settings_of = json.dumps(owners, ensure_ascii=False, sort_keys=True)


# -- in the panel --------------------------------------------------------------------


def draw_photo_settings(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """Names the settings that belong to one photo, with a button that clears them; nothing where there are none."""
    settings = context.scene.infinidepth
    names = given(settings)
    if not names:
        return
    active = find_active_image(context)
    others = of_another(settings, photo_key(active)) if active is not None else {}
    counting = [name for name in names if name not in others]
    box = layout.box()
    row = box.row()
    row.label(
        text="For This Photo Alone" if counting else "For Another Photo", icon="PINNED" if counting else "UNPINNED"
    )
    row.operator("infinidepth.clear_photo_settings", text="", icon="X", emboss=False)
    if counting:
        paragraph(box.column(align=True), in_words(counting), context, taken=1)
    if others:
        left_out = f"Left out, because set for {_photos_of(others)}: {in_words(others)}"
        paragraph(box.column(align=True), left_out, context, taken=1)
    if others:
        box.operator("infinidepth.use_photo_settings")


class INFINIDEPTH_OT_clear_photo_settings(bpy.types.Operator):
    """Forget the settings that belong to one photo"""

    bl_idname = "infinidepth.clear_photo_settings"
    bl_label = "Clear Settings of One Photo"
    bl_description = "Empty the depth hint, the known distance, the crop and the masks, which mean one photo alone"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Gives them their defaults."""
        settings = context.scene.infinidepth
        for name in _WORDS:
            settings.property_unset(name)
        if settings.sky == "FILE":
            settings.property_unset("sky")
        settings.photo_settings_of = ""
        return {"FINISHED"}


class INFINIDEPTH_OT_use_photo_settings(bpy.types.Operator):
    """Let settings that were set for another photo count for this one"""

    bl_idname = "infinidepth.use_photo_settings"
    bl_label = "Use Here"
    bl_description = (
        "Let the depth hint, the known distance, the crop and the masks count for the photo that is chosen now"
    )
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There must be a photo."""
        return find_active_image(context) is not None

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Keeps the photo as theirs."""
        settings = context.scene.infinidepth
        active = find_active_image(context)
        if active is None:
            return {"CANCELLED"}
        _keep_owners(settings, given(settings), photo_key(active))
        return {"FINISHED"}


CLASSES = (INFINIDEPTH_OT_clear_photo_settings, INFINIDEPTH_OT_use_photo_settings)


def register() -> None:
    """Adds the operators."""
    add_classes(CLASSES)


def unregister() -> None:
    """Takes them away again."""
    remove_classes(CLASSES)
