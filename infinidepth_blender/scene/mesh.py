"""Mesh arrays as Blender meshes, with UVs and the exact projection of the photo."""

from __future__ import annotations

import bpy
import numpy as np
from numpy.typing import NDArray

from ..camera import cam_to_blender
from ..errors import SceneError
from ..reconstruction import MeshArrays
from .attributes import flat_float, flat_int, set_attribute

UV_NAME = "UVMap"
PROJECTION_ATTRIBUTE = "photo_projection"
"""Per vertex (s d, t d, d): photo coordinates times the depth d, and d itself.

All three are linear in space, so interpolating them over a face and dividing gives the
photo's exact coordinates at every pixel, however large the face is; interpolated UVs
alone bend the photo on slanted faces. As an attribute it stays on the surface when the
mesh is moved, sculpted, joined or decimated.
"""


def mesh_from_arrays(arrays: MeshArrays, name: str) -> bpy.types.Mesh:
    """Makes a Blender mesh in the axes of the level camera rig (+Y forward, +Z up), metres.

    Args:
        arrays: Vertices in OpenCV camera axes, quads and triangles.
        name: Name of the mesh.

    Raises:
        SceneError: a face names a vertex that does not exist.
    """
    quads, triangles = np.asarray(arrays.quads), np.asarray(arrays.triangles)
    n_vertices = len(arrays.vertices_cam)
    corner_vert = np.concatenate([flat_int(quads), flat_int(triangles)])
    if len(corner_vert) and not 0 <= corner_vert.min() <= corner_vert.max() < n_vertices:
        raise SceneError(
            f"The mesh '{name}' is damaged: a face names vertex {corner_vert.max()} of {n_vertices}.",
            "Reconstruct the photo again.",
        )
    loop_start = np.concatenate(
        [
            np.arange(len(quads), dtype=np.int32) * 4,
            np.arange(len(triangles), dtype=np.int32) * 3 + len(quads) * 4,
        ]
    )
    mesh = bpy.data.meshes.new(name)
    mesh.vertices.add(n_vertices)
    mesh.loops.add(len(corner_vert))
    mesh.polygons.add(len(loop_start))
    mesh.attributes["position"].data.foreach_set("vector", flat_float(cam_to_blender(arrays.vertices_cam)))
    if len(loop_start):
        mesh.attributes[".corner_vert"].data.foreach_set("value", corner_vert)
        mesh.polygons.foreach_set("loop_start", flat_int(loop_start))
    mesh.update(calc_edges=True)

    uv = np.asarray(arrays.uv, dtype=np.float32)
    layer = mesh.uv_layers.new(name=UV_NAME, do_init=False)
    if len(corner_vert):
        layer.uv.foreach_set("vector", flat_float(uv[corner_vert]))
    depth_m = np.asarray(arrays.vertices_cam)[:, 2:3]
    set_attribute(mesh, PROJECTION_ATTRIBUTE, "FLOAT_VECTOR", np.concatenate([uv * depth_m, depth_m], axis=1))
    return mesh


def joined(first: MeshArrays, second: MeshArrays) -> tuple[MeshArrays, NDArray[np.bool_]]:
    """Two meshes as one, and which of its faces, in the order of `mesh_from_arrays`, are the second's."""
    shift = np.int32(len(first.vertices_cam))
    quads, triangles = (
        np.concatenate([getattr(first, kind), np.asarray(getattr(second, kind)) + shift])
        for kind in ("quads", "triangles")
    )
    vertices_cam, uv, normals_cam = (
        np.concatenate([getattr(first, name), getattr(second, name)]) for name in ("vertices_cam", "uv", "normals_cam")
    )
    counts = [len(first.quads), len(second.quads), len(first.triangles), len(second.triangles)]
    return MeshArrays(vertices_cam, uv, normals_cam, quads, triangles), np.repeat([False, True, False, True], counts)
