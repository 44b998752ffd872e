"""Folders of files that each belong to one photo: `--depth-prompt DIR`, `--sky DIR` and the like."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..batch import BatchItem
from ..clip_files import PHOTO_SUFFIXES, clip_name
from ..engine.depth_names import DEPTH_SUFFIXES
from ..errors import CameraFileError, DepthFileError, InfiniDepthError, OptionsError
from ..options import ReconstructOptions

_PICTURES = PHOTO_SUFFIXES - {".exr", ".hdr"}


@dataclass(frozen=True)
class _Kind:
    """Files that a photo may have.

    Attributes:
        what: What such a file is to the user.
        suffixes: Of which kinds it may be; the first is an example.
        error: What is raised where a photo's file cannot be told.
        without: What becomes of a photo that has none; empty: it cannot be made.
    """

    what: str
    suffixes: tuple[str, ...]
    error: type[InfiniDepthError]
    without: str = ""


_MASK_SUFFIXES = (".png", *sorted(_PICTURES - {".png"}))
_KINDS = {
    "depth_prompt": _Kind("depth file", DEPTH_SUFFIXES, DepthFileError),
    "camera": _Kind("camera file", (".json", ".txt", ".csv", ".dat", ".cam"), CameraFileError),
    "sky": _Kind("sky mask", _MASK_SUFFIXES, OptionsError, "its sky is found automatically"),
    "points_mask": _Kind("points mask", _MASK_SUFFIXES, OptionsError, "its points may lie everywhere"),
    "points_density": _Kind("points density", _MASK_SUFFIXES, OptionsError, "its points lie evenly"),
}


@dataclass(frozen=True)
class Partners:
    """Which file of a folder is a photo's: the one of the same name, whatever its extension.

    Attributes:
        folders: The folders, by the name of their option.
    """

    folders: dict[str, Path]
    _listed: dict[Path, dict[str, list[Path]]] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, options: ReconstructOptions) -> Partners:
        """The folders among the files that options name."""
        named = options.photo_files | ({"depth_prompt": options.depth_prompt} if options.depth_prompt else {})
        return cls({name: Path(path) for name, path in named.items() if Path(path).is_dir()})

    def without(self, options: ReconstructOptions) -> ReconstructOptions:
        """Options of a photo that has none of these files."""
        return replace(options, **{name: getattr(ReconstructOptions, name) for name in self.folders})

    def check(self, items: Sequence[BatchItem]) -> None:
        """Makes sure that each folder has something to do with the photos.

        Raises:
            OptionsError: none of its files belongs to any of them.
        """
        for name, folder in self.folders.items():
            if items and not any(self._found(name, item) for item in items):
                kind = _KINDS[name]
                raise OptionsError(
                    f"The folder {folder} holds no {kind.what} that is called like one of the photos.",
                    f"That of {items[0].photo.name} would be {items[0].below / _example(items[0], kind)} in it.",
                )

    def options_for(self, item: BatchItem, options: ReconstructOptions) -> tuple[ReconstructOptions, list[str]]:
        """The options of one photo, with its own files, and sentences for the user.

        Raises:
            DepthFileError, CameraFileError, OptionsError: the photo lacks a file that it needs, or several may be meant.
        """
        own: dict[str, str] = {}
        notes: list[str] = []
        for name in self.folders:
            kind = _KINDS[name]
            if partner := self._partner(name, item):
                own[name] = str(partner)
            elif kind.without:
                notes.append(f"There is no {kind.what} of this photo in {self._folder(name, item)}: {kind.without}.")
            else:
                raise kind.error(*self._missing(name, item))
        return replace(self.without(options), **own), notes

    def _folder(self, name: str, item: BatchItem) -> Path:
        return self.folders[name] / item.below

    def _partner(self, name: str, item: BatchItem) -> Path | None:
        found = self._found(name, item)
        if len(found) > 1:
            raise _KINDS[name].error(
                f"{item.photo.name} has more than one {_KINDS[name].what} in {self._folder(name, item)}: "
                f"{' and '.join(path.name for path in found)}.",
                "Leave one of them there.",
            )
        return found[0] if found else None

    def _missing(self, name: str, item: BatchItem) -> tuple[str, str]:
        kind, folder = _KINDS[name], self._folder(name, item)
        wanted = _example(item, kind)
        stem = _composed(clip_name(item.photo)).lower()
        like = [path for other, paths in self._files(folder).items() if other.lower() == stem for path in paths]
        near = next((path for path in like if path.suffix.lower() in kind.suffixes), None)
        remedy = f"Add one, such as {wanted}, or leave the photo out."
        if near is not None:
            remedy = f"Rename {near.name} to {clip_name(item.photo)}{near.suffix}."
        return (
            f"{item.photo.name} has no {kind.what}: {folder} holds none that is called {clip_name(item.photo)}.",
            remedy,
        )

    def _found(self, name: str, item: BatchItem) -> list[Path]:
        files = self._files(self._folder(name, item)).get(_composed(clip_name(item.photo)), [])
        suffixes = _KINDS[name].suffixes
        return [path for path in files if path.suffix.lower() in suffixes and not _is_same(path, item.photo)]

    def _files(self, folder: Path) -> dict[str, list[Path]]:
        """The files of a folder by their stems, each folder read once."""
        if folder not in self._listed:
            files: dict[str, list[Path]] = {}
            try:
                for path in sorted(folder.iterdir()) if folder.is_dir() else ():
                    if path.is_file():
                        files.setdefault(_composed(path.stem), []).append(path)
            except OSError as error:
                raise OptionsError(
                    f"The folder {folder} cannot be read: {error.strerror}.", "Choose another."
                ) from error
            self._listed[folder] = files
        return self._listed[folder]


def shared_by_all(options: ReconstructOptions, photos: int) -> list[str]:
    """Sentences about single masks that several photos get."""
    if photos <= 1:
        return []
    return [
        f"{path} is the {_KINDS[name].what} of all {photos} photos. A folder gives each its own."
        for name, path in options.photo_files.items()
        if name != "camera" and not Path(path).is_dir()
    ]


def _example(item: BatchItem, kind: _Kind) -> str:
    return clip_name(item.photo) + kind.suffixes[0]


def _composed(stem: str) -> str:
    """A name whose accents are written in one way, since disks of macOS and others differ in it."""
    return unicodedata.normalize("NFC", stem)


def _is_same(path: Path, photo: Path) -> bool:
    try:
        return path.samefile(photo)
    except OSError:
        return False
