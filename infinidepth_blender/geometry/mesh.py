"""A textured mesh from depths on a grid of vertices that reaches the photo's border.

The mesh is torn at depth steps (see `edges` and `cells`): seen from the photo's own
camera it covers every pixel that has a surface, and no face connects two surfaces.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..camera import Camera
from ..options import DEFAULT_MESH_ERROR, MeshFaces, MeshKind
from ..reconstruction import FLAG_VALID, MeshArrays
from .adaptive import adaptive_triangles
from .cells import CellFaces, cut_cells
from .edges import Edges, disparity_of, sharpen
from .rims import with_wider_rims

CAMERA_MOVE = 0.15
"""How far a camera is expected to move aside, of the median distance: errors in pixels are those that it sees, and
the background reaches as far as it uncovers."""
STRAIGHT = 1e-4
"""Relative bend between two links that is no bend."""
CREASE = 0.05
"""How gradually the straighter side of a vertex takes over; 0 would be at once."""
MAX_CONTINUATION = 0.1
"""Most relative change of disparity by which a surface is continued beyond its last vertex."""


def mesh_vertex_coords(mesh_size: int, camera: Camera) -> tuple[NDArray[np.float32], tuple[int, int]]:
    """Where a mesh asks the field: a grid over the whole photo, its corners included.

    Args:
        mesh_size: Vertices along the photo's longer side, at least 2.
        camera: Camera of the photo; only its size matters.

    Returns:
        coords_yx: (rows * cols, 2) float32 query coordinates in [-1, 1], row by row.
        (rows, cols): Size of the grid.
    """
    rows, cols = mesh_grid_size(mesh_size, camera)
    y = np.linspace(-1, 1, rows, dtype=np.float32)
    x = np.linspace(-1, 1, cols, dtype=np.float32)
    return np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1).reshape(-1, 2), (rows, cols)


def mesh_grid_size(mesh_size: int, camera: Camera) -> tuple[int, int]:
    """(rows, cols) of a mesh with `mesh_size` vertices along the photo's longer side."""
    longer = max(camera.width_px, camera.height_px)
    rows, cols = (max(2, round((mesh_size - 1) * side / longer) + 1) for side in (camera.height_px, camera.width_px))
    return rows, cols


@dataclass(frozen=True)
class CutGrid:
    """The surfaces on a grid of vertices, told apart: what every mesh of a photo is made from.

    Attributes:
        disparity: (h, w) float32, no vertex between two surfaces; 0 where not valid.
        valid: (h, w) bool, the vertex has a surface.
        edges: The links that are torn.
        d_x, d_y: (h, w) float32 change of disparity per grid step, never taken across a tear.
        edge_step: Relative depth step that tears.
    """

    disparity: NDArray[np.float32]
    valid: NDArray[np.bool_]
    edges: Edges
    d_x: NDArray[np.float32]
    d_y: NDArray[np.float32]
    edge_step: float


def cut_grid(depth_m: NDArray[np.float32], flags: NDArray[np.uint8], edge_step: float, rim_steps: int = 0) -> CutGrid:
    """Tells the surfaces on a grid of depths apart.

    Args:
        depth_m: (rows, cols) depth at the vertices of `mesh_vertex_coords`, metres.
        flags: (rows, cols) uint8; vertices without `FLAG_VALID` (sky, no data) get no surface.
        edge_step: Relative depth step between neighbours that tears the surface.
        rim_steps: Vertices by which near surfaces reach further than that; see `photo_rim_steps`.
    """
    valid = (flags & FLAG_VALID) > 0
    disparity, edges = sharpen(disparity_of(depth_m, valid), valid, edge_step)
    if rim_steps:
        disparity, edges = with_wider_rims(disparity, valid, edges, edge_step, rim_steps)
    return CutGrid(disparity, valid, edges, *surface_gradient(disparity, valid, edges), edge_step)


def photo_rim_steps(cols: int, photo_width_px: int) -> int:
    """Vertices that a pixel of the photo spans, at least 1: so far from a cut its pixels show a mixture of both sides."""
    return max(1, round((cols - 1) / photo_width_px))


def mesh_of_grid(
    grid: CutGrid,
    camera: Camera,
    *,
    kind: MeshKind = "regular",
    max_error: float = DEFAULT_MESH_ERROR,
    max_error_px: float | None = None,
    faces: MeshFaces = "quads",
) -> MeshArrays:
    """Makes the mesh of everything that has a depth.

    Args:
        grid: The surfaces.
        camera: Camera at any size of the photo; the size matters to `max_error_px`.
        kind: `regular`: every vertex; `adaptive`: only those that the error asks for. Both are
            cut along the same lines.
        max_error: Largest relative depth error of an adaptive mesh at the vertices left out.
        max_error_px: How far at most these vertices are off in the picture of a camera that
            has moved aside by `CAMERA_MOVE`, in pixels; None: any distance. Both bounds hold.
        faces: `quads`: whole cells of a regular mesh stay quads; `triangles`: no face has
            more than three corners.

    Returns:
        Quads where a regular mesh is whole, triangles and quads at the cuts. A photo without
        any depth gives a mesh without faces.
    """
    cover = _adaptive_cover(grid, camera, max_error, max_error_px) if kind == "adaptive" else None
    cells = cut_cells(grid.edges.right, grid.edges.down, grid.valid, cover)
    at_vertex = _continued_disparity(grid, cells)
    rows, cols = grid.valid.shape
    x_px, y_px = grid_to_px(cells, grid.valid.shape, camera)
    normals = plane_normals(
        at_vertex,
        grid.d_x.ravel()[cells.owner] * (cols - 1) / camera.width_px,
        grid.d_y.ravel()[cells.owner] * (rows - 1) / camera.height_px,
        x_px,
        y_px,
        camera,
    )
    quads, triangles = cells.quads, cells.triangles
    if faces == "triangles":
        triangles = np.concatenate([split_quads(quads, at_vertex), triangles])
        quads = quads[:0]
    return MeshArrays(
        vertices_cam=camera.unproject(x_px, y_px, 1 / at_vertex),
        uv=uv_of(x_px, y_px, camera),
        normals_cam=normals,
        quads=quads,
        triangles=triangles,
    )


def _adaptive_cover(
    grid: CutGrid, camera: Camera, max_error: float, max_error_px: float | None
) -> Callable[[NDArray[np.bool_]], NDArray[np.int32]]:
    """What covers the whole cells of an adaptive mesh; see `mesh_of_grid`."""
    # Compiled code is the engine's alone: whoever makes a regular mesh needs none.
    from .collapse import collapsed

    max_difference = np.inf
    if max_error_px is not None and grid.valid.any():
        # A camera that moves aside by b sees a point of disparity D move by focal length * b * D.
        move = CAMERA_MOVE / np.median(grid.disparity[grid.valid])
        max_difference = float(max_error_px / (max(camera.fx_px, camera.fy_px) * move))

    def cover(whole: NDArray[np.bool_]) -> NDArray[np.int32]:
        triangles = adaptive_triangles(grid.disparity, whole, max_error, max_difference)
        return collapsed(triangles, grid.disparity, whole, max_error, max_difference)

    return cover


def split_quads(quads: NDArray[np.int32], disparity: NDArray[np.floating]) -> NDArray[np.int32]:
    """(2 Q, 3) triangles: every quad is divided along the diagonal on which disparity changes least.

    That diagonal runs along a crease instead of across it.
    """
    at = disparity[quads]
    other = np.abs(at[:, 1] - at[:, 3]) < np.abs(at[:, 0] - at[:, 2])
    turned = np.where(other[:, None], quads[:, [1, 2, 3, 0]], quads)
    return np.concatenate([turned[:, [0, 1, 2]], turned[:, [0, 2, 3]]])


def triangulated(mesh: MeshArrays) -> MeshArrays:
    """The mesh with its quads divided as `split_quads` divides them, in front of its triangles."""
    triangles = split_quads(mesh.quads, 1 / mesh.vertices_cam[:, 2])
    return replace(mesh, quads=mesh.quads[:0], triangles=np.concatenate([triangles, mesh.triangles]))


def grid_to_px(
    faces: CellFaces, shape: tuple[int, ...], camera: Camera
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(V,) pixel positions x and y of vertices given on a grid over the whole photo."""
    x_px = faces.col.astype(np.float64) * (camera.width_px / (shape[1] - 1))
    y_px = faces.row.astype(np.float64) * (camera.height_px / (shape[0] - 1))
    return x_px, y_px


def uv_of(x_px: NDArray[np.float64], y_px: NDArray[np.float64], camera: Camera) -> NDArray[np.float32]:
    """(V, 2) texture coordinates of pixel positions: s to the right, t up."""
    return np.stack([x_px / camera.width_px, 1 - y_px / camera.height_px], axis=1).astype(np.float32)


def surface_gradient(
    disparity: NDArray[np.float32], valid: NDArray[np.bool_], edges: Edges
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Change of disparity per grid step along x and y, never taken across a tear.

    Returns:
        Two (h, w) float32 arrays, 0 where the links to both neighbours are torn.
    """
    d_x = _gradient_along_rows(disparity, valid, edges.right)
    d_y = _gradient_along_rows(disparity.T, valid.T, edges.down.T).T
    return d_x, d_y


def _gradient_along_rows(
    disparity: NDArray[np.float32], valid: NDArray[np.bool_], torn: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Change per column: the mean of the steps to both sides, weighted by how straight each side goes on.

    The plain mean would round off every crease. With weights that fall with the bend of
    the two links on a side, a vertex beside a crease follows the plane that it lies on.
    """
    whole = valid[:, 1:] & valid[:, :-1] & ~torn
    step = np.where(whole, disparity[:, 1:] - disparity[:, :-1], 0)
    # Links before and after each vertex, with two absent ones beyond either end.
    links = np.pad(step, ((0, 0), (2, 2)))
    exists = np.pad(whole, ((0, 0), (2, 2)))
    before, after = links[:, 1:-2], links[:, 2:-1]
    at_vertex = np.abs(after - before)
    bend_before = np.where(exists[:, :-3], np.abs(before - links[:, :-3]), at_vertex)
    bend_after = np.where(exists[:, 3:], np.abs(links[:, 3:] - after), at_vertex)
    # On a curved surface both bends are much the same, and so must be the weights.
    common = CREASE * (bend_before + bend_after) ** 2 + (STRAIGHT * disparity) ** 2 + np.finfo(np.float32).tiny
    weight_before = exists[:, 1:-2] / (bend_before * bend_before + common)
    weight_after = exists[:, 2:-1] / (bend_after * bend_after + common)
    total = weight_before + weight_after
    mean = weight_before * before + weight_after * after
    return np.divide(mean, total, out=np.zeros(disparity.shape, np.float32), where=total > 0)


def plane_normals(
    disparity: NDArray[np.floating],
    d_x: NDArray[np.floating],
    d_y: NDArray[np.floating],
    x_px: NDArray[np.floating],
    y_px: NDArray[np.floating],
    camera: Camera,
) -> NDArray[np.float32]:
    """Surface normals from disparity and its derivative by the pixel, in closed form.

    With X = r / D, r = ((x - cx) / fx, (y - cy) / fy, 1), the product dX/dx x dX/dy is
    (fx D_x, fy D_y, D - (x - cx) D_x - (y - cy) D_y) / (fx fy D^3); for a plane that
    vector is the same everywhere. It points away from the camera (its product with r is
    D > 0), so the normal is its opposite.

    Args:
        disparity, d_x, d_y, x_px, y_px: (...) arrays.
        camera: Camera at the size that the pixels refer to.

    Returns:
        (..., 3) float32 unit vectors that face the camera.
    """
    away = np.stack(
        [
            camera.fx_px * d_x,
            camera.fy_px * d_y,
            disparity - (x_px - camera.cx_px) * d_x - (y_px - camera.cy_px) * d_y,
        ],
        axis=-1,
    )
    length = np.linalg.norm(away, axis=-1, keepdims=True)
    return (-away / np.maximum(length, np.finfo(np.float32).tiny)).astype(np.float32)


def _continued_disparity(grid: CutGrid, faces: CellFaces) -> NDArray[np.float64]:
    """(V,) disparity of every vertex: its owner's, continued along the owner's surface.

    At a tear the near surface stays in front of the far one: neither is continued past
    the middle between the two.
    """
    disparity = grid.disparity.ravel()
    owner_row, owner_col = np.divmod(faces.owner, grid.disparity.shape[1])
    own = disparity[faces.owner].astype(np.float64)
    change = grid.d_x.ravel()[faces.owner] * (faces.col - owner_col)
    change += grid.d_y.ravel()[faces.owner] * (faces.row - owner_row)
    result = own + np.clip(change, -MAX_CONTINUATION * own, MAX_CONTINUATION * own)
    across = np.where(grid.valid.ravel()[faces.other], disparity[faces.other], own)
    middle = (own + across) / 2
    result = np.where(across > own, np.minimum(result, middle), result)
    return np.where(across < own, np.maximum(result, middle), result)
