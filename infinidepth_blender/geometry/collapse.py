"""Fewer triangles than a right-triangulated grid can have: its vertices move onto their neighbours.

In the grid of `adaptive` one rough place divides triangles far around it. Here each
vertex in turn moves onto one of its neighbours, if the error allows: the two triangles
between them vanish, and the others around the vertex get the neighbour as their corner
(a half-edge collapse, Hoppe et al. 1993). They cover the same part of the photo. None of
them turns over there, so that the surface stays whole and without T-junctions.

Errors do not add up: a move stands only if every vertex of the finest grid below the
changed triangles keeps its depth, compared with the field's own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..compiled import jit
from .adaptive import MAX_SLIDE, ROOT_CELLS

MIN_HEIGHT = 0.15
"""Least height of a triangle over its longest side, of that side's length; half a square has 0.5."""
MAX_AROUND = 24
"""Most triangles around a vertex that moves."""
MAX_ROUNDS = 10
"""Times that the vertices are visited; the last rounds find next to nothing."""

_IN_ROW, _IN_COLUMN, _FIXED = 1, 2, 3
"""Where a vertex may move: within its row or its column alone, or not at all; 0: anywhere."""


def collapsed(
    triangles: NDArray[np.int32],
    disparity: NDArray[np.float32],
    whole: NDArray[np.bool_],
    max_error: float,
    max_difference: float = np.inf,
) -> NDArray[np.int32]:
    """Leaves out the vertices of an adaptive mesh that its errors do not ask for.

    Args:
        triangles: (T, 3) flat indices of grid vertices, as from `adaptive_triangles`.
        disparity: (h, w) at the vertices.
        whole: (h - 1, w - 1) cells that the triangles cover. Vertices at the others stay.
        max_error: Largest relative depth error at any vertex of the grid.
        max_difference: Largest error of the disparity itself; both bounds hold.

    Returns:
        (S, 3) int32, S <= T: triangles in their order, counter-clockwise as seen from the
        camera, over the same cells and with vertices that were there before.
    """
    corners = triangles.astype(np.int32).ravel()
    flat = np.ascontiguousarray(disparity, dtype=np.float32).ravel()
    gone = _collapse(corners, flat, disparity.shape[1], _freedom(whole).ravel(), max_error, max_difference)
    return corners.reshape(-1, 3)[~gone]


def _freedom(whole: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """(h, w) where the vertices of a grid may move: `_FIXED` where a cell at them is not whole."""
    rows, cols = whole.shape
    freedom = np.zeros((rows + 1, cols + 1), np.uint8)
    freedom[[0, -1]] |= _IN_ROW
    freedom[:, [0, -1]] |= _IN_COLUMN
    around = np.pad(whole, 1, constant_values=True)
    freedom[~(around[:-1, :-1] & around[:-1, 1:] & around[1:, :-1] & around[1:, 1:])] = _FIXED
    return freedom


@jit()
def _collapse(
    corners: NDArray[np.int32],
    disparity: NDArray[np.float32],
    stride: int,
    freedom: NDArray[np.uint8],
    max_error: float,
    max_difference: float,
) -> NDArray[np.bool_]:
    """Moves vertices until none is left that can; changes `corners`, three a triangle.

    Returns:
        (T,) which triangles have vanished.
    """
    # The corners at a vertex are a chain, from `first` on by `after`.
    first = np.full(len(freedom), -1, np.int32)
    after = np.empty(len(corners), np.int32)
    for k in range(len(corners)):
        after[k] = first[corners[k]]
        first[corners[k]] = k
    gone = np.zeros(len(corners) // 3, np.bool_)
    untried = freedom != _FIXED
    around = np.empty((3, MAX_AROUND), np.int64)
    at, one, other = around[0], around[1], around[2]
    for _ in range(MAX_ROUNDS):
        moved = 0
        for vertex in range(len(freedom)):
            if first[vertex] < 0 or not untried[vertex]:
                continue
            untried[vertex] = False
            count = _triangles_around(first[vertex], after, gone, corners, at, one, other)
            target = _best_neighbour(
                one[:count], other[:count], disparity, stride, freedom[vertex], vertex, max_error, max_difference
            )
            if target < 0:
                continue
            for i in range(count):
                untried[one[i]] = freedom[one[i]] != _FIXED
                untried[other[i]] = freedom[other[i]] != _FIXED
                if one[i] == target or other[i] == target:
                    gone[at[i] // 3] = True
                else:
                    corners[at[i]] = target
                    after[at[i]] = first[target]
                    first[target] = at[i]
            first[vertex] = -1
            moved += 1
        if moved == 0:
            break
    return gone


@jit()
def _triangles_around(
    first: int,
    after: NDArray[np.int32],
    gone: NDArray[np.bool_],
    corners: NDArray[np.int32],
    at: NDArray[np.int64],
    one: NDArray[np.int64],
    other: NDArray[np.int64],
) -> int:
    """Fills in the corners at a vertex, and the two that follow each in its triangle.

    Returns:
        How many there are; 0 if they are more than there is room for.
    """
    count = 0
    k = first
    while k >= 0:
        if not gone[k // 3]:
            if count == len(at):
                return 0
            start = k - k % 3
            at[count] = k
            one[count] = corners[start + (k + 1) % 3]
            other[count] = corners[start + (k + 2) % 3]
            count += 1
        k = after[k]
    return count


@jit()
def _best_neighbour(
    one: NDArray[np.int64],
    other: NDArray[np.int64],
    disparity: NDArray[np.float32],
    stride: int,
    freedom: int,
    vertex: int,
    max_error: float,
    max_difference: float,
) -> int:
    """The neighbour onto which a vertex may move so that the flattest of its triangles is as high as can be; else -1.

    Args:
        one, other: (K,) second and third corners of the triangles around the vertex.
    """
    best, target = MIN_HEIGHT, -1
    # Inside, every neighbour is the second corner of a triangle; at a border one is a third corner only.
    for j in range(len(one) if freedom == 0 else 2 * len(one)):
        neighbour = one[j] if j < len(one) else other[j - len(one)]
        if freedom == _IN_ROW and neighbour // stride != vertex // stride:
            continue
        if freedom == _IN_COLUMN and neighbour % stride != vertex % stride:
            continue
        lowest = np.inf
        for i in range(len(one)):
            if one[i] != neighbour and other[i] != neighbour:
                lowest = min(lowest, _height(neighbour, one[i], other[i], stride))
        if lowest <= best:
            continue
        fits = True
        for i in range(len(one)):
            if fits and one[i] != neighbour and other[i] != neighbour:
                fits = _fits(neighbour, one[i], other[i], disparity, stride, max_error, max_difference)
        if fits:
            best, target = lowest, neighbour
    return target


@jit()
def _height(a: int, b: int, c: int, stride: int) -> float:
    """Height of a triangle over its longest side, of that side's length; below 0: turned over, 0: too large."""
    row_b, col_b = b // stride - a // stride, b % stride - a % stride
    row_c, col_c = c // stride - a // stride, c % stride - a % stride
    high, wide = max(0, row_b, row_c) - min(0, row_b, row_c), max(0, col_b, col_c) - min(0, col_b, col_c)
    if max(high, wide) > ROOT_CELLS:
        return 0.0
    longest = max(row_b**2 + col_b**2, row_c**2 + col_c**2, (row_c - row_b) ** 2 + (col_c - col_b) ** 2)
    return (row_b * col_c - col_b * row_c) / longest


@jit()
def _fits(
    a: int, b: int, c: int, disparity: NDArray[np.float32], stride: int, max_error: float, max_difference: float
) -> bool:
    """Whether all vertices of the grid on a triangle are within the error, and the texture along its sides."""
    rows = (a // stride, b // stride, c // stride)
    cols = (a % stride, b % stride, c % stride)
    row_b, col_b, row_c, col_c = rows[1] - rows[0], cols[1] - cols[0], rows[2] - rows[0], cols[2] - cols[0]
    area = row_b * col_c - col_b * row_c
    values = (float(disparity[a]), float(disparity[b]), float(disparity[c]))
    to_b, to_c = values[1] - values[0], values[2] - values[0]
    by_row = (to_b * col_c - to_c * col_b) / area
    by_col = (to_c * row_b - to_b * row_c) / area
    for k in range(3):
        i = (k + 1) % 3
        length = np.sqrt((rows[i] - rows[k]) ** 2 + (cols[i] - cols[k]) ** 2)
        if length * abs(values[i] - values[k]) > MAX_SLIDE * 2 * (values[i] + values[k]):
            return False
    for row in range(min(rows), max(rows) + 1):
        # The columns that lie on the inner side of all three sides.
        first, last = min(cols), max(cols)
        for k in range(3):
            down, right = rows[(k + 1) % 3] - rows[k], cols[(k + 1) % 3] - cols[k]
            if down > 0:
                first = max(first, cols[k] - (rows[k] - row) * right // down)
            elif down < 0:
                last = min(last, cols[k] + (row - rows[k]) * right // down)
        in_row = values[0] + by_row * (row - rows[0])
        for col in range(first, last + 1):
            plane = in_row + by_col * (col - cols[0])
            if abs(disparity[row * stride + col] - plane) > min(max_error * plane, max_difference):
                return False
    return True
