"""Surfaces closed into solid bodies, for printing and for simulation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..reconstruction import MeshArrays
from .mesh import split_quads


def closed(mesh: MeshArrays, thickness: float) -> MeshArrays:
    """Gives every surface of a mesh a back and sides.

    The back is the surface moved away along the photo's rays, so that it lies behind the
    front everywhere and the photo's own camera sees neither it nor the sides. Every edge of the result
    belongs to exactly two triangles that run along it in opposite directions. Surfaces that the mesh
    was cut into become bodies of their own; each is closed.

    Args:
        mesh: A mesh torn at depth steps.
        thickness: Of the bodies along the rays, as a share of their depth; above 0.
    """
    triangles = np.concatenate([split_quads(mesh.quads, 1 / mesh.vertices_cam[:, 2]), mesh.triangles])
    triangles, source = _one_fan_per_vertex(triangles, len(mesh.vertices_cam))
    front, normals = mesh.vertices_cam[source], mesh.normals_cam[source]
    count = len(source)
    start, end = _outline(triangles)
    walls = np.concatenate(
        [np.stack([end, start, start + count], axis=1), np.stack([end, start + count, end + count], axis=1)]
    )
    back = triangles[:, ::-1] + np.int32(count)
    return MeshArrays(
        vertices_cam=np.concatenate([front, front * np.float32(1 + thickness)]),
        uv=np.concatenate([mesh.uv[source]] * 2),
        normals_cam=np.concatenate([normals, -normals]),
        quads=mesh.quads[:0],
        triangles=np.concatenate([triangles, back, walls.astype(np.int32)]),
    )


def _edges(triangles: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(3 T,) starts and ends of all directed edges: first those from corner 0 to 1, then 1 to 2, then 2 to 0."""
    return triangles.T.ravel().astype(np.int64), np.roll(triangles, -1, axis=1).T.ravel().astype(np.int64)


def _outline(triangles: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Starts and ends of the edges with a triangle on one side only."""
    start, end = _edges(triangles)
    base = np.int64(triangles.max(initial=0)) + 1
    alone = np.isin(start * base + end, end * base + start, invert=True)
    return start[alone], end[alone]


def _one_fan_per_vertex(triangles: NDArray[np.int32], count: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Doubles vertices at which several parts of the surface touch only in a point.

    Returns:
        triangles: (T, 3) int32 with new vertex numbers.
        source: (V,) the old number of each vertex.
    """
    start, _ = _outline(triangles)
    touching = np.bincount(start, minlength=count) > 1
    face, corner = np.nonzero(touching[triangles])
    source = np.arange(count, dtype=np.int64)
    if not len(face):
        return triangles, source
    # Corners of one vertex are joined where their triangles share an edge at it.
    place = np.full(triangles.shape, -1, np.int64)
    place[face, corner] = np.arange(len(face))
    some = np.unique(face)
    a, b = _edges(triangles[some])
    here, there = place[some].T.ravel(), np.roll(place[some], -1, axis=1).T.ravel()
    base = np.int64(count)
    order = np.argsort(a * base + b)
    opposite = np.searchsorted((a * base + b)[order], b * base + a)
    opposite = order[np.minimum(opposite, len(order) - 1)]
    pair = (a[opposite] == b) & (b[opposite] == a)
    # An edge's start is its partner's end.
    joined = np.concatenate(
        [np.stack([here, there[opposite]], axis=1)[pair], np.stack([there, here[opposite]], axis=1)[pair]]
    )
    joined = joined[(joined >= 0).all(axis=1)]
    label = np.arange(len(face))
    while True:
        before = label.copy()
        np.minimum.at(label, joined[:, 0], label[joined[:, 1]])
        if np.array_equal(label, before):
            break
    vertex = triangles[face, corner].astype(np.int64)
    fans, index = np.unique(vertex * np.int64(len(face)) + label, return_inverse=True)
    owner = fans // len(face)
    # The first fan of a vertex keeps its number.
    first = np.concatenate([[True], owner[1:] != owner[:-1]])
    number = np.where(first, owner, count + np.cumsum(~first) - 1)
    result = triangles.copy()
    result[face, corner] = number[index].astype(np.int32)
    return result, np.concatenate([source, owner[~first]])
