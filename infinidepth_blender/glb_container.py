"""The container of binary glTF 2.0 (GLB): one JSON text and one block of bytes that it tells how to read.

Meshes of photos (`engine.glb`) and splats (`splats.splat_glb`) are written and read with it; numpy alone.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .camera import Camera
from .errors import OutputError

MAGIC = b"glTF"
_VERSION, _JSON_CHUNK, _BINARY_CHUNK = 2, b"JSON", b"BIN\0"
ARRAY_BUFFER, ELEMENT_BUFFER = 34962, 34963
_MAX_BYTES = 0xFFFFFFFF
_NEAR_M = 0.01
_ROUNDING_PX = 0.01
"""A principal point that is off by less is in the middle."""

CAMERA_KEY, CROP_KEY = "infinidepth_camera", "infinidepth_crop"
CAMERA_NAMES = ("width_px", "height_px", "fx_px", "fy_px", "cx_px", "cy_px")
"""What a file tells of the photo's camera in the `extras` of its own."""

_COMPONENTS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_CODES = {np.dtype(name): code for code, name in _COMPONENTS.items()}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
_TYPES = {width: name for name, width in _WIDTHS.items()}


class GlbError(ValueError):
    """What is wrong with a file's content, as the end of a sentence."""


def camera_content(camera: Camera) -> dict[str, Any]:
    """The entry of `cameras` for a photo's camera.

    glTF's cameras look through the middle of their picture. Where the photo's does not, the frame is as much larger as
    the photo then needs to be seen where it was taken, and `extras` tell which part of it the photo is.
    """
    frame_width, left = _frame(camera.width_px, camera.cx_px)
    frame_height, top = _frame(camera.height_px, camera.cy_px)
    extras: dict[str, Any] = {CAMERA_KEY: {name: getattr(camera, name) for name in CAMERA_NAMES}}
    if (frame_width, frame_height) != (camera.width_px, camera.height_px):
        extras[CROP_KEY] = {
            "frame_width_px": frame_width,
            "frame_height_px": frame_height,
            "left_px": left,
            "top_px": top,
        }
    return {
        "type": "perspective",
        "perspective": {
            "yfov": 2 * math.atan(frame_height / (2 * camera.fy_px)),
            "aspectRatio": frame_width / camera.fx_px / (frame_height / camera.fy_px),
            "znear": _NEAR_M,
        },
        "extras": extras,
    }


def _frame(side_px: int, middle_px: float) -> tuple[int, float]:
    """The least side around the middle that holds the picture's, in whole pixels, and where the picture begins in it."""
    frame_px = math.ceil(2 * max(middle_px, side_px - middle_px) - _ROUNDING_PX)
    return frame_px, frame_px / 2 - middle_px


@dataclass
class Parts:
    """What stands in the binary block, in order; every part begins at a multiple of four bytes."""

    arrays: list[NDArray[Any]] = field(default_factory=list)
    views: list[dict[str, Any]] = field(default_factory=list)
    accessors: list[dict[str, Any]] = field(default_factory=list)
    length: int = 0

    def view(self, array: NDArray[Any], target: int | None = None) -> int:
        """Adds the bytes of an array; the number of its view."""
        place: dict[str, Any] = {"buffer": 0, "byteOffset": self.length, "byteLength": array.nbytes}
        self.views.append(place | ({} if target is None else {"target": target}))
        self.arrays.append(array)
        self.length += array.nbytes + -array.nbytes % 4
        return len(self.views) - 1

    def accessor(
        self, values: NDArray[Any], target: int | None = ARRAY_BUFFER, bounds: bool = False, normalized: bool = False
    ) -> int:
        """Adds a table and says how it is read; the number of its accessor.

        Args:
            values: (n,) or (n, 2 to 4) of a type that glTF has; rows of a multiple of four bytes.
            target: What it is used for.
            bounds: Whether its least and largest values are told, as positions need.
            normalized: Whether the largest integer means 1.
        """
        width = 1 if values.ndim == 1 else values.shape[1]
        entry: dict[str, Any] = {
            "bufferView": self.view(values, target),
            "componentType": _CODES[values.dtype],
            "count": len(values),
            "type": _TYPES[width],
        }
        if bounds:
            entry |= {"min": values.min(axis=0).tolist(), "max": values.max(axis=0).tolist()}
        if normalized:
            entry["normalized"] = True
        self.accessors.append(entry)
        return len(self.accessors) - 1

    def blocks(self) -> Iterator[Any]:
        """The bytes, part by part."""
        for array in self.arrays:
            yield array.data
            yield b"\0" * (-array.nbytes % 4)


def header(name: str, content: dict[str, Any], parts: Parts, remedy: str) -> bytes:
    """The beginning of a file; the blocks of its parts follow.

    Args:
        name: Of the file, for errors.
        content: The JSON, without `asset`, `accessors`, `bufferViews` and `buffers`, which follow from the parts.
        parts: The block of bytes.
        remedy: What to do about a file that is too large.

    Raises:
        OutputError: the file would be larger than the 4 GiB that the format holds.
    """
    content = {
        "asset": {"version": "2.0", "generator": "InfiniDepth"},
        **content,
        "accessors": parts.accessors,
        "bufferViews": parts.views,
        "buffers": [{"byteLength": parts.length}],
    }
    text = json.dumps(content, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    total = 12 + 8 + len(text) + 8 + parts.length
    if total > _MAX_BYTES:
        raise OutputError(f"{name} would have {total / 2**30:.1f} GiB, and the format holds 4.", remedy)
    start = struct.pack("<4sII", MAGIC, _VERSION, total) + struct.pack("<I4s", len(text), _JSON_CHUNK) + text
    return start + struct.pack("<I4s", parts.length, _BINARY_CHUNK)


@dataclass(frozen=True)
class Container:
    """An opened file.

    Attributes:
        content: The JSON.
        block: The bytes beside it.
    """

    content: dict[str, Any]
    block: NDArray[np.uint8]

    @classmethod
    def open(cls, path: Path) -> Container:
        """Opens a file.

        Raises:
            OSError: it cannot be read.
            GlbError: it is none, or damaged.
        """
        data = np.fromfile(path, np.uint8)
        if len(data) < 20 or bytes(data[:4]) != MAGIC:
            raise GlbError("it is no binary glTF")
        version, total = struct.unpack_from("<II", bytes(data[4:12]))
        if version != _VERSION:
            raise GlbError(f"it is glTF of version {version}, and only 2 can be read")
        if total > len(data):
            raise GlbError("it is shorter than its header says")
        length, kind = struct.unpack_from("<I4s", bytes(data[12:20]))
        start = 20 + length
        if kind != _JSON_CHUNK or start > len(data):
            raise GlbError("it does not begin with its description")
        try:
            content = json.loads(bytes(data[20:start]))
        except (ValueError, RecursionError) as error:
            raise GlbError("its description cannot be read") from error
        if not isinstance(content, dict):
            raise GlbError("its description cannot be read")
        block = np.zeros(0, np.uint8)
        if start + 8 <= len(data):
            length, kind = struct.unpack_from("<I4s", bytes(data[start : start + 8]))
            if kind == _BINARY_CHUNK:
                if start + 8 + length > len(data):
                    raise GlbError("it is shorter than its header says")
                block = data[start + 8 : start + 8 + length]
        return cls(content, block)

    def listed(self, kind: str, number: Any) -> dict[str, Any]:
        """Entry `number` of a list of the JSON.

        Raises:
            GlbError: there is none.
        """
        entries = self.content.get(kind, [])
        if not isinstance(number, int) or not isinstance(entries, list) or not 0 <= number < len(entries):
            raise GlbError(f"it names an entry of {kind} that it lacks")
        entry = entries[number]
        if not isinstance(entry, dict):
            raise GlbError(f"its {kind} cannot be read")
        return entry

    def view(self, number: Any) -> tuple[NDArray[np.uint8], int | None]:
        """The bytes of a view, and the distance of its rows if it is told.

        Raises:
            GlbError: they are not in this file, or not all.
        """
        entry = self.listed("bufferViews", number)
        if "uri" in self.listed("buffers", entry.get("buffer")):
            raise GlbError("a part of it lies in another file")
        others = entry.get("extensions")
        if entry.get("buffer") != 0 or (isinstance(others, dict) and "EXT_meshopt_compression" in others):
            raise GlbError("its tables are compressed in a way that cannot be read")
        start, length = _whole(entry.get("byteOffset", 0)), _whole(entry.get("byteLength"))
        if start + length > len(self.block):
            raise GlbError("it is shorter than it says")
        stride = _whole(entry["byteStride"]) if "byteStride" in entry else None
        return self.block[start : start + length], stride

    def count(self, number: Any) -> int:
        """The number of rows of an accessor.

        Raises:
            GlbError: there is none.
        """
        return _whole(self.listed("accessors", number).get("count"))

    def table(self, number: Any) -> NDArray[np.float32]:
        """(n, width) float32 values of an accessor; integers that are normalized from 0 or -1 to 1.

        Raises:
            GlbError: it is not in this file, or of a kind that tables have not.
        """
        entry = self.listed("accessors", number)
        if "sparse" in entry or "bufferView" not in entry:
            raise GlbError("it has sparse tables, which cannot be read")
        kind, width = _COMPONENTS.get(_whole(entry.get("componentType"))), _WIDTHS.get(str(entry.get("type")))
        count, offset = _whole(entry.get("count")), _whole(entry.get("byteOffset", 0))
        if kind is None or width is None or count == 0:
            raise GlbError("its tables do not fit their description")
        data, stride = self.view(entry["bufferView"])
        dtype = np.dtype(kind)
        stride = stride or width * dtype.itemsize
        if offset + (count - 1) * stride + width * dtype.itemsize > len(data) or stride > len(data):
            raise GlbError("it is shorter than it says")
        raw = np.ndarray((count, width), dtype, data, offset, (stride, dtype.itemsize))
        values = raw.astype(np.float32)
        if entry.get("normalized") and dtype.kind in "iu":
            values = np.maximum(values / np.float32(np.iinfo(dtype).max), -1)
        return values


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise GlbError("its tables do not fit their description")
    return value
