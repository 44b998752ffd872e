"""The first pass over a clip: each frame alone, its picture and raw depth to the disk, a small copy of it to memory."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from ..bundle_record import clip_frame
from ..errors import NoSurfaceError, OptionsError, OutputError
from ..options import ReconstructOptions
from ..progress import Progress
from ..query.grids import flags_and_depth
from ..reconstruction import FLAG_SKY, FLAG_VALID, NO_DEPTH_M
from ..staging import SEQUENCE_DIR
from .clip import Clip
from .depth_stage import is_streamed
from .frame_links import SmallFrame, small_size
from .models import ModelCache
from .photo import Photo
from .photo_camera import PhotoCamera
from .photo_deep import write_linear_exr
from .photo_field import PhotoField, find_photo_field
from .pipeline import Stages
from .registry import megabytes

CAMERA_FRAMES = 9
"""Frames whose cameras are looked for; the shot has their median."""
_BYTES_PER_DEPTH, _BYTES_PER_PIXEL, _BYTES_PER_LINEAR = 8, 2, 6
"""Of a frame on disk while the clip is made: raw depth and EXR, and the picture, in linear light beside it."""


@dataclass
class Shot:
    """What was seen of a clip.

    Attributes:
        first: Its first frame that shows a surface.
        index: Which one that is, from 0: clips may fade in from black.
        small: Every frame, small.
        cameras: Cameras of some frames.
        found: What is known of the first frame's depth besides the depth itself.
    """

    first: Photo
    index: int
    small: list[SmallFrame]
    cameras: list[PhotoCamera]
    found: PhotoField


def look_at_frames(
    staging: Path,
    clip: Clip,
    options: ReconstructOptions,
    models: ModelCache,
    stages: Stages,
    note: Callable[[str], object],
) -> Shot:
    """Asks the model for each frame; pictures and raw depth go to the disk, small copies are kept.

    Raises:
        NoSurfaceError: no frame shows anything that has a depth.
        OptionsError, OutputError: the depth maps are too large, or more than the disk holds.
        PhotoError, CameraFileError, ModelError: as of a photo.
    """
    small: list[SmallFrame] = []
    cameras: list[PhotoCamera] = []
    begin: tuple[Photo, int, PhotoField] | None = None
    empty: NoSurfaceError | None = None
    apart = max(1, -(-clip.count // CAMERA_FRAMES))
    for index, photo in enumerate(clip.photos(note, lambda: stages.step(0.0))):
        total = max(clip.count, index + 1)
        stages.report("frames", index / total, f"Frame {index + 1} of {total}")
        size = options.depth_size_px(photo.width_px, photo.height_px)
        if index == 0:
            _check_size(staging, clip, photo, size)
        # Of the others the lens is not looked for: it takes as long as the depth.
        camera = cameras[-1] if cameras and index % apart else None
        try:
            found = find_photo_field(photo, None, options, models, None, _quiet(stages), stages.step, camera)
        except NoSurfaceError as error:
            found, empty = None, error
        if found is not None and camera is None:
            cameras.append(PhotoCamera(found.camera, _of_lens(found.warnings)))
        small.append(_store(staging, index + 1, photo, found, size))
        if begin is None and found is not None:
            begin = photo, index, found
    if begin is None:
        raise empty or NoSurfaceError(f"{clip.source.name} shows nothing that has a depth.", "Use another clip.")
    first, index, found = begin
    return Shot(first, index, small, cameras, found)


def _of_lens(warnings: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(text for text in warnings if "focal length" in text)


def _quiet(stages: Stages) -> Progress:
    """Stages of a single frame are none of the clip's; they only let a cancel through."""

    def pass_on(stage: str, fraction: float, message: str = "") -> None:
        stages.step(fraction)

    return pass_on


def _store(staging: Path, number: int, photo: Photo, found: PhotoField | None, size: tuple[int, int]) -> SmallFrame:
    width, height = size
    flags, depth_m = np.full((height, width), FLAG_SKY, np.uint8), np.full((height, width), NO_DEPTH_M, np.float32)
    if found is not None:
        disparity = found.field.disparity_grid(height, width).detach().float().cpu().numpy()
        sky = found.field.sky_grid(height, width).detach().float().cpu().numpy()
        flags, depth_m = flags_and_depth(disparity, sky)
    picture, _ = clip_frame(staging, number)
    Image.fromarray(photo.pixels_srgb).save(picture, quality=95, subsampling=0)
    if photo.pixels_linear is not None:
        write_linear_exr(picture.with_suffix(".exr"), photo.pixels_linear)
    # Sky and no data are told apart by sign until the frame is written.
    np.save(raw_depth(staging, number), np.where(flags & FLAG_SKY, -NO_DEPTH_M, depth_m), allow_pickle=False)
    small = small_size(photo.width_px, photo.height_px)
    valid = (flags & FLAG_VALID) > 0
    near = cv2.resize(np.where(valid, depth_m, np.nan).astype(np.float32), small, interpolation=cv2.INTER_NEAREST)
    grey = cv2.cvtColor(photo.pixels_srgb, cv2.COLOR_RGB2GRAY)
    grey = np.asarray(cv2.resize(grey, small, interpolation=cv2.INTER_AREA), np.uint8)
    return SmallFrame(np.log(near), grey)


def raw_depth(staging: Path, number: int) -> Path:
    """Where a frame's depth waits, as the model gave it; negative at the sky."""
    return staging / SEQUENCE_DIR / "depth" / f"{number:04d}.npy"


def _check_size(staging: Path, clip: Clip, photo: Photo, size: tuple[int, int]) -> None:
    """Refuses a clip for which the disk has no room, or whose depth maps are too large, before it is computed.

    Raises:
        OptionsError, OutputError: with what is needed, and what there is.
    """
    if is_streamed(size):
        raise OptionsError(
            f"Depth maps of {size[0]} x {size[1]} pixels are too large for a clip.", "Use a smaller --depth-size."
        )
    pixels = photo.width_px * photo.height_px
    bytes_per_pixel = _BYTES_PER_PIXEL + (_BYTES_PER_LINEAR if photo.pixels_linear is not None else 0)
    needed = (size[0] * size[1] * _BYTES_PER_DEPTH + pixels * bytes_per_pixel) * clip.count
    free = shutil.disk_usage(staging).free
    if needed > free:
        raise OutputError(
            f"{clip.count} depth maps of {size[0]} x {size[1]} pixels need {megabytes(needed)}; {staging.parent} has "
            f"{megabytes(free)} free.",
            "Take fewer frames (--frames, --every), a smaller --depth-size or another output folder.",
        )
