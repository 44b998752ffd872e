"""SOG files (PlayCanvas), version 2: splats as lossless pictures in a zip, with a list of what they mean.

A pixel, row by row, is a splat: `means` are 16 bits of sign(x) log(1 + |x|) between bounds, in two pictures; `scales`
and `sh0` index books of logarithms of scales and of colours, opacity beside them; `quats` are the three smallest
components, and 252 plus the number of the largest one; `shN` indexes a palette of harmonics, 64 entries a row of its
picture. The axes are those of PLY files.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import SplatFileError
from ..reconstruction import Gaussians
from .splat_file import SplatFile, completed_quaternions, damaged, opening, usable

RgbaOf = Callable[[bytes], NDArray[np.uint8]]
"""From the bytes of a picture's file to its (height, width, 4) values, top row first, or a ValueError or OSError."""

MAGIC = b"PK\x03\x04"
_MAX_PICTURE_BYTES = 1 << 30
_COEFFICIENTS = (0, 3, 8, 15)
_PALETTE_COLUMNS = 64


def rgba_by_pillow(data: bytes) -> NDArray[np.uint8]:
    """Decodes a picture where Pillow is installed, as it is beside the engine.

    Raises:
        OSError: it is no picture.
        ValueError: it is larger than any splat file needs.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as picture:
            return np.asarray(picture.convert("RGBA"))
    except Image.DecompressionBombError as error:
        raise ValueError(str(error)) from error


def read_sog(path: Path, rgba_of: RgbaOf = rgba_by_pillow) -> SplatFile:
    """Reads a SOG file of version 2 (one file; not a folder of pictures).

    Args:
        path: The file.
        rgba_of: Decodes its pictures.

    Raises:
        SplatFileError: the file is missing, damaged or of another version.
    """
    with opening(path, "a SOG file"):
        stream = path.open("rb")
    try:
        with stream, zipfile.ZipFile(stream) as archive:
            if "meta.json" not in archive.namelist():
                raise SplatFileError(f"{path} is a zip file without splats.", "Choose a splat file.")
            meta = json.loads(archive.read("meta.json"))
            if not isinstance(meta, dict) or meta.get("version") != 2:
                raise SplatFileError(
                    f"{path} is no SOG file of version 2.", "Export it anew, or as PLY, SPZ or .splat."
                )
            gaussians = _decoded(meta, lambda part, k: rgba_of(_picture(archive, meta[part]["files"][k])))
    except ImportError as error:
        raise SplatFileError(
            f"{path} is SOG, and this Python cannot read its pictures ({error}).",
            "Install the package pillow, or export the file as PLY, SPZ or .splat.",
        ) from error
    # RuntimeError: it has a password; NotImplementedError, which is one: it is packed in a way that Python does not know.
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        LookupError,
        TypeError,
        ValueError,
        OSError,
        RuntimeError,
        MemoryError,
    ) as error:
        raise damaged(path, " ".join(f"{type(error).__name__}: {error}".split())[:160]) from error
    gaussians, dropped = usable(path, gaussians)
    return SplatFile(gaussians, dropped=dropped)


def _picture(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).file_size > _MAX_PICTURE_BYTES:
        raise ValueError(f"{name} is too large")
    return archive.read(name)


def _decoded(meta: dict[str, Any], rgba: Callable[[str, int], NDArray[np.uint8]]) -> Gaussians:
    count = int(meta["count"])
    if count < 1:
        raise ValueError("it holds no splats")

    def pixels(part: str, k: int = 0) -> NDArray[np.uint8]:
        found = rgba(part, k).reshape(-1, 4)
        if len(found) < count:
            raise ValueError(f"the picture of {part} has {len(found)} pixels for {count} splats")
        return found[:count]

    low, high = (np.asarray(meta["means"][end], np.float64) for end in ("mins", "maxs"))
    fixed = pixels("means", 0)[:, :3] + 256.0 * pixels("means", 1)[:, :3]
    logs = low + (high - low) * (fixed / 65535)
    scales = np.asarray(meta["scales"]["codebook"], np.float32)[pixels("scales")[:, :3]]
    base = pixels("sh0")
    sh = np.asarray(meta["sh0"]["codebook"], np.float32)[base[:, :3]][:, None]
    if meta.get("shN"):
        labels = pixels("shN", 1)
        sh = np.concatenate(
            [sh, _harmonics(meta["shN"], rgba("shN", 0), labels[:, 0] + 256 * labels[:, 1].astype(int))], 1
        )
    return Gaussians(
        (np.sign(logs) * np.expm1(np.abs(logs))).astype(np.float32),
        np.exp(scales),
        _rotations(pixels("quats")),
        base[:, 3].astype(np.float32) / 255,
        sh,
    )


def _rotations(codes: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(N, 4) unit quaternions w, x, y, z; none where the tag is not one."""
    known = codes[:, 3] >= 252
    largest = np.where(known, codes[:, 3].astype(np.intp) - 252, 0)
    q = completed_quaternions((codes[:, :3].astype(np.float32) / 255 * 2 - 1) * np.float32(np.sqrt(0.5)), largest)
    q[~known] = (1, 0, 0, 0)
    return q


def _harmonics(about: dict[str, Any], palette: NDArray[np.uint8], labels: NDArray[np.intp]) -> NDArray[np.float32]:
    """(N, K, 3) coefficients of each splat's palette entry."""
    coefficients = _COEFFICIENTS[int(about["bands"])]
    book = np.asarray(about["codebook"], np.float32)
    entries = palette[:, : _PALETTE_COLUMNS * coefficients, :3].reshape(-1, coefficients, 3)
    return book[entries][np.minimum(labels, len(entries) - 1)]
