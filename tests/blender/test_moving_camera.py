"""A camera that moves through a photo, beside the photo's own."""

from __future__ import annotations

import itertools
import time

import bpy
import numpy as np
import pytest
from blender_renders import psnr_db, render
from blender_synthetic import analytic_bundle, photograph

from infinidepth_blender.camera import BLENDER_CAMERA_TO_OPENCV, OPENCV_TO_BLENDER_WORLD, Camera
from infinidepth_blender.errors import SceneError
from infinidepth_blender.scene import moving_camera
from infinidepth_blender.scene.build import build_scene
from infinidepth_blender.scene.match import match_scene_to_photo
from infinidepth_blender.scene.moving_camera import add_moving_camera
from infinidepth_blender.scene.saved import find_photo
from infinidepth_blender.splats.paths import camera_path

CAMERA = Camera(240, 160, 210.0, 210.0, 120.0, 80.0, pitch_rad=0.1, roll_rad=0.05)


def placed(tmp_path):
    objects = build_scene(analytic_bundle(tmp_path, CAMERA))
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end = 11, 40
    assert objects.root is not None
    objects.root.location, objects.root.scale = (3, -2, 1), (2, 2, 2)
    return objects, scene


def test_it_starts_where_the_photo_was_taken(tmp_path):
    objects, scene = placed(tmp_path)
    match_scene_to_photo(objects, scene)
    camera = add_moving_camera(objects, scene, "orbit")
    assert scene.camera == camera and camera != objects.camera
    scene.frame_set(11)
    result = render(tmp_path)
    assert psnr_db(result.srgb, photograph(CAMERA)[0] / 255, result.covered) > 40
    scene.frame_set(20)
    moved = render(tmp_path)
    assert psnr_db(moved.srgb, result.srgb) < 30
    # An artist who asks for the photo's objects gets the photo's own camera still.
    found = find_photo(scene, camera)
    assert found is not None and found.camera == objects.camera


@pytest.mark.parametrize("kind", ["orbit", "swing", "dolly", "rise"])
def test_moves_are_smooth_and_as_large_as_the_scene(tmp_path, kind):
    objects, scene = placed(tmp_path)
    camera = add_moving_camera(objects, scene, kind)
    places, turns = [], []
    for frame in range(11, 41):
        scene.frame_set(frame)
        places.append(np.array(camera.matrix_world.translation))
        turns.append(camera.matrix_world.to_quaternion())
    steps = np.linalg.norm(np.diff(places, axis=0), axis=1)
    assert 0.05 < np.ptp(places, axis=0).max() < 5
    assert steps.max() < 8 * np.median(steps) + 1e-6
    assert max(abs(a.rotation_difference(b).angle) for a, b in itertools.pairwise(turns)) < 0.1
    scene.frame_set(15)
    halfway = camera.matrix_world.copy()
    scene.frame_set(15, subframe=0.5)
    assert abs(halfway.to_quaternion().rotation_difference(camera.matrix_world.to_quaternion()).angle) < 0.1


@pytest.mark.parametrize("kind", ["orbit", "swing", "dolly", "rise"])
def test_it_is_at_every_frame_where_the_path_is(tmp_path, kind):
    objects, scene = placed(tmp_path)
    assert objects.camera is not None and objects.root is not None
    camera = add_moving_camera(objects, scene, kind, 2.0)
    median = moving_camera._median_distance(objects)
    poses = camera_path(kind, 30, median, amplitude=2.0)
    for number in (0, 1, 7, 16, 29):
        scene.frame_set(11 + number)
        shown = camera.evaluated_get(bpy.context.evaluated_depsgraph_get()).matrix_world
        own = np.array(objects.root.matrix_world.inverted() @ shown)
        np.testing.assert_allclose(own[:3, 3], OPENCV_TO_BLENDER_WORLD @ poses[number, :3, 3], atol=1e-5)
        turned = OPENCV_TO_BLENDER_WORLD @ poses[number, :3, :3] @ BLENDER_CAMERA_TO_OPENCV
        np.testing.assert_allclose(own[:3, :3], turned, atol=1e-5)


def keys_of(obj: bpy.types.Object) -> list[tuple]:
    """All that Blender tells of an object's keys."""
    told = []
    for curve in moving_camera._curves(obj):
        for key in curve.keyframe_points:
            names = [prop.identifier for prop in key.bl_rna.properties if prop.identifier != "rna_type"]
            values = [getattr(key, name) for name in names]
            told.append(
                (curve.data_path, curve.array_index, *(v if isinstance(v, str) else np.array(v) for v in values))
            )
    return told


@pytest.mark.parametrize("frames", [(11, 20), (5, 5)])
@pytest.mark.parametrize("kind", [("BEZIER", "AUTO_CLAMPED"), ("LINEAR", "FREE"), ("BOUNCE", "VECTOR")])
def test_keys_are_those_that_blender_would_insert(tmp_path, frames, kind):
    objects, scene = placed(tmp_path)
    scene.frame_start, scene.frame_end = frames
    edit = bpy.context.preferences.edit
    before = edit.keyframe_new_interpolation_type, edit.keyframe_new_handle_type
    edit.keyframe_new_interpolation_type, edit.keyframe_new_handle_type = kind
    try:
        camera = add_moving_camera(objects, scene, "orbit")
        other = bpy.data.objects.new("Other", None)
        scene.collection.objects.link(other)
        other.rotation_mode = "QUATERNION"
        for frame in range(frames[0], frames[1] + 1):
            scene.frame_set(frame)
            other.location, other.rotation_quaternion = camera.location, camera.rotation_quaternion
            other.keyframe_insert("location", frame=frame)
            other.keyframe_insert("rotation_quaternion", frame=frame)
    finally:
        edit.keyframe_new_interpolation_type, edit.keyframe_new_handle_type = before
    ours, theirs = keys_of(camera), keys_of(other)
    assert len(ours) == len(theirs) == 7 * (frames[1] - frames[0] + 1)
    for mine, its in zip(ours, theirs, strict=True):
        for one, two in zip(mine, its, strict=True):
            if isinstance(one, np.ndarray):
                np.testing.assert_allclose(one, two, atol=1e-4)
            else:
                assert one == two


def test_long_scenes_take_no_time(tmp_path):
    objects, scene = placed(tmp_path)
    scene.frame_start, scene.frame_end = 1, 20_000
    start_s = time.process_time()
    camera = add_moving_camera(objects, scene, "dolly")
    assert time.process_time() - start_s < 2
    assert {len(curve.keyframe_points) for curve in moving_camera._curves(camera)} == {20_000}
    scene.frame_set(10_001)
    assert camera.location.y > 0.1


def test_the_photo_does_not_stand_behind_it_and_its_lens_is_its_own(tmp_path):
    objects, scene = placed(tmp_path)
    assert objects.camera is not None
    lens = objects.camera.data
    lens.keyframe_insert("lens", frame=11)
    camera = add_moving_camera(objects, scene, "swing")
    assert not camera.data.show_background_images and not len(camera.data.background_images)
    assert len(lens.background_images) == 1
    assert camera.data.animation_data.action != lens.animation_data.action
    assert camera.data.animation_data.drivers  # what is clipped still goes with the root's scale


def test_a_photo_of_another_file_gets_one_as_well(tmp_path):
    """Nothing can be put into a linked collection; it goes beside it."""
    build_scene(analytic_bundle(tmp_path, CAMERA))
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "library.blend"))
    bpy.ops.wm.read_homefile(use_empty=True)
    with bpy.data.libraries.load(str(tmp_path / "library.blend"), link=True) as (theirs, ours):
        ours.collections = [name for name in theirs.collections if name.startswith("Analytic")]
    scene = bpy.context.scene
    scene.collection.children.link(ours.collections[0])
    found = find_photo(scene, None)
    assert found is not None
    camera = add_moving_camera(found, scene, "dolly")
    assert camera.name in scene.collection.objects and camera.library is None
    scene.frame_set(100)
    assert camera.location.y > 0.1


def test_without_anything_to_see_it_says_so(tmp_path):
    objects, scene = placed(tmp_path)
    assert objects.mesh is not None
    bpy.data.objects.remove(objects.mesh)
    left = find_photo(scene, objects.root)
    assert left is not None
    cameras = len(bpy.data.cameras)
    with pytest.raises(SceneError, match="were deleted"):
        add_moving_camera(left, scene, "orbit")
    assert len(bpy.data.cameras) == cameras
