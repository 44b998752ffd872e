"""The sky as a far surface behind everything else: what the photo shows of it, and what goes on beyond that."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..camera import Camera
from ..reconstruction import FLAG_VALID, NO_DEPTH_M, MeshArrays
from .adaptive import adaptive_triangles
from .cells import cut_cells
from .mesh import CAMERA_MOVE, grid_to_px, uv_of

DISTANCE_FACTOR = 1.5
"""Distance of the backdrop over the 99.9 % quantile of the depths."""
MIN_DISTANCE_M = 10.0
FRAME_MARGIN = 0.2
"""How far the sky goes on beyond the photo's frame, of the longer side. A camera that has moved aside by `CAMERA_MOVE`
and still looks at what stands in the middle turns by 8 degrees; at the edge of a usual lens that is a sixth of the side."""
MAX_REACH = CAMERA_MOVE
"""How far the sky goes on behind the foreground at most, of the longer side."""
MIN_REACH = 3
"""Grid steps that the sky goes on behind the foreground at least."""

_AROUND = ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1))


@dataclass(frozen=True)
class Backdrop:
    """A plane at constant depth, in two parts with a picture each.

    Attributes:
        seen: What the photo shows of the sky; its texture coordinates are those of the photo.
        beyond: Where the sky goes on behind the foreground and beyond the frame, which the photo's own camera
            does not see. Its texture coordinates are those of a picture that is larger than the photo by
            `FRAME_MARGIN` of the longer side, all around.
    """

    seen: MeshArrays
    beyond: MeshArrays


def backdrop_distance_m(depth_m: NDArray[np.float32], flags: NDArray[np.uint8]) -> float:
    """Depth of a backdrop that lies behind every surface, metres."""
    depths = depth_m[(flags & FLAG_VALID) > 0]
    if not len(depths):
        return MIN_DISTANCE_M
    return float(max(MIN_DISTANCE_M, DISTANCE_FACTOR * np.quantile(depths, 0.999), 1.02 * depths.max()))


def build_backdrop(
    depth_m: NDArray[np.float32], flags: NDArray[np.uint8], camera: Camera, distance_m: float | None = None
) -> Backdrop | None:
    """Makes a plane at constant depth wherever there is no surface, and around that.

    It is a plane rather than a sphere because there the photo's texture coordinates are
    exact over a whole face. Behind the foreground it goes on as far as a camera that moves
    by `CAMERA_MOVE` uncovers, and where it meets the frame as far as such a camera turns.

    Args:
        depth_m: (rows, cols) depth at the mesh's vertices, metres.
        flags: (rows, cols) uint8; all vertices without `FLAG_VALID` are backdrop.
        camera: Camera at any size of the photo.
        distance_m: Depth of the plane; None: `backdrop_distance_m`.

    Returns:
        The backdrop, or None when every vertex has a surface.
    """
    sky = (flags & FLAG_VALID) == 0
    if not sky.any():
        return None
    distance_m = backdrop_distance_m(depth_m, flags) if distance_m is None else distance_m
    # What is cut out of the photo has no depth, and no sky behind it.
    surface = ~sky & (depth_m < NO_DEPTH_M)
    covered = sky | behind_foreground(depth_m, surface, sky, camera, distance_m)
    # The border between both parts is torn like a depth step: exact photo on one side of it.
    right = sky[:, 1:] != sky[:, :-1]
    down = sky[1:] != sky[:-1]
    shown = cut_cells(right, down, sky)
    hidden = cut_cells(right, down, covered & ~sky, _few_triangles)
    x_px, y_px = grid_to_px(shown, sky.shape, camera)
    seen = _plane(x_px, y_px, uv_of(x_px, y_px, camera), camera, distance_m, shown.quads, shown.triangles)
    outside_x_px, outside_y_px, outside = _outside(covered, camera)
    hidden_x_px, hidden_y_px = grid_to_px(hidden, sky.shape, camera)
    x_px, y_px = np.append(hidden_x_px, outside_x_px), np.append(hidden_y_px, outside_y_px)
    quads = np.concatenate([hidden.quads, outside + len(hidden_x_px)]).astype(np.int32)
    beyond = _plane(x_px, y_px, _uv_beyond(x_px, y_px, camera), camera, distance_m, quads, hidden.triangles)
    return Backdrop(seen, beyond)


def _plane(
    x_px: NDArray[np.float64],
    y_px: NDArray[np.float64],
    uv: NDArray[np.float32],
    camera: Camera,
    distance_m: float,
    quads: NDArray[np.int32],
    triangles: NDArray[np.int32],
) -> MeshArrays:
    vertices = camera.unproject(x_px, y_px, np.full(len(x_px), distance_m))
    normals = np.broadcast_to(np.array([0, 0, -1], np.float32), vertices.shape).copy()
    return MeshArrays(vertices, uv, normals, quads, triangles)


def _uv_beyond(x_px: NDArray[np.float64], y_px: NDArray[np.float64], camera: Camera) -> NDArray[np.float32]:
    """(V, 2) texture coordinates in the picture that is larger than the photo."""
    margin = FRAME_MARGIN * max(camera.width_px, camera.height_px)
    s = (x_px + margin) / (camera.width_px + 2 * margin)
    t = 1 - (y_px + margin) / (camera.height_px + 2 * margin)
    return np.stack([s, t], axis=1).astype(np.float32)


def _few_triangles(whole: NDArray[np.bool_]) -> NDArray[np.int32]:
    """(T, 3) triangles of a plane, large within and a cell each along the frame, where what is outside begins."""
    width = whole.shape[1] + 1
    inner = whole.copy()
    inner[[0, -1]] = inner[:, [0, -1]] = False
    level = np.ones((whole.shape[0] + 1, width), np.float32)
    row, col = np.nonzero(whole & ~inner)
    corner = row * width + col
    halves = [np.stack([corner, corner + width, corner + width + 1], axis=1)]
    halves.append(np.stack([corner, corner + width + 1, corner + 1], axis=1))
    return np.concatenate([adaptive_triangles(level, inner, 1.0), *halves]).astype(np.int32)


def _outside(
    covered: NDArray[np.bool_], camera: Camera
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Faces from the frame outwards, one for each link of its vertices and one at each of its corners.

    Returns:
        x_px, y_px: (V,) places of their vertices.
        quads: (Q, 4) corners, counter-clockwise as seen from the camera.
    """
    rows, cols = covered.shape
    margin = FRAME_MARGIN * max(camera.width_px, camera.height_px)
    y_px = np.concatenate([[-margin], np.linspace(0, camera.height_px, rows), [camera.height_px + margin]])
    x_px = np.concatenate([[-margin], np.linspace(0, camera.width_px, cols), [camera.width_px + margin]])
    there = np.pad(covered, 1, mode="edge")
    cells = there[1:, 1:] & there[1:, :-1] & there[:-1, 1:] & there[:-1, :-1]
    cells[1:-1, 1:-1] = False
    row, col = np.nonzero(cells)
    corner = row * (cols + 2) + col
    quads = np.stack([corner, corner + cols + 2, corner + cols + 3, corner + 1], axis=1)
    used, index = np.unique(quads, return_inverse=True)
    row, col = np.divmod(used, cols + 2)
    return x_px[col], y_px[row], index.reshape(-1, 4)


def behind_foreground(
    depth_m: NDArray[np.float32],
    surface: NDArray[np.bool_],
    sky: NDArray[np.bool_],
    camera: Camera,
    distance_m: float,
) -> NDArray[np.bool_]:
    """(h, w) where the sky goes on behind surfaces, as far as a camera that moves by `CAMERA_MOVE` uncovers.

    Args:
        depth_m: (h, w) metres, used where there is a surface.
        surface, sky: (h, w) what each place of the grid shows.
        camera: Camera at any size of the photo.
        distance_m: Depth of the sky.
    """
    beside = np.zeros_like(sky)
    for a, b in ((np.s_[:, 1:], np.s_[:, :-1]), (np.s_[1:], np.s_[:-1])):
        beside[a] |= sky[b]
        beside[b] |= sky[a]
    beside &= surface
    longer = max(sky.shape)
    disparity = np.where(surface, 1 / np.maximum(depth_m, 1e-6), 0)
    median = np.median(disparity[surface]) if surface.any() else 1.0
    focal = max(camera.fx_px, camera.fy_px) * longer / max(camera.width_px, camera.height_px)
    steps = np.ceil(CAMERA_MOVE * focal * (disparity - 1 / distance_m) / median)
    reach = np.clip(steps, MIN_REACH, max(MIN_REACH, MAX_REACH * longer))
    return _spread(surface, np.where(beside, reach, 0).astype(np.int32))


def _spread(surface: NDArray[np.bool_], reach: NDArray[np.int32]) -> NDArray[np.bool_]:
    """(h, w) all of the surface that is within reach, in steps of the grid, of the vertices that have one, farthest first."""
    height, width = surface.shape
    free = surface.ravel()
    left = reach.ravel().copy()
    starts = np.flatnonzero(left)
    starts = starts[np.argsort(-left[starts], kind="stable")]
    levels = range(int(left.max(initial=0)), 1, -1)
    first = np.searchsorted(-left[starts], [-level for level in levels] + [-1])
    front = starts[:0]
    for level, begin, end in zip(levels, first[:-1], first[1:], strict=True):
        # Those that others have passed on their way are in the front already.
        fresh_starts = starts[begin:end]
        front = np.concatenate([front, fresh_starts[left[fresh_starts] == level]])
        row, col = np.divmod(front, width)
        fresh: list[NDArray[np.int64]] = []
        # Alternating four and eight neighbours spreads almost in circles.
        for dy, dx in _AROUND[: 8 if level % 2 else 4]:
            y, x = row + dy, col + dx
            inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
            to = (y * width + x)[inside]
            to = np.unique(to[free[to] & (left[to] < level - 1)])
            left[to] = level - 1
            fresh.append(to)
        front = np.concatenate(fresh)
    return left.reshape(height, width) > 0
