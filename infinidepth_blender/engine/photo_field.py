"""A photo's depth field in metres and its camera: what the models say, and what is known besides."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ..camera import Camera
from ..field.official.field import OfficialField
from ..field.official.model import OfficialModel
from ..field.protocol import DepthField
from ..field.rehearsal import AskAgain
from ..hashing import sha256_if_there
from ..options import ReconstructOptions
from ..progress import OnFraction, Progress
from .companion import companion_alignment, with_estimates
from .depth_files import DepthPrompt
from .known_scale import KnownDistance, scale_by_known_distances
from .masked_field import MaskedField
from .model_store import held_sha256
from .models import ModelCache
from .photo import Photo
from .photo_camera import CameraEstimate, PhotoCamera, find_camera
from .registry import SKY_MODEL
from .scale import PromptUse, scale_to_metres
from .sky import SkyChoice, choose_sky

_LOADED, _ENCODED = 0.2, 0.9
"""How far the stage has come when a large model is loaded, and when it has looked at the photo."""


@dataclass(frozen=True)
class PhotoField:
    """A photo's depth in metres as its camera sees it, and how both became known.

    Attributes:
        field: Disparity in 1 / metres.
        camera: The photo's camera.
        scale_known: False when the median depth was set by convention.
        model: Record of what made it, for the result.
        warnings: Sentences for the user.
        official: The official network's own answer, if one was used: what a Gaussian predictor builds on.
    """

    field: DepthField
    camera: Camera
    scale_known: bool
    model: dict[str, Any]
    warnings: tuple[str, ...] = ()
    official: OfficialField | None = None


@dataclass(frozen=True)
class _Answer:
    """What the models say of a photo.

    Attributes:
        field: Of any scale.
        record: What made it.
        official: The official network's own answer.
        ask_again: Asks the network once more and tells it measured depth, if it can read that.
    """

    field: DepthField
    record: dict[str, Any]
    official: OfficialField | None = None
    ask_again: AskAgain | None = None


def find_photo_field(
    photo: Photo,
    prompt: DepthPrompt | None,
    options: ReconstructOptions,
    models: ModelCache,
    given: DepthField | None,
    progress: Progress,
    on_step: OnFraction,
    camera: PhotoCamera | None = None,
) -> PhotoField:
    """Asks the models, and brings their answer to metres.

    Args:
        photo: The photo.
        prompt: Measured depth, if there is any.
        options: Which model, and what is known of camera, scale and sky.
        models: Loaded models.
        given: Depth that is known already; None: the model's.
        progress: Hears what is being done.
        on_step: Called during all long answers of the field with the fraction done.
        camera: The photo's camera, if it is known already; None: it is found.

    Raises:
        PhotoError, DepthFileError, CameraFileError, ModelError, OptionsError.
    """
    if given is None:
        answer = _ask(photo, prompt, options, models, progress, on_step)
    else:
        answer = _Answer(given, {"name": "given depth", "sha256": ""})
    raw = answer.field
    found = camera
    if found is None:
        progress("encode", _ENCODED, "Looking for straight lines")
        tilt = getattr(raw, "pitch_rad", None), getattr(raw, "roll_rad", None)
        found = find_camera(photo, options, CameraEstimate(raw.fov_x_rad, *tilt))
    # Depth that was given knows its own sky.
    own_sky = given is not None and options.sky == "auto"
    sky = SkyChoice(raw, "given") if own_sky else choose_sky(raw, options.sky, photo.pixels_srgb, photo.stored_size_px)
    # Transparent parts of a photo have no depth.
    seen = sky.field if photo.opaque is None else MaskedField(sky.field, photo.opaque)
    scaled = scale_to_metres(
        seen,
        prompt,
        photo.width_px,
        photo.height_px,
        options.seed,
        photo.pixels_srgb,
        _prompt_use(answer.official),
        answer.ask_again,
    )
    scaled = scale_by_known_distances(
        scaled, [KnownDistance.parse(text) for text in options.known_distance], found.camera
    )
    # Measured depth may lie on transparent pixels, too.
    metric = scaled.field if photo.opaque is None else MaskedField(scaled.field, photo.opaque)
    record = answer.record | found.record | scaled.details | _sky_record(sky, options)
    record |= _prompt_record(prompt) | _files_record(options)
    warnings = (*found.warnings, *sky.warnings, *(prompt.warnings if prompt else ()), *scaled.warnings)
    return PhotoField(metric, found.camera, scaled.scale_known, record, warnings, answer.official)


def _ask(
    photo: Photo,
    prompt: DepthPrompt | None,
    options: ReconstructOptions,
    models: ModelCache,
    progress: Progress,
    on_step: OnFraction,
) -> _Answer:
    progress("encode", 0.0, "Loading the model")
    model = models.get(options.model, options.device, options.precision)
    progress("encode", _LOADED, "Looking at the photo")
    if not isinstance(model, OfficialModel):
        field = model.encode(photo.pixels_srgb)
        field.watch(on_step)
        again = partial(model.encode, photo.pixels_srgb) if model.reads_measurements else None
        return _Answer(field, dict(model.info), ask_again=again)
    official = model.encode(
        photo.pixels_srgb,
        None if prompt is None else prompt.depth_m,
        options.seed,
        lambda done: progress("encode", _LOADED + (_ENCODED - _LOADED) * done, "Looking at the photo"),
    )
    official.watch(on_step)
    # The official networks answer neither sky nor camera, and without a measurement no scale.
    bundled = models.bundled(options.device)
    companion = bundled.encode(photo.pixels_srgb)
    record = model.info | {"companion_sha256": bundled.info["sha256"]}
    if prompt is not None:
        return _Answer(with_estimates(official, companion), record, official)
    aligned = companion_alignment(official, companion, photo.width_px, photo.height_px)
    return _Answer(aligned, record | aligned.details, official)


def _prompt_use(official: OfficialField | None) -> PromptUse:
    if official is None:
        return "follow"
    # What the large networks see between measurements is finer than a local correction.
    return "check" if official.scale == "metric" else "align"


def _sky_record(sky: SkyChoice, options: ReconstructOptions) -> dict[str, Any]:
    """How the sky was found, and which network could have been asked: with another one it may be found elsewhere."""
    return {"sky": sky.method, "sky_network_sha256": held_sha256(SKY_MODEL) if options.sky == "auto" else ""}


def _prompt_record(prompt: DepthPrompt | None) -> dict[str, Any]:
    if prompt is None:
        return {}
    return {"depth_prompt": prompt.path.name, "depth_prompt_sha256": sha256_if_there(prompt.path)}


def _files_record(options: ReconstructOptions) -> dict[str, Any]:
    """Hashes of the files about the photo, so that `--resume` notices when one is painted or written anew."""
    hashes = {name: sha256_if_there(Path(path)) for name, path in options.photo_files.items()}
    return {"file_sha256": hashes} if hashes else {}
