"""Whole places: rooms, streets, courtyards, landscapes, table tops. Where things stand, and from where one looks."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from . import objects as things
from .objects import Looks, Placer
from .solids import BOX, CYLINDER, ELLIPSOID, Material, SolidList


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
        fov: Range of the longer side's field of view in degrees.
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
    fov: tuple[float, float] = (30.0, 100.0)


def _scatter(items: SolidList, looks: Looks, table, count: int, bounds, taken: list, gap: float = 0.5, z: float = 0.0) -> None:
    """Places things at random where there is room."""
    rng = looks.rng
    x0, x1, y0, y1 = bounds
    for _ in range(count):
        for _ in range(6):
            x, y = rng.uniform(x0, x1), rng.uniform(y0, y1)
            if all((x - a) ** 2 + (y - b) ** 2 > gap * gap for a, b in taken):
                taken.append((x, y))
                things.choose(rng, table)(Placer(items, x, y, z, rng.uniform(0, 6.3)), looks)
                break


def _floating(items: SolidList, looks: Looks, count: int, bounds, low: float, high: float, size: float) -> None:
    """Solids in the air: what teaches occlusion without help from the ground."""
    rng = looks.rng
    for _ in range(count):
        half = size * rng.uniform(0.1, 1.0, 3) * rng.uniform(0.3, 1.0)
        if rng.random() < 0.25:
            half[:2] *= 0.12
        c = (rng.uniform(bounds[0], bounds[1]), rng.uniform(bounds[2], bounds[3]), rng.uniform(low, high))
        items.add(int(rng.choice([BOX, ELLIPSOID, CYLINDER])), c, half, looks.any(size), tilt=things.random_rotation(rng))


# -- indoors -----------------------------------------------------------------------


def _wall(items: SolidList, looks: Looks, start, end, height: float, m: Material, trim: Material) -> None:
    """A wall with openings, doors, pictures, from start to end (x, y); its room lies to the left."""
    rng = looks.rng
    sx, sy = start
    length = math.hypot(end[0] - sx, end[1] - sy)
    yaw = math.atan2(end[1] - sy, end[0] - sx)
    p = Placer(items, sx, sy, 0.0, yaw)  # x along the wall, +y into the room
    t = rng.uniform(0.08, 0.3)
    style = rng.random()
    if style < 0.3 and length > 1.6:  # windows through which the outside is seen
        count = max(1, int(length / rng.uniform(1.6, 4.0)))
        sill, top = rng.uniform(0.1, 1.1), height * rng.uniform(0.75, 0.95)
        share = rng.uniform(0.4, 0.9)
        p.box(0, length, -t, 0, 0, sill, m)
        p.box(0, length, -t, 0, top, height, m)
        cell = length / count
        x = 0.0
        for k in range(count):
            w0, w1 = (k + 0.5 - share / 2) * cell, (k + 0.5 + share / 2) * cell
            p.box(x, w0, -t, 0, sill, top, m)
            x = w1
            f = 0.035
            for bar in (w0 + f, (w0 + w1) / 2, w1 - f):
                p.box(bar - f, bar + f, -t * 0.6, -t * 0.4, sill, top, trim)
            for bar in (sill + f, top - f, *([sill + (top - sill) * 0.6] if rng.random() < 0.4 else [])):
                p.box(w0, w1, -t * 0.6, -t * 0.4, bar - f, bar + f, trim)
        p.box(x, length, -t, 0, sill, top, m)
        p.box(0, length, 0, rng.uniform(0.02, 0.2), sill - 0.04, sill, trim)
        if rng.random() < 0.3:
            curtain = looks.make("cloth", "plain", "stripes", tile_m=1.2)
            for x in (rng.uniform(0.05, 0.3) * length, rng.uniform(0.7, 0.95) * length):
                for k in range(8):
                    p.post(x + (k - 4) * 0.09, 0.1, 0.05, top + 0.15, 0.055, curtain)
    elif style < 0.5 and length > 1.8:  # a doorway with a room behind
        x, w, top = rng.uniform(0.1, 0.9) * (length - 1.2), rng.uniform(0.8, 1.2), min(2.1, height - 0.1)
        p.box(0, x, -t, 0, 0, height, m)
        p.box(x + w, length, -t, 0, 0, height, m)
        p.box(x, x + w, -t, 0, top, height, m)
        deep = rng.uniform(1.2, 6)
        far = looks.make("plaster", "plain", "noise", tile_m=2)
        p.box(x - 2, x + w + 2, -deep - 0.1, -deep, 0, height, far)
        p.box(x - 2.1, x - 2, -deep, -t, 0, height, far)
        p.box(x + w + 2, x + w + 2.1, -deep, -t, 0, height, far)
        p.box(x - 2, x + w + 2, -deep, -t, height, height + 0.1, far)
    else:
        p.box(0, length, -t, 0, 0, height, m)
    if rng.random() < 0.6:
        p.box(0, length, 0, 0.015, 0, rng.uniform(0.06, 0.15), trim)
    if style >= 0.5:
        if rng.random() < 0.4 and length > 1.5:
            x = rng.uniform(0.05, 0.95) * (length - 1.0)
            p.box(x, x + 0.9, 0, 0.04, 0, 2.05, looks.make("panels", "wood", "plain", tile_m=0))
        for _ in range(rng.integers(0, 4)):
            w, h = rng.uniform(0.15, 0.7), rng.uniform(0.15, 0.6)
            x, z = rng.uniform(0, length), rng.uniform(1.0, max(1.1, height - 0.7))
            p.put(BOX, (x, 0.015, z), (w, 0.015, h), looks.make("poster", "text", "screen", "gradient", tile_m=0))
        if rng.random() < 0.25:
            x = rng.uniform(0.1, 0.7) * length
            window = looks.make("gradient", "poster", "plaster", tile_m=0, emission=1.3)
            p.box(x, x + min(1.3, length * 0.3), 0, 0.02, 0.9, min(2.2, height - 0.1), window)


def room(looks: Looks) -> Place:
    """A furnished room, an office, a corridor or a hall."""
    rng = looks.rng
    items = SolidList()
    form = rng.random()
    if form < 0.62:
        w, d, h = rng.uniform(2.6, 7), rng.uniform(3, 9), rng.uniform(2.3, 3.3)
    elif form < 0.8:
        w, d, h = rng.uniform(1.3, 2.8), rng.uniform(6, 25), rng.uniform(2.2, 3.2)
    else:
        w, d, h = rng.uniform(7, 25), rng.uniform(8, 35), rng.uniform(3, 9)
    ceiling = looks.make("plaster", "plaster", "tiles", "wood", tile_m=2.5)
    floor = looks.make("wood", "tiles", "noise", "plain", "stones", "cloth", tile_m=2.0, specular=float(rng.choice([0, 0.1, 0.4])))
    items.add(BOX, (0, d / 2, -0.1), (w / 2 + 8, d / 2 + 8, 0.1), floor)
    items.add(BOX, (0, d / 2, h + 0.05), (w / 2 + 0.3, d / 2 + 0.3, 0.05), ceiling)
    items.add(BOX, (0, d / 2, -3.5), (900, 900, 0.2), looks.make("grass", "asphalt", "tiles", tile_m=4))
    corners = [(-w / 2, 0), (w / 2, 0), (w / 2, d), (-w / 2, d)]
    shared = looks.make("plaster", "plaster", "plain", "noise", "bricks", tile_m=2.5)
    trim = looks.make("plain", "plaster", "wood")
    for k in range(4):
        m = shared if rng.random() < 0.75 else looks.make("plaster", "plain", "stripes", "bricks", "tiles", "wood", tile_m=1.5)
        _wall(items, looks, corners[k], corners[(k + 1) % 4], h, m, trim)
    for _ in range(rng.integers(3, 9)):  # outside, seen through windows
        a, r, s = rng.uniform(0, 6.3), rng.uniform(15, 60), rng.uniform(4, 15)
        p = Placer(items, r * math.cos(a), d / 2 + r * math.sin(a), -3.3, rng.uniform(0, 6.3))
        if rng.random() < 0.6:
            p.box(-s, s, -s, s, 0, rng.uniform(5, 30), looks.make("facade", "bricks", tile_m=18))
        else:
            things.tree(p, looks, 1.5)
    lamps = []
    nx, ny = max(1, round(w / rng.uniform(2.2, 5))), max(1, round(d / rng.uniform(2.2, 5)))
    fitting = rng.random()
    glow = looks.make("plaster", emission=rng.uniform(1.0, 2.5))
    for i in range(min(nx, 5)):
        for j in range(min(ny, 7)):
            x, y = w * ((i + 0.5) / nx - 0.5), d * (j + 0.5) / ny
            if fitting < 0.45:
                items.add(BOX, (x, y, h - 0.01), (rng.uniform(0.1, 0.6), rng.uniform(0.1, 0.4), 0.015), glow)
            elif fitting < 0.75:
                drop = rng.uniform(0.1, min(0.8, h - 1.9))
                items.add(CYLINDER, (x, y, h - drop / 2), (0.008, 0.008, drop / 2), trim)
                items.add(ELLIPSOID, (x, y, h - drop), (0.15, 0.15, 0.12), glow)
            lamps.append((x, y, h - 0.35))
    taken: list[tuple[float, float]] = []
    dense = rng.uniform(0.4, 1.0)
    for k in range(4):
        (sx, sy), (ex, ey) = corners[k], corners[(k + 1) % 4]
        length = math.hypot(ex - sx, ey - sy)
        yaw = math.atan2(ey - sy, ex - sx)
        x = rng.uniform(0.3, 1.0)
        while x < length - 0.5:
            draw, _, half = things.INDOOR_WALL[rng.choice(5, p=np.array([3, 4, 3, 1.5, 1]) / 12.5)]
            if rng.random() < dense * (0.75 if w > 2 or k % 2 == 0 else 0.25):
                px = sx + math.cos(yaw) * x - math.sin(yaw) * (half + 0.05)
                py = sy + math.sin(yaw) * x + math.cos(yaw) * (half + 0.05)
                draw(Placer(items, px, py, 0, yaw + math.pi), looks)
                taken.append((px, py))
            x += rng.uniform(1.0, 2.6)
    if w > 2:
        count = int(np.clip(w * d * rng.uniform(0.1, 0.45), 2, 16))
        if rng.random() < 0.35:  # rows of desks with chairs, as in an office or a class room
            step, gap = rng.uniform(1.8, 2.6), rng.uniform(1.4, 2.4)
            for i in range(int(min((w - 1) // step, 4))):
                for j in range(int(min((d - 2) // gap, 4))):
                    x, y = -w / 2 + 1 + i * step, 1.8 + j * gap
                    things.desk(Placer(items, x, y, 0, rng.normal(0, 0.05)), looks)
                    things.chair(Placer(items, x + rng.normal(0, 0.2), y - 0.65, 0, math.pi + rng.normal(0, 0.5)), looks)
                    taken.append((x, y))
        _scatter(items, looks, things.INDOOR_FREE, count, (-w / 2 + 0.5, w / 2 - 0.5, 0.6, d - 0.5), taken, 0.9)
        if rng.random() < 0.3:
            _floating(items, looks, rng.integers(1, 10), (-w / 2, w / 2, 1, d), 0.2, h, 0.5)
        if w > 6 and rng.random() < 0.6:
            column = looks.make("plaster", "stones", "bricks", tile_m=2)
            kind, r = int(rng.choice([BOX, CYLINDER])), rng.uniform(0.15, 0.4)
            for i in (-1, 1):
                for j in range(int(d // 4)):
                    items.add(kind, (i * w * 0.28, 2 + 4 * j, h / 2), (r, r, h / 2), column)
    backwards = rng.random() < 0.15
    eye = (0.0, d * rng.uniform(0.05, 0.35), rng.choice([1.5, rng.uniform(0.5, h - 0.4)]))
    return Place(items, True, eye, (w * 0.35, 0.3, 0.2), math.pi if backwards else 0.0, 0.45, -0.12, 0.14, tuple(lamps), (40.0, 105.0))


def tabletop(looks: Looks) -> Place:
    """Things on a table, near."""
    rng = looks.rng
    items = SolidList()
    w, d = rng.uniform(0.5, 1.2), rng.uniform(0.4, 0.9)
    items.add(BOX, (0, d, -0.03), (w, d, 0.03), looks.make("wood", "cloth", "plain", "tiles", "noise", tile_m=0.8, specular=0.3))
    items.add(BOX, (0, 1, -0.8), (6, 6, 0.05), looks.make("wood", "tiles", "cloth", tile_m=1.5))
    far = rng.uniform(2 * d + 0.05, 5)
    items.add(BOX, (0, far + 0.1, 1), (6, 0.1, 2.5), looks.make("plaster", "plain", "bricks", "stripes", "noise", "books", tile_m=1.5))
    for side in (-1, 1):
        items.add(BOX, (side * rng.uniform(1.5, 4), 1, 1), (0.1, 6, 2.5), looks.make("plaster", "plain", "wood", tile_m=2))
    p = Placer(items, 0, d, 0)
    things.clutter_on(p, looks, -w * 0.95, w * 0.95, -d * 0.95, d * 0.95, 0.0, rng.integers(6, 22))
    for _ in range(rng.integers(2, 9)):
        things.solid(Placer(items, rng.uniform(-w, w), rng.uniform(0.3, 2 * d), 0, 0), looks, rng.uniform(0.08, 0.3))
    if rng.random() < 0.5:
        _scatter(items, looks, things.INDOOR_FREE, rng.integers(1, 5), (-3, 3, 2 * d + 0.3, max(far, 2 * d + 0.4)), [], 0.8, z=-0.75)
    eye = (0.0, rng.uniform(-0.5, 0.0), rng.uniform(0.15, 0.9))
    lamp = (rng.uniform(-1, 1), rng.uniform(-0.5, 1), rng.uniform(1.2, 2))
    return Place(items, True, eye, (0.3, 0.1, 0.05), 0.0, 0.2, -0.45 * eye[2] - 0.15, 0.15, (lamp,), (35.0, 80.0))


# -- outdoors ----------------------------------------------------------------------


def _building(items: SolidList, looks: Looks, x, y, half_w, half_d, height, yaw) -> None:
    rng = looks.rng
    p = Placer(items, x, y, 0.0, yaw)
    m = looks.make("facade", "facade", "facade", "bricks", "plaster", tile_m=rng.uniform(9, 24))
    p.box(-half_w, half_w, -half_d, half_d, 0, height, m)
    if rng.random() < 0.5:
        p.box(-half_w - 0.2, half_w + 0.2, -half_d - 0.2, half_d + 0.2, height, height + 0.4, looks.make("plaster", "plain", tile_m=3))
    if rng.random() < 0.5:
        base = looks.make("plaster", "stones", "tiles", "poster", "panels", tile_m=4)
        p.box(-half_w - 0.05, half_w + 0.05, -half_d - 0.05, half_d + 0.05, 0, rng.uniform(2.5, 4.5), base)
    for side in (-1, 1):
        for _ in range(rng.integers(0, 3)):  # awnings, balconies, signs
            along_y, z, out = rng.uniform(-0.9, 0.9) * half_d, rng.uniform(2.5, max(3.0, height * 0.8)), rng.uniform(0.3, 1.4)
            p.box(side * half_w - out, side * half_w + out, along_y - 1.2, along_y + 1.2, z, z + rng.uniform(0.1, 0.9), looks.any(2))
    if rng.random() < 0.3 and height < 14:  # a pitched roof
        for side in (-1, 1):
            slope = np.array([[0.8, 0, 0.6 * side], [0, 1, 0], [-0.6 * side, 0, 0.8]])
            p.put(BOX, (side * half_w * 0.5, 0, height + half_w * 0.36), (half_w * 0.68, half_d, 0.12), looks.make("tiles", "bricks", "plain", tile_m=2), tilt=slope)


def street(looks: Looks) -> Place:
    """A road with kerbs, markings, buildings, vehicles, trees and people; often seen by a driver."""
    rng = looks.rng
    items = SolidList()
    lanes = rng.uniform(3, 11)
    pavement = rng.uniform(1.2, 5)
    ground = looks.make("grass", "asphalt", "tiles", "noise", tile_m=4)
    items.add(BOX, (0, 0, -0.62), (3000, 3000, 0.5), ground)
    items.add(BOX, (0, 250, -0.56), (lanes, 500, 0.56), looks.make("asphalt", "asphalt", "asphalt", "stones", tile_m=5, specular=float(rng.choice([0, 0, 0.3]))))
    walk = looks.make("tiles", "asphalt", "stones", "plaster", tile_m=2.5)
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
            _building(items, looks, s * (edge + back + width), y + depth, width, depth, height, rng.normal(0, 0.03))
            y += 2 * depth + float(rng.choice([0, 0.5, rng.uniform(2, 20)], p=[0.45, 0.15, 0.4]))
    if rng.random() < 0.55:
        _building(items, looks, rng.normal(0, 10), rng.uniform(50, 250), rng.uniform(10, 40), 8, rng.uniform(5, 35), 0.0)
    for _ in range(rng.integers(0, 5)):
        _hill(items, looks, rng.uniform(-400, 400), rng.uniform(200, 700), 150)
    for s in (-1, 1):  # parked and moving cars, pavement furniture
        y = rng.uniform(-2, 6)
        busy = rng.random()
        while y < 70:
            if rng.random() < busy:
                things.car(Placer(items, s * (lanes - 1.15), y, 0, (math.pi if s > 0 else 0) + rng.normal(0, 0.04)), looks)
            y += rng.uniform(5, 9)
        for _ in range(rng.integers(3, 12)):
            thing = things.choose(rng, things.OUTDOOR_FREE)
            yaw = (math.pi if s > 0 else 0.0) if thing is things.street_pole else rng.uniform(0, 6.3)
            thing(Placer(items, s * (lanes + rng.uniform(0.3, pavement)), rng.uniform(0, 60), 0.12, yaw), looks)
        if rng.random() < 0.5:
            for k in range(rng.integers(2, 9)):
                things.tree(Placer(items, s * (lanes + pavement * 0.5), 3 + k * rng.uniform(6, 9), 0.12), looks)
    for _ in range(rng.integers(0, 5)):
        s = int(rng.choice([-1, 1]))
        things.car(Placer(items, s * lanes * rng.uniform(0.15, 0.55), rng.uniform(5, 60), 0, math.pi if s > 0 else 0.0), looks)
    if rng.random() < 0.25:
        for _ in range(rng.integers(1, 4)):  # wires across the road
            y, z = rng.uniform(5, 50), rng.uniform(5, 9)
            items.add(CYLINDER, (0, y, z), (0.03, 0.03, lanes + 4), looks.metal(), tilt=things.along([1, rng.normal(0, 0.2), 0]))
    driving = rng.random() < 0.6
    if driving:
        return Place(items, False, (lanes * rng.uniform(-0.5, 0.5), rng.uniform(-4, 2), rng.uniform(1.4, 2.3)), (0.5, 1, 0.1), 0.0, float(rng.choice([0.08, 0.7])), 0.0, 0.04, (), (40.0, 75.0))
    return Place(items, False, (rng.uniform(-edge, edge), 0.0, float(rng.choice([1.6, rng.uniform(0.4, 8)]))), (1, 1, 0.2), 0.0, 0.5, 0.03, 0.13, (), (35.0, 95.0))


def _hill(items: SolidList, looks: Looks, x, y, size: float) -> None:
    rng = looks.rng
    half = size * rng.uniform(0.4, 1.3, 3) * [1, 1, rng.uniform(0.08, 0.5)]
    items.add(ELLIPSOID, (x, y, -half[2] * rng.uniform(0.1, 0.5)), half, looks.make("grass", "leaves", "noise", "asphalt", tile_m=size * 0.15), yaw=rng.uniform(0, 6.3))


def courtyard(looks: Looks) -> Place:
    """A square between buildings: paving, arcades, stairs, trees, people."""
    rng = looks.rng
    items = SolidList()
    size = rng.uniform(6, 30)
    items.add(BOX, (0, 0, -0.5), (2000, 2000, 0.5), looks.make("tiles", "stones", "asphalt", "bricks", "grass", tile_m=3))
    sides = rng.permutation(4)[: rng.integers(1, 5)]
    for k in sides:
        a = k * math.pi / 2 + rng.normal(0, 0.12)
        depth, length, height = rng.uniform(3, 8), rng.uniform(size * 0.5, size * 1.4), rng.uniform(4, 18)
        x, y = (size + depth) * math.sin(a), size + (size + depth) * math.cos(a)
        _building(items, looks, x, y, length, depth, height, -a)
        if rng.random() < 0.5:  # an arcade in front
            p = Placer(items, size * math.sin(a), size + size * math.cos(a), 0, -a)
            r, h, gap = rng.uniform(0.15, 0.4), rng.uniform(2.6, 5), rng.uniform(1.8, 4)
            m = looks.make("plaster", "stones", "bricks", tile_m=2)
            for j in range(int(length // gap)):
                for s in (-1, 1):
                    p.post(s * (j + 0.5) * gap, -1.5, 0, h, r, m)
            p.box(-length, length, -1.9, 1, h, h + rng.uniform(0.3, 1.2), m)
    if rng.random() < 0.5:
        p = Placer(items, rng.uniform(-size, size) * 0.6, size * rng.uniform(0.5, 1.5), 0, rng.uniform(0, 6.3))
        m, steps = looks.make("plaster", "stones", "asphalt", tile_m=2), rng.integers(3, 12)
        for j in range(steps):
            p.box(-rng.uniform(1.9, 2), 2, j * 0.3, steps * 0.3 + 1.5, j * 0.16, (j + 1) * 0.16, m)
    taken: list[tuple[float, float]] = []
    _scatter(items, looks, things.OUTDOOR_FREE, rng.integers(5, 20), (-size * 0.9, size * 0.9, 1.5, size * 1.9), taken, 1.0)
    if rng.random() < 0.4:
        _floating(items, looks, rng.integers(2, 12), (-size * 0.6, size * 0.6, 2, size * 1.5), 0.3, 5, 1.0)
    if rng.random() < 0.4:
        things.car(Placer(items, rng.uniform(-size, size) * 0.5, rng.uniform(4, size + 4), 0, rng.uniform(0, 6.3)), looks)
    for _ in range(rng.integers(0, 4)):
        _hill(items, looks, rng.uniform(-300, 300), rng.uniform(100, 500), 120)
    return Place(items, False, (0.0, 0.0, float(rng.choice([1.6, rng.uniform(0.3, 7)]))), (size * 0.4, 0.5, 0.1), 0.0, 0.5, 0.02, 0.15, (), (30.0, 100.0))


def landscape(looks: Looks) -> Place:
    """Hills, trees, rocks, a path, at times a house."""
    rng = looks.rng
    items = SolidList()
    items.add(BOX, (0, 0, -0.5), (3000, 3000, 0.5), looks.make("grass", "grass", "noise", "asphalt", tile_m=rng.uniform(2, 8)))
    for _ in range(rng.integers(3, 14)):
        _hill(items, looks, rng.uniform(-60, 60), rng.uniform(8, 120), rng.uniform(5, 40))
    for _ in range(rng.integers(0, 7)):
        _hill(items, looks, rng.uniform(-700, 700), rng.uniform(250, 1200), rng.uniform(100, 500))
    if rng.random() < 0.5:
        x = rng.normal(0, 2)
        path = looks.make("asphalt", "noise", "stones", tile_m=3)
        for k in range(16):
            items.add(BOX, (x, 2 + 4 * k, 0.01), (rng.uniform(0.9, 1.3), 2.4, 0.02), path, yaw=rng.normal(0, 0.15))
            x += rng.normal(0, 0.5)
    taken: list[tuple[float, float]] = []
    _scatter(items, looks, things.NATURE_FREE, rng.integers(4, 14), (-10, 10, 2, 22), taken, 1.3)
    _scatter(items, looks, things.NATURE_FREE[:2], rng.integers(0, 14), (-60, 60, 20, 100), taken, 3)
    if rng.random() < 0.35:
        _building(items, looks, rng.uniform(-20, 20), rng.uniform(15, 60), rng.uniform(3, 8), rng.uniform(3, 8), rng.uniform(3, 7), rng.uniform(0, 6.3))
    return Place(items, False, (0.0, 0.0, float(rng.choice([1.6, rng.uniform(0.3, 8)]))), (2, 0.5, 0.1), 0.0, 0.4, -0.03, 0.13, (), (30.0, 95.0))


def medley(looks: Looks) -> Place:
    """Ten to thirty solids of any kind on a ground, standing, leaning and floating."""
    rng = looks.rng
    items = SolidList()
    reach = rng.uniform(1.5, 25)
    items.add(BOX, (0, 0, -0.5), (2000, 2000, 0.5), looks.any(reach * 0.3) if rng.random() < 0.6 else looks.make("tiles", "wood", "grass", "asphalt", tile_m=reach * 0.3))
    count = rng.integers(10, 31)
    for _ in range(count):
        x, y = rng.uniform(-0.7, 0.7) * reach, rng.uniform(0.15, 1.6) * reach
        things.solid(Placer(items, x, y, 0, 0), looks, reach * rng.uniform(0.05, 0.3))
    _floating(items, looks, rng.integers(0, 14), (-0.6 * reach, 0.6 * reach, 0.3 * reach, 1.8 * reach), 0.1 * reach, 0.7 * reach, 0.2 * reach)
    indoor = rng.random() < 0.5
    if indoor:
        far = reach * rng.uniform(1.2, 2.2)
        items.add(BOX, (0, far + 0.5, 0), (reach * 4, 0.5, reach * 3), looks.any(reach * 0.4))
        for s in (-1, 1):
            items.add(BOX, (s * reach * rng.uniform(0.8, 1.6), far / 2, 0), (0.1, far, reach * 3), looks.any(reach * 0.4))
    eye = (0.0, 0.0, reach * rng.uniform(0.04, 0.35))
    lamp = (rng.uniform(-0.5, 0.5) * reach, rng.uniform(-0.2, 0.8) * reach, reach * rng.uniform(0.6, 1.4))
    return Place(items, indoor, eye, (0.2 * reach, 0.05 * reach, 0.02 * reach), 0.0, 0.25, -0.1, 0.14, (lamp,), (30.0, 95.0))


LAYOUTS: dict[str, tuple[Callable[[Looks], Place], float]] = {
    "room": (room, 0.38),
    "street": (street, 0.27),
    "courtyard": (courtyard, 0.12),
    "landscape": (landscape, 0.08),
    "medley": (medley, 0.09),
    "tabletop": (tabletop, 0.06),
}
"""Every kind of place and its share of the images."""
