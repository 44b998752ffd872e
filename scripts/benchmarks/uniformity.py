"""How evenly the Infinite Depth Query spreads its points over a surface.

The measure: a surface is divided into cells of equal area, such as squares of 0.5 m on the
floor of a room, and the points of the written `points.ply` are counted in each one that the
camera sees whole. Points drawn independently and uniformly would give a coefficient of
variation of 1 / sqrt(mean count); the value reported is the coefficient that was measured
over that one. The grazing cap is off. `real` is the bundled model's field of a photo; the area of its
cells is that of the triangles of the mesh that the photo becomes, which knows nothing of the sampler. It leaves out
what is within two pixels of a depth step or of a ramp that counts as one; `real_with_steps` leaves nothing out.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import skimage.data
from numpy.typing import NDArray
from PIL import Image
from plyfile import PlyData

from infinidepth_blender.camera import Camera
from infinidepth_blender.engine.exports import write_points_ply
from infinidepth_blender.engine.points_stage import make_points
from infinidepth_blender.engine.scale import scale_to_metres
from infinidepth_blender.field.load import load_field_model
from infinidepth_blender.field.protocol import DepthField
from infinidepth_blender.geometry.edges import disparity_of, sharpen
from infinidepth_blender.geometry.mesh import cut_grid, mesh_of_grid
from infinidepth_blender.options import DEFAULT_EDGE_STEP, ReconstructOptions
from infinidepth_blender.query.grids import DepthSamples, depth_grid, mesh_grid
from infinidepth_blender.reconstruction import FLAG_EDGE, FLAG_VALID

from .analytic import AnalyticField, plane, room, sphere
from .equal_area import EqualAreaCells

WIDTH_PX, HEIGHT_PX = 1024, 768
COUNTS = (50_000, 200_000, 1_000_000, 2_000_000)
CELL_M = 0.5
TARGET = 0.5
HALVINGS = 8
"""The real field's surface is divided into 256 cells."""
PHOTO = Path(__file__).resolve().parents[3] / "shared" / "samples" / "courtyard.jpg"
"""Where it is missing, a photo that scikit-image brings."""


@dataclass(frozen=True)
class Scene:
    """A scene and the patch of equal cells on it.

    Attributes:
        field: The scene.
        cells: (N, 2) place of points on the patch and (N,) whether they are on it.
        edges: Borders of the cells along both axes of the patch.
    """

    field: AnalyticField
    cells: Callable[[NDArray[np.float64]], tuple[NDArray[np.float64], NDArray[np.bool_]]]
    edges: tuple[NDArray[np.float64], NDArray[np.float64]]


def scenes(camera: Camera) -> dict[str, Scene]:
    """Plane, room and sphere, each with cells of equal area that are wholly in view."""
    tilted = AnalyticField(camera, [plane((0.3, 0.2, 1.0), 4.0)])
    ball = AnalyticField(camera, [sphere((0.0, 0.0, 5.0), 1.5), plane((0, 0, 1), 9.0)])
    normal = np.array([0.3, 0.2, 1.0]) / math.sqrt(1.13)
    along = np.cross([0, 1, 0], normal)
    along /= np.linalg.norm(along)
    across = np.cross(normal, along)

    def on_plane(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        return (points - [0, 0, 4.0]) @ np.stack([along, across], axis=1), np.ones(len(points), bool)

    def on_floor(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        return points[:, [0, 2]], np.abs(points[:, 1] - 1.5) < 1e-3

    def on_sphere(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        # By Archimedes' hat-box theorem equal steps along the axis have equal areas.
        offset = points - [0, 0, 5.0]
        angle = np.arctan2(offset[:, 1], offset[:, 0])
        return np.stack([angle, -offset[:, 2] / 1.5], axis=1), points[:, 2] < 5.0

    return {
        "plane": Scene(tilted, on_plane, (np.arange(-2, 2.01, CELL_M), np.arange(-1.5, 1.51, CELL_M))),
        "room": Scene(room(camera), on_floor, (np.arange(-2.5, 2.51, CELL_M), np.arange(4.0, 8.01, CELL_M))),
        "sphere": Scene(ball, on_sphere, (np.linspace(-np.pi, np.pi, 17), np.linspace(0.4, 1.0, 7))),
    }


def counts_per_cell(scene: Scene, points_cam: NDArray[np.floating]) -> NDArray[np.float64]:
    """Points in each cell of the scene's patch."""
    place, there = scene.cells(points_cam.astype(np.float64))
    counts, _ = np.histogramdd(place[there], bins=scene.edges)
    return counts.ravel()


def variation_over_poisson(counts: NDArray[np.float64]) -> tuple[float, float]:
    """The coefficient of variation, and what points drawn independently would have."""
    mean = counts.mean()
    return float(counts.std() / mean), float(1 / math.sqrt(mean))


def written_points(field: DepthField, camera: Camera, grid: DepthSamples, count: int) -> NDArray[Any]:
    """The rows of a `points.ply` with the grazing cap off."""
    options = ReconstructOptions(points=count, grazing_cap_deg=None)
    grey = np.full((camera.height_px, camera.width_px, 3), 128, np.uint8)
    points = make_points(field, camera, grey, grid, options, None, lambda fraction: None)
    with tempfile.TemporaryDirectory() as folder:
        write_points_ply(Path(folder) / "points.ply", points)
        return np.array(PlyData.read(Path(folder) / "points.ply")["vertex"].data)


def run() -> dict[str, dict[str, Any]]:
    """All scenes at all numbers of points, as `uniformity_<scene>_<points>`."""
    camera = Camera.from_fov_x(math.radians(70), WIDTH_PX, HEIGHT_PX)
    results: dict[str, dict[str, Any]] = {}
    for name, scene in scenes(camera).items():
        grid = depth_grid(scene.field, camera, WIDTH_PX, HEIGHT_PX, edge_step=DEFAULT_EDGE_STEP)
        for count in COUNTS:
            rows = written_points(scene.field, camera, grid, count)
            cells = counts_per_cell(scene, np.stack([rows[axis] for axis in "xyz"], axis=1))
            results[f"uniformity_{name}_{count}"] = entry(cells, len(rows), count)
    field, camera, grid = real_field()
    area, whole = mesh_area(field, camera, grid), away_from_steps(grid)
    left_out = f"left out: {1 - whole.mean():.1%} of the pixels with {area[~whole].sum() / area.sum():.1%} of the area"
    surfaces = {"real": EqualAreaCells(area * whole, HALVINGS), "real_with_steps": EqualAreaCells(area, HALVINGS)}
    for count in COUNTS:
        rows = written_points(field, camera, grid, count)
        px = np.stack([rows["source_x"], rows["source_y"]], axis=1).astype(np.float64)
        for name, cells_of in surfaces.items():
            result = entry(cells_of.counts(px), len(rows), count)
            results[f"uniformity_{name}_{count}"] = result
            if name == "real":
                result["note"] += f"; {left_out}"
            else:
                result["target"] = None
    return results


def entry(cells: NDArray[np.float64], kept: int, count: int) -> dict[str, Any]:
    measured, poisson = variation_over_poisson(cells)
    return {
        "value": measured / poisson,
        "unit": "of Poisson's coefficient of variation",
        "target": TARGET,
        "better": "lower",
        "note": f"{measured:.4f} over {poisson:.4f}; {len(cells)} cells, fewest points {int(cells.min())}, "
        f"{kept} of {count} points kept",
    }


def real_field() -> tuple[DepthField, Camera, DepthSamples]:
    """The bundled model's field of a photo, in metres by the usual convention, and its depth map."""
    photo = skimage.data.chelsea() if not PHOTO.is_file() else np.asarray(Image.open(PHOTO).convert("RGB"))
    height, width = photo.shape[:2]
    raw = load_field_model("bundled", "cpu").encode(photo)
    field = scale_to_metres(raw, None, width, height, 0).field
    camera = Camera.from_fov_x(raw.fov_x_rad or math.radians(60), width, height)
    return field, camera, depth_grid(field, camera, width, height, edge_step=DEFAULT_EDGE_STEP)


def mesh_area(field: DepthField, camera: Camera, grid: DepthSamples) -> NDArray[np.float64]:
    """(h, w) area of the mesh's triangles behind every pixel of the depth map."""
    height, width = grid.depth_m.shape
    depth_m, flags = mesh_grid(field, camera, max(height, width) + 1)
    mesh = mesh_of_grid(cut_grid(depth_m, flags, DEFAULT_EDGE_STEP), camera, faces="triangles")
    corners = mesh.vertices_cam.astype(np.float64)[mesh.triangles]
    doubled = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    s, t = mesh.uv[mesh.triangles].mean(axis=1).T
    column, row = (s * width).astype(np.intp), ((1 - t) * height).astype(np.intp)
    pixel = np.minimum(row, height - 1) * width + np.minimum(column, width - 1)
    area = np.bincount(pixel, weights=np.linalg.norm(doubled, axis=1) / 2, minlength=height * width)
    return area.astype(np.float64).reshape(height, width)


def away_from_steps(grid: DepthSamples) -> NDArray[np.bool_]:
    """(h, w) pixels that show a surface and are not within two pixels of a depth step or a ramp that counts as one."""
    valid = (grid.flags & FLAG_VALID) > 0
    _, edges = sharpen(disparity_of(grid.depth_m, valid), valid, DEFAULT_EDGE_STEP)
    whole = valid & ((grid.flags & FLAG_EDGE) == 0) & ~edges.touched()
    return np.asarray(cv2.erode(whole.astype(np.uint8), np.ones((5, 5), np.uint8))) > 0


if __name__ == "__main__":
    for key, result in run().items():
        print(f"{key:28s} {result['value']:.3f}  {result['note']}")
