"""Streets and courtyards."""

from __future__ import annotations

import math

from . import boughs, fences, nature, outdoor, structures, vehicles
from .looks import OUTER_WALL, Looks, Placer, choose
from .places import OUTDOOR_FREE, Place, floating, scatter
from .shapes import BOX, CARD
from .solids import Material, SolidList


def _walling(looks: Looks) -> Material:
    """What a building shows: often windows that are only painted."""
    rng = looks.rng
    if rng.random() < 0.5:
        return looks.make("facade", tile_m=rng.uniform(9, 24))
    return looks.make("bricks", "bricks", "boards", "plaster", "tiles", "shingles", tile_m=rng.uniform(1.5, 12))


def building(items: SolidList, looks: Looks, x, y, half_w, half_d, height, yaw) -> None:
    rng = looks.rng
    p = Placer(items, x, y, 0.0, yaw)
    m = _walling(looks)
    p.box(-half_w, half_w, -half_d, half_d, 0, height, m)
    if rng.random() < 0.5:
        p.box(
            -half_w - 0.2,
            half_w + 0.2,
            -half_d - 0.2,
            half_d + 0.2,
            height,
            height + 0.4,
            looks.make("plaster", "plain", tile_m=3),
        )
    if rng.random() < 0.5:
        base = looks.make("plaster", "stones", "tiles", "boards", "shingles", "poster", "panels", tile_m=4)
        p.box(-half_w - 0.05, half_w + 0.05, -half_d - 0.05, half_d + 0.05, 0, rng.uniform(2.5, 4.5), base)
    for side in (-1, 1):
        for _ in range(rng.integers(0, 3)):  # awnings, balconies, signs
            along_y, z, out = (
                rng.uniform(-0.9, 0.9) * half_d,
                rng.uniform(2.5, max(3.0, height * 0.8)),
                rng.uniform(0.3, 1.4),
            )
            p.box(
                side * half_w - out,
                side * half_w + out,
                along_y - 1.2,
                along_y + 1.2,
                z,
                z + rng.uniform(0.1, 0.9),
                looks.any(2),
            )
    if rng.random() < 0.5 and height < 14:
        structures.roof(p, looks, half_w, half_d, height)
    elif rng.random() < 0.15:
        sign = looks.make("plain", "metal", emission=float(rng.choice([0, 1])))
        p.put(CARD, (0, -half_d, height + 0.9), (min(half_w, 3), 0.05, 0.9), sign, chart=looks.chart("letters"))


def street(looks: Looks) -> Place:
    """A road with kerbs, markings, buildings, vehicles, trees and people; often seen by a driver."""
    rng = looks.rng
    items = SolidList()
    lanes = rng.uniform(3, 11)
    pavement = rng.uniform(1.2, 5)
    ground = looks.make("grass", "asphalt", "tiles", "shingles", "noise", tile_m=4)
    items.add(BOX, (0, 0, -0.62), (3000, 3000, 0.5), ground)
    items.add(
        BOX,
        (0, 250, -0.56),
        (lanes, 500, 0.56),
        looks.make(
            "asphalt", "asphalt", "asphalt", "stones", "shingles", tile_m=5, specular=float(rng.choice([0, 0, 0.3]))
        ),
    )
    walk = looks.make("tiles", "asphalt", "stones", "bricks", "shingles", "plaster", tile_m=2.5)
    for s in (-1, 1):
        items.add(BOX, (s * (lanes + pavement / 2), 250, -0.42), (pavement / 2, 500, 0.55), walk)
    paint = looks.make("plaster", "plain")
    paint.tint = (1.3, 1.3, float(rng.choice([1.25, 0.5])))
    if rng.random() < 0.75:
        dash, pitch = rng.uniform(1, 4), rng.uniform(4, 10)
        for x in rng.choice([0, lanes / 2, -lanes / 2], size=rng.integers(1, 4), replace=False):
            if rng.random() < 0.3:
                items.add(BOX, (x, 200, 0.003), (0.08, 400, 0.004), paint)
            else:
                for k in range(9):
                    items.add(BOX, (x, k * pitch, 0.003), (0.08, dash / 2, 0.004), paint)
        if rng.random() < 0.4:
            y = rng.uniform(5, 25)
            for k in range(int(lanes)):
                items.add(BOX, (-lanes + 1 + 2 * k, y, 0.003), (0.35, 1.6, 0.004), paint)
    edge = lanes + pavement
    kind = rng.random()
    for s in (-1, 1):
        y, setback = rng.uniform(-15, 0), rng.choice([0.1, rng.uniform(0, 15)])
        while y < 160 and kind < 0.85:
            depth = rng.uniform(3, 14)
            width, height = rng.uniform(3, 12), float(rng.choice([rng.uniform(3, 9), rng.uniform(8, 40)]))
            back = setback + rng.uniform(0, 3)
            building(items, looks, s * (edge + back + width), y + depth, width, depth, height, rng.normal(0, 0.03))
            y += 2 * depth + float(rng.choice([0, 0.5, rng.uniform(2, 20)], p=[0.45, 0.15, 0.4]))
    if rng.random() < 0.55:
        building(items, looks, rng.normal(0, 10), rng.uniform(50, 250), rng.uniform(10, 40), 8, rng.uniform(5, 35), 0.0)
    for _ in range(rng.integers(0, 5)):
        nature.hill(items, looks, rng.uniform(-400, 400), rng.uniform(200, 700), 150)
    for s in (-1, 1):  # parked and moving cars, pavement furniture
        y = rng.uniform(-2, 6)
        busy, athwart = rng.random(), rng.random() < 0.12
        while y < 70:
            if rng.random() < busy:
                turn = math.pi / 2 * s if athwart else (math.pi if s > 0 else 0)
                p = Placer(items, s * (lanes - (2.2 if athwart else 1.15)), y, 0, turn + rng.normal(0, 0.04))
                vehicles.car(p, looks, far=y > 16)
            y += rng.uniform(2.6, 4) if athwart else rng.uniform(5, 9)
        if rng.random() < 0.35:  # front gardens: a fence, often a hedge behind it
            reach, y = lanes + pavement + rng.uniform(-0.1, 0.6), rng.uniform(2, 12)
            half = rng.uniform(4, 10)
            fences.see_through(Placer(items, s * reach, y + half, 0.1, s * math.pi / 2), looks, half)
            for k in range(int(rng.choice([0, 3]))):
                nature.hedge(Placer(items, s * (reach + 1), y + 4 * k, 0, math.pi / 2), looks)
        for _ in range(rng.integers(3, 12)):
            thing = choose(rng, OUTDOOR_FREE)
            yaw = (math.pi if s > 0 else 0.0) if thing is outdoor.street_pole else rng.uniform(0, 6.3)
            thing(Placer(items, s * (lanes + rng.uniform(0.3, pavement)), rng.uniform(0, 60), 0.12, yaw), looks)
        if rng.random() < 0.5:
            for k in range(rng.integers(2, 9)):
                nature.tree(Placer(items, s * (lanes + pavement * 0.5), 3 + k * rng.uniform(6, 9), 0.12), looks)
        if rng.random() < 0.15:
            for k in range(rng.integers(1, 4)):
                boughs.bare_tree(Placer(items, s * (lanes + pavement * 0.5), 4 + k * rng.uniform(6, 9), 0.12), looks)
    for _ in range(rng.integers(0, 5)):
        s = int(rng.choice([-1, 1]))
        vehicles.car(
            Placer(items, s * lanes * rng.uniform(0.15, 0.55), rng.uniform(5, 60), 0, math.pi if s > 0 else 0.0), looks
        )
    if rng.random() < 0.35:
        for _ in range(rng.integers(1, 5)):  # wires across the road
            y, z, side = rng.uniform(5, 50), rng.uniform(5, 9), lanes + 4
            structures.cable(items, looks, (-side, y, z), (side, y + rng.normal(0, 3), z), rng.uniform(0.1, 0.8))
    if rng.random() < 0.3:
        side = float(rng.choice([-1, 1])) * (lanes + 0.5)
        structures.power_line(items, looks, side, rng.uniform(-10, 5), rng.uniform(15, 30), 4)
    for _ in range(rng.integers(0, 3)):
        draw = (structures.scaffold, structures.mast, structures.arcade, nature.hedge)[rng.integers(4)]
        draw(Placer(items, rng.choice([-1, 1]) * (edge + 0.6), rng.uniform(5, 50), 0, 1.5708), looks)
    driving = rng.random() < 0.6
    if driving:
        return Place(
            items,
            False,
            (lanes * rng.uniform(-0.5, 0.5), rng.uniform(-4, 2), rng.uniform(1.4, 2.3)),
            (0.5, 1, 0.1),
            0.0,
            float(rng.choice([0.08, 0.7])),
            0.0,
            0.04,
            (),
            (),
            (40.0, 75.0),
        )
    return Place(
        items,
        False,
        (rng.uniform(-edge, edge), 0.0, float(rng.choice([1.6, rng.uniform(0.4, 8)]))),
        (1, 1, 0.2),
        0.0,
        0.5,
        0.03,
        0.13,
        (),
        (),
        (35.0, 95.0),
    )


def courtyard(looks: Looks) -> Place:
    """A square between buildings: paving, arcades, stairs, trees, people."""
    rng = looks.rng
    items = SolidList()
    size = rng.uniform(6, 30)
    items.add(
        BOX,
        (0, 0, -0.5),
        (2000, 2000, 0.5),
        looks.make("tiles", "stones", "asphalt", "bricks", "shingles", "grass", tile_m=3),
    )
    sides = rng.permutation(4)[: rng.integers(1, 5)]
    for k in sides:
        a = k * math.pi / 2 + rng.normal(0, 0.12)
        depth, length, height = rng.uniform(3, 8), rng.uniform(size * 0.5, size * 1.4), rng.uniform(4, 18)
        x, y = (size + depth) * math.sin(a), size + (size + depth) * math.cos(a)
        building(items, looks, x, y, length, depth, height, -a)
        if rng.random() < 0.5:
            structures.arcade(Placer(items, size * math.sin(a), size + size * math.cos(a), 0, -a), looks)
    if rng.random() < 0.5:
        p = Placer(items, rng.uniform(-size, size) * 0.6, size * rng.uniform(0.5, 1.5), 0, rng.uniform(0, 6.3))
        structures.stairs(p, looks)
    taken: list[tuple[float, float]] = []
    scatter(items, looks, OUTDOOR_FREE, rng.integers(5, 20), (-size * 0.9, size * 0.9, 1.5, size * 1.9), taken, 1.0)
    if rng.random() < 0.4:
        floating(items, looks, rng.integers(2, 12), (-size * 0.6, size * 0.6, 2, size * 1.5), 0.3, 5, 1.0)
    if rng.random() < 0.4:
        vehicles.car(
            Placer(items, rng.uniform(-size, size) * 0.5, rng.uniform(4, size + 4), 0, rng.uniform(0, 6.3)), looks
        )
    for _ in range(rng.integers(0, 4)):
        nature.hill(items, looks, rng.uniform(-300, 300), rng.uniform(100, 500), 120)
    return Place(
        items,
        False,
        (0.0, 0.0, float(rng.choice([1.6, rng.uniform(0.3, 7)]))),
        (size * 0.4, 0.5, 0.1),
        0.0,
        0.5,
        0.02,
        0.15,
        (),
        (),
        (30.0, 100.0),
    )


def frontage(looks: Looks) -> Place:
    """A wall that fills much of the picture, seen from the pavement before it: at a slant, with things along it."""
    rng = looks.rng
    items = SolidList()
    ground = looks.make(
        "tiles", "stones", "bricks", "shingles", "asphalt", "plaster", "grass", tile_m=float(rng.uniform(1, 4))
    )
    items.add(BOX, (0, 0, -0.5), (2000, 2000, 0.5), ground)
    distance, slant = math.exp(rng.uniform(math.log(1.8), math.log(16))), float(rng.normal(0, 0.45))
    height = float(rng.choice([rng.uniform(1.2, 3.5), rng.uniform(3, 9), rng.uniform(8, 30)], p=[0.15, 0.4, 0.45]))

    def on_wall(along: float, before: float) -> tuple[float, float]:
        """Ground position of a point at the wall, `before` metres in front of it."""
        c, s = math.cos(slant), math.sin(slant)
        return c * along + s * before, distance + s * along - c * before

    half, deep = rng.uniform(8, 60), rng.uniform(0.1, 6)
    middle = on_wall(rng.uniform(-0.5, 0.5) * half, -deep)
    if rng.random() < 0.45:
        building(items, looks, *middle, half, deep, height, slant)
    else:
        wall = looks.make(*OUTER_WALL, "poster", tile_m=rng.uniform(1, 4))
        Placer(items, *middle, 0, slant).box(-half, half, -deep, deep, 0, height, wall)
    if rng.random() < 0.3:  # part of it stands forward, or is higher
        half_w, half_d, out = rng.uniform(1, 4), rng.uniform(2, 8), rng.uniform(-2, 0.5 * distance)
        corner = on_wall(float(rng.choice([-1, 1])) * rng.uniform(half_w + 1, 9), out - half_d)
        building(items, looks, *corner, half_w, half_d, height * rng.uniform(0.6, 1.5), slant)
    if rng.random() < 0.3:
        fences.see_through(
            Placer(items, *on_wall(rng.normal(0, 1), rng.uniform(0.1, 0.5) * distance), 0, slant), looks, 6
        )
    rows = (fences.piece, structures.mesh_fence, nature.hedge, structures.arcade, structures.scaffold)
    for _ in range(rng.integers(0, 3)):
        draw, before = rows[rng.integers(len(rows))], rng.uniform(0.2, 0.5) * distance
        for k in range(rng.integers(1, 6)):
            draw(Placer(items, *on_wall((k - 2) * rng.uniform(3.5, 5), before), 0, slant), looks)
    row, step, before = choose(rng, OUTDOOR_FREE), rng.uniform(1.2, 4), rng.uniform(0.1, 0.7) * distance
    for k in range(rng.integers(0, 9)):
        row(Placer(items, *on_wall((k - 4) * step, before), 0, slant + rng.normal(0, 0.1)), looks)
    for _ in range(rng.integers(1, 10)):
        place = on_wall(rng.uniform(-1, 1) * distance, rng.uniform(0.05, 0.8) * distance)
        choose(rng, OUTDOOR_FREE)(Placer(items, *place, 0, rng.uniform(0, 6.3)), looks)
    for _ in range(rng.integers(0, 4)):
        nature.tree(Placer(items, *on_wall(rng.uniform(-15, 15), rng.uniform(-14, -3) - 2 * deep)), looks)
    eye = (0.0, 0.0, float(rng.choice([1.6, rng.uniform(0.4, 3)])))
    return Place(
        items, False, eye, (0.3, 0.2, 0.1), 0.0, 0.35, float(rng.choice([-0.05, -0.2])), 0.14, (), (), (35.0, 95.0)
    )
