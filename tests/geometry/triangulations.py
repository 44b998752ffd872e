"""Disparities to triangulate, and what is asked of triangles on a grid of vertices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def field(name: str, rows: int, cols: int) -> NDArray[np.float32]:
    """Disparities known in closed form."""
    y, x = np.mgrid[:rows, :cols] / max(rows, cols)
    fields = {
        "flat": 0.2 + 0.004 * x - 0.002 * y,
        "plane": 0.2 + 0.1 * x - 0.05 * y,
        "waves": 0.3 + 0.02 * np.sin(9 * x + 2 * y) * np.cos(7 * y),
        "ball": 0.2 + 0.15 * np.sqrt(np.maximum(0, 1 - 8 * ((x - 0.4) ** 2 + (y - 0.5) ** 2))),
        "crease": 0.2 + 0.1 * np.abs(x - 0.37),
        "noise": 0.2 + 0.01 * np.random.default_rng(0).random((rows, cols)),
    }
    return fields[name].astype(np.float32)


def interpolated(triangles: NDArray[np.int32], disparity: NDArray[np.float32]) -> NDArray[np.float64]:
    """What the triangles say at every vertex of the grid on them; NaN where there is none."""
    result = np.full(disparity.size, np.nan)
    width = disparity.shape[1]
    row, col = np.divmod(triangles, width)
    corners = np.stack([row - row.min(axis=1, keepdims=True), col - col.min(axis=1, keepdims=True)], axis=-1)
    # There are few shapes, each in many places.
    shapes, which = np.unique(corners.reshape(-1, 6), axis=0, return_inverse=True)
    for k, shape in enumerate(shapes.reshape(-1, 3, 2)):
        faces = triangles[which.ravel() == k]
        r, c = (part.ravel() for part in np.mgrid[: shape[:, 0].max() + 1, : shape[:, 1].max() + 1])
        share = np.linalg.solve((shape[1:] - shape[0]).T.astype(float), np.stack([r, c]) - shape[0][:, None])
        share = np.stack([1 - share.sum(axis=0), *share])
        on = (share > -1e-9).all(axis=0)
        at = faces[:, :1] + ((r[on] - shape[0, 0]) * width + c[on] - shape[0, 1])
        result[at] = disparity.ravel()[faces].astype(float) @ share[:, on]
    return result.reshape(disparity.shape)


def area_cells(triangles: NDArray[np.int32], width: int) -> NDArray[np.float64]:
    """Signed areas in cells, positive for counter-clockwise as seen from the camera."""
    row, col = np.divmod(triangles, width)
    a, b = (np.stack([row[:, k] - row[:, 0], col[:, k] - col[:, 0]]) for k in (1, 2))
    return (a[0] * b[1] - a[1] * b[0]) / 2


def lone_edges(faces: list[NDArray[np.int32]]) -> NDArray[np.int64]:
    """(E, 2) directed edges without a partner in the opposite direction."""
    edges = np.concatenate([np.stack([f, np.roll(f, -1, axis=1)], axis=-1).reshape(-1, 2) for f in faces])
    edges = edges.astype(np.int64)
    n = edges.max() + 1
    key, back = edges[:, 0] * n + edges[:, 1], edges[:, 1] * n + edges[:, 0]
    assert len(np.unique(key)) == len(key), "an edge is used twice in the same direction"
    return edges[~np.isin(key, back)]


def slide_cells(triangles: NDArray[np.int32], disparity: NDArray[np.float32]) -> NDArray[np.float64]:
    """(T, 3) how far a texture is off in the middle of each side, from the points on the camera's rays themselves."""
    corner = np.stack(np.divmod(triangles, disparity.shape[1]), axis=-1).astype(np.float64)
    middle = (corner + np.roll(corner, -1, axis=1)) / 2
    # A point at disparity D in direction p is (p, 1) / D; the middle's ray meets the side at a share t of its length.
    d, d_next = (
        disparity.ravel()[part].astype(np.float64)[..., None] for part in (triangles, np.roll(triangles, -1, axis=1))
    )
    t = (1 / d) / (1 / d + 1 / d_next)
    return np.linalg.norm((1 - t) * corner + t * np.roll(corner, -1, axis=1) - middle, axis=-1)


def holes(rows: int, cols: int) -> NDArray[np.bool_]:
    """(rows, cols) cells to be covered: all but a block and sixty others."""
    whole = np.ones((rows, cols), bool)
    rng = np.random.default_rng(1)
    whole[rng.integers(0, rows, 60), rng.integers(0, cols, 60)] = False
    whole[40:50, 30:90] = False
    return whole


def assert_sides_end_at_vertices(triangles: NDArray[np.int32], whole: NDArray[np.bool_]) -> None:
    """No T-junctions: a side with a triangle on one side only runs along cells that are not covered.

    Beside such cells inside the grid it is one cell long, as the faces there ask for.
    """
    stride = whole.shape[1] + 1
    row, col = np.divmod(lone_edges([triangles]), stride)
    padded = np.pad(whole, 1)
    vertical = col[:, 0] == col[:, 1]
    assert np.all(vertical | (row[:, 0] == row[:, 1]))
    first_row, first_col = row.min(axis=1), col.min(axis=1)
    for k in range(len(row)):
        cells = (
            padded[first_row[k] + 1 : row[k].max() + 1, first_col[k] : first_col[k] + 2]
            if vertical[k]
            else padded[first_row[k] : first_row[k] + 2, first_col[k] + 1 : col[k].max() + 1].T
        )
        assert np.all(cells.sum(axis=1) == 1)
        at_border = first_col[k] in (0, whole.shape[1]) if vertical[k] else first_row[k] in (0, whole.shape[0])
        assert at_border or len(cells) == 1
