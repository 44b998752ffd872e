"""Solids as arrays, and exact ray casting against them.

World axes: +Y forward, +Z up, metres. A solid is an affine image of a unit shape: local
coordinates are `rotation @ (p - centre)`, in metres, inside `[-half, half]`; see `shapes`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from .shapes import Charts


@dataclass
class Material:
    """Look of one solid: a texture of the bank, how it lies on the solid, and how it reflects."""

    texture: int = 0
    tile_m: float = 1.0
    """Metres per repeat of the texture; 0 stretches one copy over each face."""
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
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
    params: list[float] = field(default_factory=list)
    charts: list[int] = field(default_factory=list)
    things: list[int] = field(default_factory=list)
    count: int = 0
    """Things so far."""

    def new_thing(self) -> int:
        """A number for a thing, which the solids that it is made of share."""
        self.count += 1
        return self.count

    def add(
        self,
        kind: int,
        centre,
        half,
        material: Material,
        yaw: float = 0.0,
        tilt=None,
        param: float = 0.0,
        chart: int = 0,
        thing: int | None = None,
    ) -> None:
        """Adds one solid, a thing of its own unless `thing` says which it is a part of.

        `yaw` turns it about +Z, `tilt` is an optional (3, 3) world-from-local rotation.
        """
        self.kinds.append(kind)
        self.centres.append((float(centre[0]), float(centre[1]), float(centre[2])))
        self.halves.append((max(float(half[0]), 1e-3), max(float(half[1]), 1e-3), max(float(half[2]), 1e-3)))
        self.rotations.append(yaw_matrix(yaw) if tilt is None else np.asarray(tilt, dtype=np.float64).T)
        self.materials.append(material)
        self.params.append(float(param))
        self.charts.append(int(chart))
        self.things.append(self.new_thing() if thing is None else thing)

    def keep(self, flags: np.ndarray) -> SolidList:
        """The solids whose flag is set."""
        index = [i for i, flag in enumerate(flags) if flag]
        kept = SolidList(count=self.count)
        for name in ("kinds", "centres", "halves", "rotations", "materials", "params", "charts", "things"):
            setattr(kept, name, [getattr(self, name)[i] for i in index])
        return kept

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
    params: np.ndarray
    chart_index: np.ndarray
    things: np.ndarray
    charts: Charts | None = None

    @classmethod
    def from_list(cls, items: SolidList, charts: Charts | None = None) -> Solids:
        """Freezes a list; `charts` are needed where there are cards or reliefs."""
        return cls(
            np.asarray(items.kinds, dtype=np.int64),
            np.asarray(items.centres, dtype=np.float64).reshape(-1, 3),
            np.asarray(items.halves, dtype=np.float64).reshape(-1, 3),
            np.stack(items.rotations) if items.rotations else np.zeros((0, 3, 3)),
            items.materials,
            np.asarray(items.params, dtype=np.float64),
            np.asarray(items.charts, dtype=np.int64),
            np.asarray(items.things, dtype=np.int64),
            charts,
        )

    def __len__(self) -> int:
        return len(self.kinds)

    def corners(self) -> np.ndarray:
        """(n, 8, 3) corners of the oriented bounding boxes in the world."""
        signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=np.float64)
        local = signs[None] * self.halves[:, None]
        return np.einsum("nji,nkj->nki", self.rotations, local) + self.centres[:, None]
