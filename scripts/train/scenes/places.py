"""A place, and the things that are strewn over it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from . import boughs, fences, frames, furniture, nature, outdoor, structures
from .looks import Looks, Placer, Thing, choose, random_rotation
from .solids import SolidList

INDOOR_WALL: list[tuple[Thing, float, float]] = [
    (furniture.desk, 3, 0.5),
    (furniture.shelf, 4, 0.22),
    (furniture.cabinet, 3, 0.32),
    (furniture.sofa, 1.5, 0.45),
    (furniture.bed, 1, 1.05),
]
"""Things that stand against walls: (draw, weight, half depth)."""
INDOOR_FREE: list[tuple[Thing, float]] = [
    (furniture.desk, 2.5),
    (furniture.chair, 5),
    (furniture.lamp, 1),
    (furniture.plant, 1.5),
    (furniture.carton, 2),
    (furniture.solid, 3),
    (furniture.person, 1),
    (furniture.sofa, 0.8),
    (furniture.cabinet, 0.7),
    (furniture.shelf, 0.5),
    (furniture.stool, 2),
    (furniture.basket, 1),
    (furniture.drying_rack, 0.8),
    (outdoor.bin_or_box, 1),
]
OUTDOOR_FREE: list[tuple[Thing, float]] = [
    (furniture.person, 3),
    (outdoor.bench, 1.5),
    (outdoor.street_pole, 2),
    (nature.bush, 2),
    (nature.tree, 2),
    (nature.tuft, 1),
    (nature.rock, 0.7),
    (outdoor.bin_or_box, 2),
    (structures.mesh_fence, 1.2),
    (structures.bicycle, 1.2),
    (structures.road_things, 1.5),
    (structures.stall, 0.8),
    (structures.parasol, 0.8),
    (structures.monument, 0.6),
    (structures.stairs, 0.4),
    (furniture.solid, 2),
    (fences.piece, 2.1),
    *[(draw, 0.35 * weight) for draw, weight in frames.FRAMES],
    (boughs.bare_tree, 0.7),
    (furniture.carton, 0.7),
]
NATURE_FREE: list[tuple[Thing, float]] = [
    (nature.tree, 5),
    (nature.bush, 3),
    (nature.rock, 4),
    (nature.tuft, 4),
    (nature.log, 0.8),
    (structures.mesh_fence, 0.4),
    (furniture.person, 0.6),
    (fences.piece, 1.2),
    (boughs.bare_tree, 1.8),
    (outdoor.bench, 0.3),
    (furniture.solid, 0.7),
]


@dataclass
class Place:
    """A place without a photographer.

    Attributes:
        items: The solids.
        indoor: Whether lamps rather than the sun make the light.
        eye: (3,) where the camera may stand, and `spread` (3,) how far it may be moved.
        yaw: Preferred heading in radians (0 looks along +Y), `yaw_spread` its deviation.
        pitch: Preferred upward tilt in radians.
        lamps: Positions of lamps.
        windows: Middle (3,) and inward normal (3,) of openings that day light comes through.
        fov: Range of the longer side's field of view in degrees.
        height_at: Height of an uneven ground at (x, y); None: it is level.
        filled: Whether a single surface may fill the picture.
    """

    items: SolidList
    indoor: bool
    eye: tuple[float, float, float]
    spread: tuple[float, float, float]
    yaw: float = 0.0
    yaw_spread: float = 0.3
    pitch: float = 0.0
    pitch_spread: float = 0.12
    lamps: tuple[tuple[float, float, float], ...] = ()
    windows: tuple[tuple[tuple[float, float, float], tuple[float, float, float]], ...] = ()
    fov: tuple[float, float] = (30.0, 100.0)
    height_at: Callable[[float, float], float] | None = None
    filled: bool = False


def scatter(
    items: SolidList,
    looks: Looks,
    table,
    count: int,
    bounds,
    taken: list,
    gap: float = 0.5,
    height_at: Callable[[float, float], float] | None = None,
) -> None:
    """Places things at random where there is room, on level ground or at a height."""
    rng = looks.rng
    x0, x1, y0, y1 = bounds
    for _ in range(count):
        for _ in range(6):
            x, y = rng.uniform(x0, x1), rng.uniform(y0, y1)
            if all((x - a) ** 2 + (y - b) ** 2 > gap * gap for a, b in taken):
                taken.append((x, y))
                z = height_at(x, y) if height_at else 0.0
                choose(rng, table)(Placer(items, x, y, z, rng.uniform(0, 6.3)), looks)
                break


def floating(items: SolidList, looks: Looks, count: int, bounds, low: float, high: float, size: float) -> None:
    """Solids in the air: what teaches occlusion without help from the ground."""
    rng = looks.rng
    for _ in range(count):
        half = size * rng.uniform(0.1, 1.0, 3) * rng.uniform(0.3, 1.0)
        if rng.random() < 0.25:
            half[:2] *= 0.12
        c = (rng.uniform(bounds[0], bounds[1]), rng.uniform(bounds[2], bounds[3]), rng.uniform(low, high))
        kind, param = furniture.any_solid(rng)
        items.add(kind, c, half, looks.any(size), tilt=random_rotation(rng), param=param)
