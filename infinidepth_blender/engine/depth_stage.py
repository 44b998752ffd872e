"""The depth map of a photo: in memory, or, where it is large, written to disk strip by strip."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..bundle_record import array_path
from ..errors import OutputError
from ..options import MAX_DEPTH_SIDE_PX, ReconstructOptions
from ..progress import OnFraction
from ..query.grids import DepthSamples, depth_grid, depth_strips
from ..reconstruction import GRID_FILES, ArrayFile
from .photo_field import PhotoField

IN_MEMORY_PIXELS = 1 << 25
"""Larger maps go to the disk."""
DISK_BYTES_PER_PIXEL = 26
"""Of the arrays, and of the EXR file where it hardly shrinks."""


@dataclass(frozen=True)
class PhotoDepth:
    """The depth map that was asked for, and one to work with.

    Attributes:
        samples: The depth map; where it is large, mapped from the bundle's files.
        working: The same, or a smaller one that fits into memory: points and splats are placed with it.
    """

    samples: DepthSamples
    working: DepthSamples


def is_streamed(size_px: tuple[int, int]) -> bool:
    """Whether a depth map of this width and height is written strip by strip."""
    return size_px[0] * size_px[1] > IN_MEMORY_PIXELS


def check_disk_space(folder: Path, size_px: tuple[int, int]) -> None:
    """Refuses a large depth map for which the disk has no room, before it is computed.

    Raises:
        OutputError: with what is needed and what is free.
    """
    needed = size_px[0] * size_px[1] * DISK_BYTES_PER_PIXEL
    there = next((parent for parent in (folder, *folder.parents) if parent.exists()), None)
    if there is None or not is_streamed(size_px):
        return
    free = shutil.disk_usage(there).free
    if needed > free:
        raise OutputError(
            f"A depth map of {size_px[0]} x {size_px[1]} pixels needs {needed / 1e9:.1f} GB; {there} has {free / 1e9:.1f} GB free.",
            "Use a smaller depth size or another output folder.",
        )


def make_depth(
    found: PhotoField,
    size_px: tuple[int, int],
    options: ReconstructOptions,
    staging: Path,
    report: OnFraction,
) -> PhotoDepth:
    """Asks the field for the depth map.

    Args:
        found: The photo's field and camera.
        size_px: Width and height of the depth map.
        options: Edge step, and what else is to be made.
        staging: The bundle being written.
        report: Called with the fraction done.
    """
    field, camera, width, height = found.field, found.camera, *size_px
    if not is_streamed(size_px):
        samples = depth_grid(field, camera, width, height, edge_step=options.edge_step, progress=report)
        return PhotoDepth(samples, samples)
    needs_working = bool({"points", "splats"} & set(options.make))
    share = 0.9 if needs_working else 1.0
    shapes = {"depth": (np.float32, ()), "flags": (np.uint8, ()), "normal": (np.float32, (3,)), "confidence": (np.float32, ())}  # fmt: skip
    with contextlib.ExitStack() as opened:  # closes all of them, also when one cannot be made or finished
        files: dict[str, ArrayFile] = {}
        for stem, (dtype, rest) in shapes.items():
            files[stem] = ArrayFile(array_path(staging, stem), (height, width, *rest), dtype)
            opened.callback(files[stem].close)
        strips = depth_strips(
            field, camera, width, height, edge_step=options.edge_step, progress=lambda done: report(share * done)
        )
        for _, strip in strips:
            for stem, file in files.items():
                file.append(getattr(strip, GRID_FILES[stem]))
    samples = DepthSamples(**{GRID_FILES[stem]: np.load(file.path, mmap_mode="r") for stem, file in files.items()})
    if not needs_working:
        return PhotoDepth(samples, samples)
    shrink = MAX_DEPTH_SIDE_PX / max(size_px)
    small = max(1, round(width * shrink)), max(1, round(height * shrink))
    working = depth_grid(
        field, camera, *small, edge_step=options.edge_step, progress=lambda done: report(share + (1 - share) * done)
    )
    return PhotoDepth(samples, working)
