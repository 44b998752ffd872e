"""What an item of a data set is: a photo, its true depth, and what stands beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

DatasetName = Literal["pairs", "benchmark", "synth4k", "eth3d", "kitti", "nyu", "scannet", "diode", "waymo"]
DATASETS: tuple[DatasetName, ...] = get_args(DatasetName)

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".heic")
DEPTH_SUFFIXES = (".npz", ".npy", ".exr", ".h5", ".hdf5", ".tif", ".tiff")
"""Of files that are depth in metres in every data set."""


@dataclass(frozen=True)
class Item:
    """A photo, its true depth, and what is known beside it.

    Attributes:
        name: Path of the photo below the data set's folder.
        photo, depth: The files.
        mask: File of the pixels that count (DIODE).
        detail_mask: File of the high-frequency mask (Synth4K).
        prompt: File of measured depth, from which points are drawn (third column of a list).
    """

    name: str
    photo: Path
    depth: Path
    mask: Path | None = None
    detail_mask: Path | None = None
    prompt: Path | None = None


class TrueDepth(NamedTuple):
    """True depth of a photo.

    Attributes:
        depth_m: (h, w) float32 metres, 0 where it does not count.
        sky: (h, w) bool, those of these pixels that are farther than what counts; None: the data set does not tell.
        detail: (h, w) bool, the data set's own high-frequency mask; None: it has none of this size.
        measured_m: (any height, any width) float32 metres of the whole photo, 0 where nothing was measured: what
            points are drawn from; None: from the truth.
    """

    depth_m: NDArray[np.float32]
    sky: NDArray[np.bool_] | None
    detail: NDArray[np.bool_] | None = None
    measured_m: NDArray[np.float32] | None = None
