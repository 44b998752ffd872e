"""What `build_scene` puts into a file: names, axes, cameras, visibility, and what it leaves alone."""

# pyright: reportOptionalMemberAccess=false

from __future__ import annotations

import os

import bpy
import numpy as np
import pytest
from blender_synthetic import CAMERAS
from mathutils import Vector

from infinidepth_blender.camera import Camera, cam_to_blender
from infinidepth_blender.errors import BundleError, SceneError
from infinidepth_blender.reconstruction import FLAG_SKY, FLAG_VALID, MeshArrays
from infinidepth_blender.scene.attributes import get_attribute, set_attribute, srgb_to_scene_linear
from infinidepth_blender.scene.build import PHOTO_KEY, SceneOptions, build_scene, show_only
from infinidepth_blender.scene.camera import depth_range, make_camera
from infinidepth_blender.scene.match import match_scene_to_photo
from infinidepth_blender.scene.materials import photo_mode, set_photo_mode
from infinidepth_blender.scene.mesh import mesh_from_arrays


def names_of(items) -> set[str]:
    return {item.name for item in items}


def world_matrix(obj):
    bpy.context.view_layer.update()
    return obj.matrix_world


def test_objects_are_called_what_an_artist_expects(make_bundle):
    objects = build_scene(make_bundle(CAMERAS["landscape"], "IMG_1234", points=100, splats=100))
    assert objects.collection.name == "IMG_1234"
    assert names_of(objects.collection.objects) == {
        f"IMG_1234 {part}" for part in ("Root", "Camera", "Mesh", "Sky", "Points", "Splats")
    }
    assert all(obj.parent == objects.root for obj in objects.collection.objects if obj != objects.root)


def test_long_names_stay_apart(make_bundle):
    objects = build_scene(make_bundle(CAMERAS["landscape"], "ein sehr langer Name " * 3 + "ä" * 20))
    assert objects.camera.name.endswith(" Camera")
    assert objects.mesh.name.endswith(" Mesh")


def test_a_file_name_that_is_not_utf_8(make_bundle):
    name = os.fsdecode(b"f\xeate")
    objects = build_scene(make_bundle(CAMERAS["landscape"], name))
    assert objects.camera.name == "f?te Camera"
    assert objects.collection[PHOTO_KEY]


def test_only_one_representation_is_seen_at_a_time(make_bundle):
    objects = build_scene(make_bundle(CAMERAS["landscape"], points=100, splats=100))
    for shown in ("MESH", "POINTS", "SPLATS"):
        show_only(objects, shown)
        visible = {"MESH": objects.mesh, "POINTS": objects.points, "SPLATS": objects.splats}
        for name, obj in visible.items():
            assert obj.hide_render == (name != shown)
            assert obj.visible_get() == (name == shown)
        assert objects.backdrop.visible_get()


def test_what_is_missing_is_not_shown_instead(make_bundle):
    objects = build_scene(make_bundle(CAMERAS["landscape"], points=100), SceneOptions(show="SPLATS"))
    assert objects.splats is None
    assert objects.mesh.visible_get()


@pytest.mark.parametrize("kind", list(CAMERAS))
def test_every_vertex_projects_to_its_place_in_the_photo(kind, make_bundle):
    """With Blender's own projection, which shares no code with the product's camera."""
    from bpy_extras.object_utils import world_to_camera_view

    camera = CAMERAS[kind]
    objects = build_scene(make_bundle(camera, mesh_vertices=9))
    match_scene_to_photo(objects)
    matrix = world_matrix(objects.mesh)
    mesh = objects.mesh.data
    uv = np.empty(len(mesh.loops) * 2, np.float32)
    mesh.uv_layers[0].uv.foreach_get("vector", uv)
    for loop in mesh.loops:
        position = matrix @ mesh.vertices[loop.vertex_index].co
        seen = world_to_camera_view(bpy.context.scene, objects.camera, position)
        np.testing.assert_allclose(seen[:2], uv[2 * loop.index : 2 * loop.index + 2], atol=2e-4)


def test_level_camera_looks_along_y_with_z_up(make_bundle):
    objects = build_scene(make_bundle(CAMERAS["landscape"]))
    rotation = world_matrix(objects.camera).to_quaternion()
    assert (rotation @ Vector((0, 0, -1)) - Vector((0, 1, 0))).length < 1e-6
    assert (rotation @ Vector((0, 1, 0)) - Vector((0, 0, 1))).length < 1e-6


def test_pitch_and_roll_turn_the_rig_and_leave_the_photo_alone(make_bundle):
    camera = CAMERAS["tilted"]
    objects = build_scene(make_bundle(camera))
    view = world_matrix(objects.camera).to_quaternion() @ Vector((0, 0, -1))
    assert np.arcsin(view.z) == pytest.approx(camera.pitch_rad, abs=1e-5)
    up = camera.world_rotation().T @ [0, 0, 1]
    in_rig = objects.root.matrix_world.to_quaternion().inverted() @ Vector((0, 0, 1))
    np.testing.assert_allclose(in_rig, cam_to_blender(up), atol=1e-5)


def test_units_follow_the_scenes_unit_scale(make_bundle):
    rec = make_bundle(CAMERAS["landscape"])
    bpy.context.scene.unit_settings.scale_length = 0.01
    objects = build_scene(rec)
    centre = world_matrix(objects.mesh) @ objects.mesh.data.vertices[0].co
    assert centre.y * 0.01 == pytest.approx(float(rec.mesh.vertices_cam[0, 2]), rel=1e-4)
    farthest = rec.backdrop.vertices_cam[:, 2].max() / 0.01
    assert objects.camera.data.clip_end > farthest
    assert objects.camera.data.clip_start < rec.mesh.vertices_cam[:, 2].min() / 0.01


def test_the_range_of_depths_is_that_of_all_rows_with_a_surface():
    depth_m = np.full((700, 3), 5.0, np.float32)
    flags = np.full(depth_m.shape, FLAG_VALID, np.uint8)
    depth_m[0, 0], depth_m[-1, -1] = 900, 0.01
    depth_m[300], flags[300] = (1e10, 1e-5, 1e10), FLAG_SKY
    depth_m[301, :2] = np.nan, np.inf
    assert depth_range(depth_m, flags, []) == pytest.approx((0.01, 900))
    assert depth_range(depth_m, flags, [0.005, 2000]) == pytest.approx((0.005, 2000))
    assert depth_range(depth_m, np.zeros_like(flags), []) == (0.2, 50)


def test_the_photo_is_the_cameras_background_uncropped_and_packed(make_bundle):
    objects = build_scene(make_bundle(CAMERAS["landscape"]))
    (background,) = objects.camera.data.background_images
    assert objects.camera.data.show_background_images
    assert background.frame_method == "CROP"
    assert tuple(background.image.size) == (160, 120)
    assert background.image.packed_file is not None
    assert background.image.colorspace_settings.name == "sRGB"


@pytest.mark.parametrize(("kind", "method"), [("landscape", "CROP"), ("portrait", "FIT"), ("unequal-portrait", "FIT")])
def test_in_a_wider_frame_the_background_stays_where_the_scene_does(kind, method, make_bundle):
    """Landscape photos keep their width there, upright ones their height."""
    data = build_scene(make_bundle(CAMERAS[kind], mesh_vertices=9)).camera.data
    assert data.background_images[0].frame_method == method
    assert data.sensor_fit == ("VERTICAL" if method == "FIT" else "HORIZONTAL")


def test_extremely_wide_lenses_keep_their_field_of_view(make_bundle):
    image = bpy.data.images.new("x", 4, 4)
    camera = Camera.from_fov_x(np.radians(176), 400, 300)
    obj = make_camera(camera, "Wide", image, (0.1, 10.0), bpy.data.objects.new("root", None))
    assert obj.data.angle_x == pytest.approx(np.radians(176), abs=1e-4)


def test_the_scene_changes_only_when_asked(make_bundle):
    scene = bpy.context.scene
    before = (scene.render.resolution_x, scene.render.resolution_y, scene.view_settings.view_transform, scene.camera)
    objects = build_scene(make_bundle(CAMERAS["portrait"]))
    after = (scene.render.resolution_x, scene.render.resolution_y, scene.view_settings.view_transform, scene.camera)
    assert after == before
    match_scene_to_photo(objects)
    assert (scene.render.resolution_x, scene.render.resolution_y) == (120, 160)
    assert (scene.view_settings.view_transform, scene.view_settings.look) == ("Standard", "None")
    assert scene.camera == objects.camera


def test_matching_names_a_camera_that_is_gone(make_bundle):
    objects = build_scene(make_bundle(CAMERAS["landscape"]))
    objects.collection.objects.unlink(objects.camera)
    with pytest.raises(SceneError, match="camera"):
        match_scene_to_photo(objects)


def test_a_second_run_stands_beside_the_first(make_bundle):
    rec = make_bundle(CAMERAS["landscape"], points=50, splats=50)
    first, second = build_scene(rec), build_scene(rec)
    assert first.collection != second.collection
    assert len(first.collection.objects) == len(second.collection.objects) == 6


def test_a_second_run_replaces_the_first_on_request(make_bundle):
    rec = make_bundle(CAMERAS["landscape"], points=50, splats=50)
    other = make_bundle(CAMERAS["portrait"], "Other")
    build_scene(other)
    build_scene(rec)
    counts = {kind: len(getattr(bpy.data, kind)) for kind in ("objects", "meshes", "materials", "images", "cameras")}
    objects = build_scene(rec, SceneOptions(replace=True))
    assert names_of(bpy.context.scene.collection.children) == {"Analytic", "Other"}
    assert objects.camera.name == "Analytic Camera"
    assert {kind: len(getattr(bpy.data, kind)) for kind in counts} == counts


def test_replacing_keeps_what_the_user_put_there(make_bundle):
    rec = make_bundle(CAMERAS["tilted"])
    first = build_scene(rec)
    lamp = bpy.data.objects.new("Lamp", bpy.data.lights.new("Lamp", "POINT"))
    lamp.parent, lamp.location = first.root, (1, 2, 3)
    first.collection.objects.link(lamp)
    props = bpy.data.collections.new("Props")
    first.collection.children.link(props)
    cube = bpy.data.objects.new("Cube", None)
    props.objects.link(cube)
    first.collection.objects.unlink(first.mesh)  # sorted elsewhere, and still the photo's
    props.objects.link(first.mesh)
    other = build_scene(make_bundle(CAMERAS["portrait"], "Other"))
    bpy.context.scene.collection.children.unlink(other.collection)
    first.collection.children.link(other.collection)
    stood = world_matrix(lamp).copy()

    build_scene(rec, SceneOptions(replace=True))
    root = bpy.context.scene.collection
    assert names_of(root.objects) == {"Lamp"}
    assert names_of(root.children) == {"Analytic", "Props", "Other"}
    assert names_of(props.objects) == {"Cube"}
    assert len(bpy.data.collections["Other"].objects) == 4
    np.testing.assert_allclose(world_matrix(lamp), stood, atol=1e-6)
    assert len([obj for obj in bpy.data.objects if obj.type == "MESH"]) == 4


def test_replacing_keeps_the_users_own_copy_of_a_part(make_bundle):
    rec = make_bundle(CAMERAS["tilted"])
    first = build_scene(rec)
    copy = first.mesh.copy()
    copy.data = first.mesh.data.copy()
    copy.name = "Sculpted"
    first.collection.objects.link(copy)
    stood = world_matrix(copy).copy()
    second = build_scene(rec, SceneOptions(replace=True))
    assert names_of(bpy.context.scene.collection.objects) == {"Sculpted"}
    assert second.mesh.name == "Analytic Mesh"
    np.testing.assert_allclose(world_matrix(copy), stood, atol=1e-6)
    assert copy.material_slots[0].material.node_tree is not None


def test_a_damaged_bundle_leaves_nothing_behind(make_bundle):
    rec = make_bundle(CAMERAS["landscape"])
    (rec.folder / "photo.png").write_text("no picture")
    with pytest.raises(BundleError, match=r"photo\.png"):
        build_scene(rec.folder)
    (rec.folder / "photo.png").unlink()
    with pytest.raises(BundleError, match="missing"):
        build_scene(rec.folder)
    assert not bpy.data.objects
    assert not bpy.data.images
    assert not bpy.context.scene.collection.children


def test_a_mesh_with_wrong_faces_is_refused(make_bundle):
    mesh = make_bundle(CAMERAS["landscape"], mesh_vertices=5).mesh
    broken = MeshArrays(mesh.vertices_cam, mesh.uv, mesh.normals_cam, mesh.quads + 1000, mesh.triangles)
    with pytest.raises(SceneError, match="names vertex"):
        mesh_from_arrays(broken, "Broken")
    assert not bpy.data.meshes


def test_meshes_of_quads_and_triangles_are_valid():
    vertices = np.array([[0, 0, 2], [1, 0, 2], [1, 1, 2], [0, 1, 2], [2, 0, 2]], np.float32)
    mesh = mesh_from_arrays(
        MeshArrays(
            vertices_cam=vertices,
            uv=vertices[:, :2] / 2,
            normals_cam=np.tile(np.array([0, 0, -1], np.float32), (5, 1)),
            quads=np.array([[3, 2, 1, 0]], np.int32),
            triangles=np.array([[1, 2, 4]], np.int32),
        ),
        "Two",
    )
    assert not mesh.validate(verbose=True)
    assert [len(p.vertices) for p in mesh.polygons] == [4, 3]
    assert mesh.polygons[0].normal.y == pytest.approx(-1)
    assert len(mesh.edges) == 6


def test_attributes_refuse_arrays_of_the_wrong_length():
    mesh = bpy.data.meshes.new("m")
    mesh.vertices.add(3)
    with pytest.raises(ValueError, match="takes 9 numbers"):
        set_attribute(mesh, "a", "FLOAT_VECTOR", np.zeros((2, 3)))
    set_attribute(mesh, "b", "INT", np.array([1, 2, 3]))
    assert get_attribute(mesh, "b").tolist() == [1, 2, 3]


def test_colours_become_linear():
    np.testing.assert_allclose(
        srgb_to_scene_linear(np.array([[0.5, 0.04, 1.0]])), [[0.21404, 0.003096, 1.0]], atol=1e-5
    )


def test_material_modes(make_bundle):
    objects = build_scene(make_bundle(CAMERAS["landscape"]), SceneOptions(photo_mode="LIT"))
    material = objects.mesh.data.materials[0]
    assert photo_mode(material) == "LIT"
    assert photo_mode(objects.backdrop.data.materials[0]) == "PHOTO"
    for mode in ("PHOTO", "HOLDOUT", "LIT"):
        set_photo_mode(material, mode)
        assert photo_mode(material) == mode
    assert photo_mode(bpy.data.materials.new("other")) is None
