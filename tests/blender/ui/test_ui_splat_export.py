"""File > Export > Gaussian Splats."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import bpy
import numpy as np
import pytest
from blender_synthetic import CAMERAS

from infinidepth_blender.reconstruction import Gaussians
from infinidepth_blender.scene.build import SceneOptions, build_scene
from infinidepth_blender.splats.files import read_splats, write_splats
from infinidepth_blender.ui.splat_export import INFINIDEPTH_OT_export_splats


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
    with pytest.raises(RuntimeError, match=r"'out\.obj' ends in no kind of splat file\. Use .+\.splat or \.glb\."):
        bpy.ops.infinidepth.export_splats(filepath=str(tmp_path / "out.obj"))


class Layout:
    """Takes down what is drawn, and whether it can be changed."""

    def __init__(self, drawn: dict[str, bool] | None = None) -> None:
        self.drawn = {} if drawn is None else drawn
        self.enabled = True

    def row(self) -> Layout:
        return Layout(self.drawn)

    def prop(self, _owner: object, name: str) -> None:
        self.drawn[name] = self.enabled


def drawn(name: str, file_format: str = ".ply") -> dict[str, bool]:
    operator = SimpleNamespace(layout=Layout(), filepath=name, file_format=file_format)
    INFINIDEPTH_OT_export_splats.draw(operator, bpy.context)  # pyright: ignore[reportArgumentType]
    return operator.layout.drawn


def test_the_camera_is_offered_where_a_file_can_have_it(
    addon: bpy.types.AddonPreferences, make_bundle, tmp_path: Path
) -> None:
    objects = build_scene(make_bundle(CAMERAS["landscape"], "A", splats=20), SceneOptions(show="SPLATS"))
    bpy.context.view_layer.update()
    assert objects.splats is not None
    objects.splats.select_set(True)
    for name, offered in (("a.ply", True), ("a.GLB", True), ("a.spz", False), ("a.splat", False)):
        assert drawn(str(tmp_path / name)) == {"file_format": True, "use_camera": offered}, name
    # A name that has no ending yet gets that of the format.
    assert drawn(f"{tmp_path}/", ".glb")["use_camera"] and not drawn("a", ".spz")["use_camera"]


def test_the_camera_is_offered_with_splats_of_one_photo(
    addon: bpy.types.AddonPreferences, make_bundle, tmp_path: Path
) -> None:
    first = build_scene(make_bundle(CAMERAS["landscape"], "A", splats=20), SceneOptions(show="SPLATS"))
    second = build_scene(make_bundle(CAMERAS["portrait"], "B", splats=20), SceneOptions(show="SPLATS"))
    ones = np.ones((5, 3), np.float32)
    turned = np.tile(np.array([1, 0, 0, 0], np.float32), (5, 1))
    write_splats(tmp_path / "in.ply", Gaussians(ones, ones / 10, turned, ones[:, 0] / 2, ones[:, None]))
    bpy.ops.infinidepth.import_splats(filepath=str(tmp_path / "in.ply"))
    assert not drawn("a.ply")["use_camera"]
    first.splats.select_set(True)
    assert not drawn("a.ply")["use_camera"]
    bpy.ops.object.select_all(action="DESELECT")
    first.splats.select_set(True)
    assert drawn("a.ply")["use_camera"]
    second.splats.select_set(True)
    assert not drawn("a.ply")["use_camera"]
    second.splats.select_set(False)
    bpy.data.objects.remove(first.camera)
    assert not drawn("a.ply")["use_camera"]
