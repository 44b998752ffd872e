"""Fewer triangles where the surface is flat: a right-triangulated grid with an error bound.

The grid is covered by squares, every square by two right triangles, and a triangle is
halved at the middle of its longest side again and again, down to half a cell. Triangles
are kept as large as the error allows. A vertex in the middle of a longest side divides
the triangles on both of its sides, so that no vertex ever lies on another triangle's
side (a T-junction) and the surface stays whole.

The error is measured, not estimated: a triangle stands only if *all* vertices of the
finest grid on it keep their depth. Disparity is linear on a plane as seen by the camera, so
the comparison of disparities is that of the depths along the photo's own rays.
After the restricted bintree of Lindstrom et al. 1996 and Evans et al. 2001 (RTIN).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ROOT_CELLS = 64
"""Side of the largest squares, in cells; a power of two."""
MAX_SLIDE = 0.25
"""How far a texture may be off in the middle of a triangle's side, in cells: texture coordinates are linear on the
surface, those of the photo are so as seen by the camera."""
CHUNK = 1 << 22
"""Vertices that are compared at a time."""

Place = tuple[float, float]
"""(row, column) in a block, in its sides."""
Triangle = tuple[Place, Place, Place]
"""Corners, counter-clockwise as seen from the camera."""

_TL, _BL, _BR, _TR, _C = (0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0), (0.5, 0.5)
_HALVES: tuple[tuple[Triangle, Triangle], tuple[Triangle, Triangle]] = (
    ((_TL, _BL, _BR), (_TL, _BR, _TR)),
    ((_TL, _BL, _TR), (_BL, _BR, _TR)),
)
"""The two halves of a block whose row and column add up to an even or an odd number."""
_HALF_APEX = (((1, 0), (0, 1)), ((0, 0), (1, 1)))
_QUARTERS: dict[str, Triangle] = {
    "top": (_TL, _C, _TR),
    "left": (_TL, _BL, _C),
    "bottom": (_BL, _BR, _C),
    "right": (_BR, _TR, _C),
}
_SIDES = tuple(_QUARTERS)
_QUARTERS_OF_HALF = ((("left", "bottom"), ("top", "right")), (("top", "left"), ("bottom", "right")))
_HALVES_OF_QUARTER = {
    "top": ((0, 0, 1), (0, 1, 0)),
    "left": ((0, 0, 0), (1, 0, 0)),
    "bottom": ((1, 0, 1), (1, 1, 0)),
    "right": ((0, 1, 1), (1, 1, 1)),
}
"""The two children of a quarter: row and column of the sub-block in its block, and which half of it."""


def adaptive_triangles(
    disparity: NDArray[np.float32], whole: NDArray[np.bool_], max_error: float, max_difference: float = np.inf
) -> NDArray[np.int32]:
    """Covers the whole cells of a grid with as few triangles as the error allows.

    Args:
        disparity: (h, w) at the vertices.
        whole: (h - 1, w - 1) cells to be covered. Along the others every side of a cell is
            a side of a triangle, whatever the error.
        max_error: Largest relative depth error at any vertex of the grid.
        max_difference: Largest error of the disparity itself; both bounds hold.

    Returns:
        (T, 3) int32 flat indices of grid vertices, counter-clockwise as seen from the camera.
    """
    tree = _Bintree(disparity, whole, max_error, max_difference)
    tree.measure()
    tree.close()
    return tree.leaves()


class _Bintree:
    """The squares of all sizes over one grid, padded to full squares, and which vertices are in use."""

    def __init__(
        self, disparity: NDArray[np.float32], whole: NDArray[np.bool_], max_error: float, max_difference: float
    ) -> None:
        self.rows, self.cols = whole.shape
        self.max_error = np.float32(max_error)
        self.max_difference = np.float32(max_difference)
        self.whole = whole
        self.height, self.width = (-(-n // ROOT_CELLS) * ROOT_CELLS for n in whole.shape)
        self.stride = disparity.shape[1]
        self.disparity = np.ascontiguousarray(disparity, dtype=np.float32).ravel()
        self.active = np.zeros((self.height + 1, self.width + 1), bool)
        """Vertices that divide the triangles whose longest side they are the middle of."""

    def measure(self) -> None:
        """Marks every vertex without which a triangle would be wrong, from small triangles to large."""
        inside = np.ones((self.height, self.width), bool)
        inside[: self.rows, : self.cols] = self.whole
        halves = np.stack([inside, inside])
        size = 2
        while size <= ROOT_CELLS:
            quarters = {
                side: self._mergeable(
                    [_sub(halves[k], a, b) for a, b, k in children], (_QUARTERS[side], _QUARTERS[side]), size
                )
                for side, children in _HALVES_OF_QUARTER.items()
            }
            halves = self._merged_halves(quarters, size)
            self._centres(size)[...] = ~(halves[0] & halves[1])
            middle = size // 2
            horizontal, vertical = self.active[::size, middle::size], self.active[middle::size, ::size]
            horizontal[:-1] |= ~quarters["top"]
            horizontal[1:] |= ~quarters["bottom"]
            vertical[:, :-1] |= ~quarters["left"]
            vertical[:, 1:] |= ~quarters["right"]
            size *= 2

    def close(self) -> None:
        """Adds the vertices that others need: whoever divides a triangle needs that triangle to exist."""
        size = 2
        while size <= ROOT_CELLS:
            middle = size // 2
            horizontal, vertical = self.active[::size, middle::size], self.active[middle::size, ::size]
            centres = self._centres(size)
            centres |= horizontal[:-1] | horizontal[1:] | vertical[:, :-1] | vertical[:, 1:]
            if size < ROOT_CELLS:
                corners = self.active[::size, ::size]
                needed = np.zeros(corners.shape, bool)
                for rows in (slice(None, -1), slice(1, None)):
                    for cols in (slice(None, -1), slice(1, None)):
                        needed[rows, cols] |= centres
                corners |= needed & _odd(corners.shape)
            size *= 2

    def leaves(self) -> NDArray[np.int32]:
        """The triangles that are not divided, as flat indices of grid vertices."""
        found: list[NDArray[np.int32]] = []
        size = ROOT_CELLS
        while size >= 1:
            divided = self._centres(size) if size > 1 else np.zeros((self.height, self.width), bool)
            corners = self.active[::size, ::size]
            n_rows, n_cols = divided.shape
            odd = _odd(divided.shape)
            for parity in (0, 1):
                for k, (a, b) in enumerate(_HALF_APEX[parity]):
                    exists = (odd == bool(parity)) & ~divided
                    if size < ROOT_CELLS:
                        exists &= corners[a : a + n_rows, b : b + n_cols]
                    if size == 1:
                        exists[: self.rows, : self.cols] &= self.whole
                    found.append(self._faces(exists, _HALVES[parity][k], size))
            if size > 1:
                middle = size // 2
                horizontal, vertical = self.active[::size, middle::size], self.active[middle::size, ::size]
                at_side = {
                    "top": horizontal[:-1],
                    "bottom": horizontal[1:],
                    "left": vertical[:, :-1],
                    "right": vertical[:, 1:],
                }
                found += [self._faces(divided & ~at_side[side], _QUARTERS[side], size) for side in _SIDES]
            size //= 2
        return np.concatenate(found)

    def _centres(self, size: int) -> NDArray[np.bool_]:
        """The centres of all blocks of a size, as a view."""
        return self.active[size // 2 :: size, size // 2 :: size]

    def _merged_halves(self, quarters: dict[str, NDArray[np.bool_]], size: int) -> NDArray[np.bool_]:
        """(2, n, m) which halves of the blocks of a size may stand undivided."""
        odd = _odd((self.height // size, self.width // size))
        merged = []
        for k in (0, 1):
            pairs = [_QUARTERS_OF_HALF[parity][k] for parity in (0, 1)]
            children = [np.where(odd, quarters[pairs[1][i]], quarters[pairs[0][i]]) for i in (0, 1)]
            merged.append(self._mergeable(children, (_HALVES[0][k], _HALVES[1][k]), size))
        return np.stack(merged)

    def _mergeable(
        self, children: list[NDArray[np.bool_]], shapes: tuple[Triangle, Triangle], size: int
    ) -> NDArray[np.bool_]:
        """(n, m) where a triangle may stand in place of its two children.

        Args:
            children: Two (n, m) arrays: may the children themselves stand?
            shapes: The triangle in even and in odd blocks.
            size: Side of the blocks, in cells.
        """
        result = children[0] & children[1]
        odd = _odd(result.shape)
        for parity, shape in enumerate(shapes):
            first_row, first_col = (int(min(p[axis] for p in shape) * size) for axis in (0, 1))
            last_row, last_col = (int(max(p[axis] for p in shape) * size) for axis in (0, 1))
            row, col = np.nonzero(result & (odd == bool(parity)))
            top, left = row * size, col * size
            within = (top + last_row <= self.rows) & (left + last_col <= self.cols)
            beyond = (top + first_row >= self.rows) | (left + first_col >= self.cols)
            # A triangle across the border of the grid is divided until its parts lie on one side.
            result[row[~within & ~beyond], col[~within & ~beyond]] = False
            row, col = row[within], col[within]
            result[row, col] = self._fits(row * size, col * size, shape, size)
        return result

    def _fits(self, top: NDArray[np.intp], left: NDArray[np.intp], shape: Triangle, size: int) -> NDArray[np.bool_]:
        """(K,) whether depths and texture on a triangle are within the error, for K blocks by their first vertices."""
        offsets, weights = _points_of(shape, size)
        corners = np.array([round(p[0] * size) * self.stride + round(p[1] * size) for p in shape])
        lengths = size * np.linalg.norm(np.roll(shape, -1, axis=0) - np.array(shape), axis=1).astype(np.float32)
        at = offsets[:, 0] * self.stride + offsets[:, 1]
        start = top * self.stride + left
        result = np.empty(len(start), bool)
        step = max(1, CHUNK // len(at))
        for k in range(0, len(start), step):
            chunk = start[k : k + step, None]
            at_corners = self.disparity[chunk + corners]
            plane = at_corners @ weights
            error = np.abs(self.disparity[chunk + at] - plane)
            fits = (error <= np.minimum(self.max_error * plane, self.max_difference)).all(axis=1)
            for side, length in enumerate(lengths):
                a, b = at_corners[:, side], at_corners[:, side - 2]
                fits &= length * np.abs(a - b) <= 2 * MAX_SLIDE * (a + b)
            result[k : k + step] = fits
        return result

    def _faces(self, exists: NDArray[np.bool_], shape: Triangle, size: int) -> NDArray[np.int32]:
        """(K, 3) vertices of a triangle in all blocks where it exists inside the grid."""
        row, col = np.nonzero(exists)
        corner_rows = [row * size + round(p[0] * size) for p in shape]
        corner_cols = [col * size + round(p[1] * size) for p in shape]
        inside = (np.maximum.reduce(corner_rows) <= self.rows) & (np.maximum.reduce(corner_cols) <= self.cols)
        flat = [(r * self.stride + c)[inside] for r, c in zip(corner_rows, corner_cols, strict=True)]
        return np.stack(flat, axis=1).astype(np.int32)


def _sub(blocks: NDArray[np.bool_], row: int, col: int) -> NDArray[np.bool_]:
    """Of each two by two blocks the one at (row, col)."""
    return blocks[row::2, col::2]


def _odd(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """(n, m) whether row and column add up to an odd number."""
    return (np.arange(shape[0])[:, None] + np.arange(shape[1])) % 2 == 1


def _points_of(shape: Triangle, size: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """The grid vertices on a triangle other than its corners.

    Returns:
        offsets: (P, 2) int, row and column from the block's first vertex.
        weights: (3, P) float32, the share of each corner at each of them.
    """
    corners = np.array(shape) * size
    row, col = np.mgrid[: size + 1, : size + 1]
    at = np.stack([row.ravel(), col.ravel()], axis=1)
    basis = np.stack([corners[1] - corners[0], corners[2] - corners[0]], axis=1)
    share = np.linalg.solve(basis, (at - corners[0]).T)
    weights = np.stack([1 - share.sum(axis=0), *share])
    on = (weights > -1e-9).all(axis=0) & (weights.max(axis=0) < 1 - 1e-9)
    return at[on], weights[:, on].astype(np.float32)
