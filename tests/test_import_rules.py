"""Who may import whom: each room is imported in a fresh process and `sys.modules` is read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "infinidepth_blender"

HEAVY = {"torch", "cv2", "scipy", "numba", "PIL", "h5py", "OpenEXR", "safetensors"}
BLENDER = {"bpy", "bmesh", "mathutils", "gpu"}

ENGINE_ONLY = {
    # What only the engine imports, and what it may load beyond numpy and plyfile.
    "infinidepth_blender.geometry.collapse": {"numba", "scipy"},
    "infinidepth_blender.geometry.outliers": {"scipy"},
    "infinidepth_blender.splats.compile": {"numba", "scipy"},
    "infinidepth_blender.splats.fit": {"numba", "scipy"},
    "infinidepth_blender.splats.hidden": {"numba", "scipy", "cv2"},
    "infinidepth_blender.splats.predicted": {"torch", "safetensors", "cv2", "scipy"},
    "infinidepth_blender.splats.predictor": {"torch", "safetensors", "scipy"},
    "infinidepth_blender.splats.raster": {"numba", "scipy"},
    "infinidepth_blender.splats.of_photo": {"numba", "scipy", "cv2"},
    "infinidepth_blender.splats.views": {"numba", "scipy", "cv2"},
    "infinidepth_blender.splats.video": {"cv2"},
}


def modules_after_import(name: str, before: str = "sys") -> set[str]:
    code = f"import {before}, importlib, json, sys; importlib.import_module({name!r}); print(json.dumps(sorted(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return set(json.loads(result.stdout.splitlines()[-1]))


def modules_in(room: str) -> list[str]:
    return sorted(
        f"infinidepth_blender.{room.replace('/', '.')}.{path.stem}"
        for path in (PACKAGE / room).glob("*.py")
        if path.stem not in ("__init__", "__main__")
    )


@pytest.mark.parametrize(
    "name",
    ["infinidepth_blender", "infinidepth_blender.errors", "infinidepth_blender.options", "infinidepth_blender.cli",
     "infinidepth_blender.engine.client", "infinidepth_blender.engine.protocol", "infinidepth_blender.engine.runtime", "infinidepth_blender.engine.download",
     "infinidepth_blender.engine.worker_commands"],
)  # fmt: skip
def test_the_light_side_loads_neither_blender_nor_the_engine(name: str) -> None:
    loaded = modules_after_import(name)
    assert not loaded & (HEAVY | BLENDER)


@pytest.mark.parametrize("name", ["infinidepth_blender.camera", "infinidepth_blender.reconstruction"])
def test_the_shared_types_need_numpy_alone(name: str) -> None:
    loaded = modules_after_import(name)
    assert not loaded & (HEAVY | BLENDER | {"plyfile"})


@pytest.mark.parametrize("name", modules_in("geometry") + modules_in("splats"))
def test_geometry_and_splats_stay_light_unless_only_the_engine_imports_them(name: str) -> None:
    loaded = modules_after_import(name)
    assert not loaded & BLENDER
    assert not loaded & HEAVY - ENGINE_ONLY.get(name, set())


def test_field_queries_and_lines_know_nothing_of_blender() -> None:
    names = modules_in("field") + modules_in("field/official") + modules_in("query") + modules_in("lines")
    assert not modules_after_import(names[0], before=", ".join(names)) & BLENDER


def test_scene_and_ui_know_nothing_of_the_engine() -> None:
    pytest.importorskip("bpy", reason="this environment has no Blender")
    names = modules_in("scene") + modules_in("ui")
    # As in Blender, where bpy is there before any extension.
    assert not modules_after_import(names[0], before=", ".join(["bpy", *names])) & HEAVY
