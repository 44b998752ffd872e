"""`reconstruction.json`, which is written last and makes a bundle complete; standard library only."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

from .errors import BundleError
from .staging import ARRAYS_DIR, JSON_NAME, SEQUENCE_DIR

FORMAT = "infinidepth-reconstruction"
FORMAT_VERSION = 1
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
    """Whether all files are there that the content of `reconstruction.json` names, and no array is cut short."""
    clip = data.get("clip", {"frames": 0})
    for number in range(1, int(clip["frames"]) + 1):
        picture, depth = clip_frame(folder, number)
        wanted = [picture, depth, *([picture.with_suffix(".exr")] if clip.get("linear") else [])]
        if not all(path.is_file() for path in wanted):
            return False
    return all(
        array_path(folder, stem).stat().st_size >= math.prod(told["shape"]) * _bytes_of(told["dtype"])
        for stem, told in data["arrays"].items()
    ) and all((folder / name).is_file() for name in data.get("files", ()))


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
            f"Choose a result in it, such as {inside.parent}." if inside else "Reconstruct the photo again.",
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"{path} cannot be read: {error}.", "Reconstruct the photo again.") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise BundleError(f"{path} is not an InfiniDepth reconstruction.")
    if data.get("version") != FORMAT_VERSION:
        raise BundleError(
            f"{path} has format version {data.get('version')}, this InfiniDepth reads version {FORMAT_VERSION}.",
            "Update InfiniDepth, or reconstruct the photo again.",
        )
    return data


def _bytes_of(dtype: str) -> int:
    """Size of one number of a type such as `float32` or `bool`."""
    bits = re.search(r"\d+$", dtype)
    return int(bits[0]) // 8 if bits else 1
