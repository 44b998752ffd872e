"""A photo whose root is scaled, so that its scene fits another one, renders as before."""

# pyright: reportOptionalMemberAccess=false

from __future__ import annotations

import bpy
import numpy as np
import pytest
from blender_renders import psnr_db, render
from blender_synthetic import CAMERAS

from infinidepth_blender.scene.build import build_scene
from infinidepth_blender.scene.match import match_scene_to_photo
from infinidepth_blender.scene.saved import find_photo


@pytest.mark.parametrize("scale", [3.0, 0.1, 0.002])
def test_a_render_is_the_same_at_every_scale(scale, make_bundle, tmp_path):
    objects = build_scene(make_bundle(CAMERAS["tilted"], mesh_vertices=41))
    match_scene_to_photo(objects)
    bpy.context.scene.render.resolution_percentage = 50
    before = render(tmp_path, samples=1)
    objects.root.scale = (scale,) * 3
    after = render(tmp_path, samples=1)
    assert before.covered.mean() > 0.99
    assert psnr_db(after.rgba, before.rgba) > 45
    # The sky behind shows the photo, too: only the depth tells whether what is near was cut away.
    assert np.isclose(after.depth, before.depth * scale, rtol=1e-3).mean() > 0.99


@pytest.mark.parametrize("link", [False, True], ids=["appended", "linked"])
def test_so_it_is_where_the_photo_is_used_from_another_file(link, make_bundle, tmp_path):
    objects = build_scene(make_bundle(CAMERAS["landscape"], "A", mesh_vertices=41))
    objects.root.scale = (10.0,) * 3
    library = tmp_path / "library.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(library))
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    with bpy.data.libraries.load(str(library), link=link) as (_, wanted):
        wanted.collections = ["A"]
    scene = bpy.context.scene
    scene.collection.children.link(bpy.data.collections["A"])
    found = find_photo(scene, None)
    assert found is not None
    match_scene_to_photo(found, scene)
    scene.render.resolution_percentage = 25
    assert render(tmp_path, samples=1).covered.mean() > 0.99


def test_drivers_need_no_python(make_bundle):
    """Blender runs no Python of files that it does not trust."""
    objects = build_scene(make_bundle(CAMERAS["landscape"]))
    curves = objects.camera.data.animation_data.drivers
    assert {curve.data_path for curve in curves} == {"clip_start", "clip_end"}
    assert all(curve.driver.is_valid and curve.driver.is_simple_expression for curve in curves)
