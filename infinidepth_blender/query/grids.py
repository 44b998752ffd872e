"""Dense answers of a depth field: depth maps of any size and the vertices of meshes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..camera import Camera
from ..field.protocol import DepthField, Rows
from ..geometry.edges import find_edges
from ..geometry.mesh import mesh_vertex_coords, plane_normals, surface_gradient
from ..geometry.tears import reach_of, spans_for
from ..progress import OnFraction
from ..reconstruction import FLAG_EDGE, FLAG_SKY, FLAG_VALID, NO_DEPTH_M

SKY_THRESHOLD = 0.5
FAR_FACTOR = 1000.0
"""What is further away than this many median depths has no depth that means anything."""
STRIP_PIXELS = 1 << 23
_STRIPS_AT_LEAST = 8
"""For progress and cancelling, in maps that are not small."""
_SMALL_PIXELS = 1 << 20
_OVERLAP = 1.5
"""Of strips, as a factor on `reach_of`: the feet of a ramp are walked in rounds, each from where the last one ended."""
_LOOK_SIDE_PX = 128
RAMP_STEP = np.float32(2)
"""A pixel on a ramp between two surfaces counts as one beside so many edge steps."""
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
        confidence: (h, w) float32 in [0, 1]: not sky, not near a depth step, and not on a ramp
            between two surfaces.
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
    progress: OnFraction | None = None,
) -> DepthSamples:
    """The whole of `depth_strips` at once; arguments as there."""
    shape = (height, width)
    whole = DepthSamples(
        np.empty(shape, np.float32),
        np.empty(shape, np.uint8),
        np.empty((*shape, 3), np.float32),
        np.empty(shape, np.float32),
    )
    for top, strip in depth_strips(field, camera, width, height, edge_step=edge_step, progress=progress):
        rows = slice(top, top + len(strip.depth_m))
        for part in dataclasses.fields(DepthSamples):
            getattr(whole, part.name)[rows] = getattr(strip, part.name)
    return whole


def depth_strips(
    field: DepthField,
    camera: Camera,
    width: int,
    height: int,
    *,
    edge_step: float,
    progress: OnFraction | None = None,
) -> Iterator[tuple[int, DepthSamples]]:
    """Asks the field at all pixel centres of an image of any size, in strips of rows from top to bottom.

    The normals come from differences between neighbouring pixels, in disparity and never
    across an edge: on a plane, where disparity is linear, they are exact, they cost no
    second pass through the network, and they describe the surface at the size of a pixel.
    Samples between the pixels (`sampling`) use the field's own Jacobian.

    Args:
        field: A field whose disparity is 1 / metres.
        camera: Camera at any size of the photo.
        width, height: Size of the depth map.
        edge_step: Relative depth step between neighbours that counts as an edge.
        progress: See `OnFraction`.

    Yields:
        The first row of a strip, and the strip. The strips meet without a seam, unless ramps follow on one another
        for longer than the strips overlap.
    """
    window = _Window(field, height, width)
    view = camera.resized(width, height)
    x_px = np.arange(width, dtype=np.float32) + 0.5
    longer = max(width, height)
    halo = math.ceil(_OVERLAP * reach_of(spans_for(longer))) + 1
    rows = height
    if width * height > _SMALL_PIXELS:
        rows = max(1, min(STRIP_PIXELS // width, -(-height // _STRIPS_AT_LEAST)))
    for top in range(0, height, rows):
        if progress:
            progress(top / height)
        bottom = min(top + rows, height)
        first, last = max(0, top - halo), min(height, bottom + halo)
        window.move(first, last)
        inner = slice(top - first, bottom - first)
        valid = (window.flags & FLAG_VALID) > 0
        disparity = window.disparity
        edges = find_edges(disparity, valid, edge_step, longer)
        touched = (edges.touched() & valid)[inner]
        d_x, d_y = surface_gradient(disparity, valid, edges)
        y_px = np.arange(top, bottom, dtype=np.float32)[:, None] + 0.5
        normals = plane_normals(disparity[inner], d_x[inner], d_y[inner], x_px, y_px, view).astype(np.float32)
        there = valid[inner]
        normals[~there] = 0
        step = np.maximum(_steepest_step(disparity, valid) / edge_step, RAMP_STEP * edges.adrift)[inner]
        confidence = there * (1 - window.sky_probability[inner]) / (1 + step * step)
        flags = window.flags[inner] | np.where(touched, FLAG_EDGE, 0).astype(np.uint8)
        yield top, DepthSamples(window.depth_m[inner], flags, normals, confidence.astype(np.float32))
    if progress:
        progress(1.0)


class _Window:
    """Rows of the field's answers that are at hand; each is asked for once.

    Attributes:
        disparity: (rows, width) float32, 0 where there is none.
        depth_m, flags: As `flags_and_depth` gives them.
        sky_probability: (rows, width) float32.
    """

    def __init__(self, field: DepthField, height: int, width: int) -> None:
        self._field = field
        self._height, self._width = height, width
        self._farthest = _farthest_disparity(field, height, width)
        self._first = self._last = 0
        self.disparity = self.sky_probability = self.depth_m = np.empty((0, width), np.float32)
        self.flags = np.empty((0, width), np.uint8)

    def move(self, first: int, last: int) -> None:
        """Lets go of the rows before `first` and asks for those up to `last` (exclusive)."""
        new = self._ask((self._last, last)) if last > self._last else {}
        for name in ("disparity", "sky_probability", "depth_m", "flags"):
            kept = getattr(self, name)[first - self._first :]
            setattr(self, name, np.concatenate([kept, new[name]]) if new else kept)
        self._first, self._last = first, last

    def _ask(self, rows: Rows) -> dict[str, NDArray[Any]]:
        disparity = _numpy(self._field.disparity_grid(self._height, self._width, rows))
        sky_probability = _numpy(self._field.sky_grid(self._height, self._width, rows))
        flags, depth_m = flags_and_depth(disparity, sky_probability, self._farthest)
        disparity = np.where(flags & FLAG_VALID, disparity, np.float32(0))
        return {"disparity": disparity, "sky_probability": sky_probability, "depth_m": depth_m, "flags": flags}


def _farthest_disparity(field: DepthField, height: int, width: int) -> float:
    """The smallest disparity that means anything, from a small look at the whole picture."""
    shrink = max(1.0, max(height, width) / _LOOK_SIDE_PX)
    size = max(1, round(height / shrink)), max(1, round(width / shrink))
    disparity, sky = _numpy(field.disparity_grid(size[0], size[1])), _numpy(field.sky_grid(size[0], size[1]))
    surface = (sky <= SKY_THRESHOLD) & np.isfinite(disparity) & (disparity > 0)
    return float(np.median(disparity[surface])) / FAR_FACTOR if surface.any() else 0.0


def mesh_grid(
    field: DepthField, camera: Camera, mesh_size: int, *, progress: OnFraction | None = None
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Asks the field at the vertices of a mesh over the whole photo.

    Args:
        field: A field whose disparity is 1 / metres.
        camera: Camera at any size of the photo.
        mesh_size: Vertices along the photo's longer side.
        progress: See `OnFraction`.

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
    disparity: NDArray[np.float32], sky_probability: NDArray[np.float32], farthest: float | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Decides what is sky and what has a depth.

    Args:
        disparity, sky_probability: (h, w).
        farthest: The smallest disparity that counts; None: a thousandth of the median.

    Returns:
        flags: uint8, bits `FLAG_VALID` and `FLAG_SKY`.
        depth_m: float32, `NO_DEPTH_M` where not valid.
    """
    sky = sky_probability > SKY_THRESHOLD
    valid = ~sky & np.isfinite(disparity) & (disparity > 0)
    if farthest is None:
        farthest = float(np.median(disparity[valid])) / FAR_FACTOR if valid.any() else 0.0
    valid &= disparity >= farthest
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
