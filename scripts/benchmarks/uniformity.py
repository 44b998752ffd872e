"""How evenly the Infinite Depth Query spreads its points over a surface.

The measure: the floor of a room is divided into squares of 0.5 m, and the points in each
one that the camera sees whole are counted. Points drawn independently and uniformly would
give a coefficient of variation of 1 / sqrt(mean count); the value reported is the
coefficient that was measured over that one. The caps of the sampler are off.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infinidepth_blender.camera import Camera
from infinidepth_blender.geometry.points import coords_to_px
from infinidepth_blender.options import DEFAULT_EDGE_STEP
from infinidepth_blender.query.grids import depth_grid
from infinidepth_blender.query.sampling import SurfaceSamples, sample_surface

from .analytic import AnalyticField, plane, room, sphere

WIDTH_PX, HEIGHT_PX = 1024, 768
COUNTS = (50_000, 200_000, 1_000_000, 2_000_000)
CELL_M = 0.5
TARGET = 0.5


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


def counts_per_cell(scene: Scene, samples: SurfaceSamples) -> NDArray[np.float64]:
    """Points in each cell of the scene's patch."""
    camera = scene.field.camera
    px = coords_to_px(samples.coords_yx, camera.width_px, camera.height_px)
    points = camera.unproject(px[:, 0], px[:, 1], samples.depth_m).astype(np.float64)
    place, there = scene.cells(points)
    counts, _ = np.histogramdd(place[there], bins=scene.edges)
    return counts.ravel()


def variation_over_poisson(counts: NDArray[np.float64]) -> tuple[float, float]:
    """The coefficient of variation, and what points drawn independently would have."""
    mean = counts.mean()
    return float(counts.std() / mean), float(1 / math.sqrt(mean))


def run() -> dict[str, dict[str, Any]]:
    """All scenes at all numbers of points, as `uniformity_<scene>_<points>`."""
    camera = Camera.from_fov_x(math.radians(70), WIDTH_PX, HEIGHT_PX)
    results: dict[str, dict[str, Any]] = {}
    for name, scene in scenes(camera).items():
        grid = depth_grid(scene.field, camera, WIDTH_PX, HEIGHT_PX, edge_step=DEFAULT_EDGE_STEP)
        for count in COUNTS:
            samples = sample_surface(
                scene.field,
                camera,
                count,
                seed=0,
                edge_step=DEFAULT_EDGE_STEP,
                grid=grid,
                grazing_cap_deg=None,
                far_cap=None,
            )
            cells = counts_per_cell(scene, samples)
            measured, poisson = variation_over_poisson(cells)
            results[f"uniformity_{name}_{count}"] = {
                "value": measured / poisson,
                "unit": "of Poisson's coefficient of variation",
                "target": TARGET,
                "better": "lower",
                "note": f"{measured:.4f} over {poisson:.4f}; {len(cells)} cells, fewest points {int(cells.min())}, "
                f"{len(samples)} of {count} points kept",
            }
    return results


if __name__ == "__main__":
    for key, entry in run().items():
        print(f"{key:28s} {entry['value']:.3f}  {entry['note']}")
