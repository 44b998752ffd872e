"""Splats that were edited in Blender go back into a file, where they stand and as they are turned."""

# pyright: reportOptionalMemberAccess=false

from __future__ import annotations

import bmesh
import bpy
import numpy as np
import pytest
from mathutils import Euler, Matrix

from infinidepth_blender.camera import OPENCV_TO_BLENDER_WORLD
from infinidepth_blender.errors import SceneError
from infinidepth_blender.reconstruction import Gaussians
from infinidepth_blender.scene.exported import export_splats, holds_splats
from infinidepth_blender.scene.imported import import_splats
from infinidepth_blender.splats.files import read_splats, write_splats
from infinidepth_blender.splats.placed import rotation_matrices
from infinidepth_blender.splats.sh import evaluate_sh

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


def test_other_objects_are_named_and_nothing_is_written(tmp_path):
    bpy.ops.mesh.primitive_cube_add()
    with pytest.raises(SceneError, match="Cube"):
        export_splats(tmp_path / "cube.ply", [bpy.context.object], bpy.context.scene)
    assert not list(tmp_path.iterdir())
