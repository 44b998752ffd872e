"""The buttons for a photo's camera: match, reset, look through."""

# pyright: reportOptionalMemberAccess=false, reportAttributeAccessIssue=false

from __future__ import annotations

from pathlib import Path

import bpy
import pytest
from blender_synthetic import CAMERAS

from infinidepth_blender.ui.session import session


@pytest.fixture
def camera(addon: bpy.types.AddonPreferences, make_bundle, tmp_path: Path) -> bpy.types.Object:
    """The camera of a photo in the scene."""
    make_bundle(CAMERAS["landscape"], "A", mesh_vertices=9)
    bpy.ops.infinidepth.open_bundle(filepath=str(tmp_path / "A"))
    return bpy.data.objects["A Camera"]


def test_matching_tells_what_it_did_and_what_is_left(camera: bpy.types.Object) -> None:
    camera.location.x = 2.0
    bpy.context.scene.render.use_multiview = True
    assert bpy.ops.infinidepth.match_scene() == {"FINISHED"}
    assert camera.location.x == 0.0
    told = " ".join(session.delivered.warnings)
    assert "put back: place" in told and "Stereoscopy" in told


def test_a_result_that_matches_on_arrival_tells_it_too(camera: bpy.types.Object, tmp_path: Path) -> None:
    bpy.context.scene.render.use_multiview = True
    bpy.context.scene.infinidepth.match_scene = True
    bpy.ops.infinidepth.open_bundle(filepath=str(tmp_path / "A"))
    assert "Stereoscopy" in " ".join(session.delivered.warnings)


def test_the_camera_alone_is_put_back(camera: bpy.types.Object) -> None:
    scene = bpy.context.scene
    camera.location.x, camera.data.lens = 2.0, camera.data.lens * 2
    width_px = scene.render.resolution_x
    assert bpy.ops.infinidepth.reset_camera() == {"FINISHED"}
    assert camera.location.x == 0.0
    assert scene.camera is None and scene.render.resolution_x == width_px
    camera.keyframe_insert("location", frame=1)
    camera.location.x = 2.0
    with pytest.raises(RuntimeError, match="is animated"):
        bpy.ops.infinidepth.reset_camera()
    assert camera.location.x == 2.0


def test_looking_through_changes_the_views_alone(camera: bpy.types.Object) -> None:
    scene, screen = bpy.context.scene, bpy.data.screens["Layout"]
    space = next(area.spaces.active for area in screen.areas if area.type == "VIEW_3D")
    before = (scene.render.resolution_x, scene.view_settings.view_transform, scene.render.engine)
    with bpy.context.temp_override(screen=screen):
        assert bpy.ops.infinidepth.look_through() == {"FINISHED"}
    assert space.region_3d.view_perspective == "CAMERA" and space.shading.type == "MATERIAL"
    # Another camera, or none, is the scene's: the view has the photo's for itself.
    assert scene.camera is None and space.use_local_camera and space.camera == camera
    assert (scene.render.resolution_x, scene.view_settings.view_transform, scene.render.engine) == before
    bpy.ops.infinidepth.match_scene()
    space.shading.type = "RENDERED"
    with bpy.context.temp_override(screen=screen):
        bpy.ops.infinidepth.look_through()
    assert not space.use_local_camera and space.shading.type == "RENDERED"
