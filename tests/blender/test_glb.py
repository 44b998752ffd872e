"""GLB files as Blender's own importer reads them: the photo comes back from the camera that they bring."""

# pyright: reportOptionalMemberAccess=false

from __future__ import annotations

import json
import struct
from dataclasses import replace

import bpy
import numpy as np
import pytest
from blender_renders import psnr_db, render
from blender_synthetic import CAMERAS, analytic_bundle, photograph

from infinidepth_blender.camera import Camera
from infinidepth_blender.engine.glb import TexturedMesh, write_glb
from infinidepth_blender.scene.attributes import get_attribute
from infinidepth_blender.scene.build import build_scene


def write(folder, camera, photo=None):
    rec = analytic_bundle(folder, camera, photo=photo)
    assert rec.mesh is not None and rec.backdrop is not None and rec.folder is not None
    picture = (rec.folder / "photo.png").read_bytes()
    parts = [TexturedMesh("Mesh", rec.mesh, picture), TexturedMesh("Sky", rec.backdrop, picture)]
    write_glb(folder / "scene.glb", "Analytic", camera, parts)
    return rec


def camera_entry(path):
    data = path.read_bytes()
    (length,) = struct.unpack_from("<I", data, 12)
    (camera,) = json.loads(data[20 : 20 + length])["cameras"]
    return camera


@pytest.mark.parametrize(
    ("principal_px", "frame_px"), [((120, 80), (240, 160)), ((131, 72), (262, 176)), ((104.5, 80), (271, 160))]
)
def test_the_photo_comes_back(tmp_path, principal_px, frame_px):
    """From a middle beside the photo's, in the part of the frame that the file tells."""
    camera = Camera(240, 160, 210.0, 210.0, *principal_px, pitch_rad=0.15, roll_rad=0.1)
    photo = photograph(camera)[0]
    write(tmp_path, camera, photo)
    extras = camera_entry(tmp_path / "scene.glb")["extras"]
    assert Camera.from_json(extras["infinidepth_camera"]) == replace(camera, pitch_rad=None, roll_rad=None)
    crop = extras.get("infinidepth_crop", {"frame_width_px": 240, "frame_height_px": 160, "left_px": 0, "top_px": 0})
    assert (crop["frame_width_px"], crop["frame_height_px"]) == frame_px
    assert ("infinidepth_crop" in extras) == (frame_px != (240, 160))
    bpy.ops.import_scene.gltf(filepath=str(tmp_path / "scene.glb"))
    scene = bpy.context.scene
    scene.camera = next(obj for obj in bpy.data.objects if obj.type == "CAMERA")
    scene.render.resolution_x, scene.render.resolution_y = frame_px
    scene.view_settings.view_transform = "Standard"
    result = render(tmp_path)
    left, top = int(crop["left_px"]), int(crop["top_px"])
    part = np.s_[top : top + 160, left : left + 240]
    assert result.covered[part].mean() > 0.97
    assert psnr_db(result.srgb[part], photo / 255, result.covered[part]) > 35


@pytest.mark.parametrize("kind", list(CAMERAS))
def test_it_stands_where_the_add_on_puts_it(tmp_path, kind):
    rec = write(tmp_path, CAMERAS[kind])
    own = build_scene(rec).mesh
    bpy.ops.import_scene.gltf(filepath=str(tmp_path / "scene.glb"))
    mesh = next(obj for obj in bpy.context.selected_objects if obj.name.startswith("Mesh"))
    bpy.context.view_layer.update()

    def corners(obj):
        used = np.unique([v for polygon in obj.data.polygons for v in polygon.vertices])
        places = get_attribute(obj.data, "position")[used]
        world = np.array(obj.matrix_world)
        return places @ world[:3, :3].T + world[:3, 3]

    found, expected = corners(mesh), corners(own)
    assert len(mesh.data.polygons) == 2 * len(rec.mesh.quads) + len(rec.mesh.triangles)
    np.testing.assert_allclose(found.min(axis=0), expected.min(axis=0), atol=1e-3)
    np.testing.assert_allclose(found.max(axis=0), expected.max(axis=0), atol=1e-3)


def test_equal_pictures_are_stored_once_and_parts_begin_at_whole_words(tmp_path):
    rec = write(tmp_path, CAMERAS["landscape"])
    assert rec.folder is not None
    data = (tmp_path / "scene.glb").read_bytes()
    magic, version, total, length, kind = struct.unpack_from("<4sIII4s", data)
    assert (magic, version, total, kind) == (b"glTF", 2, len(data), b"JSON")
    content = json.loads(data[20 : 20 + length])
    binary_length, binary = struct.unpack_from("<I4s", data, 20 + length)
    assert binary == b"BIN\0" and binary_length == content["buffers"][0]["byteLength"]
    assert len(content["images"]) == 1 and len(content["meshes"]) == 2
    assert all(view["byteOffset"] % 4 == 0 for view in content["bufferViews"])
    picture = content["bufferViews"][content["images"][0]["bufferView"]]
    start = 28 + length + picture["byteOffset"]
    assert data[start : start + picture["byteLength"]] == (rec.folder / "photo.png").read_bytes()
