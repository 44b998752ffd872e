"""Where data sets keep their photos and their true depth, and which pixels of it count.

| name | photos and depth below the folder | depth | counts |
|---|---|---|---|
| pairs | `x.png` and `x.npz`, `.npy`, `.exr`, `.h5`, `.tif` or (beside .jpg, .webp) `.png` | metres, PNG millimetres | all |
| benchmark | as pairs; the scenes that `scripts/benchmark_scenes` renders | metres | all |
| synth4k | `GAME/SCENE/*/x.png`, `GAME/SCENE/*/x.exr`; masks in `SCENE/highfreq_mask/x_highfreq_mask.png` | metres | 3 to 150 m |
| eth3d | `SCENE/images/*/x.JPG`, `SCENE/ground_truth_depth/*/x.JPG` (raw float32 of the photo's size) | metres | all |
| kitti | `DATE/DRIVE/image_02/data/x.png`, `DRIVE/proj_depth/groundtruth/image_02/x.png`; or the selection's `image/`, `groundtruth_depth/` | PNG / 256 | all |
| nyu | `SCENE/rgb_x.jpg`, `SCENE/sync_depth_x.png` | PNG / 1000 | inside of 45 rows and 60 columns |
| scannet | `SCENE/color/x.jpg`, `SCENE/depth/x.png` | PNG / 1000 | inside of 9 rows and 12 columns |
| diode | `x.png`, `x_depth.npy`, `x_depth_mask.npy` | metres | mask, 0.6 to 350 m, not at steps |
| waymo | `SCENE/*/x.png`, `SCENE/*/x.npy` (dictionary of mask and value), or side by side | metres | all |

A text file with lines `photo depth` relative to its own folder, given instead of a folder, names any other set, or some
of one that is known: masks are then found as beside a folder's depth. Names with spaces stand in quotes, or a tab parts the two.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from infinidepth_blender.engine.depth_files import read_depth_file
from infinidepth_blender.errors import DepthFileError

DatasetName = Literal["pairs", "benchmark", "synth4k", "eth3d", "kitti", "nyu", "scannet", "diode", "waymo"]
DATASETS: tuple[DatasetName, ...] = get_args(DatasetName)

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".heic")
DEPTH_SUFFIXES = (".npz", ".npy", ".exr", ".h5", ".hdf5", ".tif", ".tiff")
PHOTO_FOLDERS = ("rgb", "image", "images", "color", "colour")
"""Where photos stand; other folders may hold pictures of the same names, such as previews of depth."""
_SYNTH4K_RANGE_M = 3, 150


@dataclass(frozen=True)
class Item:
    """A photo, its true depth, and what is known beside it.

    Attributes:
        name: Path of the photo below the data set's folder.
        photo, depth: The files.
        mask: File of the pixels that count (DIODE).
        detail_mask: File of the high-frequency mask (Synth4K).
    """

    name: str
    photo: Path
    depth: Path
    mask: Path | None = None
    detail_mask: Path | None = None


class TrueDepth(NamedTuple):
    """True depth of a photo.

    Attributes:
        depth_m: (h, w) float32 metres, 0 where it does not count.
        sky: (h, w) bool, those of these pixels that are farther than what counts; None: the data set does not tell.
    """

    depth_m: NDArray[np.float32]
    sky: NDArray[np.bool_] | None


@dataclass(frozen=True)
class Dataset:
    """Items and how their depth is read.

    Attributes:
        name: Which of `DATASETS`.
        items: In order of their names.
        paper_input: (height, width) of the network's input in the paper's evaluation.
    """

    name: DatasetName
    items: tuple[Item, ...]
    paper_input: tuple[int, int]

    def truth(self, item: Item) -> TrueDepth:
        """True depth, and where the sky is.

        Raises:
            DepthFileError: the depth cannot be read.
        """
        depth = _READ.get(self.name, _plain)(item)
        counts = _COUNTS.get(self.name, _everywhere)(depth, item)
        sky = _SKY[self.name](depth) if self.name in _SKY else None
        return TrueDepth(np.where(counts, depth, 0).astype(np.float32), sky)


def open_dataset(place: Path, name: DatasetName = "pairs") -> Dataset:
    """Finds the items of a data set.

    Args:
        place: Its folder; or a text file with lines `photo depth`.
        name: Whose layout it has.

    Raises:
        FileNotFoundError: there is no item of that layout.
        DepthFileError: several pictures may be the photo of one depth.
    """
    if place.is_file():
        items = sorted(_listed(place, name), key=lambda item: item.name)
    elif place.is_dir():
        items = sorted(_FIND[name](place), key=lambda item: item.name)
    else:
        raise FileNotFoundError(f"{place} does not exist.")
    if not items:
        hint = (
            "image with a depth file beside it"
            if name in ("pairs", "benchmark")
            else f"photo with depth in the layout of {name}"
        )
        raise FileNotFoundError(f"{place} has no {hint}.")
    return Dataset(name, tuple(items), (512, 896) if name in ("synth4k", "benchmark") else (512, 672))


def _listed(file: Path, name: DatasetName) -> Iterator[Item]:
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        words = [word.strip() for word in line.split("\t")] if "\t" in line else _words(line)
        if len(words) < 2:
            raise FileNotFoundError(f"{file}, line {number}: expected a photo and its depth, separated by a space.")
        photo, depth = (file.parent / word for word in words[:2])
        if len(words) > 2 and not (photo.is_file() and depth.is_file()):
            raise FileNotFoundError(
                f"{file}, line {number}: {words[0]} or {words[1]} does not exist; put names with spaces in quotes."
            )
        yield Item(words[0], photo, depth, **_masks(name, depth))


def _words(line: str) -> list[str]:
    return [quoted or plain for quoted, plain in re.findall(r'"([^"]+)"|(\S+)', line)]


def _masks(name: DatasetName, depth: Path) -> dict[str, Path]:
    """The masks that stand beside a depth file, by their names in `Item`."""
    if name == "diode":
        found = {"mask": depth.with_name(f"{depth.stem}_mask.npy")}
    elif name == "synth4k":
        found = {"detail_mask": depth.parent.parent / "highfreq_mask" / f"{depth.stem}_highfreq_mask.png"}
    else:
        return {}
    return {kind: path for kind, path in found.items() if path.is_file()}


def _images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)


def _named(folder: Path, photo: Path, depth: Path, name: DatasetName = "pairs") -> Item:
    return Item(photo.relative_to(folder).as_posix(), photo, depth, **_masks(name, depth))


def _pairs(folder: Path) -> Iterator[Item]:
    for photo in _images(folder):
        choices = DEPTH_SUFFIXES if photo.suffix.lower() == ".png" else (*DEPTH_SUFFIXES, ".png")
        depth = next((d for suffix in choices if (d := photo.with_suffix(suffix)).is_file()), None)
        if depth is not None:
            yield _named(folder, photo, depth)


def _of_same_stem(folder: Path, suffix: str, without: Collection[Path] = ()) -> Iterator[tuple[Path, Path]]:
    """Depth files and the photo of the same stem in a folder beside theirs.

    Raises:
        DepthFileError: several pictures have it, and not one alone is in a folder of photos.
    """
    for depth in sorted(set(folder.rglob(f"*{suffix}")) - set(without)):
        scene = depth.parent.parent
        photos = [
            p for s in IMAGE_SUFFIXES for p in scene.glob(f"*/{depth.stem}{s}") if p.parent.name != "highfreq_mask"
        ]
        photos = [p for p in photos if p.parent.name.lower() in PHOTO_FOLDERS] or photos
        if len(photos) > 1:
            names = ", ".join(sorted(p.relative_to(folder).as_posix() for p in photos))
            raise DepthFileError(
                f"Several pictures may be the photo of {depth.relative_to(folder).as_posix()}: {names}.",
                "Leave one of them there, or name its folder rgb.",
            )
        if photos:
            yield photos[0], depth


def _synth4k(folder: Path) -> Iterator[Item]:
    for photo, depth in _of_same_stem(folder, ".exr"):
        yield _named(folder, photo, depth, "synth4k")


def _eth3d(folder: Path) -> Iterator[Item]:
    for depth in sorted(folder.rglob("ground_truth_depth/*/*")):
        photo = depth.parents[2] / "images" / depth.parent.name / depth.name
        if photo.is_file() and photo.suffix.lower() in IMAGE_SUFFIXES:
            yield _named(folder, photo, depth)


def _kitti(folder: Path) -> Iterator[Item]:
    for depth in sorted(folder.rglob("proj_depth/groundtruth/*/*.png")):
        camera, drive = depth.parent.name, depth.parents[3]
        dates = (drive.parent, drive.parent / drive.name[:10], folder / drive.name[:10], folder)
        photos = [date / drive.name / camera / "data" / depth.name for date in dates]
        photo = next((p for p in photos if p.is_file()), None)
        if photo is not None:
            yield _named(folder, photo, depth)
    for depth in sorted(folder.rglob("groundtruth_depth/*.png")):
        photo = depth.parents[1] / "image" / depth.name.replace("_groundtruth_depth_", "_image_")
        if photo.is_file():
            yield _named(folder, photo, depth)


def _nyu(folder: Path) -> Iterator[Item]:
    for photo in _images(folder):
        depth = photo.with_name(f"sync_depth_{photo.stem.removeprefix('rgb_')}.png")
        if photo.stem.startswith("rgb_") and depth.is_file():
            yield _named(folder, photo, depth)


def _scannet(folder: Path) -> Iterator[Item]:
    for depth in sorted(folder.rglob("depth/*.png")):
        photo = next(
            (p for s in IMAGE_SUFFIXES if (p := depth.parents[1] / "color" / f"{depth.stem}{s}").is_file()), None
        )
        if photo is not None:
            yield _named(folder, photo, depth)


def _diode(folder: Path) -> Iterator[Item]:
    for photo in _images(folder):
        depth = photo.with_name(f"{photo.stem}_depth.npy")
        if depth.is_file():
            yield _named(folder, photo, depth, "diode")


def _waymo(folder: Path) -> Iterator[Item]:
    beside = list(_pairs(folder))
    yield from beside
    for photo, depth in _of_same_stem(folder, ".npy", [item.depth for item in beside]):
        yield _named(folder, photo, depth)


def _plain(item: Item) -> NDArray[np.float32]:
    return read_depth_file(item.depth).depth_m


def _pixels(file: Path, flags: int) -> NDArray[Any] | None:
    """A picture's pixels; None where there are none to be read."""
    packed = np.fromfile(file, np.uint8)
    return cv2.imdecode(packed, flags) if packed.size else None


def _png(divisor: float) -> Callable[[Item], NDArray[np.float32]]:
    def read(item: Item) -> NDArray[np.float32]:
        values = _pixels(item.depth, cv2.IMREAD_UNCHANGED)
        if values is None or values.ndim != 2 or values.dtype != np.uint16:
            raise DepthFileError(f"{item.depth} is not a 16-bit grey PNG.", "Check the data set.")
        return values.astype(np.float32) / np.float32(divisor)

    return read


def _raw_floats(item: Item) -> NDArray[np.float32]:
    """ETH3D's ground truth: float32 without a header, as many as the photo has pixels, infinite where unknown."""
    values = np.fromfile(item.depth, "<f4")
    photo = _pixels(item.photo, cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    if photo is None or photo.shape[0] * photo.shape[1] != values.size:
        raise DepthFileError(
            f"{item.depth} does not hold one depth for each pixel of its photo.", "Check the data set."
        )
    depth = values.reshape(photo.shape[:2])
    return np.where(np.isfinite(depth) & (depth > 0), depth, 0).astype(np.float32)


def _diode_depth(item: Item) -> NDArray[np.float32]:
    depth = np.load(item.depth, allow_pickle=False)
    if depth.squeeze().ndim != 2:
        raise DepthFileError(f"{item.depth} is not one depth for each pixel.", "Check the data set.")
    return depth.squeeze().astype(np.float32)


def _everywhere(depth: NDArray[np.float32], item: Item) -> NDArray[np.bool_]:
    return depth > 0


def _between(low: float, high: float) -> Callable[[NDArray[np.float32], Item], NDArray[np.bool_]]:
    return lambda depth, item: (depth >= low) & (depth <= high)


def _inside(rows: int, columns: int) -> Callable[[NDArray[np.float32], Item], NDArray[np.bool_]]:
    def counts(depth: NDArray[np.float32], item: Item) -> NDArray[np.bool_]:
        inside = np.zeros(depth.shape, bool)
        inside[rows:-rows, columns:-columns] = True
        return inside & (depth > 0)

    return counts


def _diode_counts(depth: NDArray[np.float32], item: Item) -> NDArray[np.bool_]:
    counts = (depth >= 0.6) & (depth <= 350)
    if item.mask is not None:
        counts &= np.load(item.mask, allow_pickle=False).squeeze() > 0
    slope = np.abs(cv2.Sobel(depth, cv2.CV_32F, 1, 0, ksize=3)) + np.abs(cv2.Sobel(depth, cv2.CV_32F, 0, 1, ksize=3))
    return counts & (slope <= 0.3)


def read_detail_mask(item: Item, shape: tuple[Any, ...]) -> NDArray[np.bool_] | None:
    """The data set's own high-frequency mask, if it has one of this size."""
    if item.detail_mask is None:
        return None
    mask = _pixels(item.detail_mask, cv2.IMREAD_GRAYSCALE)
    return mask > 0 if mask is not None and mask.shape == shape else None


_FIND: dict[DatasetName, Callable[[Path], Iterator[Item]]] = {
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
_READ: dict[DatasetName, Callable[[Item], NDArray[np.float32]]] = {
    "eth3d": _raw_floats,
    "kitti": _png(256),
    "nyu": _png(1000),
    "scannet": _png(1000),
    "diode": _diode_depth,
}
_COUNTS: dict[DatasetName, Callable[[NDArray[np.float32], Item], NDArray[np.bool_]]] = {
    "synth4k": _between(*_SYNTH4K_RANGE_M),
    "nyu": _inside(45, 60),
    "scannet": _inside(9, 12),
    "diode": _diode_counts,
}
_SKY: dict[DatasetName, Callable[[NDArray[np.float32]], NDArray[np.bool_]]] = {
    "benchmark": lambda depth: depth <= 0,
    "synth4k": lambda depth: (depth <= 0) | (depth > _SYNTH4K_RANGE_M[1]),
}
