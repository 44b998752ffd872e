"""The panels say when a clip's frames are gone, and take them from where they are."""

from __future__ import annotations

import shutil
from pathlib import Path

import bpy
import pytest
from test_clip_surface import make_clip  # noqa: F401 - a fixture

from infinidepth_blender.scene.blendfile import write_blend
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
