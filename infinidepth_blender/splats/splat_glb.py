"""Splats in binary glTF (GLB) with KHR_gaussian_splatting, as the Khronos Group ratified it in 2026.

Points with attributes: scales as lengths, opacities from 0 to 1, quaternions x, y, z, w, one table for every harmonic.
Axes are glTF's (y up, z backwards), ours are OpenCV's. Programs without the extension show a cloud of coloured points.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..camera import BLENDER_CAMERA_TO_OPENCV, Camera
from ..errors import OptionsError, SplatFileError
from ..glb_container import CAMERA_KEY, CAMERA_NAMES, Container, GlbError, Parts, camera_content, header
from ..reconstruction import Gaussians
from ..srgb import decode_srgb
from .placed import concatenate, rotation_matrices
from .sh import dc_to_rgb
from .splat_file import FEW, SplatFile, atomic_file, damaged, opening, unit_quaternions, usable
from .spz import gaussians_of_spz
from .transform import half_turned, mapped, srgb_encoded

EXTENSION = "KHR_gaussian_splatting"
_PACKED = ("KHR_gaussian_splatting_compression_spz_2", "KHR_gaussian_splatting_compression_spz")
_SRGB, _LINEAR = "srgb_rec709_display", "lin_rec709_display"
_POINTS, _TRIANGLES = 0, 4
_HARMONICS = [(degree, k) for degree in range(4) for k in range(2 * degree + 1)]
_HALF_TURN = np.diag([1.0, -1.0, -1.0, 1.0])
_COPIES = 4
"""How often a file of more than a few splats may repeat what it holds."""


def write_splat_glb(
    path: Path, gaussians: Gaussians, camera: Camera | None = None, cam_to_world: NDArray[Any] | None = None
) -> int:
    """Writes a GLB file, all or nothing.

    Args:
        path: The file; its folder is made where needed.
        gaussians: What to write; colours are sRGB-encoded.
        camera: The photo's camera, which becomes one of the file's; see `camera_content`.
        cam_to_world: (4, 4) pose of the camera; None is the identity.

    Returns:
        The number of splats in the file: those with values that are not numbers are left out.

    Raises:
        OutputError: the file cannot be written, or would exceed 4 GiB; an older one of that name is untouched.
        SplatFileError: there are no splats whose values are numbers.
    """
    # JSON has no word for what is no number, and readers refuse a whole file for it.
    gaussians, _ = usable(path, gaussians)
    g, parts = half_turned(gaussians), Parts()
    attributes = {
        "POSITION": parts.accessor(np.ascontiguousarray(g.means, "<f4"), bounds=True),
        "COLOR_0": parts.accessor(_point_colors(g), normalized=True),
        f"{EXTENSION}:ROTATION": parts.accessor(np.ascontiguousarray(np.roll(g.rotations, -1, axis=1), "<f4")),
        f"{EXTENSION}:SCALE": parts.accessor(np.ascontiguousarray(g.scales, "<f4")),
        f"{EXTENSION}:OPACITY": parts.accessor(np.clip(g.opacities, 0, 1).astype("<f4")),
    }
    for row, (degree, k) in enumerate(_HARMONICS[: g.sh.shape[1]]):
        attributes[_harmonic(degree, k)] = parts.accessor(np.ascontiguousarray(g.sh[:, row], "<f4"))
    kernel = {"kernel": "ellipse", "colorSpace": _SRGB, "projection": "perspective", "sortingMethod": "cameraDistance"}
    nodes: list[dict[str, Any]] = [{"name": "Splats", "mesh": 0}]
    content: dict[str, Any] = {
        "extensionsUsed": [EXTENSION],
        "scene": 0,
        "nodes": nodes,
        "meshes": [
            {
                "name": "Splats",
                "primitives": [{"attributes": attributes, "mode": _POINTS, "extensions": {EXTENSION: kernel}}],
            }
        ],
    }
    if camera is not None:
        pose = np.eye(4) if cam_to_world is None else np.asarray(cam_to_world, np.float64)
        matrix = _HALF_TURN @ pose
        matrix[:3, :3] = matrix[:3, :3] @ BLENDER_CAMERA_TO_OPENCV
        nodes.append({"name": "Camera", "camera": 0, "matrix": matrix.T.ravel().tolist()})
        content["cameras"] = [camera_content(camera)]
    content["scenes"] = [{"nodes": list(range(len(nodes)))}]
    start = header(path.name, content, parts, "Write SPZ, which is a tenth of the size, or fewer splats.")
    with atomic_file(path) as stream:
        stream.write(start)
        for block in parts.blocks():
            stream.write(block)
    return len(gaussians)


def _harmonic(degree: int, k: int) -> str:
    return f"{EXTENSION}:SH_DEGREE_{degree}_COEF_{k}"


def _point_colors(gaussians: Gaussians) -> NDArray[np.uint16]:
    """(N, 4) linear colour and opacity of 16 bits, for programs that know points alone."""
    linear = decode_srgb(np.clip(dc_to_rgb(gaussians.sh[:, 0]), 0, 1))
    return np.round(np.column_stack([linear, np.clip(gaussians.opacities, 0, 1)]) * 65535).astype("<u2")


def read_splat_glb(path: Path) -> SplatFile:
    """Reads the splats of a GLB file's scene, placed as its nodes say; also those that are packed as SPZ.

    Scales below zero are taken for logarithms, as drafts of the extension had them.

    Raises:
        SplatFileError: the file is missing or damaged, holds no splats, or keeps them in another file.
    """
    try:
        with opening(path, "a GLB file"):
            file = Container.open(path)
        found = list(_clouds(path, file))
        if not found:
            raise SplatFileError(
                f"{path} holds no splats ({EXTENSION}).", "Open meshes with Blender's own File > Import > glTF."
            )
        camera, pose = _camera_of(file)
    except GlbError as error:
        raise damaged(path, str(error)) from error
    spaces = {space for _, space in found}
    linear = spaces == {"linear"}
    parts = [g if linear or space == "srgb" else srgb_encoded(g) for g, space in found]
    gaussians, dropped = usable(path, half_turned(concatenate(*parts)))
    return SplatFile(gaussians, camera, pose, "linear" if linear else "srgb", dropped)


def counts_without_splats(path: Path) -> dict[str, int] | None:
    """Vertices and faces of the meshes of a GLB file that has no splats; None of all other files."""
    try:
        file = Container.open(path)
        primitives = [
            primitive
            for number in range(len(_list(file.content, "meshes")))
            for primitive in _list(file.listed("meshes", number), "primitives")
        ]
        if any(EXTENSION in _dict(primitive, "extensions") for primitive in primitives):
            return None
        vertices, faces = 0, 0
        for primitive in primitives:
            count = file.count(_dict(primitive, "attributes").get("POSITION"))
            vertices += count
            if primitive.get("mode", _TRIANGLES) == _TRIANGLES:
                faces += (file.count(primitive["indices"]) if "indices" in primitive else count) // 3
    except (OSError, GlbError):
        return None  # reading it as splats tells what is wrong
    return {"vertex": vertices, "face": faces}


def _clouds(path: Path, file: Container) -> Iterator[tuple[Gaussians, str]]:
    """The splats of every node that has some, in the axes of the scene, and how their colours are encoded."""
    read: dict[tuple[int, int], tuple[Gaussians, str]] = {}
    repeated, most = 0, max(FEW, _COPIES * (len(file.block) // 12))
    for matrix, node in _nodes(file):
        if "mesh" not in node:
            continue
        for k, primitive in enumerate(_list(file.listed("meshes", node["mesh"]), "primitives")):
            if EXTENSION not in _dict(primitive, "extensions"):
                continue
            own = (node["mesh"], k)
            if own in read:
                repeated += len(read[own][0])
                if repeated > most:
                    raise GlbError(f"its nodes repeat more than {most:,} of its splats")
            else:
                read[own] = _splats_of(path, file, primitive)
            gaussians, space = read[own]
            if not np.array_equal(matrix, np.eye(4)):
                gaussians = mapped(gaussians, matrix[:3, :3], matrix[:3, 3])
            yield gaussians, space


def _nodes(file: Container) -> Iterator[tuple[NDArray[np.float64], dict[str, Any]]]:
    """The nodes of the scene with their matrices to the world; of a file without scenes all that have no parent."""
    if "scenes" in file.content:
        roots = _list(file.listed("scenes", file.content.get("scene", 0)), "nodes")
    else:
        count = len(_list(file.content, "nodes"))
        children = {k for n in range(count) for k in _list(file.listed("nodes", n), "children") if isinstance(k, int)}
        roots = [n for n in range(count) if n not in children]
    waiting = [(number, np.eye(4)) for number in reversed(roots)]
    seen = set()
    while waiting:
        number, above = waiting.pop()
        node = file.listed("nodes", number)
        if number in seen:
            raise GlbError("its nodes are no tree")
        seen.add(number)
        with np.errstate(over="ignore", invalid="ignore"):
            matrix = above @ _matrix_of(node)
        if not np.isfinite(matrix).all():
            raise GlbError("its nodes are placed by no numbers")
        yield matrix, node
        waiting += [(child, matrix) for child in reversed(_list(node, "children"))]


def _matrix_of(node: dict[str, Any]) -> NDArray[np.float64]:
    if "matrix" in node:
        return _numbers(node, "matrix", 16, ()).reshape(4, 4).T
    matrix = np.eye(4)
    x, y, z, w = quaternion = _numbers(node, "rotation", 4, (0, 0, 0, 1))
    length = float(np.linalg.norm(quaternion))
    if not 0 < length < np.inf:
        raise GlbError("its nodes are placed by no numbers")
    turn = rotation_matrices(np.array([[w, x, y, z]]) / length)[0]
    matrix[:3, :3] = turn * _numbers(node, "scale", 3, (1, 1, 1))
    matrix[:3, 3] = _numbers(node, "translation", 3, (0, 0, 0))
    return matrix


def _splats_of(path: Path, file: Container, primitive: dict[str, Any]) -> tuple[Gaussians, str]:
    """The splats of a primitive in its own axes, and how their colours are encoded."""
    about = _dict(_dict(primitive, "extensions"), EXTENSION)
    space = "linear" if about.get("colorSpace") == _LINEAR else "srgb"
    for name in _PACKED:
        packed = _dict(about, "extensions").get(name) or _dict(primitive, "extensions").get(name)
        if isinstance(packed, dict):
            data, _ = file.view(packed.get("bufferView"))
            return half_turned(gaussians_of_spz(path, data.tobytes())), space
    attributes = _dict(primitive, "attributes")

    def table(name: str, width: int) -> NDArray[np.float32]:
        if name not in attributes:
            raise GlbError(f"its splats have no {name.removeprefix(EXTENSION + ':').lower()}")
        values = file.table(attributes[name])
        if values.shape != (len(values) if count is None else count, width):
            raise GlbError("its tables are not of one length")
        return values

    count = None
    means = table("POSITION", 3)
    count = len(means)
    scales = table(f"{EXTENSION}:SCALE", 3)
    if (scales < 0).any():
        with np.errstate(over="ignore"):
            scales = np.exp(scales)
    sh = []
    for degree in range(4):
        names = [_harmonic(degree, k) for k in range(2 * degree + 1)]
        if degree and not all(name in attributes for name in names):
            break
        sh += [table(name, 3) for name in names]
    rotations = unit_quaternions(np.roll(table(f"{EXTENSION}:ROTATION", 4), 1, axis=1))
    opacities = np.clip(table(f"{EXTENSION}:OPACITY", 1)[:, 0], 0, 1)
    return Gaussians(means, scales, rotations, opacities, np.stack(sh, axis=1)), space


def _camera_of(file: Container) -> tuple[Camera | None, NDArray[np.float64]]:
    """The photo's camera in a file that `write_splat_glb` wrote, and its pose in OpenCV's axes."""
    for matrix, node in _nodes(file):
        if "camera" not in node:
            continue
        own = _dict(_dict(file.listed("cameras", node["camera"]), "extras"), CAMERA_KEY)
        left, lengths, right = np.linalg.svd(matrix[:3, :3])
        turn = left @ right
        try:
            camera = Camera.from_json({name: own[name] for name in CAMERA_NAMES})
        except (KeyError, TypeError, ValueError, OverflowError, OptionsError):
            continue  # another program's camera, or none that can be used
        if lengths[2] <= 0 or np.linalg.det(turn) < 0:
            continue
        # Other programs put scenes below nodes that scale them; a camera has no size.
        pose = np.eye(4)
        pose[:3, :3] = _HALF_TURN[:3, :3] @ turn @ BLENDER_CAMERA_TO_OPENCV
        pose[:3, 3] = _HALF_TURN[:3, :3] @ matrix[:3, 3]
        return camera, pose
    return None, np.eye(4)


def _list(entry: dict[str, Any], name: str) -> list[Any]:
    value = entry.get(name, [])
    if not isinstance(value, list):
        raise GlbError("its description cannot be read")
    return value


def _dict(entry: Any, name: str) -> dict[str, Any]:
    value = entry.get(name, {}) if isinstance(entry, dict) else {}
    return value if isinstance(value, dict) else {}


def _numbers(node: dict[str, Any], name: str, count: int, default: tuple[float, ...]) -> NDArray[np.float64]:
    try:
        values = np.asarray(node.get(name, default), np.float64)
    except (TypeError, ValueError, OverflowError):
        values = np.zeros(0)
    if values.shape != (count,) or not np.isfinite(values).all():
        raise GlbError("its nodes are placed by no numbers")
    return values
