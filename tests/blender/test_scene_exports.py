"""What other programs get of the mesh, as the scene stands and without a setting for it."""

# pyright: reportOptionalMemberAccess=false

from __future__ import annotations

import addon_utils
import bpy
import numpy as np
import pytest
from blender_renders import render
from blender_synthetic import CAMERAS

from infinidepth_blender.scene.build import SceneOptions, build_scene
from infinidepth_blender.scene.match import match_scene_to_photo
from infinidepth_blender.scene.materials import photo_mode, set_photo_mode


@pytest.fixture(params=["PHOTO", "LIT"])
def mesh(request, make_bundle) -> bpy.types.Object:
    """A mesh in a mode, the only object that is selected."""
    mesh = build_scene(make_bundle(CAMERAS["landscape"], mesh_vertices=9), SceneOptions(photo_mode=request.param)).mesh
    mesh.select_set(True)
    return mesh


def textures_in(objects) -> set[str]:
    return {
        node.image.name
        for obj in objects
        for slot in obj.material_slots
        for node in slot.material.node_tree.nodes
        if node.type == "TEX_IMAGE" and node.image is not None and node.outputs["Color"].is_linked
    }


def test_obj_has_the_photo_as_its_texture(mesh, tmp_path):
    bpy.ops.wm.obj_export(filepath=str(tmp_path / "mesh.obj"), export_selected_objects=True)
    materials = (tmp_path / "mesh.mtl").read_text().splitlines()
    assert [line for line in materials if line.startswith("map_Kd") and line.endswith("Analytic Photo.png")]


def test_fbx_has_the_photo_as_its_texture(mesh, tmp_path):
    addon_utils.enable("io_scene_fbx")
    path = str(tmp_path / "mesh.fbx")
    bpy.ops.export_scene.fbx(filepath=path, use_selection=True, path_mode="COPY", embed_textures=True)
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    addon_utils.enable("io_scene_fbx")
    bpy.ops.import_scene.fbx(filepath=path)
    assert textures_in(bpy.data.objects)


def test_the_output_for_exporters_changes_no_render(make_bundle, tmp_path):
    objects = build_scene(make_bundle(CAMERAS["landscape"], mesh_vertices=41))
    match_scene_to_photo(objects)
    bpy.context.scene.render.resolution_percentage = 50
    material = objects.mesh.data.materials[0]
    nodes = material.node_tree.nodes
    outputs = [node for node in nodes if node.type == "OUTPUT_MATERIAL"]
    assert [node.name for node in outputs if node.is_active_output] == ["Material Output"]
    for mode in ("PHOTO", "LIT", "HOLDOUT"):
        set_photo_mode(material, mode)
        assert photo_mode(material) == mode
        assert nodes["Material Output"].is_active_output
    set_photo_mode(material, "PHOTO")
    seen = render(tmp_path, samples=1)
    for node in outputs:
        if not node.is_active_output:
            nodes.remove(node)
    np.testing.assert_array_equal(render(tmp_path, samples=1).rgba, seen.rgba)
