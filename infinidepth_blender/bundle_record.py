"""`reconstruction.json`, which is written last and makes a bundle complete; standard library only."""

from __future__ import annotations

import ast
import contextlib
import itertools
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .errors import BundleError, OptionsError
from .staging import ARRAYS_DIR, JSON_NAME, SEQUENCE_DIR

FORMAT = "infinidepth-reconstruction"
FORMAT_VERSION = 1
MAKE_AGAIN = "Reconstruct the photo again."
_NPY = b"\x93NUMPY\x01\x00"
"""Begins the arrays of a bundle."""
CUT_NOTE = "The picture changes wholly at frame"
"""Begins the sentence about the cuts of a clip."""


def array_path(folder: Path, stem: str) -> Path:
    """Where a bundle, or one that is being written, has an array."""
    return folder / ARRAYS_DIR / f"{stem}.npy"


def clip_frame(folder: Path, number: int) -> tuple[Path, Path]:
    """Where a bundle of a clip has the picture and the depth of a frame, counted from 1."""
    sequence = folder / SEQUENCE_DIR
    return sequence / "frames" / f"{number:04d}.jpg", sequence / "depth" / f"{number:04d}.exr"


def is_whole(folder: Path, data: dict[str, Any]) -> bool:
    """Whether all files are there that the content of `reconstruction.json` names, and each array is as it says."""
    try:
        return first_damaged(folder, data) is None
    except (OSError, KeyError, TypeError, ValueError, AttributeError, ArithmeticError):
        return False


def first_damaged(folder: Path, data: dict[str, Any]) -> Path | None:
    """A file of a bundle that is missing, or an array that is damaged; None: there is none.

    Args:
        folder: The bundle.
        data: The content of its `reconstruction.json`.

    Raises:
        OSError, KeyError, TypeError, ValueError, AttributeError, ArithmeticError: the content is damaged.
    """
    wanted = itertools.chain((folder / name for name in data.get("files", ())), _clip_files(folder, data.get("clip")))
    missing = (path for path in wanted if not path.is_file())
    arrays = ((array_path(folder, stem), told) for stem, told in data["arrays"].items())
    damaged = (path for path, told in arrays if not _is_array(path, told["shape"], told["dtype"]))
    return next(itertools.chain(missing, damaged), None)


@contextlib.contextmanager
def damage_is_told(folder: Path) -> Iterator[None]:
    """Turns what the use of a damaged record may raise into an error that names it.

    Raises:
        BundleError: the content of the bundle's `reconstruction.json` is damaged.
    """
    try:
        yield
    except (OptionsError, OSError, KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        reason = str(error) if isinstance(error, OptionsError) else f"{type(error).__name__} {error}"
        raise BundleError(f"{folder / JSON_NAME} is damaged: {reason.rstrip('.')}.", MAKE_AGAIN) from error


def read_record(folder: Path) -> dict[str, Any]:
    """The checked content of a bundle's `reconstruction.json`.

    Raises:
        BundleError: there is no finished bundle, or it is damaged or too new.
    """
    path = folder / JSON_NAME
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        inside = next(iter(sorted(folder.glob(f"*/{JSON_NAME}"))), None)
        raise BundleError(
            f"{folder} holds no finished reconstruction ({JSON_NAME} is missing).",
            f"Choose a result in it, such as {inside.parent}." if inside else MAKE_AGAIN,
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"{path} cannot be read: {error}.", MAKE_AGAIN) from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise BundleError(f"{path} is not an InfiniDepth reconstruction.")
    if data.get("version") != FORMAT_VERSION:
        raise BundleError(
            f"{path} has format version {data.get('version')}, this InfiniDepth reads version {FORMAT_VERSION}.",
            "Update InfiniDepth, or reconstruct the photo again.",
        )
    return data


def _clip_files(folder: Path, clip: dict[str, Any] | None) -> Iterator[Path]:
    """The files of a clip's frames."""
    for number in range(1, int(clip["frames"]) + 1 if clip else 1):
        picture, depth = clip_frame(folder, number)
        yield from (picture, depth)
        if clip and clip.get("linear"):
            yield picture.with_suffix(".exr")


def _is_array(path: Path, shape: list[int], dtype: str) -> bool:
    """Whether a file begins as the .npy file of an array of this shape and type does, and is as long."""
    bits = re.search(r"\d+$", dtype)
    size = int(bits[0]) // 8 if bits else 1
    try:
        with path.open("rb") as file:
            magic = file.read(len(_NPY))
            length = int.from_bytes(file.read(2), "little")
            said = dict(ast.literal_eval(file.read(length).decode("latin-1")))
            said["descr"] = str(said["descr"]).lstrip("<|")
            begin = file.tell()
    except (OSError, KeyError, TypeError, ValueError, SyntaxError, MemoryError, RecursionError):
        return False
    told = {"descr": f"{dtype[0]}{size}", "fortran_order": False, "shape": tuple(shape)}
    return magic == _NPY and said == told and path.stat().st_size >= begin + math.prod(shape) * size
