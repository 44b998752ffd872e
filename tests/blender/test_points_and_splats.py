"""Points and splats are native, editable data, and renders of them give the photo back."""

# pyright: reportOptionalMemberAccess=false

from __future__ import annotations

import bpy
import numpy as np
import pytest
from blender_renders import psnr_db, render
from blender_synthetic import CAMERAS, photograph
from mathutils import Vector

from infinidepth_blender.camera import Camera, cam_to_blender
from infinidepth_blender.geometry.points import drawn_radius_m
from infinidepth_blender.reconstruction import Gaussians
from infinidepth_blender.scene.attributes import get_attribute
from infinidepth_blender.scene.build import SceneOptions, build_scene
from infinidepth_blender.scene.imported import import_splats
from infinidepth_blender.scene.match import match_scene_to_photo
from infinidepth_blender.scene.modifiers import set_modifier_input
from infinidepth_blender.scene.splats import make_splats, rotations_in_rig, sh_in_rig
from infinidepth_blender.splats.files import write_splats
from infinidepth_blender.splats.sh import evaluate_sh, rgb_to_dc
from infinidepth_blender.srgb import decode_srgb


def test_points_are_a_point_cloud_with_the_arrays_values(make_bundle):
    rec = make_bundle(CAMERAS["landscape"], points=2000)
    points = build_scene(rec).points
    assert points.type == "POINTCLOUD"
    assert len(points.data.points) == len(rec.points.positions_cam)
    np.testing.assert_allclose(get_attribute(points.data, "position"), cam_to_blender(rec.points.positions_cam))
    np.testing.assert_allclose(get_attribute(points.data, "radius"), drawn_radius_m(rec.points), rtol=1e-6)
    np.testing.assert_allclose(get_attribute(points.data, "normal"), cam_to_blender(rec.points.normals_cam))
    np.testing.assert_allclose(get_attribute(points.data, "confidence"), rec.points.confidence)
    np.testing.assert_array_equal(get_attribute(points.data, "source_px"), rec.points.source_px)
    linear = decode_srgb(rec.points.colors_srgb / 255)
    np.testing.assert_allclose(get_attribute(points.data, "Color")[:, :3], linear, atol=1e-5)


def test_no_helpers_of_the_conversion_are_left(make_bundle):
    rec = make_bundle(CAMERAS["landscape"], points=500)
    build_scene(rec)
    assert [scene.name for scene in bpy.data.scenes] == ["Scene"]
    assert {cloud.name for cloud in bpy.data.pointclouds} == {"Analytic Points"}
    assert not [mesh.name for mesh in bpy.data.meshes if mesh.users == 0]


@pytest.mark.parametrize(("shown", "at_least_db"), [("POINTS", 26.0), ("SPLATS", 34.0)])
@pytest.mark.parametrize("kind", ["landscape", "off-centre"])
def test_photo_comes_back(kind, shown, at_least_db, make_bundle, tmp_path):
    camera = CAMERAS[kind]
    rec = make_bundle(camera, points=60_000, splats=60_000)
    match_scene_to_photo(build_scene(rec, SceneOptions(show=shown)))
    result = render(tmp_path, samples=2)
    photo, _, _ = photograph(camera)
    assert result.covered.mean() >= 0.97
    assert psnr_db(result.srgb, photo / 255, result.covered) >= at_least_db


def test_splats_do_not_turn_black_with_the_default_bounces(make_bundle, tmp_path):
    camera = CAMERAS["landscape"]
    rec = make_bundle(camera, splats=60_000)
    objects = build_scene(rec, SceneOptions(show="SPLATS"))
    match_scene_to_photo(objects)
    photo, _, _ = photograph(camera)
    for bounces in (0, 1, 8):
        bpy.context.scene.cycles.transparent_max_bounces = bounces
        result = render(tmp_path, samples=2)
        assert psnr_db(result.srgb, photo / 255) >= 24, f"{bounces} transparent bounces"


def one_splat(scales, rotation, opacity=0.9) -> Gaussians:
    return Gaussians(
        means=np.array([[0.3, -0.2, 4.0]], np.float32),
        scales=np.array([scales], np.float32),
        rotations=np.array([rotation], np.float32) / np.linalg.norm(rotation).astype(np.float32),
        opacities=np.array([opacity], np.float32),
        sh=rgb_to_dc(np.array([[[0.9, 0.5, 0.2]]])),
    )


def rotation_matrix(q) -> np.ndarray:
    w, x, y, z = np.asarray(q, np.float64) / np.linalg.norm(q)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


@pytest.mark.parametrize(
    ("scales", "rotation"),
    [
        ((0.3, 0.15, 0.01), (0.9, 0.2, -0.3, 0.1)),
        ((0.2, 0.2, 0.2), (1, 0, 0, 0)),
        ((0.1, 0.3, 0.25), (0.6, 0.5, -0.4, 0.3)),
        ((0.3, 0.2, 0.0), (0.7, 0.1, 0.6, 0.2)),
    ],
)
def test_a_splat_is_its_gaussian_along_every_ray(scales, rotation, make_bundle, tmp_path):
    """Alpha is opacity times the Gaussian's largest value along the ray, for flat and thick ones."""
    camera = CAMERAS["off-centre"]
    gaussians = one_splat(scales, rotation)
    rec = make_bundle(camera)
    objects = build_scene(rec, SceneOptions(parts=frozenset()))
    objects.backdrop.hide_render = True
    splats = make_splats(gaussians, "One")
    objects.collection.objects.link(splats)
    match_scene_to_photo(objects)
    alpha = render(tmp_path, samples=1).rgba[..., 3]

    x, y = np.meshgrid(np.arange(camera.width_px) + 0.5, np.arange(camera.height_px) + 0.5)
    rays = camera.unproject(x, y, np.ones_like(x)).astype(np.float64)
    to_unit = np.diag(1 / np.maximum(scales, 1e-3)) @ rotation_matrix(rotation).T
    origin, direction = to_unit @ -gaussians.means[0].astype(np.float64), rays @ to_unit.T
    along = -(direction @ origin) / (direction**2).sum(-1)
    closest = origin + along[..., None] * direction
    squared = (closest**2).sum(-1)
    expected = 0.9 * np.exp(-0.5 * squared)
    inside = squared < 2.5**2
    assert inside.sum() > 100
    np.testing.assert_allclose(alpha[inside], expected[inside], atol=0.01)
    assert alpha[squared > 4.1**2].max() < 1e-3


def test_splats_keep_what_a_file_needs(make_bundle):
    rec = make_bundle(CAMERAS["landscape"], splats=500)
    mesh = build_scene(rec).splats.data
    np.testing.assert_allclose(get_attribute(mesh, "position"), cam_to_blender(rec.splats.means))
    np.testing.assert_allclose(get_attribute(mesh, "scale"), rec.splats.scales)
    base = get_attribute(mesh, "radiance:base")
    np.testing.assert_allclose(base[:, :3], rec.splats.sh[:, 0], atol=1e-6)
    np.testing.assert_allclose(base[:, 3], rec.splats.opacities)
    np.testing.assert_allclose(get_attribute(mesh, "rotation"), rotations_in_rig(rec.splats.rotations), atol=1e-6)


def test_rotations_and_harmonics_follow_the_change_of_axes():
    rng = np.random.default_rng(1)
    q = rng.normal(size=(5, 4)).astype(np.float32)
    q /= np.linalg.norm(q, axis=1, keepdims=True)
    for before, after in zip(q, rotations_in_rig(q), strict=True):
        turned = cam_to_blender(rotation_matrix(before).T).T
        np.testing.assert_allclose(rotation_matrix(after), turned, atol=1e-5)
    sh = rng.normal(size=(5, 16, 3)).astype(np.float32)
    directions = rng.normal(size=(5, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    before = evaluate_sh(sh, directions)
    after = evaluate_sh(sh_in_rig(sh), cam_to_blender(directions))
    np.testing.assert_allclose(after, before, atol=1e-4)


def test_colours_that_depend_on_the_view_are_the_photo_cameras(make_bundle):
    camera = Camera.from_focal_px(100.0, 80, 60)
    rec = make_bundle(camera)
    gaussians = one_splat((0.1, 0.1, 0.1), (1, 0, 0, 0))
    sh = np.concatenate([gaussians.sh, np.full((1, 3, 3), 0.1, np.float32)], axis=1)
    direction = gaussians.means / np.linalg.norm(gaussians.means)
    rec.splats = Gaussians(gaussians.means, gaussians.scales, gaussians.rotations, gaussians.opacities, sh)
    color = get_attribute(build_scene(rec).splats.data, "Color")
    np.testing.assert_allclose(color[0, :3], decode_srgb(evaluate_sh(sh, direction))[0], atol=1e-5)
    assert color[0, 3] == pytest.approx(0.9)


@pytest.mark.parametrize("coefficients", [4, 9, 16])
def test_colours_that_depend_on_the_view_follow_the_active_camera(coefficients):
    """What is drawn is what the harmonics say along the view from the camera, also of a turned and scaled object."""
    rng = np.random.default_rng(coefficients)
    means = rng.normal(size=(40, 3)).astype(np.float32)
    sh = rng.normal(size=(40, coefficients, 3)).astype(np.float32)
    scales = np.full((40, 3), 0.01, np.float32)
    rotations = np.tile(np.array([1, 0, 0, 0], np.float32), (40, 1))
    gaussians = Gaussians(means, scales, rotations, np.full(40, 0.5, np.float32), sh)
    splats = make_splats(gaussians, "Ball", face_active_camera=True)
    splats.location, splats.rotation_euler, splats.scale = (1, 2, 3), (0.3, -1.1, 2.0), (2, 2, 2)
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    camera.location = (4, -5, 1)
    scene = bpy.context.scene
    for obj in (splats, camera):
        scene.collection.objects.link(obj)
    scene.camera = camera

    def drawn() -> np.ndarray:
        splats.update_tag()
        evaluated = splats.evaluated_get(bpy.context.evaluated_depsgraph_get())
        assert not [a.name for a in evaluated.data.attributes if a.name.startswith(("radiance", "scale", "rotation"))]
        return get_attribute(evaluated.data, "Color")[::4]

    bpy.context.view_layer.update()
    viewpoint = np.array(splats.matrix_world.inverted() @ camera.location)
    view = cam_to_blender(means) - viewpoint
    view /= np.linalg.norm(view, axis=1, keepdims=True)
    expected = decode_srgb(evaluate_sh(sh_in_rig(sh), view))
    np.testing.assert_allclose(drawn()[:, :3], expected, atol=2e-4, rtol=1e-3)
    np.testing.assert_allclose(drawn()[:, 3], 0.5, atol=1e-6)
    set_modifier_input(splats.modifiers["Splats"], "View-Dependent Color", False)
    np.testing.assert_allclose(drawn(), get_attribute(splats.data, "Color"), atol=1e-6)


def test_a_files_camera_comes_in_where_it_stood(tmp_path):
    gaussians = one_splat((0.1, 0.1, 0.1), (1, 0, 0, 0))
    pose = np.eye(4)
    pose[:3, :3] = np.diag([-1.0, 1.0, -1.0])
    pose[:3, 3] = (0.5, -0.25, 10.0)
    write_splats(tmp_path / "back.ply", gaussians, Camera.from_focal_px(100.0, 80, 60), cam_to_world=pose)
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    splats, notes = import_splats(tmp_path / "back.ply", scene)
    assert any("Transparent" in note for note in notes)
    (camera,) = splats.children
    bpy.context.view_layer.update()
    np.testing.assert_allclose(camera.matrix_world.translation, (0.5, 10.0, 0.25), atol=1e-5)
    toward = np.array(camera.matrix_world.to_3x3() @ Vector((0, 0, -1)))
    np.testing.assert_allclose(toward, (0, -1, 0), atol=1e-5)
    assert camera.data.sensor_fit == "HORIZONTAL"
