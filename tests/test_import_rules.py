"""Who may import whom: the arrows between rooms, and what each room loads in a fresh process."""

from __future__ import annotations

import ast
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
    "infinidepth_blender.splats.fit": {"numba", "scipy"},
    "infinidepth_blender.splats.hidden": {"numba", "scipy", "cv2"},
    "infinidepth_blender.splats.predicted": {"torch", "safetensors", "cv2", "scipy"},
    "infinidepth_blender.splats.predictor": {"torch", "safetensors", "scipy"},
    "infinidepth_blender.splats.raster": {"numba", "scipy"},
    "infinidepth_blender.splats.of_photo": {"numba", "scipy", "cv2"},
    "infinidepth_blender.splats.views": {"numba", "scipy", "cv2"},
    "infinidepth_blender.splats.video": {"cv2"},
}

ROOMS: dict[str, set[str]] = {
    # Into which rooms each may look; all may look into the package's root.
    "field": set(),
    "geometry": set(),
    "lines": set(),
    "query": {"field", "geometry"},
    "splats": {"field", "geometry"},
    "scene": {"geometry", "splats"},
    "engine": {"field", "geometry", "lines", "query", "splats"},
    "commands": {"engine", "splats"},
    "ui": {"commands", "engine", "scene", "splats"},
}
DOORS = {"__init__.py": {"ui"}, "cli.py": {"commands", "engine"}}
"""Modules of the root that look into rooms."""


def rooms_seen_from(path: Path) -> set[str]:
    """Rooms that a module of the package imports, the relative imports in its functions included."""
    here = path.relative_to(PACKAGE).parent.parts
    seen: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            module = [*here[: len(here) - node.level + 1], *(node.module.split(".") if node.module else [])]
            seen |= {module[0]} if module else {alias.name for alias in node.names}
    return {name for name in seen if name in ROOMS} - {*here[:1]}


@pytest.mark.parametrize("room", [*ROOMS, "root"])
def test_rooms_look_only_where_they_may(room: str) -> None:
    files = sorted(PACKAGE.glob("*.py") if room == "root" else (PACKAGE / room).rglob("*.py"))
    assert files
    for path in files:
        allowed = DOORS.get(path.name, set()) if room == "root" else ROOMS[room]
        assert rooms_seen_from(path) <= allowed, f"{path.relative_to(PACKAGE)} looks into {rooms_seen_from(path)}"


def test_all_rooms_are_on_the_map() -> None:
    assert {path.parent.name for path in PACKAGE.glob("*/*.py")} == {*ROOMS}


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
