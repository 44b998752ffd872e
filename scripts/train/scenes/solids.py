"""Solids (boxes, ellipsoids, cylinders) as arrays, and exact ray casting against them.

World axes: +Y forward, +Z up, metres. A solid is an affine image of a unit shape: local
coordinates are `rotation @ (p - centre)`, in metres, inside `[-half, half]`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

BOX, ELLIPSOID, CYLINDER = 0, 1, 2
NEAR_M = 0.05
NO_HIT = float("inf")


@dataclass
class Material:
    """Look of one solid: a texture of the bank, how it lies on the solid, and how it reflects."""

    texture: int = 0
    tile_m: float = 1.0
    """Metres per repeat of the texture; 0 stretches one copy over each face."""
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    contrast: float = 1.0
    specular: float = 0.0
    emission: float = 0.0
    offset: tuple[float, float] = (0.0, 0.0)


@dataclass
class SolidList:
    """Solids being collected by a layout."""

    kinds: list[int] = field(default_factory=list)
    centres: list[tuple[float, float, float]] = field(default_factory=list)
    halves: list[tuple[float, float, float]] = field(default_factory=list)
    rotations: list[np.ndarray] = field(default_factory=list)
    materials: list[Material] = field(default_factory=list)

    def add(self, kind: int, centre, half, material: Material, yaw: float = 0.0, tilt=None) -> None:
        """Adds one solid; `yaw` turns it about +Z, `tilt` is an optional (3, 3) world-from-local rotation."""
        self.kinds.append(kind)
        self.centres.append((float(centre[0]), float(centre[1]), float(centre[2])))
        self.halves.append((max(float(half[0]), 1e-3), max(float(half[1]), 1e-3), max(float(half[2]), 1e-3)))
        self.rotations.append(yaw_matrix(yaw) if tilt is None else np.asarray(tilt, dtype=np.float64).T)
        self.materials.append(material)

    def extend(self, other: SolidList) -> None:
        """Adds all solids of another list."""
        self.kinds += other.kinds
        self.centres += other.centres
        self.halves += other.halves
        self.rotations += other.rotations
        self.materials += other.materials

    def keep(self, flags: np.ndarray) -> SolidList:
        """The solids whose flag is set."""
        index = [i for i, flag in enumerate(flags) if flag]
        return SolidList(
            [self.kinds[i] for i in index],
            [self.centres[i] for i in index],
            [self.halves[i] for i in index],
            [self.rotations[i] for i in index],
            [self.materials[i] for i in index],
        )

    def distance_to(self, point) -> np.ndarray:
        """(n,) lower bound of the distance from a point to each solid's bounding box, 0 inside."""
        if not self.kinds:
            return np.zeros(0)
        local = np.einsum("nij,nj->ni", np.stack(self.rotations), np.asarray(point) - np.asarray(self.centres))
        outside = np.maximum(np.abs(local) - np.asarray(self.halves), 0)
        return np.linalg.norm(outside, axis=1)


def yaw_matrix(yaw: float) -> np.ndarray:
    """(3, 3) local-from-world rotation of a solid turned by `yaw` about +Z."""
    c, s = math.cos(yaw), math.sin(yaw)
    return np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])


@dataclass
class Solids:
    """Solids as arrays; `kinds`, `centres`, ... stay on the host for culling, tensors on the device for shading."""

    kinds: np.ndarray
    centres: np.ndarray
    halves: np.ndarray
    rotations: np.ndarray
    materials: list[Material]

    @classmethod
    def from_list(cls, items: SolidList) -> Solids:
        """Freezes a list."""
        return cls(
            np.asarray(items.kinds, dtype=np.int64),
            np.asarray(items.centres, dtype=np.float64).reshape(-1, 3),
            np.asarray(items.halves, dtype=np.float64).reshape(-1, 3),
            np.stack(items.rotations) if items.rotations else np.zeros((0, 3, 3)),
            items.materials,
        )

    def __len__(self) -> int:
        return len(self.kinds)

    def corners(self) -> np.ndarray:
        """(n, 8, 3) corners of the oriented bounding boxes in the world."""
        signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=np.float64)
        local = signs[None] * self.halves[:, None]
        return np.einsum("nji,nkj->nki", self.rotations, local) + self.centres[:, None]


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


def intersect(kind: int, half: np.ndarray, origin: list, direction: list[Tensor], near: float) -> Tensor:
    """Smallest t > near at which rays meet the surface of one solid, infinity where they miss.

    Args:
        kind: BOX, ELLIPSOID or CYLINDER (axis along local z, with caps).
        half: (3,) half sizes in metres.
        origin, direction: three broadcastable tensors each (or numbers for the origin), in local axes.
        near: hits closer than this are ignored.
    """
    if kind == BOX:
        enter, leave = _slab(origin, direction, half, (0, 1, 2))
    elif kind == ELLIPSOID:
        enter, leave = _round(origin, direction, half, (0, 1, 2))
    else:
        enter, leave = _round(origin, direction, half, (0, 1))
        cap_enter, cap_leave = _slab(origin, direction, half, (2,))
        enter, leave = torch.maximum(enter, cap_enter), torch.minimum(leave, cap_leave)
    t = torch.where(enter > near, enter, leave)
    return torch.where((enter <= leave) & (leave > near), t, NO_HIT)


def _slab(origin, direction, half, axes):
    enter = leave = None
    for k in axes:
        d = direction[k]
        inverse = (d + 1e-9).reciprocal()
        middle = -origin[k] * inverse
        reach = (float(half[k]) * inverse).abs()
        low, high = middle - reach, middle + reach
        enter = low if enter is None else torch.maximum(enter, low)
        leave = high if leave is None else torch.minimum(leave, high)
    assert enter is not None and leave is not None
    return enter, leave


def _round(origin, direction, half, axes):
    a = b = c = None
    for k in axes:
        o, d = origin[k] * (1.0 / float(half[k])), direction[k] * (1.0 / float(half[k]))
        a = d * d if a is None else a + d * d
        b = o * d if b is None else b + o * d
        c = o * o if c is None else c + o * o
    assert a is not None and b is not None and c is not None
    a = a.clamp_min(1e-12)
    root = b * b - a * (c - 1.0)
    reach = root.clamp_min(0.0).sqrt() / a
    middle = -b / a
    missed = root < 0
    return torch.where(missed, NO_HIT, middle - reach), torch.where(missed, -NO_HIT, middle + reach)


def cast_grid(solids: Solids, rays: RayGrid, near: float = NEAR_M) -> tuple[Tensor, Tensor]:
    """First hits of a grid of rays.

    Returns:
        (rows, columns) float32 t, infinity where nothing is hit, and (rows, columns) int64
        index of the solid, -1 where nothing is hit.
    """
    shape = (len(rays.y), len(rays.x))
    depth = torch.full(shape, NO_HIT, device=rays.x.device)
    index = torch.full(shape, -1, dtype=torch.int64, device=rays.x.device)
    for i, window in enumerate(rays.windows(solids.corners())):
        if window is None:
            continue
        columns, rows = window
        origin, direction = rays.bundle(columns, rows, solids.rotations[i], solids.centres[i])
        t = intersect(int(solids.kinds[i]), solids.halves[i], origin, direction, near)
        seen = depth[rows, columns]
        closer = t < seen
        seen.copy_(torch.where(closer, t, seen))
        index[rows, columns].masked_fill_(closer, i)
    return depth, index


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
        t = intersect(int(solids.kinds[i]), solids.halves[i], [float(v) for v in start], list(local.unbind(1)), near)
        closer = t < depth
        depth = torch.where(closer, t, depth)
        index.masked_fill_(closer, i)
    return depth, index
