"""The button that adds a moving camera."""

from __future__ import annotations

from pathlib import Path

import bpy
from blender_synthetic import analytic_bundle

from infinidepth_blender.camera import Camera
from infinidepth_blender.scene.build import build_scene


def test_a_moving_camera_is_added_for_the_active_objects_photo(
    addon: bpy.types.AddonPreferences, tmp_path: Path
) -> None:
    assert not bpy.ops.infinidepth.add_moving_camera.poll()
    objects = build_scene(analytic_bundle(tmp_path, Camera(120, 80, 100.0, 100.0, 60.0, 40.0)))
    bpy.context.scene.frame_end = 24
    assert bpy.ops.infinidepth.add_moving_camera(path="dolly", amplitude=2.0) == {"FINISHED"}
    camera = bpy.context.scene.camera
    assert camera is not None and camera != objects.camera and camera.parent == objects.root
    assert bpy.context.view_layer.objects.active == camera
    bpy.context.scene.frame_set(12)
    assert camera.location.y > 0.1


def test_a_collection_that_is_switched_off_is_no_error(addon: bpy.types.AddonPreferences, tmp_path: Path) -> None:
    objects = build_scene(analytic_bundle(tmp_path, Camera(120, 80, 100.0, 100.0, 60.0, 40.0)))
    bpy.context.view_layer.layer_collection.children[objects.collection.name].exclude = True
    assert bpy.ops.infinidepth.add_moving_camera(path="rise") == {"FINISHED"}
    assert bpy.context.scene.camera.parent == objects.root
