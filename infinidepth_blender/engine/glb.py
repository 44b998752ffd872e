"""A photo's meshes as binary glTF 2.0 (GLB), which engines, web viewers and other 3D programs open with its texture.

One node for the mesh, the background and the sky each, and the photo's camera. Axes are glTF's (y up, the camera looks
along -z), upright as in Blender, in metres. Materials are unlit (KHR_materials_unlit): the photo has its light in it.
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

from ..camera import BLENDER_CAMERA_TO_OPENCV, Camera
from ..errors import OutputError
from ..geometry.mesh import triangulated
from ..reconstruction import MeshArrays

_BLENDER_TO_GLTF = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]], np.float64)
_MAGIC, _VERSION, _JSON_CHUNK, _BINARY_CHUNK = b"glTF", 2, b"JSON", b"BIN\0"
_FLOAT, _UINT = 5126, 5125
_ARRAY_BUFFER, _ELEMENT_BUFFER = 34962, 34963
_MAX_BYTES = 0xFFFFFFFF
_NEAR_M = 0.01


@dataclass(frozen=True)
class TexturedMesh:
    """A mesh and its picture.

    Attributes:
        name: Of its node.
        mesh: In OpenCV camera axes, metres.
        picture: Bytes of a JPEG or PNG file.
    """

    name: str
    mesh: MeshArrays
    picture: bytes


def write_glb(path: Path, name: str, camera: Camera, meshes: list[TexturedMesh]) -> None:
    """Writes meshes and the photo's camera.

    A principal point beside the middle of the photo is lost: glTF's cameras have none.

    Args:
        path: The file to write.
        name: Of the scene.
        camera: The photo's camera.
        meshes: What to write; equal pictures are stored once.

    Raises:
        OSError: the file cannot be written.
        OutputError: it would be larger than the 4 GiB that the format holds.
    """
    turn = _BLENDER_TO_GLTF @ camera.world_rotation()
    parts = _Parts()
    nodes = [{"name": part.name, "mesh": k} for k, part in enumerate(meshes)]
    matrix = np.eye(4)
    matrix[:3, :3] = turn @ BLENDER_CAMERA_TO_OPENCV
    nodes.append({"name": "Camera", "camera": 0, "matrix": matrix.T.ravel().tolist()})
    pictures = list(dict.fromkeys(part.picture for part in meshes))
    content = {
        "asset": {"version": "2.0", "generator": "InfiniDepth"},
        "extensionsUsed": ["KHR_materials_unlit"],
        "scene": 0,
        "scenes": [{"name": name, "nodes": list(range(len(nodes)))}],
        "nodes": nodes,
        "cameras": [
            {
                "type": "perspective",
                "perspective": {
                    "yfov": 2 * math.atan(camera.height_px / (2 * camera.fy_px)),
                    "aspectRatio": camera.width_px / camera.fx_px / (camera.height_px / camera.fy_px),
                    "znear": _NEAR_M,
                },
            }
        ],
        "meshes": [
            {"name": part.name, "primitives": [parts.primitive(part.mesh, turn, pictures.index(part.picture))]}
            for part in meshes
        ],
        "materials": [
            {
                "name": f"Photo {k + 1}",
                "pbrMetallicRoughness": {"baseColorTexture": {"index": k}, "metallicFactor": 0.0},
                "doubleSided": True,
                "extensions": {"KHR_materials_unlit": {}},
            }
            for k in range(len(pictures))
        ],
        "textures": [{"source": k, "sampler": 0} for k in range(len(pictures))],
        "samplers": [{"magFilter": 9729, "minFilter": 9987, "wrapS": 33071, "wrapT": 33071}],
        "images": [
            {"bufferView": parts.view(np.frombuffer(data, np.uint8)), "mimeType": _mime_type(data)} for data in pictures
        ],
        "accessors": parts.accessors,
        "bufferViews": parts.views,
        "buffers": [{"byteLength": parts.length}],
    }
    text = json.dumps(content, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    total = 12 + 8 + len(text) + 8 + parts.length
    if total > _MAX_BYTES:
        raise OutputError(
            f"{path.name} would have {total / 2**30:.1f} GiB, and the format holds 4.",
            "Make the mesh smaller with --mesh-size.",
        )
    with path.open("wb") as file:
        file.write(struct.pack("<4sII", _MAGIC, _VERSION, total))
        file.write(struct.pack("<I4s", len(text), _JSON_CHUNK) + text)
        file.write(struct.pack("<I4s", parts.length, _BINARY_CHUNK))
        for block in parts.blocks():
            file.write(block)


@dataclass
class _Parts:
    """What stands in the binary chunk, in order; every part begins at a multiple of four bytes."""

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

    def primitive(self, mesh: MeshArrays, turn: NDArray[np.float64], material: int) -> dict[str, Any]:
        """Adds a mesh, turned into the file's axes."""
        rotation = turn.T.astype(np.float32)
        positions = np.ascontiguousarray(mesh.vertices_cam @ rotation, "<f4")
        attributes = {
            "POSITION": self._accessor(positions, "VEC3", bounds=True),
            "NORMAL": self._accessor(np.ascontiguousarray(mesh.normals_cam @ rotation, "<f4"), "VEC3"),
            # From the top left, not from the bottom left.
            "TEXCOORD_0": self._accessor(np.ascontiguousarray([0, 1] + mesh.uv * [1, -1], "<f4"), "VEC2"),
        }
        corners = triangulated(mesh).triangles.astype("<u4").ravel()
        view = self.view(corners, _ELEMENT_BUFFER)
        self.accessors.append({"bufferView": view, "componentType": _UINT, "count": len(corners), "type": "SCALAR"})
        return {"attributes": attributes, "indices": len(self.accessors) - 1, "material": material}

    def _accessor(self, values: NDArray[np.float32], kind: str, bounds: bool = False) -> int:
        view = self.view(values, _ARRAY_BUFFER)
        entry: dict[str, Any] = {"bufferView": view, "componentType": _FLOAT, "count": len(values), "type": kind}
        if bounds:
            entry |= {"min": values.min(axis=0).tolist(), "max": values.max(axis=0).tolist()}
        self.accessors.append(entry)
        return len(self.accessors) - 1

    def blocks(self) -> Iterator[Any]:
        for array in self.arrays:
            yield array.data
            yield b"\0" * (-array.nbytes % 4)


def _mime_type(picture: bytes) -> str:
    return "image/png" if picture.startswith(b"\x89PNG") else "image/jpeg"
