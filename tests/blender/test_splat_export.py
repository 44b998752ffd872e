"""Splats that were edited in Blender go back into a file, where they stand and as they are turned."""

# pyright: reportOptionalMemberAccess=false

from __future__ import annotations

import io

import bmesh
import bpy
import numpy as np
import pytest
from blender_synthetic import analytic_bundle
from mathutils import Euler, Matrix
from PIL import Image

from infinidepth_blender.camera import OPENCV_TO_BLENDER_WORLD, Camera
from infinidepth_blender.errors import SceneError
from infinidepth_blender.reconstruction import Gaussians
from infinidepth_blender.scene.build import build_scene
from infinidepth_blender.scene.exported import export_splats, holds_splats
from infinidepth_blender.scene.imported import import_splats, rgba_by_blender
from infinidepth_blender.splats.files import read_splats, write_splats
from infinidepth_blender.splats.placed import rotation_matrices
from infinidepth_blender.splats.sh import evaluate_sh
from infinidepth_blender.splats.sog import rgba_by_pillow

COUNT = 60


def some_splats(coefficients: int = 9) -> Gaussians:
    rng = np.random.default_rng(3)
    rotations = rng.normal(size=(COUNT, 4)).astype(np.float32)
    rotations /= np.linalg.norm(rotations, axis=1, keepdims=True)
    return Gaussians(
        rng.normal(size=(COUNT, 3)).astype(np.float32),
        rng.uniform(0.01, 0.3, (COUNT, 3)).astype(np.float32),
        rotations,
        rng.uniform(0.1, 0.9, COUNT).astype(np.float32),
        rng.normal(size=(COUNT, coefficients, 3)).astype(np.float32),
    )


def covariances(gaussians: Gaussians) -> np.ndarray:
    shape = rotation_matrices(gaussians.rotations.astype(np.float64)) * gaussians.scales[:, None, :]
    return shape @ np.swapaxes(shape, 1, 2)


@pytest.mark.parametrize("scale_length", [1.0, 0.01])
def test_what_was_imported_comes_out_again(tmp_path, scale_length):
    before = some_splats()
    write_splats(tmp_path / "in.ply", before)
    scene = bpy.context.scene
    scene.unit_settings.scale_length = scale_length
    splats, _ = import_splats(tmp_path / "in.ply", scene)
    bpy.context.view_layer.update()
    assert export_splats(tmp_path / "out.ply", [splats], scene) == COUNT
    after = read_splats(tmp_path / "out.ply").gaussians
    np.testing.assert_allclose(after.means, before.means, atol=1e-5)
    np.testing.assert_allclose(covariances(after), covariances(before), atol=1e-6)
    np.testing.assert_allclose(after.opacities, before.opacities, atol=1e-5)
    np.testing.assert_allclose(after.sh, before.sh, atol=1e-4)


def test_splats_that_have_no_numbers_are_neither_written_nor_counted(tmp_path):
    write_splats(tmp_path / "in.ply", some_splats())
    splats, _ = import_splats(tmp_path / "in.ply", bpy.context.scene)
    splats.data.attributes["scale"].data[7].vector = (float("nan"), 1, 1)
    for kind in ("ply", "spz", "splat", "glb"):
        assert export_splats(tmp_path / f"out.{kind}", [splats], bpy.context.scene) == COUNT - 1
        found = read_splats(tmp_path / f"out.{kind}")
        assert (len(found.gaussians), found.dropped) == (COUNT - 1, 0)


@pytest.mark.parametrize("stretch", [(2, 2, 2), (1, 2, 0.5), (-1, 1, 1)])
def test_objects_are_written_as_they_stand(tmp_path, stretch):
    before = some_splats()
    write_splats(tmp_path / "in.ply", before)
    splats, _ = import_splats(tmp_path / "in.ply", bpy.context.scene)
    turn = Euler((0.4, -1.0, 2.0)).to_matrix()
    splats.matrix_world = Matrix.Translation((1, 2, 3)) @ (turn @ Matrix.Diagonal(stretch)).to_4x4()
    bpy.context.view_layer.update()
    export_splats(tmp_path / "out.ply", [splats], bpy.context.scene)
    after = read_splats(tmp_path / "out.ply").gaussians
    axes = OPENCV_TO_BLENDER_WORLD.astype(np.float64)
    linear = axes.T @ np.array(splats.matrix_world)[:3, :3] @ axes
    moved = before.means @ linear.T + axes.T @ np.array((1, 2, 3))
    np.testing.assert_allclose(after.means, moved, atol=1e-5)
    np.testing.assert_allclose(covariances(after), linear @ covariances(before) @ linear.T, atol=1e-5)
    if stretch == (2, 2, 2):
        view = np.tile([0.0, 0.6, 0.8], (COUNT, 1))
        np.testing.assert_allclose(
            evaluate_sh(after.sh, view @ (linear / 2).T), evaluate_sh(before.sh, view), atol=1e-3
        )


def test_deleted_splats_are_gone_and_several_objects_become_one_file(tmp_path):
    write_splats(tmp_path / "a.ply", some_splats(4))
    write_splats(tmp_path / "b.ply", some_splats(1))
    a, _ = import_splats(tmp_path / "a.ply", bpy.context.scene)
    b, _ = import_splats(tmp_path / "b.ply", bpy.context.scene)
    mesh = bmesh.new()
    mesh.from_mesh(a.data)
    mesh.verts.ensure_lookup_table()
    bmesh.ops.delete(mesh, geom=mesh.verts[:10], context="VERTS")
    mesh.to_mesh(a.data)
    mesh.free()
    assert holds_splats(a)
    assert export_splats(tmp_path / "both.ply", [a, b], bpy.context.scene) == 2 * COUNT - 10
    after = read_splats(tmp_path / "both.ply").gaussians
    np.testing.assert_allclose(after.means[: COUNT - 10], some_splats(4).means[10:], atol=1e-5)
    assert after.sh.shape == (2 * COUNT - 10, 4, 3)


@pytest.mark.parametrize("suffix", [".spz", ".splat", ".glb"])
def test_other_kinds_come_and_go_upright(tmp_path, suffix):
    """What is below the camera in a PLY is below it in Blender, whatever the file's own axes."""
    before = some_splats(1 if suffix == ".splat" else 9)
    write_splats(tmp_path / f"in{suffix}", before)
    splats, _ = import_splats(tmp_path / f"in{suffix}", bpy.context.scene)
    bpy.context.view_layer.update()
    heights = np.sort([vertex.co.z for vertex in splats.data.vertices])
    np.testing.assert_allclose(heights, np.sort(-before.means[:, 1]), atol=1e-3)
    export_splats(tmp_path / f"out{suffix}", [splats], bpy.context.scene)
    after, as_read = (read_splats(tmp_path / f"{name}{suffix}").gaussians for name in ("out", "in"))
    np.testing.assert_allclose(np.sort(after.means, axis=0), np.sort(as_read.means, axis=0), atol=1e-3)
    assert after.sh.shape == as_read.sh.shape


def test_blenders_own_importer_shows_splats_in_gltf_as_points(tmp_path):
    """It does not know the extension: places and colours are what is left."""
    before = some_splats(9)
    write_splats(tmp_path / "in.glb", before, Camera(640, 480, 500.0, 500.0, 320.0, 240.0))
    bpy.ops.import_scene.gltf(filepath=str(tmp_path / "in.glb"))
    points = next(obj for obj in bpy.data.objects if obj.type == "MESH")
    assert any(obj.type == "CAMERA" for obj in bpy.data.objects)
    bpy.context.view_layer.update()
    found = np.sort([tuple(points.matrix_world @ vertex.co) for vertex in points.data.vertices], axis=0)
    # Blender's z is OpenCV's -y, and its y OpenCV's z.
    np.testing.assert_allclose(found, np.sort(before.means[:, [0, 2, 1]] * [1, 1, -1], axis=0), atol=1e-4)


def test_pictures_of_sog_files_are_read_byte_by_byte():
    """Blender's decoder gives what Pillow's does, also below an opacity of nothing."""
    picture = np.random.default_rng(1).integers(0, 256, (21, 34, 4), np.uint8)
    picture[:10, :, 3] = 0
    for kind, options in (("WEBP", {"lossless": True, "exact": True}), ("PNG", {})):
        stream = io.BytesIO()
        Image.fromarray(picture).save(stream, kind, **options)
        np.testing.assert_array_equal(rgba_by_blender(stream.getvalue()), picture)
        np.testing.assert_array_equal(rgba_by_pillow(stream.getvalue()), picture)
    images = len(bpy.data.images)
    with pytest.raises(OSError, match="no picture"):
        rgba_by_blender(b"no picture")
    assert len(bpy.data.images) == images


def test_the_photos_camera_goes_along(tmp_path):
    """As it stands in the world, and only with splats of one photo."""
    camera = Camera(640, 480, 500.0, 500.0, 300.0, 250.0, pitch_rad=0.2, roll_rad=-0.1)
    rec = analytic_bundle(tmp_path, camera, splats=400)
    objects = build_scene(rec)
    write_splats(tmp_path / "in.ply", some_splats(1))
    foreign, _ = import_splats(tmp_path / "in.ply", bpy.context.scene)
    bpy.context.view_layer.update()
    export_splats(tmp_path / "own.ply", [objects.splats], bpy.context.scene)
    own = read_splats(tmp_path / "own.ply")
    assert own.camera is not None
    for name in ("width_px", "height_px", "fx_px", "fy_px", "cx_px", "cy_px"):
        assert getattr(own.camera, name) == pytest.approx(getattr(camera, name), abs=1e-2), name
    # Seen from there, a splat is where it was in the photo.
    to_camera = np.linalg.inv(own.cam_to_world)
    seen = own.gaussians.means @ to_camera[:3, :3].T + to_camera[:3, 3]
    np.testing.assert_allclose(own.camera.project(seen), camera.project(rec.splats.means), atol=0.05)
    for chosen, options in (
        ([foreign], {}),
        ([objects.splats, foreign], {}),
        ([objects.splats], {"with_camera": False}),
    ):
        export_splats(tmp_path / "bare.ply", chosen, bpy.context.scene, **options)
        assert read_splats(tmp_path / "bare.ply").camera is None


@pytest.mark.skipif(bpy.app.version < (4, 3), reason="Blender 4.2 converts no mesh to a point cloud")
def test_point_clouds_with_the_same_attributes_are_written_too(tmp_path):
    before = some_splats(4)
    write_splats(tmp_path / "in.ply", before)
    splats, _ = import_splats(tmp_path / "in.ply", bpy.context.scene)
    splats.modifiers.clear()
    splats.select_set(True)
    bpy.context.view_layer.objects.active = splats
    assert bpy.ops.object.convert(target="POINTCLOUD") == {"FINISHED"}
    cloud = bpy.context.view_layer.objects.active
    assert cloud.type == "POINTCLOUD" and holds_splats(cloud)
    assert export_splats(tmp_path / "out.ply", [cloud], bpy.context.scene) == COUNT
    after = read_splats(tmp_path / "out.ply").gaussians
    np.testing.assert_allclose(after.means, before.means, atol=1e-5)
    np.testing.assert_allclose(covariances(after), covariances(before), atol=1e-6)
    np.testing.assert_allclose(after.sh, before.sh, atol=1e-4)


def test_other_objects_are_named_and_nothing_is_written(tmp_path):
    bpy.ops.mesh.primitive_cube_add()
    with pytest.raises(SceneError, match="Cube"):
        export_splats(tmp_path / "cube.ply", [bpy.context.object], bpy.context.scene)
    assert not list(tmp_path.iterdir())
