"""The add-on registers and unregisters without a trace."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import addon_utils
import bpy
import pytest

import infinidepth_blender

NAME = infinidepth_blender.__name__


def registered() -> set[str]:
    return {name for name in dir(bpy.types) if "infinidepth" in name.lower()}


def handlers() -> dict[str, list[str]]:
    return {
        name: [repr(handler) for handler in value]
        for name in dir(bpy.app.handlers)
        if isinstance(value := getattr(bpy.app.handlers, name), list)
    }


def test_enabling_and_disabling_leaves_nothing_behind() -> None:
    before = handlers()
    for _ in range(2):
        assert not registered()
        addon_utils.enable(NAME, default_set=True)
        assert {"VIEW3D_PT_infinidepth", "IMAGE_PT_infinidepth"} <= registered()
        assert hasattr(bpy.types.Scene, "infinidepth")
        addon_utils.disable(NAME, default_set=True)
    assert not registered()
    assert not hasattr(bpy.types.Scene, "infinidepth")
    assert handlers() == before


def test_blender_ends_well_after_it() -> None:
    code = (
        "import bpy, addon_utils; "
        f"addon_utils.enable('{NAME}', default_set=True); "
        "bpy.context.scene.infinidepth.depth_prompt = '/photos/depth.png'; "
        f"addon_utils.disable('{NAME}', default_set=True)"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(infinidepth_blender.__file__).parents[1])}
    ended = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_part_that_cannot_register_takes_the_others_back(monkeypatch: pytest.MonkeyPatch) -> None:
    from infinidepth_blender.ui import panels

    broken = type("VIEW3D_PT_infinidepth_broken", (bpy.types.Panel,), {"bl_space_type": "NO_SUCH_SPACE"})
    monkeypatch.setattr(panels, "CLASSES", (broken,))
    with pytest.raises((TypeError, RuntimeError, ValueError, AttributeError)):
        infinidepth_blender.register()
    assert not registered()
    assert not hasattr(bpy.types.Scene, "infinidepth")
