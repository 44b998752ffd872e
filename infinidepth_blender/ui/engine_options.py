# SPDX-License-Identifier: GPL-3.0-or-later
"""From the settings in the panels to what the engine is asked."""

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import bpy

from ..bundled import BUNDLED
from ..clip_files import frame_files, frame_numbers, is_pattern
from ..engine.model_store import installed_file
from ..errors import OptionsError
from ..one_photo import refuse_for_several
from ..options import SURFACE_SPLATS, Part, ReconstructOptions
from . import photo_settings
from .properties import InfiniDepthSettings

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from .preferences import InfiniDepthPreferences


def options_of_each(
    settings: InfiniDepthSettings, preferences: "InfiniDepthPreferences | None", photos: "Sequence[str]"
) -> list[tuple[ReconstructOptions, str]]:
    """What each of a job's photos is made with, and what the user should know of settings that mean one photo; empty: nothing.

    Args:
        settings: The panel's.
        preferences: Where and how exactly the engine computes.
        photos: What the photos are known by, see `photo_settings.photo_key`.

    Raises:
        OptionsError: as `options_of`, and where a measurement that was set for no photo in particular would count for several.
        ModelError: as `options_of`.
    """
    of_none = photo_settings.set_for_no_photo(settings)
    of_one = set(photo_settings.given(settings)) - set(of_none)
    refuse_for_several(options_of(settings, preferences, without=of_one), len(photos))
    each = []
    for photo in photos:
        others = photo_settings.of_another(settings, photo)
        options = options_of(settings, preferences, without=others)
        notes = [photo_settings.left_out_note(others)] if others else []
        if of_none and len(photos) > 1:
            notes.append(f"Used for all {len(photos)} photos: {photo_settings.in_words(of_none)}.")
        each.append((options, " ".join(notes)))
    return each


def options_of(
    settings: InfiniDepthSettings,
    preferences: "InfiniDepthPreferences | None" = None,
    without: "Collection[str]" = (),
) -> ReconstructOptions:
    """The settings as the engine takes them; where and how exactly it computes are preferences.

    Args:
        settings: The panel's.
        preferences: The add-on's.
        without: Settings of one photo that do not count here, by the names of their properties.

    Not a method: Blender 4.2 never lets go of a property group with methods, and crashes at exit.

    Raises:
        OptionsError: nothing is to be made, or a setting contradicts another one.
        ModelError: the chosen model is not downloaded, or its file is damaged.
    """
    if not settings.make:
        raise OptionsError("Nothing is to be made of the photo.", "Switch on Mesh, Points or Splats.")
    if settings.lens == "FILE" and not settings.camera_file:
        raise OptionsError("No camera file is chosen.", "Choose one, or set Lens to Automatic.")
    if settings.model == "FILE" and not settings.model_file:
        raise OptionsError("No checkpoint file is chosen.", "Choose one, or use the bundled model.")
    if settings.model != "BUNDLED" and settings.splats_model == "FILE" and not settings.splats_model_file:
        raise OptionsError("No checkpoint file for the splats is chosen.", "Choose one, or set Splats to Surface.")
    if settings.sky == "FILE" and not settings.sky_file:
        raise OptionsError("No sky mask is chosen.", "Choose one, or set Sky to Automatic.")
    counts = set(photo_settings.given(settings)) - set(without)
    cap_deg = math.degrees(settings.grazing_cap_rad)
    parts: tuple[Part, ...] = ("mesh", "points", "splats")
    return ReconstructOptions(
        make=("depth", "camera", *(part for part in parts if part in settings.make)),
        model=_model(settings),
        splats_model=_splats_model(settings),
        depth_size={
            "PHOTO": "photo",
            "HALF": "0.5x",
            "DOUBLE": "2x",
            "CUSTOM": f"{settings.depth_width_px}x{settings.depth_height_px}",
        }[settings.depth_size],
        points=settings.points,
        points_mask=_absolute(settings.points_mask) if "points_mask" in counts else None,
        points_density=_absolute(settings.points_density) if "points_density" in counts else None,
        points_crop=tuple(settings.points_crop) if "points_crop" in counts else None,
        points_outliers=settings.points_outliers,
        grazing_cap_deg=round(cap_deg, 4) if cap_deg < 89.999 else None,
        sky=_sky(settings, counts),
        mesh_size=settings.mesh_size,
        mesh=settings.mesh,
        mesh_error=round(settings.mesh_error, 7),
        mesh_error_px=round(settings.mesh_error_px, 5) or None,
        mesh_faces=settings.mesh_faces,
        solid=round(settings.solid, 6) if settings.use_solid else None,
        background=settings.background,
        edge_step=round(settings.edge_step, 6),  # Blender keeps 32-bit floats: 0.04 comes back as 0.0399999991
        fov_deg=round(math.degrees(settings.fov_rad), 4) if settings.lens == "FOV" else None,
        focal_px=round(settings.focal_px, 3) if settings.lens == "FOCAL" else None,
        camera=_absolute(settings.camera_file) if settings.lens == "FILE" else None,
        depth_prompt=_absolute(settings.depth_prompt) if "depth_prompt" in counts else None,
        tilt=settings.tilt,
        known_distance=_known_distances(settings) if "known_distance" in counts else (),
        device=preferences.device if preferences else "auto",
        precision=preferences.precision if preferences else "auto",
        seed=settings.seed,
    )


def with_frames(options: ReconstructOptions, settings: InfiniDepthSettings, clip: Path) -> ReconstructOptions:
    """The options of a clip: those of a photo, and which frames.

    Args:
        options: Those of a photo.
        settings: The panel's, which count from the clip's first frame.
        clip: The movie, or the pattern of the frames, whose files may have other numbers.

    Raises:
        OptionsError: the settings name no frame.
    """
    first, last = settings.clip_first, settings.clip_last or None
    if (first, last) == (1, None):
        return replace(options, frames=None, every=settings.clip_every)
    if last is not None and last < first:
        raise OptionsError(f"The frames from {first} to {last} are none.", "Set To to a later frame, or to 0.")
    if is_pattern(clip):
        files = frame_files(clip)
        if first > len(files):
            raise OptionsError(
                f"The clip has {len(files)} frames, and none from {first} on.", "Set From to an earlier one."
            )
        if numbers := frame_numbers(files):
            first, last = numbers[first - 1], None if last is None else numbers[min(last, len(numbers)) - 1]
    return replace(options, frames=f"{first}-{'' if last is None else last}", every=settings.clip_every)


def _sky(settings: InfiniDepthSettings, counts: set[str]) -> str:
    if "sky_file" in counts:
        return _absolute(settings.sky_file)
    return "off" if settings.sky == "OFF" else "auto"


def _known_distances(settings: InfiniDepthSettings) -> tuple[str, ...]:
    return tuple(text.strip() for text in settings.known_distance.split(";") if text.strip())


def _model(settings: InfiniDepthSettings) -> str:
    if settings.model == "BUNDLED":
        return BUNDLED
    return _absolute(settings.model_file) if settings.model == "FILE" else str(installed_file(settings.model))


def _splats_model(settings: InfiniDepthSettings) -> str:
    # The panel offers no network for splats beside the bundled model, which has none.
    if settings.model == "BUNDLED" or settings.splats_model == "SURFACE":
        return SURFACE_SPLATS
    if settings.splats_model == "FILE":
        return _absolute(settings.splats_model_file)
    return str(installed_file(settings.splats_model))


def _absolute(path: str) -> str:
    return str(Path(bpy.path.abspath(path)))
