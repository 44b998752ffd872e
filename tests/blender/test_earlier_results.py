"""A photo is reconstructed again: what happens to its earlier result, and to what the user keeps beside it."""

# pyright: reportOptionalMemberAccess=false

from __future__ import annotations

from dataclasses import replace

import bpy
import pytest
from blender_renders import render
from blender_synthetic import CAMERAS

from infinidepth_blender.scene.build import build_scene, show_only
from infinidepth_blender.scene.earlier import hide_earlier, hide_rivals
from infinidepth_blender.scene.match import match_scene_to_photo
from infinidepth_blender.scene.objects import SceneObjects
from infinidepth_blender.scene.saved import PHOTO_KEY, find_photo, photo_name, photos_in, recall, remember_job


@pytest.fixture
def rec(make_bundle):
    return make_bundle(CAMERAS["landscape"], "A", mesh_vertices=9, points=50)


def is_seen(obj: bpy.types.Object) -> bool:
    """In the viewport and in renders."""
    bpy.context.view_layer.update()
    assert obj.visible_get() != obj.hide_render
    return obj.visible_get()


def excluded(name: str) -> bool:
    return bpy.context.view_layer.layer_collection.children[name].exclude


def add_cube(collection: bpy.types.Collection) -> bpy.types.Object:
    cube = bpy.data.objects.new("Cube", bpy.data.meshes.new("Cube"))
    collection.objects.link(cube)
    return cube


def test_its_own_objects_are_hidden_and_nothing_else(rec, make_bundle):
    scene = bpy.context.scene
    first = build_scene(rec)
    cube = add_cube(first.collection)
    sculpted = first.mesh.copy()
    first.collection.objects.link(sculpted)
    other = build_scene(make_bundle(CAMERAS["landscape"], "B", mesh_vertices=9))
    second = build_scene(rec)
    earlier = hide_earlier(second, scene)
    assert (earlier.hidden, earlier.excluded, earlier.camera) == (["A"], [], False)
    assert not any(is_seen(obj) for obj in (first.mesh, first.backdrop, first.camera, first.root, first.points))
    for obj in (cube, sculpted, second.mesh, second.backdrop, other.mesh):
        assert is_seen(obj)
    # Once hidden, it is no news for the next result.
    assert hide_earlier(build_scene(rec), scene).hidden == ["A.001"]


def test_the_buttons_bring_it_back(rec, tmp_path):
    first, second = build_scene(rec), build_scene(rec)
    first_name = first.collection.name
    hide_earlier(second, bpy.context.scene)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    found = recall(bpy.data.collections[first_name])
    assert not is_seen(found.mesh)
    show_only(found, "POINTS")
    seen = {part for part, obj in found.parts().items() if is_seen(obj)}
    assert seen == {"Root", "Camera", "Sky", "Points"}
    # The sky that a user hid stays hidden.
    found.backdrop.hide_render = True
    found.backdrop.hide_set(True)
    show_only(found, "MESH")
    assert not is_seen(found.backdrop) and is_seen(found.mesh)


def test_the_scenes_camera_stays_and_is_told(rec):
    scene = bpy.context.scene
    first = build_scene(rec)
    match_scene_to_photo(first)
    earlier = hide_earlier(build_scene(rec), scene)
    assert earlier.camera and scene.camera == first.camera
    assert is_seen(first.camera)


@pytest.mark.parametrize("how", ["collection", "object", "instance"])
def test_another_scene_keeps_what_it_uses(how, rec, tmp_path):
    scene = bpy.context.scene
    first = build_scene(rec)
    other = bpy.data.scenes.new("Other")
    if how == "collection":
        other.collection.children.link(first.collection)
    elif how == "object":
        for obj in first.parts().values():
            other.collection.objects.link(obj)
    else:
        instance = bpy.data.objects.new("Instance", None)
        instance.instance_type, instance.instance_collection = "COLLECTION", first.collection
        other.collection.objects.link(instance)
    second = build_scene(rec)
    earlier = hide_earlier(second, scene)
    assert (earlier.hidden, earlier.excluded) == ([], ["A"])
    assert excluded("A") and not any(obj.hide_render for obj in (first.mesh, first.backdrop))
    assert is_seen(second.mesh)
    assert hide_earlier(second, scene).excluded == []
    other.camera = first.camera
    bpy.context.window.scene = other
    assert render(tmp_path, samples=1).covered.mean() > 0.3


def test_a_linked_result_stays_hidden_when_the_file_is_opened_again(rec, tmp_path):
    build_scene(rec)
    outer = bpy.data.collections.new("Set")
    bpy.context.scene.collection.children.link(outer)
    outer.children.link(bpy.data.collections["A"])
    bpy.context.scene.collection.children.unlink(bpy.data.collections["A"])
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "library.blend"))
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    with bpy.data.libraries.load(str(tmp_path / "library.blend"), link=True) as (_, wanted):
        wanted.collections = ["Set"]
    scene = bpy.context.scene
    scene.collection.children.link(bpy.data.collections["Set"])
    second = build_scene(replace(rec))
    assert hide_earlier(second, scene).excluded == ["A"]
    for _ in range(2):
        layer = bpy.context.view_layer.layer_collection
        assert layer.children["Set"].children["A"].exclude and not layer.children["Set"].exclude
        assert len([obj for obj in bpy.context.view_layer.objects if obj.type == "MESH"]) == 2
        bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "user.blend"))
        bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "user.blend"))


def test_an_overridden_result_stays_hidden_and_comes_back(rec, tmp_path):
    build_scene(rec)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "library.blend"))
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    with bpy.data.libraries.load(str(tmp_path / "library.blend"), link=True) as (_, wanted):
        wanted.collections = ["A"]
    scene = bpy.context.scene
    linked = bpy.data.collections["A"]
    scene.collection.children.link(linked)
    linked.override_hierarchy_create(scene, bpy.context.view_layer)
    if linked in scene.collection.children.values():
        scene.collection.children.unlink(linked)
    (own,) = scene.collection.children
    own["mark"] = 1
    assert hide_earlier(build_scene(rec), scene).hidden == ["A"]
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "user.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "user.blend"))
    own = next(c for c in bpy.context.scene.collection.children if c.override_library is not None)
    found = recall(own)
    assert not is_seen(found.mesh) and not is_seen(found.backdrop)
    show_only(found, "MESH")
    assert is_seen(found.mesh) and is_seen(found.backdrop)
    assert find_photo(bpy.context.scene, found.mesh).collection == own


def photo_of(obj: bpy.types.Object | None) -> SceneObjects:
    found = find_photo(bpy.context.scene, obj)
    assert found is not None
    return found


def delete_collection(objects: SceneObjects) -> None:
    """What *Delete* in the Outliner does: the objects go into the collection above."""
    for obj in tuple(objects.collection.objects):
        bpy.context.scene.collection.objects.link(obj)
    bpy.data.collections.remove(objects.collection)


def test_a_result_whose_collection_was_deleted_is_known_still(rec, tmp_path):
    build_scene(rec)
    delete_collection(build_scene(rec))
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    scene = bpy.context.scene
    assert [photo_name(photo) for photo in photos_in(scene)] == ["A", "A.001"]
    left = photo_of(bpy.data.objects["A Mesh.001"])
    assert photo_name(left) == "A.001"
    third = build_scene(rec)
    assert third.collection.name == "A.001"
    assert hide_earlier(third, scene).hidden == ["A", "A.001"]
    assert not is_seen(left.mesh) and is_seen(third.mesh)
    # The button brings it back, and what it lies on goes.
    show_only(left, "MESH")
    assert hide_rivals(left, scene) == ["A.001"]
    assert is_seen(left.mesh) and not is_seen(third.mesh)


def test_a_file_of_before_is_known_by_its_root(rec):
    """The root had the photo's size alone."""
    first = build_scene(rec)
    assert first.root is not None
    del first.root[PHOTO_KEY]
    second = build_scene(rec)
    assert hide_earlier(second, bpy.context.scene).hidden == ["A"]
    delete_collection(first)
    left = photo_of(first.mesh)
    assert photo_name(left) == "A"
    show_only(left, "MESH")
    assert hide_rivals(left, bpy.context.scene) == []


def test_photos_that_came_together_are_known_without_their_collections(rec, make_bundle):
    first, second = build_scene(rec), build_scene(make_bundle(CAMERAS["landscape"], "B", mesh_vertices=9))
    for objects in (first, second):
        remember_job(objects, "a job")
        delete_collection(objects)
    left = photo_of(first.mesh)
    assert hide_rivals(left, bpy.context.scene) == ["B"]


def test_a_copy_that_was_put_elsewhere_stays(rec):
    first = build_scene(rec)
    bpy.context.view_layer.update()
    for obj in first.collection.objects:
        obj.select_set(True)
    bpy.ops.object.duplicate()
    copies = bpy.data.collections.new("Mine")
    bpy.context.scene.collection.children.link(copies)
    for obj in bpy.context.selected_objects:
        copies.objects.link(obj)
        first.collection.objects.unlink(obj)
    bpy.data.objects["A Root.001"].location.x = 3
    bpy.context.view_layer.update()
    second = build_scene(rec)
    assert hide_earlier(second, bpy.context.scene).hidden == ["A"]
    assert is_seen(bpy.data.objects["A Mesh.001"])


def test_a_root_that_was_sorted_elsewhere_makes_no_second_photo(rec):
    objects = build_scene(rec)
    bpy.context.scene.collection.objects.link(objects.root)
    objects.collection.objects.unlink(objects.root)
    assert len(photos_in(bpy.context.scene)) == 1
    assert photo_of(None).mesh == objects.mesh
