# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the panel's results go on disk.

The scene's material shows the photo from the bundle, so a bundle must live as long as the
file that uses it. By default it therefore lies beside the .blend file; results of a file
that was never saved go to the extension's folder for user data.
"""

from collections.abc import Collection
from pathlib import Path

import bpy

from ..bundle_record import read_json
from ..errors import BundleError
from . import addon
from .active_image import PhotoFile

FOLDER_SUFFIX = "_infinidepth"


def bundle_folder(photo: PhotoFile, taken: Collection[Path] = ()) -> Path:
    """The folder for a photo's bundle, as the preferences say.

    A photo that is reconstructed again replaces its own bundle; a bundle of another photo
    with the same name is never touched, the new one gets a number.

    Args:
        photo: The photo.
        taken: Folders that are spoken for by photos of the same job.
    """
    first = _parent(photo) / (photo.name + FOLDER_SUFFIX if _is_beside_photo(photo) else photo.name)
    folder, number = first, 1
    while folder in taken or not _is_free_for(photo, folder):
        folder = first.with_name(f"{first.name}.{number:03d}")
        number += 1
    return folder


def _location() -> str:
    preferences = addon.preferences()
    return preferences.bundle_location if preferences else "BLEND"


def _is_beside_photo(photo: PhotoFile) -> bool:
    return _location() == "PHOTO" and not photo.temporary


def _parent(photo: PhotoFile) -> Path:
    preferences = addon.preferences()
    if _is_beside_photo(photo):
        return photo.path.parent
    if _location() == "FOLDER" and preferences is not None and preferences.bundle_folder:
        return Path(bpy.path.abspath(preferences.bundle_folder))
    if bpy.data.filepath:
        blend = Path(bpy.data.filepath)
        return blend.with_name(blend.stem + FOLDER_SUFFIX)
    return addon.user_dir() / "results"


def _is_free_for(photo: PhotoFile, folder: Path) -> bool:
    try:
        if not folder.exists():
            return True
        source = read_json(folder)["photo"]["source"]
    except (OSError, BundleError, KeyError, TypeError):
        return False
    return not photo.temporary and bool(source) and Path(source) == photo.path.absolute()
