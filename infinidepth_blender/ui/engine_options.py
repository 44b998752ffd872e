# SPDX-License-Identifier: GPL-3.0-or-later
"""From the settings in the panels to what the engine is asked."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

import bpy

from ..engine.model_store import installed_file
from ..engine.registry import BUNDLED
from ..errors import OptionsError
from ..options import SURFACE_SPLATS, Part, ReconstructOptions
from .properties import InfiniDepthSettings

if TYPE_CHECKING:
    from .preferences import InfiniDepthPreferences


def options_of(
    settings: InfiniDepthSettings, preferences: "InfiniDepthPreferences | None" = None
) -> ReconstructOptions:
    """The settings as the engine takes them; where and how exactly it computes are preferences.

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
        points_mask=_absolute(settings.points_mask) if settings.points_mask else None,
        points_density=_absolute(settings.points_density) if settings.points_density else None,
        points_crop=tuple(settings.points_crop) if settings.points_crop[2] else None,
        points_outliers=settings.points_outliers,
        grazing_cap_deg=round(cap_deg, 4) if cap_deg < 89.999 else None,
        sky=_absolute(settings.sky_file) if settings.sky == "FILE" else settings.sky.lower(),
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
        depth_prompt=_absolute(settings.depth_prompt) if settings.depth_prompt else None,
        tilt=settings.tilt,
        known_distance=tuple(text.strip() for text in settings.known_distance.split(";") if text.strip()),
        device=preferences.device if preferences else "auto",
        precision=preferences.precision if preferences else "auto",
        seed=settings.seed,
    )


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
