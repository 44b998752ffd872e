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

A text file with lines `photo depth` relative to its own folder, given instead of a folder, names any other set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from infinidepth_blender.engine.depth_files import read_depth_file
from infinidepth_blender.errors import DepthFileError

DatasetName = Literal["pairs", "benchmark", "synth4k", "eth3d", "kitti", "nyu", "scannet", "diode", "waymo"]
DATASETS: tuple[DatasetName, ...] = get_args(DatasetName)

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".heic")
DEPTH_SUFFIXES = (".npz", ".npy", ".exr", ".h5", ".hdf5", ".tif", ".tiff")


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

    def true_depth(self, item: Item) -> NDArray[np.float32]:
        """(h, w) metres, 0 where it does not count.

        Raises:
            DepthFileError: the depth cannot be read.
        """
        depth = _READ.get(self.name, _plain)(item)
        return np.where(_COUNTS.get(self.name, _everywhere)(depth, item), depth, 0).astype(np.float32)


def open_dataset(place: Path, name: DatasetName = "pairs") -> Dataset:
    """Finds the items of a data set.

    Args:
        place: Its folder; or a text file with lines `photo depth`.
        name: Whose layout it has.

    Raises:
        FileNotFoundError: there is no item of that layout.
    """
    if place.is_file():
        items = sorted(_listed(place), key=lambda item: item.name)
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


def _listed(file: Path) -> Iterator[Item]:
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) < 2:
            raise FileNotFoundError(f"{file}, line {number}: expected a photo and its depth, separated by a space.")
        yield Item(words[0], file.parent / words[0], file.parent / words[1])


def _images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)


def _named(folder: Path, photo: Path, depth: Path, **beside: Path | None) -> Item:
    return Item(photo.relative_to(folder).as_posix(), photo, depth, **beside)


def _pairs(folder: Path) -> Iterator[Item]:
    for photo in _images(folder):
        choices = DEPTH_SUFFIXES if photo.suffix.lower() == ".png" else (*DEPTH_SUFFIXES, ".png")
        depth = next((d for suffix in choices if (d := photo.with_suffix(suffix)).is_file()), None)
        if depth is not None:
            yield _named(folder, photo, depth)


def _of_same_stem(folder: Path, suffix: str) -> Iterator[tuple[Path, Path]]:
    """Depth files and the photo of the same stem in a folder beside theirs."""
    for depth in sorted(folder.rglob(f"*{suffix}")):
        scene = depth.parent.parent
        photos = [
            p for s in IMAGE_SUFFIXES for p in scene.glob(f"*/{depth.stem}{s}") if p.parent.name != "highfreq_mask"
        ]
        if photos:
            yield sorted(photos)[0], depth


def _synth4k(folder: Path) -> Iterator[Item]:
    for photo, depth in _of_same_stem(folder, ".exr"):
        mask = depth.parent.parent / "highfreq_mask" / f"{depth.stem}_highfreq_mask.png"
        yield _named(folder, photo, depth, detail_mask=mask if mask.is_file() else None)


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
        depth, mask = (photo.with_name(f"{photo.stem}_{part}.npy") for part in ("depth", "depth_mask"))
        if depth.is_file():
            yield _named(folder, photo, depth, mask=mask if mask.is_file() else None)


def _waymo(folder: Path) -> Iterator[Item]:
    yield from _pairs(folder)
    for photo, depth in _of_same_stem(folder, ".npy"):
        if photo.parent != depth.parent:
            yield _named(folder, photo, depth)


def _plain(item: Item) -> NDArray[np.float32]:
    return read_depth_file(item.depth).depth_m


def _png(divisor: float) -> Callable[[Item], NDArray[np.float32]]:
    def read(item: Item) -> NDArray[np.float32]:
        values = cv2.imdecode(np.fromfile(item.depth, np.uint8), cv2.IMREAD_UNCHANGED)
        if values is None or values.ndim != 2 or values.dtype != np.uint16:
            raise DepthFileError(f"{item.depth} is not a 16-bit grey PNG.", "Check the data set.")
        return values.astype(np.float32) / np.float32(divisor)

    return read


def _raw_floats(item: Item) -> NDArray[np.float32]:
    """ETH3D's ground truth: float32 without a header, as many as the photo has pixels, infinite where unknown."""
    values = np.fromfile(item.depth, "<f4")
    photo = cv2.imdecode(np.fromfile(item.photo, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
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
    mask = cv2.imdecode(np.fromfile(item.detail_mask, np.uint8), cv2.IMREAD_GRAYSCALE)
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
    "synth4k": _between(3, 150),
    "nyu": _inside(45, 60),
    "scannet": _inside(9, 12),
    "diode": _diode_counts,
}
