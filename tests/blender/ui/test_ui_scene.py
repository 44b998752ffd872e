"""Operators and messages for what is in the scene already: no engine needed."""

from __future__ import annotations

from pathlib import Path

import bpy
import pytest
from blender_synthetic import CAMERAS

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
    assert "camera is still the earlier one's" in told()
    assert bpy.context.scene.camera == first
    bpy.context.view_layer.objects.active = bpy.data.objects["A Mesh"]
    bpy.ops.infinidepth.show(what="POINTS")
    seen = {obj.name for obj in bpy.data.collections["A"].objects if obj.visible_get()}
    assert seen == {"A Root", "A Camera", "A Sky", "A Points"}

    bpy.context.scene.infinidepth.match_scene = True  # pyright: ignore[reportAttributeAccessIssue]
    bpy.ops.infinidepth.open_bundle(filepath=bundle)
    assert "camera is still" not in told()
