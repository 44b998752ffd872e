# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the extension lives: its id, its preferences and its folder for the user's data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import bpy

if TYPE_CHECKING:
    from .preferences import InfiniDepthPreferences

ADDON_ID = __package__.rpartition(".")[0] if __package__ else ""
"""`bl_ext.<repository>.infinidepth_blender` in Blender."""


def preferences(context: bpy.types.Context | None = None) -> InfiniDepthPreferences | None:
    """The add-on's preferences; None while it is not enabled as an add-on."""
    addon = (context or bpy.context).preferences.addons.get(ADDON_ID)
    return addon.preferences if addon else None  # pyright: ignore[reportReturnType]


def older_engine_dirs() -> tuple[Path, ...]:
    """Where earlier versions installed the engine; it now lies outside Blender's folders, in `user_data_dir`.

    Blender copies its folder of one version to that of the next, and on Windows their paths leave no room.
    """
    return (user_dir(),)


def user_dir() -> Path:
    """The extension's own folder of the user's, which goes with the extension.

    It is resolved at use, because the user can move it, and made only by those who write into it.
    """
    try:
        return Path(bpy.utils.extension_path_user(ADDON_ID))
    except ValueError:  # run from a source folder, not installed as an extension
        return Path(bpy.utils.user_resource("DATAFILES", path="infinidepth_blender"))


def redraw() -> None:
    """Redraws the panels, wherever they are shown."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in {"VIEW_3D", "IMAGE_EDITOR", "PREFERENCES"}:
                area.tag_redraw()
