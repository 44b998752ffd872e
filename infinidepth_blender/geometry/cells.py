"""Cuts the cells of a vertex grid along depth steps into the faces of a mesh.

A cell is the square between four neighbouring vertices. Where none of its four sides is
torn it becomes one quad. Else every torn side is divided at a point that exists twice,
once for either surface, and the cell falls apart into one piece per surface. The pieces
tile the cell as seen from the camera, so that cutting opens no hole in the photo's own
view, and no piece has corners on two surfaces, so that nothing spans the step.

Only topology here: every vertex has a place on the grid and an *owner*, the grid vertex
whose surface it belongs to. The caller gives it a depth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

CHUNK = 1 << 18
"""Faces that are renumbered at a time."""
Token = tuple[Literal["corner", "side", "centre"], int, int]
"""A polygon's corner: grid corner k, or the division of side s (or the centre) owned by corner k."""


@dataclass(frozen=True)
class CellFaces:
    """Faces cut from a grid, and the vertices that they use.

    Attributes:
        owner: (V,) flat index of the grid vertex whose surface each vertex belongs to.
        other: (V,) flat index of the grid vertex across the torn link that the vertex
            divides; the owner itself for grid vertices and cell centres.
        row, col: (V,) float32 place on the grid, in vertices.
        quads: (Q, 4) int32, counter-clockwise as seen from the camera.
        triangles: (T, 3) int32, likewise.
    """

    owner: NDArray[np.int64]
    other: NDArray[np.int64]
    row: NDArray[np.float32]
    col: NDArray[np.float32]
    quads: NDArray[np.int32]
    triangles: NDArray[np.int32]


def cut_cells(
    torn_right: NDArray[np.bool_],
    torn_down: NDArray[np.bool_],
    keep: NDArray[np.bool_],
    cover: Callable[[NDArray[np.bool_]], NDArray[np.int32]] | None = None,
) -> CellFaces:
    """Makes the faces of a grid.

    Args:
        torn_right: (h, w - 1) links between (i, j) and (i, j + 1) that are torn.
        torn_down: (h - 1, w) links between (i, j) and (i + 1, j) that are torn.
        keep: (h, w) vertices whose surfaces are wanted; links between kept and other
            vertices count as torn.
        cover: Given the (h - 1, w - 1) whole cells, triangles of vertices of the grid that cover them; None: quads do.
    """
    height, width = keep.shape
    torn_right = torn_right | (keep[:, 1:] != keep[:, :-1])
    torn_down = torn_down | (keep[1:] != keep[:-1])
    numbering = _Numbering(height, width)

    # Sides in counter-clockwise order from the top left corner: left, bottom, right, top.
    pattern = (
        torn_down[:, :-1].astype(np.uint8) + 2 * torn_right[1:] + 4 * torn_down[:, 1:] + 8 * torn_right[:-1]
    ).ravel()
    quads: list[NDArray[np.int64]] = []
    triangles: list[NDArray[np.int64]] = []
    if cover is not None:
        triangles.append(cover((pattern == 0).reshape(height - 1, width - 1) & keep[1:, 1:]).astype(np.int64))
    for code in range(1 if cover is not None else 0, 16):
        cells = np.flatnonzero(pattern == code)
        if not len(cells):
            continue
        for owner, polygon in _pieces(code):
            wanted = cells[keep.ravel()[numbering.corner(cells, owner)]]
            if len(wanted):
                faces = np.stack([numbering.token(wanted, token) for token in polygon], axis=1)
                (quads if len(polygon) == 4 else triangles).append(faces)
    return numbering.collect(
        np.concatenate(quads or [np.zeros((0, 4), np.int64)]), np.concatenate(triangles or [np.zeros((0, 3), np.int64)])
    )


def _pieces(code: int) -> Iterator[tuple[int, tuple[Token, ...]]]:
    """The polygons of a cell whose torn sides are the bits of `code`, each with its owner corner.

    Corners and sides are numbered counter-clockwise: side s runs from corner s to s + 1.
    """
    torn = [s for s in range(4) if code >> s & 1]
    if len(torn) == 1:
        # A tear that ends here goes through to the opposite side, but not into the next cell.
        torn = sorted((torn[0], (torn[0] + 2) % 4))

    def corner(k: int) -> Token:
        return ("corner", k % 4, k % 4)

    def side(s: int, k: int) -> Token:
        return ("side", s % 4, k % 4)

    if not torn:
        yield 0, (corner(0), corner(1), corner(2), corner(3))
    elif len(torn) == 2 and torn[1] - torn[0] == 2:
        for s in torn:
            a, b = s + 1, s + 2
            yield a % 4, (side(s, a), corner(a), corner(b), side(b, b))
    elif len(torn) == 2:
        # The sides s and s + 1 are torn: corner s + 1 stands alone.
        s = torn[0] if torn[1] - torn[0] == 1 else torn[1]
        a = s + 1
        yield a % 4, (side(s, a), corner(a), side(a, a))
        b, c, d = a + 1, a + 2, a + 3
        yield b % 4, (side(a, b), corner(b), corner(c), corner(d))
        yield b % 4, (side(a, b), corner(d), side(s, d))
    else:
        whole = [s for s in range(4) if s not in torn]
        alone = set(range(4))
        for s in whole:
            a, b = s, s + 1
            alone -= {a, b % 4}
            yield a, (("centre", 0, a), side(a - 1, a), corner(a), corner(b))
            yield a, (("centre", 0, a), corner(b), side(b, b))
        for k in sorted(alone):
            yield k, (side(k - 1, k), corner(k), side(k, k), ("centre", 0, k))


class _Numbering:
    """Numbers for every vertex that cutting may need, most of which are never used.

    Grid vertices come first, then two per link (owned by its upper or left and by its
    lower or right end), then four per cell (its centre, owned by one of its corners).
    """

    def __init__(self, height: int, width: int) -> None:
        self.width = width
        self.vertices = height * width
        self.down_links = (height - 1) * width
        self.links = self.down_links + height * (width - 1)

    def corner(self, cells: NDArray[np.int64], k: int) -> NDArray[np.int64]:
        """Flat indices of the cells' corners: 0 top left, 1 bottom left, 2 bottom right, 3 top right."""
        row, col = np.divmod(cells, self.width - 1)
        return (row + (k in (1, 2))) * self.width + col + (k in (2, 3))

    def token(self, cells: NDArray[np.int64], token: Token) -> NDArray[np.int64]:
        kind, which, k = token
        if kind == "corner":
            return self.corner(cells, which)
        if kind == "centre":
            return self.vertices + 2 * self.links + 4 * cells + k
        row, col = np.divmod(cells, self.width - 1)
        if which in (0, 2):
            link = row * self.width + col + (which == 2)
            end = k in (1, 2)
        else:
            link = self.down_links + (row + (which == 1)) * (self.width - 1) + col
            end = k in (2, 3)
        return self.vertices + 2 * link + end

    def collect(self, quads: NDArray[np.int64], triangles: NDArray[np.int64]) -> CellFaces:
        """Keeps the vertices in use, in the order of their numbers, and renumbers the faces."""
        all_numbers = np.concatenate([quads.ravel(), triangles.ravel()])
        on_grid = np.zeros(self.vertices, bool)
        on_grid[all_numbers[all_numbers < self.vertices]] = True
        grid = np.flatnonzero(on_grid)
        extra = np.unique(all_numbers[all_numbers >= self.vertices])
        place = np.cumsum(on_grid, dtype=np.int32) - np.int32(1)

        def renumber(faces: NDArray[np.int64]) -> NDArray[np.int32]:
            result = np.empty(faces.shape, np.int32)
            for start in range(0, len(faces), CHUNK):
                part, out = faces[start : start + CHUNK], result[start : start + CHUNK]
                is_extra = part >= self.vertices
                out[...] = place[np.where(is_extra, 0, part)]
                out[is_extra] = len(grid) + np.searchsorted(extra, part[is_extra])
            return result

        is_centre = extra >= self.vertices + 2 * self.links
        link, end = np.divmod(extra[~is_centre] - self.vertices, 2)
        is_down = link < self.down_links
        sideways = link - self.down_links
        first = np.where(
            is_down, link, sideways // max(self.width - 1, 1) * self.width + sideways % max(self.width - 1, 1)
        )
        second = first + np.where(is_down, self.width, 1)
        cell, k = np.divmod(extra[is_centre] - self.vertices - 2 * self.links, 4)
        cell_row, cell_col = np.divmod(cell, max(self.width - 1, 1))
        centre_owner = (cell_row + ((k == 1) | (k == 2))) * self.width + cell_col + (k >= 2)
        row_of, col_of = (np.float32(part) for part in np.divmod(np.concatenate([grid, first]), self.width))
        shift = np.concatenate([np.zeros(len(grid)), np.full(len(first), 0.5)]).astype(np.float32)
        down = np.concatenate([np.zeros(len(grid), bool), is_down])
        return CellFaces(
            owner=np.concatenate([grid, np.where(end == 0, first, second), centre_owner]),
            other=np.concatenate([grid, np.where(end == 0, second, first), centre_owner]),
            row=np.concatenate([row_of + np.where(down, shift, 0), cell_row + 0.5]).astype(np.float32),
            col=np.concatenate([col_of + np.where(down, 0, shift), cell_col + 0.5]).astype(np.float32),
            quads=renumber(quads),
            triangles=renumber(triangles),
        )
