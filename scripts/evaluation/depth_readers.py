"""How each data set's depth is read, and which pixels of it count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from infinidepth_blender.engine.depth_files import read_depth_file
from infinidepth_blender.errors import DepthFileError

from .items import DEPTH_SUFFIXES, DatasetName, Item, TrueDepth

_SYNTH4K_RANGE_M = 3, 150

BORDERS_PX: dict[DatasetName, tuple[int, int]] = {"nyu": (45, 60), "scannet": (9, 12)}
"""Rows and columns at every side of the depth map that the data sets' evaluations leave out."""


def read_truth(name: DatasetName, item: Item) -> TrueDepth:
    """All that a data set knows of a photo's depth.

    Raises:
        DepthFileError: a file of it cannot be read.
    """
    depth = _READ.get(name, _plain)(item)
    counts = _COUNTS.get(name, _everywhere)(depth, item)
    sky = _SKY[name](depth) if name in _SKY else None
    detail = read_detail_mask(item, depth.shape)
    return TrueDepth(np.where(counts, depth, 0).astype(np.float32), sky, detail, _measured(name, item))


def read_detail_mask(item: Item, shape: tuple[Any, ...]) -> NDArray[np.bool_] | None:
    """The data set's own high-frequency mask, if it has one of this size."""
    if item.detail_mask is None:
        return None
    mask = _pixels(item.detail_mask, cv2.IMREAD_GRAYSCALE)
    return mask > 0 if mask is not None and mask.shape == shape else None


def _measured(name: DatasetName, item: Item) -> NDArray[np.float32] | None:
    if item.prompt is None:
        return None
    there = replace(item, depth=item.prompt)
    own = _plain if item.prompt.suffix.lower() in DEPTH_SUFFIXES else _READ.get(name, _plain)
    return own(there)


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


def _eth3d(item: Item) -> NDArray[np.float32]:
    """Float32 without a header, as many as the photo has pixels, infinite where unknown; or a file of a known kind.

    The kind is not told by `.png`: the data set calls its bare numbers as it calls the photo.
    """
    if item.depth.suffix.lower() in DEPTH_SUFFIXES:
        return _plain(item)
    values = np.fromfile(item.depth, "<f4")
    photo = _pixels(item.photo, cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    if photo is None or photo.shape[0] * photo.shape[1] != values.size:
        raise DepthFileError(
            f"{item.depth} does not hold one depth for each pixel of its photo.", "Check the data set."
        )
    depth = values.reshape(photo.shape[:2])
    return np.where(np.isfinite(depth) & (depth > 0), depth, 0).astype(np.float32)


def _diode(item: Item) -> NDArray[np.float32]:
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


_READ: dict[DatasetName, Callable[[Item], NDArray[np.float32]]] = {
    "eth3d": _eth3d,
    "kitti": _png(256),
    "nyu": _png(1000),
    "scannet": _png(1000),
    "diode": _diode,
}
_COUNTS: dict[DatasetName, Callable[[NDArray[np.float32], Item], NDArray[np.bool_]]] = {
    "synth4k": _between(*_SYNTH4K_RANGE_M),
    **{name: _inside(*border) for name, border in BORDERS_PX.items()},
    "diode": _diode_counts,
}
_SKY: dict[DatasetName, Callable[[NDArray[np.float32]], NDArray[np.bool_]]] = {
    "benchmark": lambda depth: depth <= 0,
    "synth4k": lambda depth: (depth <= 0) | (depth > _SYNTH4K_RANGE_M[1]),
}
