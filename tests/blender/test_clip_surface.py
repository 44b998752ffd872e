"""The moving surface of a clip: where its vertices are at every frame, and that a render gives the frames back."""

# pyright: reportOptionalMemberAccess=false

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import bpy
import numpy as np
import pytest
from blender_renders import psnr_db, render
from blender_synthetic import CAMERAS, write_png
from test_photo_range import write_linear

from infinidepth_blender.bundle_record import clip_frame
from infinidepth_blender.camera import Camera
from infinidepth_blender.errors import BundleError, FramesMissingError
from infinidepth_blender.reconstruction import ClipInfo, Reconstruction, load, write_arrays
from infinidepth_blender.scene.blendfile import write_blend
from infinidepth_blender.scene.build import SceneOptions, build_scene
from infinidepth_blender.scene.clip_frames import clip_frames, find_frames, lost_frames
from infinidepth_blender.scene.match import match_scene_to_photo
from infinidepth_blender.scene.moving_camera import add_moving_camera
from infinidepth_blender.scene.photo_modes import surface_mode
from infinidepth_blender.scene.saved import find_photo, photos_in

FRAMES = 3
NO_DEPTH = 1e10


def picture(camera: Camera, number: int) -> np.ndarray:
    """(H, W, 3) uint8 ramps that differ from frame to frame."""
    y, x = np.mgrid[: camera.height_px, : camera.width_px]
    return np.stack([20 + x, 250 - y - 40 * number, 60 * number + (x + y) / 4], axis=-1).astype(np.uint8)


def depth_map(camera: Camera, number: int) -> np.ndarray:
    """(h, w) metres at half the photo's size: a wall, a card before it that moves, and sky above."""
    height, width = camera.height_px // 2, camera.width_px // 2
    depth = np.full((height, width), 4.0 + number, np.float32)
    depth[: height // 4] = NO_DEPTH
    depth[height // 2 :, 8 * number : 8 * number + 20] = 2.0
    return depth


@pytest.fixture
def make_clip(make_bundle, tmp_path: Path):
    def make(kind: str = "off-centre", name: str = "Clip") -> Reconstruction:
        camera = CAMERAS[kind]
        rec = load(make_bundle(camera, name, mesh_vertices=9).folder.with_name(name))
        folder = rec.folder
        assert folder is not None
        for number in range(1, FRAMES + 1):
            shown, depth = clip_frame(folder, number)
            for path in (shown, depth):
                path.parent.mkdir(parents=True, exist_ok=True)
            # A PNG under this name: Blender goes by the content, and nothing is lost in it.
            write_png(shown, picture(camera, number))
            write_linear(depth, np.repeat(depth_map(camera, number)[..., None], 3, axis=-1))
        rec = replace(rec, clip=ClipInfo(FRAMES, 1, 12.5, range_m=(2.0, 20.0)))
        write_arrays(rec, folder)
        return load(folder)

    return make


def vertices(obj: bpy.types.Object, frame: int) -> np.ndarray:
    """(N, 3) where the surface is at a frame of the scene, in the axes of the rig."""
    bpy.context.scene.frame_set(frame)
    mesh = obj.evaluated_get(bpy.context.evaluated_depsgraph_get()).to_mesh()
    places = np.empty((len(mesh.vertices), 3), np.float32)
    mesh.vertices.foreach_get("co", places.ravel())
    return places


@pytest.mark.parametrize("frame", [1, 2, 3])
def test_every_vertex_lies_at_the_depth_of_the_frame(make_clip, frame: int) -> None:
    rec = make_clip()
    camera = rec.camera
    objects = build_scene(rec)
    places = vertices(objects.mesh, frame)
    depth = places[:, 1]
    seen = np.round(np.unique(np.round(depth, 3)), 3)
    sky = seen[-1]
    assert set(seen) == {2.0, 4.0 + frame, sky} and sky == pytest.approx(30)
    # On the ray of its pixel, wherever it is.
    x_px = places[:, 0] / depth * camera.fx_px + camera.cx_px
    y_px = -places[:, 2] / depth * camera.fy_px + camera.cy_px
    assert x_px.min() == pytest.approx(0, abs=0.01) and x_px.max() == pytest.approx(camera.width_px, abs=0.01)
    on_card = depth == 2
    # A cell is a pixel of the photo wide here; the sample is the nearest one of the depth map.
    assert x_px[on_card].min() == pytest.approx(16 * frame, abs=2) and x_px[on_card].max() == pytest.approx(16 * frame + 40, abs=2)  # fmt: skip
    assert y_px[on_card].min() == pytest.approx(camera.height_px / 2, abs=2)


def test_nothing_is_stretched_between_two_surfaces(make_clip) -> None:
    objects = build_scene(make_clip())
    bpy.context.scene.frame_set(2)
    mesh = objects.mesh.evaluated_get(bpy.context.evaluated_depsgraph_get()).to_mesh()
    places = np.array([vertex.co for vertex in mesh.vertices])
    spans = [np.ptp(places[list(face.vertices), 1]) for face in mesh.polygons]
    assert max(spans) < 1e-4
    # No cell is missing either: seen from the camera nothing is torn.
    assert len(mesh.polygons) == len(objects.mesh.data.polygons)


def test_what_is_farther_than_the_first_frame_shows_is_where_it_is(make_clip) -> None:
    """The sky stands behind all frames, and the camera's clipping leaves all of them in."""
    rec = make_clip()
    far = clip_frame(rec.folder, 3)[1]
    write_linear(far, np.full((60, 80, 3), 20.0, np.float32))
    objects = build_scene(rec)
    assert vertices(objects.mesh, 3)[:, 1] == pytest.approx(20.0)
    assert objects.camera.data.clip_end > 30


def test_a_frame_that_is_missing_does_not_shrink_to_the_camera(make_clip) -> None:
    rec = make_clip()
    objects = build_scene(rec)
    clip_frame(rec.folder, 2)[1].unlink()
    assert vertices(objects.mesh, 2)[:, 1].min() > 1


def test_a_saved_file_keeps_its_clip_when_both_are_moved(make_clip, tmp_path: Path) -> None:
    rec = make_clip()
    project = tmp_path / "project"
    project.mkdir()
    shutil.move(rec.folder, project / "Clip")
    bpy.ops.wm.save_as_mainfile(filepath=str(project / "film.blend"))
    build_scene(project / "Clip")
    bpy.ops.wm.save_as_mainfile(filepath=str(project / "film.blend"))
    project.rename(tmp_path / "archive")
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "archive" / "film.blend"))
    assert 2.0 in vertices(bpy.data.objects["Clip Mesh"], 2)[:, 1]


def test_a_moving_camera_turns_about_the_clip(make_clip) -> None:
    objects = build_scene(make_clip())
    moving = add_moving_camera(objects, bpy.context.scene, "dolly")
    heights = [
        point.co[1] for curve in _curves(moving) if curve.data_path == "location" for point in curve.keyframe_points
    ]
    # It goes towards what is metres away, not towards the mesh that the modifier bends, which lies at 1 m.
    assert max(heights) > 0.3


def _curves(obj: bpy.types.Object) -> list:
    action = obj.animation_data.action
    if hasattr(action, "layers") and action.layers:
        return list(action.layers[0].strips[0].channelbags[0].fcurves)
    return list(action.fcurves)


def test_replacing_a_clip_leaves_no_image_behind(make_clip) -> None:
    rec = make_clip()
    build_scene(rec)
    before = len(bpy.data.images)
    build_scene(rec, SceneOptions(replace=True))
    assert len(bpy.data.images) == before


def test_before_and_after_the_clip_it_stands_still(make_clip) -> None:
    objects = build_scene(make_clip())
    for outside, edge in ((-5, 1), (0, 1), (9, 3)):
        assert np.array_equal(vertices(objects.mesh, outside), vertices(objects.mesh, edge))


@pytest.mark.parametrize("kind", ["off-centre", "portrait", "tilted"])
def test_the_camera_gives_every_frame_back(make_clip, tmp_path: Path, kind: str) -> None:
    rec = make_clip(kind)
    objects = build_scene(rec)
    match_scene_to_photo(objects)
    scene = bpy.context.scene
    assert (scene.frame_start, scene.frame_end) == (1, FRAMES)
    assert scene.render.fps / scene.render.fps_base == pytest.approx(12.5)
    for number in (1, 3):
        scene.frame_set(number)
        result = render(tmp_path)
        assert result.covered.all()
        assert psnr_db(result.srgb, picture(rec.camera, number) / 255) >= 38


def test_the_scene_of_a_user_keeps_its_time(make_clip) -> None:
    scene = bpy.context.scene
    before = scene.frame_start, scene.frame_end, scene.render.fps
    build_scene(make_clip())
    assert (scene.frame_start, scene.frame_end, scene.render.fps) == before


def test_a_clip_is_shown_like_a_photo(make_clip) -> None:
    objects = build_scene(make_clip())
    assert surface_mode(objects.mesh) == "PHOTO"
    assert objects.backdrop is None and objects.background is None
    assert objects.camera.data.background_images[0].image_user.frame_duration == FRAMES


def test_the_written_file_finds_its_frames_when_the_folder_is_moved(make_clip, tmp_path: Path) -> None:
    rec = make_clip()
    write_blend(rec.folder, rec.folder / "scene.blend")
    moved = tmp_path / "elsewhere"
    shutil.move(rec.folder, moved)
    bpy.ops.wm.open_mainfile(filepath=str(moved / "scene.blend"))
    scene = bpy.context.scene
    assert (scene.frame_start, scene.frame_end) == (1, FRAMES)
    scene.frame_set(2)
    result = render(tmp_path)
    assert psnr_db(result.srgb, picture(rec.camera, 2) / 255) >= 38


def test_a_clip_without_its_frames_leaves_the_scene_as_it_was(make_clip) -> None:
    rec = make_clip()
    shutil.rmtree(rec.folder / "sequence")
    with pytest.raises(BundleError, match="frames of 'Clip' are missing"):
        build_scene(rec)
    assert not bpy.data.objects and not bpy.data.images and not bpy.data.node_groups


def test_two_clips_share_the_node_group(make_clip) -> None:
    build_scene(make_clip("off-centre", "First"))
    build_scene(make_clip("portrait", "Second"))
    assert [group.name for group in bpy.data.node_groups if "Clip" in group.name] == ["InfiniDepth Clip"]


def test_frames_that_were_moved_are_missed_and_found(make_clip, tmp_path: Path) -> None:
    rec = make_clip()
    write_blend(rec.folder, rec.folder / "scene.blend")
    alone = tmp_path / "elsewhere" / "scene.blend"
    alone.parent.mkdir()
    shutil.copy(rec.folder / "scene.blend", alone)
    bpy.ops.wm.open_mainfile(filepath=str(rec.folder / "scene.blend"))
    assert not lost_frames()
    before = vertices(_moving_surface(), 2)
    bpy.ops.wm.open_mainfile(filepath=str(alone))
    assert not np.array_equal(vertices(_moving_surface(), 2), before)
    (lost,) = lost_frames()
    assert lost.folder == alone.parent / "sequence" and "Clip" in str(lost.error())
    with pytest.raises(FramesMissingError, match="does not hold the frames of 'Clip'"):
        find_frames(alone.parent)
    for folder in (tmp_path, rec.folder, rec.folder / "sequence", rec.folder / "sequence" / "depth"):
        bpy.ops.wm.open_mainfile(filepath=str(alone))
        assert [clip.name for clip in find_frames(folder)] == [lost.name]
        assert not lost_frames()
    np.testing.assert_allclose(vertices(_moving_surface(), 2), before)
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.open_mainfile(filepath=str(alone))
    assert not lost_frames()


def test_frames_are_taken_from_the_clips_own_result(make_clip, tmp_path: Path) -> None:
    """All clips name their files alike: among several results their records tell them apart, and then their names."""
    folders = {}
    for name in ("A", "B", "C"):
        rec = make_clip(name=name)
        source = tmp_path / ("film.mp4" if name == "C" else "other.mp4")
        rec = replace(rec, photo=replace(rec.photo, source=str(source)))
        write_arrays(rec, rec.folder)
        folders[name] = rec.folder
    again = shutil.copytree(folders["C"], tmp_path / "Again")
    build_scene(load(folders["C"]))
    build_scene(load(folders["B"]))
    results = tmp_path / "moved" / "results"
    results.mkdir(parents=True)
    for folder in (*folders.values(), again):
        shutil.move(folder, results / folder.name)
    assert {clip.name for clip in lost_frames()} == {"B", "C"}
    assert [clip.name for clip in find_frames(results / "C")] == ["C"]
    assert [clip.name for clip in find_frames(tmp_path / "moved")] == ["B"]
    _assert_frames_in(results, "B", "C")
    for name in ("B", "C"):
        shutil.move(results / name, results / f"{name} renamed")
    # B is among two results of the same film, and a folder like that of C is still there.
    assert {clip.name for clip in find_frames(results)} == {"B", "C"}
    assert {path.parent.parent for clip in _clips() for path in clip.files} == {
        results / "A" / "sequence",
        results / "Again" / "sequence",
    }


def test_frames_without_a_record_are_known_by_the_name_of_their_folder(make_clip, tmp_path: Path) -> None:
    rec = make_clip()
    build_scene(rec)
    other = make_clip("portrait", "Other").folder
    place = tmp_path / "place"
    for folder in (rec.folder, other):
        shutil.move(folder, place / folder.name)
        (place / folder.name / "reconstruction.json").unlink()
    assert [clip.name for clip in find_frames(place)] == ["Clip"]
    _assert_frames_in(place, "Clip")
    for name in ("Clip", "Other"):
        shutil.move(place / name, place / f"{name} renamed")
    with pytest.raises(FramesMissingError, match="or one above it"):
        find_frames(place)
    shutil.rmtree(place / "Other renamed")
    assert [clip.name for clip in find_frames(place)] == ["Clip"]


def test_folders_without_end_or_that_cannot_be_read_are_passed_over(make_clip, tmp_path: Path, monkeypatch) -> None:
    rec = make_clip()
    build_scene(rec)
    place = tmp_path / "place"
    place.mkdir()
    (place / "circle").symlink_to(place, target_is_directory=True)
    (place / "nowhere").symlink_to(place / "nowhere")
    (place / "closed").mkdir()
    shutil.move(rec.folder, place / "z")
    looked: list[Path] = []

    def closed(path: Path):
        looked.append(path)
        if path.name == "closed":
            raise PermissionError(path)
        return iterdir(path)

    iterdir = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", closed)
    assert [clip.name for clip in find_frames(place)] == ["Clip"]
    assert place / "closed" in looked and len(looked) < 10


def test_a_clip_whose_collection_was_deleted_is_a_clip_still(make_clip, tmp_path: Path) -> None:
    rec = make_clip()
    objects = build_scene(rec)
    near = add_moving_camera(objects, bpy.context.scene, "dolly")
    for obj in tuple(objects.collection.objects):
        bpy.context.scene.collection.objects.link(obj)
    bpy.data.collections.remove(objects.collection)
    left = find_photo(bpy.context.scene, None)
    assert left is not None
    camera = add_moving_camera(left, bpy.context.scene, "dolly")
    bpy.context.scene.frame_set(100)
    assert camera.location == near.location and camera.name == "Clip Dolly.001"
    shutil.move(rec.folder, tmp_path / "moved")
    (lost,) = lost_frames()
    assert (lost.name, lost.count) == ("Clip", FRAMES)
    assert find_frames(tmp_path / "moved")
    assert not lost_frames()


def _clips():
    return [clip for photo in photos_in(bpy.context.scene) if (clip := clip_frames(photo)) is not None]


def _assert_frames_in(results: Path, *names: str) -> None:
    for clip in _clips():
        assert clip.name in names
        assert all(path.is_relative_to(results / clip.name) for path in clip.files)


def _moving_surface() -> bpy.types.Object:
    return next(obj for obj in bpy.data.objects if obj.type == "MESH" and obj.modifiers)
