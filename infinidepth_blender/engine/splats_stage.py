"""The splats of a photo: one on each pixel of a grid, or as a published Gaussian predictor sees them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..camera import Camera
from ..errors import OptionsError
from ..field.evaluation import Notify, or_on_processor
from ..field.official.field import OfficialField
from ..field.resample import nearest
from ..geometry.background import hidden_surface
from ..geometry.mesh import cut_grid, photo_rim_steps
from ..geometry.rims import rims_before_the_sky
from ..options import ReconstructOptions
from ..progress import OnFraction
from ..query.grids import SKY_THRESHOLD, DepthSamples, depth_grid, flags_and_depth
from ..reconstruction import FLAG_SKY, FLAG_VALID, Gaussians
from ..splats.hidden import hidden_splats
from ..splats.of_photo import sky_splats, splat_grid_size, splats_of_photo
from ..splats.placed import concatenate
from ..splats.predicted import network_grid, predict_splats
from ..splats.predictor import GaussianPredictor
from .inpaint import TwoDistances, inpaint_background
from .models import ModelCache
from .photo import Photo
from .photo_field import PhotoField
from .points_stage import make_points
from .sky_beyond import splats_of_sky_beyond

_POINTS_SHARE = 0.3
_DENSITY_SIDE_PX = 1024
_GRAZING_COSINE = 0.05
_DENSEST_PERCENTILE = 1.0


@dataclass(frozen=True)
class SplatsModel:
    """A Gaussian predictor and what it builds on.

    Attributes:
        predictor: The network, on its device.
        official: The answer of the depth network that belongs to it.
        record: What it is, for the result.
        notify: Called with a sentence for the user.
    """

    predictor: GaussianPredictor
    official: OfficialField
    record: dict[str, Any]
    notify: Notify


def load_splats_model(options: ReconstructOptions, models: ModelCache) -> None:
    """Loads the Gaussian predictor that the options ask for, so that a wrong file is known before long work begins.

    Raises:
        ModelError: its file cannot be used.
    """
    if options.predicts_splats:
        models.gaussian_predictor(options.splats_model, options.device)


def find_splats_model(options: ReconstructOptions, found: PhotoField, models: ModelCache) -> SplatsModel | None:
    """The Gaussian predictor that the options ask for; None: splats are placed without one.

    Raises:
        ModelError: its file cannot be used.
        OptionsError: it does not go with the depth model.
    """
    if not options.predicts_splats:
        return None
    remedy = "Set --model to the official model that it was made for, or --splats-model to surface."
    if found.official is None:
        raise OptionsError("A Gaussian predictor needs an official InfiniDepth depth model beside it.", remedy)
    predictor, record = models.gaussian_predictor(options.splats_model, options.device)
    width = found.official.dino_tokens.shape[-1]
    if predictor.token_width != width:
        raise OptionsError(
            f"This Gaussian predictor was made for depth models of width {predictor.token_width}, "
            f"and {found.model.get('name', 'the depth model')} has {width}.",
            remedy,
        )
    return SplatsModel(predictor, found.official, record, models.notify)


def make_splats(
    found: PhotoField,
    photo: Photo,
    depth: DepthSamples,
    options: ReconstructOptions,
    model: SplatsModel | None,
    sky_depth_m: float | None,
    report: OnFraction,
) -> Gaussians:
    """Makes the splats.

    Args:
        found: The photo's field and camera.
        photo: The photo.
        depth: A depth map of the field, of any size.
        options: Number of splats, seed and edge step.
        model: The Gaussian predictor; None: a splat on each pixel of a grid, coloured by the photo.
        sky_depth_m: Depth of a plane of splats for the sky; None leaves it empty.
        report: Called with the fraction done.
    """
    if model is not None:
        seen = _predicted(found, photo, depth, options, model, report)
        if sky_depth_m is None:
            return seen
        size = splat_grid_size(options.points, found.camera)
        sky = found.field.sky_grid(size[1], size[0]).cpu().numpy() > SKY_THRESHOLD
        parts = [seen, sky_splats(sky, found.camera, photo.pixels_srgb, sky_depth_m)]
        flags = np.where(sky, FLAG_SKY, nearest(depth.flags, size[1], size[0]) & FLAG_VALID).astype(np.uint8)
        depth_m = nearest(depth.depth_m, size[1], size[0])
        beyond = splats_of_sky_beyond(depth_m, flags, found.camera, photo.pixels_srgb, sky_depth_m)
        return concatenate(*parts, *([] if beyond is None else [beyond]))
    size = splat_grid_size(options.points, found.camera)
    grid = depth_grid(
        found.field,
        found.camera,
        *size,
        edge_step=options.edge_step,
        progress=lambda fraction: report(0.4 * fraction),
    )
    # Behind what has neither depth nor sky the photo goes on as well, as on the backdrop of the mesh.
    empty = (grid.flags & FLAG_VALID) == 0
    if photo.opaque is not None:
        empty &= nearest(photo.opaque, grid.flags.shape[0], grid.flags.shape[1])
    flags = np.where(empty, grid.flags | FLAG_SKY, grid.flags).astype(np.uint8)
    # Mixed pixels beside the sky go with what stands before it, else they would stay as its outline on the sky.
    rim_px = photo_rim_steps(flags.shape[1], photo.width_px)
    depth_m, taken = rims_before_the_sky(grid.depth_m, (flags & FLAG_VALID) > 0, (flags & FLAG_SKY) > 0, rim_px)
    flags[taken] = FLAG_VALID
    behind: list[Gaussians | None] = []
    if options.background != "none":
        behind.append(_hidden(grid, photo, found.camera, options.edge_step))
        if sky_depth_m is not None:
            behind.append(splats_of_sky_beyond(depth_m, flags, found.camera, photo.pixels_srgb, sky_depth_m))
    unseen = [part for part in behind if part is not None]
    return splats_of_photo(
        depth_m,
        flags,
        found.camera,
        photo.pixels_srgb,
        edge_step=options.edge_step,
        sky_depth_m=sky_depth_m,
        hidden=concatenate(*unseen) if unseen else None,
        progress=lambda fraction: report(0.4 + 0.6 * fraction),
    )


def _hidden(grid: DepthSamples, photo: Photo, camera: Camera, edge_step: float) -> Gaussians | None:
    """Splats of the surfaces behind the foreground, on the same grid as the others."""
    seen = cut_grid(grid.depth_m, grid.flags, edge_step)
    surface = hidden_surface(seen, camera)
    if surface is None or not surface.hidden.any():
        return None
    opaque = photo.opaque
    uncertain = surface.uncertain
    if opaque is not None:
        uncertain = uncertain | ~nearest(opaque, uncertain.shape[0], uncertain.shape[1])
    distances = TwoDistances(seen.disparity, np.where(surface.hidden, surface.disparity, 0))
    return hidden_splats(surface, camera, inpaint_background(photo.pixels_srgb, uncertain, distances))


def _density(depth: DepthSamples, camera: Camera) -> NDArray[np.uint8]:
    """(h, w) how densely splats lie on the surface behind the photo, 255 the most: with the area of a pixel to the -1/2.

    Half-way between one splat for each pixel and for each piece of surface. Evenly on the surface alone, near
    things would get so few that the photo's own camera sees each one; evenly in the photo
    alone, what is far or slanted falls apart when the camera moves.
    """
    step = -(-max(depth.depth_m.shape) // _DENSITY_SIDE_PX)
    depth_m, normals = depth.depth_m[::step, ::step], depth.normals_cam[::step, ::step]
    valid = (depth.flags[::step, ::step] & FLAG_VALID) != 0
    if not valid.any():
        return np.full(depth_m.shape, 255, np.uint8)
    small = camera.resized(depth_m.shape[1], depth_m.shape[0])
    x_px, y_px = np.arange(small.width_px) + 0.5, np.arange(small.height_px)[:, None] + 0.5
    rays = small.unproject(x_px, y_px, np.ones_like(depth_m))
    floor = _GRAZING_COSINE * np.linalg.norm(rays, axis=-1)
    root_area = depth_m / np.sqrt(np.maximum(np.abs(np.einsum("hwi,hwi->hw", rays, normals)), floor))
    smallest = np.percentile(root_area[valid], _DENSEST_PERCENTILE)
    return np.where(valid, np.clip(255 * smallest / root_area, 1, 255), 255).astype(np.uint8)


def _predicted(
    found: PhotoField,
    photo: Photo,
    depth: DepthSamples,
    options: ReconstructOptions,
    model: SplatsModel,
    report: OnFraction,
) -> Gaussians:
    points = make_points(
        found.field,
        found.camera,
        photo.pixels_srgb,
        depth,
        replace(options, points_outliers="keep"),
        _density(depth, found.camera),
        lambda fraction: report(_POINTS_SHARE * fraction),
        opaque=photo.opaque,
    )
    prepared, tokens = model.official.prepared, model.official.dino_tokens
    height, width = network_grid(prepared)
    disparity = found.field.disparity_grid(height, width).float().cpu().numpy()
    _, depth_m = flags_and_depth(disparity, np.asarray(found.field.sky_grid(height, width).cpu()))

    def predict() -> Gaussians:
        return predict_splats(
            model.predictor,
            prepared,
            tokens,
            depth_m,
            points,
            found.camera,
            lambda fraction: report(_POINTS_SHARE + (1 - _POINTS_SHARE) * fraction),
        )

    device = next(model.predictor.parameters()).device
    return or_on_processor(predict, device, lambda: model.predictor.to("cpu"), model.notify)
