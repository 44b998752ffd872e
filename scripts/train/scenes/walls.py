"""Walls that fill the picture to its upper edge, parallel or at a slant, with what stands close before them."""

from __future__ import annotations

import math

import numpy as np

from . import boughs, fences, furniture, nature, outdoor, panels, structures, vehicles
from .looks import OUTER_WALL, Looks, Placer, choose
from .places import INDOOR_WALL, OUTDOOR_FREE, Place
from .shapes import BOX, CYLINDER
from .solids import SolidList


def _openings(p: Placer, looks: Looks, half: float, height: float) -> None:
    """Windows, doors, sills and shutters in rows, flat or a hand's breadth deep, on a wall that faces -y."""
    rng = looks.rng
    step, storey = rng.uniform(1.6, 4.5), rng.uniform(2.4, 3.6)
    half_w, half_h = step * rng.uniform(0.15, 0.36), storey * rng.uniform(0.2, 0.38)
    frame, sill = looks.make("plaster", "wood", "plain"), looks.make("plaster", "stones", "plain")
    glass = looks.make("plain", "gradient", "screen", "noise", tile_m=0, specular=0.5)
    glass.tint = (0.2, 0.22, 0.25)
    shutter = looks.make("panels", "plain", "wood", tile_m=0) if rng.random() < 0.3 else None
    bars, out = int(rng.integers(0, 3)), rng.uniform(0.02, 0.12)
    for row in range(min(4, max(1, int(height / storey)))):
        for k in range(-int(min(half, 14) / step), int(min(half, 14) / step) + 1):
            x, z = k * step, (row + 0.55) * storey
            low = 0.0 if row == 0 and rng.random() < 0.2 else z - half_h
            p.box(x - half_w, x + half_w, -0.015, 0, low, z + half_h, frame)
            leaf = glass if low > 0 or rng.random() < 0.4 else shutter or frame
            p.box(x - half_w + 0.06, x + half_w - 0.06, -0.02, 0, low + 0.06, z + half_h - 0.06, leaf)
            for b in range(bars):
                middle = x + half_w * (2 * (b + 1) / (bars + 1) - 1)
                p.box(middle - 0.02, middle + 0.02, -0.035, 0, low, z + half_h, frame)
            if low > 0:
                p.box(x - half_w - 0.08, x + half_w + 0.08, -out, 0, low - 0.07, low, sill)
            if shutter is not None and low > 0:
                for side in (-1, 1):
                    edge = x + side * half_w
                    p.box(
                        min(edge, edge + side * half_w),
                        max(edge, edge + side * half_w),
                        -0.05,
                        0,
                        low,
                        z + half_h,
                        shutter,
                    )


def _courses(p: Placer, looks: Looks, half: float, height: float) -> None:
    """What else a wall outdoors has on it: a plinth, ledges, piers, pipes, signs, stains of another material."""
    rng = looks.rng
    if rng.random() < 0.5:
        p.box(
            -half,
            half,
            -rng.uniform(0.02, 0.15),
            0,
            0,
            rng.uniform(0.2, 1.2),
            looks.make("stones", "plaster", "bricks", tile_m=1.5),
        )
    for _ in range(rng.integers(0, 3)):
        z = rng.uniform(0.3, 1) * height
        p.box(
            -half,
            half,
            -rng.uniform(0.03, 0.3),
            0,
            z,
            z + rng.uniform(0.05, 0.3),
            looks.make("plaster", "stones", "bricks", tile_m=1.5),
        )
    if rng.random() < 0.3:
        pier, step, wide = (
            looks.make("bricks", "stones", "plaster", tile_m=1.5),
            rng.uniform(2, 6),
            rng.uniform(0.1, 0.4),
        )
        for k in range(-int(min(half, 25) / step), int(min(half, 25) / step) + 1):
            p.box(k * step - wide, k * step + wide, -rng.uniform(0.04, 0.3), 0, 0, height, pier)
    for _ in range(rng.integers(0, 3)):
        x, r = rng.uniform(-5, 5), rng.uniform(0.02, 0.08)
        p.put(CYLINDER, (x, -1.2 * r, height / 2), (r, r, height / 2), looks.metal())
    for _ in range(rng.integers(0, 4)):
        w, h, x, z = rng.uniform(0.1, 1.2), rng.uniform(0.1, 0.8), rng.uniform(-5, 5), rng.uniform(0.8, 2.8)
        m = looks.make("poster", "text", "plain", "plaster", "pins", "metal", tile_m=0)
        p.box(x - w, x + w, -rng.uniform(0.004, 0.08), 0, z - h, z + h, m)


def wall(looks: Looks) -> Place:
    """A bright or dark wall before the camera, outdoors or in a room, that reaches over the upper edge of the picture."""
    return _outside(looks) if looks.rng.random() < 0.68 else _inside(looks)


def _outside(looks: Looks) -> Place:
    rng = looks.rng
    items = SolidList()
    ground = looks.make(
        "tiles", "stones", "asphalt", "bricks", "shingles", "grass", "grass", "plaster", tile_m=float(rng.uniform(1, 4))
    )
    items.add(BOX, (0, 0, -0.5), (2000, 2000, 0.5), ground)
    distance = math.exp(rng.uniform(math.log(2.0), math.log(12)))
    slant = float(rng.choice([rng.normal(0, 0.06), rng.normal(0, 0.6)]))
    height, half = distance * rng.uniform(1.0, 2.5) + 2, rng.uniform(15, 60)

    def before(reach: float, shift: float = 0.0, turn: float = 0.0) -> Placer:
        """The frame of a thing `reach` metres before the wall."""
        c, s = math.cos(slant), math.sin(slant)
        return Placer(items, c * shift + s * reach, distance + s * shift - c * reach, 0.0, slant + turn)

    p = before(0.0)
    m = looks.make("bricks", *OUTER_WALL, "plaster", tile_m=rng.uniform(0.8, 3.5))
    if rng.random() < 0.5:  # pale: limewash, white brick, render
        shade = float(rng.uniform(1.1, 1.5))
        m.tint = (shade, shade * float(rng.normal(1, 0.02)), shade * float(rng.normal(0.97, 0.05)))
    p.box(-half, half, 0, rng.uniform(0.2, 5), 0, height, m)
    if rng.random() < 0.5:
        _openings(p, looks, half, height)
    _courses(p, looks, half, height)
    if rng.random() < 0.5:
        fences.see_through(before(distance * rng.uniform(0.08, 0.6)), looks, rng.uniform(3, 8))
    if rng.random() < 0.25:
        reach = rng.uniform(0.4, 0.9)
        for k in range(-2, 3):
            nature.hedge(before(reach, 3.5 * k), looks)
    if distance > 4 and rng.random() < 0.5:  # parked along it
        for k in range(-2, 3):
            if rng.random() < 0.7:
                turn = math.pi / 2 * (1 if rng.random() < 0.8 else -1)
                vehicles.car(before(1.3, 5.4 * k + rng.normal(0, 0.3), turn + rng.normal(0, 0.03)), looks)
    if rng.random() < 0.25:
        boughs.bare_tree(before(distance * rng.uniform(0.1, 0.5), rng.normal(0, 0.3) * distance), looks, 0.8)
    for _ in range(rng.integers(0, 5)):
        where = before(distance * rng.uniform(0.1, 0.7), rng.uniform(-0.7, 0.7) * distance, rng.uniform(0, 6.3))
        choose(rng, OUTDOOR_FREE)(where, looks)
    if rng.random() < 0.15:
        structures.arcade(before(rng.uniform(0.5, 2)), looks)
    if rng.random() < 0.2:
        outdoor.street_pole(before(0.5 * distance, rng.normal(0, 2)), looks)
    eye = (0.0, 0.0, float(rng.choice([1.6, rng.uniform(0.6, 3)])))
    pitch = float(rng.choice([0.0, 0.12, -0.1]))
    return Place(items, False, eye, (0.4, 0.3, 0.1), 0.0, 0.2, pitch, 0.08, (), (), (35.0, 90.0), filled=True)


def _inside(looks: Looks) -> Place:
    rng = looks.rng
    items = SolidList()
    distance, slant = rng.uniform(1.5, 6), float(rng.choice([rng.normal(0, 0.06), rng.normal(0, 0.5)]))
    height, reach = rng.uniform(2.5, 4) + 0.3 * distance, 4 * distance + 4
    floor = looks.make(
        "wood", "tiles", "cloth", "plain", "noise", tile_m=1.5, specular=float(rng.choice([0, 0.1, 0.3]))
    )
    ceiling = looks.make("plaster", "plaster", "plaster", "tiles", "boards", "wood", tile_m=2)
    items.add(BOX, (0, 0, -0.05), (reach + 2, reach + 2, 0.05), floor)
    items.add(BOX, (0, 0, height + 0.05), (reach + 2, reach + 2, 0.05), ceiling)
    c, s = math.cos(slant), math.sin(slant)
    # Its x runs towards the left, so that its y points at the camera.
    p = Placer(items, c * reach / 2, distance + s * reach / 2, 0.0, slant + math.pi)
    m = looks.make("plaster", "plaster", "plaster", "plain", "bricks", "tiles", "boards", "wood", tile_m=1.5)
    p.box(-reach, 2 * reach, -0.2, 0, 0, height, m)
    if rng.random() < 0.6:
        p.box(-reach, 2 * reach, 0, 0.015, 0, rng.uniform(0.06, 0.15), looks.make("plaster", "wood", "plain"))
    panels.along_wall(p, looks, reach, height)
    side = looks.make("plaster", "plaster", "plain", "bricks", "boards", tile_m=1.5) if rng.random() < 0.5 else m
    for end in (-1, 1):
        items.add(BOX, (end * rng.uniform(0.6, 1) * reach, 0, height / 2), (0.1, reach, height / 2), side)
    items.add(BOX, (0, -reach * 0.6, height / 2), (reach, 0.1, height / 2), side)
    for _ in range(rng.integers(0, 4)):
        draw, _, half = INDOOR_WALL[rng.integers(len(INDOOR_WALL))]
        along, out = rng.uniform(-0.8, 0.8) * distance, half + 0.05
        draw(Placer(items, c * along + s * out, distance + s * along - c * out, 0, slant), looks)
    for _ in range(rng.integers(0, 4)):
        draw = (furniture.chair, furniture.desk, furniture.plant, furniture.person, furniture.lamp)[rng.integers(5)]
        draw(
            Placer(items, rng.uniform(-0.6, 0.6) * distance, distance * rng.uniform(0.4, 0.8), 0, rng.uniform(0, 6.3)),
            looks,
        )
    lamps = tuple(
        (float(x), distance * 0.3, height - 0.4) for x in np.linspace(-0.5, 0.5, int(rng.integers(1, 4))) * distance
    )
    eye = (0.0, 0.0, float(rng.choice([1.5, rng.uniform(0.7, height - 0.6)])))
    return Place(items, True, eye, (0.4, 0.2, 0.15), 0.0, 0.2, -0.05, 0.1, lamps, (), (40.0, 95.0), filled=True)
