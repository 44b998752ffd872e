"""File > Export > Gaussian Splats."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
import pytest

from infinidepth_blender.reconstruction import Gaussians
from infinidepth_blender.splats.files import read_splats, write_splats


def test_selected_splats_are_written(addon: bpy.types.AddonPreferences, tmp_path: Path) -> None:
    ones = np.ones((5, 3), np.float32)
    turned = np.tile(np.array([1, 0, 0, 0], np.float32), (5, 1))
    write_splats(tmp_path / "in.ply", Gaussians(ones, ones / 10, turned, ones[:, 0] / 2, ones[:, None]))
    assert not bpy.ops.infinidepth.export_splats.poll()
    assert bpy.ops.infinidepth.import_splats(filepath=str(tmp_path / "in.ply")) == {"FINISHED"}
    out = tmp_path / "out.ply"
    assert bpy.ops.infinidepth.export_splats(filepath=str(out)) == {"FINISHED"}
    np.testing.assert_allclose(read_splats(out).gaussians.means, ones, atol=1e-5)
    with pytest.raises(RuntimeError, match="taken"):
        (tmp_path / "taken.ply").mkdir()
        bpy.ops.infinidepth.export_splats(filepath=str(tmp_path / "taken.ply"))


def test_the_ending_of_a_name_says_which_kind(addon: bpy.types.AddonPreferences, tmp_path: Path) -> None:
    ones = np.ones((5, 3), np.float32)
    turned = np.tile(np.array([1, 0, 0, 0], np.float32), (5, 1))
    write_splats(tmp_path / "in.spz", Gaussians(ones, ones / 10, turned, ones[:, 0] / 2, ones[:, None]))
    assert bpy.ops.infinidepth.import_splats(filepath=str(tmp_path / "in.spz")) == {"FINISHED"}
    for suffix, start in (
        (".spz", b"\x1f\x8b"),
        (".splat", np.float32(1).tobytes()),
        (".ply", b"ply"),
        (".glb", b"glTF"),
    ):
        out = tmp_path / f"out{suffix}"
        assert bpy.ops.infinidepth.export_splats(filepath=str(out)) == {"FINISHED"}
        assert out.read_bytes().startswith(start)
    with pytest.raises(RuntimeError, match="no kind of splat file"):
        bpy.ops.infinidepth.export_splats(filepath=str(tmp_path / "out.obj"))
