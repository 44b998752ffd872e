"""Splat files of every kind: which one it is, and who reads or writes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ..camera import Camera
from ..errors import SplatFileError
from ..glb_container import MAGIC as GLB_MAGIC
from ..reconstruction import Gaussians
from . import SOG_LIST, WRITTEN_SUFFIXES
from .dot_splat import read_dot_splat, write_dot_splat
from .ply import read_splat_ply, write_splat_ply
from .sog import MAGIC as ZIP_MAGIC
from .sog import RgbaOf, read_sog, read_unpacked_sog, rgba_by_pillow
from .splat_file import SplatFile, opening
from .splat_glb import read_splat_glb, write_splat_glb
from .spz import MAGIC as SPZ_MAGIC
from .spz import read_spz, write_spz

_GZIP_MAGIC = b"\x1f\x8b"


def read_splats(path: Path, rgba_of: RgbaOf | None = None) -> SplatFile:
    """Reads a splat file: PLY (plain or packed by SuperSplat), SPZ, SOG, GLB or .splat, known by its first bytes.

    Args:
        path: The file; of an unpacked SOG its `meta.json`, beside which its pictures lie.
        rgba_of: Decodes the pictures of SOG files; None: Pillow does.

    Raises:
        SplatFileError: the file is missing, damaged or of another kind, holds no splats, or too many for the memory.
    """
    try:
        return _read(path, rgba_of or rgba_by_pillow)
    except MemoryError as error:
        raise SplatFileError(f"{path} does not fit into the memory.", "Export it with fewer splats.") from error


def _read(path: Path, rgba_of: RgbaOf) -> SplatFile:
    with opening(path, "a splat file"), path.open("rb") as stream:
        start = stream.read(4)
    if start.startswith(b"ply"):
        return read_splat_ply(path)
    if start.startswith(_GZIP_MAGIC) or start == SPZ_MAGIC:
        return read_spz(path)
    if start == ZIP_MAGIC:
        return read_sog(path, rgba_of)
    if start == GLB_MAGIC:
        return read_splat_glb(path)
    if path.name == SOG_LIST:
        return read_unpacked_sog(path, rgba_of)
    if path.suffix.lower() == ".splat":
        return read_dot_splat(path)
    raise SplatFileError(
        f"{path} is no splat file of a kind that can be read.", "Export it as PLY, SPZ, SOG, GLB or .splat."
    )


def write_splats(
    path: Path, gaussians: Gaussians, camera: Camera | None = None, cam_to_world: NDArray[Any] | None = None
) -> int:
    """Writes a splat file of the kind that its name ends in, all or nothing.

    A camera goes into PLY and GLB files, and harmonics into all but .splat. Colours are sRGB-encoded. Splats with values
    that are not numbers are left out.

    Args:
        path: The file; its folder is made where needed.
        gaussians: What to write.
        camera: The photo's camera.
        cam_to_world: (4, 4) pose of the camera; None is the identity.

    Returns:
        The number of splats in the file.

    Raises:
        OutputError: the file cannot be written; an older one of that name is untouched.
        SplatFileError: its name ends in none of `WRITTEN_SUFFIXES`, or there are no splats whose values are numbers.
    """
    suffix = path.suffix.lower()
    if suffix == ".ply":
        return write_splat_ply(path, gaussians, camera, cam_to_world=cam_to_world)
    if suffix == ".spz":
        return write_spz(path, gaussians)
    if suffix == ".splat":
        return write_dot_splat(path, gaussians)
    if suffix == ".glb":
        return write_splat_glb(path, gaussians, camera, cam_to_world)
    raise SplatFileError(f"{path} ends in no kind of splat file.", f"Use {', '.join(WRITTEN_SUFFIXES)}.")
