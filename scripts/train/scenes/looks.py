"""What things are made of and where they are put: materials, frames, rotations."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .bank import Bank
from .shapes import BOX, CYLINDER
from .solids import Material, SolidList


class Looks:
    """Draws materials, height maps and masks from a bank."""

    def __init__(self, rng: np.random.Generator, bank: Bank) -> None:
        self.rng = rng
        self.kinds = bank.kinds
        self.charts = bank.charts

    def chart(self, *families: str) -> int:
        """Index of a height map or mask of one of the families."""
        return int(self.rng.choice(self.charts.names[families[self.rng.integers(len(families))]]))

    def make(self, *patterns: str, tile_m: float = 1.0, **options) -> Material:
        """A material with one of the patterns, slightly tinted and shifted."""
        rng = self.rng
        name = patterns[rng.integers(len(patterns))]
        shade = rng.uniform(0.75, 1.2)
        tint = tuple(float(v) for v in np.clip(shade * (1 + rng.normal(0, 0.06, 3)), 0.2, 1.5))
        texture = int(rng.choice(self.kinds[name]))
        offset = (float(rng.random()), float(rng.random())) if tile_m > 0 else (0.0, 0.0)
        size = tile_m * float(rng.uniform(0.6, 1.6)) if tile_m > 0 else 0.0
        return Material(texture, size, tint, offset=offset, **options)  # type: ignore[arg-type]

    def any(self, tile_m: float = 1.0, **options) -> Material:
        """Any surface."""
        name = str(self.rng.choice(ANY_NAMES, p=ANY_SHARES))
        return self.make(name, tile_m=tile_m, specular=float(self.rng.choice([0, 0, 0.2, 0.5])), **options)

    def furniture(self) -> Material:
        """Wood, lacquer, metal or cloth."""
        name = str(self.rng.choice(["wood", "plain", "panels", "metal", "cloth"], p=[0.4, 0.3, 0.1, 0.1, 0.1]))
        return self.make(name, tile_m=1.2, specular=float(self.rng.choice([0, 0.15, 0.4])))

    def metal(self) -> Material:
        """A pole, a leg, a frame."""
        return self.make("metal", "plain", tile_m=1.0, specular=0.4)


ANY = {"noise": 4, "plain": 4, "wood": 2, "cloth": 2, "stripes": 1, "tiles": 1, "poster": 1.5, "text": 1, "metal": 1}
ANY_NAMES = list(ANY)
ANY_SHARES = np.array(list(ANY.values())) / sum(ANY.values())


class Placer:
    """Adds solids given in the frame of a thing (x right, y away, z up) that stands at (x, y) with a yaw."""

    def __init__(self, items: SolidList, x: float, y: float, z: float = 0.0, yaw: float = 0.0) -> None:
        self.items, self.x, self.y, self.z, self.yaw = items, x, y, z, yaw
        self.thing = items.new_thing()

    def put(
        self, kind: int, centre, half, material: Material, yaw: float = 0.0, tilt=None, param=0.0, chart: int = 0
    ) -> None:
        """One solid in the thing's frame; `tilt` is a (3, 3) rotation in that frame."""
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        x, y, z = centre
        world = (self.x + c * x - s * y, self.y + s * x + c * y, self.z + z)
        if tilt is not None:
            turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
            self.items.add(kind, world, half, material, tilt=turn @ tilt, param=param, chart=chart, thing=self.thing)
        else:
            self.items.add(kind, world, half, material, yaw=self.yaw + yaw, param=param, chart=chart, thing=self.thing)

    def box(self, x0, x1, y0, y1, z0, z1, material: Material) -> None:
        """A box between bounds."""
        self.put(
            BOX, ((x0 + x1) / 2, (y0 + y1) / 2, (z0 + z1) / 2), ((x1 - x0) / 2, (y1 - y0) / 2, (z1 - z0) / 2), material
        )

    def post(self, x, y, z0, z1, radius, material: Material) -> None:
        """An upright cylinder."""
        self.put(CYLINDER, (x, y, (z0 + z1) / 2), (radius, radius, (z1 - z0) / 2), material)


def along(direction) -> np.ndarray:
    """(3, 3) rotation that turns local z into a direction."""
    z = np.asarray(direction, dtype=np.float64)
    z = z / np.linalg.norm(z)
    x = np.cross([0.0, 0.0, 1.0] if abs(z[2]) < 0.95 else [1.0, 0.0, 0.0], z)
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z], axis=1)


def random_rotation(rng: np.random.Generator) -> np.ndarray:
    """(3, 3) uniformly random rotation."""
    q, r = np.linalg.qr(rng.standard_normal((3, 3)))
    q = q * np.where(np.diag(r) < 0, -1.0, 1.0)
    return q * (1.0 if np.linalg.det(q) > 0 else -1.0)


OUTER_WALL = ("bricks", "bricks", "boards", "boards", "tiles", "shingles", "plaster", "stones", "panels", "wood")
"""Patterns of walls outdoors, the common ones twice."""

Thing = Callable[[Placer, Looks], None]
"""Adds one thing to its place."""


def choose(rng: np.random.Generator, table: list[tuple[Thing, float]]) -> Thing:
    """One of a weighted table."""
    weights = np.array([weight for _, weight in table])
    return table[rng.choice(len(table), p=weights / weights.sum())][0]
