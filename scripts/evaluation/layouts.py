"""Finds the photos and the depth files of each data set in its folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from infinidepth_blender.errors import DepthFileError

from .items import DEPTH_SUFFIXES, IMAGE_SUFFIXES, DatasetName, Item

PHOTO_FOLDERS = ("rgb", "image", "images", "color", "colour")
"""Where photos stand; other folders may hold pictures of the same names, such as previews of depth."""
_NO_PHOTOS = "highfreq_mask"


class _Pictures:
    """Pictures by folder and stem, each folder read once; suffixes in capitals are the same suffixes."""

    def __init__(self) -> None:
        self._stems: dict[Path, dict[str, list[Path]]] = {}
        self._folders: dict[Path, list[Path]] = {}

    def of(self, folder: Path, stem: str) -> list[Path]:
        """The pictures of a stem in a folder, those of the first suffix first."""
        if folder not in self._stems:
            found = self._stems[folder] = {}
            for path in sorted(folder.iterdir(), key=_rank) if folder.is_dir() else ():
                if _is_image(path):
                    found.setdefault(path.stem, []).append(path)
        return self._stems[folder].get(stem, [])

    def below(self, folder: Path, stem: str) -> list[Path]:
        """The pictures of a stem in the folders inside of one."""
        if folder not in self._folders:
            self._folders[folder] = sorted(path for path in folder.iterdir() if path.is_dir())
        return [path for inner in self._folders[folder] if inner.name != _NO_PHOTOS for path in self.of(inner, stem)]


def find_items(name: DatasetName, folder: Path) -> Iterator[Item]:
    """Every photo with depth in the layout of a data set, in any order.

    Raises:
        DepthFileError: several pictures may be the photo of one depth.
    """
    for photo, depth in _FIND[name](folder):
        yield Item(photo.relative_to(folder).as_posix(), photo, depth, **masks(name, depth))


def masks(name: DatasetName, depth: Path) -> dict[str, Path]:
    """The masks that stand beside a depth file, by their names in `Item`."""
    if name == "diode":
        found = {"mask": depth.with_name(f"{depth.stem}_mask.npy")}
    elif name == "synth4k":
        found = {"detail_mask": depth.parent.parent / _NO_PHOTOS / f"{depth.stem}_highfreq_mask.png"}
    else:
        return {}
    return {kind: path for kind, path in found.items() if path.is_file()}


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES


def _rank(path: Path) -> tuple[int, Path]:
    return (IMAGE_SUFFIXES.index(path.suffix.lower()) if _is_image(path) else len(IMAGE_SUFFIXES)), path


def _images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if _is_image(path))


def _pairs(folder: Path) -> Iterator[tuple[Path, Path]]:
    for photo in _images(folder):
        choices = DEPTH_SUFFIXES if photo.suffix.lower() == ".png" else (*DEPTH_SUFFIXES, ".png")
        depth = next((d for suffix in choices if (d := photo.with_suffix(suffix)).is_file()), None)
        if depth is not None:
            yield photo, depth


def _of_same_stem(folder: Path, suffix: str, without: Collection[Path] = ()) -> Iterator[tuple[Path, Path]]:
    """Depth files and the photo of the same stem in a folder beside theirs.

    Raises:
        DepthFileError: several pictures have it, and not one alone is in a folder of photos.
    """
    pictures = _Pictures()
    for depth in sorted({path for path in folder.rglob("*") if path.suffix.lower() == suffix} - set(without)):
        photos = pictures.below(depth.parent.parent, depth.stem)
        photos = [p for p in photos if p.parent.name.lower() in PHOTO_FOLDERS] or photos
        if len(photos) > 1:
            names = ", ".join(sorted(p.relative_to(folder).as_posix() for p in photos))
            raise DepthFileError(
                f"Several pictures may be the photo of {depth.relative_to(folder).as_posix()}: {names}.",
                "Leave one of them there, or name its folder rgb.",
            )
        if photos:
            yield photos[0], depth


def _synth4k(folder: Path) -> Iterator[tuple[Path, Path]]:
    yield from _of_same_stem(folder, ".exr")


def _eth3d(folder: Path) -> Iterator[tuple[Path, Path]]:
    pictures, found = _Pictures(), set()
    for depth in sorted(folder.rglob("ground_truth_depth/*/*")):
        known_kind = depth.suffix.lower() in DEPTH_SUFFIXES
        photos = pictures.of(depth.parents[2] / "images" / depth.parent.name, depth.stem)
        photo = next((p for p in photos if known_kind or p.name == depth.name), None)
        if photo is not None and photo not in found:
            found.add(photo)
            yield photo, depth
    for photo, depth in _pairs(folder):
        if photo not in found and depth.suffix.lower() in DEPTH_SUFFIXES:
            yield photo, depth


def _kitti(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Depth and photos unpack into trees of their own: what joins them is the drive, the camera and the number."""
    photos: dict[tuple[str, str, str], Path] = {}
    depths: list[Path] = []
    for place in _folders(folder):
        if place.name == "data" and len(place.parts) > 2:
            for path in sorted((p for p in place.iterdir() if _is_image(p)), key=_rank):
                photos.setdefault((place.parents[1].name, place.parent.name, path.stem), path)
        elif place.parts[-3:-1] == ("proj_depth", "groundtruth"):
            depths += place.glob("*.png")
    for depth in sorted(depths):
        photo = photos.get((depth.parents[3].name, depth.parent.name, depth.stem))
        if photo is not None:
            yield photo, depth
    pictures = _Pictures()
    for depth in sorted(folder.rglob("groundtruth_depth/*.png")):
        stem = depth.stem.replace("_groundtruth_depth_", "_image_")
        for photo in pictures.of(depth.parents[1] / "image", stem)[:1]:
            yield photo, depth


def _folders(folder: Path) -> Iterator[Path]:
    """A folder and all below it, through links as well, each once."""
    seen: set[str] = set()
    for place, inner, _ in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            inner.clear()  # a link that leads back
            continue
        seen.add(real)
        inner.sort()
        yield Path(place)


def _nyu(folder: Path) -> Iterator[tuple[Path, Path]]:
    for photo in _images(folder):
        depth = photo.with_name(f"sync_depth_{photo.stem.removeprefix('rgb_')}.png")
        if photo.stem.startswith("rgb_") and depth.is_file():
            yield photo, depth


def _scannet(folder: Path) -> Iterator[tuple[Path, Path]]:
    pictures = _Pictures()
    for depth in sorted(folder.rglob("depth/*.png")):
        for photo in pictures.of(depth.parents[1] / "color", depth.stem)[:1]:
            yield photo, depth


def _diode(folder: Path) -> Iterator[tuple[Path, Path]]:
    for photo in _images(folder):
        depth = photo.with_name(f"{photo.stem}_depth.npy")
        if depth.is_file():
            yield photo, depth


def _waymo(folder: Path) -> Iterator[tuple[Path, Path]]:
    beside = list(_pairs(folder))
    yield from beside
    yield from _of_same_stem(folder, ".npy", [depth for _, depth in beside])


_FIND: dict[DatasetName, Callable[[Path], Iterator[tuple[Path, Path]]]] = {
    "pairs": _pairs,
    "benchmark": _pairs,
    "synth4k": _synth4k,
    "eth3d": _eth3d,
    "kitti": _kitti,
    "nyu": _nyu,
    "scannet": _scannet,
    "diode": _diode,
    "waymo": _waymo,
}
