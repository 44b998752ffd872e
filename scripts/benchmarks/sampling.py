"""Drawing points: against a plain triangle sampler, side by side, and how much memory many of them take.

The plain sampler weights the two triangles between each four neighbouring pixels by their
area, draws with `torch.multinomial` and places the points uniformly inside: all vectorised,
from the same depth map. Ours does everything from that map to coordinates as well, the search for
edges included. Both on all cores; medians of alternating runs.
"""

from __future__ import annotations

import math
import statistics
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from infinidepth_blender.camera import Camera
from infinidepth_blender.engine.points_stage import make_points
from infinidepth_blender.options import DEFAULT_EDGE_STEP, ReconstructOptions
from infinidepth_blender.query.grids import DepthSamples, depth_grid
from infinidepth_blender.query.sampling import FAR_CAP, GRAZING_CAP_DEG
from infinidepth_blender.query.surface_cells import SurfaceCells

from .analytic import room

NAMES = ["sampling_*"]
WIDTH_PX, HEIGHT_PX = 1024, 768
DRAWN = 1_000_000
RUNS = 7
MANY = 10_000_000


def run() -> dict[str, dict[str, Any]]:
    """`sampling_1m_over_multinomial` and `sampling_10m_peak_gb`."""
    camera = Camera.from_fov_x(math.radians(70), WIDTH_PX, HEIGHT_PX)
    field = room(camera)
    grid = depth_grid(field, camera, WIDTH_PX, HEIGHT_PX, edge_step=DEFAULT_EDGE_STEP)
    ours_s: list[float] = []
    plain_s: list[float] = []
    for _ in range(RUNS + 1):
        for draw, times in ((draw_ours, ours_s), (draw_triangles, plain_s)):
            start = time.perf_counter()
            draw(grid, camera)
            times.append(time.perf_counter() - start)
    ours, plain = statistics.median(ours_s[1:]), statistics.median(plain_s[1:])
    bytes_before, peak = resident_bytes(), PeakMemory()
    with peak:
        grey = np.full((HEIGHT_PX, WIDTH_PX, 3), 128, np.uint8)
        options = ReconstructOptions(points=MANY)
        start = time.perf_counter()
        points = make_points(field, camera, grey, grid, options, None, lambda fraction: None)
        many_s = time.perf_counter() - start
    result_gb = sum(getattr(points, name).nbytes for name in points.__dataclass_fields__) / 1e9
    return {
        "sampling_1m_over_multinomial": {
            "value": ours / plain,
            "unit": "of a plain triangle sampler's time",
            "target": 1.5,
            "better": "lower",
            "note": f"{ours:.3f} s against {plain:.3f} s, medians of {RUNS}, {WIDTH_PX} x {HEIGHT_PX} depth, "
            f"{torch.get_num_threads()} threads",
        },
        "sampling_10m_peak_gb": {
            "value": (peak.bytes - bytes_before) / 1e9,
            "unit": "GB more than before",
            "target": 1.0,
            "better": "lower",
            "note": f"{MANY} points of an analytic room in {many_s:.0f} s; the arrays themselves are {result_gb:.2f} GB",
        },
    }


def draw_ours(grid: DepthSamples, camera: Camera) -> NDArray[np.float32]:
    cells = SurfaceCells.from_depth(grid, camera, DEFAULT_EDGE_STEP, GRAZING_CAP_DEG, FAR_CAP)
    return np.concatenate([drawn.coords_yx for _, drawn in cells.draw(DRAWN, 0)])


def draw_triangles(grid: DepthSamples, camera: Camera) -> Tensor:
    """(N, 2) coordinates by area-weighted triangles with replacement."""
    depth = torch.from_numpy(grid.depth_m)
    height, width = depth.shape
    x = (torch.arange(width) + 0.5 - camera.cx_px) / camera.fx_px
    y = (torch.arange(height) + 0.5 - camera.cy_px) / camera.fy_px
    vertices = torch.stack([x * depth, y[:, None] * depth, depth], dim=-1)
    a, b, c, d = vertices[:-1, :-1], vertices[1:, :-1], vertices[:-1, 1:], vertices[1:, 1:]
    areas = [torch.linalg.cross(p, q).norm(dim=-1).ravel() for p, q in ((b - a, c - a), (c - d, b - d))]
    face = torch.multinomial(torch.cat(areas), DRAWN, replacement=True)
    u, v = torch.rand(DRAWN), torch.rand(DRAWN)
    beyond = u + v > 1
    u, v = torch.where(beyond, 1 - u, u), torch.where(beyond, 1 - v, v)
    lower = face >= len(areas[0])
    quad = torch.where(lower, face - len(areas[0]), face)
    row = torch.div(quad, width - 1, rounding_mode="floor")
    column = quad - row * (width - 1)
    down = torch.where(lower, row + 1 - u, row + u)
    right = torch.where(lower, column + 1 - v, column + v)
    return torch.stack([(down + 0.5) / height * 2 - 1, (right + 0.5) / width * 2 - 1], dim=1)


def resident_bytes() -> int:
    """Memory of this process now (Linux)."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) * 1024


class PeakMemory:
    """The most memory that this process has while the block runs, looked at every 20 ms."""

    def __enter__(self) -> PeakMemory:
        self.bytes = resident_bytes()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._end.wait(0.02):
            self.bytes = max(self.bytes, resident_bytes())


if __name__ == "__main__":
    for key, result in run().items():
        print(f"{key:30s} {result['value']:.3f}  {result['note']}")
