"""The files for other programs, read back with other libraries, Blender among them."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from PIL import Image
from plyfile import PlyData

from infinidepth_blender.camera import Camera
from infinidepth_blender.engine import exports
from infinidepth_blender.reconstruction import FLAG_SKY, FLAG_VALID, NO_DEPTH_M, MeshArrays, PointArrays


@pytest.fixture
def mesh() -> MeshArrays:
    """A 4 x 3 grid of vertices: five quads and two triangles."""
    y, x = np.mgrid[0:3, 0:4].astype(np.float32)
    vertices = np.stack([x.ravel() - 1.5, y.ravel() - 1, 5 + 0.1 * x.ravel()], axis=-1)
    quads = [[i + 4 * j, i + 4 * (j + 1), i + 4 * (j + 1) + 1, i + 4 * j + 1] for j in range(2) for i in range(3)]
    a, b, c, d = quads.pop()
    return MeshArrays(
        vertices_cam=vertices,
        uv=np.stack([x.ravel() / 3, 1 - y.ravel() / 2], axis=-1),
        normals_cam=np.tile(np.array([0, 0, -1], np.float32), (12, 1)),
        quads=np.array(quads, np.int32),
        triangles=np.array([[a, b, c], [a, c, d]], np.int32),
    )


@pytest.fixture
def points() -> PointArrays:
    rng = np.random.default_rng(1)
    count = 500
    return PointArrays(
        positions_cam=rng.normal(size=(count, 3)).astype(np.float32),
        normals_cam=rng.normal(size=(count, 3)).astype(np.float32),
        colors_srgb=rng.integers(0, 256, (count, 3)).astype(np.uint8),
        radius_m=rng.random(count).astype(np.float32),
        confidence=np.ones(count, np.float32),
        source_px=np.zeros((count, 2), np.float32),
    )


def columns(element: object, *names: str) -> np.ndarray:
    return np.stack([element[name] for name in names], axis=-1)  # type: ignore[index]


def test_mesh_ply(tmp_path: Path, mesh: MeshArrays) -> None:
    exports.write_mesh_ply(tmp_path / "mesh.ply", mesh, "photo.png")
    ply = PlyData.read(tmp_path / "mesh.ply")
    assert "TextureFile photo.png" in ply.comments
    vertex = ply["vertex"]
    assert np.array_equal(columns(vertex, "x", "y", "z"), mesh.vertices_cam)
    assert np.array_equal(columns(vertex, "nx", "ny", "nz"), mesh.normals_cam)
    assert np.array_equal(columns(vertex, "s", "t"), mesh.uv)
    faces = [list(corners) for corners in ply["face"]["vertex_indices"]]
    assert faces == mesh.quads.tolist() + mesh.triangles.tolist()


def test_quads_that_are_not_convex_are_written_as_triangles(tmp_path: Path, mesh: MeshArrays) -> None:
    """Seen from the photo's camera all are; in their own plane those beside a far vertex may not be."""
    pushed = mesh.vertices_cam.copy()
    pushed[6] *= 3
    exports.write_mesh_ply(tmp_path / "mesh.ply", replace(mesh, vertices_cam=pushed))
    faces = [list(corners) for corners in PlyData.read(tmp_path / "mesh.ply")["face"]["vertex_indices"]]
    a, b, c, d = mesh.quads[2].tolist()
    assert faces == [*np.delete(mesh.quads, 2, axis=0).tolist(), [a, b, c], [a, c, d], *mesh.triangles.tolist()]
    for face in faces:
        places = pushed[face].astype(np.float64)
        side = np.roll(places, -1, axis=0) - places
        turns = np.cross(np.roll(side, 1, axis=0), side)
        assert (turns @ turns.sum(axis=0) > 0).all()


def test_mesh_ply_without_faces(tmp_path: Path) -> None:
    none = MeshArrays(
        np.zeros((0, 3), np.float32), np.zeros((0, 2), np.float32), np.zeros((0, 3), np.float32),
        np.zeros((0, 4), np.int32), np.zeros((0, 3), np.int32),
    )  # fmt: skip
    exports.write_mesh_ply(tmp_path / "mesh.ply", none)
    ply = PlyData.read(tmp_path / "mesh.ply")
    assert len(ply["vertex"]) == 0 and len(ply["face"]) == 0


def test_points_ply(tmp_path: Path, points: PointArrays) -> None:
    exports.write_points_ply(tmp_path / "points.ply", points)
    vertex = PlyData.read(tmp_path / "points.ply")["vertex"]
    assert [p.name for p in vertex.properties] == [
        "x", "y", "z", "nx", "ny", "nz", "red", "green", "blue", "radius", "confidence", "source_x", "source_y",
    ]  # fmt: skip
    assert np.array_equal(columns(vertex, "x", "y", "z"), points.positions_cam)
    assert np.array_equal(columns(vertex, "nx", "ny", "nz"), points.normals_cam)
    assert np.array_equal(columns(vertex, "red", "green", "blue"), points.colors_srgb)
    assert np.array_equal(vertex["radius"], points.radius_m)
    assert np.array_equal(vertex["confidence"], points.confidence)
    assert np.array_equal(columns(vertex, "source_x", "source_y"), points.source_px)


def test_depth_exr(tmp_path: Path) -> None:
    depth = np.linspace(0.1, 300, 600, dtype=np.float32).reshape(20, 30)
    depth[2, 3] = NO_DEPTH_M
    (tmp_path / "depth.exr").write_bytes(b"an older file")
    exports.write_depth_exr(tmp_path / "depth.exr", depth)
    channels = OpenEXR.File(str(tmp_path / "depth.exr")).channels()
    assert list(channels) == ["Y"]
    assert channels["Y"].pixels.dtype == np.float32
    assert np.array_equal(channels["Y"].pixels, depth)


def test_depth_png_shows_near_bright_and_sky_apart(tmp_path: Path) -> None:
    depth = np.tile(np.geomspace(1, 100, 60, dtype=np.float32), (40, 1))
    flags = np.full(depth.shape, FLAG_VALID, np.uint8)
    depth[:10], flags[:10] = NO_DEPTH_M, FLAG_SKY
    depth[30:], flags[30:] = NO_DEPTH_M, 0
    exports.write_depth_png(tmp_path / "depth.png", depth, flags)
    picture = np.asarray(Image.open(tmp_path / "depth.png")).astype(int)
    assert picture.shape == (40, 60, 3)
    brightness = picture[20] @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(brightness) <= 1).all() and brightness[0] > brightness[-1] + 150
    assert (picture[:10] == exports.SKY_COLOR_SRGB).all()
    assert (picture[30:] == exports.NO_DATA_COLOR_SRGB).all()


def test_depth_png_of_flat_empty_and_huge_maps(tmp_path: Path) -> None:
    flat = exports.color_depth(np.full((5, 5), 2, np.float32), np.full((5, 5), FLAG_VALID, np.uint8))
    assert len(np.unique(flat.reshape(-1, 3), axis=0)) == 1
    empty = exports.color_depth(np.full((5, 5), NO_DEPTH_M), np.zeros((5, 5), np.uint8))
    assert (empty == exports.NO_DATA_COLOR_SRGB).all()
    wide = exports.color_depth(np.ones((2, 9000), np.float32), np.ones((2, 9000), np.uint8))
    assert wide.shape[1] <= 4096


def test_camera_json(tmp_path: Path) -> None:
    camera = Camera(640, 480, 500, 510, 300, 250, "exif", pitch_rad=0.1)
    exports.write_camera_json(tmp_path / "camera.json", camera, scale_known=False)
    data = json.loads((tmp_path / "camera.json").read_text())
    assert Camera.from_json(data) == camera
    assert data["matrix"] == [[500, 0, 300], [0, 510, 250], [0, 0, 1]]
    assert data["camera_to_world"] == np.eye(4).tolist()
    assert data["source"] == "exif" and "unknown" in data["unit"] and "OpenCV" in data["axes"]


BLENDER_READS = """
import sys, json, bpy
folder = sys.argv[-1]
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.ops.wm.ply_import(filepath=folder + "/mesh.ply", forward_axis="Y", up_axis="Z")
mesh = bpy.context.object.data
bpy.ops.wm.ply_import(filepath=folder + "/points.ply", forward_axis="Y", up_axis="Z")
points = bpy.context.object.data
image = bpy.data.images.load(folder + "/depth.exr")
print("RESULT", json.dumps({
    "vertices": [list(v.co) for v in mesh.vertices],
    "faces": sorted(len(p.vertices) for p in mesh.polygons),
    "uv": [list(d.uv) for d in mesh.uv_layers[0].data],
    "corners": [l.vertex_index for l in mesh.loops],
    "points": len(points.vertices),
    "point_attributes": sorted(points.attributes.keys()),
    "depth": list(image.pixels[:4]), "size": list(image.size),
}))
"""


@pytest.mark.skipif(importlib.util.find_spec("bpy") is None, reason="bpy is not installed beside the engine")
def test_blender_opens_them(tmp_path: Path, mesh: MeshArrays, points: PointArrays) -> None:
    exports.write_mesh_ply(tmp_path / "mesh.ply", mesh, "photo.png")
    exports.write_points_ply(tmp_path / "points.ply", points)
    depth = np.full((4, 6), 7.25, np.float32)
    exports.write_depth_exr(tmp_path / "depth.exr", depth)
    run = subprocess.run(
        [sys.executable, "-c", BLENDER_READS, str(tmp_path)], capture_output=True, text=True, check=True
    )
    result = json.loads(next(line for line in run.stdout.splitlines() if line.startswith("RESULT"))[7:])
    assert np.allclose(result["vertices"], mesh.vertices_cam)
    assert result["faces"] == [3, 3, 4, 4, 4, 4, 4]
    assert np.allclose(result["uv"], mesh.uv[result["corners"]])
    assert result["points"] == len(points.positions_cam)
    assert "Col" in result["point_attributes"]
    assert result["size"] == [6, 4] and result["depth"][:3] == [7.25, 7.25, 7.25]
