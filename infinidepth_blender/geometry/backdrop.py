"""The sky as a far surface behind everything else, in the photo's colours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..camera import Camera
from ..reconstruction import FLAG_VALID, MeshArrays
from .cells import CellFaces, cut_cells
from .mesh import grid_to_px, uv_of

DISTANCE_FACTOR = 1.5
"""Distance of the backdrop over the 99.9 % quantile of the depths."""
MIN_DISTANCE_M = 10.0
MARGIN_FRACTION = 0.04
"""How far the backdrop reaches below foreground edges, of the longer side."""
FRINGE = 2
"""Grid steps from a foreground edge within which the sky's pixels are not repeated in the margin."""


def backdrop_distance_m(depth_m: NDArray[np.float32], flags: NDArray[np.uint8]) -> float:
    """Depth of a backdrop that lies behind every surface, metres."""
    depths = depth_m[(flags & FLAG_VALID) > 0]
    if not len(depths):
        return MIN_DISTANCE_M
    return float(max(MIN_DISTANCE_M, DISTANCE_FACTOR * np.quantile(depths, 0.999), 1.02 * depths.max()))


def build_backdrop(
    depth_m: NDArray[np.float32], flags: NDArray[np.uint8], camera: Camera, distance_m: float | None = None
) -> MeshArrays | None:
    """Makes a plane at constant depth that shows the photo wherever there is no surface.

    It is a plane rather than a sphere because there the photo's texture coordinates are
    exact over a whole face. It goes on for a margin below the foreground's edges, so that
    small moves of the camera open no gap; that part, which the photo's own camera does
    not see, repeats the nearest pixels of the sky instead of the foreground's.

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
    margin = max(3, round(MARGIN_FRACTION * max(sky.shape)))
    nearest = _nearest_sky(sky, margin)
    covered = nearest >= 0
    # The border between sky and margin is torn like a depth step: exact photo on one side of it.
    right = sky[:, 1:] != sky[:, :-1]
    down = sky[1:] != sky[:-1]
    faces = cut_cells(right, down, covered)
    x_px, y_px = grid_to_px(faces, sky.shape, camera)
    uv = _texture_places(faces, sky, nearest, camera)
    vertices = camera.unproject(x_px, y_px, np.full(len(x_px), distance_m))
    normals = np.broadcast_to(np.array([0, 0, -1], np.float32), vertices.shape).copy()
    return MeshArrays(vertices, uv, normals, faces.quads, faces.triangles)


def _texture_places(
    faces: CellFaces, sky: NDArray[np.bool_], nearest: NDArray[np.int64], camera: Camera
) -> NDArray[np.float32]:
    """(V, 2) texture coordinates: a sky vertex's own, a margin vertex's nearest sky's."""
    width = sky.shape[1]
    in_sky = sky.ravel()[faces.owner]
    row, col = np.divmod(nearest.ravel()[faces.owner], width)
    shown = CellFaces(
        faces.owner,
        faces.other,
        np.where(in_sky, faces.row, row).astype(np.float32),
        np.where(in_sky, faces.col, col).astype(np.float32),
        faces.quads,
        faces.triangles,
    )
    return uv_of(*grid_to_px(shown, sky.shape, camera), camera)


def _nearest_sky(sky: NDArray[np.bool_], margin: int) -> NDArray[np.int64]:
    """(h, w) flat index of a nearby sky vertex within `margin` steps, -1 further away.

    The sources keep `FRINGE` steps of distance from the foreground where the sky is wide
    enough, since the pixels right at an edge show a mixture of both.
    """
    inner = sky
    for _ in range(FRINGE):
        inner = _shrink(inner)
    own = np.arange(sky.size).reshape(sky.shape)
    nearest = np.where(inner, own, -1)
    _spread(nearest, 2 * FRINGE)
    # Sky too narrow for that shows itself.
    nearest = np.where(sky & (nearest < 0), own, nearest)
    _spread(nearest, margin)
    return nearest


def _spread(nearest: NDArray[np.int64], steps: int) -> None:
    """Hands labels (>= 0) on to unlabelled neighbours, front by front, in place."""
    height, width = nearest.shape
    labels = nearest.ravel()
    labelled = nearest >= 0
    front = np.flatnonzero(labelled & ~_shrink(labelled))
    for step in range(steps):
        row, col = np.divmod(front, width)
        fresh: list[NDArray[np.int64]] = []
        # Alternating four and eight neighbours spreads almost in circles.
        for dy, dx in _AROUND[: 8 if step % 2 else 4]:
            y, x = row + dy, col + dx
            inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
            target, source = (y * width + x)[inside], front[inside]
            free = labels[target] < 0
            labels[target[free]] = labels[source[free]]
            fresh.append(np.unique(target[free]))
        front = np.concatenate(fresh)
        if not len(front):
            break


_AROUND = ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1))


def _shrink(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Removes the outermost ring of a mask; the image border is no edge."""
    padded = np.pad(mask, 1, mode="edge")
    return mask & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
