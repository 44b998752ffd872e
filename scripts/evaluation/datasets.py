"""Where data sets keep their photos and their true depth, and which pixels of it count.

| name | photos and depth below the folder | depth | counts |
|---|---|---|---|
| pairs | `x.png` and `x.npz`, `.npy`, `.exr`, `.h5`, `.tif` or (beside .jpg, .webp) `.png` | metres, PNG millimetres | all |
| benchmark | as pairs; the scenes that `scripts/benchmark_scenes` renders | metres | all |
| synth4k | `GAME/SCENE/*/x.png`, `GAME/SCENE/*/x.exr`; masks in `SCENE/highfreq_mask/x_highfreq_mask.png` | metres | 3 to 150 m |
| eth3d | `SCENE/images/*/x.JPG`, `SCENE/ground_truth_depth/*/x.JPG` (raw float32 of the photo's size); or `x.npz` and so on, there or beside the photo | metres | all |
| kitti | `DRIVE/image_02/data/x.png`, `DRIVE/proj_depth/groundtruth/image_02/x.png`, anywhere below the folder; or the selection's `image/`, `groundtruth_depth/` | PNG / 256 | all |
| nyu | `SCENE/rgb_x.jpg`, `SCENE/sync_depth_x.png` | PNG / 1000 | inside of 45 rows and 60 columns |
| scannet | `SCENE/color/x.jpg`, `SCENE/depth/x.png` | PNG / 1000 | inside of 9 rows and 12 columns |
| diode | `x.png`, `x_depth.npy`, `x_depth_mask.npy` | metres | mask, 0.6 to 350 m, not at steps |
| waymo | `SCENE/*/x.png`, `SCENE/*/x.npy` (dictionary of mask and value), or side by side | metres | all |

Photos may have any suffix of `IMAGE_SUFFIXES`, in capitals as well.

A text file with lines `photo depth` relative to its own folder, given instead of a folder, names any other set, or some
of one that is known: masks are then found as beside a folder's depth. A third name is a file of measured depth of the
photo, of the same kinds, from which `--prompt-points` draws instead of from the truth; numbers that follow (focal
lengths, as some published lists have) are not needed. Names with spaces stand in quotes, or a tab parts them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .depth_readers import BORDERS_PX, read_truth
from .items import DatasetName, Item, TrueDepth
from .layouts import find_items, masks


@dataclass(frozen=True)
class Dataset:
    """Items and how their depth is read.

    Attributes:
        name: Which of `DATASETS`.
        items: In order of their names.
    """

    name: DatasetName
    items: tuple[Item, ...]

    @property
    def fine(self) -> bool:
        """Whether the truth is rendered at 4K and keeps its size in the paper's evaluation."""
        return self.name in ("synth4k", "benchmark")

    @property
    def paper_input(self) -> tuple[int, int]:
        """(height, width) of the network's input in the paper's evaluation."""
        return (512, 896) if self.fine else (512, 672)

    @property
    def border_px(self) -> tuple[int, int]:
        """Rows and columns of the depth map that count on no side."""
        return BORDERS_PX.get(self.name, (0, 0))

    def truth(self, item: Item) -> TrueDepth:
        """True depth, and where the sky is.

        Raises:
            DepthFileError: the depth cannot be read.
        """
        return read_truth(self.name, item)


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
        items = sorted(find_items(name, place), key=lambda item: item.name)
    else:
        raise FileNotFoundError(f"{place} does not exist.")
    if not items:
        hint = (
            "image with a depth file beside it"
            if name in ("pairs", "benchmark")
            else f"photo with depth in the layout of {name}"
        )
        raise FileNotFoundError(f"{place} has no {hint}.")
    return Dataset(name, tuple(items))


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
        measured = [file.parent / word for word in words[2:] if word and not _is_number(word)]
        if len(measured) > 1 or not all(path.is_file() for path in measured):
            raise FileNotFoundError(
                f"{file}, line {number}: after photo and depth only one file of measured depth may follow, "
                f"and {' '.join(words[2:])} is none; put names with spaces in quotes."
            )
        yield Item(words[0], photo, depth, **masks(name, depth), prompt=measured[0] if measured else None)


def _words(line: str) -> list[str]:
    return [quoted or plain for quoted, plain in re.findall(r'"([^"]+)"|(\S+)', line)]


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
