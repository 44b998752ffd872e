"""Rooms, offices, corridors, halls and table tops."""

from __future__ import annotations

import math

import numpy as np

from . import furniture, nature, panels, structures
from .looks import Looks, Placer
from .places import INDOOR_FREE, INDOOR_WALL, Place, floating, scatter
from .shapes import BOX, CYLINDER, ELLIPSOID, RELIEF
from .solids import Material, SolidList

_FROM_WALLS_M = 0.35
"""Nobody stands nearer to a wall or the ceiling: what is too near to a camera is left out of its picture."""


def _wall(items: SolidList, looks: Looks, start, end, height: float, m: Material, trim: Material) -> list:
    """A wall with openings, doors, pictures, from start to end (x, y); its room lies to the left.

    Returns:
        Middle and inward normal of its windows.
    """
    rng = looks.rng
    sx, sy = start
    length = math.hypot(end[0] - sx, end[1] - sy)
    yaw = math.atan2(end[1] - sy, end[0] - sx)
    p = Placer(items, sx, sy, 0.0, yaw)  # x along the wall, +y into the room
    t = rng.uniform(0.08, 0.3)
    style = rng.random()
    windows: list = []
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
            reach = (k + 0.5) * cell
            middle = (sx + math.cos(yaw) * reach, sy + math.sin(yaw) * reach, (sill + top) / 2)
            windows.append((middle, (-math.sin(yaw), math.cos(yaw), 0.0)))
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
            turned = Placer(items, sx + math.cos(yaw) * length, sy + math.sin(yaw) * length, 0.0, yaw + math.pi)
            for x in (rng.uniform(0.05, 0.3) * length, rng.uniform(0.7, 0.95) * length):
                furniture.hang(turned, looks, x, -0.12, (top + 0.2) / 2, rng.uniform(0.25, 0.6), top / 2, curtain)
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
    hung = style >= 0.5 and rng.random() < 0.65
    if hung:
        panels.along_wall(p, looks, length, height)
    if style >= 0.5:
        if not hung and rng.random() < 0.4 and length > 1.5:
            x = rng.uniform(0.05, 0.95) * (length - 1.0)
            p.box(x, x + 0.9, 0, 0.04, 0, 2.05, looks.make("panels", "wood", "plain", tile_m=0))
        for _ in range(0 if hung else rng.integers(0, 4)):
            w, h = rng.uniform(0.15, 0.7), rng.uniform(0.15, 0.6)
            x, z = rng.uniform(0, length), rng.uniform(1.0, max(1.1, height - 0.7))
            p.put(BOX, (x, 0.015, z), (w, 0.015, h), looks.make("poster", "text", "screen", "gradient", tile_m=0))
        if not hung and rng.random() < 0.25:
            x = rng.uniform(0.1, 0.7) * length
            window = looks.make("gradient", "poster", "plaster", tile_m=0, emission=1.3)
            p.box(x, x + min(1.3, length * 0.3), 0, 0.02, 0.9, min(2.2, height - 0.1), window)
        if not hung and rng.random() < 0.08:
            mirror = looks.make("metal", specular=1.0)
            w, h, x = rng.uniform(0.25, 0.9), rng.uniform(0.4, 1.0), rng.uniform(0.2, 0.8) * length
            p.put(BOX, (x, 0.02, 1.35), (w, 0.02, min(h, height / 2 - 0.3)), mirror)
        if not hung and rng.random() < 0.3:
            x = rng.uniform(0.1, 0.8) * length
            p.put(
                RELIEF,
                (x, 0.08, 0.45),
                (0.5, 0.35, 0.05),
                looks.make("plaster", "plain", "metal"),
                tilt=np.array([[-1.0, 0, 0], [0, 0, 1], [0, 1, 0]]),
                param=1.0,
                chart=looks.chart("folds"),
            )  # a radiator
    return windows


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
    ceiling = looks.make("plaster", "plaster", "plaster", "tiles", "boards", "wood", tile_m=2.5)
    floor = looks.make(
        "wood",
        "tiles",
        "bricks",
        "noise",
        "plain",
        "stones",
        "cloth",
        tile_m=2.0,
        specular=float(rng.choice([0, 0.1, 0.4])),
    )
    items.add(BOX, (0, d / 2, -0.1), (w / 2 + 8, d / 2 + 8, 0.1), floor)
    items.add(BOX, (0, d / 2, h + 0.05), (w / 2 + 0.3, d / 2 + 0.3, 0.05), ceiling)
    items.add(BOX, (0, d / 2, -3.5), (900, 900, 0.2), looks.make("grass", "asphalt", "tiles", tile_m=4))
    corners = [(-w / 2, 0), (w / 2, 0), (w / 2, d), (-w / 2, d)]
    windows: list = []
    shared = looks.make("plaster", "plaster", "plain", "noise", "bricks", "boards", "tiles", tile_m=2.5)
    trim = looks.make("plain", "plaster", "wood")
    for k in range(4):
        m = (
            shared
            if rng.random() < 0.75
            else looks.make("plaster", "plain", "stripes", "bricks", "tiles", "boards", "wood", tile_m=1.5)
        )
        windows += _wall(items, looks, corners[k], corners[(k + 1) % 4], h, m, trim)
    for _ in range(rng.integers(3, 9)):  # outside, seen through windows
        a, r, s = rng.uniform(0, 6.3), rng.uniform(15, 60), rng.uniform(4, 15)
        p = Placer(items, r * math.cos(a), d / 2 + r * math.sin(a), -3.3, rng.uniform(0, 6.3))
        if rng.random() < 0.6:
            p.box(-s, s, -s, s, 0, rng.uniform(5, 30), looks.make("facade", "bricks", tile_m=18))
        else:
            nature.tree(p, looks, 1.5)
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
    if rng.random() < 0.25:  # beams
        beam = looks.make("wood", "plaster", "metal", tile_m=1.5)
        for k in range(int(d // 1.4)):
            y = 0.7 + 1.4 * k
            items.add(BOX, (0, y, h - 0.08), (w / 2, 0.08, 0.09), beam)
    if rng.random() < 0.4:  # a rug
        rug = looks.make("cloth", "stripes", "poster", "noise", tile_m=0)
        items.add(BOX, (rng.normal(0, w / 8), d * rng.uniform(0.3, 0.7), 0.008), (w * 0.25, d * 0.18, 0.008), rug)
    if form >= 0.8 and rng.random() < 0.5:
        structures.stairs(Placer(items, rng.uniform(-0.3, 0.3) * w, d * 0.7, 0, rng.choice([0, 1.57, -1.57])), looks)
    if form >= 0.62 and rng.random() < 0.35:
        for k in range(1, int(d // 3)):
            structures.arcade(Placer(items, 0, 3.0 * k, 0, 0), looks, 1)
    taken: list[tuple[float, float]] = []
    dense = rng.uniform(0.4, 1.0)
    for k in range(4):
        (sx, sy), (ex, ey) = corners[k], corners[(k + 1) % 4]
        length = math.hypot(ex - sx, ey - sy)
        yaw = math.atan2(ey - sy, ex - sx)
        x = rng.uniform(0.3, 1.0)
        while x < length - 0.5:
            draw, _, half = INDOOR_WALL[rng.choice(5, p=np.array([3, 4, 3, 1.5, 1]) / 12.5)]
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
                    furniture.desk(Placer(items, x, y, 0, rng.normal(0, 0.05)), looks)
                    furniture.chair(
                        Placer(items, x + rng.normal(0, 0.2), y - 0.65, 0, math.pi + rng.normal(0, 0.5)), looks
                    )
                    taken.append((x, y))
        scatter(items, looks, INDOOR_FREE, count, (-w / 2 + 0.5, w / 2 - 0.5, 0.6, d - 0.5), taken, 0.9)
        if rng.random() < 0.3:
            floating(items, looks, rng.integers(1, 10), (-w / 2, w / 2, 1, d), 0.2, h, 0.5)
        if w > 6 and rng.random() < 0.6:
            column = looks.make("plaster", "stones", "bricks", tile_m=2)
            kind, r = int(rng.choice([BOX, CYLINDER])), rng.uniform(0.15, 0.4)
            for i in (-1, 1):
                for j in range(int(d // 4)):
                    items.add(kind, (i * w * 0.28, 2 + 4 * j, h / 2), (r, r, h / 2), column)
    backwards = rng.random() < 0.15
    eye_y = max(d * rng.uniform(0.05, 0.35), _FROM_WALLS_M + 0.3)
    eye = (0.0, eye_y, min(rng.choice([1.5, rng.uniform(0.5, h - 0.4)]), h - _FROM_WALLS_M - 0.2))
    at_something = w > 3.2 and not backwards and rng.random() < 0.35
    if at_something:
        eye = (0.0, eye_y, rng.uniform(1.3, min(1.7, h - _FROM_WALLS_M - 0.2)))
        _in_front(items, looks, eye_y, w, d)
    return Place(
        items,
        True,
        eye,
        (min(w * (0.2 if at_something else 0.35), w / 2 - _FROM_WALLS_M), 0.3, 0.2),
        math.pi if backwards else 0.0,
        0.45,
        -0.2 if at_something else -0.12,
        0.14,
        tuple(lamps),
        tuple(windows),
        (40.0, 105.0),
    )


def _in_front(items: SolidList, looks: Looks, eye_y: float, w: float, d: float) -> None:
    """What a photographer stands at, and what fills the lower part of the picture: desks, a table, a counter, a bed or a sofa."""
    rng = looks.rng
    x, begin = rng.normal(0, 0.1 * (w - 2.5)), eye_y + rng.uniform(-0.1, 0.7)
    style = rng.random() * (1.0 if begin + 2.1 < d else 0.8)
    if style < 0.4:  # desks side by side and face to face
        for row in range(rng.integers(1, 3)):
            for side in (-1, 1):
                if begin + 2.3 * row + 1.6 > d:
                    break
                p = Placer(items, x + side * rng.uniform(0.5, 0.9), begin + 0.5 + 2.3 * row, 0, side * math.pi / 2)
                furniture.desk(p, looks)
                if rng.random() < 0.7:
                    a = -side * math.pi / 2 + rng.normal(0, 0.5)
                    furniture.chair(
                        Placer(items, x + side * rng.uniform(1.2, 1.7), begin + 0.5 + 2.3 * row, 0, a), looks
                    )
    elif style < 0.8:  # a table or a counter
        half_w, half_d = rng.uniform(0.4, 0.3 * w), rng.uniform(0.35, max(0.4, min(1.6, 0.3 * (d - begin))))
        tall = rng.uniform(0.7, 0.78) if rng.random() < 0.7 else rng.uniform(0.85, 1.05)
        p = Placer(items, x, begin + half_d, 0, rng.normal(0, 0.08))
        m = looks.furniture()
        p.box(-half_w, half_w, -half_d, half_d, tall - 0.04, tall, m)
        if rng.random() < 0.6:
            for sx in (-1, 1):
                for sy in (-1, 1):
                    p.post(sx * (half_w - 0.06), sy * (half_d - 0.06), 0, tall - 0.04, 0.03, m)
        else:
            p.box(-half_w + 0.05, half_w - 0.05, -half_d + 0.05, half_d - 0.05, 0, tall - 0.04, looks.furniture())
        furniture.clutter_on(
            p, looks, -half_w * 0.9, half_w * 0.9, -half_d * 0.9, half_d * 0.9, tall, rng.integers(0, 14)
        )
        for _ in range(rng.integers(0, 7)):
            side, along = rng.choice([-1, 1]), rng.uniform(-0.8, 0.8) * half_d
            a = -side * math.pi / 2 + rng.normal(0, 0.4)
            furniture.chair(Placer(items, x + side * (half_w + 0.2), begin + half_d + along, 0, a), looks)
    else:
        thing = furniture.bed if rng.random() < 0.5 else furniture.sofa
        thing(
            Placer(items, x, begin + 1.0, 0, float(rng.choice([0, math.pi / 2, math.pi])) + rng.normal(0, 0.1)), looks
        )


def tabletop(looks: Looks) -> Place:
    """Things on a table, near."""
    rng = looks.rng
    items = SolidList()
    w, d = rng.uniform(0.5, 1.2), rng.uniform(0.4, 0.9)
    items.add(
        BOX,
        (0, d, -0.03),
        (w, d, 0.03),
        looks.make("wood", "cloth", "plain", "tiles", "noise", tile_m=0.8, specular=0.3),
    )
    items.add(BOX, (0, 1, -0.8), (6, 6, 0.05), looks.make("wood", "tiles", "cloth", tile_m=1.5))
    far = rng.uniform(2 * d + 0.05, 5)
    items.add(
        BOX,
        (0, far + 0.1, 1),
        (6, 0.1, 2.5),
        looks.make("plaster", "plain", "bricks", "boards", "stripes", "noise", "books", tile_m=1.5),
    )
    for side in (-1, 1):
        items.add(
            BOX, (side * rng.uniform(1.5, 4), 1, 1), (0.1, 6, 2.5), looks.make("plaster", "plain", "wood", tile_m=2)
        )
    p = Placer(items, 0, d, 0)
    furniture.clutter_on(p, looks, -w * 0.95, w * 0.95, -d * 0.95, d * 0.95, 0.0, rng.integers(6, 22))
    for _ in range(rng.integers(2, 9)):
        furniture.solid(Placer(items, rng.uniform(-w, w), rng.uniform(0.3, 2 * d), 0, 0), looks, rng.uniform(0.08, 0.3))
    if rng.random() < 0.5:
        scatter(
            items,
            looks,
            INDOOR_FREE,
            rng.integers(1, 5),
            (-3, 3, 2 * d + 0.3, max(far, 2 * d + 0.4)),
            [],
            0.8,
            height_at=lambda *_: -0.75,
        )
    eye = (0.0, rng.uniform(-0.5, 0.0), rng.uniform(0.15, 0.9))
    lamp = (rng.uniform(-1, 1), rng.uniform(-0.5, 1), rng.uniform(1.2, 2))
    return Place(items, True, eye, (0.3, 0.1, 0.05), 0.0, 0.2, -0.45 * eye[2] - 0.15, 0.15, (lamp,), (), (35.0, 80.0))
