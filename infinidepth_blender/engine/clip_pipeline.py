"""A clip becomes a bundle: depth of every frame, steady over the shot, and the scene of the first frame."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .. import reconstruction as bundle
from ..bundle_record import CUT_NOTE, clip_frame
from ..camera import Camera
from ..clip_files import CLIP_SURFACE_SIDE, FrameRange
from ..errors import OptionsError
from ..field.grid import GridField
from ..known_distance import KnownDistance
from ..options import ReconstructOptions
from ..progress import OnFraction, Progress, silent
from ..reconstruction import FLAG_SKY, FLAG_VALID, NO_DEPTH_M, ClipInfo, Reconstruction
from ..splats.video import frame_writer
from ..staging import SEQUENCE_DIR, refuse_foreign_sequence, staged_folder
from . import exports
from .clip import Clip, open_clip
from .clip_look import Shot, look_at_frames, raw_depth
from .frame_links import SmallFrame
from .known_scale import check_inside, scale_by_known_distances
from .models import ModelCache
from .photo_camera import PhotoCamera
from .pipeline import Stages, make_parts
from .points_stage import read_selection
from .scale import MEDIAN_DEPTH_M, UNKNOWN_SCALE, ScaledField
from .steady import Steadied, steady

PREVIEW_SIDE_PX = 1280
_USUAL_FPS = 24.0
_SLOWEST_FPS, _FASTEST_FPS = 1.0, 120.0
"""Of the video of the depth: its kind knows no others."""
_DIGITS = 4
_LENSES_APART = 1.15
_UNKNOWN_SCALE = (
    "The scale of the shot is unknown: its median depth was set to 5 m. Give --known-distance, in its first frame, to "
    "measure it."
)


def reconstruct_clip(
    source: Path,
    folder: Path,
    options: ReconstructOptions,
    *,
    models: ModelCache | None = None,
    progress: Progress | None = None,
) -> Reconstruction:
    """Reconstructs a video, or the frames of one shot, and writes its bundle, all or nothing.

    The bundle is that of the first frame, and its folder `sequence` holds picture and depth of every
    frame, of one lens and one scale.

    Args:
        source: The video, the folder, or the pattern of the frames.
        folder: The bundle to write; an older one there stays until the new one is complete.
        options: What to make.
        models: Loaded models to share; None: none yet.
        progress: As for a photo, with the stages `frames` and `steady` beside.

    Returns:
        The reconstruction; its `folder` is set.

    Raises:
        PhotoError, CameraFileError, ModelError, OptionsError, OutputError, Cancelled: nothing is left behind then.
    """
    _refuse_measurements(options)
    stages = Stages(progress or silent)
    models = models or ModelCache()
    with stages.stage("load", "Opening the clip"):
        clip = open_clip(source, FrameRange.parse(options.frames, options.every))
        # What would fail at the end fails before the minutes that the frames take.
        first = next(clip.photos(skip=lambda: stages.step(0.0)))
        selection = read_selection(options, first.width_px, first.height_px, first.stored_size_px)
        for text in options.known_distance:
            check_inside(KnownDistance.parse(text), first.width_px, first.height_px)
    notes: list[str] = []
    with staged_folder(folder, notes.append) as staging:
        refuse_foreign_sequence(folder)
        result = _reconstruct_into(staging, clip, selection, options, models, stages)
    result.folder = folder
    result.warnings = [*result.warnings, *notes]
    return result


def _refuse_measurements(options: ReconstructOptions) -> None:
    """Stops at what belongs to a single photo.

    Raises:
        OptionsError: there is something of the kind.
    """
    for given, what in (
        (options.depth_prompt, "A depth file"),
        (options.predicts_splats, "A Gaussian predictor"),
    ):
        if given:
            raise OptionsError(
                f"{what} is for a single photo, not for a clip.", "Leave it out, or reconstruct one frame."
            )


def _reconstruct_into(
    staging: Path,
    clip: Clip,
    selection: NDArray[np.uint8] | None,
    options: ReconstructOptions,
    models: ModelCache,
    stages: Stages,
) -> Reconstruction:
    sequence, asked = staging / SEQUENCE_DIR, options
    for name in ("frames", "depth"):
        (sequence / name).mkdir(parents=True)
    said = clip.notes()
    with stages.stage("frames", "Looking at the frames"):
        shot = look_at_frames(staging, clip, replace(options, known_distance=()), models, stages, said.append)
    with stages.stage("steady", "Comparing the frames") as report:
        camera = _median_camera(shot.cameras)
        keep_scale = shot.found.scale_known
        steadied = steady(shot.small, camera.camera, keep_scale=keep_scale, report=report)
        if not keep_scale:
            steadied = _with_median(steadied, shot.small)
        scale = _scale_of(staging, shot.index, steadied, keep_scale, options, camera.camera)
        steadied = replace(steadied, level=steadied.level + scale.shift)
    size = options.depth_size_px(shot.first.width_px, shot.first.height_px)
    with stages.stage("depth", "Depth maps") as report:
        written = _write_depth(staging, clip, shot, steadied, size, report)
    found = replace(
        shot.found,
        field=_first_field(written.first_m, written.first_sky),
        camera=camera.camera,
        scale_known=scale.known,
        model=_record(shot.found.model, steadied) | camera.record | scale.record,
        warnings=_warnings(shot, camera, clip, steadied, (*said, *scale.warnings)),
        official=None,
    )
    if options.mesh_size == ReconstructOptions.mesh_size:
        options = replace(options, mesh_size=min(CLIP_SURFACE_SIDE, max(shot.first.width_px, shot.first.height_px)))
    result = make_parts(staging, shot.first, found, None, selection, options, models, stages)
    result.options = asked.to_json()
    result.name = clip.name
    result.photo = replace(result.photo, source=str(clip.source.absolute()), sha256=clip.sha256)
    cuts = tuple(frame + 1 for frame in steadied.cuts)
    result.clip = ClipInfo(
        len(shot.small), clip.first_frame, clip.fps, cuts, written.range_m, shot.first.pixels_linear is not None
    )
    bundle.write_arrays(result, staging)
    return result


# -- second pass: the frames together ---------------------------------------------------


def _median_camera(cameras: list[PhotoCamera]) -> PhotoCamera:
    """The camera of the shot: the middle of what its frames say."""
    middle = sorted(cameras, key=lambda each: each.camera.fx_px)[len(cameras) // 2]
    tilts = [each.camera for each in cameras if each.camera.pitch_rad is not None and each.camera.roll_rad is not None]
    camera: Camera = middle.camera
    if tilts:
        camera = replace(
            camera,
            pitch_rad=float(np.median([each.pitch_rad for each in tilts if each.pitch_rad is not None])),
            roll_rad=float(np.median([each.roll_rad for each in tilts if each.roll_rad is not None])),
        )
    return PhotoCamera(camera, middle.warnings, {"camera_frames": len(cameras)})


def _with_median(steadied: Steadied, small: list[SmallFrame]) -> Steadied:
    """The median depth of the whole shot where convention wants that of a photo."""
    medians = [
        gain * (float(np.nanmedian(frame.log_depth)) - pivot) + level
        for frame, gain, pivot, level in zip(small, steadied.gain, steadied.pivot, steadied.level, strict=True)
        if np.isfinite(frame.log_depth).any()
    ]
    shift = math.log(MEDIAN_DEPTH_M) - float(np.median(medians)) if medians else 0.0
    return replace(steadied, level=steadied.level + shift)


@dataclass(frozen=True)
class _Scale:
    """What brings a shot to metres.

    Attributes:
        known: Whether they are metres.
        shift: What is added to log depth for it.
        record: For the record of the result.
        warnings: Sentences for the user.
    """

    known: bool
    shift: float = 0.0
    record: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def _scale_of(
    staging: Path, index: int, steadied: Steadied, known: bool, options: ReconstructOptions, camera: Camera
) -> _Scale:
    """The scale that distances in the first frame give the whole shot.

    Raises:
        OptionsError: a pixel lies outside of the picture, or on the sky.
    """
    if not options.known_distance:
        return _Scale(known, warnings=() if known else (_UNKNOWN_SCALE,))
    told = np.load(raw_depth(staging, index + 1), allow_pickle=False)
    first = _first_field(steadied.apply(index, np.abs(told)), told < 0)
    distances = [KnownDistance.parse(text) for text in options.known_distance]
    scaled = scale_by_known_distances(ScaledField(first, known, {}), distances, camera)
    shift = math.log(scaled.details["known_distance_factor"])
    return _Scale(True, shift, scaled.details, scaled.warnings)


def _first_field(depth_m: NDArray[np.float32], sky: NDArray[np.bool_]) -> GridField:
    """The first frame's depth as the field that its parts are made of."""
    return GridField(np.where(depth_m < NO_DEPTH_M, depth_m, np.nan), sky)


@dataclass(frozen=True)
class _Written:
    """What was written of the depth.

    Attributes:
        first_m, first_sky: (h, w) depth and sky of the first frame that shows a surface.
        range_m: Nearest and farthest depth of all frames.
    """

    first_m: NDArray[np.float32]
    first_sky: NDArray[np.bool_]
    range_m: tuple[float, float]


def _write_depth(
    staging: Path,
    clip: Clip,
    shot: Shot,
    steadied: Steadied,
    size: tuple[int, int],
    report: OnFraction,
) -> _Written:
    """Writes the steady depth of all frames and a video of them."""
    count = len(shot.small)
    log_range = _log_range(shot.small, steadied)
    shrink = min(1.0, PREVIEW_SIDE_PX / max(size))
    width, height = (max(2, 2 * round(side * shrink / 2)) for side in size)
    fps = round(min(max(clip.fps or _USUAL_FPS, _SLOWEST_FPS), _FASTEST_FPS), 2)
    near_m, far_m = math.inf, 0.0
    first: tuple[NDArray[np.float32], NDArray[np.bool_]] | None = None
    with frame_writer(staging / SEQUENCE_DIR / "depth.mp4", width, height, fps) as write:
        for index in range(count):
            raw = raw_depth(staging, index + 1)
            told = np.load(raw, allow_pickle=False)
            sky = told < 0
            depth_m = steadied.apply(index, np.abs(told))
            exports.write_depth_exr(clip_frame(staging, index + 1)[1], depth_m)
            raw.unlink()
            valid = depth_m < NO_DEPTH_M
            if valid.any():
                near_m, far_m = min(near_m, float(depth_m[valid].min())), max(far_m, float(depth_m[valid].max()))
            flags = (np.where(valid, FLAG_VALID, 0) + np.where(sky, FLAG_SKY, 0)).astype(np.uint8)
            picture = exports.color_depth(depth_m, flags, log_range)
            write(np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8))
            if index == shot.index:
                first = depth_m, sky
            report((index + 1) / count)
    assert first is not None  # there is a frame
    return _Written(*first, (near_m, far_m) if far_m else (MEDIAN_DEPTH_M, MEDIAN_DEPTH_M))


def _log_range(small: list[SmallFrame], steadied: Steadied) -> tuple[float, float]:
    """Logarithms of the nearest and the farthest depth of the shot."""
    values = [
        (gain * (frame.log_depth[::4, ::4] - pivot) + level).ravel()
        for frame, gain, pivot, level in zip(small, steadied.gain, steadied.pivot, steadied.level, strict=True)
    ]
    all_of_them = np.concatenate(values)
    all_of_them = all_of_them[np.isfinite(all_of_them)]
    if not len(all_of_them):
        return 0.0, 1.0
    near, far = np.percentile(all_of_them, [0.5, 99.5])
    return float(near), float(far)


def _record(of_first: dict[str, Any], steadied: Steadied) -> dict[str, Any]:
    """What made the depth; what is true of the first frame alone is left out."""
    record = {key: value for key, value in of_first.items() if not key.startswith(("disparity_", "camera_line"))}
    record["gain_range"] = [round(float(side(steadied.gain)), _DIGITS) for side in (np.min, np.max)]
    for name in ("flicker_before", "flicker_after", "jumps_before", "jumps_after"):
        value = getattr(steadied, name)
        if math.isfinite(value):
            record[name] = round(value, _DIGITS)
    return record


def _warnings(
    shot: Shot, camera: PhotoCamera, clip: Clip, steadied: Steadied, more: tuple[str, ...]
) -> tuple[str, ...]:
    """What the user should know of the shot; of several frames' lenses only the shot's own is true."""
    of_lenses = {text for each in shot.cameras for text in each.warnings}
    of_frames = [text for text in shot.found.warnings if text not in of_lenses and text != UNKNOWN_SCALE]
    said = [*more, *(text.replace("The photo does", "The clip does") for text in camera.warnings), *of_frames]
    widths = sorted(math.degrees(each.camera.fov_x_rad) for each in shot.cameras)
    if camera.warnings and widths[-1] > _LENSES_APART * widths[0]:
        said.append(
            f"The frames disagree about the lens: {widths[0]:.0f} to {widths[-1]:.0f} degrees. All have the middle one."
        )
    if steadied.cuts:
        begins = [0, *steadied.cuts]
        ends = [*(cut - 1 for cut in steadied.cuts), len(shot.small) - 1]
        shots = [f"--frames {clip.number_of(a)}-{clip.number_of(b)}" for a, b in zip(begins, ends, strict=True)]
        said.append(
            f"{CUT_NOTE} {clip.number_of(steadied.cuts[0])}: depth keeps its scale within each shot "
            f"alone, and one lens was taken for all. Reconstruct the shots by themselves: {', '.join(shots[:4])}"
            f"{' and so on' if len(shots) > 4 else ''}."
        )
    return tuple(dict.fromkeys(said))
