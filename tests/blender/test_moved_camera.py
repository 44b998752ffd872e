"""The depth is right, not only the picture: seen from elsewhere, the reconstruction is the scene.

A scene of plain Blender objects is photographed by Blender. Its photo and true depth become a
bundle; rendered from a moved camera, the bundle must match Blender's own render of
the original from there.
"""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
import pytest
from blender_renders import Render, psnr_db, render, save_png
from mathutils import Vector

from infinidepth_blender.camera import Camera
from infinidepth_blender.geometry.mesh import cut_grid, mesh_grid_size, mesh_of_grid
from infinidepth_blender.reconstruction import (
    FLAG_VALID,
    NO_DEPTH_M,
    PhotoInfo,
    PointArrays,
    Reconstruction,
    save,
)
from infinidepth_blender.scene.build import SceneOptions, Shown, build_scene
from infinidepth_blender.scene.match import match_colors_to_photo, match_scene_to_photo
from infinidepth_blender.splats.placed import gaussians_on_surface

CAMERA = Camera.from_focal_px(230.0, 240, 180)
MOVE_M = Vector((0.25, 0.1, 0.08))


def original_scene() -> bpy.types.Object:
    """A floor, a wall, a ball and a block with a texture in space, and the camera at the origin."""
    material = bpy.data.materials.new("Waves")
    if material.node_tree is None:
        material.use_nodes = True
    tree = material.node_tree
    tree.nodes.clear()
    position = tree.nodes.new("ShaderNodeNewGeometry").outputs["Position"]
    waves = tree.nodes.new("ShaderNodeVectorMath")
    waves.operation = "SINE"
    scale = tree.nodes.new("ShaderNodeVectorMath")
    scale.operation = "SCALE"
    scale.inputs["Scale"].default_value = 3.0
    tree.links.new(position, scale.inputs[0])
    tree.links.new(scale.outputs[0], waves.inputs[0])
    shift = tree.nodes.new("ShaderNodeVectorMath")
    shift.operation = "MULTIPLY_ADD"
    shift.inputs[1].default_value = (0.3, 0.3, 0.3)
    shift.inputs[2].default_value = (0.4, 0.4, 0.4)
    tree.links.new(waves.outputs[0], shift.inputs[0])
    emission = tree.nodes.new("ShaderNodeEmission")
    tree.links.new(shift.outputs[0], emission.inputs["Color"])
    output = tree.nodes.new("ShaderNodeOutputMaterial")
    tree.links.new(emission.outputs[0], output.inputs["Surface"])

    bpy.ops.mesh.primitive_plane_add(size=40, location=(0, 10, -1.2))
    bpy.ops.mesh.primitive_plane_add(size=40, location=(0, 8, 0), rotation=(np.pi / 2, 0, 0))
    bpy.ops.mesh.primitive_uv_sphere_add(radius=0.7, segments=96, ring_count=48, location=(-0.8, 4.5, -0.3))
    bpy.ops.mesh.primitive_cube_add(size=1.0, location=(0.9, 4.2, -0.7), rotation=(0, 0, 0.4))
    for obj in bpy.context.scene.objects:
        obj.data.materials.append(material)
    data = bpy.data.cameras.new("Original")
    data.sensor_width, data.lens = 36.0, 36.0 * CAMERA.fx_px / CAMERA.width_px
    camera = bpy.data.objects.new("Original", data)
    camera.rotation_euler = (np.pi / 2, 0, 0)
    scene = bpy.context.scene
    scene.collection.objects.link(camera)
    scene.camera = camera
    scene.render.resolution_x, scene.render.resolution_y = CAMERA.width_px, CAMERA.height_px
    match_colors_to_photo(scene)
    return camera


def sampled(grid: np.ndarray, x_px: np.ndarray, y_px: np.ndarray) -> np.ndarray:
    """Values at pixel positions: nearest, as a depth map with edges wants."""
    rows = np.clip(y_px.astype(int), 0, grid.shape[0] - 1)
    return grid[rows, np.clip(x_px.astype(int), 0, grid.shape[1] - 1)]


def reconstruct(photo: Render, folder: Path) -> Reconstruction:
    """A bundle from Blender's own photo and depth pass, made by the product's geometry."""
    width, height = CAMERA.width_px, CAMERA.height_px
    depth_m = photo.depth.astype(np.float32)
    # The mesh asks at the photo's corners too: between pixel centres, disparity is linear on planes.
    rows, cols = mesh_grid_size(width + 1, CAMERA)
    padded = np.pad(1 / depth_m.astype(np.float64), 1, mode="reflect", reflect_type="odd")
    corners = [padded[i : i + rows, j : j + cols] for i in (0, 1) for j in (0, 1)]
    step = np.max(corners, axis=0) / np.min(corners, axis=0)
    at_vertex = 1 / np.where(step < 1.04, np.mean(corners, axis=0), corners[3])
    mesh = mesh_of_grid(
        cut_grid(at_vertex.astype(np.float32), np.full((rows, cols), FLAG_VALID, np.uint8), 0.04), CAMERA
    )

    x, y = np.meshgrid(np.arange(width * 2) / 2 + 0.25, np.arange(height * 2) / 2 + 0.25)
    x_px, y_px = x.ravel(), y.ravel()
    z = sampled(depth_m, x_px, y_px)
    at = CAMERA.unproject(x, y, 1 / _smooth_disparity(depth_m, x, y))
    normals = np.cross(np.gradient(at, axis=0), np.gradient(at, axis=1))
    normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-12)
    normals = normals.reshape(-1, 3)
    positions = at.reshape(-1, 3)
    slant = np.maximum(np.abs((normals * positions / positions[:, 2:]).sum(-1)), 0.1)
    area = (z**2 / CAMERA.fx_px**2 / slant / 4).astype(np.float32)
    srgb = np.rint(np.clip(photo.srgb, 0, 1) * 255).astype(np.uint8)
    points = PointArrays(
        positions_cam=positions.astype(np.float32),
        normals_cam=normals.astype(np.float32),
        colors_srgb=np.ascontiguousarray(sampled(srgb, x_px, y_px)),
        radius_m=0.5 * np.sqrt(area),
        confidence=np.ones(len(area), np.float32),
        source_px=np.stack([x_px, y_px], axis=1).astype(np.float32),
    )
    source = folder / "source"
    source.mkdir()
    save_png(source / "photo.png", srgb / 255)
    rec = Reconstruction(
        name="Original",
        photo=PhotoInfo("", "photo.png", width, height),
        camera=CAMERA,
        depth_m=np.where(depth_m < 1e9, depth_m, NO_DEPTH_M),
        flags=np.full((height, width), FLAG_VALID, np.uint8),
        normals_cam=np.zeros((height, width, 3), np.float32),
        confidence=np.ones((height, width), np.float32),
        mesh=mesh,
        points=points,
        splats=gaussians_on_surface(points, area),
        scale_known=True,
        folder=source,
    )
    save(rec, folder / "bundle")
    return rec


def _smooth_disparity(depth_m: np.ndarray, x_px: np.ndarray, y_px: np.ndarray) -> np.ndarray:
    """Disparity between pixel centres: linear from the nearest pixel with its own gradient, cut at edges."""
    disparity = 1 / depth_m.astype(np.float64)
    slopes = []
    for axis in (0, 1):
        forward = np.diff(disparity, axis=axis, append=np.take(disparity, [-1], axis))
        backward = np.roll(forward, 1, axis)
        slopes.append(np.where(np.abs(forward) < np.abs(backward), forward, backward))
    rows = np.clip(y_px.astype(int), 0, depth_m.shape[0] - 1)
    cols = np.clip(x_px.astype(int), 0, depth_m.shape[1] - 1)
    along_y = slopes[0][rows, cols] * (y_px - rows - 0.5)
    along_x = slopes[1][rows, cols] * (x_px - cols - 0.5)
    return disparity[rows, cols] + along_y + along_x


LEAST_DB: dict[Shown, float] = {"MESH": 50.0, "POINTS": 37.0, "SPLATS": 42.0}
"""Measured, less a margin; on pixels that the original camera saw, 2 pixels from depth edges."""


@pytest.mark.parametrize("shown", list(LEAST_DB))
def test_a_moved_camera_sees_what_blender_sees(shown: Shown, tmp_path):
    camera = original_scene()
    photo = render(tmp_path, samples=1)
    camera.location = MOVE_M
    truth = render(tmp_path, samples=1)
    rec = reconstruct(photo, tmp_path)

    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    objects = build_scene(rec, SceneOptions(show=shown))
    match_scene_to_photo(objects)
    objects.camera.location = MOVE_M
    result = render(tmp_path, samples=2)

    # Splats are never quite opaque.
    opaque = result.rgba[..., 3] > (0.9 if shown == "SPLATS" else 0.999)
    known = visible_in_photo(truth.depth, photo.depth) & opaque
    assert known.mean() > 0.75
    psnr = psnr_db(result.srgb, truth.srgb, known)
    relief = np.abs(result.depth[known] / truth.depth[known] - 1)
    print(f"{shown}: {psnr:.1f} dB, median depth error {np.median(relief):.1e}, {known.mean():.0%} of the picture")
    assert psnr >= LEAST_DB[shown]
    if shown == "MESH":
        assert np.median(relief) < 1e-3


def visible_in_photo(depth_m: np.ndarray, photo_depth_m: np.ndarray) -> np.ndarray:
    """Pixels of the moved camera whose surface the photo shows, away from depth edges in both."""
    x, y = np.meshgrid(np.arange(CAMERA.width_px) + 0.5, np.arange(CAMERA.height_px) + 0.5)
    points = CAMERA.unproject(x, y, depth_m) + np.array([MOVE_M.x, -MOVE_M.z, MOVE_M.y])
    px = CAMERA.project(points)
    inside = (px[..., 0] > 3) & (px[..., 1] > 3)
    inside &= (px[..., 0] < CAMERA.width_px - 3) & (px[..., 1] < CAMERA.height_px - 3)
    seen = np.abs(sampled(photo_depth_m, px[..., 0], px[..., 1]) / points[..., 2] - 1) < 0.02
    calm_photo = sampled(~edges(photo_depth_m), px[..., 0], px[..., 1])
    return inside & seen & calm_photo & ~edges(depth_m)


def edges(depth_m: np.ndarray, reach: int = 2) -> np.ndarray:
    """Pixels within `reach` of a relative depth step of 4 %."""
    edge = np.zeros(depth_m.shape, bool)
    for axis in (0, 1):
        step = np.abs(np.diff(np.log(depth_m), axis=axis)) > 0.04
        edge |= np.pad(step, [(0, 1), (0, 0)] if axis == 0 else [(0, 0), (0, 1)])
    for _ in range(reach):
        grown = edge.copy()
        for axis in (0, 1):
            grown |= np.roll(edge, 1, axis) | np.roll(edge, -1, axis)
        edge = grown
    return edge
