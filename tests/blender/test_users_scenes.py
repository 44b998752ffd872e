"""What users do with the results: link, edit, move and nest them, in studios with colours of their own."""

# pyright: reportOptionalMemberAccess=false

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import bpy
import pytest
from blender_renders import render
from blender_synthetic import CAMERAS

from infinidepth_blender.errors import SceneError
from infinidepth_blender.reconstruction import save
from infinidepth_blender.scene.build import SceneOptions, build_scene, show_only
from infinidepth_blender.scene.match import match_scene_to_photo
from infinidepth_blender.scene.materials import PROJECTION_GROUP, SPLAT_GROUP, photo_mode
from infinidepth_blender.scene.photo_modes import catches_shadows, set_sky_mode, set_surface_mode, surface_mode
from infinidepth_blender.scene.saved import find_photo, recall

ROOT = Path(__file__).resolve().parents[2]


def groups_of(objects) -> set:
    """The node groups that a photo's materials and modifiers use."""
    used = set()
    for obj in objects.parts().values():
        used |= {modifier.node_group for modifier in obj.modifiers if modifier.type == "NODES"}
        for slot in obj.material_slots:
            used |= {node.node_tree for node in slot.material.node_tree.nodes if node.type == "GROUP"}
    return used


def test_a_new_result_does_not_hang_on_a_linked_library(make_bundle, tmp_path):
    build_scene(make_bundle(CAMERAS["landscape"], "A", points=50, splats=50))
    library = tmp_path / "library.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(library))
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    with bpy.data.libraries.load(str(library), link=True) as (_, wanted):
        wanted.collections = ["A"]
    bpy.context.scene.collection.children.link(bpy.data.collections["A"])
    objects = build_scene(make_bundle(CAMERAS["landscape"], "B", points=50, splats=50))
    used = groups_of(objects)
    assert used and all(group.library is None for group in used)


def test_groups_are_shared_unless_a_user_changed_them(make_bundle):
    first = build_scene(make_bundle(CAMERAS["landscape"], "A", points=50, splats=50))
    second = build_scene(make_bundle(CAMERAS["landscape"], "B", points=50, splats=50))
    assert groups_of(first) == groups_of(second)
    group = bpy.data.node_groups[SPLAT_GROUP]
    group.interface.remove(next(item for item in group.interface.items_tree if item.in_out == "INPUT"))
    third = build_scene(make_bundle(CAMERAS["landscape"], "C", points=50, splats=50))
    assert group in groups_of(first) and group not in groups_of(third)
    assert bpy.data.node_groups[PROJECTION_GROUP] in groups_of(third)
    assert bpy.data.node_groups[SPLAT_GROUP] in groups_of(third)


def test_splats_stay_transparent_where_cycles_is_switched_off(make_bundle):
    objects = build_scene(make_bundle(CAMERAS["landscape"], splats=50))
    tree = objects.splats.data.materials[0].node_tree
    target = tree.animation_data.drivers[0].driver.variables[0].targets[0]
    assert target.use_fallback_value and target.fallback_value > 100


def test_parts_that_were_sorted_elsewhere_are_still_the_photos(make_bundle):
    objects = build_scene(make_bundle(CAMERAS["landscape"], "A", points=50))
    cameras = bpy.data.collections.new("Cameras")
    bpy.context.scene.collection.children.link(cameras)
    for obj in (objects.camera, objects.points):
        cameras.objects.link(obj)
        objects.collection.objects.unlink(obj)
    found = recall(objects.collection)
    assert (found.camera, found.points) == (objects.camera, objects.points)
    assert find_photo(bpy.context.scene, objects.camera).collection == objects.collection
    show_only(found, "POINTS")
    assert objects.mesh.hide_render and not objects.points.hide_render
    match_scene_to_photo(found)
    assert bpy.context.scene.camera == objects.camera


def test_a_photo_inside_another_photos_collection_is_its_own(make_bundle):
    outer = build_scene(make_bundle(CAMERAS["landscape"], "A", points=50))
    inner = build_scene(make_bundle(CAMERAS["portrait"], "B", points=50))
    outer.collection.children.link(inner.collection)
    bpy.context.scene.collection.children.unlink(inner.collection)
    assert find_photo(bpy.context.scene, inner.mesh).collection == inner.collection
    assert find_photo(bpy.context.scene, outer.mesh).collection == outer.collection
    assert recall(inner.collection).mesh == inner.mesh
    assert recall(outer.collection).mesh == outer.mesh


def test_a_replaced_photo_stays_the_scenes_camera(make_bundle):
    bundle = make_bundle(CAMERAS["landscape"], "A")
    match_scene_to_photo(build_scene(bundle))
    second = build_scene(bundle, SceneOptions(replace=True))
    assert bpy.context.scene.camera == second.camera


def test_a_holdout_cuts_out_the_sky_as_well(make_bundle):
    objects = build_scene(make_bundle(CAMERAS["landscape"]), SceneOptions(photo_mode="HOLDOUT"))
    assert photo_mode(objects.backdrop.data.materials[0]) == "HOLDOUT"


def test_shadows_alone_lie_on_nothing_else(make_bundle, tmp_path):
    objects = build_scene(make_bundle(CAMERAS["landscape"]), SceneOptions(photo_mode="SHADOW"))
    scene = bpy.context.scene
    match_scene_to_photo(objects, scene)
    scene.render.resolution_percentage = 50
    sun = bpy.data.objects.new("sun", bpy.data.lights.new("sun", "SUN"))
    sun.data.energy = 4
    scene.collection.objects.link(sun)
    assert not render(tmp_path, 4).rgba[..., 3].max() > 0.02
    assert catches_shadows(scene)
    # A lid over the floor, itself unseen.
    bpy.ops.mesh.primitive_plane_add(size=1.5, location=(0, 6, 0))
    lid = bpy.context.object
    lid.visible_camera = False
    seen = render(tmp_path, 4)
    shadow = seen.rgba[..., 3] > 0.3
    assert 0.002 < shadow.mean() < 0.5
    assert seen.rgba[shadow][:, :3].max() < 0.05
    # The sky lights what is there without being seen.
    assert not objects.backdrop.visible_camera
    assert photo_mode(objects.backdrop.data.materials[0]) == "PHOTO"

    set_surface_mode(objects.mesh, "PHOTO")
    set_sky_mode(objects.backdrop, "PHOTO")
    assert surface_mode(objects.mesh) == "PHOTO" and objects.backdrop.visible_camera
    assert render(tmp_path, 1).covered.mean() > 0.99


STUDIO = """ocio_profile_version: 2
strictparsing: false
roles: {reference: lin, scene_linear: lin, aces_interchange: lin, data: Raw, default: lin, color_picking: NAME, default_byte: NAME, default_float: lin}
displays:
  DISPLAY:
    - !<View> {name: Filmlike, colorspace: NAME}
    - !<View> {name: VIEW, colorspace: NAME}
active_displays: []
active_views: []
colorspaces:
  - !<ColorSpace> {name: lin, encoding: scene-linear}
  - !<ColorSpace> {name: Raw, isdata: true}
  - !<ColorSpace>
    name: NAME
    from_scene_reference: !<ExponentWithLinearTransform> {gamma: 2.4, offset: 0.055, direction: inverse}
"""
SCRIPT = """
import sys
from pathlib import Path
import bpy
from infinidepth_blender.errors import SceneError
from infinidepth_blender.scene.build import build_scene
from infinidepth_blender.scene.match import match_scene_to_photo
scene = bpy.context.scene
objects = build_scene(Path(sys.argv[1]))
print("space", objects.mesh.data.materials[0].node_tree.nodes["Image Texture"].image.colorspace_settings.name)
before = scene.render.resolution_x
try:
    match_scene_to_photo(objects)
    print("view", scene.display_settings.display_device, scene.view_settings.view_transform)
except SceneError as error:
    print("refused", scene.render.resolution_x == before, scene.camera == objects.camera, error)
sys.stdout.flush()
import os
os._exit(0)
"""


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("sRGB - Display", "Un-tone-mapped", "sRGB - Texture"), "view sRGB - Display Un-tone-mapped"),
        (("sRGB - Display", "Moody", "sRGB - Texture"), "refused True False This color configuration"),
    ],
    ids=["aces", "moods"],
)
def test_a_studio_with_colours_of_its_own(make_bundle, tmp_path, names, said):
    bundle = make_bundle(CAMERAS["landscape"], "A")
    save(bundle, tmp_path / "saved")
    config = STUDIO
    for word, name in zip(("DISPLAY", "VIEW", "NAME"), names, strict=True):
        config = config.replace(word, name)
    (tmp_path / "config.ocio").write_text(config)
    environment = os.environ | {"OCIO": str(tmp_path / "config.ocio"), "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "saved")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"space {names[2]}" in result.stdout, result.stdout + result.stderr
    assert said in result.stdout, result.stdout + result.stderr


def test_without_a_camera_nothing_is_matched(make_bundle):
    objects = build_scene(make_bundle(CAMERAS["landscape"], "A"))
    bpy.data.objects.remove(objects.camera)
    found = recall(objects.collection)
    assert found.camera is None
    with pytest.raises(SceneError, match="camera of 'A' was deleted"):
        match_scene_to_photo(found)
