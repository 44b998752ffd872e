"""What in a scene keeps a render from giving the photo back, and is the artist's own to change."""

from __future__ import annotations

from collections.abc import Iterator

import bpy

_PASSING = {"R_LAYERS", "COMPOSITE", "VIEWER", "SPLITVIEWER", "REROUTE", "FRAME", "GROUP_INPUT", "GROUP_OUTPUT"}
"""Compositor nodes, by type without prefix, that leave the picture as it is."""


def obstacles_to_photo(scene: bpy.types.Scene, camera: bpy.types.Object) -> list[str]:
    """Sentences about what still changes a render, each with where it is set; changes nothing.

    Args:
        scene: A scene that was matched to a photo.
        camera: The photo's camera.
    """
    return list(_obstacles(scene, camera))


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
