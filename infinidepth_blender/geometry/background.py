"""The surface behind foreground edges, continued from the far side: what a moved camera uncovers.

From every depth step the far surface goes on below the near one, first as the plane that
it is there, smoothed where continuations from different places meet. It keeps behind
everything that the photo shows, so that the photo's own camera never sees it, and ends
where it would come through. It also reaches a few vertices below the far surface, so that no slit
opens where the two meet. The colours come from elsewhere (`engine.inpaint`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ..camera import Camera
from ..reconstruction import MeshArrays
from .adaptive import adaptive_triangles
from .cells import cut_cells
from .edges import Edges
from .mesh import CAMERA_MOVE, MAX_CONTINUATION, CutGrid, grid_to_px, plane_normals, surface_gradient, uv_of
from .sides import fit_side_planes

MAX_REACH = 0.12
"""Most that the background reaches below the foreground, of the photo's longer side."""
BEHIND = 0.006
"""Relative distance that the background keeps behind the surfaces that the photo shows."""
MAX_ERROR = 0.001
"""Relative depth error of the background's triangles: well below `BEHIND`."""
MAX_CHANGE = 0.25
"""Most relative change of disparity by which a surface is continued."""
OVERLAP = 2
"""Grid steps that the background reaches below the far surface."""
SMOOTHING_STEPS = (32, 16, 16, 8, 8, 4, 4, 2, 2, 1, 1)
"""Distances over which continuations from different places are evened out, in grid steps, one after the other."""
SAME_SURFACE = 0.5
"""Relative difference up to which continuations are evened out."""
CHUNK = 65_536
"""Depth steps whose far surface is fitted at a time."""

_AROUND = ((0, 1), (1, 0), (0, -1), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1))


@dataclass(frozen=True)
class HiddenSurface:
    """Continued surfaces on the grid of a photo's mesh.

    Attributes:
        disparity: (h, w) float32 of the hidden surface; 0 where there is none.
        hidden: (h, w) bool, the vertices that it adds below the foreground.
        uncertain: (h, w) bool, vertices of the foreground that must not lend their colours to
            it: `hidden`, and as much again beyond.
        move_m: How far aside a camera moves that sees nothing but these surfaces, metres.
    """

    disparity: NDArray[np.float32]
    hidden: NDArray[np.bool_]
    uncertain: NDArray[np.bool_]
    move_m: float


def hidden_surface(grid: CutGrid, camera: Camera) -> HiddenSurface | None:
    """Continues the far surface of every depth step below the near one.

    Args:
        grid: The surfaces that the photo shows.
        camera: Camera at any size of the photo.

    Returns:
        The hidden surface; None if the photo shows no depth step.
    """
    near, far_planes = _far_planes(grid)
    if not len(near):
        return None
    move_m = CAMERA_MOVE / float(np.median(grid.disparity[grid.valid]))
    below, steps, reach = _spread(grid, near, far_planes, _reach(grid, camera, near, far_planes, move_m))
    hidden = (steps > 0) & (steps <= reach)
    smooth = _smoothed(grid, np.where(hidden, below, 0), hidden)
    overlap = _overlap(grid, hidden)
    disparity = np.where(hidden, smooth, np.where(overlap, grid.disparity, 0))
    # The photo's surfaces end within the cells next to the sky: there it could look out.
    disparity[_lowest_of_nine(grid.valid.astype(np.float32)) == 0] = 0
    return HiddenSurface(np.minimum(disparity, _just_behind(grid)), hidden & (disparity > 0), steps > 0, move_m)


def build_background(grid: CutGrid, surface: HiddenSurface, camera: Camera) -> MeshArrays:
    """Makes the mesh of a hidden surface; its texture coordinates are those of the photo.

    Args:
        grid: The surfaces that the photo shows.
        surface: What lies behind them.
        camera: Camera at any size of the photo.
    """
    there = surface.disparity > 0
    # The hidden surface is whole; only where it lies below two visible ones it is torn as they are.
    shown = ~surface.hidden
    right = grid.edges.right & shown[:, 1:] & shown[:, :-1]
    down = grid.edges.down & shown[1:] & shown[:-1]
    cells = cut_cells(right, down, there, partial(adaptive_triangles, surface.disparity, max_error=MAX_ERROR))
    at_vertex = np.minimum(surface.disparity.ravel()[cells.owner], _at_places(_just_behind(grid), cells.row, cells.col))
    x_px, y_px = grid_to_px(cells, there.shape, camera)
    d_x, d_y = _gradient(surface.disparity, there, right, down)
    rows, cols = there.shape
    normals = plane_normals(
        at_vertex,
        d_x.ravel()[cells.owner] * (cols - 1) / camera.width_px,
        d_y.ravel()[cells.owner] * (rows - 1) / camera.height_px,
        x_px,
        y_px,
        camera,
    )
    return MeshArrays(
        camera.unproject(x_px, y_px, 1 / at_vertex), uv_of(x_px, y_px, camera), normals, cells.quads, cells.triangles
    )


def _far_planes(grid: CutGrid) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """The near ends of all depth steps, and the far surface there.

    Returns:
        near: (K,) flat indices of vertices, each once.
        planes: (K, 3) float32, disparity = c0 + c1 * dx + c2 * dy from the near end.
    """
    first, second = _torn_links(grid)
    disparity = grid.disparity.ravel()
    flip = disparity[first] < disparity[second]
    near, far = np.where(flip, second, first), np.where(flip, first, second)
    near, index = np.unique(near, return_index=True)
    far = far[index]
    planes = np.zeros((len(near), 3), np.float32)
    for start in range(0, len(near), CHUNK):
        part = slice(start, start + CHUNK)
        row, col = np.divmod(near[part], grid.valid.shape[1])
        planes[part] = fit_side_planes(grid.disparity, grid.valid, row, col, grid.edge_step).far
    # Where the fit has not found two surfaces, the vertex across the step is all there is.
    change = np.abs(planes[:, 0] / disparity[far] - 1)
    lost = ~(change < MAX_CHANGE)
    planes[lost] = 0
    planes[lost, 0] = disparity[far[lost]]
    return near, planes


def _torn_links(grid: CutGrid) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """(L,) and (L,) flat indices of both ends of all torn links between two surfaces."""
    width = grid.valid.shape[1]
    row, col = np.nonzero(grid.edges.right & grid.valid[:, 1:] & grid.valid[:, :-1])
    across = row * width + col
    row, col = np.nonzero(grid.edges.down & grid.valid[1:] & grid.valid[:-1])
    along = row * width + col
    return np.concatenate([across, along]), np.concatenate([across + 1, along + width])


def _reach(
    grid: CutGrid, camera: Camera, near: NDArray[np.intp], planes: NDArray[np.float32], move_m: float
) -> NDArray[np.int16]:
    """(K,) how many steps of the grid a moved camera can look behind each step: what parallax uncovers."""
    longer = max(grid.valid.shape)
    focal = max(camera.fx_px, camera.fy_px) * longer / max(camera.width_px, camera.height_px)
    parallax = grid.disparity.ravel()[near] - planes[:, 0]
    return np.clip(np.ceil(move_m * focal * parallax), 2, max(2, MAX_REACH * longer)).astype(np.int16)


def _spread(
    grid: CutGrid, near: NDArray[np.intp], planes: NDArray[np.float32], reach: NDArray[np.int16]
) -> tuple[NDArray[np.float32], NDArray[np.int16], NDArray[np.int16]]:
    """Hands the far surfaces on below the near ones, front by front, to twice their reach.

    Returns:
        below: (h, w) float32 disparity of the plane that came first.
        steps: (h, w) int16 steps from the depth step, from 1 on; 0 where nothing came.
        reach: (h, w) int16 that plane's own reach.
    """
    height, width = grid.valid.shape
    disparity = grid.disparity.ravel()
    below = np.zeros(height * width, np.float32)
    steps = np.zeros(height * width, np.int16)
    source = np.zeros(height * width, np.int32)
    torn_right = np.pad(grid.edges.right, ((0, 0), (0, 1))).ravel()
    torn_down = np.pad(grid.edges.down, ((0, 1), (0, 0))).ravel()

    def arrive(at: NDArray[np.intp], which: NDArray[np.int32], step: int) -> NDArray[np.intp]:
        """Settles where the plane is behind what the photo shows; returns those places."""
        row, col = np.divmod(at, width)
        from_row, from_col = np.divmod(near[which], width)
        c0, c1, c2 = planes[which].T
        value = c0 + c1 * (col - from_col) + c2 * (row - from_row)
        value = np.clip(value, c0 * (1 - MAX_CHANGE), c0 * (1 + MAX_CHANGE))
        behind = value < disparity[at] * (1 - 2 * BEHIND)
        at, which, value = at[behind], which[behind], value[behind]
        below[at], source[at], steps[at] = value, which, step
        return np.unique(at)

    touched = grid.edges.touched().ravel()
    front = arrive(near, np.arange(len(near), dtype=np.int32), 1)
    valid = grid.valid.ravel()
    for step in range(2, 2 * int(reach.max()) + 1):
        front = front[2 * reach[source[front]] >= step]
        row, col = np.divmod(front, width)
        reached: list[NDArray[np.intp]] = []
        # Four and eight neighbours in turn spread almost in circles.
        for dy, dx in _AROUND[: 8 if step % 2 else 4]:
            inside = (row + dy >= 0) & (row + dy < height) & (col + dx >= 0) & (col + dx < width)
            start = front[inside]
            to = start + dy * width + dx
            # What the first one there does not fill itself, it leaves to those that reach further.
            unfilled = (steps[to] == 0) | ((reach[source[to]] < steps[to]) & (reach[source[start]] >= step))
            free = valid[to] & unfilled
            # Across a step only to what is nearer still; across a corner only where nothing is torn.
            torn = (torn_right if dx else torn_down)[np.minimum(start, to)]
            if dy and dx:
                torn = touched[start] & touched[to]
            free &= ~(torn & (disparity[to] < disparity[start]))
            reached.append(arrive(to[free], source[start[free]], step))
        front = np.concatenate(reached)
        if not len(front):
            break
    own_reach = np.where(steps > 0, reach[source], 0).astype(np.int16)
    return below.reshape(height, width), steps.reshape(height, width), own_reach.reshape(height, width)


def _smoothed(grid: CutGrid, below: NDArray[np.float32], hidden: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The continued disparities, evened out between each other and with the far surface."""
    height, width = hidden.shape
    at = np.flatnonzero(hidden)
    visible = grid.disparity.ravel()
    values = below.ravel().copy()
    own = values[at]
    row, col = np.divmod(at, width)
    torn_right = np.pad(grid.edges.right, ((0, 0), (0, 1))).ravel()
    torn_down = np.pad(grid.edges.down, ((0, 1), (0, 0))).ravel()
    for dy, dx in _AROUND[:4]:
        inside = (row + dy >= 0) & (row + dy < height) & (col + dx >= 0) & (col + dx < width)
        to = np.where(inside, at + dy * width + dx, at)
        torn = (torn_right if dx else torn_down)[np.minimum(at, to)]
        is_far = inside & torn & (visible[to] < visible[at]) & (visible[to] > 0)
        values[to[is_far]] = visible[to[is_far]]
    for step in SMOOTHING_STEPS:
        total, count = own.copy(), np.ones(len(at), np.float32)
        for dy, dx in _AROUND:
            y, x = row + dy * step, col + dx * step
            inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
            value = values[np.where(inside, y * width + x, at)]
            same = np.abs(value - own) <= SAME_SURFACE * own
            total += np.where(same, value, 0)
            count += same
        own = total / count
        values[at] = own
    result = np.zeros(height * width, np.float32)
    result[at] = own
    return result.reshape(height, width)


def _overlap(grid: CutGrid, hidden: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Vertices of the far surface within `OVERLAP` steps of the hidden one."""
    reached = hidden.copy()
    for step in range(OVERLAP):
        grown = reached.copy()
        for a, b, torn in (
            (np.s_[:, :-1], np.s_[:, 1:], grid.edges.right),
            (np.s_[:-1], np.s_[1:], grid.edges.down),
        ):
            for near, far in ((a, b), (b, a)):
                is_far = torn & (grid.disparity[far] < grid.disparity[near])
                grown[far] |= reached[near] & (is_far if step == 0 else ~torn) & grid.valid[far]
        reached = grown
    return reached & ~hidden


def _just_behind(grid: CutGrid) -> NDArray[np.float32]:
    """(h, w) disparity behind all that the photo shows between a vertex and its neighbours; inf where that is sky.

    At a tear surfaces go on up to half a step beyond their last vertex, so that they may be further there.
    """
    slope = np.minimum((np.abs(grid.d_x) + np.abs(grid.d_y)) / 2, MAX_CONTINUATION * grid.disparity)
    lowest = np.where(grid.valid, grid.disparity - np.where(grid.edges.touched(), slope, 0), np.inf)
    return (_lowest_of_nine(lowest) * (1 - BEHIND)).astype(np.float32)


def _lowest_of_nine(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """(h, w) minimum over each vertex and its eight neighbours."""
    for axis in (0, 1):
        padded = np.pad(values, [(1, 1) if k == axis else (0, 0) for k in (0, 1)], constant_values=np.inf)
        views = np.lib.stride_tricks.sliding_window_view(padded, 3, axis=axis)
        values = np.minimum(np.minimum(views[..., 0], views[..., 1]), views[..., 2])
    return values


def _at_places(values: NDArray[np.float32], row: NDArray[np.float32], col: NDArray[np.float32]) -> NDArray[np.float32]:
    """(V,) lowest of the values at the vertices around each place on the grid."""
    corners = [
        (y(row).astype(np.intp), x(col).astype(np.intp)) for y in (np.floor, np.ceil) for x in (np.floor, np.ceil)
    ]
    return np.minimum.reduce([values[corner] for corner in corners])


def _gradient(
    disparity: NDArray[np.float32], there: NDArray[np.bool_], right: NDArray[np.bool_], down: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return surface_gradient(disparity, there, Edges(right, down, np.zeros(there.shape, np.uint8)))
