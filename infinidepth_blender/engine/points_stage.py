"""The points of a photo: where they may lie, and the cloud, part by part in bounded memory."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..camera import Camera
from ..errors import OptionsError
from ..field.protocol import DepthField
from ..field.resample import nearest
from ..geometry.outliers import without_outliers
from ..geometry.points import build_points
from ..options import ReconstructOptions
from ..progress import OnFraction
from ..query.grids import DepthSamples
from ..query.sampling import FAR_CAP, sample_in_chunks
from ..reconstruction import PointArrays
from .mask_files import read_painted


def read_selection(
    options: ReconstructOptions, width_px: int, height_px: int, stored_size_px: tuple[int, int] | None = None
) -> NDArray[np.uint8] | None:
    """Mask, crop and density of the points as one map.

    Args:
        options: What was asked.
        width_px, height_px: Size of the upright photo.
        stored_size_px: As a photo has it.

    Returns:
        (height_px, width_px) uint8, 255 where points lie as densely as anywhere, 0 where none
        may lie; None: no restriction.

    Raises:
        OptionsError: a file cannot be used, or nothing of the photo is left.
    """
    selection: NDArray[np.uint8] | None = None
    chosen: list[str] = []
    for path, what, hard in (
        (options.points_mask, "points mask", True),
        (options.points_density, "points density", False),
    ):
        if path is None:
            continue
        painted = read_painted(Path(path), width_px, height_px, what, hard=hard, stored_size_px=stored_size_px)
        chosen.append(f"the {what} {Path(path).name}")
        selection = painted if selection is None else np.where(selection > 0, painted, np.uint8(0))
    if options.points_crop is not None:
        x, y, width, height = options.points_crop
        if x >= width_px or y >= height_px:
            raise OptionsError(
                f"The crop begins at {x}, {y}, outside the photo of {width_px} x {height_px} pixels.",
                "Give x, y, width and height in pixels of the upright photo.",
            )
        chosen.append("the crop")
        inside = np.zeros((height_px, width_px), bool)
        inside[y : y + height, x : x + width] = True
        selection = np.where(inside, 255 if selection is None else selection, 0).astype(np.uint8)
    if selection is not None and not selection.any():
        raise OptionsError(
            f"No part of the photo is left for points by {' and '.join(chosen)}.", "Paint white where points may lie."
        )
    return selection


def make_points(
    field: DepthField,
    camera: Camera,
    photo_srgb: NDArray[np.uint8],
    depth: DepthSamples,
    options: ReconstructOptions,
    selection: NDArray[np.uint8] | None,
    progress: OnFraction,
    *,
    opaque: NDArray[np.bool_] | None = None,
) -> PointArrays:
    """Spreads points over the surface and colours them.

    Args:
        field: Its disparity is 1 / metres.
        camera: Camera at the photo's size.
        photo_srgb: (H, W, 3) uint8.
        depth: A depth map of the field, of any size.
        options: Their number, seed and caps.
        selection: As `read_selection` gives it.
        progress: Called with the fraction done.
        opaque: (H, W) where the photo is not cut out; None: all of it.

    Raises:
        OptionsError: there is no surface where points may lie.
    """
    remove = options.points_outliers == "remove"
    sampling_share = 0.7 if remove else 1.0
    points: PointArrays | None = None
    parts = sample_in_chunks(
        field,
        camera,
        options.points,
        seed=options.seed,
        edge_step=options.edge_step,
        grid=depth,
        grazing_cap_deg=options.grazing_cap_deg,
        far_cap=None if options.grazing_cap_deg is None else FAR_CAP,
        density=_visible(selection, opaque),
        progress=lambda fraction: progress(sampling_share * fraction),
    )
    for start, samples in parts:
        part = build_points(
            samples.coords_yx,
            samples.depth_m,
            samples.normals_cam,
            samples.area_m2,
            samples.confidence,
            camera,
            photo_srgb,
        )
        points = points or _room_for(options.points, part)
        for f in fields(PointArrays):
            getattr(points, f.name)[start : start + len(samples)] = getattr(part, f.name)
    if points is None:
        raise OptionsError(
            "There is no surface where points may lie: only sky, or parts without depth.",
            "Choose another part of the photo, or switch the sky off.",
        )
    if not remove:
        return points
    keep = without_outliers(
        points.positions_cam, progress=lambda fraction: progress(sampling_share + (1 - sampling_share) * fraction)
    )
    return PointArrays(*(getattr(points, f.name)[keep] for f in fields(PointArrays)))


def _visible(selection: NDArray[np.uint8] | None, opaque: NDArray[np.bool_] | None) -> NDArray[np.uint8] | None:
    """A selection without what is cut out of the photo: pixels of a grid may be larger than such holes."""
    if opaque is None:
        return selection
    if selection is None:
        return np.where(opaque, np.uint8(255), np.uint8(0))
    return np.where(nearest(opaque, selection.shape[0], selection.shape[1]), selection, np.uint8(0))


def _room_for(count: int, like: PointArrays) -> PointArrays:
    """Arrays for `count` points, of the same kinds as those of other points."""

    def room(array: Any) -> Any:
        return np.empty((count, *array.shape[1:]), array.dtype)

    return PointArrays(*(room(getattr(like, f.name)) for f in fields(PointArrays)))
