"""Where the frames of clips in the open file lie, and where they are after somebody moved them.

The .blend file holds no frames. Without them Blender shows its magenta, and the surface is flat.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import bpy

from ..errors import FramesMissingError
from ..staging import SEQUENCE_DIR
from .clip import FRAMES_KEY, depth_images, set_file
from .saved import parts_of

_FOLDERS = ("frames", "depth")


@dataclass(frozen=True)
class LostFrames:
    """A clip some of whose frames are not there.

    Attributes:
        name: The clip's.
        images: All its sequences.
        folder: Where they should be.
    """

    name: str
    images: tuple[bpy.types.Image, ...]
    folder: Path

    def error(self) -> FramesMissingError:
        """What the user is told."""
        return FramesMissingError(
            f"The frames of '{self.name}' are not in {self.folder}.",
            "Put the folder back beside the file, or say where it is now.",
        )


def lost_frames() -> list[LostFrames]:
    """The clips of the open file whose first frames cannot be found; those of linked files belong there."""
    found = []
    for collection in bpy.data.collections:
        if collection.library is not None or FRAMES_KEY not in collection:
            continue
        images = tuple(image for image in _sequences(collection) if image.library is None)
        gone = [path for image in images if not (path := _file(image)).is_file()]
        if gone:
            found.append(LostFrames(collection.name, images, gone[0].parents[1]))
    return found


def find_frames(folder: Path) -> list[LostFrames]:
    """Takes the frames of all clips that lost theirs from a folder.

    Args:
        folder: A result's folder, its `sequence`, or one of the two folders in there.

    Returns:
        Those that are found now.

    Raises:
        FramesMissingError: it holds none of them.
    """
    lost = lost_frames()
    found = [clip for clip in lost if _take_from(clip, folder)]
    if lost and not found:
        first = _file(lost[0].images[0])
        raise FramesMissingError(
            f"{folder} does not hold the frames of '{lost[0].name}' ({first.parent.name}/{first.name}).",
            f"Choose the folder '{SEQUENCE_DIR}' of its result.",
        )
    return found


def _take_from(clip: LostFrames, folder: Path) -> bool:
    for place in (folder, folder / SEQUENCE_DIR, folder.parent):
        files = [place / path.parent.name / path.name for path in map(_file, clip.images)]
        if all(file.is_file() for file in files):
            for image, file in zip(clip.images, files, strict=True):
                set_file(image, file)
                image.reload()
            return True
    return False


def _sequences(collection: bpy.types.Collection) -> list[bpy.types.Image]:
    """Pictures and depth of a clip, each once; not what the user put beside them."""
    images: dict[bpy.types.Image, None] = {}
    mesh = parts_of(collection).get("Mesh")
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
