"""Open country, woods, covered passages and open frames."""

from __future__ import annotations

import math

import numpy as np

from . import boughs, fences, frames, furniture, nature, outdoor, structures, vehicles
from .exteriors import building
from .looks import Looks, Placer, Thing, choose
from .places import INDOOR_FREE, NATURE_FREE, OUTDOOR_FREE, Place, scatter
from .shapes import ARCH, BOX, CYLINDER, RELIEF
from .solids import SolidList


def _ground(items: SolidList, looks: Looks, *patterns: str):
    """A displaced ground near the camera in a level one far away; its height at (x, y)."""
    rng = looks.rng
    m = looks.make(*patterns, tile_m=rng.uniform(1.5, 6))
    items.add(BOX, (0, 0, -0.55), (3000, 3000, 0.5), m)
    half = rng.uniform(25, 130)
    rise = half * rng.uniform(0.02, 0.13)
    return nature.terrain(items, looks, half, rise, m, base=-0.05 - 0.25 * rise)


def landscape(looks: Looks) -> Place:
    """Hills, trees, rocks, grass, a path, at times water, a house or a power line."""
    rng = looks.rng
    items = SolidList()
    height_at = _ground(items, looks, "grass", "grass", "grass", "noise", "asphalt", "stones")
    for _ in range(rng.integers(0, 7)):
        nature.hill(items, looks, rng.uniform(-700, 700), rng.uniform(250, 1200), rng.uniform(100, 500))
    if rng.random() < 0.35:  # mountains
        far = looks.make("noise", "stones", "grass", tile_m=80)
        items.add(
            RELIEF,
            (rng.normal(0, 300), 1500, 60),
            (1200, 900, rng.uniform(80, 260)),
            far,
            param=2,
            chart=looks.chart("ridges"),
        )
    if rng.random() < 0.22:
        # A lake to the horizon or pools between the hills; what is lower lies in it.
        shore = [height_at(*place) for place in rng.uniform((-15, 2), (15, 40), (24, 2))]
        # The level ground beyond the hills is 5 cm lower than 0.
        level = max(min(float(np.quantile(shore, rng.uniform(0.1, 0.7))), height_at(0, 0) + 0.1), -0.03)
        water = looks.make("plain", "noise", "gradient", tile_m=30, specular=float(rng.uniform(0.3, 0.9)))
        dark = float(rng.uniform(0.08, 0.4))
        water.tint = (0.8 * dark, dark, float(rng.uniform(0.8, 1.4)) * dark)
        items.add(BOX, (0, 0, level - 0.25), (3000, 3000, 0.25), water)
    if rng.random() < 0.45:
        x, path = rng.normal(0, 2), looks.make("asphalt", "noise", "stones", tile_m=3)
        for k in range(16):
            y = 2 + 4 * k
            items.add(BOX, (x, y, height_at(x, y)), (rng.uniform(0.9, 1.3), 2.4, 0.06), path, yaw=rng.normal(0, 0.15))
            x += rng.normal(0, 0.5)
    taken: list[tuple[float, float]] = []
    scatter(items, looks, NATURE_FREE, rng.integers(4, 14), (-10, 10, 2, 22), taken, 1.3, height_at)
    scatter(items, looks, NATURE_FREE[:2], rng.integers(0, 12), (-60, 60, 20, 100), taken, 3, height_at)
    if rng.random() < 0.4:
        x, y, w, d = rng.uniform(-20, 20), rng.uniform(15, 60), rng.uniform(3, 8), rng.uniform(3, 8)
        building(items, looks, x, y, w, d, height_at(x, y) + rng.uniform(3, 6), rng.uniform(0, 6.3))
    if rng.random() < 0.3:
        structures.power_line(items, looks, rng.uniform(-12, 12), 4, rng.uniform(15, 30), 4, height_at)
    if rng.random() < 0.35:  # a fence across, with the field or a hedge behind it
        y, turn = math.exp(rng.uniform(math.log(2.5), math.log(25))), rng.normal(0, 0.3)
        p = Placer(items, rng.normal(0, 1), y, height_at(0, y) - 0.05, turn)
        fences.see_through(p, looks, min(0.8 * y + 2, 12))
        if rng.random() < 0.4:
            for k in range(-2, 3):
                x = 4 * k
                nature.hedge(Placer(items, x, y + rng.uniform(0.6, 1.5), height_at(x, y) - 0.1, turn), looks)
    for _ in range(int(rng.choice([0, rng.integers(1, 7)], p=[0.6, 0.4]))):  # bare
        y = 3 + 27 * rng.random() ** 1.5
        x = rng.normal(0, 0.45 * y)
        boughs.bare_tree(Placer(items, x, y, height_at(x, y) - 0.05), looks)
    if rng.random() < 0.12:
        boughs.overhang(Placer(items, 0, rng.uniform(1.2, 4), height_at(0, 0) + 1.5), looks)
    if rng.random() < 0.2:
        vehicles.car(
            Placer(items, x := rng.uniform(-5, 5), y := rng.uniform(5, 15), height_at(x, y), rng.uniform(0, 6.3)), looks
        )
    nature.meadow(items, looks, int(rng.choice([0, rng.integers(5, 60)])), 0.0, rng.uniform(6, 25), height_at)
    eye = (0.0, 0.0, height_at(0, 0) + float(rng.choice([1.6, rng.uniform(0.4, 8)])))
    return Place(items, False, eye, (2, 0.5, 0.1), 0.0, 0.4, -0.03, 0.13, (), (), (30.0, 95.0), height_at)


def woods(looks: Looks) -> Place:
    """Among trees: trunks near and far, undergrowth, logs, a clearing."""
    rng = looks.rng
    items = SolidList()
    height_at = _ground(items, looks, "grass", "leaves", "noise", "stones")
    taken: list[tuple[float, float]] = [(0.0, 0.0)]
    scatter(items, looks, [(nature.tree, 1.0)], rng.integers(8, 26), (-14, 14, 1.5, 34), taken, 1.6, height_at)
    if rng.random() < 0.45:  # in winter
        scatter(items, looks, [(boughs.bare_tree, 1.0)], rng.integers(2, 7), (-8, 8, 2.5, 20), taken, 1.6, height_at)
    if rng.random() < 0.2:
        boughs.overhang(Placer(items, 0, rng.uniform(1.2, 4), height_at(0, 0) + 1.5), looks)
    bark = looks.make("wood", "noise", "plain", tile_m=1)
    bark.tint = (0.5, 0.43, 0.37)
    for _ in range(rng.integers(0, 24)):  # tall trunks whose crowns are out of the picture
        x, y = rng.uniform(-15, 15), rng.uniform(2, 45)
        r, z = rng.uniform(0.08, 0.35), height_at(x, y)
        items.add(CYLINDER, (x, y, z + 9), (r, r, 10), bark)
    scatter(items, looks, NATURE_FREE[1:], rng.integers(5, 22), (-8, 8, 1.5, 18), taken, 0.9, height_at)
    nature.meadow(items, looks, int(rng.integers(0, 50)), 0.0, rng.uniform(5, 15), height_at)
    for _ in range(rng.integers(0, 3)):
        nature.hill(items, looks, rng.uniform(-200, 200), rng.uniform(60, 300), 80)
    eye = (0.0, 0.0, height_at(0, 0) + float(rng.choice([1.6, rng.uniform(0.4, 3)])))
    return Place(items, False, eye, (1, 0.5, 0.1), 0.0, 0.4, -0.02, 0.15, (), (), (35.0, 95.0), height_at)


def passage(looks: Looks) -> Place:
    """A colonnade, a cloister, a tunnel or a stair hall: arch behind arch."""
    rng = looks.rng
    items = SolidList()
    w, h, gap, count = rng.uniform(1.2, 5), rng.uniform(2.5, 7), rng.uniform(1.8, 5), int(rng.integers(3, 10))
    items.add(
        BOX,
        (0, 0, -0.5),
        (1500, 1500, 0.5),
        looks.make("tiles", "stones", "asphalt", "shingles", "wood", "plain", tile_m=2),
    )
    m = looks.make("stones", "plaster", "bricks", "boards", "plain", "tiles", tile_m=2)
    opening, length = rng.uniform(0.6, 0.9), gap * count
    for k in range(count):
        items.add(ARCH, (0, 2 + k * gap, h / 2), (w, rng.uniform(0.1, 0.4), h / 2), m, param=opening)
    for side in (-1, 1):
        style = rng.random()
        if style < 0.4:
            items.add(BOX, (side * (w + 0.2), length / 2, h / 2), (0.2, length, h / 2), m)
        elif style < 0.8:  # open to a garden
            for k in range(count):
                x = side * (w + 0.2)
                items.add(
                    ARCH, (x, 2 + (k + 0.5) * gap, h / 2), (gap / 2, 0.2, h / 2), m, yaw=math.pi / 2, param=opening
                )
            taken: list[tuple[float, float]] = []
            bounds = (w + 2, w + 15, 0, 25) if side > 0 else (-w - 15, -w - 2, 0, 25)
            scatter(items, looks, OUTDOOR_FREE, rng.integers(2, 7), bounds, taken, 2.0)
    roofed = rng.random() < 0.75
    if roofed:
        items.add(
            BOX, (0, length / 2, h + 0.1), (w + 0.4, length, 0.1), looks.make("plaster", "wood", "stones", tile_m=2)
        )
    if rng.random() < 0.4:
        structures.stairs(Placer(items, 0, rng.uniform(0.4, 0.9) * length, 0, 0), looks)
    if rng.random() < 0.5:
        building(items, looks, rng.normal(0, 5), length + 20, 12, 6, rng.uniform(6, 20), 0)
    else:
        items.add(BOX, (0, length + gap, h / 2), (w * 3, 0.2, h), looks.make("plaster", "poster", "bricks", tile_m=2))
    scatter(items, looks, INDOOR_FREE, rng.integers(0, 8), (-w * 0.8, w * 0.8, 2, length), [], 1.0)
    furniture.lamp(Placer(items, w * 0.7, rng.uniform(3, length), 0, 0), looks)
    lamps = tuple((0.0, 2 + (k + 0.5) * gap, h * 0.85) for k in range(min(count, 4)))
    eye = (0.0, rng.uniform(-1.5, 1.0), float(rng.choice([1.6, rng.uniform(0.4, h * 0.7)])))
    return Place(items, bool(roofed), eye, (w * 0.4, 0.3, 0.1), 0.0, 0.25, 0.0, 0.13, lamps, (), (40.0, 100.0))


def framework(looks: Looks) -> Place:
    """Under a long pergola or canopy, or before some frames, with open country or houses seen through them."""
    rng = looks.rng
    items = SolidList()
    ground = looks.make("grass", "grass", "noise", "asphalt", "stones", "tiles", tile_m=rng.uniform(1.5, 5))
    items.add(BOX, (0, 0, -0.5), (2000, 2000, 0.5), ground)
    half, h = rng.uniform(0.8, 4.5), rng.uniform(2.1, 6)
    step, count = rng.uniform(0.8, 4.5), int(rng.integers(4, 13))
    length = step * (count - 1)
    if rng.random() < 0.6:
        path = looks.make("tiles", "boards", "wood", "asphalt", "bricks", "plaster", tile_m=2)
        items.add(BOX, (0, length / 2, 0.0), (half * rng.uniform(0.5, 1.3), length, 0.04), path)
    inside = rng.random() < 0.65
    frames.portals(Placer(items, 0, rng.uniform(-1, 2), 0, rng.normal(0, 0.04)), looks, half, h, step, count)
    taken: list[tuple[float, float]] = [(0.0, 0.0)]
    if rng.random() < 0.5:  # along both sides: benches, tubs, boxes
        draw: Thing = (outdoor.bench, nature.bush, outdoor.bin_or_box, nature.tuft)[rng.integers(4)]
        for k in range(int(rng.integers(2, 8))):
            for side in (-1, 1):
                draw(Placer(items, side * 0.8 * half, 1.5 + 1.8 * k, 0, -side * math.pi / 2), looks)
    for side in (-1, 1):
        near = half + 1.0
        bounds = (near, near + 18, 0, 35) if side > 0 else (-near - 18, -near, 0, 35)
        scatter(items, looks, OUTDOOR_FREE, rng.integers(0, 8), bounds, taken, 1.5)
        for _ in range(rng.integers(0, 3)):
            at = side * (near + rng.uniform(3, 15)), rng.uniform(2, 30)
            choose(rng, frames.FRAMES)(Placer(items, *at, 0, rng.uniform(0, 6.3)), looks)
    end = rng.random()
    for _ in range(rng.integers(0, 5)):
        nature.hill(items, looks, rng.uniform(-300, 300), rng.uniform(60, 500), rng.uniform(30, 200))
    for _ in range(rng.integers(0, 9)):
        nature.tree(Placer(items, rng.normal(0, 25), length + rng.uniform(6, 70), 0), looks, rng.uniform(0.8, 2))
    if end < 0.3:
        building(
            items, looks, rng.normal(0, 8), length + rng.uniform(8, 40), rng.uniform(4, 12), 5, rng.uniform(3, 14), 0
        )
    if inside:
        eye, yaw = (0.0, 0.0, float(rng.choice([1.6, rng.uniform(0.5, 0.8 * h)]))), 0.0
        spread = (0.6 * half, 0.8, 0.1)
    else:
        away = rng.uniform(2, 10)
        side = float(rng.choice([-1, 1]))
        eye = (side * (half + away), rng.uniform(-2, 3), rng.uniform(1.0, 2.5))
        yaw, spread = side * rng.uniform(0.1, 0.9), (0.5, 0.5, 0.1)
    return Place(items, False, eye, spread, yaw, 0.25, 0.02, 0.13, (), (), (40.0, 100.0))
