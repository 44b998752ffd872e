"""How long Blender takes to get a reconstruction into the scene, from the bundle on disk.

A mesh of 1024 vertices along the longer side, 500,000 points and 500,000 splats, each alone and all
together. The viewport's or renderer's own work on them is not part of it.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from infinidepth_blender.camera import Camera
from infinidepth_blender.reconstruction import (
    FLAG_VALID,
    MeshArrays,
    PhotoInfo,
    PointArrays,
    Reconstruction,
    load,
    save,
)
from infinidepth_blender.scene.build import SceneOptions, Shown, build_scene
from infinidepth_blender.splats.placed import gaussians_on_surface

NAMES = ["scene_build_*"]
COLUMNS, ROWS = 1024, 683
POINTS = 500_000
REPEATS = 3
TARGETS_S = {"mesh": 2.0, "points": 1.0, "splats": 1.0, "all": 4.0}
PARTS: dict[str, frozenset[Shown]] = {
    "mesh": frozenset({"MESH"}),
    "points": frozenset({"POINTS"}),
    "splats": frozenset({"SPLATS"}),
    "all": frozenset({"MESH", "POINTS", "SPLATS"}),
}


def run() -> dict[str, dict[str, Any]]:
    """`scene_build_<mesh|points|splats|all>_s`: the best of a few runs, each in an empty file."""
    results: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "bundle"
        save(_reconstruction(Path(folder)), bundle)
        for what, parts in PARTS.items():
            seconds = [_build_s(bundle, parts) for _ in range(REPEATS)]
            results[f"scene_build_{what}_s"] = {
                "value": min(seconds),
                "unit": "s",
                "target": TARGETS_S[what],
                "better": "lower",
                "note": f"best of {REPEATS}, slowest {max(seconds):.2f} s; Blender {bpy.app.version_string}; "
                f"mesh {COLUMNS} x {ROWS}, {POINTS:,} points and splats",
            }
        bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    return results


def _build_s(bundle: Path, parts: frozenset[Shown]) -> float:
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    start = time.perf_counter()
    build_scene(load(bundle), SceneOptions(parts=parts))
    return time.perf_counter() - start


def _reconstruction(folder: Path) -> Reconstruction:
    """A wavy wall seen by a 1024-pixel photo."""
    camera = Camera.from_focal_px(900.0, COLUMNS, ROWS)
    rng = np.random.default_rng(0)
    x_px, y_px = np.meshgrid(np.linspace(0, COLUMNS, COLUMNS), np.linspace(0, ROWS, ROWS))
    index = np.arange(COLUMNS * ROWS, dtype=np.int32).reshape(ROWS, COLUMNS)
    quads = np.stack([index[1:, :-1], index[1:, 1:], index[:-1, 1:], index[:-1, :-1]], axis=-1).reshape(-1, 4)
    at = rng.random((POINTS, 2)) * (COLUMNS, ROWS)
    points = PointArrays(
        positions_cam=camera.unproject(at[:, 0], at[:, 1], _depth_m(at[:, 0], at[:, 1])),
        normals_cam=np.tile(np.array([0, 0, -1], np.float32), (POINTS, 1)),
        colors_srgb=rng.integers(0, 256, (POINTS, 3), dtype=np.uint8),
        radius_m=np.full(POINTS, 2e-3, np.float32),
        confidence=np.ones(POINTS, np.float32),
        source_px=at.astype(np.float32),
    )
    image = bpy.data.images.new("photo", COLUMNS, ROWS, alpha=False)
    image.filepath_raw = str(folder / "photo.png")
    image.file_format = "PNG"
    image.save()
    return Reconstruction(
        name="wall",
        photo=PhotoInfo("", "photo.png", COLUMNS, ROWS),
        camera=camera,
        depth_m=_depth_m(x_px, y_px).astype(np.float32),
        flags=np.full((ROWS, COLUMNS), FLAG_VALID, np.uint8),
        normals_cam=np.tile(np.array([0, 0, -1], np.float32), (ROWS, COLUMNS, 1)),
        confidence=np.ones((ROWS, COLUMNS), np.float32),
        mesh=MeshArrays(
            vertices_cam=camera.unproject(x_px, y_px, _depth_m(x_px, y_px)).reshape(-1, 3),
            uv=np.stack([x_px / COLUMNS, 1 - y_px / ROWS], axis=-1).reshape(-1, 2).astype(np.float32),
            normals_cam=np.tile(np.array([0, 0, -1], np.float32), (COLUMNS * ROWS, 1)),
            quads=np.ascontiguousarray(quads),
            triangles=np.zeros((0, 3), np.int32),
        ),
        points=points,
        splats=gaussians_on_surface(points, np.full(POINTS, 1.6e-5, np.float32)),
        folder=folder,
    )


def _depth_m(x_px: np.ndarray, y_px: np.ndarray) -> np.ndarray:
    return 4 + 0.5 * np.sin(x_px / 80) * np.cos(y_px / 60)
