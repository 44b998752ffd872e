# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the panel's results go on disk.

The scene's material shows the photo from the bundle, so a bundle must live as long as the
file that uses it. By default it therefore lies beside the .blend file; results of a file
that was never saved go to the user's documents.
"""

from collections.abc import Collection
from pathlib import Path

import bpy

from ..batch import OWN_SUFFIX
from ..bundle_record import read_record
from ..errors import BundleError
from ..folder_names import folder_name, same_folder_key
from ..scene.saved import BUNDLE_KEY
from ..staging import output_error
from . import addon
from .active_image import PhotoFile
from .results_home import unsaved_results_dir


def bundle_folder(photo: PhotoFile, taken: Collection[Path] = ()) -> Path:
    """The folder for a photo's bundle, as the preferences say.

    A photo that is reconstructed again replaces its own bundle; a bundle of another photo
    with the same name is never touched, the new one gets a number.

    Args:
        photo: The photo.
        taken: Folders that are spoken for by photos of the same job.

    Raises:
        OutputError: the place for results may not be looked at.
    """
    name = folder_name(photo.name)
    first = _parent(photo) / (name + OWN_SUFFIX if _is_beside_photo(photo) else name)
    folder, number = first, 1
    spoken_for = {same_folder_key(other) for other in taken}
    try:
        while same_folder_key(folder) in spoken_for or not _is_free_for(photo, folder):
            folder = first.with_name(f"{first.name}.{number:03d}")
            number += 1
    except OSError as error:  # a folder that may not be looked into has no free name either
        raise output_error(error, folder) from error
    return folder


def _location() -> str:
    preferences = addon.preferences()
    return preferences.bundle_location if preferences else "BLEND"


def _is_beside_photo(photo: PhotoFile) -> bool:
    return _location() == "PHOTO" and not photo.temporary


def _parent(photo: PhotoFile) -> Path:
    if _is_beside_photo(photo):
        return photo.path.parent
    return results_dir()


def results_dir() -> Path:
    """Where results of the open file lie that are not beside their photos; it need not be there yet."""
    preferences = addon.preferences()
    folder = preferences.bundle_folder if preferences is not None and _location() == "FOLDER" else ""
    # Relative to a file that was never saved, it would be relative to nothing.
    if folder and (bpy.data.filepath or not folder.startswith("//")):
        return Path(bpy.path.abspath(folder))
    if bpy.data.filepath:
        blend = Path(bpy.data.filepath)
        return blend.with_name(folder_name(blend.stem) + OWN_SUFFIX)
    return unsaved_results_dir()


def _is_free_for(photo: PhotoFile, folder: Path) -> bool:
    try:
        if not folder.exists():
            return True
        record = read_record(folder)
        # A scene plays a clip from its folder: what is in one must not change below it.
        if "clip" in record and _is_in_a_scene(folder):
            return False
        source = record["photo"]["source"]
    except (BundleError, KeyError, TypeError):
        return False
    return not photo.temporary and bool(source) and Path(source) == photo.path.absolute()


def _is_in_a_scene(folder: Path) -> bool:
    return any(item.get(BUNDLE_KEY) == str(folder) for item in (*bpy.data.collections, *bpy.data.objects))
