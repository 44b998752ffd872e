"""Reading and writing splat files of one million Gaussians."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from infinidepth_blender.camera import Camera
from infinidepth_blender.reconstruction import Gaussians
from infinidepth_blender.splats.files import read_splats, write_splats

NAMES = ["splat_read_1m_*", "splat_write_1m_*"]
COUNT = 1_000_000
ROUNDS = 3
TARGET_S = 1.0


def run() -> dict[str, dict[str, Any]]:
    """Best of three rounds each, with the file in the disk cache."""
    results: dict[str, dict[str, Any]] = {}
    for suffix, coefficients, what in (("", 1, "constant colour"), ("_sh3", 16, "45 f_rest")):
        gaussians = _random(coefficients)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "splats.ply"
            write_s = _best(lambda g=gaussians, p=path: write_splats(p, g, Camera.from_fov_x(1.0, 1920, 1080)))
            read_s = _best(lambda p=path: read_splats(p))
            note = f"{COUNT:,} splats, {what}, {path.stat().st_size / 1e6:.0f} MB"
        for name, value in ((f"splat_write_1m{suffix}_s", write_s), (f"splat_read_1m{suffix}_s", read_s)):
            results[name] = {"value": value, "unit": "s", "target": TARGET_S, "better": "lower", "note": note}
    return results


def _random(coefficients: int) -> Gaussians:
    rng = np.random.default_rng(0)
    rotations = rng.standard_normal((COUNT, 4), dtype=np.float32)
    return Gaussians(
        means=rng.standard_normal((COUNT, 3), dtype=np.float32),
        scales=rng.random((COUNT, 3), dtype=np.float32) + np.float32(0.01),
        rotations=rotations / np.linalg.norm(rotations, axis=1, keepdims=True),
        opacities=rng.random(COUNT, dtype=np.float32),
        sh=rng.standard_normal((COUNT, coefficients, 3), dtype=np.float32),
    )


def _best(action: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return round(min(times), 4)
