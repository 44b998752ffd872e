"""Every setting that the scene keeps has its place in a panel."""

from __future__ import annotations

import ast
from pathlib import Path

import bpy

from infinidepth_blender import ui

INTERNAL = {"rna_type", "name", "photo_settings_of"}


def drawn() -> set[str]:
    """The names of properties in calls such as `layout.prop(settings, "points")`."""
    found: set[str] = set()
    for path in Path(ui.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            if node.func.attr in {"prop", "template_ID"} and len(node.args) > 1:
                owner, name = node.args[:2]
                if isinstance(owner, ast.Name) and owner.id == "settings" and isinstance(name, ast.Constant):
                    found.add(str(name.value))
    return found


def test_no_setting_is_out_of_reach(addon: bpy.types.AddonPreferences) -> None:
    settings = bpy.context.scene.infinidepth  # pyright: ignore[reportAttributeAccessIssue]
    kept = {prop.identifier for prop in settings.bl_rna.properties} - INTERNAL
    assert len(kept) > 30
    assert kept - drawn() == set()
