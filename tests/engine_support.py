"""Small models, photos and helpers for tests that start the real engine process."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from infinidepth_blender.options import ReconstructOptions

QUICK_ARGUMENTS = ["--points", "500", "--mesh-size", "16", "--device", "cpu"]
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "INFINIDEPTH_PYTHON": sys.executable}


def write_tiny_model(path: Path) -> Path:
    """A network with random weights that takes no time: these tests are not about depth."""
    import torch

    from infinidepth_blender.field.network import InfiniDepthNetwork, NetworkConfig
    from infinidepth_blender.field.vit import VitConfig
    from infinidepth_blender.field.weights_files import save_weights

    torch.manual_seed(0)
    vit = VitConfig(width=32, blocks=4, heads=2, in_channels=5)
    config = NetworkConfig(
        vit=vit, blocks=(0, 1, 2, 3), channels=(8, 12, 16, 20), head_hidden=16, globals_hidden=16, tokens=24
    )
    save_weights(InfiniDepthNetwork(config), path, {})
    return path


def write_photo(path: Path, width_px: int = 96, height_px: int = 64) -> Path:
    """A gradient, in the format that the extension says."""
    import numpy as np
    from PIL import Image

    y, x = np.mgrid[0:height_px, 0:width_px]
    pixels = np.stack([x * 255 / width_px, y * 255 / height_px, (x + y) % 256], axis=-1).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def quick_options(model: Path) -> ReconstructOptions:
    return ReconstructOptions(model=str(model), points=500, mesh_size=16, device="cpu")


def long_options(model: Path) -> ReconstructOptions:
    """Options of a job that is certainly still running when a test interferes."""
    return ReconstructOptions(model=str(model), points=3_000_000, mesh_size=2000, device="cpu")


def wait_until(condition: Callable[[], bool], timeout_s: float = 30.0) -> bool:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


def process_is_gone(pid: int) -> bool:
    """Whether a process has ended; a zombie that nobody has collected yet counts as ended."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state == "Z"
    except ProcessLookupError:
        return True
    except OSError:
        return False


def touch(folder: Path, *names: str) -> Path:
    """Makes empty files in a folder, and returns it."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder
