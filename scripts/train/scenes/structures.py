"""Built things outdoors: arcades, stairs, fences, scaffolds, cables, stalls, bicycles, cones."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from .looks import Looks, Placer, along
from .shapes import ARCH, CARD, CONE, CYLINDER, ELLIPSOID, GABLE, TUBE
from .solids import Material, SolidList


def arcade(p: Placer, looks: Looks, count: int | None = None) -> None:
    """Arches in a row along x, with piers between them."""
    rng = looks.rng
    count = int(rng.integers(1, 7)) if count is None else count
    w, h, d = rng.uniform(0.9, 2.2), rng.uniform(2.4, 6), rng.uniform(0.15, 0.6)
    m = looks.make("plaster", "stones", "bricks", "bricks", "tiles", "plain", tile_m=2)
    opening = rng.uniform(0.65, 0.88)
    for k in range(count):
        p.put(ARCH, ((2 * k - count + 1) * w, 0, h / 2), (w, d, h / 2), m, param=opening)
    if rng.random() < 0.6:
        p.box(
            -count * w - 0.1,
            count * w + 0.1,
            -d - 0.1,
            d + 0.1,
            h,
            h + rng.uniform(0.15, 1.2),
            looks.make("plaster", "stones", tile_m=2),
        )


def stairs(p: Placer, looks: Looks) -> None:
    """Steps that rise away from the front, often with a railing."""
    rng = looks.rng
    n, w, rise, tread = int(rng.integers(3, 16)), rng.uniform(0.6, 4), rng.uniform(0.14, 0.19), rng.uniform(0.26, 0.36)
    m = looks.make("plaster", "stones", "asphalt", "wood", "tiles", tile_m=1.5)
    for k in range(n):
        p.box(-w, w, k * tread, n * tread + 1.2, k * rise, (k + 1) * rise, m)
    if rng.random() < 0.5:
        steel = looks.metal()
        for side in (-1, 1):
            x, end = side * (w - 0.05), np.array([0, n * tread, n * rise])
            rail = np.array([x, 0, 0.95]) + end / 2
            p.put(CYLINDER, rail, (0.025, 0.025, float(np.linalg.norm(end)) / 2), steel, tilt=along(end))
            for k in range(0, n + 1, 2):
                p.post(x, k * tread, k * rise, k * rise + 0.95, 0.015, steel)


def mesh_fence(p: Placer, looks: Looks) -> None:
    """Posts with wire, bars or a lattice between them."""
    rng = looks.rng
    panels, w, h = int(rng.integers(1, 6)), rng.uniform(0.8, 1.6), rng.uniform(0.9, 2.4)
    m, chart = looks.metal(), looks.chart("wire", "bars", "bars", "lattice")
    for k in range(panels + 1):
        p.post((2 * k - panels) * w, 0, 0, h + 0.05, 0.03, m)
    for k in range(panels):
        p.put(CARD, ((2 * k - panels + 1) * w, 0, h / 2), (w, 0.01, h / 2), m, chart=chart)
    if rng.random() < 0.5:
        p.box(-panels * w, panels * w, -0.025, 0.025, h - 0.05, h, m)


def scaffold(p: Placer, looks: Looks) -> None:
    rng = looks.rng
    m, board = looks.metal(), looks.make("wood", "metal", tile_m=1)
    levels, bays, chart = int(rng.integers(1, 5)), int(rng.integers(1, 4)), looks.chart("lattice", "bars")
    for level in range(levels):
        for bay in range(bays):
            x = (2 * bay - bays + 1) * 1.2
            for y in (-0.5, 0.5):
                if rng.random() < 0.7:
                    p.put(CARD, (x, y, 2 * level + 1), (1.2, 0.01, 1), m, chart=chart)
        p.box(-bays * 1.2, bays * 1.2, -0.5, 0.5, 2 * level + 1.96, 2 * level + 2, board)
    for bay in range(bays + 1):
        for y in (-0.5, 0.5):
            p.post((2 * bay - bays) * 1.2, y, 0, 2 * levels + 0.8, 0.035, m)


def mast(p: Placer, looks: Looks) -> None:
    """A lattice tower, a crane or a flag pole."""
    rng = looks.rng
    h, w, m = rng.uniform(5, 22), rng.uniform(0.2, 0.7), looks.metal()
    if rng.random() < 0.6:
        chart = looks.chart("lattice")
        parts = max(2, round(h / (2.5 * w)))
        for k in range(parts):
            z, half = (k + 0.5) * h / parts, h / parts / 2
            for yaw, x, y in ((0, 0, -w), (0, 0, w), (1.5708, -w, 0), (1.5708, w, 0)):
                p.put(CARD, (x, y, z), (w, 0.01, half), m, yaw=yaw, chart=chart)
        if rng.random() < 0.5:
            reach = h * 0.4
            p.put(CARD, (reach * 0.6, 0, h), (reach, 0.01, w), m, chart=chart)
    else:
        p.put(CONE, (0, 0, h / 2), (0.08, 0.08, h / 2), m, param=0.4)
        p.box(0.08, 1.6, -0.01, 0.01, h - 1.1, h - 0.1, looks.make("stripes", "plain", "poster", tile_m=0))


def cable(items: SolidList, looks: Looks, start, end, sag: float, radius: float = 0.02) -> None:
    """A hanging wire of straight pieces."""
    pieces, m, thing = 8, looks.make("plain"), items.new_thing()
    m.tint = (0.15, 0.15, 0.16)
    s = np.linspace(0, 1, pieces + 1)[:, None]
    points = np.asarray(start) * (1 - s) + np.asarray(end) * s
    points[:, 2] -= 4 * sag * (s * (1 - s))[:, 0]
    for a, b in pairwise(points):
        length = float(np.linalg.norm(b - a))
        items.add(CYLINDER, (a + b) / 2, (radius, radius, length / 2), m, tilt=along(b - a), thing=thing)


def power_line(items: SolidList, looks: Looks, x: float, y: float, step: float, count: int, height_at=None) -> None:
    """Poles along +Y with cables between them."""
    rng = looks.rng
    h, arm, wood = rng.uniform(5, 9), rng.uniform(0.5, 1.2), looks.make("wood", "metal", "plain", tile_m=1)
    tops = []
    for k in range(count):
        z = height_at(x, y + k * step) if height_at else 0.0
        p = Placer(items, x, y + k * step, z, rng.normal(0, 0.03))
        p.put(CONE, (0, 0, h / 2), (0.14, 0.14, h / 2), wood, param=0.7)
        p.box(-arm, arm, -0.05, 0.05, h - 0.5, h - 0.4, wood)
        tops.append(np.array([x, y + k * step, z + h - 0.38]))
    sag = step * rng.uniform(0.02, 0.05)
    for a, b in pairwise(tops):
        for side in (-arm * 0.9, 0.0, arm * 0.9):
            out = np.array([side, 0, 0])
            cable(items, looks, a + out, b + out, sag)


def stall(p: Placer, looks: Looks) -> None:
    """A market stall, tent or bus shelter."""
    rng = looks.rng
    w, d, h = rng.uniform(0.9, 2), rng.uniform(0.7, 1.3), rng.uniform(1.9, 2.4)
    cloth, m = looks.make("stripes", "plain", "cloth", tile_m=1.5), looks.metal()
    for x in (-w, w):
        for y in (-d, d):
            p.post(x, y, 0, h, 0.03, m)
    if rng.random() < 0.7:
        p.put(GABLE, (0, 0, h + 0.3), (w + 0.15, d + 0.15, 0.3), cloth, param=float(rng.choice([0, 0, -0.9])))
    else:
        p.put(CONE, (0, 0, h + 0.3), (w * 1.3, d * 1.3, 0.3), cloth, param=0.02)
    if rng.random() < 0.7:
        p.box(-w, w, -d, -d + 0.6, 0, 0.9, looks.any(1))
        for _ in range(rng.integers(2, 8)):
            s = rng.uniform(0.06, 0.2, 3)
            p.put(
                int(rng.choice([ELLIPSOID, CYLINDER, CONE])),
                (rng.uniform(-w, w) * 0.9, -d + 0.3, 0.9 + s[2]),
                s,
                looks.any(0.3),
                param=0.6,
            )


def parasol(p: Placer, looks: Looks) -> None:
    rng = looks.rng
    h, r = rng.uniform(1.9, 2.6), rng.uniform(0.8, 1.6)
    p.post(0, 0, 0, h, 0.025, looks.metal())
    p.put(
        CONE, (0, 0, h), (r, r, rng.uniform(0.15, 0.3)), looks.make("plain", "stripes", "cloth", tile_m=1), param=0.03
    )
    if rng.random() < 0.6:
        p.post(0, 0, 0.7, 0.74, rng.uniform(0.3, 0.5), looks.furniture())


def bicycle(p: Placer, looks: Looks) -> None:
    for x in range(int(looks.rng.choice([1, 1, 3]))):
        m: Material = looks.make("plain", "metal")
        p.put(CARD, (0, 0.5 * x, 0.52), (0.85, 0.01, 0.52), m, yaw=looks.rng.normal(0, 0.1), chart=looks.chart("cycle"))


def road_things(p: Placer, looks: Looks) -> None:
    """Traffic cones, bollards, tyres, pipes and hydrants."""
    rng = looks.rng
    style, m = rng.random(), looks.any(0.4)
    for k in range(rng.integers(1, 6)):
        x, y = k * rng.uniform(0.5, 1.5), rng.normal(0, 0.2)
        if style < 0.4:
            p.put(CONE, (x, y, 0.35), (0.16, 0.16, 0.35), m, param=0.12)
            p.box(x - 0.2, x + 0.2, y - 0.2, y + 0.2, 0, 0.04, m)
        elif style < 0.7:
            p.put(CONE, (x, y, 0.45), (0.1, 0.1, 0.45), m, param=0.75)
            p.put(ELLIPSOID, (x, y, 0.9), (0.1, 0.1, 0.1), m)
        else:
            r = rng.uniform(0.15, 0.5)
            tilt = along([0, 1, 0]) if rng.random() < 0.5 else None
            height = r if tilt is not None else 0.4 * r
            p.put(
                TUBE,
                (x, y, height),
                (r, r, 0.4 * r if tilt is None else rng.uniform(0.1, 1)),
                m,
                tilt=tilt,
                param=rng.uniform(0.5, 0.9),
            )


def monument(p: Placer, looks: Looks) -> None:
    """An obelisk, a column, a statue on a plinth, a fountain."""
    rng = looks.rng
    m, w, base = (
        looks.make("stones", "plaster", "metal", "noise", tile_m=1.5),
        rng.uniform(0.3, 0.9),
        rng.uniform(0.3, 1.4),
    )
    p.box(-w, w, -w, w, 0, base, m)
    style, h = rng.random(), rng.uniform(1.2, 5)
    if style < 0.4:
        p.put(CONE, (0, 0, base + h / 2), (w * 0.5, w * 0.5, h / 2), m, param=rng.uniform(0.1, 0.9))
    elif style < 0.7:
        for k in range(4):
            s = w * rng.uniform(0.25, 0.55)
            p.put(
                int(rng.choice([ELLIPSOID, CONE])),
                (rng.normal(0, 0.08), 0, base + (k + 0.5) * h / 4),
                (s, s, h / 7),
                m,
                param=0.5,
            )
    else:
        p.put(TUBE, (0, 0, 0.3), (3 * w, 3 * w, 0.3), m, param=0.9)
        p.put(CONE, (0, 0, base + 0.5), (w, w, 0.2), m, param=0.3)


def roof(p: Placer, looks: Looks, half_w: float, half_d: float, height: float) -> None:
    """A pitched roof with a chimney, over a building."""
    rng = looks.rng
    tile = looks.make("shingles", "shingles", "tiles", "bricks", "boards", "plain", "panels", tile_m=2)
    rise = min(half_w * rng.uniform(0.25, 0.55), 3.5)
    p.put(
        GABLE, (0, 0, height + rise), (half_w + 0.3, half_d + 0.3, rise), tile, param=float(rng.choice([0, 0, 0, 0.9]))
    )
    if rng.random() < 0.6:
        x, y = half_w * rng.uniform(-0.5, 0.5), half_d * rng.uniform(-0.8, 0.8)
        p.box(
            x - 0.3,
            x + 0.3,
            y - 0.3,
            y + 0.3,
            height,
            height + 2 * rise + 0.5,
            looks.make("bricks", "plaster", tile_m=1.5),
        )
