"""Where the frames of clips in the open file lie, and where they are after somebody moved them.

The .blend file holds no frames. Without them Blender shows its magenta, and the surface is flat.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import bpy

from ..bundle_record import read_record
from ..errors import BundleError, FramesMissingError
from ..staging import SEQUENCE_DIR
from .clip import FRAMES_KEY, depth_images, set_file
from .objects import SceneObjects
from .saved import PHOTO_KEY, is_photo, photo_name, photos_in, recall, told

_FOLDERS = ("frames", "depth")
_MOST_FOLDERS = 1000
"""So many are looked into below the one that the user chose, on either level."""


@dataclass(frozen=True)
class ClipFrames:
    """The frames of a clip that is in the open file.

    Attributes:
        name: The clip's.
        source: The film that it came of, or its name where there was none; empty: unknown.
        count: How many frames it has; 0: unknown.
        images: All its sequences.
        files: The first frame of each.
    """

    name: str
    source: str
    count: int
    images: tuple[bpy.types.Image, ...]
    files: tuple[Path, ...]

    @property
    def folder(self) -> Path:
        """Where the frames should be."""
        return self.files[0].parents[1]

    def are_there(self) -> bool:
        """Whether all sequences can be found."""
        return all(map(_is_file, self.files))

    def error(self) -> FramesMissingError:
        """What the user is told where they are not there."""
        return FramesMissingError(
            f"The frames of '{self.name}' are not in {self.folder}.",
            "Put the folder back beside the file, or say where it is now.",
        )


def clip_frames(photo: SceneObjects) -> ClipFrames | None:
    """Of a photo that is a clip of this file; None of any other, and of those linked from files: they belong there."""
    images = tuple(image for image in _sequences(photo.mesh) if image.library is None)
    if not images:
        return None
    files = tuple(map(_file, images))
    source, count = str(told(photo, PHOTO_KEY) or ""), int(told(photo, FRAMES_KEY) or 0)
    return ClipFrames(photo_name(photo), source, count, images, files)


def lost_frames() -> list[ClipFrames]:
    """The clips of the open file whose first frames cannot be found."""
    clips = [clip for photo in _photos() if (clip := clip_frames(photo)) is not None]
    # An object can be in several collections and scenes.
    return list({clip.images: clip for clip in clips if not clip.are_there()}.values())


def find_frames(folder: Path) -> list[ClipFrames]:
    """Takes the frames of all clips that lost theirs from a folder.

    Args:
        folder: A result's folder, its `sequence`, one of the two folders in there, or one that holds results.

    Returns:
        Those that are found now.

    Raises:
        FramesMissingError: it holds none of them.
    """
    lost = lost_frames()
    found = []
    for clip in lost:
        place = _place_of(clip, folder, alone=len(lost) == 1)
        if place is not None:
            _take(clip, place)
            found.append(clip)
    if lost and not found:
        first = lost[0].files[0]
        raise FramesMissingError(
            f"{folder} does not hold the frames of '{lost[0].name}' ({first.parent.name}/{first.name}).",
            f"Choose the folder '{SEQUENCE_DIR}' of its result, or one above it.",
        )
    return found


def _place_of(clip: ClipFrames, folder: Path, *, alone: bool) -> Path | None:
    """Where a clip's frames are in what the user chose; all clips name their files alike."""
    for place in (folder, folder / SEQUENCE_DIR, folder.parent):
        if _holds(place, clip) and (alone or _is_of(place, clip) is not False):
            return place
    below = [place for place in _places_below(folder) if _holds(place, clip)]
    told = [_is_of(place, clip) for place in below]
    sure = [place for place, its in zip(below, told, strict=True) if its]
    unsure = [place for place, its in zip(below, told, strict=True) if its is None]
    # The same film may have been reconstructed several times.
    named = [place for place in sure or unsure if place.parent.name == clip.folder.parent.name]
    if named or sure:
        return (named or sure)[0]
    return unsure[0] if len(unsure) == 1 else None


def _holds(place: Path, clip: ClipFrames) -> bool:
    return all(_is_file(_moved_to(place, file)) for file in clip.files)


def _is_of(place: Path, clip: ClipFrames) -> bool | None:
    """Whether the result that a folder of frames is in is that of a clip; None: nothing says so."""
    try:
        record = read_record(place.parent)
        source, count = record["photo"]["source"] or record["name"], int(record["clip"]["frames"])
    except (BundleError, KeyError, TypeError, ValueError):
        return None
    return source == clip.source and clip.count in (0, count) if clip.source else None


def _take(clip: ClipFrames, place: Path) -> None:
    for image, file in zip(clip.images, clip.files, strict=True):
        set_file(image, _moved_to(place, file))
        image.reload()


def _moved_to(place: Path, file: Path) -> Path:
    return place / file.parent.name / file.name


def _places_below(folder: Path) -> Iterator[Path]:
    """`*/sequence` and `*/*/sequence`, in order."""
    results = _folders_in(folder)
    deeper = itertools.islice((below for result in results for below in _folders_in(result)), _MOST_FOLDERS)
    for result in (*results, *deeper):
        yield result / SEQUENCE_DIR


def _folders_in(folder: Path) -> list[Path]:
    """In order; none of a folder that cannot be read."""
    try:
        found = [path for path in itertools.islice(folder.iterdir(), _MOST_FOLDERS) if _is_dir(path)]
    except OSError:
        return []
    return sorted(found)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # in a folder that may not be read
        return False


def _is_dir(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _photos() -> Iterator[SceneObjects]:
    """All photos of the file, also those whose collection is in no scene, or was deleted."""
    yield from (recall(collection) for collection in bpy.data.collections if is_photo(collection))
    for scene in bpy.data.scenes:
        yield from (photo for photo in photos_in(scene) if not is_photo(photo.collection))


def _sequences(mesh: bpy.types.Object | None) -> list[bpy.types.Image]:
    """Pictures and depth of a clip, each once; not what the user put beside them."""
    images: dict[bpy.types.Image, None] = {}
    if mesh is not None:
        images |= dict.fromkeys(depth_images(mesh))
        for slot in mesh.material_slots:
            tree = slot.material.node_tree if slot.material is not None else None
            for node in tree.nodes if tree is not None else ():
                if isinstance(node, bpy.types.ShaderNodeTexImage) and node.image is not None:
                    images[node.image] = None
    return [image for image in images if image.source == "SEQUENCE" and _file(image).parent.name in _FOLDERS]


def _file(image: bpy.types.Image) -> Path:
    return Path(bpy.path.abspath(image.filepath, library=image.library))
