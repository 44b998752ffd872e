"""Operators and messages for what is in the scene already: no engine needed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import bpy
import pytest
from blender_synthetic import CAMERAS

from infinidepth_blender.scene.photo_modes import surface_mode
from infinidepth_blender.scene.saved import photos_in
from infinidepth_blender.ui.on_photo import photo_at_hand
from infinidepth_blender.ui.properties import PHOTO_MODES, SHOWN
from infinidepth_blender.ui.session import session


@pytest.fixture
def bundle(addon: bpy.types.AddonPreferences, make_bundle, tmp_path: Path) -> str:
    """The folder of a small result."""
    make_bundle(CAMERAS["landscape"], "A", mesh_vertices=9, points=50)
    return str(tmp_path / "A")


def told() -> str:
    assert session.delivered is not None
    return " ".join(session.delivered.warnings)


def test_a_hidden_earlier_result_is_told_with_the_way_back(bundle: str) -> None:
    bpy.ops.infinidepth.open_bundle(filepath=bundle)
    assert "Hidden" not in told()
    bpy.ops.infinidepth.match_scene()
    first = bpy.context.scene.camera
    bpy.ops.infinidepth.open_bundle(filepath=bundle)
    assert "lie on one another: A. To see it again" in told()
    assert "camera is still that of an earlier one" in told()
    assert bpy.context.scene.camera == first
    bpy.context.view_layer.objects.active = bpy.data.objects["A Mesh"]
    bpy.ops.infinidepth.show(what="POINTS")
    seen = {obj.name for name in ("A", "A.001") for obj in bpy.data.collections[name].objects if obj.visible_get()}
    assert seen == {"A Root", "A Camera", "A Sky", "A Points"}

    bpy.context.scene.infinidepth.match_scene = True  # pyright: ignore[reportAttributeAccessIssue]
    bpy.ops.infinidepth.open_bundle(filepath=bundle)
    assert "camera is still" not in told()


def test_an_override_is_told_to_make_its_material_local(bundle: str, tmp_path: Path) -> None:
    bpy.ops.infinidepth.open_bundle(filepath=bundle)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "library.blend"))
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    with bpy.data.libraries.load(str(tmp_path / "library.blend"), link=True) as (_, wanted):
        wanted.collections = ["A"]
    scene, linked = bpy.context.scene, bpy.data.collections["A"]
    scene.collection.children.link(linked)
    with pytest.raises(RuntimeError, match="Make it local or a library override first"):
        bpy.ops.infinidepth.photo_mode(mode="LIT")
    own = linked.override_hierarchy_create(scene, bpy.context.view_layer)
    if linked in scene.collection.children.values():
        scene.collection.children.unlink(linked)
    mesh, sky = (next(obj for obj in own.objects if obj.name.startswith(name)) for name in ("A Mesh", "A Sky"))
    bpy.context.view_layer.objects.active = mesh
    with pytest.raises(RuntimeError, match="Make the mesh and then the material local first"):
        bpy.ops.infinidepth.photo_mode(mode="LIT")
    for obj in (mesh, sky):
        obj.data.make_local()
    with pytest.raises(RuntimeError, match="Make the material local first"):
        bpy.ops.infinidepth.photo_mode(mode="LIT")
    for obj in (mesh, sky):
        obj.material_slots[0].material.make_local()
    assert bpy.ops.infinidepth.photo_mode(mode="LIT") == {"FINISHED"}
    assert surface_mode(mesh) == "LIT"


def test_what_is_told_belongs_to_a_photo_in_a_scene(bundle: str) -> None:
    bpy.ops.infinidepth.open_bundle(filepath=bundle)
    assert session.delivered is not None
    assert session.delivered.scene_uid == bpy.context.scene.session_uid
    assert session.delivered.photo_uid == bpy.data.objects["A Root"].session_uid


def test_one_of_several_photos_is_selected(bundle: str, make_bundle, tmp_path: Path) -> None:
    make_bundle(CAMERAS["landscape"], "B", mesh_vertices=9, points=50)
    for folder in (bundle, str(tmp_path / "B")):
        bpy.ops.infinidepth.open_bundle(filepath=folder)
    bpy.context.view_layer.objects.active = None
    assert photo_at_hand(bpy.context) is None
    assert [photo.collection.name for photo in photos_in(bpy.context.scene)] == ["A", "B"]
    assert bpy.ops.infinidepth.select_photo(number=0) == {"FINISHED"}
    found = photo_at_hand(bpy.context)
    assert found is not None and found.collection.name == "A"
    assert [obj.name for obj in bpy.context.selected_objects] == ["A Mesh"]
    assert bpy.ops.infinidepth.select_photo(number=2) == {"CANCELLED"}


def test_show_brings_back_what_is_off_in_the_view_layer(bundle: str) -> None:
    bpy.ops.infinidepth.open_bundle(filepath=bundle)
    layer = bpy.context.view_layer
    other = bpy.data.collections.new("Other")
    bpy.context.scene.collection.children.link(other)
    layer.layer_collection.children["Other"].exclude = True
    layer.layer_collection.children["A"].exclude = True
    assert not bpy.data.objects["A Mesh"].visible_get()
    bpy.ops.infinidepth.show(what="MESH")
    assert bpy.data.objects["A Mesh"].visible_get()
    assert layer.layer_collection.children["Other"].exclude


def test_every_button_says_what_it_does(addon: bpy.types.AddonPreferences) -> None:
    for name, chosen, items in (("show", "what", SHOWN), ("photo_mode", "mode", PHOTO_MODES)):
        operator = getattr(bpy.types, f"INFINIDEPTH_OT_{name}")
        texts = {operator.description(bpy.context, SimpleNamespace(**{chosen: item[0]})) for item in items}
        assert len(texts) == len(items)


def test_a_folder_of_results_names_one(bundle: str) -> None:
    with pytest.raises(RuntimeError, match=r"Choose a result in it, such as .*A"):
        bpy.ops.infinidepth.open_bundle(filepath=str(Path(bundle).parent / "reconstruction.json"))
