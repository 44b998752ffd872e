"""`scene.blend` of a bundle, in which somebody may have worked since it was written; standard library only."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from .hashing import sha256_if_there, sha256_of
from .small_files import json_or_empty, write_json

SCENE_NAME = "scene.blend"
_RECORD = Path("arrays", "scene_blend.json")
"""In the bundle: SHA-256 of the scene as it was written. Among what a user has no reason to touch, and it comes and goes
with it; not in `reconstruction.json`, which is not written twice."""


def remember_scene(bundle: Path, scene: Path) -> None:
    """Notes the content of a scene that was just written for a bundle; without a note it counts as a user's."""
    with contextlib.suppress(OSError):
        write_json(bundle / _RECORD, {"sha256": sha256_of(scene)})


def is_as_written(bundle: Path, scene: Path) -> bool:
    """Whether a scene, whatever it is called now, has the content that was noted in the bundle."""
    noted = json_or_empty(bundle / _RECORD).get("sha256")
    return bool(noted) and noted == sha256_if_there(scene)


def set_scene_aside(bundle: Path) -> Path | None:
    """Renames the scene by a single step, to a name that nothing has; None: there is none.

    Raises:
        OSError: it cannot be renamed.
    """
    scene = bundle / SCENE_NAME
    if not scene.exists():
        return None
    aside, number = bundle / "scene_edited.blend", 2
    while os.path.lexists(aside):
        aside = bundle / f"scene_edited_{number}.blend"
        number += 1
    scene.replace(aside)
    return aside


def kept_note(scene: Path) -> str:
    """What the user is told of a scene that was set aside."""
    return f"{SCENE_NAME} may hold your work: it is kept as {scene.name}."
