"""Moves the rims of near things outward by a little: the photo's pixels there show a mixture of both sides.

The cut between two surfaces runs half-way between two vertices, and mixed pixels beyond it would
stay on the far surface, or in the sky: a thing that moves aside for a moved camera would leave its outline behind.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .edges import Edges
from .tears import SHARP, find_tears

GAP = 3
"""Vertices in a row or column that a gap between near things has at least, from which one may be taken."""
LEAST_STEP = 0.1
"""Relative depth step from which a thing leaves an outline worth the care; smaller ones are often rough surfaces."""

Grid = NDArray[np.float32]
Mask = NDArray[np.bool_]

_AROUND = tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx)


def with_wider_rims(disparity: Grid, valid: Mask, edges: Edges, edge_step: float, steps: int) -> tuple[Grid, Edges]:
    """Hands the far ends of torn links over to the near surface.

    Args:
        disparity: (h, w) float32, no vertex between two surfaces; see `edges.sharpen`.
        valid: (h, w); nothing is handed over where there is no surface, such as in the sky, nor beside that.
        edges: The links that are torn.
        edge_step: Relative depth step that tears.
        steps: How many vertices the near surfaces gain on all sides. A gap between them
            stays open, and narrow ones as they are.

    Returns:
        disparity: (h, w) float32.
        edges: The links that are torn afterwards; their `stride` is what it was.
    """
    # Beside the sky a new tear would change how much of a cell is sky.
    surrounded = ~grown(~valid)
    for _ in range(steps):
        row, col = np.nonzero(_taken(disparity, edges) & surrounded)
        if not len(row):
            break
        disparity = disparity.copy()
        disparity[row, col] = _near_values(disparity, row, col, edge_step)
        right, down = find_tears(disparity, valid, edge_step, SHARP)
        edges = Edges(right != 0, down != 0, edges.stride)
    return disparity, edges


def rims_before_the_sky(depth_m: Grid, valid: Mask, sky: Mask, steps: int) -> tuple[Grid, Mask]:
    """Hands vertices of the sky over to the surfaces beside them, whose mixed pixels they show.

    Left on the sky, these pixels would stay there as the outline of whatever moves aside for a moved camera.

    Args:
        depth_m: (rows, cols) depth at the vertices of a grid, metres.
        valid: (rows, cols) those with a surface.
        sky: (rows, cols) those in the sky.
        steps: How many vertices the surfaces gain on all sides; sky that is too narrow to be left over stays.

    Returns:
        depth_m: (rows, cols) float32.
        taken: (rows, cols) the vertices that have a surface now.
    """
    wide = sky
    for _ in range(steps + 1):
        wide = ~grown(~wide)
    for _ in range(steps + 1):
        wide = grown(wide)
    taken = np.zeros_like(sky)
    disparity = np.where(valid, 1 / np.maximum(depth_m, 1e-6), 0).astype(np.float32)
    for _ in range(steps):
        row, col = np.nonzero(grown(disparity > 0) & wide & sky & ~taken)
        around = np.pad(disparity, 1)
        nearest = np.max([around[row + 1 + dy, col + 1 + dx] for dy, dx in _AROUND], axis=0)
        disparity[row, col] = nearest
        taken[row, col] = True
    return np.where(taken, 1 / np.where(taken, disparity, 1), depth_m).astype(np.float32), taken


def grown(mask: Mask) -> Mask:
    """A mask and all around it; beyond the grid is as at its border."""
    padded = np.pad(mask, 1, mode="edge")
    rows = padded[:-2] | padded[1:-1] | padded[2:]
    return rows[:, :-2] | rows[:, 1:-1] | rows[:, 2:]


def _taken(disparity: Grid, edges: Edges) -> Mask:
    """(h, w) the far ends of steps beyond which the far surface goes on."""
    taken = np.zeros(disparity.shape, np.bool_)
    for there, out, torn in (
        (disparity, taken, edges.right),
        (disparity[:, ::-1], taken[:, ::-1], edges.right[:, ::-1]),
        (disparity.T, taken.T, edges.down.T),
        (disparity.T[:, ::-1], taken.T[:, ::-1], edges.down.T[:, ::-1]),
    ):
        width = there.shape[1]
        if width <= GAP:
            continue
        near, far = there[:, :-GAP], there[:, 1 : 1 - GAP]
        step = torn[:, : 1 - GAP] & (far > 0) & (near > far * (1 + LEAST_STEP))
        for beyond in range(1, GAP):
            step &= ~torn[:, beyond : width - GAP + beyond]
        out[:, 1 : 1 - GAP] |= step
    return taken


def _near_values(disparity: Grid, row: NDArray[np.intp], col: NDArray[np.intp], edge_step: float) -> Grid:
    """(K,) disparity of the nearest surface around each of K vertices: the mean of its vertices."""
    padded = np.pad(disparity, 1)
    around = np.stack([padded[row + 1 + dy, col + 1 + dx] for dy, dx in _AROUND])
    same = around >= around.max(axis=0) / (1 + edge_step)
    total: Grid = np.where(same, around, 0).sum(axis=0) / same.sum(axis=0)
    return total
