"""Which photos a command names, and which folder each of them becomes; standard library only."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from .clip_files import clip_name, is_pattern, is_photo_name, natural, source_sha256, videos_in
from .errors import InfiniDepthError, PhotoError
from .folder_names import folder_name, same_folder_key
from .small_files import json_or_empty
from .staging import ARRAYS_DIR, JSON_NAME, STAGING_SUFFIX

OWN_SUFFIX = "_infinidepth"
"""Ends the name of a bundle that lies beside its photo."""


@dataclass(frozen=True)
class BatchItem:
    """One photo, or one clip, and the bundle that it becomes.

    Attributes:
        photo: The file, or the folder with a clip's frames.
        folder: The bundle.
        below: Where the photo lies in the folder that was named: its sub-folders.
    """

    photo: Path
    folder: Path
    below: PurePath = field(default_factory=PurePath)


@dataclass(frozen=True)
class Refused:
    """Something that was named but cannot be used."""

    path: Path
    error: InfiniDepthError


def plan_batch(
    named: Sequence[Path], output: Path | None, passed_over: Collection[Path] = (), *, sequences: bool = False
) -> tuple[list[BatchItem], list[Refused]]:
    """Lists the photos in order, each once, with a folder of its own.

    With `output`, a photo becomes `output/<stem>`, and the sub-folders of a folder that
    was named are mirrored there; without, `<photo's folder>/<stem>_infinidepth`. Where
    two stems meet, or a stem meets a mirrored sub-folder, the extension is appended:
    `<stem>_jpg`, unless the photo has its result there already. A folder that holds the result of another photo is left alone: `<stem>_2`.

    Args:
        named: Files and folders.
        output: Folder for the bundles.
        passed_over: Folders whose pictures are no photos, although they lie in one that was named.
        sequences: A folder is one clip, its pictures are the frames.
    """
    found: list[tuple[Path, Path, PurePath]] = []  # the photo, where its bundle's folder lies, and its sub-folders
    refused: list[Refused] = []
    seen: set[str] = set()
    for path in named:
        # os.path and not Path: what may not be looked at counts as not there instead of raising.
        if os.path.isdir(path) and not sequences:  # noqa: PTH112
            photos = photos_in(path, passed_over)
            if not photos:
                refused.append(Refused(path, _no_photos(path)))
            inside = [(photo, photo.parent.relative_to(path)) for photo in photos]
            targets = [(photo, output / below if output else photo.parent, below) for photo, below in inside]
        elif not os.path.exists(path) and not is_pattern(path):  # noqa: PTH110
            refused.append(Refused(path, PhotoError(f"{path} does not exist.", "Check the spelling.")))
            targets = []
        else:
            targets = [(path, output or _whole(path).parent, PurePath())]
        for photo, parent, below in targets:
            key = os.path.normcase(os.path.realpath(photo))
            if key not in seen:
                seen.add(key)
                found.append((photo, parent, below))
    return _with_own_folders(found, OWN_SUFFIX if output is None else ""), refused


def photos_in(folder: Path, passed_over: Collection[Path] = ()) -> list[Path]:
    """All photos in a folder and below, in natural order; bundles, hidden files and some folders are passed over."""
    photos: list[Path] = []
    others = {os.path.realpath(other) for other in passed_over}
    for parent, folders, files in os.walk(folder):
        here = Path(parent)
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".")
            and not is_own_output(here / name)
            and os.path.realpath(here / name) not in others
        ]
        photos += [here / name for name in files if is_photo_name(name)]
    return sorted(photos, key=lambda photo: [natural(part) for part in photo.relative_to(folder).parts])


def is_own_output(folder: Path) -> bool:
    """Whether a folder is a bundle, whole or not, so that its texture is no photo to reconstruct."""
    return (
        folder.name.endswith((OWN_SUFFIX, STAGING_SUFFIX))
        or (folder / JSON_NAME).is_file()
        or ((folder / ARRAYS_DIR).is_dir() and (folder / "camera.json").is_file())
    )


def _made_of(folder: Path) -> tuple[str, str]:
    """Path and SHA-256 of the photo whose result a folder holds; empty: it holds none."""
    try:
        made_of = json_or_empty(folder / JSON_NAME)["photo"]
        return str(made_of["source"]), str(made_of["sha256"])
    except (KeyError, TypeError):
        return "", ""


def _is_of(folder: Path, photo: Path) -> bool:
    """Whether a folder holds the result of a photo that lies where this one lies."""
    source, _ = _made_of(folder)
    return bool(source) and os.path.realpath(source) == os.path.realpath(photo)


def _is_of_another(folder: Path, photo: Path) -> bool:
    """Whether a folder holds the result of another photo: of another place and of other content."""
    source, sha256 = _made_of(folder)
    if not source or not sha256 or os.path.realpath(source) == os.path.realpath(photo):
        return False
    return sha256 != source_sha256(photo)


def _no_photos(folder: Path) -> PhotoError:
    if videos := videos_in(folder):
        return PhotoError(f"{folder} holds videos and no images.", f"Name the video itself: {videos[0]}.")
    return PhotoError(f"{folder} is a folder without images.", "Name a photo or a folder with photos.")


def _with_own_folders(found: list[tuple[Path, Path, PurePath]], suffix: str) -> list[BatchItem]:
    plain = [parent / (folder_name(_stem(photo)) + suffix) for photo, parent, _ in found]
    meets = Counter(map(same_folder_key, plain))
    above = {same_folder_key(folder) for _, parent, _ in found for folder in (parent, *parent.parents)}
    items: list[BatchItem] = []
    taken: set[str] = set()
    for (photo, parent, below), folder in zip(found, plain, strict=True):
        own = same_folder_key(folder) not in taken and _is_of(folder, photo)
        if (meets[same_folder_key(folder)] > 1 and not own) or same_folder_key(folder) in above:
            kind = photo.suffix.lstrip(".") or "photo"
            folder = parent / (folder_name(f"{folder_name(_stem(photo))}_{kind}") + suffix)
        number = 2
        first = folder
        while same_folder_key(folder) in taken or _is_of_another(folder, photo):
            folder = first.with_name(f"{first.name}_{number}")
            number += 1
        taken.add(same_folder_key(folder))
        items.append(BatchItem(photo, folder, below))
    return items


def _stem(photo: Path) -> str:
    return clip_name(_whole(photo))


def _whole(path: Path) -> Path:
    """A folder under the name that it has where it lies, which `.` and `..` do not tell; files as they are named."""
    return Path(os.path.abspath(path)) if path.is_dir() else path  # noqa: PTH100
