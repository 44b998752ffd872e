"""Whatever happened to the photo's camera or the scene: matching gives the photo back, or says what stands in the way."""

# pyright: reportOptionalMemberAccess=false, reportOptionalSubscript=false, reportAttributeAccessIssue=false

from __future__ import annotations

from collections.abc import Callable
from math import radians
from pathlib import Path

import bpy
import numpy as np
import pytest
from blender_renders import psnr_db, render
from blender_synthetic import CAMERAS, photograph
from mathutils import Euler, Vector

from infinidepth_blender.scene.build import build_scene
from infinidepth_blender.scene.match import match_scene_to_photo
from infinidepth_blender.scene.objects import SceneObjects
from infinidepth_blender.scene.obstacles import obstacles_to_photo
from infinidepth_blender.scene.photo_camera import camera_changes, reset_camera

CAMERA = CAMERAS["off-centre"]


@pytest.fixture
def objects(make_bundle: Callable) -> SceneObjects:
    return build_scene(make_bundle(CAMERA, "A"))


def decibels(folder: Path) -> float:
    photo, _, _ = photograph(CAMERA)
    shown = render(folder).srgb
    return psnr_db(shown, photo / 255) if shown.shape == photo.shape else 0.0


def move(objects: SceneObjects) -> None:
    objects.camera.location += Vector((0.5, -0.2, 0.3))
    objects.camera.rotation_mode = "XYZ"
    objects.camera.rotation_euler.z += 0.2


def turn_by_deltas(objects: SceneObjects) -> None:
    objects.camera.delta_location.x = 0.4
    objects.camera.scale = (1.0, 1.0, 2.0)


def zoom(objects: SceneObjects) -> None:
    objects.camera.data.lens *= 1.3
    objects.camera.data.shift_x += 0.1


def change_kind(objects: SceneObjects) -> None:
    objects.camera.data.type = "ORTHO"
    objects.camera.data.sensor_fit = "VERTICAL" if objects.camera.data.sensor_fit == "HORIZONTAL" else "HORIZONTAL"
    objects.camera.data.sensor_width = 20


def dolly(objects: SceneObjects) -> None:
    cart = bpy.data.objects.new("Cart", None)
    bpy.context.scene.collection.objects.link(cart)
    cart.parent = objects.root
    cart.location, cart.rotation_euler = (1.0, 2.0, 0.5), Euler((0.1, 0.2, 0.3))
    objects.camera.parent = cart
    objects.camera.matrix_parent_inverse.identity()


@pytest.mark.parametrize("touch", [move, turn_by_deltas, zoom, change_kind, dolly])
def test_a_touched_camera_is_put_back(touch: Callable, objects: SceneObjects, tmp_path: Path) -> None:
    objects.root.location, objects.root.rotation_mode = (3.0, -2.0, 1.0), "XYZ"
    objects.root.rotation_euler = (radians(10), radians(5), radians(40))
    assert match_scene_to_photo(objects) == []
    assert camera_changes(objects.camera) == []
    touch(objects)
    bpy.context.view_layer.update()
    if touch is not change_kind:
        assert decibels(tmp_path) < 30
    assert camera_changes(objects.camera)
    (told,) = match_scene_to_photo(objects)
    assert told.startswith("The photo's camera was put back")
    assert camera_changes(objects.camera) == []
    assert decibels(tmp_path) > 40


def test_matching_sharpens_and_lets_files_follow_the_scene(objects: SceneObjects, tmp_path: Path) -> None:
    scene = bpy.context.scene
    focus = objects.camera.data.dof
    focus.use_dof, focus.focus_distance, focus.aperture_fstop = True, 0.3, 0.05
    scene.render.image_settings.color_management = "OVERRIDE"
    assert "depth of field" in match_scene_to_photo(objects)[0]
    assert not focus.use_dof and scene.render.image_settings.color_management == "FOLLOW_SCENE"
    assert decibels(tmp_path) > 40


def test_an_animation_is_left_and_said(objects: SceneObjects) -> None:
    camera = objects.camera
    camera.keyframe_insert("location", frame=1)
    camera.location.x = 1.0
    camera.keyframe_insert("location", frame=20)
    camera.data.lens *= 2
    camera.data.driver_add("lens").driver.expression = "50"
    camera.data.dof.use_dof = True
    camera.data.dof.keyframe_insert("use_dof", frame=1)
    told = " ".join(match_scene_to_photo(objects))
    assert f"'{camera.name}' is animated" in told and "The lens of" in told and "depth of field is animated" in told
    assert "put back" not in told
    assert camera.location.x == 1.0 and camera.data.dof.use_dof
    assert camera_changes(camera) == []
    camera.animation_data_clear()
    camera.data.driver_remove("lens")
    assert camera_changes(camera) == ["lens", "place"]


def test_a_camera_that_something_holds_is_said(objects: SceneObjects) -> None:
    objects.camera.constraints.new("TRACK_TO").target = objects.root
    (told,) = match_scene_to_photo(objects)
    assert "has constraints" in told


def test_a_parent_of_no_size_is_said(objects: SceneObjects) -> None:
    empty = bpy.data.objects.new("Flat", None)
    bpy.context.scene.collection.objects.link(empty)
    empty.parent, empty.scale = objects.root, (1, 0, 1)
    objects.camera.parent = empty
    assert camera_changes(objects.camera) == []
    assert any("'Flat' has a scale of 0" in sentence for sentence in reset_camera(objects.camera)[1])
    assert any("'Flat' has a scale of 0" in sentence for sentence in match_scene_to_photo(objects))


def test_an_earlier_version_knows_the_place_alone(objects: SceneObjects) -> None:
    del objects.camera["infinidepth_lens"]
    zoom(objects)
    move(objects)
    assert reset_camera(objects.camera) == (["place"], [])


def test_what_stands_in_the_way_is_named(objects: SceneObjects) -> None:
    scene = bpy.context.scene
    other = bpy.data.objects.new("Other", bpy.data.cameras.new("Other"))
    scene.collection.objects.link(other)
    scene.timeline_markers.new("own", frame=1).camera = objects.camera
    assert match_scene_to_photo(objects) == []
    scene.timeline_markers.new("cut", frame=5).camera = other
    scene.render.engine = "CYCLES"
    scene.render.use_simplify, scene.cycles.texture_limit_render = True, "128"
    scene.render.use_multiview = scene.render.use_stamp = scene.render.use_freestyle = True
    add_compositor(scene, objects)
    editor = scene.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    strips.new_effect("color", "COLOR", 1, 1, **strip_length(10))
    scene.view_layers[0].material_override = bpy.data.materials.new("Clay")
    told = match_scene_to_photo(objects)
    named = ("Other", "compositor", "sequencer", "128", "Stereoscopy", "Metadata", "Freestyle", "overrides")
    assert len(told) == len(named)
    for sentence, word in zip(told, named, strict=True):
        assert word in sentence
    # The artist's own settings are as they were.
    assert scene.render.use_simplify and scene.render.use_multiview and len(scene.timeline_markers) == 2


def strip_length(frames: int) -> dict[str, int]:
    return {"length": frames} if bpy.app.version >= (5, 0) else {"frame_end": frames}


def add_compositor(scene: bpy.types.Scene, objects: SceneObjects) -> None:
    if hasattr(scene, "compositing_node_group"):
        scene.compositing_node_group = bpy.data.node_groups.new("Grade", "CompositorNodeTree")
        scene.compositing_node_group.nodes.new("CompositorNodeBlur")
        return
    scene.use_nodes = True
    # Blender's own tree passes the picture on.
    assert not any("compositor" in told for told in obstacles_to_photo(scene, objects))
    scene.node_tree.nodes.new("CompositorNodeBlur")


def test_the_default_cube_is_named_and_a_dome_is_not(objects: SceneObjects, tmp_path: Path) -> None:
    objects.root.location = (3.0, 1.0, 2.0)
    bpy.ops.mesh.primitive_uv_sphere_add(radius=200.0)
    bpy.context.object.name = "Dome"
    bpy.ops.mesh.primitive_cube_add(size=2.0, location=(8.0, 8.0, 2.0))
    bpy.context.view_layer.update()
    assert match_scene_to_photo(objects) == []
    bpy.context.object.location = (3.2, 1.3, 2.1)
    bpy.context.view_layer.update()
    (told,) = match_scene_to_photo(objects)
    assert told.startswith("'Cube' stands around the photo's camera")
    assert decibels(tmp_path) < 20
    bpy.context.object.hide_render = True
    assert match_scene_to_photo(objects) == []
    assert decibels(tmp_path) > 40


def test_nothing_is_changed_before_it_is_asked(objects: SceneObjects) -> None:
    move(objects)
    zoom(objects)
    objects.camera.data.dof.use_dof = True
    before = np.array(objects.camera.matrix_basis), objects.camera.data.lens
    assert camera_changes(objects.camera) == ["lens", "place"]
    assert np.array_equal(before[0], np.array(objects.camera.matrix_basis)) and before[1] == objects.camera.data.lens
    assert objects.camera.data.dof.use_dof
