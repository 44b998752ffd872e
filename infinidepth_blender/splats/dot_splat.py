"""Files named .splat (antimatter15): 32 bytes a splat and nothing else, without harmonics.

Position and scale as six float32, colour and opacity as four bytes, the quaternion w, x, y, z as four bytes around 128.
The axes are those of the PLY that they are made from.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import SplatFileError
from ..reconstruction import Gaussians
from .sh import dc_to_rgb, rgb_to_dc
from .splat_file import SplatFile, atomic_file, damaged, opening, unit_quaternions, usable

_ROW = np.dtype([("mean", "<f4", 3), ("scale", "<f4", 3), ("rgba", "u1", 4), ("rotation", "u1", 4)])


def read_dot_splat(path: Path) -> SplatFile:
    """Reads a .splat file.

    Raises:
        SplatFileError: the file is missing or empty, or its bytes are no rows of splats.
    """
    with opening(path, "a .splat file"):
        data = path.read_bytes()
    if not data:
        raise SplatFileError(f"{path} holds no splats: it is empty.", "Choose another file.")
    if len(data) % _ROW.itemsize:
        raise damaged(path, f"its length is no multiple of {_ROW.itemsize} bytes")
    rows = np.frombuffer(data, _ROW)
    # There is no header to know the format by: sizes below zero tell that these are other bytes.
    if (rows["scale"] < 0).any():
        raise damaged(path, "it has splats of less than no size")
    gaussians = Gaussians(
        rows["mean"].astype(np.float32),
        rows["scale"].astype(np.float32),
        unit_quaternions((rows["rotation"].astype(np.float32) - 128) / 128),
        rows["rgba"][:, 3].astype(np.float32) / 255,
        rgb_to_dc(rows["rgba"][:, :3].astype(np.float32) / 255)[:, None],
    )
    gaussians, dropped = usable(path, gaussians)
    return SplatFile(gaussians, dropped=dropped)


def write_dot_splat(path: Path, gaussians: Gaussians) -> int:
    """Writes a .splat file, all or nothing; the largest and most opaque come first, as viewers load them.

    Colours that depend on the view are left out: the format has none; so are splats with values that are not numbers.

    Returns:
        The number of splats in the file.

    Raises:
        OutputError: the file cannot be written; an older one of that name is untouched.
        SplatFileError: there are no splats whose values are numbers.
    """
    gaussians, _ = usable(path, gaussians)
    order = np.argsort(-gaussians.scales.prod(axis=1, dtype=np.float64) * gaussians.opacities, kind="stable")
    rows = np.empty(len(gaussians), _ROW)
    rows["mean"], rows["scale"] = gaussians.means[order], gaussians.scales[order]
    color = np.column_stack([dc_to_rgb(gaussians.sh[order, 0]), gaussians.opacities[order]])
    rows["rgba"] = np.clip(np.round(color * 255), 0, 255)
    rows["rotation"] = np.clip(np.round(gaussians.rotations[order] * 128 + 128), 0, 255)
    with atomic_file(path) as stream:
        stream.write(rows.data)
    return len(gaussians)
