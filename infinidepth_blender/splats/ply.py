"""Splat files in the 3DGS layout of PLY: read whatever is around, write what everybody reads.

Layout (Kerbl et al. 2023, as SHARP and InfiniDepth extend it), all float32: x y z, nx ny nz,
f_dc_0..2, f_rest_* (colour by colour), opacity (logit), scale_0..2 (natural logarithm),
rot_0..3 (quaternion w, x, y, z). Further elements carry the camera: image_size (width, height),
intrinsic (K, row by row), extrinsic (4x4 camera-to-world, row by row) and color_space.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from plyfile import PlyData, PlyElement, PlyParseError

from ..camera import Camera
from ..errors import SplatFileError
from ..reconstruction import Gaussians
from .packed_ply import is_packed, unpacked
from .ply_camera import CAMERA_ELEMENTS, camera_elements, camera_of, color_space_of
from .sh import rgb_to_dc
from .splat_file import SplatFile, atomic_file, damaged, opening, unit_quaternions, usable

_OPACITY_RANGE = (np.float32(1e-6), np.float32(1 - 1e-6))
"""Opacities in files stay inside, where their logit is finite."""

FLAT_THICKNESS = 1e-3
"""Third scale of two-dimensional Gaussians, in units of their smaller one."""

_TINY_SCALE = 1e-20
_REST_COUNTS = (0, 9, 24, 45, 72)
_KEPT_COEFFICIENTS = 16
"""Harmonics of degree 4, which some trainers write, are left out."""

_MAX_HEADER_BYTES = 1 << 20
_BLOCK_ROWS = 4096
"""Rows converted at a time: a block and its results stay in the processor's cache."""


# -- writing ----------------------------------------------------------------------


def write_splat_ply(
    path: Path,
    gaussians: Gaussians,
    camera: Camera | None = None,
    cam_to_world: NDArray[Any] | None = None,
) -> int:
    """Writes a splat file, all or nothing.

    Positions are written as they are; splats with values that are not numbers are left out. With a camera, the elements image_size, intrinsic,
    extrinsic and color_space follow, the last 0 for sRGB as SHARP writes it.

    Args:
        path: The file; its folder is made where needed.
        gaussians: What to write; sRGB colours.
        camera: The photo's camera.
        cam_to_world: (4, 4) pose of the camera; None is the identity.

    Returns:
        The number of splats in the file.

    Raises:
        OutputError: the file cannot be written; an older one of that name is untouched.
        SplatFileError: there are no splats whose values are numbers.
    """
    gaussians, _ = usable(path, gaussians)
    # The header is plyfile's; the rows follow in blocks, so that no second copy of everything is held.
    dtype = np.dtype([(name, "<f4") for name in _property_names(gaussians.sh.shape[1])])
    rows_to_come = np.broadcast_to(np.empty((), dtype), (len(gaussians),))
    tail = [] if camera is None else camera_elements(camera, cam_to_world)
    header = PlyData([PlyElement.describe(rows_to_come, "vertex"), *tail], text=False, byte_order="<").header
    with atomic_file(path) as stream:
        stream.write(header.encode("ascii") + b"\n")
        for block in _vertex_blocks(gaussians):
            stream.write(block.data)
        for element in tail:
            stream.write(element.data.tobytes())
    return len(gaussians)


def _property_names(coefficients: int) -> list[str]:
    names = [*"xyz", "nx", "ny", "nz"] + [f"f_dc_{i}" for i in range(3)]
    names += [f"f_rest_{i}" for i in range(3 * (coefficients - 1))]
    return names + ["opacity"] + [f"scale_{i}" for i in range(3)] + [f"rot_{i}" for i in range(4)]


def _vertex_blocks(gaussians: Gaussians) -> Iterator[NDArray[np.float32]]:
    """The rows of the element `vertex`, some thousand at a time; a block is valid until the next."""
    count, rest = len(gaussians), 3 * (gaussians.sh.shape[1] - 1)
    buffer = np.zeros((min(count, _BLOCK_ROWS), 17 + rest), dtype="<f4")
    for start in range(0, count, _BLOCK_ROWS):
        rows = slice(start, min(start + _BLOCK_ROWS, count))
        block = buffer[: rows.stop - start]
        opacity = np.clip(gaussians.opacities[rows], _OPACITY_RANGE[0], _OPACITY_RANGE[1])
        block[:, 0:3] = gaussians.means[rows]
        block[:, 6:9] = gaussians.sh[rows, 0]
        block[:, 9 : 9 + rest] = gaussians.sh[rows, 1:].transpose(0, 2, 1).reshape(len(block), rest)
        block[:, 9 + rest] = np.log(opacity / (1 - opacity))
        block[:, 10 + rest : 13 + rest] = np.log(np.maximum(gaussians.scales[rows], np.float32(_TINY_SCALE)))
        block[:, 13 + rest : 17 + rest] = gaussians.rotations[rows]
        yield block


# -- reading ----------------------------------------------------------------------


def read_splat_ply(path: Path) -> SplatFile:
    """Reads a splat file: binary of either byte order or ASCII, with or without extras.

    Missing normals, spherical harmonics, opacity (then 1) and rotation (then none) are
    fine, as are colours as red, green, blue instead of f_dc. Quaternions are normalised.
    Gaussians with a value that is not a number are left out and counted.

    A `color_space` of 1 means linear only beside SHARP's own elements: InfiniDepth's
    official export writes 1 for sRGB colours.

    Raises:
        SplatFileError: the file is missing, no PLY, truncated, or holds no splats.
    """
    data = open_ply(path)
    if "vertex" not in data or data["vertex"].count == 0:
        raise SplatFileError(f"{path} holds no splats: it has no vertices.", "Choose a splat file in the 3DGS layout.")
    if is_packed(data):
        gaussians = unpacked(path, data)
    else:
        table = _Table(data["vertex"].data)
        _check_layout(path, table)
        gaussians = _decode(table)
    gaussians, dropped = usable(path, gaussians)
    camera, cam_to_world = camera_of(data)
    others = [e for e in data.elements if e.name not in ("vertex", *CAMERA_ELEMENTS)]
    return SplatFile(
        gaussians=gaussians,
        camera=camera,
        cam_to_world=cam_to_world,
        color_space=color_space_of(data),
        dropped=dropped,
        extra={e.name: _small_values(e) for e in others},
    )


def open_ply(path: Path) -> PlyData:
    """Opens any PLY; the tables of binary files are mapped into memory.

    Raises:
        SplatFileError: the file is missing, no PLY, or truncated.
    """
    try:
        with opening(path, "a PLY file"), path.open("rb") as stream:
            if stream.read(3) != b"ply":
                raise SplatFileError(f"{path} is not a PLY file.", "Choose a .ply file with Gaussian splats.")
            stream.seek(0)
            header = stream.read(_MAX_HEADER_BYTES).partition(b"end_header")[0]
            stream.seek(0)
            if header.isascii():
                return PlyData.read(stream, mmap="c")
            with _AsciiComments(path, header) as replaced:
                return PlyData.read(replaced, mmap="c")
    except PlyParseError as error:
        raise damaged(path, str(error)) from error
    except UnicodeDecodeError as error:
        raise SplatFileError(
            f"{path} has other letters than ASCII in the names of its header, which PLY does not allow.",
            "Export the file again.",
        ) from error
    except (ValueError, OverflowError, MemoryError) as error:
        # What is mapped and too short has no better words of its own.
        reason = " ".join(str(error).split())[:120]
        short = "mmap" in reason or "buffer" in reason or not reason
        raise damaged(path, "it is shorter than its header says" if short else reason) from error


class _AsciiComments(io.BufferedReader):
    """A PLY file as it is, but for the letters beyond ASCII in its comments, which PLY does not know and programs write."""

    def __init__(self, path: Path, header: bytes) -> None:
        super().__init__(io.FileIO(path))
        # Byte for byte, so that everything stays where it is.
        self._header = re.sub(
            rb"(?<=[\r\n])(?:comment|obj_info)[^\r\n]*",
            lambda line: re.sub(rb"[\x80-\xff]", b"?", line[0]),
            header,
        )

    def read(self, size: int | None = -1, /) -> bytes:
        place = self.tell()
        return self._replaced(place, super().read(size))

    def read1(self, size: int = -1, /) -> bytes:
        place = self.tell()
        return self._replaced(place, super().read1(size))

    def _replaced(self, place: int, data: bytes) -> bytes:
        start = self._header[place : place + len(data)]
        return start + data[len(start) :]


def is_splat_layout(properties: Iterable[str]) -> bool:
    """Whether a file whose vertices have these properties holds splats that `read_splat_ply` reads."""
    names = set(properties)
    return "scale_0" in names and bool({"f_dc_0", "red"} & names)


class _Table:
    """Columns of a structured array by name, as float32 blocks."""

    def __init__(self, data: NDArray[Any]) -> None:
        self.names: tuple[str, ...] = data.dtype.names or ()
        self.count = len(data)
        self._data = data
        kinds = {data.dtype[name] for name in self.names}
        kind = kinds.pop() if len(kinds) == 1 else None
        # A packed table of one type is a plain matrix: slices of it are far faster than fields.
        packed = kind is not None and kind.kind == "f" and data.dtype.itemsize == kind.itemsize * len(self.names)
        self._matrix = data.view(kind).reshape(self.count, len(self.names)) if packed else None

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def columns(self, names: list[str], rows: slice) -> NDArray[np.float32]:
        """(rows, len(names)) float32, a view of the file where possible."""
        if self._matrix is None:
            return np.stack([self._data[name][rows].astype(np.float32) for name in names], axis=-1)
        index = [self.names.index(name) for name in names]
        if index == list(range(index[0], index[0] + len(index))):
            return self._matrix[rows, index[0] : index[0] + len(index)].astype(np.float32, copy=False)
        return self._matrix[rows][:, index].astype(np.float32, copy=False)


def _check_layout(path: Path, table: _Table) -> None:
    if "x" not in table or "y" not in table or "z" not in table:
        raise SplatFileError(f"{path} has no positions (x, y, z).", "Choose a splat file in the 3DGS layout.")
    if "scale_0" not in table:
        kind = "a point cloud or mesh" if "red" in table or "nx" in table else "a plain PLY"
        raise SplatFileError(
            f"{path} holds no splats: it is {kind} without sizes (scale_0, scale_1, scale_2).",
            "Choose a splat file in the 3DGS layout, such as splats.ply of a reconstruction.",
        )
    if "f_dc_0" not in table and "red" not in table:
        raise SplatFileError(f"{path} has no colours (f_dc_0 or red).", "Choose a splat file in the 3DGS layout.")
    if missing := _incomplete(table):
        raise SplatFileError(f"{path} is not complete: it has no '{missing}'.", "Export or download the file again.")
    rest = len(_rest_names(table))
    if rest not in _REST_COUNTS:
        raise SplatFileError(
            f"{path} has {rest} SH coefficients in f_rest, which fits no degree; 0, 9, 24, 45 or 72 do.",
            "Export the splats again with spherical harmonics of degree 0 to 4.",
        )


def _incomplete(table: _Table) -> str | None:
    """The first property that is missing of a group of which others are there."""
    groups = (
        [f"f_dc_{i}" for i in range(3)] if "f_dc_0" in table else ["red", "green", "blue"],
        # One or two scales are spheres and flat discs.
        ["scale_0", "scale_1"] if "scale_2" in table else ["scale_0"],
        [f"rot_{i}" for i in range(4)],
    )
    for names in groups:
        missing = [name for name in names if name not in table]
        if 0 < len(missing) < len(names):
            return missing[0]
    return None


def _rest_names(table: _Table) -> list[str]:
    numbered = [name for name in table.names if re.fullmatch(r"f_rest_\d+", name)]
    return sorted(numbered, key=lambda name: int(name[7:]))


def _white(table: _Table) -> float:
    """What white is in the colours of a table: bytes are also kept in wider types, and floats may end at 1 or at 255."""
    columns = [table._data[name] for name in ("red", "green", "blue") if name in table]
    dtype = columns[0].dtype
    if dtype.kind in "ui" and dtype.itemsize <= 2:
        return float(np.iinfo(dtype).max)
    largest = max((float(column.max()) for column in columns if len(column)), default=1.0)
    if dtype.kind == "f" and largest <= 2:
        return 1.0
    return 255.0 if largest <= 255 else 65_535.0


def _decode(table: _Table) -> Gaussians:
    """Activated parameters of all rows, block by block."""
    count = table.count
    rest_names = _rest_names(table)
    stored = len(rest_names) // 3
    coefficients = min(1 + stored, _KEPT_COEFFICIENTS)
    color_names = [f"f_dc_{i}" for i in range(3)] if "f_dc_0" in table else ["red", "green", "blue"]
    color_scale = 1.0 if "f_dc_0" in table else 1 / _white(table)
    scale_names = [f"scale_{i}" for i in range(3) if f"scale_{i}" in table]
    rotation_names = [f"rot_{i}" for i in range(4)]
    means, scales = np.empty((count, 3), np.float32), np.empty((count, 3), np.float32)
    rotations, opacities = np.empty((count, 4), np.float32), np.ones(count, np.float32)
    sh = np.empty((count, coefficients, 3), np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, count, _BLOCK_ROWS):
            rows = slice(start, min(start + _BLOCK_ROWS, count))
            means[rows] = table.columns(["x", "y", "z"], rows)
            scales[rows] = _three_scales(np.exp(table.columns(scale_names, rows)))
            rotations[rows] = unit_quaternions(
                table.columns(rotation_names, rows)
                if "rot_3" in table
                else np.tile([[1, 0, 0, 0]], (len(means[rows]), 1))
            )
            if "opacity" in table:
                opacities[rows] = 1 / (1 + np.exp(-table.columns(["opacity"], rows)[:, 0]))
            color = table.columns(color_names, rows)
            sh[rows, 0] = color if "f_dc_0" in table else rgb_to_dc(color * np.float32(color_scale))
            if rest_names:
                rest = table.columns(rest_names, rows).reshape(-1, 3, stored)
                sh[rows, 1:] = rest.transpose(0, 2, 1)[:, : coefficients - 1]
    return Gaussians(means, scales, rotations, opacities, sh)


def _three_scales(scales: NDArray[np.float32]) -> NDArray[np.float32]:
    """Spheres (one scale) and flat discs (two) become general Gaussians."""
    if scales.shape[1] == 1:
        return np.repeat(scales, 3, axis=1)
    if scales.shape[1] == 2:
        return np.column_stack([scales, scales.min(axis=1) * np.float32(FLAT_THICKNESS)])
    return scales


def _small_values(element: PlyElement) -> Any:
    """The values of a short element of one property, else its number of rows."""
    if element.count > 16 or len(element.properties) != 1:
        return element.count
    return np.asarray(element.data[element.properties[0].name]).tolist()
