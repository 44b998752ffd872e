"""A photo becomes a bundle: the engine's one flow, stage by stage."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .. import reconstruction as bundle
from ..camera import Camera
from ..field.protocol import DepthField
from ..options import ReconstructOptions
from ..progress import OnFraction, Progress, silent
from ..query.grids import DepthSamples
from ..reconstruction import FLAG_VALID, Gaussians, MeshArrays, PhotoInfo, PointArrays, Reconstruction
from ..splats.files import write_splats
from ..staging import staged_folder
from . import exports
from .depth_files import DepthPrompt, read_prompt
from .depth_stage import check_disk_space, is_streamed, make_depth
from .glb import TexturedMesh, write_glb
from .meshes import PhotoMeshes, make_meshes
from .models import ModelCache
from .photo import Photo, open_photo, write_texture
from .photo_field import PhotoField, find_photo_field
from .points_stage import make_points, read_selection
from .splats_stage import SplatsModel, find_splats_model, load_splats_model, make_splats

SKY_SPLATS_DEPTH = 0.99
"""Depth of the sky's splats over that of the backdrop: seen together, neither flickers through the other."""


@dataclass
class Stages:
    """Reports progress stage by stage and keeps the time of each.

    Attributes:
        progress: Hears of it.
        timings_s: Seconds by stage.
    """

    progress: Progress
    timings_s: dict[str, float] = field(default_factory=dict)
    _now: tuple[str, float, str] = ("load", 0.0, "")

    @contextlib.contextmanager
    def stage(self, name: str, message: str = "") -> Iterator[OnFraction]:
        """One stage; yields what is to be called with the fraction done."""
        start = time.perf_counter()
        self._now = (name, 0.0, message)
        self.report(name, 0.0, message)
        yield lambda fraction: self.report(name, fraction, message)
        self.report(name, 1.0, message)
        self.timings_s[name] = self.timings_s.get(name, 0.0) + time.perf_counter() - start

    def report(self, stage: str, fraction: float, message: str = "") -> None:
        """Passes on how far the present stage has come, without steps back."""
        self._now = (stage, max(fraction, self._now[1]), message)
        self.progress(*self._now)

    def step(self, fraction: float) -> None:
        """What a field calls during a long answer: the user sees that it goes on, and can cancel."""
        self.progress(*self._now)


@dataclass(frozen=True)
class _Surface:
    """What is asked of the field once the photo has a camera and a scale."""

    photo: Photo
    found: PhotoField
    options: ReconstructOptions

    @property
    def camera(self) -> Camera:
        """The photo's camera."""
        return self.found.camera

    @property
    def field(self) -> DepthField:
        """Disparity in 1 / metres."""
        return self.found.field


def reconstruct_photo(
    photo: Path,
    folder: Path,
    options: ReconstructOptions,
    *,
    models: ModelCache | None = None,
    progress: Progress | None = None,
    field: DepthField | None = None,
) -> Reconstruction:
    """Reconstructs one photo and writes its bundle, all or nothing.

    Args:
        photo: The photo's file.
        folder: The bundle to write; an older one there stays until the new one is complete.
        options: What to make.
        models: Loaded models to share between photos; None: none yet.
        progress: Called often with stages `load`, `encode`, `depth`, `mesh`, `points`,
            `splats` and `write`; raises `Cancelled` to stop the work.
        field: Depth that is known already (tests, true depth); None: the model's.

    Returns:
        The reconstruction; its `folder` is set.

    Raises:
        PhotoError, DepthFileError, CameraFileError, ModelError, OptionsError, OutputError, Cancelled:
            nothing is left behind then.
    """
    stages = Stages(progress or silent)
    models = models or ModelCache()
    with stages.stage("load", "Opening the photo"):
        opened = open_photo(photo)
        prompt = None
        if options.depth_prompt:
            prompt = read_prompt(Path(options.depth_prompt), opened.width_px, opened.height_px, opened.stored_size_px)
        selection = read_selection(options, opened.width_px, opened.height_px, opened.stored_size_px)
        size = options.depth_size_px(opened.width_px, opened.height_px)
        check_disk_space(folder, size)
    # From here on errors of the operating system are about the output.
    notes: list[str] = []
    with staged_folder(folder, notes.append) as staging:
        result = _reconstruct_into(staging, opened, prompt, selection, options, models, field, stages)
        if is_streamed(size):
            result = None  # not every system moves files that are mapped
    if result is None:
        result = bundle.load(folder)
    result.folder = folder
    # Of this run alone: the record of the result is written by now.
    result.warnings = [*result.warnings, *notes]
    return result


def _reconstruct_into(
    staging: Path,
    opened: Photo,
    prompt: DepthPrompt | None,
    selection: NDArray[np.uint8] | None,
    options: ReconstructOptions,
    models: ModelCache,
    field: DepthField | None,
    stages: Stages,
) -> Reconstruction:
    """Asks the models, makes all parts and writes them into the bundle."""
    with stages.stage("encode", "Looking at the photo"):
        load_splats_model(options, models)
        found = find_photo_field(opened, prompt, options, models, field, stages.report, stages.step)
        splats_model = find_splats_model(options, found, models)
    result = make_parts(staging, opened, found, splats_model, selection, options, models, stages)
    bundle.write_arrays(result, staging)
    return result


def make_parts(
    staging: Path,
    opened: Photo,
    found: PhotoField,
    splats_model: SplatsModel | None,
    selection: NDArray[np.uint8] | None,
    options: ReconstructOptions,
    models: ModelCache,
    stages: Stages,
) -> Reconstruction:
    """Makes all parts of a photo and writes the files for other programs; the arrays are left to be written.

    Args:
        staging: The bundle being written.
        opened: The photo.
        found: Its depth and camera.
        splats_model: Gaussian predictor; None: splats lie on the surface.
        selection: Where points may lie, as `read_selection` gives it.
        options: What to make.
        models: Loaded models.
        stages: Hears of the progress.
    """
    size = options.depth_size_px(opened.width_px, opened.height_px)
    surface = _Surface(opened, found, options)
    camera = surface.camera
    with stages.stage("depth", "Depth map") as report:
        depth = make_depth(surface.found, size, options, staging, report)
    meshes = _meshes(surface, depth.working, stages)
    points = _points(surface, depth.working, selection, stages)
    splats = _splats(surface, depth.working, splats_model, meshes.backdrop, stages)
    with stages.stage("write", "Writing the results") as report:
        texture = write_texture(opened, staging)
        painted = {"background": meshes.background_picture, "sky_beyond": meshes.sky_picture}
        files = {
            stem: exports.write_painted(staging, stem, picture)
            for stem, picture in painted.items()
            if picture is not None
        }
        report(0.2)
        result = Reconstruction(
            name=opened.path.stem,
            photo=PhotoInfo(str(opened.path), texture, opened.width_px, opened.height_px, opened.sha256),
            camera=camera,
            depth_m=depth.samples.depth_m,
            flags=depth.samples.flags,
            normals_cam=depth.samples.normals_cam,
            confidence=depth.samples.confidence,
            mesh=meshes.mesh,
            backdrop=meshes.backdrop,
            beyond=meshes.beyond,
            sky_file=files.get("sky_beyond", ""),
            background=meshes.background,
            background_file=files.get("background", ""),
            points=points,
            splats=splats,
            scale_known=surface.found.scale_known,
            model=surface.found.model | (splats_model.record if splats_model else {}),
            options=options.to_json(),
            timings_s=stages.timings_s,
            warnings=[*opened.warnings, *surface.found.warnings, *models.take_notices()],
        )
        _write_exports(result, opened, staging, options, report)
        report(0.95)
    return result


def _meshes(surface: _Surface, depth: DepthSamples, stages: Stages) -> PhotoMeshes:
    """The mesh, the sky behind everything that is made, and what the foreground hides."""
    if not {"mesh", "glb", "points", "splats"} & set(surface.options.make):
        return PhotoMeshes()
    depths = depth.depth_m[(depth.flags & FLAG_VALID) > 0]
    farthest_m = float(depths.max()) if len(depths) else 0.0
    with stages.stage("mesh", "Mesh") as report:
        return make_meshes(surface.field, surface.camera, surface.photo, surface.options, farthest_m, report)


def _points(
    surface: _Surface, depth: DepthSamples, selection: NDArray[np.uint8] | None, stages: Stages
) -> PointArrays | None:
    """Points spread evenly over the surface."""
    if "points" not in surface.options.make:
        return None
    with stages.stage("points", "Points") as report:
        photo = surface.photo
        return make_points(
            surface.field,
            surface.camera,
            photo.pixels_srgb,
            depth,
            surface.options,
            selection,
            report,
            opaque=photo.opaque,
        )


def _splats(
    surface: _Surface, depth: DepthSamples, model: SplatsModel | None, backdrop: MeshArrays | None, stages: Stages
) -> Gaussians | None:
    """Gaussians, the sky's just in front of the backdrop."""
    if "splats" not in surface.options.make:
        return None
    with stages.stage("splats", "Gaussian splats") as report:
        sky_depth_m = None if backdrop is None else SKY_SPLATS_DEPTH * float(backdrop.vertices_cam[:, 2].min())
        return make_splats(surface.found, surface.photo, depth, surface.options, model, sky_depth_m, report)


def _write_exports(
    result: Reconstruction, photo: Photo, staging: Path, options: ReconstructOptions, report: OnFraction
) -> None:
    """Writes the files for other programs: of each part that was asked for."""
    if "depth" in options.make:
        exports.write_depth_exr(staging / "depth.exr", result.depth_m)
        report(0.4)
        exports.write_depth_png(staging / "depth.png", result.depth_m, result.flags)
        report(0.5)
    if "glb" in options.make and result.mesh is not None:
        _write_glb(result, photo, staging)
    if "mesh" in options.make and result.mesh is not None:
        texture = bundle.eight_bit_picture(staging / result.photo.file).name
        exports.write_mesh_ply(staging / "mesh.ply", result.mesh, texture)
        if result.background is not None:
            texture = bundle.eight_bit_picture(staging / result.background_file).name
            exports.write_mesh_ply(staging / "background.ply", result.background, texture)
        report(0.6)
    if result.points is not None:
        exports.write_points_ply(staging / "points.ply", result.points)
        report(0.7)
    if result.splats is not None:
        write_splats(staging / "splats.ply", result.splats, result.camera)
        report(0.9)
    if "camera" in options.make:
        exports.write_camera_json(staging / "camera.json", result.camera, scale_known=result.scale_known)


def _write_glb(result: Reconstruction, photo: Photo, staging: Path) -> None:
    """Writes all meshes with their 8-bit pictures."""
    texture = bundle.eight_bit_picture(staging / result.photo.file)
    # A photo of 16 bits is its own texture, too large for what loads a GLB.
    deep = photo.pixels_deep is not None and texture.name == result.photo.file
    front = exports.png_bytes(photo.pixels_srgb) if deep else texture.read_bytes()
    behind, sky = (
        bundle.eight_bit_picture(staging / file).read_bytes() if file else b""
        for file in (result.background_file, result.sky_file)
    )
    parts = [
        ("Mesh", result.mesh, front),
        ("Background", result.background, behind),
        ("Sky", result.backdrop, front),
        ("Sky Beyond", result.beyond, sky),
    ]
    meshes = [TexturedMesh(name, mesh, picture) for name, mesh, picture in parts if mesh is not None]
    write_glb(staging / "scene.glb", result.name, result.camera, meshes)
