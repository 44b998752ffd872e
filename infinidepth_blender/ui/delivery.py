# SPDX-License-Identifier: GPL-3.0-or-later
"""A finished bundle comes into the scene."""

import uuid
from collections.abc import Collection, Iterable
from pathlib import Path

import bpy

from ..bundle_record import CUT_NOTE
from ..reconstruction import Reconstruction, load
from ..scene.build import SceneOptions, build_scene
from ..scene.earlier import Earlier, hide_earlier
from ..scene.match import match_scene_to_photo
from ..scene.objects import SceneObjects
from ..scene.obstacles import around_camera
from ..scene.saved import JOB_KEY, photo_name, remember_job
from .session import Delivered, session

_SHOW_AGAIN = "click one of its objects in the Outliner and press Mesh, Points or Splats"


def put_into_scene(
    context: bpy.types.Context,
    scene: bpy.types.Scene,
    bundle: Path,
    seconds: float = 0.0,
    warnings: tuple[str, ...] = (),
    of_the_job: Collection[int] = (),
) -> SceneObjects:
    """Builds a bundle's objects, selects what is shown, and tells the panels.

    Args:
        context: The operator's context.
        scene: Where the objects go.
        bundle: The bundle's folder.
        seconds: How long the engine took; 0: unknown.
        warnings: What the user should know.
        of_the_job: Session UIDs of the collections that the same job made before: they stand in the same place.

    Raises:
        BundleError: the bundle is missing or damaged; the scene is as it was.
    """
    settings = scene.infinidepth  # pyright: ignore[reportAttributeAccessIssue]
    reconstruction = load(bundle)
    options = SceneOptions(show=settings.show, photo_mode=settings.photo_mode)
    objects = build_scene(reconstruction, options, scene=scene)
    remember_job(objects, _job_of(of_the_job))
    notes = match_scene_to_photo(objects, scene) if settings.match_scene else []
    notes += _notes(hide_earlier(objects, scene, of_the_job))
    _select(context, scene, objects)
    notes += around_camera(scene, objects)
    said = [_in_scene_frames(text, reconstruction) for text in (*warnings, *reconstruction.warnings)]
    tell(scene, objects, _summary(reconstruction, seconds), [*said, *notes], reconstruction.name)
    return objects


def _in_scene_frames(text: str, rec: Reconstruction) -> str:
    """The note about cuts as it is for the panel, which counts frames otherwise than the command line."""
    if rec.clip is None or not rec.clip.cuts or not text.startswith(CUT_NOTE):
        return text
    return (
        f"{CUT_NOTE} {rec.clip.cuts[0]} of the scene: depth keeps its scale within each shot alone, and one lens was taken for "
        "all. Reconstruct the shots by themselves, with From and To."
    )


def _job_of(collections: Collection[int]) -> str:
    """What photos that stand in the same place share, also when their file is opened again."""
    others = (collection for collection in bpy.data.collections if collection.session_uid in collections)
    return next((str(other[JOB_KEY]) for other in others if JOB_KEY in other), uuid.uuid4().hex)


def tell(
    scene: bpy.types.Scene, objects: SceneObjects, summary: str, warnings: Iterable[str], name: str | None = None
) -> None:
    """Shows in the panels of a scene what came of something, until the next time, or until it is dismissed or undone.

    Args:
        scene: Where it happened.
        objects: The photo's.
        summary: One sentence.
        warnings: What the user should know; the same is said once.
        name: The photo's; None: as it is called in the scene.
    """
    session.delivered = Delivered(
        name=name or photo_name(objects),
        summary=summary,
        warnings=list(dict.fromkeys(warnings)),
        scene_uid=scene.session_uid,
        photo_uid=(objects.root or objects.collection).session_uid,
    )


def _select(context: bpy.types.Context, scene: bpy.types.Scene, objects: SceneObjects) -> None:
    """Makes the shown part the active object, so that the next key press means it."""
    layer = context.view_layer if context.scene == scene else scene.view_layers[0]
    layer.update()  # new objects are not in the layer before
    shown = next((o for o in (objects.mesh, objects.points, objects.splats) if o and not o.hide_render), objects.root)
    for obj in layer.objects.selected:
        obj.select_set(False, view_layer=layer)
    if shown is not None and layer.objects.get(shown.name) is not None:
        shown.select_set(True, view_layer=layer)
        layer.objects.active = shown


def _notes(earlier: Earlier) -> list[str]:
    """What was hidden, and how it comes back."""
    notes = []
    if earlier.hidden:
        notes.append(
            f"Hidden, because both would lie on one another: {', '.join(earlier.hidden)}. "
            f"To see it again, {_SHOW_AGAIN}."
        )
    if earlier.excluded:
        notes.append(
            f"Taken out of this scene, because both would lie on one another: {', '.join(earlier.excluded)}. "
            "To see it again, tick it in the Outliner."
        )
    if earlier.beside:
        notes.append(
            "Photos that come together stand in the same place, and only the last one is shown. "
            f"To see another one, {_SHOW_AGAIN}."
        )
    if earlier.camera:
        notes.append("The scene's camera is still that of an earlier one. Match Scene to Photo takes the new one.")
    return notes


def _summary(rec: Reconstruction, seconds: float) -> str:
    """Sizes of what was made, in one sentence."""
    parts = []
    if rec.clip is not None:
        parts.append(f"{rec.clip.frames} frames")
    elif rec.mesh is not None:
        parts.append(f"{len(rec.mesh.quads) + len(rec.mesh.triangles):,} faces")
    if rec.points is not None:
        parts.append(f"{len(rec.points.positions_cam):,} points")
    if rec.splats is not None:
        parts.append(f"{len(rec.splats):,} splats")
    text = ", ".join(parts) or "Camera only"
    if seconds:
        text += f" in {seconds:.0f} s" if seconds >= 1 else " in under a second"
    return text
