"""The panels say when a clip's frames are gone, and take them from where they are."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import bpy
import pytest
from test_clip_surface import make_clip  # noqa: F401 - a fixture

from infinidepth_blender.bundle_record import CUT_NOTE
from infinidepth_blender.reconstruction import write_arrays
from infinidepth_blender.scene.blendfile import write_blend
from infinidepth_blender.ui.delivery import put_into_scene
from infinidepth_blender.ui.session import session


@pytest.mark.usefixtures("addon")
def test_a_file_without_its_frames_says_so_until_they_are_found(make_clip, tmp_path: Path) -> None:  # noqa: F811
    rec = make_clip()
    write_blend(rec.folder, rec.folder / "scene.blend")
    alone = tmp_path / "scene.blend"
    shutil.copy(rec.folder / "scene.blend", alone)
    bpy.ops.wm.open_mainfile(filepath=str(alone))
    (problem,) = session.problems
    assert problem.kind == "frames" and "'Clip'" in problem.message
    with pytest.raises(RuntimeError, match="does not hold the frames"):
        bpy.ops.infinidepth.find_frames(directory=str(tmp_path))
    assert bpy.ops.infinidepth.find_frames(directory=str(rec.folder)) == {"FINISHED"}
    assert not session.problems
    bpy.ops.wm.read_homefile(use_empty=True)
    assert not session.problems


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
