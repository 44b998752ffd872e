"""The pictures of a bundle as Blender images."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import bpy

from ..errors import BundleError
from ..reconstruction import Reconstruction, eight_bit_picture
from .color_names import LINEAR_TEXTURES, SRGB_TEXTURES, set_first


@dataclass(frozen=True)
class Picture:
    """What a surface shows.

    Attributes:
        image: All that the photo holds.
        eight_bits: The same between black and white, for what must not be brighter, and for other
            programs; `image` itself unless that is in linear light.
    """

    image: bpy.types.Image
    eight_bits: bpy.types.Image


def load_photo(rec: Reconstruction, name: str, pack: bool) -> Picture:
    """The photo of a bundle.

    Args:
        rec: The reconstruction.
        name: Name of the photo's objects.
        pack: Keep it inside the .blend file.

    Raises:
        BundleError: it is missing, damaged or of another size than its bundle says.
    """
    picture = load_picture(rec.photo_path, rec.name, f"{name} Photo", pack)
    size = picture.image.size
    if tuple(size) != (rec.photo.width_px, rec.photo.height_px):
        raise BundleError(
            f"{rec.photo_path} is {size[0]} x {size[1]} pixels, its bundle says "
            f"{rec.photo.width_px} x {rec.photo.height_px}.",
            "Reconstruct the photo again.",
        )
    return picture


def load_picture(path: Path | None, photo: str, name: str, pack: bool) -> Picture:
    """A picture of a bundle.

    Args:
        path: Its file.
        photo: The photo's name, for messages.
        name: Name of the image.
        pack: Keep it inside the .blend file.

    Raises:
        BundleError: it is missing or damaged.
    """
    image = _load_image(path, photo, name, pack)
    beside = path if path is None else eight_bit_picture(path)
    return Picture(image, image if beside == path else _load_image(beside, photo, f"{name} 8 Bit", pack))


def _load_image(path: Path | None, photo: str, name: str, pack: bool) -> bpy.types.Image:
    if path is None or not path.is_file():
        raise BundleError(
            f"A picture of '{photo}' is missing from its bundle ({path}).", "Reconstruct the photo again."
        )
    try:
        image = bpy.data.images.load(str(path.resolve()), check_existing=False)
        image.name = name
        # Where the configuration knows none of these names, it stays what Blender takes for such files.
        spaces = LINEAR_TEXTURES if path.suffix == ".exr" else SRGB_TEXTURES
        set_first(image.colorspace_settings, "name", spaces)
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
