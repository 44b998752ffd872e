"""The pictures of a bundle as Blender images."""

from __future__ import annotations

import re
from pathlib import Path

import bpy

from ..errors import BundleError
from ..reconstruction import Reconstruction
from .color_names import SRGB_TEXTURES, set_first


def load_photo(rec: Reconstruction, name: str, pack: bool) -> bpy.types.Image:
    """The photo of a bundle.

    Args:
        rec: The reconstruction.
        name: Name of the photo's objects.
        pack: Keep it inside the .blend file.

    Raises:
        BundleError: it is missing, damaged or of another size than its bundle says.
    """
    image = load_picture(rec.photo_path, rec.name, f"{name} Photo", pack)
    if tuple(image.size) != (rec.photo.width_px, rec.photo.height_px):
        raise BundleError(
            f"{rec.photo_path} is {image.size[0]} x {image.size[1]} pixels, its bundle says "
            f"{rec.photo.width_px} x {rec.photo.height_px}.",
            "Reconstruct the photo again.",
        )
    return image


def load_picture(path: Path | None, photo: str, name: str, pack: bool) -> bpy.types.Image:
    """A picture of a bundle.

    Args:
        path: Its file.
        photo: The photo's name, for messages.
        name: Name of the image.
        pack: Keep it inside the .blend file.

    Raises:
        BundleError: it is missing or damaged.
    """
    if path is None or not path.is_file():
        raise BundleError(
            f"A picture of '{photo}' is missing from its bundle ({path}).", "Reconstruct the photo again."
        )
    try:
        image = bpy.data.images.load(str(path.resolve()), check_existing=False)
        image.name = name
        set_first(image.colorspace_settings, "name", SRGB_TEXTURES)  # else what Blender takes for such files
        # The copy in the bundle is opaque; straight channels keep colours if it is ever edited.
        image.alpha_mode = "CHANNEL_PACKED"
        if 0 in image.size:
            raise BundleError(f"{path} is damaged.", "Reconstruct the photo again.")
        if pack:
            _pack(image, path.suffix)
    except RuntimeError as error:
        raise BundleError(f"{path} cannot be read: {error}.", "Reconstruct the photo again.") from error
    return image


def _pack(image: bpy.types.Image, suffix: str) -> None:
    """Packs an image under a file name of its own.

    All bundles call their picture the same, and exporters and unpacking write packed images under the names of
    their files: the second photo would get the first one's.
    """
    image.pack()
    file_name = re.sub(r'[\x00-\x1f/\\:*?"<>|]', "_", image.name) + suffix
    image.filepath_raw = f"//{file_name}"
    for packed in image.packed_files:
        packed.filepath = image.filepath_raw
