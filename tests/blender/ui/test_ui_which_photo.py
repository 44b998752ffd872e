"""The panel's buttons mean the photo of the active object, wherever the user sorted or copied it."""

# pyright: reportOptionalMemberAccess=false

from __future__ import annotations

from pathlib import Path

import bpy
import pytest
from blender_synthetic import CAMERAS

from infinidepth_blender.scene.photo_modes import surface_mode
from infinidepth_blender.scene.saved import find_photo


@pytest.fixture
def parts(addon: bpy.types.AddonPreferences, make_bundle, tmp_path: Path) -> dict[str, bpy.types.Object]:
    """The objects of a photo in the scene."""
    make_bundle(CAMERAS["landscape"], "A", mesh_vertices=9, points=50)
    bpy.ops.infinidepth.open_bundle(filepath=str(tmp_path / "A"))
    return {obj.name.removeprefix("A "): obj for obj in bpy.data.collections["A"].objects}


def activate(obj: bpy.types.Object) -> None:
    bpy.context.view_layer.update()
    bpy.context.view_layer.objects.active = obj


def shown(parts: dict[str, bpy.types.Object]) -> set[str]:
    return {name for name in ("Mesh", "Points") if not parts[name].hide_render}


@pytest.mark.parametrize("deleted", [False, True], ids=["old collection kept", "old collection deleted"])
def test_objects_in_another_collection(deleted: bool, parts: dict[str, bpy.types.Object]) -> None:
    plates = bpy.data.collections.new("Plates")
    bpy.context.scene.collection.children.link(plates)
    old = bpy.data.collections["A"]
    for obj in parts.values():
        plates.objects.link(obj)
        old.objects.unlink(obj)
    if deleted:
        bpy.data.collections.remove(old)
    activate(parts["Mesh"])
    assert bpy.ops.infinidepth.match_scene() == {"FINISHED"}
    assert bpy.context.scene.camera == parts["Camera"]
    assert bpy.context.scene.render.resolution_x == 160
    assert bpy.ops.infinidepth.show(what="POINTS") == {"FINISHED"}
    assert shown(parts) == {"Points"}
    activate(None)  # pyright: ignore[reportArgumentType]
    # It is the scene's only one still.
    assert find_photo(bpy.context.scene, None).mesh == parts["Mesh"]


def test_a_hidden_photo_is_brought_back_from_the_3d_view(parts: dict[str, bpy.types.Object], tmp_path: Path) -> None:
    bpy.ops.infinidepth.open_bundle(filepath=str(tmp_path / "A"))
    activate(parts["Mesh"])
    assert parts["Mesh"].hide_render
    with bpy.context.temp_override(active_object=None):  # as in a 3D view of a Blender with a window
        assert bpy.context.active_object is None
        assert bpy.ops.infinidepth.show(what="MESH") == {"FINISHED"}
    assert not parts["Mesh"].hide_render and bpy.data.objects["A Mesh.001"].hide_render


def test_a_copy_of_the_whole_is_a_photo_of_its_own(parts: dict[str, bpy.types.Object]) -> None:
    for obj in parts.values():
        obj.hide_set(False)
        obj.select_set(True)
    bpy.ops.object.duplicate()
    copies = {obj.name.removeprefix("A ").removesuffix(".001"): obj for obj in bpy.context.selected_objects}
    assert copies.keys() == parts.keys()
    activate(copies["Mesh"])
    bpy.ops.infinidepth.show(what="POINTS")
    assert (shown(parts), shown(copies)) == ({"Mesh"}, {"Points"})
    bpy.ops.infinidepth.match_scene()
    assert bpy.context.scene.camera == copies["Camera"]
    activate(parts["Mesh"])
    bpy.ops.infinidepth.match_scene()
    assert bpy.context.scene.camera == parts["Camera"]
    bpy.ops.infinidepth.photo_mode(mode="SHADOW")
    assert parts["Mesh"].is_shadow_catcher and not copies["Mesh"].is_shadow_catcher


def test_a_copy_of_one_object_leaves_the_built_one_the_photos(parts: dict[str, bpy.types.Object]) -> None:
    copy = parts["Mesh"].copy()
    copy.name = "A first by its name"
    bpy.data.collections["A"].objects.link(copy)
    activate(copy)
    bpy.ops.infinidepth.show(what="POINTS")
    assert shown(parts) == {"Points"} and not copy.hide_render


def test_a_photo_hung_on_another_one_is_its_own(
    parts: dict[str, bpy.types.Object], make_bundle, tmp_path: Path
) -> None:
    make_bundle(CAMERAS["portrait"], "B", mesh_vertices=9)
    bpy.ops.infinidepth.open_bundle(filepath=str(tmp_path / "B"))
    bpy.data.objects["B Root"].parent = parts["Root"]
    bpy.data.objects.remove(parts["Mesh"])
    activate(bpy.data.objects["B Mesh"])
    assert find_photo(bpy.context.scene, bpy.context.active_object).mesh.name == "B Mesh"
    assert find_photo(bpy.context.scene, parts["Camera"]).mesh is None


def test_what_is_left_without_camera_and_root(parts: dict[str, bpy.types.Object]) -> None:
    bpy.data.objects.remove(parts["Camera"])
    bpy.data.objects.remove(parts["Root"])
    activate(parts["Mesh"])
    assert bpy.ops.infinidepth.photo_mode(mode="LIT") == {"FINISHED"}
    assert surface_mode(parts["Mesh"]) == "LIT"
    assert bpy.ops.infinidepth.show(what="POINTS") == {"FINISHED"}
    assert shown(parts) == {"Points"}
    with pytest.raises(RuntimeError, match="The camera of 'A' was deleted"):
        bpy.ops.infinidepth.match_scene()
