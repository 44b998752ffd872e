"""Casting rays against solids: a grid of them from a camera or a distant light, or any from one point."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .shapes import NO_HIT, RELIEF, intersect
from .solids import Solids

NEAR_M = 0.05
SMALL_WINDOW = 4096
"""Rays of a solid up to which a CPU, too, is faster with many solids at once."""
MOST_PAIRS = 2**22
"""Pairs of a solid and a ray that are intersected at once."""


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
        c1 = np.minimum(np.searchsorted(xs, px.max(axis=1)) + 1, len(xs))
        r0 = np.maximum(np.searchsorted(ys, py.min(axis=1)) - 1, 0)
        r1 = np.minimum(np.searchsorted(ys, py.max(axis=1)) + 1, len(ys))
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
    on_card = depth.device.type == "cuda"
    small: list[int] = []
    for i, window in enumerate(windows):
        if window is None:
            continue
        columns, rows = window
        size = (columns.stop - columns.start) * (rows.stop - rows.start)
        if solids.kinds[i] != RELIEF and (on_card or size <= SMALL_WINDOW):
            small.append(i)
            continue
        origin, direction = rays.bundle(columns, rows, solids.rotations[i], solids.centres[i])
        t = _one(solids, i, origin, direction, near[rows, columns] if isinstance(near, Tensor) else near)
        before = depth[rows, columns]
        closer = t < before
        before.copy_(torch.where(closer, t, before))
        index[rows, columns].masked_fill_(closer, i)
    cast_pairs(solids, small, windows, rays, near, depth, index)
    return depth, index


def _one(solids: Solids, i: int, origin: list, direction: list[Tensor], near: float | Tensor) -> Tensor:
    half = [float(v) for v in solids.halves[i]]
    param, chart = float(solids.params[i]), int(solids.chart_index[i])
    return intersect(int(solids.kinds[i]), half, origin, direction, near, param, chart, solids.charts)


def cast_pairs(
    solids: Solids,
    chosen: list[int],
    windows: Sequence[tuple[slice, slice] | None],
    rays: RayGrid,
    near: float | Tensor,
    depth: Tensor,
    index: Tensor,
) -> None:
    """Updates `depth` and `index` with many solids of one kind at once: one row of pairs of a solid and a ray of its window."""
    device = depth.device
    nearest, winner = depth.flatten(), torch.cat([index.flatten(), index.new_empty(1)])
    spare = depth.numel()  # where pairs write that do not win
    for kind in sorted({int(solids.kinds[i]) for i in chosen}):
        for part in _pieces([i for i in chosen if solids.kinds[i] == kind], windows):
            blocks = np.array([_block(windows[i]) for i in part])  # left, top, width, height
            sizes = blocks[:, 2] * blocks[:, 3]
            of = torch.from_numpy(np.repeat(np.arange(len(part)), sizes)).to(device)
            left, top, width, first = torch.from_numpy(np.stack([*blocks.T[:3], np.cumsum(sizes) - sizes])).to(device)
            within = torch.arange(len(of), device=device) - first[of]
            down = within // width[of]
            column, row = left[of] + within - down * width[of], top[of] + down
            turn = solids.rotations[part]
            start = np.einsum("mij,mj->mi", turn, rays.origin - solids.centres[part])
            numbers = [start, turn @ rays.axis_x, turn @ rays.axis_y, turn @ rays.forward, solids.halves[part]]
            table = np.concatenate([*numbers, np.asarray(solids.params)[part][:, None]], axis=1).T
            told = torch.as_tensor(table, dtype=torch.float32, device=device)[:, of]
            varying = told[3:6] * rays.x[column] + told[6:9] * rays.y[row]
            origin, direction = (told[:3] + varying, told[9:12]) if rays.parallel else (told[:3], varying + told[9:12])
            at = row * depth.shape[1] + column
            t = intersect(
                kind,
                told[12:15].unbind(0),
                origin.unbind(0),
                direction.unbind(0),
                near.flatten()[at] if isinstance(near, Tensor) else near,
                told[15],
                torch.as_tensor(np.asarray(solids.chart_index)[part], device=device)[of],
                solids.charts,
            )
            before = nearest[at]
            nearest.scatter_reduce_(0, at, t, "amin")
            wins = (t < before) & (t == nearest[at])
            numbers_of = torch.as_tensor(np.asarray(part), device=device)[of]
            winner.scatter_(0, torch.where(wins, at, spare), numbers_of)
    depth.copy_(nearest.reshape(depth.shape))
    index.copy_(winner[:-1].reshape(index.shape))


def _block(window: tuple[slice, slice] | None) -> tuple[int, int, int, int]:
    assert window is not None
    columns, rows = window
    return columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start


def _pieces(chosen: list[int], windows: Sequence[tuple[slice, slice] | None]) -> Iterator[list[int]]:
    """The solids in groups of at most `MOST_PAIRS` rays, or of one."""
    piece: list[int] = []
    count = 0
    for i in chosen:
        *_, width, height = _block(windows[i])
        if piece and count + width * height > MOST_PAIRS:
            yield piece
            piece, count = [], 0
        piece.append(i)
        count += width * height
    if piece:
        yield piece


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
