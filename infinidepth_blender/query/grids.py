"""Dense answers of a depth field: depth maps of any size and the vertices of meshes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..camera import Camera
from ..field.protocol import DepthField
from ..geometry.edges import find_edges
from ..geometry.mesh import mesh_vertex_coords, plane_normals, surface_gradient
from ..reconstruction import FLAG_EDGE, FLAG_SKY, FLAG_VALID, NO_DEPTH_M

Progress = Callable[[float], None]
"""Called with the fraction done; it may raise to stop the work."""

SKY_THRESHOLD = 0.5
FAR_FACTOR = 1000.0
"""What is further away than this many median depths has no depth that means anything."""
STRIP_PIXELS = 1 << 21
HALO_ROWS = 32
"""Rows around a strip that its edges depend on."""
QUERY_CHUNK = 1 << 18
"""Coordinates per query of the field."""


@dataclass(frozen=True)
class DepthSamples:
    """A depth map with what belongs to it.

    Attributes:
        depth_m: (h, w) float32 distance along the optical axis; `NO_DEPTH_M` at sky and
            where there is no data.
        flags: (h, w) uint8, bits `FLAG_VALID`, `FLAG_SKY`, `FLAG_EDGE`.
        normals_cam: (h, w, 3) float32 unit normals that face the camera, 0 where invalid.
        confidence: (h, w) float32 in [0, 1]: not sky, and not near a depth step.
    """

    depth_m: NDArray[np.float32]
    flags: NDArray[np.uint8]
    normals_cam: NDArray[np.float32]
    confidence: NDArray[np.float32]


def depth_grid(
    field: DepthField,
    camera: Camera,
    width: int,
    height: int,
    *,
    edge_step: float,
    progress: Progress | None = None,
) -> DepthSamples:
    """Asks the field at all pixel centres of an image of the given size.

    The normals come from differences between neighbouring pixels, in disparity and never
    across an edge: on a plane, where disparity is linear, they are exact, they cost no
    second pass through the network, and they describe the surface at the size of a pixel.
    Samples between the pixels (`sample_surface`) use the field's own Jacobian.

    Args:
        field: A field whose disparity is 1 / metres.
        camera: Camera at any size of the photo.
        width, height: Size of the depth map.
        edge_step: Relative depth step between neighbours that counts as an edge.
        progress: See `Progress`.
    """
    disparity = _numpy(field.disparity_grid(height, width))
    if progress:
        progress(0.7)
    sky_probability = _numpy(field.sky_grid(height, width))
    flags, depth_m = flags_and_depth(disparity, sky_probability)
    disparity = np.where(flags & FLAG_VALID, disparity, 0)
    normals = np.zeros((height, width, 3), np.float32)
    confidence = np.zeros((height, width), np.float32)
    rows = max(1, STRIP_PIXELS // width)
    for top in range(0, height, rows):
        if progress:
            progress(0.8 + 0.2 * top / height)
        bottom = min(top + rows, height)
        first, last = max(0, top - HALO_ROWS), min(height, bottom + HALO_ROWS)
        inner = slice(top - first, bottom - first)
        valid = (flags[first:last] & FLAG_VALID) > 0
        edges = find_edges(disparity[first:last], valid, edge_step)
        flags[top:bottom] |= np.where((edges.touched() & valid)[inner], FLAG_EDGE, 0).astype(np.uint8)
        d_x, d_y = surface_gradient(disparity[first:last], valid, edges)
        strip = camera.resized(width, height)
        x_px = np.arange(width, dtype=np.float32) + 0.5
        y_px = np.arange(top, bottom, dtype=np.float32)[:, None] + 0.5
        there = valid[inner]
        normals[top:bottom] = plane_normals(disparity[top:bottom], d_x[inner], d_y[inner], x_px, y_px, strip)
        normals[top:bottom][~there] = 0
        step = _steepest_step(disparity[first:last], valid)[inner] / edge_step
        confidence[top:bottom] = there * (1 - sky_probability[top:bottom]) / (1 + step * step)
    if progress:
        progress(1.0)
    return DepthSamples(depth_m, flags, normals, confidence)


def mesh_grid(
    field: DepthField, camera: Camera, mesh_size: int, *, progress: Progress | None = None
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Asks the field at the vertices of a mesh over the whole photo.

    Args:
        field: A field whose disparity is 1 / metres.
        camera: Camera at any size of the photo.
        mesh_size: Vertices along the photo's longer side.
        progress: See `Progress`.

    Returns:
        depth_m: (rows, cols) float32, `NO_DEPTH_M` where there is none.
        flags: (rows, cols) uint8, bits `FLAG_VALID` and `FLAG_SKY`.
    """
    coords, (rows, cols) = mesh_vertex_coords(mesh_size, camera)
    disparity = np.empty(rows * cols, np.float32)
    for start in range(0, len(coords), QUERY_CHUNK):
        chunk = slice(start, start + QUERY_CHUNK)
        disparity[chunk] = _numpy(field.disparity(torch.from_numpy(coords[chunk])))
        if progress:
            progress(min(1.0, (start + QUERY_CHUNK) / len(coords)))
    # The sky is known at the centres of the cells between the vertices.
    sky = torch.nn.functional.grid_sample(
        field.sky_grid(rows - 1, cols - 1).detach().float().cpu()[None, None],
        torch.from_numpy(coords).reshape(1, rows, cols, 2).flip(-1),
        mode="bilinear",
        padding_mode="border",
        align_corners=False,
    )[0, 0]
    flags, depth_m = flags_and_depth(disparity.reshape(rows, cols), _numpy(sky))
    return depth_m, flags


def flags_and_depth(
    disparity: NDArray[np.float32], sky_probability: NDArray[np.float32]
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Decides what is sky and what has a depth.

    Returns:
        flags: uint8, bits `FLAG_VALID` and `FLAG_SKY`.
        depth_m: float32, `NO_DEPTH_M` where not valid.
    """
    sky = sky_probability > SKY_THRESHOLD
    valid = ~sky & np.isfinite(disparity) & (disparity > 0)
    if valid.any():
        valid &= disparity >= np.median(disparity[valid]) / FAR_FACTOR
    depth_m = np.divide(1, disparity, out=np.full(disparity.shape, NO_DEPTH_M, np.float32), where=valid)
    return (valid * FLAG_VALID + sky * FLAG_SKY).astype(np.uint8), depth_m


def _steepest_step(disparity: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(h, w) largest relative depth step to a neighbour, beyond what its opposite neighbour predicts."""
    steepest = np.zeros(disparity.shape, np.float32)
    for values, there, out in ((disparity, valid, steepest), (disparity.T, valid.T, steepest.T)):
        bend = np.abs(values[:, 2:] - 2 * values[:, 1:-1] + values[:, :-2])
        whole = there[:, 2:] & there[:, 1:-1] & there[:, :-2]
        relative = np.divide(bend, values[:, 1:-1], out=np.zeros_like(bend), where=whole)
        np.maximum(out[:, 1:-1], relative, out=out[:, 1:-1])
    return steepest


def _numpy(tensor: torch.Tensor) -> NDArray[np.float32]:
    return tensor.detach().float().cpu().numpy()
