"""A photo's meshes as binary glTF 2.0 (GLB), which engines, web viewers and other 3D programs open with its texture.

One node for the mesh, the background and the sky each, and the photo's camera. Axes are glTF's (y up, the camera looks
along -z), upright as in Blender, in metres. Materials are unlit (KHR_materials_unlit): the photo has its light in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..camera import BLENDER_CAMERA_TO_OPENCV, Camera
from ..geometry.mesh import triangulated
from ..glb_container import ELEMENT_BUFFER, Parts, camera_content, header
from ..reconstruction import MeshArrays

_BLENDER_TO_GLTF = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]], np.float64)


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

    Args:
        path: The file to write.
        name: Of the scene.
        camera: The photo's camera; where its principal point is beside the middle, the file's sees more than the photo:
            see `camera_content`.
        meshes: What to write; equal pictures are stored once.

    Raises:
        OSError: the file cannot be written.
        OutputError: it would be larger than the 4 GiB that the format holds.
    """
    turn = _BLENDER_TO_GLTF @ camera.world_rotation()
    parts = Parts()
    nodes = [{"name": part.name, "mesh": k} for k, part in enumerate(meshes)]
    matrix = np.eye(4)
    matrix[:3, :3] = turn @ BLENDER_CAMERA_TO_OPENCV
    nodes.append({"name": "Camera", "camera": 0, "matrix": matrix.T.ravel().tolist()})
    pictures = list(dict.fromkeys(part.picture for part in meshes))
    content = {
        "extensionsUsed": ["KHR_materials_unlit"],
        "scene": 0,
        "scenes": [{"name": name, "nodes": list(range(len(nodes)))}],
        "nodes": nodes,
        "cameras": [camera_content(camera)],
        "meshes": [
            {"name": part.name, "primitives": [_primitive(parts, part.mesh, turn, pictures.index(part.picture))]}
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
    }
    start = header(path.name, content, parts, "Make the mesh smaller with --mesh-size.")
    with path.open("wb") as file:
        file.write(start)
        for block in parts.blocks():
            file.write(block)


def _primitive(parts: Parts, mesh: MeshArrays, turn: NDArray[np.float64], material: int) -> dict[str, Any]:
    """Adds a mesh, turned into the file's axes."""
    rotation = turn.T.astype(np.float32)
    attributes = {
        "POSITION": parts.accessor(np.ascontiguousarray(mesh.vertices_cam @ rotation, "<f4"), bounds=True),
        "NORMAL": parts.accessor(np.ascontiguousarray(mesh.normals_cam @ rotation, "<f4")),
        # From the top left, not from the bottom left.
        "TEXCOORD_0": parts.accessor(np.ascontiguousarray([0, 1] + mesh.uv * [1, -1], "<f4")),
    }
    corners = triangulated(mesh).triangles.astype("<u4").ravel()
    return {"attributes": attributes, "indices": parts.accessor(corners, ELEMENT_BUFFER), "material": material}


def _mime_type(picture: bytes) -> str:
    return "image/png" if picture.startswith(b"\x89PNG") else "image/jpeg"
