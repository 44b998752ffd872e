"""What in a scene keeps a render from giving the photo back, and is the artist's own to change."""

from __future__ import annotations

import math
from collections.abc import Iterator

import bpy
from mathutils import Vector

from .objects import SceneObjects
from .saved import PART_KEY

_PASSING = {"R_LAYERS", "COMPOSITE", "VIEWER", "SPLITVIEWER", "REROUTE", "FRAME", "GROUP_INPUT", "GROUP_OUTPUT"}
"""Compositor nodes, by type without prefix, that leave the picture as it is."""


def obstacles_to_photo(scene: bpy.types.Scene, objects: SceneObjects) -> list[str]:
    """Sentences about what still changes a render, each with where it is set; changes nothing.

    Args:
        scene: A scene that was matched to a photo.
        objects: The photo's.
    """
    found = around_camera(scene, objects)
    return found + list(_obstacles(scene, objects.camera)) if objects.camera is not None else found


def _obstacles(scene: bpy.types.Scene, camera: bpy.types.Object) -> Iterator[str]:
    render = scene.render
    others = {marker.camera.name for marker in scene.timeline_markers if marker.camera not in (None, camera)}
    if others:
        yield f"Markers in the timeline switch the camera: {', '.join(sorted(others))}"
    if camera.data is not None and camera.data.dof.use_dof:
        yield "The camera's depth of field is animated or linked and stays on"
    if _composites(scene):
        yield "The compositor changes the picture (Render > Output > Post Processing: Compositing)"
    if render.use_sequencer and _has_strips(scene):
        yield "The sequencer's strips are rendered instead (Output > Post Processing: Sequencer)"
    if render.use_simplify and render.engine == "CYCLES" and scene.cycles.texture_limit_render != "OFF":
        yield f"Simplify limits textures to {scene.cycles.texture_limit_render} pixels (Render > Simplify)"
    if render.use_multiview:
        yield "Stereoscopy renders several views (Output > Stereoscopy)"
    if render.use_stamp:
        yield "Metadata is burned into the picture (Output > Metadata)"
    if render.use_freestyle:
        yield "Freestyle draws lines (Render > Freestyle)"
    if any(layer.material_override is not None for layer in scene.view_layers if layer.use):
        yield "A view layer overrides all materials (View Layer > Override)"


def around_camera(scene: bpy.types.Scene, objects: SceneObjects) -> list[str]:
    """Sentences about what the photo's camera stands in, as in the default cube, and sees instead of the photo.

    A sky dome or a room that was built around the photo is behind it and no obstacle.
    """
    if objects.root is None:
        return []
    eye = objects.root.matrix_world.translation
    ahead = objects.root.matrix_world.to_3x3() @ Vector((0.0, 1.0, 0.0))
    shown = objects.mesh or objects.points or objects.splats
    ends = [corner[1] for corner in shown.bound_box] if shown is not None else [0.0]
    # Both in the rig's units: along its Y axis, to the middle of what was built.
    middle = (min(ends) + max(ends)) / 2
    return [
        f"'{obj.name}' stands around the photo's camera and hides the photo: move or hide it"
        for obj in scene.objects
        if obj.type == "MESH"
        and PART_KEY not in obj
        and not (obj.hide_render or obj.is_shadow_catcher or obj.hide_viewport)
        and obj.visible_camera
        and _distance_from_inside(obj, eye, ahead) < middle
    ]


def _distance_from_inside(obj: bpy.types.Object, eye: Vector, ahead: Vector) -> float:
    """How far an object that holds a place is from there in one direction, in lengths of that; infinite: it does not hold it."""
    if abs(obj.matrix_world.determinant()) < 1e-12:
        return math.inf
    inward = obj.matrix_world.inverted()
    place, towards = inward @ eye, inward.to_3x3() @ ahead
    for axis in range(3):
        ends = [corner[axis] for corner in obj.bound_box]
        if not min(ends) < place[axis] < max(ends):
            return math.inf
    try:
        hit, where, _, _ = obj.ray_cast(place, towards)
    except RuntimeError:  # not evaluated: in no view layer that is seen
        return math.inf
    return (where - place).length / towards.length if hit else math.inf


def _composites(scene: bpy.types.Scene) -> bool:
    if not scene.render.use_compositing:
        return False
    if hasattr(scene, "compositing_node_group"):  # from Blender 5.0 on
        tree = scene.compositing_node_group
    else:
        tree = scene.node_tree if scene.use_nodes else None
    if tree is None:
        return False
    return any(not node.mute and node.type.removeprefix("CMP_") not in _PASSING for node in tree.nodes)


def _has_strips(scene: bpy.types.Scene) -> bool:
    editor = scene.sequence_editor
    if editor is None:
        return False
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences  # pyright: ignore[reportAttributeAccessIssue]
    return any(strip.type != "SOUND" and not strip.mute for strip in strips)
