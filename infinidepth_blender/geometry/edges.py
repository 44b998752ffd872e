"""Depth discontinuities: where two neighbours in the image lie on different surfaces.

Everything is decided in disparity, where a plane is a linear function of the pixel; see
`tears` for what a step is. A predicted depth map ramps from one surface to the other over
a few pixels: such vertices lie on neither (`Edges.adrift`) and are put back on one of them
by `sharpen`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .sides import SidePlanes, fit_side_planes
from .tears import SHARP, find_tears, spans_for

CHUNK = 65_536
"""Vertices that are put back onto their surfaces at a time."""


@dataclass(frozen=True)
class Edges:
    """Where a grid of depths is torn.

    Attributes:
        right: (h, w - 1) bool, the link from (i, j) to (i, j + 1) is part of a step.
        down: (h - 1, w) bool, likewise from (i, j) to (i + 1, j).
        stride: (h, w) uint8, 0 on a surface; else the vertex lies between two surfaces or is a
            lone outlier, and the vertices at steps of so many links around it show its surfaces.
    """

    right: NDArray[np.bool_]
    down: NDArray[np.bool_]
    stride: NDArray[np.uint8]

    @classmethod
    def none(cls, height: int, width: int) -> Edges:
        """A grid that is torn nowhere."""
        right, down = np.zeros((height, width - 1), np.bool_), np.zeros((height - 1, width), np.bool_)
        return cls(right, down, np.zeros((height, width), np.uint8))

    @property
    def adrift(self) -> NDArray[np.bool_]:
        """(h, w) bool, a new array: the vertex is on no surface."""
        return self.stride > 0

    def touched(self) -> NDArray[np.bool_]:
        """(h, w) bool: vertices with a torn link, or adrift."""
        mask = self.adrift
        mask[:, 1:] |= self.right
        mask[:, :-1] |= self.right
        mask[1:] |= self.down
        mask[:-1] |= self.down
        return mask


def disparity_of(depth_m: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(h, w) float32 disparity, 0 where there is no depth."""
    return np.divide(1, depth_m, out=np.zeros(depth_m.shape, np.float32), where=valid)


def find_edges(
    disparity: NDArray[np.float32], valid: NDArray[np.bool_], edge_step: float, longer: int | None = None
) -> Edges:
    """Finds the steps between neighbouring vertices of a grid, and ramps.

    Args:
        disparity: (h, w) positive where valid.
        valid: (h, w).
        edge_step: Relative depth step that counts; over k links, `edge_step * sqrt(k)`.
        longer: Vertices along the longer side of the whole grid that this is a part of, which tells how
            wide its ramps are; None: this is all of it.
    """
    spans = spans_for(max(disparity.shape) if longer is None else longer)
    right, down = find_tears(np.asarray(disparity, dtype=np.float32), valid, edge_step, spans, feet=True)
    return Edges(right != 0, down != 0, _stride(valid, right, down))


def sharpen(
    disparity: NDArray[np.float32], valid: NDArray[np.bool_], edge_step: float
) -> tuple[NDArray[np.float32], Edges]:
    """Puts vertices that hang between two surfaces back onto the nearer one of them.

    Returns:
        disparity: (h, w) float32, changed only at `Edges.adrift` of the input.
        edges: The single links that separate the surfaces afterwards, and the vertices
            that were adrift before.
    """
    disparity = np.asarray(disparity, dtype=np.float32)
    ramps = find_tears(disparity, valid, edge_step, spans_for(max(disparity.shape)), feet=True)
    stride = _stride(valid, *ramps)
    sharp = disparity.copy()
    for at, planes in _side_planes(disparity, valid, stride, stride > 0, edge_step):
        sharp[at] = planes.nearest_side(disparity[at])
    steps = find_tears(sharp, valid, edge_step, SHARP)
    return sharp, Edges(steps[0] != 0, steps[1] != 0, stride)


def side_planes_at(
    disparity: NDArray[np.float32], valid: NDArray[np.bool_], edges: Edges, mask: NDArray[np.bool_], edge_step: float
) -> SidePlanes:
    """The two surfaces at each vertex of `mask`, row by row, as planes in disparity."""
    number = np.cumsum(mask).reshape(mask.shape) - 1
    near, far = np.empty((2, np.count_nonzero(mask), 3), np.float32)
    for at, planes in _side_planes(disparity, valid, edges.stride, mask, edge_step):
        near[number[at]], far[number[at]] = planes.near, planes.far
    return SidePlanes(near, far)


def _side_planes(
    disparity: NDArray[np.float32],
    valid: NDArray[np.bool_],
    stride: NDArray[np.uint8],
    mask: NDArray[np.bool_],
    edge_step: float,
) -> Iterator[tuple[tuple[NDArray[np.intp], NDArray[np.intp]], SidePlanes]]:
    """Rows and columns of the vertices of `mask`, part by part, and the two surfaces there."""
    solid = valid & (stride == 0)
    rows, cols = np.nonzero(mask)
    at_stride = np.maximum(stride[rows, cols], 1)
    for apart in np.unique(at_stride).tolist():
        doubtful = _beside(~solid & valid, apart)
        chosen = np.flatnonzero(at_stride == apart)
        for start in range(0, len(chosen), CHUNK):
            part = chosen[start : start + CHUNK]
            at = rows[part], cols[part]
            yield at, fit_side_planes(disparity, solid, *at, edge_step, doubtful, apart)


def _beside(mask: NDArray[np.bool_], distance: int) -> NDArray[np.bool_]:
    """The pixels of a mask and all close by: beside a ramp is its foot, which has left its surface already."""
    for _ in range(distance):
        padded = np.pad(mask, 1)
        wide = padded[:, :-2] | padded[:, 1:-1] | padded[:, 2:]
        mask = wide[:-2] | wide[1:-1] | wide[2:]
    return mask


def _stride(valid: NDArray[np.bool_], right: NDArray[np.int8], down: NDArray[np.int8]) -> NDArray[np.uint8]:
    """`Edges.stride`: vertices inside a ramp and lone outliers."""
    # Links beyond the border count as torn, but a vertex without any link is no outlier.
    torn_right = np.pad(right != 0, ((0, 0), (1, 1)), constant_values=True)
    torn_down = np.pad(down != 0, ((1, 1), (0, 0)), constant_values=True)
    alone = torn_right[:, 1:] & torn_right[:, :-1] & torn_down[1:] & torn_down[:-1]
    return np.where(valid, np.maximum(_inside_ramp(right, down), alone & (valid.size > 1)), 0).astype(np.uint8)


def _inside_ramp(right: NDArray[np.int8], down: NDArray[np.int8]) -> NDArray[np.uint8]:
    """(h, w) stride of the ramp, where a vertex is torn on both sides in the same direction; else 0."""
    stride = np.zeros((len(right), down.shape[1]), np.uint8)
    for inner, torn in ((stride[:, 1:-1], right), (stride.T[:, 1:-1], down.T)):
        before, after = torn[:, :-1], torn[:, 1:]
        same = (before != 0) & (after != 0) & ((before > 0) == (after > 0))
        wider = np.maximum(np.abs(before), np.abs(after)).astype(np.uint8)
        np.maximum(inner, wider, out=inner, where=same)
    return stride
