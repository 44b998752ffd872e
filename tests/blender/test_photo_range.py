"""What a photo holds beyond 8 bits comes back from Blender, too."""

# pyright: reportOptionalMemberAccess=false

from __future__ import annotations

import dataclasses
import struct
import zlib
from pathlib import Path

import addon_utils
import bpy
import numpy as np
import pytest
from blender_renders import render
from blender_synthetic import CAMERAS, write_png

from infinidepth_blender.reconstruction import Reconstruction
from infinidepth_blender.scene.build import SceneOptions, build_scene
from infinidepth_blender.scene.match import match_scene_to_photo
from infinidepth_blender.scene.objects import SceneObjects
from infinidepth_blender.scene.photo_modes import set_surface_mode

CAMERA = CAMERAS["landscape"]
SIZE = (CAMERA.height_px, CAMERA.width_px)


def smooth_picture() -> np.ndarray:
    """(H, W, 3) float32 ramps without symmetry, linear light between 0.02 and 0.95."""
    y, x = np.mgrid[0 : SIZE[0], 0 : SIZE[1]]
    return np.stack([0.03 + x / 200, 0.05 + y / 150, 0.95 - x / 300 - y / 300], axis=-1).astype(np.float32)


def bright_picture() -> np.ndarray:
    """The same with a patch of 8 on the surface, one of 20 in the sky and one that no screen shows."""
    linear = smooth_picture()
    linear[70:90, 60:90] = 8
    linear[3:15, 120:150] = 20
    linear[95:110, 20:50] = (-0.05, 0.5, 0.25)
    return linear


def write_linear(path: Path, linear: np.ndarray) -> None:
    """Writes linear light as an OpenEXR file through Blender."""
    # As data: Blender encodes the pixels of other new images as sRGB before it writes them as linear.
    size = linear.shape[1], linear.shape[0]
    image = bpy.data.images.new("light", *size, alpha=False, float_buffer=True, is_data=True)
    rgba = np.ones((*linear.shape[:2], 4), np.float32)
    rgba[..., :3] = linear[::-1]
    image.pixels.foreach_set(rgba.ravel())
    image.filepath_raw = str(path)
    image.file_format = "OPEN_EXR"
    image.save()
    bpy.data.images.remove(image)


def write_png_16(path: Path, values: np.ndarray) -> None:
    """Writes (H, W, 3) uint16 as a PNG file (ISO/IEC 15948)."""
    rows = values.astype(">u2").reshape(len(values), -1).view(np.uint8)
    lines = np.concatenate([np.zeros((len(rows), 1), np.uint8), rows], axis=1)
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(lines.tobytes())),
        (b"IEND", b""),
    )
    chunks = [struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


def with_light(rec: Reconstruction, linear: np.ndarray) -> Reconstruction:
    """The bundle as the engine writes it for a photo in linear light, with a background."""
    assert rec.folder is not None
    eight = np.rint(np.clip(linear, 0, 1) ** (1 / 2.2) * 255).astype(np.uint8)
    write_linear(rec.folder / "photo.exr", linear)
    write_png(rec.folder / "photo.png", eight)
    write_linear(rec.folder / "background.exr", linear)
    write_png(rec.folder / "background.png", eight)
    rec.photo = dataclasses.replace(rec.photo, file="photo.exr")
    rec.background, rec.background_file = rec.backdrop, "background.exr"
    return rec


@pytest.fixture
def bright(make_bundle) -> SceneObjects:
    objects = build_scene(with_light(make_bundle(CAMERA), bright_picture()))
    objects.background.hide_render = True
    match_scene_to_photo(objects)
    return objects


def test_light_beyond_white_comes_back(bright, tmp_path):
    linear = bright_picture()
    seen = render(tmp_path).rgba[..., :3]
    assert np.abs(seen[75:85, 65:85] - 8).max() < 0.01  # on the surface
    assert np.abs(seen[6:12, 125:145] - 20).max() < 0.02  # in the sky
    assert np.abs(seen[100:105, 25:45] - (-0.05, 0.5, 0.25)).max() < 0.001
    plain = (linear == smooth_picture()).all(axis=-1)
    plain[1:-1, 1:-1] &= plain[:-2, 1:-1] & plain[2:, 1:-1] & plain[1:-1, :-2] & plain[1:-1, 2:]
    assert np.percentile(np.abs(seen - linear)[plain] / linear[plain], 98) < 0.003
    # The background shows the same light.
    image = bright.background.data.materials[0].node_tree.nodes["Image Texture"].image
    assert image.is_float and max(image.pixels[:]) > 19


def test_no_surface_reflects_more_light_than_it_gets(bright, tmp_path):
    set_surface_mode(bright.mesh, "LIT")
    bright.backdrop.hide_render = True
    scene = bpy.context.scene
    scene.world = bpy.data.worlds.new("White")
    if scene.world.node_tree is None:
        scene.world.use_nodes = True
    scene.world.node_tree.nodes["Background"].inputs["Color"].default_value = (1, 1, 1, 1)
    assert render(tmp_path, samples=16).rgba[75:85, 65:85, :3].mean() < 1.05


def export_gltf(folder: Path) -> None:
    addon_utils.enable("io_scene_gltf2")
    bpy.ops.export_scene.gltf(filepath=str(folder / "scene.glb"), use_selection=True)
    start_anew()
    addon_utils.enable("io_scene_gltf2")
    bpy.ops.import_scene.gltf(filepath=str(folder / "scene.glb"))


def export_fbx(folder: Path) -> None:
    addon_utils.enable("io_scene_fbx")
    path = str(folder / "scene.fbx")
    bpy.ops.export_scene.fbx(filepath=path, use_selection=True, path_mode="COPY", embed_textures=True)
    start_anew()
    addon_utils.enable("io_scene_fbx")
    bpy.ops.import_scene.fbx(filepath=path)


def export_usd(folder: Path) -> None:
    bpy.ops.wm.usd_export(filepath=str(folder / "scene.usdc"), selected_objects_only=True)
    start_anew()
    bpy.ops.wm.usd_import(filepath=str(folder / "scene.usdc"))


def start_anew() -> None:
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)


@pytest.mark.parametrize(
    ("export", "mode"),
    [(export_gltf, "PHOTO"), (export_gltf, "LIT"), (export_fbx, "PHOTO"), (export_fbx, "LIT"), (export_usd, "LIT")],
)
def test_exports_show_the_photo_as_bright_as_it_is(export, mode, make_bundle, tmp_path):
    rec = with_light(make_bundle(CAMERA, mesh_vertices=9), smooth_picture())
    objects = build_scene(rec, SceneOptions(photo_mode=mode))
    objects.mesh.select_set(True)
    export(tmp_path)
    pictures = [image for image in bpy.data.images if image.size[0] == CAMERA.width_px]
    assert [image.file_format for image in pictures] == ["PNG"]
    pixels = np.array(pictures[0].pixels[:]).reshape(*SIZE, -1)[::-1, :, :3]
    assert np.abs(pixels - smooth_picture() ** (1 / 2.2)).max() < 0.004


def test_16_bits_come_back(make_bundle, tmp_path):
    """A smooth gradient: far more levels than 8 bits have, each where it belongs."""
    ramp = np.linspace(12_000, 20_000, SIZE[0] * SIZE[1]).reshape(SIZE)
    values = np.stack([ramp, ramp[::-1], ramp * 1.1], axis=-1).astype(np.uint16)
    rec = make_bundle(CAMERA)
    write_png_16(rec.folder / "photo.png", values)
    objects = build_scene(rec)
    match_scene_to_photo(objects)
    result = render(tmp_path)
    seen = result.srgb
    assert len(np.unique(np.rint(seen[..., 0][result.covered] * 65_535))) > 4000
    assert np.percentile(np.abs(seen - values / 65_535)[result.covered], 99) < 1 / 4000


EIGHT_BIT_NODES = (
    "Group", "Image Texture", "Emission", "Emission.001", "Light Path", "Photo", "Lit", "Holdout", "For FBX and OBJ",
    "Material Output",
)  # fmt: skip


def test_the_material_of_8_bits_is_as_plain_as_it_was(make_bundle):
    objects = build_scene(make_bundle(CAMERA, mesh_vertices=9))
    nodes = objects.mesh.data.materials[0].node_tree.nodes
    assert {node.name for node in nodes} == set(EIGHT_BIT_NODES)
    assert not any(image.is_float for image in bpy.data.images)
