"""Pictures and files for the tests of reading photos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import OpenEXR

WIDTH, HEIGHT = 48, 32


def ramps() -> np.ndarray:
    """(32, 48, 3) uint8: smooth ramps, so that lossy formats keep them; no symmetry."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.stack([x * 5, y * 7, 120 + x - y], axis=-1).astype(np.uint8)


def worst(a: np.ndarray, b: np.ndarray) -> int:
    """Largest difference of two pictures."""
    assert a.shape == b.shape and a.dtype == np.uint8
    return int(np.abs(a.astype(int) - b).max())


def to_linear(srgb: np.ndarray) -> np.ndarray:
    """uint8 sRGB as float32 in linear light."""
    c = srgb.astype(np.float32) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4).astype(np.float32)


def write_exr(path: Path, channels: dict[str, np.ndarray], **header: object) -> None:
    """Writes an EXR file of one part."""
    OpenEXR.File({"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage, **header}, channels).write(
        str(path)
    )
