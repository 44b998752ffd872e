# SPDX-License-Identifier: GPL-3.0-or-later
"""Where results of files lie that were never saved: among the user's documents, not in the extension's folder.

Blender removes the extension's folder with the extension. Earlier versions kept results there: they are moved
out of it as soon as the extension is enabled, and scenes that name the old place are told the new one.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

import bpy
from bpy.app.handlers import persistent

from ..scene.saved import BUNDLE_KEY
from ..small_files import json_or_empty, write_json
from ..staging import STAGING_SUFFIX, discard, staging_of
from ..user_folders import documents_dir, user_data_dir
from . import addon

_FOLDER = "InfiniDepth"
_RESULTS = "results"
_MOVED_NAME = "moved_results.json"
"""In the user's data folder: where results were, and where they are now."""


def unsaved_results_dir() -> Path:
    """The folder for results of files that were never saved: `InfiniDepth` in the user's documents.

    Where there are no documents, or they may not be written, it is the user's folder for the data of programs.
    """
    documents = documents_dir()
    if documents is not None:
        with contextlib.suppress(OSError):
            (documents / _FOLDER).mkdir(exist_ok=True)
            # Nothing but a file tells: what Windows says of a folder is whether it is marked as read-only.
            # Not one of `tempfile`, which on Windows takes a refusal for a name in use and goes on trying for hours.
            probe = documents / _FOLDER / f".{secrets.token_hex(8)}"
            probe.open("xb").close()
            probe.unlink()
            return documents / _FOLDER
    return user_data_dir() / _RESULTS


def move_out_of_extension() -> None:
    """Moves results out of the extension's folder; what cannot be moved now stays, and is tried again the next time."""
    old = addon.user_dir() / _RESULTS
    with contextlib.suppress(OSError):
        for item in sorted(old.iterdir()):
            if not item.name.endswith(STAGING_SUFFIX):
                _move_out(item)
        old.rmdir()


def follow_moved_results() -> None:
    """Tells the photos and pictures of the open file where their results are now."""
    moved = _moved()
    if not moved:
        return
    for item in (*bpy.data.collections, *bpy.data.objects):
        path = str(item.get(BUNDLE_KEY) or "")
        if path and item.library is None and (now := _now_at(path, moved)):
            item[BUNDLE_KEY] = now
    for image in bpy.data.images:
        loose = image.filepath and image.library is None and image.packed_file is None
        if loose and (now := _now_at(bpy.path.abspath(image.filepath), moved)):
            image.filepath = now


def _move_out(item: Path) -> None:
    staging = staging_of(item)
    discard(staging)
    if staging.exists():
        return  # somebody is just writing there
    # Renaming is one step, but reaches no other drive; both places outlive the extension.
    for home in (unsaved_results_dir(), user_data_dir() / _RESULTS):
        with contextlib.suppress(OSError):
            home.mkdir(parents=True, exist_ok=True)
            target, number = home / item.name, 1
            while os.path.lexists(target):
                target = home / f"{item.name}.{number:03d}"
                number += 1
            item.rename(target)
            _note(item, target)
            return


def _note(old: Path, new: Path) -> None:
    write_json(user_data_dir() / _MOVED_NAME, _moved() | {os.path.normcase(old): str(new)})


def _moved() -> dict[str, str]:
    return json_or_empty(user_data_dir() / _MOVED_NAME)


def _now_at(path: str, moved: dict[str, str]) -> str:
    """Where something is that was in a result that was moved; empty: elsewhere, or still there."""
    place = Path(path)
    for folder in (place, *place.parents):
        new = moved.get(os.path.normcase(folder))
        if new and not os.path.lexists(place):
            return str(Path(new) / place.relative_to(folder))
    return ""


@persistent
def _on_load(*_args: object) -> None:
    follow_moved_results()


def register() -> None:
    """Brings results into safety, and scenes that are opened to them."""
    move_out_of_extension()
    bpy.app.handlers.load_post.append(_on_load)
    # The file that is open may not be looked at while add-ons are enabled.
    bpy.app.timers.register(follow_moved_results, first_interval=0)


def unregister() -> None:
    """Takes the handlers away."""
    if bpy.app.timers.is_registered(follow_moved_results):
        bpy.app.timers.unregister(follow_moved_results)
    bpy.app.handlers.load_post.remove(_on_load)
