"""Files of a bundle for other programs: depth as EXR and picture, mesh and points as PLY, the camera as JSON.

Geometry stands in OpenCV camera axes (x right, y down, z forward) in metres.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..camera import Camera
from ..geometry.mesh import split_quads
from ..reconstruction import FLAG_SKY, FLAG_VALID, MeshArrays, PointArrays
from .exr_writer import write_exr
from .photo_color import encode_srgb_8bit
from .photo_deep import write_linear_exr

SKY_COLOR_SRGB = (189, 205, 219)
NO_DATA_COLOR_SRGB = (64, 64, 64)
_CHUNK_ROWS = 1 << 18
_PREVIEW_SIDE_PX = 4096
_LEAST_BEND = 1e-6
"""Sine of the angle at a corner below which a quad counts as not convex: programs that divide it round it either way."""


# -- depth --------------------------------------------------------------------------


def write_depth_exr(path: Path, depth_m: NDArray[Any]) -> None:
    """Writes depth as an OpenEXR file with one float32 channel named `Y`.

    Blender 4.2 to 5.0 show a lone channel `Z` as black; `Y` is read as grey everywhere.

    Args:
        path: The file to write.
        depth_m: (h, w) float32, metres; 1e10 where there is no depth, as in Blender.

    Raises:
        OSError: the file cannot be written.
    """
    write_exr(path, {"Y": np.asarray(depth_m, dtype=np.float32)}, "depth in metres")


def write_depth_png(path: Path, depth_m: NDArray[Any], flags: NDArray[np.uint8]) -> None:
    """Writes a coloured preview of a depth map: near is bright, far is dark, the sky pale blue, no data grey.

    Colours (matplotlib's magma, even to the eye) follow the logarithm of depth between
    the nearest and farthest percentile, so that rooms and landscapes both show their
    shape. Maps beyond 4096 pixels are drawn smaller.

    Args:
        path: The file to write.
        depth_m: (h, w) metres.
        flags: (h, w) bits `FLAG_VALID`, `FLAG_SKY`.

    Raises:
        OSError: the file cannot be written.
    """
    Image.fromarray(color_depth(depth_m, flags)).save(path, compress_level=4)


def color_depth(
    depth_m: NDArray[Any], flags: NDArray[np.uint8], log_range: tuple[float, float] | None = None
) -> NDArray[np.uint8]:
    """(h, w, 3) uint8 sRGB picture of a depth map; see `write_depth_png`.

    Args:
        depth_m: (h, w) metres.
        flags: (h, w) bits `FLAG_VALID`, `FLAG_SKY`.
        log_range: Logarithms of the nearest and the farthest depth; None: those of this map.
    """
    step = -(-max(depth_m.shape) // _PREVIEW_SIDE_PX)
    depth_m, flags = depth_m[::step, ::step], flags[::step, ::step]
    valid = ((flags & FLAG_VALID) != 0) & (depth_m > 0)
    picture = np.empty((*depth_m.shape, 3), dtype=np.uint8)
    picture[:] = NO_DATA_COLOR_SRGB
    picture[(flags & FLAG_SKY) != 0] = SKY_COLOR_SRGB
    if valid.any():
        seen = depth_m[valid][:: max(1, int(valid.sum()) // 1_000_000)]
        near, far = log_range or np.percentile(np.log(seen), [0.5, 99.5])
        nearness = (far - np.log(depth_m, where=valid, out=np.full(depth_m.shape, far, np.float32))) / max(
            far - near, 1e-3
        )
        levels = np.rint(np.clip(nearness, 0, 1) * 235 + 20).astype(np.uint8)
        colors = cv2.applyColorMap(levels, cv2.COLORMAP_MAGMA)[..., ::-1]
        np.copyto(picture, colors, where=valid[..., None])
    return picture


# -- pictures -----------------------------------------------------------------------


def write_painted(folder: Path, stem: str, picture: NDArray[np.uint8] | NDArray[np.float16]) -> str:
    """Writes the texture of what the photo does not show: colours that are made up.

    Args:
        folder: Where to.
        stem: Name of the file without its suffix.
        picture: (H, W, 3), sRGB or, as half floats, linear light.

    Returns:
        The file's name, such as `background.jpg`, since colours that are made up need no more; for linear light
        `background.exr`, and a JPEG beside it for programs that read no such files.

    Raises:
        OSError: the file cannot be written.
    """
    is_linear = picture.dtype == np.float16
    eight = encode_srgb_8bit(picture) if is_linear else picture
    Image.fromarray(eight).save(folder / f"{stem}.jpg", quality=95, subsampling=0)
    if not is_linear:
        return f"{stem}.jpg"
    write_linear_exr(folder / f"{stem}.exr", picture)
    return f"{stem}.exr"


def png_bytes(pixels_srgb: NDArray[np.uint8]) -> bytes:
    """The bytes of a PNG file of an (H, W, 3) sRGB picture."""
    stream = io.BytesIO()
    Image.fromarray(pixels_srgb).save(stream, "PNG", compress_level=3)
    return stream.getvalue()


# -- mesh and points ----------------------------------------------------------------


def write_mesh_ply(path: Path, mesh: MeshArrays, texture: str | None = None) -> None:
    """Writes a mesh as binary PLY: x y z, nx ny nz, s t; faces of four and of three corners.

    Quads that are not convex become two triangles: Open3D stops at the first that it cannot divide.

    Args:
        path: The file to write.
        mesh: The mesh; its `uv` become `s` and `t`, which Blender and MeshLab read.
        texture: File name beside the PLY, written as the comment `TextureFile`.

    Raises:
        OSError: the file cannot be written.
    """
    vertex = np.dtype([(name, "<f4") for name in ("x", "y", "z", "nx", "ny", "nz", "s", "t")])
    count = len(mesh.vertices_cam)
    convex = np.concatenate(
        [_convex(mesh, mesh.quads[part]) for part in _chunks(len(mesh.quads))] or [np.zeros(0, bool)]
    )
    divided = split_quads(mesh.quads[~convex], 1 / mesh.vertices_cam[:, 2])
    face_count = int(convex.sum()) + len(divided) + len(mesh.triangles)
    comments = [f"comment TextureFile {texture}"] if texture else []
    header = [
        *_ply_start(comments),
        f"element vertex {count}",
        *(f"property float {name}" for name in vertex.names or ()),
        f"element face {face_count}",
        "property list uchar int vertex_indices",
        "end_header",
    ]
    with path.open("wb") as file:
        file.write(("\n".join(header) + "\n").encode("ascii"))
        for part in _chunks(count):
            columns = (mesh.vertices_cam[part], mesh.normals_cam[part], mesh.uv[part])
            np.concatenate(columns, axis=1, dtype=np.dtype("<f4")).tofile(file)
        for corners in (mesh.quads[convex], divided, mesh.triangles):
            _write_faces(file, corners)


def _convex(mesh: MeshArrays, quads: NDArray[np.int32]) -> NDArray[np.bool_]:
    """(Q,) whether each quad bends the same way at all corners, seen along the normal of its mean plane."""
    corners = mesh.vertices_cam[quads].astype(np.float64)
    side = np.roll(corners, -1, axis=1) - corners
    normal = np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])
    before = np.roll(side, 1, axis=1)
    bend = np.einsum("qij,qj->qi", np.cross(before, side), normal)
    straight = np.linalg.norm(before, axis=2) * np.linalg.norm(side, axis=2) * np.linalg.norm(normal, axis=1)[:, None]
    return (bend > _LEAST_BEND * straight).all(axis=1)


def _write_faces(file: Any, corners: NDArray[np.int32]) -> None:
    if len(corners) == 0:
        return
    row = np.dtype([("count", "u1"), ("corners", "<i4", (corners.shape[1],))])
    for part in _chunks(len(corners)):
        chunk = corners[part]
        rows = np.empty(len(chunk), dtype=row)
        rows["count"] = corners.shape[1]
        rows["corners"] = chunk
        rows.tofile(file)


def write_points_ply(path: Path, points: PointArrays) -> None:
    """Writes points as binary PLY.

    x y z, nx ny nz, red green blue (sRGB), radius (half the local spacing), confidence,
    source_x source_y (pixels of the photo, centres at +0.5).

    Raises:
        OSError: the file cannot be written.
    """
    columns: list[tuple[str, NDArray[Any]]] = [
        *_columns(("x", "y", "z"), points.positions_cam),
        *_columns(("nx", "ny", "nz"), points.normals_cam),
        *_columns(("red", "green", "blue"), points.colors_srgb),
        ("radius", points.radius_m),
        ("confidence", points.confidence),
        *_columns(("source_x", "source_y"), points.source_px),
    ]
    row = np.dtype([(name, "u1" if values.dtype == np.uint8 else "<f4") for name, values in columns])
    count = len(points.positions_cam)
    header = [
        *_ply_start([]),
        f"element vertex {count}",
        *(f"property {'uchar' if values.dtype == np.uint8 else 'float'} {name}" for name, values in columns),
        "end_header",
    ]
    with path.open("wb") as file:
        file.write(("\n".join(header) + "\n").encode("ascii"))
        for part in _chunks(count):
            rows = np.empty(part.stop - part.start, dtype=row)
            for name, values in columns:
                rows[name] = values[part]
            rows.tofile(file)


def _columns(names: tuple[str, ...], values: NDArray[Any]) -> list[tuple[str, NDArray[Any]]]:
    return [(name, values[:, axis]) for axis, name in enumerate(names)]


def _ply_start(comments: list[str]) -> list[str]:
    return [
        "ply",
        "format binary_little_endian 1.0",
        "comment written by InfiniDepth",
        "comment OpenCV camera axes: x right, y down, z forward; metres",
        *comments,
    ]


def _chunks(count: int) -> list[slice]:
    """Slices of bounded length that cover `count` rows."""
    return [slice(start, min(start + _CHUNK_ROWS, count)) for start in range(0, count, _CHUNK_ROWS)]


# -- camera -------------------------------------------------------------------------


def write_camera_json(path: Path, camera: Camera, *, scale_known: bool) -> None:
    """Writes the intrinsics, the size that they refer to, the pose, and where the numbers came from.

    Raises:
        OSError: the file cannot be written.
    """
    data = {
        **camera.to_json(),
        "fov_x_deg": float(np.degrees(camera.fov_x_rad)),
        "fov_y_deg": float(np.degrees(camera.fov_y_rad)),
        "matrix": camera.matrix().tolist(),
        "camera_to_world": np.eye(4).tolist(),
        "axes": "OpenCV: x right, y down, z forward; pixel centres at +0.5",
        "unit": "metre" if scale_known else "unknown: the median depth was set to 5 units",
    }
    path.write_text(json.dumps(data, indent=2, allow_nan=False) + "\n", encoding="utf-8")
