"""The panels say when a clip's frames are gone, and take them from where they are."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import pytest
from blender_synthetic import CAMERAS
from test_clip_surface import make_clip  # noqa: F401 - a fixture

from infinidepth_blender.bundle_record import CUT_NOTE
from infinidepth_blender.reconstruction import write_arrays
from infinidepth_blender.scene.blendfile import write_blend
from infinidepth_blender.scene.clip_frames import ClipFrames
from infinidepth_blender.ui import lost_frames as ui_lost_frames
from infinidepth_blender.ui.delivery import put_into_scene
from infinidepth_blender.ui.on_photo import photo_at_hand
from infinidepth_blender.ui.session import session


class Layout:
    """Takes down what is drawn: labels and operators."""

    def __init__(self) -> None:
        self.drawn: list[str] = []
        self.alert = False

    def column(self, **_options: object) -> Layout:
        return self

    def operator(self, name: str, **_options: object) -> None:
        self.drawn.append(name)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch):
    """What the panel says of a clip's frames."""
    monkeypatch.setattr(ui_lost_frames, "paragraph", lambda layout, text, *_args, **_options: layout.drawn.append(text))

    def draw() -> list[str]:
        photo = photo_at_hand(bpy.context)
        assert photo is not None
        layout: Any = Layout()
        ui_lost_frames.draw_lost_frames(layout, bpy.context, photo.collection)
        return layout.drawn

    return draw


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Time that goes on only where a test says so."""
    clock = SimpleNamespace(now_s=100.0)
    monkeypatch.setattr(ui_lost_frames.time, "monotonic", lambda: clock.now_s)
    return clock


@pytest.mark.usefixtures("addon")
def test_a_file_without_its_frames_says_so_until_they_are_found(make_clip, drawn, tmp_path: Path) -> None:  # noqa: F811
    rec = make_clip()
    write_blend(rec.folder, rec.folder / "scene.blend")
    alone = tmp_path / "alone" / "scene.blend"
    alone.parent.mkdir()
    shutil.copy(rec.folder / "scene.blend", alone)
    bpy.ops.wm.open_mainfile(filepath=str(alone))
    message, remedy, button = drawn()
    assert "'Clip'" in message and "say where it is" in remedy and button == "infinidepth.find_frames"
    with pytest.raises(RuntimeError, match="does not hold the frames"):
        bpy.ops.infinidepth.find_frames(directory=str(alone.parent))
    # Neither a job nor dismissing what was said takes it away.
    session.problems.clear()
    assert len(drawn()) == 3
    assert bpy.ops.infinidepth.find_frames(directory=str(tmp_path)) == {"FINISHED"}
    assert not drawn() and not session.problems


@pytest.mark.usefixtures("addon")
def test_the_disk_is_looked_at_now_and_then(make_clip, drawn, clock, monkeypatch, tmp_path: Path) -> None:  # noqa: F811
    rec = make_clip()
    put_into_scene(bpy.context, bpy.context.scene, rec.folder)
    there = ClipFrames.are_there
    looks: list[str] = []

    def are_there(clip: ClipFrames) -> bool:
        looks.append(clip.name)
        clock.now_s += took_s
        return there(clip)

    monkeypatch.setattr(ClipFrames, "are_there", are_there)
    took_s = 0.0
    for _ in range(5):
        assert not drawn()
    shutil.move(rec.folder, tmp_path / "moved")
    assert not drawn() and len(looks) == 1
    clock.now_s += 2.1
    assert len(drawn()) == 3 and len(looks) == 2
    # A slow drive is left alone for longer.
    took_s = 1.0
    clock.now_s += 2.1
    assert len(drawn()) == 3 and len(looks) == 3
    shutil.move(tmp_path / "moved", rec.folder)
    clock.now_s += 10
    assert len(drawn()) == 3 and len(looks) == 3
    clock.now_s += 15
    assert not drawn() and len(looks) == 4


@pytest.mark.usefixtures("addon")
def test_a_clip_whose_collection_was_deleted_says_so_too(make_clip, drawn) -> None:  # noqa: F811
    rec = make_clip()
    objects = put_into_scene(bpy.context, bpy.context.scene, rec.folder)
    for obj in tuple(objects.collection.objects):
        bpy.context.scene.collection.objects.link(obj)
    bpy.data.collections.remove(objects.collection)
    shutil.rmtree(rec.folder)
    assert "'Clip'" in drawn()[0]


@pytest.mark.usefixtures("addon")
def test_a_photo_says_nothing(make_bundle, drawn, tmp_path: Path) -> None:
    make_bundle(CAMERAS["landscape"], "A", mesh_vertices=9)
    put_into_scene(bpy.context, bpy.context.scene, tmp_path / "A")
    shutil.rmtree(tmp_path / "A")
    assert not drawn()


@pytest.mark.usefixtures("addon")
def test_where_nothing_is_lost_nothing_is_to_be_found(make_clip, capfd, tmp_path: Path) -> None:  # noqa: F811
    put_into_scene(bpy.context, bpy.context.scene, make_clip().folder)
    assert bpy.ops.infinidepth.find_frames(directory=str(tmp_path)) == {"CANCELLED"}
    assert bpy.ops.infinidepth.find_frames("INVOKE_DEFAULT") == {"CANCELLED"}
    assert capfd.readouterr().out.count("No frames are missing") == 2
    assert not session.problems


def test_the_file_browser_says_what_to_choose(addon: bpy.types.AddonPreferences, monkeypatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(ui_lost_frames, "paragraph", lambda _layout, text, *_args, **_options: said.append(text))
    operator = SimpleNamespace(layout=Layout())
    for area in ("VIEW_3D", "FILE_BROWSER"):
        context = SimpleNamespace(area=SimpleNamespace(type=area))
        ui_lost_frames.INFINIDEPTH_OT_find_frames.draw(operator, context)  # pyright: ignore[reportArgumentType]
    assert said == ["Choose the folder 'sequence' of the result, or one above it"]
    directory = bpy.ops.infinidepth.find_frames.get_rna_type().properties["directory"]
    assert directory.is_hidden and directory.is_skip_save


@pytest.mark.usefixtures("addon")
def test_a_cut_is_told_in_frames_of_the_scene(make_clip) -> None:  # noqa: F811
    """The engine counts the frames of the film; a shot that begins at its frame 100 begins at 1 here."""
    rec = make_clip()
    assert rec.clip is not None and rec.folder is not None
    told = f"{CUT_NOTE} 102: depth keeps its scale within each shot alone."
    rec = replace(rec, clip=replace(rec.clip, first_frame=100, cuts=(3,)), warnings=(told, "Something else."))
    write_arrays(rec, rec.folder)
    put_into_scene(bpy.context, bpy.context.scene, rec.folder)
    assert session.delivered is not None
    cut, other = session.delivered.warnings[:2]
    assert cut.startswith(f"{CUT_NOTE} 3 of the scene") and "From and To" in cut
    assert other == "Something else."
