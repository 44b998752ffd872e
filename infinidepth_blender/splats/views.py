"""Novel views: splats seen along a camera path, as images or a video. The engine imports this module."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..camera import Camera
from ..errors import BundleError, OptionsError, SplatFileError
from ..options import PathKind
from ..progress import Progress, silent
from ..reconstruction import ColorSpace, Gaussians, load
from ..srgb import decode_srgb, encode_srgb
from .files import read_splats
from .framing import stands_outside, view_from, view_from_outside
from .paths import camera_path
from .raster import LOW_PASS_PX2, project, rasterise
from .video import frame_writer, is_picture, is_video

DEFAULT_SIDE_PX = 1280
"""Longer side of the frames where no size is given and the photo is larger."""

DEFAULT_FOV_X_RAD = math.radians(60)
DEFAULT_SIZE_PX = (1280, 720)
MAX_SIDE_PX = 16_384
_DEPTH_PROBE_SIDE_PX = 160
SPREAD_PX2 = 0.7
"""Variance of a typical splat from which on one sample a pixel is enough. Smaller ones hide one another by what the
filter of a pixel adds to them."""
MAX_FINER, MAX_FINE_SIDE_PX = 4, 8192
"""How much more finely frames are drawn at most, as a factor and in pixels along the longer side."""


@dataclass(frozen=True)
class ViewSource:
    """Splats and the camera that they were made for.

    Attributes:
        gaussians: The Gaussians, in world space.
        camera: The photo's camera; None if the file names none.
        cam_to_world: (4, 4) its pose.
        color_space: Encoding of the colours.
        warnings: Sentences for the user.
    """

    gaussians: Gaussians
    camera: Camera | None
    cam_to_world: NDArray[np.float64]
    color_space: ColorSpace = "srgb"
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class RenderedViews:
    """What `render_views` made.

    Attributes:
        output: The video file or the folder of images.
        frames: Number of frames.
        width_px, height_px: Their size.
        seconds: Time that it took.
        warnings: Sentences for the user.
    """

    output: Path
    frames: int
    width_px: int
    height_px: int
    seconds: float
    warnings: tuple[str, ...]


def render_views(
    source: Path,
    output: Path,
    *,
    path_kind: PathKind = "orbit",
    frames: int = 120,
    size_px: tuple[int, int] | None = None,
    fov_deg: float | None = None,
    amplitude: float = 1.0,
    fps: float = 30.0,
    background: tuple[float, float, float] = (0.0, 0.0, 0.0),
    eye: tuple[float, float, float] | None = None,
    target: tuple[float, float, float] | None = None,
    progress: Progress | None = None,
) -> RenderedViews:
    """Renders splats along a camera path, all or nothing.

    Args:
        source: A bundle's folder or a splat file.
        output: A video file (.mp4, .mov, .avi, .webm), a folder for frame_0001.png and on, or a .png file for one frame.
        path_kind: The camera move, see `options.PathKind`.
        frames: Number of frames.
        size_px: Width and height; None: the photo's, at most `DEFAULT_SIDE_PX`. Another aspect
            than the photo's shows less of it, never a distorted picture. Videos are
            made even by leaving out a row or column.
        fov_deg: Horizontal field of view; None: the photo's.
        amplitude: Factor on the size of the move.
        fps: Frames per second of a video.
        background: sRGB colour where there is no splat, 0 to 1.
        eye: Where the camera stands, in the splats' axes (y down); None: where the file's camera does, and
            without one at the origin if that lies outside of the splats, else before them.
        target: What it looks at; None: the file's direction, and with an eye the middle of the splats.
        progress: See `Progress`; the stages are `load` and `render`.

    Raises:
        BundleError, SplatFileError: the source cannot be used.
        OptionsError: a setting is out of range.
        OutputError: the output cannot be written; nothing is left behind.
    """
    start = time.perf_counter()
    report = progress or silent
    _check(size_px, fov_deg, fps)
    video = is_video(output)
    if is_picture(output) and frames != 1:
        raise OptionsError(
            f"{output.name} is one picture and cannot hold {frames} frames.",
            "Add --frames 1 or --path still, or name a folder or a video.",
        )
    report("load", 0.0, "Reading the splats")
    scene = open_source(source)
    camera = view_camera(scene.camera, size_px, fov_deg, even=video)
    warnings = list(scene.warnings)
    if size_px is not None and size_px != (camera.width_px, camera.height_px):
        warnings.append(
            f"Frames of a video have even sides: {camera.width_px} x {camera.height_px} instead of {size_px[0]} x {size_px[1]}."
        )
    if eye is not None or target is not None:
        place = scene.cam_to_world[:3, 3] if eye is None else np.array(eye)
        scene = replace(
            scene, cam_to_world=view_from(scene.gaussians, place, None if target is None else np.array(target))
        )
    elif scene.camera is None:
        inside = not stands_outside(scene.gaussians, scene.cam_to_world)
        if inside:
            scene = replace(scene, cam_to_world=view_from_outside(scene.gaussians, camera))
        where = "from before the splats" if inside else "from the origin"
        if inside or fov_deg is None:
            warnings.append(
                f"The file names no camera: rendered with {math.degrees(camera.fov_x_rad):.0f} degrees, looking along +z {where}. "
                "Give --from and --look-at for another place."
            )
    depth_m = typical_depth_m(scene, camera, source)
    finer = samples_per_side(scene, camera)
    fine_camera = camera.resized(camera.width_px * finer, camera.height_px * finer)
    poses = camera_path(path_kind, frames, depth_m, scene.cam_to_world, amplitude)
    linear = scene.color_space == "linear"
    behind = tuple(float(v) for v in (decode_srgb(np.clip(background, 0, 1)) if linear else background))
    with frame_writer(output, camera.width_px, camera.height_px, fps) as write:
        for number, pose in enumerate(poses):
            report("render", number / len(poses), f"Frame {number + 1} of {len(poses)}")
            image = rasterise(scene.gaussians, fine_camera, pose, background=(behind[0], behind[1], behind[2]))
            seen = image.rgb.reshape(camera.height_px, finer, camera.width_px, finer, 3).mean(axis=(1, 3))
            rgb = encode_srgb(np.clip(seen, 0, 1)) if linear else seen
            write((np.clip(rgb, 0, 1) * 255 + 0.5).astype(np.uint8))
        report("render", 1.0, "Finishing")
    seconds = time.perf_counter() - start
    return RenderedViews(output, len(poses), camera.width_px, camera.height_px, seconds, tuple(warnings))


def open_source(source: Path) -> ViewSource:
    """Reads the splats of a bundle's folder or of a splat file.

    Raises:
        BundleError, SplatFileError: there are none, or they are damaged.
    """
    if source.is_dir():
        bundle = load(source)
        if bundle.splats is None or len(bundle.splats) == 0:
            raise BundleError(f"{source} holds no splats.", "Reconstruct the photo again with splats among --make.")
        return ViewSource(bundle.splats, bundle.camera, np.eye(4))
    file = read_splats(source)
    warnings = ()
    if file.dropped:
        warnings = (f"{file.dropped:,} splats of {source.name} have values that are not numbers and were left out.",)
    return ViewSource(file.gaussians, file.camera, file.cam_to_world, file.color_space, warnings)


def view_camera(
    photo: Camera | None, size_px: tuple[int, int] | None, fov_deg: float | None, *, even: bool = False
) -> Camera:
    """The camera of the frames.

    Args:
        photo: The photo's camera, if there is one.
        size_px: Width and height of the frames; None: the photo's, at most `DEFAULT_SIDE_PX`.
        fov_deg: Horizontal field of view; None: such that the photo fills the frame.
        even: Make both sides even, as videos need them.

    Raises:
        OptionsError: no lens sees that much with the photo's principal point.
    """
    if size_px is None and photo is not None:
        factor = min(1.0, DEFAULT_SIDE_PX / max(photo.width_px, photo.height_px))
        size_px = max(1, round(photo.width_px * factor)), max(1, round(photo.height_px * factor))
    width, height = size_px or DEFAULT_SIZE_PX
    if even:
        width, height = max(2, width // 2 * 2), max(2, height // 2 * 2)
    if photo is None:
        return Camera.from_fov_x(DEFAULT_FOV_X_RAD if fov_deg is None else math.radians(fov_deg), width, height)
    # The photo fills the frame: the same factor both ways, and its middle stays in the middle.
    factor = max(width / photo.width_px, height / photo.height_px)
    filled = replace(
        photo,
        width_px=width,
        height_px=height,
        fx_px=photo.fx_px * factor,
        fy_px=photo.fy_px * factor,
        cx_px=width / 2 + (photo.cx_px - photo.width_px / 2) * factor,
        cy_px=height / 2 + (photo.cy_px - photo.height_px / 2) * factor,
    )
    return filled if fov_deg is None else _zoomed(filled, math.radians(fov_deg))


def _zoomed(camera: Camera, fov_x_rad: float) -> Camera:
    """The camera with another lens: the same principal point and shape of pixels.

    tan(fov) = width fx / (fx^2 - left right). With the principal point beside the picture, `left right` is negative and
    two lenses see as much, up to a widest angle; the longer one is meant.
    """
    width, product = camera.width_px, camera.cx_px * (camera.width_px - camera.cx_px)
    across, along = math.sin(fov_x_rad), width * math.cos(fov_x_rad)
    root = along**2 + 4 * product * across**2
    fx_px = (along + math.sqrt(root)) / (2 * across) if root >= 0 else 0.0
    if fx_px < 1e-6 * width:
        widest = math.atan2(width, 2 * math.sqrt(max(-product, 0.0)))
        raise OptionsError(
            f"A field of view of {math.degrees(fov_x_rad):g} degrees is not possible: the camera's principal point is not "
            "inside the picture.",
            f"Give {(math.ceil(10 * math.degrees(widest)) - 1) / 10:g} degrees or less.",
        )
    return replace(camera, fx_px=fx_px, fy_px=camera.fy_px * fx_px / camera.fx_px)


def samples_per_side(scene: ViewSource, camera: Camera) -> int:
    """How much more finely a frame must be drawn, so that splats as small as its pixels look as they are."""
    conic = project(scene.gaussians, camera, scene.cam_to_world).conic.astype(np.float64)
    variance_px2 = 1 / np.sqrt(np.maximum(conic[:, 0] * conic[:, 2] - conic[:, 1] ** 2, 1e-12))
    typical = max(float(np.median(variance_px2)) - LOW_PASS_PX2, 1e-3)
    fits = max(1, MAX_FINE_SIDE_PX // max(camera.width_px, camera.height_px))
    return min(math.ceil(math.sqrt(SPREAD_PX2 / typical)), MAX_FINER, fits)


def typical_depth_m(scene: ViewSource, camera: Camera, source: Path) -> float:
    """Distance that camera moves are measured by: the inverse of the mean disparity of what is seen.

    How far things move in the picture goes with disparity, so a sky that is far away counts little.

    Raises:
        SplatFileError: the camera sees no splat at all.
    """
    factor = min(1.0, _DEPTH_PROBE_SIDE_PX / max(camera.width_px, camera.height_px))
    probe = camera.resized(max(1, round(camera.width_px * factor)), max(1, round(camera.height_px * factor)))
    if len(project(scene.gaussians, probe, scene.cam_to_world).index) == 0:
        raise SplatFileError(
            f"{source} has no splats in front of its camera.",
            "Give another place (--from, --look-at) or a wider field of view.",
        )
    image = rasterise(scene.gaussians, probe, scene.cam_to_world)
    seen = image.alpha > 0.5
    if not seen.any():
        seen = image.alpha >= image.alpha.max()
    return float(1 / np.mean(1 / image.depth_m[seen].astype(np.float64)))


def _check(size_px: tuple[int, int] | None, fov_deg: float | None, fps: float) -> None:
    if size_px is not None and not (min(size_px) >= 1 and max(size_px) <= MAX_SIDE_PX):
        raise OptionsError(
            f"Frames of {size_px[0]} x {size_px[1]} pixels are out of range.", f"Use 1 to {MAX_SIDE_PX} a side."
        )
    if fov_deg is not None and not 1 <= fov_deg <= 170:
        raise OptionsError(f"A field of view of {fov_deg:g} degrees cannot be rendered.", "Use 1 to 170 degrees.")
    if not 1 <= fps <= 240:
        raise OptionsError(f"{fps:g} frames per second are out of range.", "Use 1 to 240.")
