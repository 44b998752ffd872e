"""Casting rays against solids: a grid of them from a camera or a distant light, or any from one point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .shapes import NO_HIT, RELIEF, intersect
from .solids import Solids

NEAR_M = 0.05
DENSE_ELEMENTS = 2**24
"""Rays times solids that are intersected at once on a GPU."""
FEW_ELEMENTS = 2**20
"""Rays times solids up to which a CPU, too, is faster without windows."""


@dataclass
class RayGrid:
    """Rays of a camera or of a distant light, `origin + t * direction`, on a regular grid.

    Both are affine in the grid coordinates (x, y): `base + x * step_x + y * step_y`. A
    perspective camera has a constant origin and directions with unit z in camera axes, so
    that t is the depth along the optical axis; a distant light has constant directions.
    """

    origin: np.ndarray
    axis_x: np.ndarray
    axis_y: np.ndarray
    forward: np.ndarray
    x: Tensor
    y: Tensor
    parallel: bool = False

    def bundle(self, columns: slice, rows: slice, world_to_local: np.ndarray, centre: np.ndarray):
        """Origins and directions in a solid's local axes: two lists of three broadcastable tensors or numbers."""
        x, y = self.x[columns][None, :], self.y[rows][:, None]
        start = world_to_local @ (self.origin - centre)
        ax, ay, fw = world_to_local @ self.axis_x, world_to_local @ self.axis_y, world_to_local @ self.forward
        varying = [(x * float(ax[k])) + (y * float(ay[k])) for k in range(3)]
        if self.parallel:
            origins = [varying[k] + float(start[k]) for k in range(3)]
            directions = [x.new_tensor(float(fw[k])) for k in range(3)]
        else:
            origins = [float(start[k]) for k in range(3)]
            directions = [varying[k] + float(fw[k]) for k in range(3)]
        return origins, directions

    def windows(self, corners: np.ndarray) -> list[tuple[slice, slice] | None]:
        """For each of (n, 8, 3) sets of corners the block of rays that can meet its hull, None if none can."""
        basis = np.stack([self.axis_x, self.axis_y, self.forward])
        coords = (corners - self.origin) @ np.linalg.inv(basis)
        depth = coords[..., 2]
        xs, ys = self.x.cpu().numpy(), self.y.cpu().numpy()
        if self.parallel:
            px, py = coords[..., 0], coords[..., 1]
            everywhere = behind = np.zeros(len(corners), dtype=bool)
        else:
            safe = np.maximum(depth, 0.02)
            px, py = coords[..., 0] / safe, coords[..., 1] / safe
            behind = depth.max(axis=1) <= NEAR_M
            everywhere = depth.min(axis=1) <= 0.02
        c0 = np.maximum(np.searchsorted(xs, px.min(axis=1)) - 1, 0)
        c1 = np.searchsorted(xs, px.max(axis=1)) + 1
        r0 = np.maximum(np.searchsorted(ys, py.min(axis=1)) - 1, 0)
        r1 = np.searchsorted(ys, py.max(axis=1)) + 1
        inside = (
            (px.max(axis=1) >= xs[0])
            & (px.min(axis=1) <= xs[-1])
            & (py.max(axis=1) >= ys[0])
            & (py.min(axis=1) <= ys[-1])
        )
        full = (slice(0, len(xs)), slice(0, len(ys)))
        return [
            None
            if behind[i] or not (inside[i] or everywhere[i])
            else (full if everywhere[i] else (slice(int(c0[i]), int(c1[i])), slice(int(r0[i]), int(r1[i]))))
            for i in range(len(corners))
        ]


def cast_grid(solids: Solids, rays: RayGrid, near: float | Tensor = NEAR_M) -> tuple[Tensor, Tensor]:
    """First hits of a grid of rays, beyond `near`: one number or one per ray.

    Returns:
        (rows, columns) float32 t, infinity where nothing is hit, and (rows, columns) int64
        index of the solid, -1 where nothing is hit.
    """
    depth = torch.full((len(rays.y), len(rays.x)), NO_HIT, device=rays.x.device)
    index = torch.full(depth.shape, -1, dtype=torch.int64, device=rays.x.device)
    windows = rays.windows(solids.corners())
    seen = [i for i, window in enumerate(windows) if window is not None]
    if rays.x.device.type == "cuda" or depth.numel() * len(seen) < FEW_ELEMENTS:
        cast_dense(solids, [i for i in seen if solids.kinds[i] != RELIEF], rays, near, depth, index)
        seen = [i for i in seen if solids.kinds[i] == RELIEF]
    for i in seen:
        columns, rows = windows[i]  # type: ignore[misc]
        origin, direction = rays.bundle(columns, rows, solids.rotations[i], solids.centres[i])
        t = _one(solids, i, origin, direction, near[rows, columns] if isinstance(near, Tensor) else near)
        before = depth[rows, columns]
        closer = t < before
        before.copy_(torch.where(closer, t, before))
        index[rows, columns].masked_fill_(closer, i)
    return depth, index


def _one(solids: Solids, i: int, origin: list, direction: list[Tensor], near: float | Tensor) -> Tensor:
    half = [float(v) for v in solids.halves[i]]
    param, chart = float(solids.params[i]), int(solids.chart_index[i])
    return intersect(int(solids.kinds[i]), half, origin, direction, near, param, chart, solids.charts)


def cast_dense(
    solids: Solids, chosen: list[int], rays: RayGrid, near: float | Tensor, depth: Tensor, index: Tensor
) -> None:
    """Updates `depth` and `index` with many solids of one kind at once: few large operations."""
    device = depth.device

    def column(values) -> Tensor:
        return torch.as_tensor(np.asarray(values), dtype=torch.float32, device=device)

    grid = torch.stack(torch.meshgrid(rays.y, rays.x, indexing="ij")).reshape(2, -1)
    axes = column(np.stack([rays.axis_y, rays.axis_x], axis=1))
    spread = axes @ grid  # (3, rays)
    best, winner = depth.flatten(), index.flatten()
    near = near.flatten() if isinstance(near, Tensor) else near
    step = max(1, DENSE_ELEMENTS // depth.numel())
    for kind in sorted({int(solids.kinds[i]) for i in chosen}):
        same = [i for i in chosen if solids.kinds[i] == kind]
        for first in range(0, len(same), step):
            part = same[first : first + step]
            turn = solids.rotations[part]
            start = column(np.einsum("mij,mj->mi", turn, rays.origin - solids.centres[part]))[..., None]
            ahead = column(turn @ rays.forward)[..., None]
            varying = column(turn) @ spread  # (m, 3, rays)
            origin, direction = (start + varying, ahead) if rays.parallel else (start, ahead + varying)
            half = column(solids.halves[part])[..., None]
            chart = torch.as_tensor(solids.chart_index[part], device=device)[:, None]
            t = intersect(
                kind,
                list(half.unbind(1)),
                list(origin.unbind(1)),
                list(direction.unbind(1)),
                near,
                column(solids.params[part])[:, None],
                chart,
                solids.charts,
            )
            nearest, which = t.expand(len(part), best.numel()).min(dim=0)
            closer = nearest < best
            best = torch.where(closer, nearest, best)
            winner = torch.where(closer, torch.as_tensor(part, device=device)[which], winner)
    depth.copy_(best.reshape(depth.shape))
    index.copy_(winner.reshape(index.shape))


def cast_rays(solids: Solids, origin: np.ndarray, directions: Tensor, near: float = NEAR_M) -> tuple[Tensor, Tensor]:
    """First hits of any rays from one point.

    Args:
        solids: The scene.
        origin: (3,) start in the world.
        directions: (n, 3) directions in the world; t counts in units of their length.
        near: hits closer than this are ignored.

    Returns:
        (n,) t and (n,) index as `cast_grid`.
    """
    depth = torch.full((len(directions),), NO_HIT, device=directions.device)
    index = torch.full((len(directions),), -1, dtype=torch.int64, device=directions.device)
    for i in range(len(solids)):
        matrix = directions.new_tensor(solids.rotations[i])
        local = directions @ matrix.T
        start = solids.rotations[i] @ (origin - solids.centres[i])
        t = _one(solids, i, [float(v) for v in start], list(local.unbind(1)), near)
        closer = t < depth
        depth = torch.where(closer, t, depth)
        index.masked_fill_(closer, i)
    return depth, index
