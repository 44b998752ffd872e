# SPDX-License-Identifier: GPL-3.0-or-later
"""The image that the user is looking at, as a file that the engine can read.

A file on disk is handed over as it is, so that its metadata (focal length, orientation)
reaches the engine. Packed files are written out byte for byte. Everything else, such as
painted, generated or rendered images and movie frames, is saved from its pixels through
an image of our own: neither the user's image nor the scene's colour settings change.
"""

import contextlib
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np

from ..clip_files import clip_name, frame_files, is_pattern
from ..errors import PhotoError

_FILE_SUFFIXES = {
    "PNG": ".png", "JPEG": ".jpg", "JPEG2000": ".jp2", "TIFF": ".tif", "OPEN_EXR": ".exr", "OPEN_EXR_MULTILAYER": ".exr",
    "HDR": ".hdr", "BMP": ".bmp", "TARGA": ".tga", "TARGA_RAW": ".tga", "WEBP": ".webp", "AVIF": ".avif",
    "DPX": ".dpx", "CINEON": ".cin", "IRIS": ".rgb",
}  # fmt: skip


@dataclass(frozen=True)
class ActiveImage:
    """An image and, for sequences and movies, how it is being shown.

    Attributes:
        image: The image.
        user: Frame settings of the place where it is shown, if there is one.
    """

    image: bpy.types.Image
    user: bpy.types.ImageUser | None = None


@dataclass(frozen=True)
class PhotoFile:
    """A photo on disk.

    Attributes:
        path: The file.
        name: What the result is called.
        temporary: Whether `path` was made for the engine alone and is to be removed with its folder.
    """

    path: Path
    name: str
    temporary: bool = False


def find_active_image(context: bpy.types.Context) -> ActiveImage | None:
    """The image that the user means, or None.

    In an Image Editor it is the one shown there. Elsewhere it is the one picked in the
    panel, else the active object's if that is a reference image, else that of an Image
    Editor in the same window.
    """
    space = context.space_data
    if isinstance(space, bpy.types.SpaceImageEditor):
        return ActiveImage(space.image, space.image_user) if space.image else None
    settings = getattr(context.scene, "infinidepth", None)
    if settings is not None and settings.photo is not None:
        return ActiveImage(settings.photo)
    active = context.active_object
    if active is not None and active.type == "EMPTY" and isinstance(active.data, bpy.types.Image):
        return ActiveImage(active.data, active.image_user)
    for area in context.screen.areas if context.screen else ():
        space = area.spaces.active
        if isinstance(space, bpy.types.SpaceImageEditor) and space.image and space.image.type != "RENDER_RESULT":
            return ActiveImage(space.image, space.image_user)
    return None


def photo_file(active: ActiveImage, scene: bpy.types.Scene) -> PhotoFile:
    """A file with what the image shows at the scene's current frame.

    Args:
        active: The image.
        scene: Gives the current frame, and the view transform of a render result.

    Raises:
        PhotoError: the image is empty, its file is missing, or its kind is no photo.
    """
    image = active.image
    if image.source == "TILED":
        raise PhotoError(f"'{image.name}' is a set of UDIM tiles, not a photo.", "Open one of its tiles as an image.")
    if image.source == "VIEWER":
        return _saved_render(image, scene)
    if image.source == "MOVIE":
        return _saved_pixels(image)
    if image.source == "SEQUENCE":
        path = _sequence_frame(active, scene)
        return PhotoFile(path, path.stem)
    if image.is_dirty or image.source == "GENERATED":
        return _saved_pixels(image)
    if image.packed_file is not None:
        return _unpacked(image)
    path = Path(bpy.path.abspath(image.filepath_raw or image.filepath, library=image.library))
    if not image.filepath or not path.is_file():
        raise PhotoError(f"The file of '{image.name}' is missing: {path}.", "Find the file again, or reload the image.")
    return PhotoFile(path, path.stem)


def clip_length(image: bpy.types.Image) -> int:
    """Frames of a movie or an image sequence; 0 of an image that is neither, or whose files are missing."""
    if image.source == "MOVIE":
        return image.frame_duration
    if image.source != "SEQUENCE":
        return 0
    # Blender counts one frame in every sequence. The panel asks at every redraw: the folder is read when it changes.
    pattern = _clip_pattern(image)
    try:
        changed = pattern.parent.stat().st_mtime_ns
        known = _lengths.get(pattern)
        if known is None or known[0] != changed:
            _lengths[pattern] = known = changed, len(frame_files(pattern)) if is_pattern(pattern) else 1
    except OSError:
        return 0
    return known[1]


_lengths: dict[Path, tuple[int, int]] = {}


def clip_file(image: bpy.types.Image) -> PhotoFile:
    """A movie's file, or the pattern `shot.####.png` of a sequence's frames.

    Raises:
        PhotoError: it is no clip, or its file is missing.
    """
    if image.source not in {"MOVIE", "SEQUENCE"}:
        raise PhotoError(f"'{image.name}' is a single image.", "Open a movie or an image sequence.")
    path = _clip_pattern(image)
    try:
        there = bool(frame_files(path)) if is_pattern(path) else path.is_file()
    except OSError:
        there = False
    if not there:
        raise PhotoError(f"The file of '{image.name}' is missing: {path}.", "Find the file again, or reload the image.")
    return PhotoFile(path, clip_name(path))


def _clip_pattern(image: bpy.types.Image) -> Path:
    """A movie's file, or that of a sequence with `#` for the digits that tell the frame: as in Blender the last ones."""
    first = Path(bpy.path.abspath(image.filepath, library=image.library))
    return _with_digits(first, lambda digits: "#" * len(digits)) if image.source == "SEQUENCE" else first


def _with_digits(frame: Path, change: Callable[[str], str]) -> Path:
    """The file of a frame with the digits that tell its number, as in Blender the last ones, changed; without any as it is."""
    return frame.with_name(re.sub(r"\d+(?=\D*$)", lambda digits: change(digits[0]), frame.stem) + frame.suffix)


def _sequence_frame(active: ActiveImage, scene: bpy.types.Scene) -> Path:
    image, user = active.image, active.user
    first = Path(bpy.path.abspath(image.filepath, library=image.library))
    if user is not None:
        path = Path(bpy.path.abspath(image.filepath_from_user(image_user=user), library=image.library))
    else:
        # Without a place where it is shown there are no frame settings: the scene's frame counts.
        path = _with_digits(first, lambda digits: str(scene.frame_current).zfill(len(digits)))
    if not path.is_file():
        raise PhotoError(
            f"The sequence '{image.name}' has no file {path.name} for this frame.", "Go to a frame that it has."
        )
    return path


def _unpacked(image: bpy.types.Image) -> PhotoFile:
    """Packed bytes, written out as they are."""
    suffix = Path(image.filepath.replace("\\", "/")).suffix or _FILE_SUFFIXES.get(image.file_format, "")
    path = _temporary_path(image.name, suffix)
    path.write_bytes(image.packed_file.data)
    return PhotoFile(path, path.stem, temporary=True)


def _saved_pixels(image: bpy.types.Image) -> PhotoFile:
    """The image's pixels: bytes go into a PNG unchanged, floats stay linear in an EXR."""
    width, height = image.size
    if width == 0 or height == 0 or image.channels == 0:
        raise PhotoError(f"'{image.name}' has no pixels.", "Show it in an Image Editor first, or save it as a file.")
    if image.is_float:
        # Not `Image.save`: it encodes generated floats as sRGB before it writes them as linear.
        with _stand_in_scene() as stand_in:
            settings = stand_in.render.image_settings
            settings.file_format, settings.color_mode, settings.color_depth = "OPEN_EXR", "RGB", "32"
            return _saved_through(image, stand_in, ".exr")
    shown = np.empty(width * height * image.channels, dtype=np.float32)
    image.pixels.foreach_get(shown)
    shown = shown.reshape(-1, image.channels)
    rgba = np.ones((width * height, 4), dtype=np.float32)
    if image.channels < 3:
        rgba[:, :3] = shown[:, :1]
    else:
        rgba[:, : image.channels] = shown

    copy = bpy.data.images.new("InfiniDepth", width, height, alpha=True)
    try:
        copy.colorspace_settings.name = image.colorspace_settings.name
        copy.file_format = "PNG"
        copy.pixels.foreach_set(rgba.ravel())
        path = _temporary_path(image.name, ".png")
        copy.filepath_raw = str(path)
        copy.save()
    except RuntimeError as error:
        raise PhotoError(f"'{image.name}' could not be saved for the engine: {error}.") from error
    finally:
        bpy.data.images.remove(copy)
    return PhotoFile(path, path.stem, temporary=True)


def _saved_render(image: bpy.types.Image, scene: bpy.types.Scene) -> PhotoFile:
    """A render result or viewer, as it looks through the scene's view transform."""
    # Blender finds the result by its scene, so that a stand-in has none: the scene's own settings
    # are changed for the moment of saving.
    with _kept_settings(scene.render.image_settings) as settings:
        if hasattr(settings, "media_type"):
            settings.media_type = "IMAGE"
        settings.file_format, settings.color_mode, settings.color_depth = "PNG", "RGB", "16"
        return _saved_through(image, scene, ".png")


def _saved_through(image: bpy.types.Image, scene: bpy.types.Scene, suffix: str) -> PhotoFile:
    """Saves the image with the format and colour settings of a scene; the image stays as it is."""
    path = _temporary_path(image.name, suffix)
    problem = ""
    try:
        image.save_render(str(path), scene=scene)
    except RuntimeError as error:
        problem = str(error)
    if not path.is_file():
        path.parent.rmdir()
        raise PhotoError(f"'{image.name}' has no picture yet. {problem}".strip(), "Render first, then reconstruct.")
    return PhotoFile(path, path.stem, temporary=True)


@contextlib.contextmanager
def _stand_in_scene() -> Iterator[bpy.types.Scene]:
    """A scene that gives its output settings for one save, so that the user's need not change."""
    stand_in = bpy.data.scenes.new("InfiniDepth")
    try:
        yield stand_in
    finally:
        bpy.data.scenes.remove(stand_in)


@contextlib.contextmanager
def _kept_settings(settings: bpy.types.ImageFormatSettings) -> Iterator[bpy.types.ImageFormatSettings]:
    """Puts all plain values back afterwards; the format first, because the others depend on it."""
    names = [p.identifier for p in settings.bl_rna.properties if not p.is_readonly and p.type != "POINTER"]
    before = {name: getattr(settings, name) for name in names}
    try:
        yield settings
    finally:
        for name in sorted(before, key=_format_first):
            setattr(settings, name, before[name])


def _format_first(name: str) -> int:
    order = ("media_type", "file_format", "color_mode", "color_depth")
    return order.index(name) if name in order else len(order)


def _temporary_path(image_name: str, suffix: str) -> Path:
    """A file name in a new folder of its own, so that the photo's stem is the image's name."""
    stem = Path(image_name).stem if Path(image_name).suffix.lower() in _FILE_SUFFIXES.values() else image_name
    stem = bpy.path.clean_name(stem).strip(".") or "photo"
    return Path(tempfile.mkdtemp(prefix="infinidepth-", dir=bpy.app.tempdir)) / f"{stem}{suffix}"
