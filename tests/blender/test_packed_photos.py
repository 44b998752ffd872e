"""Packed photos of several results keep apart when they are unpacked or exported."""

# pyright: reportOptionalMemberAccess=false

from __future__ import annotations

from pathlib import Path

import addon_utils
import bpy
import numpy as np
import pytest
from blender_synthetic import CAMERAS

from infinidepth_blender.scene.build import SceneOptions, build_scene
from infinidepth_blender.scene.objects import SceneObjects


@pytest.fixture
def two_photos(make_bundle) -> dict[str, SceneObjects]:
    """A red and a blue one, whose bundles call both pictures photo.png."""
    built = {}
    for channel, name in ((0, "Red"), (2, "Blue")):
        photo = np.full((120, 160, 3), 20, np.uint8)
        photo[..., channel] = 220
        rec = make_bundle(CAMERAS["landscape"], name, mesh_vertices=9, photo=photo)
        built[name] = build_scene(rec, SceneOptions(photo_mode="LIT"))
    return built


def colour_seen(name: str) -> str:
    """What the texture of an object shows."""
    nodes = bpy.data.objects[f"{name} Mesh"].material_slots[0].material.node_tree.nodes
    image = next(node.image for node in nodes if node.type == "TEX_IMAGE")
    red, _, blue, _ = image.pixels[:4]
    return "Red" if red > blue else "Blue"


def test_unpacking_gives_each_photo_its_own_file(two_photos, tmp_path):
    blend = tmp_path / "saved" / "scene.blend"
    blend.parent.mkdir()
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))
    bpy.ops.file.unpack_all(method="USE_LOCAL")
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.open_mainfile(filepath=str(blend))
    assert not any(image.packed_file for image in bpy.data.images)
    assert {name: colour_seen(name) for name in two_photos} == {"Red": "Red", "Blue": "Blue"}


def export_usd(folder: Path) -> None:
    bpy.ops.wm.usd_export(filepath=str(folder / "scene.usda"))
    start_anew()
    bpy.ops.wm.usd_import(filepath=str(folder / "scene.usda"))


def export_fbx(folder: Path) -> None:
    path = str(folder / "scene.fbx")
    bpy.ops.export_scene.fbx(filepath=path, path_mode="COPY", embed_textures=True)
    start_anew()
    bpy.ops.import_scene.fbx(filepath=path)


def export_obj_after_unpacking(folder: Path) -> None:
    """OBJ knows no packed files."""
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "scene.blend"))
    bpy.ops.file.unpack_all(method="USE_LOCAL")
    away = folder / "away"
    away.mkdir()
    bpy.ops.wm.obj_export(filepath=str(away / "scene.obj"), path_mode="COPY")
    assert {path.name for path in away.glob("*.png")} == {"Red Photo.png", "Blue Photo.png"}
    start_anew()
    bpy.ops.wm.obj_import(filepath=str(away / "scene.obj"))


def start_anew() -> None:
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    addon_utils.enable("io_scene_fbx")


@pytest.mark.parametrize("export", [export_usd, export_fbx, export_obj_after_unpacking])
def test_exports_give_each_photo_its_own_texture(export, two_photos, tmp_path):
    addon_utils.enable("io_scene_fbx")
    export(tmp_path)
    for name in two_photos:
        meshes = (obj for obj in bpy.data.objects if obj.type == "MESH")
        next(obj for obj in meshes if obj.name.replace("_", " ").startswith(f"{name} Mesh")).name = f"{name} Mesh"
    assert {name: colour_seen(name) for name in two_photos} == {"Red": "Red", "Blue": "Blue"}


def test_names_that_are_no_file_names(make_bundle):
    rec = make_bundle(CAMERAS["landscape"], mesh_vertices=9)
    rec.name = 'a/b: "c"?'
    image = build_scene(rec).camera.data.background_images[0].image
    assert image.name == 'a/b: "c"? Photo'
    assert Path(image.filepath).name == "a_b_ _c__ Photo.png"
    assert image.packed_file is not None and image.size[0] == 160
