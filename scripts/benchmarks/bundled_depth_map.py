"""A depth map of 1024 x 768 from the bundled model: with the model at hand, and in a process from its start."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from skimage.data import chelsea

from infinidepth_blender.field.load import load_field_model
from infinidepth_blender.field.network_field import FieldModel

WIDTH, HEIGHT = 1024, 768
ROUNDS = 7
COLD_ROUNDS = 3
ROOT = Path(__file__).resolve().parents[2]

# What a program does that wants a depth map and nothing else; prints its largest memory, in the system's unit.
COLD = """
import resource, sys
import numpy as np
from infinidepth_blender.field.load import load_field_model
photo = np.load(sys.argv[1])
load_field_model("bundled", "cpu").encode(photo).disparity_grid(*photo.shape[:2]).numpy()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def run() -> dict[str, dict[str, Any]]:
    """Medians; the memory is that of a whole process, libraries included."""
    photo = np.ascontiguousarray(cv2.resize(chelsea(), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC))
    model = load_field_model("bundled", "cpu")
    assert isinstance(model, FieldModel)
    warm = [_warm_s(model, photo) for _ in range(ROUNDS + 1)][1:]
    cold = [_cold(photo) for _ in range(COLD_ROUNDS)]
    size, threads = f"{WIDTH} x {HEIGHT}", f"{torch.get_num_threads()} threads"
    return {
        "bundled_depth_map_s": _entry(np.median(warm), "s", 1.5, f"{size}, photo in memory to depth in numpy, {threads}"),
        "bundled_depth_map_cold_s": _entry(np.median([seconds for seconds, _ in cold]), "s", None, f"{size}, a process from its start to its end, {threads}"),
        "bundled_depth_map_gb": _entry(max(size for _, size in cold), "GB", 1.0, "largest resident memory of that process"),
    }  # fmt: skip


def _warm_s(model: FieldModel, photo: NDArray[np.uint8]) -> float:
    start = time.perf_counter()
    model.encode(photo).disparity_grid(HEIGHT, WIDTH).numpy()
    return time.perf_counter() - start


def _cold(photo: NDArray[np.uint8]) -> tuple[float, float]:
    """Seconds and GB of a new process."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photo.npy"
        np.save(path, photo)
        start = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", COLD, path], cwd=ROOT, check=True, capture_output=True, text=True)
        seconds = time.perf_counter() - start
    unit = 1 if sys.platform == "darwin" else 1024
    return seconds, int(done.stdout) * unit / 1e9


def _entry(value: float | np.floating, unit: str, target: float | None, note: str) -> dict[str, Any]:
    return {"value": round(float(value), 2), "unit": unit, "target": target, "better": "lower", "note": note}
