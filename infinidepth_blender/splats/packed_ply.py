"""PLY files that SuperSplat packs: 16 bytes a splat and harmonics in 8 bits, in chunks of 256.

An element `chunk` has the bounds of positions, logarithms of scales and (later versions) colours; `vertex` has
packed_position and packed_scale (11, 10 and 11 bits between the bounds), packed_rotation (two bits for the largest
component of w, x, y, z, ten for each other) and packed_color (four bytes, the last one opacity); `sh` the harmonics,
colour by colour.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from plyfile import PlyData

from ..reconstruction import Gaussians
from .sh import rgb_to_dc
from .splat_file import completed_quaternions, damaged

_CHUNK = 256
_PACKED = ("packed_position", "packed_rotation", "packed_scale", "packed_color")


def is_packed(data: PlyData) -> bool:
    """Whether a PLY is of this kind."""
    return "vertex" in data and _PACKED[0] in data["vertex"].data.dtype.names


def unpacked(path: Path, data: PlyData) -> Gaussians:
    """The splats of a packed PLY.

    Raises:
        SplatFileError: something is missing.
    """
    vertices, chunks = data["vertex"].data, data["chunk"].data if "chunk" in data else None
    if chunks is None or len(chunks) * _CHUNK < len(vertices) or set(_PACKED) - set(vertices.dtype.names):
        raise damaged(path, "it is a packed PLY and lacks chunks or values")
    whole = np.arange(len(vertices)) // _CHUNK
    try:
        means = _between(chunks, ("x", "y", "z"), whole, _three(vertices["packed_position"]))
        log_scales = _between(chunks, ("scale_x", "scale_y", "scale_z"), whole, _three(vertices["packed_scale"]))
        rgba = (vertices["packed_color"][:, None] >> np.array([24, 16, 8, 0], np.uint32) & 255).astype(np.float32) / 255
        rgb = _between(chunks, "rgb", whole, rgba[:, :3]) if "min_r" in chunks.dtype.names else rgba[:, :3]
        rotations = _rotations(vertices["packed_rotation"])
    except (ValueError, TypeError) as error:
        raise damaged(path, f"it is a packed PLY of another layout ({error})") from error
    sh = rgb_to_dc(rgb)[:, None]
    if "sh" in data and data["sh"].data.dtype.names:
        sh = np.concatenate([sh, _harmonics(path, data["sh"].data, len(vertices))], axis=1)
    return Gaussians(means, np.exp(log_scales), rotations, rgba[:, 3].copy(), sh)


def _three(packed: NDArray[np.uint32]) -> NDArray[np.float32]:
    """(N, 3) shares of 11, 10 and 11 bits."""
    parts = [packed >> 21, packed >> 11 & 1023, packed & 2047]
    return np.stack(parts, axis=-1).astype(np.float32) / np.array([2047, 1023, 2047], np.float32)


def _between(
    chunks: NDArray[Any], axes: Any, whole: NDArray[np.intp], share: NDArray[np.float32]
) -> NDArray[np.float32]:
    low, high = (np.stack([chunks[f"{end}_{axis}"] for axis in axes], axis=-1)[whole] for end in ("min", "max"))
    return (low * (1 - share) + high * share).astype(np.float32)


def _rotations(packed: NDArray[np.uint32]) -> NDArray[np.float32]:
    """(N, 4) unit quaternions w, x, y, z."""
    share = (packed[:, None] >> np.array([20, 10, 0], np.uint32) & 1023).astype(np.float32) / 1023
    return completed_quaternions((share - np.float32(0.5)) * np.float32(np.sqrt(2)), (packed >> 30).astype(np.intp))


def _harmonics(path: Path, table: NDArray[Any], count: int) -> NDArray[np.float32]:
    """(N, K, 3) coefficients from -4 to 4; the outermost codes are the ends, the others stand for their middle."""
    there = table.dtype.names or ()
    names = [f"f_rest_{k}" for k in range(len(there))]
    if len(table) != count or len(names) not in (9, 24, 45) or set(names) != set(there):
        raise damaged(path, "its spherical harmonics do not fit its splats")
    codes = np.stack([table[name] for name in names], axis=-1)
    share = np.where(codes == 0, 0, np.where(codes == 255, 1, (codes + np.float32(0.5)) / 256))
    return ((share - 0.5) * 8).astype(np.float32).reshape(count, 3, -1).transpose(0, 2, 1)
