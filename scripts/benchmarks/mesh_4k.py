"""How long a mesh of 8.3 million vertices takes from the depth field to an object in Blender, and its memory.

A room with cards in it, known in closed form, so that the field itself costs little: asked at every vertex,
cut, written as a bundle, read back and built. Once as regular quads and once as an adaptive mesh.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from benchmarks.analytic import AnalyticField, card, room

from infinidepth_blender.camera import Camera
from infinidepth_blender.geometry.mesh import cut_grid, mesh_of_grid
from infinidepth_blender.options import DEFAULT_EDGE_STEP, MeshKind
from infinidepth_blender.query.grids import mesh_grid
from infinidepth_blender.reconstruction import PhotoInfo, Reconstruction, load, save
from infinidepth_blender.scene.build import SceneOptions, build_scene

NAMES = ["mesh_4k_*"]
WIDTH_PX, HEIGHT_PX = 3840, 2160
TARGET_S, TARGET_GB = 60.0, 8.0


def run() -> dict[str, dict[str, Any]]:
    """`mesh_4k_field_to_object_s`, `mesh_4k_peak_memory_gb` and the seconds of an adaptive mesh."""
    camera = Camera.from_focal_px(3300.0, WIDTH_PX, HEIGHT_PX)
    scene = room(camera)
    cards = [card(z, x, -0.6, x + 0.5, 0.7) for z, x in ((2.0, -0.9), (3.0, 0.2), (4.5, -1.9))]
    field = AnalyticField(camera, [*scene.surfaces, *cards])
    results: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        # The adaptive one first: peak memory never falls again, and the regular one is the larger.
        kinds: dict[str, MeshKind] = {
            "mesh_4k_adaptive_field_to_object_s": "adaptive",
            "mesh_4k_field_to_object_s": "regular",
        }
        for name, kind in kinds.items():
            stages, faces, vertices = _measure(field, camera, kind, Path(folder))
            results[name] = {
                "value": sum(stages.values()),
                "unit": "s",
                "target": TARGET_S if kind == "regular" else None,
                "better": "lower",
                "note": f"{vertices:,} vertices, {faces:,} faces; "
                + ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in stages.items())
                + f"; Blender {bpy.app.version_string}",
            }
    results["mesh_4k_peak_memory_gb"] = {
        "value": _peak_memory_gb(),
        "unit": "GB",
        "target": TARGET_GB,
        "better": "lower",
        "note": "of one process that holds the field, the arrays and Blender; the product keeps them in two",
    }
    return results


def _measure(field: AnalyticField, camera: Camera, kind: MeshKind, folder: Path) -> tuple[dict[str, float], int, int]:
    stages: dict[str, float] = {}
    start = time.perf_counter()

    def lap(stage: str) -> None:
        nonlocal start
        now = time.perf_counter()
        stages[stage], start = now - start, now

    depth_m, flags = mesh_grid(field, camera, WIDTH_PX + 1)
    lap("field")
    grid = cut_grid(depth_m, flags, DEFAULT_EDGE_STEP)
    lap("cut")
    mesh = mesh_of_grid(grid, camera, kind=kind)
    faces, vertices = len(mesh.quads) + len(mesh.triangles), len(mesh.vertices_cam)
    lap("mesh")
    source = folder / "source"
    source.mkdir(exist_ok=True)
    _photo(source / "photo.png", camera)
    small = np.ones((2, 3), np.float32)
    reconstruction = Reconstruction(
        name="room",
        photo=PhotoInfo("", "photo.png", WIDTH_PX, HEIGHT_PX),
        camera=camera,
        depth_m=small,
        flags=small.astype(np.uint8),
        normals_cam=np.zeros((2, 3, 3), np.float32),
        confidence=small,
        mesh=mesh,
        folder=source,
    )
    start = time.perf_counter()
    save(reconstruction, folder / kind)
    del mesh, grid, reconstruction, depth_m, flags
    lap("write")
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    start = time.perf_counter()
    build_scene(load(folder / kind), SceneOptions(pack_photo=False))
    lap("Blender")
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    return stages, faces, vertices


def _photo(path: Path, camera: Camera) -> None:
    if path.exists():
        return
    image = bpy.data.images.new("photo", camera.width_px, camera.height_px, alpha=False)
    image.filepath_raw = str(path)
    image.file_format = "PNG"
    image.save()


def _peak_memory_gb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e9 if sys.platform == "darwin" else 1e6)
