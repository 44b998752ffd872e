"""Things that stand indoors, clutter, and people. All from solids."""

from __future__ import annotations

import math

import numpy as np

from .looks import Looks, Placer, along, random_rotation
from .shapes import ARCH, BOX, CARD, CONE, CYLINDER, ELLIPSOID, GABLE, RELIEF, TUBE

FLIPPED = np.diag([1.0, -1.0, -1.0])
"""Upside down."""


def clutter_on(p: Placer, looks: Looks, x0, x1, y0, y1, z, count) -> None:
    """Small things on a top: books, cups, boxes, bottles, balls."""
    rng = looks.rng
    for _ in range(count):
        x, y = rng.uniform(x0, x1), rng.uniform(y0, y1)
        shape, m = rng.random(), looks.any(0.25)
        if shape < 0.45:
            hx, hy, hz = rng.uniform(0.02, 0.16), rng.uniform(0.02, 0.14), rng.uniform(0.008, 0.14)
            p.put(BOX, (x, y, z + hz), (hx, hy, hz), m, yaw=rng.uniform(0, 6.3))
        elif shape < 0.85:
            vessel(p, looks, x, y, z)
        else:
            r = rng.uniform(0.02, 0.12)
            p.put(ELLIPSOID, (x, y, z + r), (r, r, r), m)


def vessel(p: Placer, looks: Looks, x, y, z, size: float = 1.0) -> None:
    """A bottle, cup, bowl, vase or tin at (x, y, z)."""
    rng = looks.rng
    m, style = looks.make("plain", "metal", "plain", "poster", "stripes", tile_m=0.2, specular=0.4), rng.random()
    r, h = size * rng.uniform(0.025, 0.07), size * rng.uniform(0.03, 0.14)
    if style < 0.3:
        p.put(CYLINDER, (x, y, z + h), (r, r, h), m)
        p.put(CONE, (x, y, z + 2.25 * h), (r, r, h * 0.25), m, param=0.4)
        p.put(CYLINDER, (x, y, z + 2.8 * h), (r * 0.4, r * 0.4, h * 0.3), m)
    elif style < 0.6:
        p.put(TUBE, (x, y, z + h), (r, r, h), m, param=0.88)
        p.put(CYLINDER, (x, y, z + 0.01), (r * 0.9, r * 0.9, 0.01), m)
    elif style < 0.8:
        p.put(CONE, (x, y, z + h * 0.6), (1.6 * r, 1.6 * r, h * 0.6), m, tilt=FLIPPED, param=rng.uniform(0.45, 0.85))
    else:
        p.put(ELLIPSOID, (x, y, z + h), (1.4 * r, 1.4 * r, h), m)
        p.put(CONE, (x, y, z + 2 * h), (r, r, h * 0.35), m, tilt=FLIPPED, param=0.6)


def desk(p: Placer, looks: Looks) -> None:
    rng = looks.rng
    w, d, h, top = rng.uniform(0.5, 1.1), rng.uniform(0.3, 0.5), rng.uniform(0.68, 0.78), rng.uniform(0.012, 0.03)
    m, leg = looks.furniture(), looks.metal() if rng.random() < 0.5 else looks.furniture()
    p.box(-w, w, -d, d, h - 2 * top, h, m)
    style = rng.random()
    if style < 0.55:
        r = rng.uniform(0.015, 0.04)
        for sx in (-1, 1):
            for sy in (-1, 1):
                x, y = sx * (w - 2 * r), sy * (d - 2 * r)
                p.box(x - r, x + r, y - r, y + r, 0, h - 2 * top, leg)
    else:
        for sx in (-1, 1):
            p.box(sx * (w - 0.03) - 0.02, sx * (w - 0.03) + 0.02, -d, d, 0, h - 2 * top, m)
        if rng.random() < 0.6:
            p.box(w - 0.45, w - 0.05, -d, d - 0.04, 0.05, h - 2 * top, looks.make("panels", "wood", tile_m=0))
    for _ in range(rng.integers(0, 3)):
        x = rng.uniform(-w * 0.6, w * 0.6)
        monitor(p, looks, x, rng.uniform(0, d * 0.6), h, rng.normal(0, 0.3) + math.pi * (rng.random() < 0.3))
    if rng.random() < 0.6:
        p.box(-0.22, 0.22, -d * 0.7, -d * 0.7 + 0.14, h, h + 0.02, looks.make("panels", "plain", tile_m=0.1))
    clutter_on(p, looks, -w * 0.9, w * 0.9, -d * 0.9, d * 0.9, h, rng.integers(0, 7))


def monitor(p: Placer, looks: Looks, x, y, z, yaw=0.0) -> None:
    rng = looks.rng
    w, h = rng.uniform(0.2, 0.4), rng.uniform(0.14, 0.24)
    body = looks.make("plain", "metal", tile_m=1, specular=0.3)
    lift = rng.uniform(0.05, 0.18)
    p.put(BOX, (x, y, z + lift + h), (w, 0.015, h), body, yaw=yaw)
    c, s = math.cos(yaw), math.sin(yaw)
    glow = float(rng.choice([0.0, 0.6, 1.2]))
    p.put(
        BOX,
        (x + s * 0.016, y - c * 0.016, z + lift + h),
        (w - 0.012, 0.002, h - 0.012),
        looks.make("screen", tile_m=0, emission=glow),
        yaw=yaw,
    )
    p.put(CYLINDER, (x - s * 0.02, y + c * 0.02, z + lift), (0.02, 0.02, lift), body)
    p.put(CYLINDER, (x, y, z + 0.008), (0.1, 0.08, 0.008), body)


def chair(p: Placer, looks: Looks) -> None:
    rng = looks.rng
    w, h, back = rng.uniform(0.19, 0.27), rng.uniform(0.4, 0.5), rng.uniform(0.25, 0.45)
    seat, leg = looks.furniture(), looks.metal()
    thick = rng.uniform(0.015, 0.05)
    p.put(BOX, (0, 0, h), (w, w, thick), seat)
    lean = rng.uniform(0, 0.25)
    c, s = math.cos(lean), math.sin(lean)
    p.put(
        BOX,
        (0, w - 0.02 + s * back / 2, h + back * 0.6 + 0.08),
        (w, 0.02, back / 2 + 0.05),
        seat,
        tilt=np.array([[1, 0, 0], [0, c, s], [0, -s, c]]),
    )
    if rng.random() < 0.6:
        r = rng.uniform(0.01, 0.025)
        for sx in (-1, 1):
            for sy in (-1, 1):
                p.box(sx * (w - r) - r, sx * (w - r) + r, sy * (w - r) - r, sy * (w - r) + r, 0, h, leg)
    else:
        p.post(0, 0, 0.08, h, 0.03, leg)
        for k in range(5):
            a = k * 1.2566
            p.put(BOX, (0.14 * math.cos(a), 0.14 * math.sin(a), 0.08), (0.15, 0.015, 0.015), leg, yaw=a)
        if rng.random() < 0.5:
            for sx in (-1, 1):
                p.box(sx * w - 0.02, sx * w + 0.02, -w * 0.7, w * 0.7, h + 0.2, h + 0.23, leg)


def shelf(p: Placer, looks: Looks) -> None:
    rng = looks.rng
    w, d, h = rng.uniform(0.3, 1.2), rng.uniform(0.12, 0.25), rng.uniform(0.7, 2.3)
    m, t = looks.furniture(), 0.012
    for sx in (-1, 1):
        p.box(sx * w - t, sx * w + t, -d, d, 0, h, m)
    if rng.random() < 0.8:
        p.box(-w, w, d - 0.01, d, 0, h, m if rng.random() < 0.6 else looks.any(1))
    boards = max(2, round(h / rng.uniform(0.28, 0.45)) + 1)
    step = h / (boards - 1)
    for k in range(boards):
        p.box(-w, w, -d, d, k * h / (boards - 1) - t, k * h / (boards - 1) + t, m)
        if k == boards - 1 or rng.random() < 0.15:
            continue
        z = k * step + t
        if rng.random() < 0.55:
            length = rng.uniform(0.5, 1) * (w - t)
            tall = step * rng.uniform(0.5, 0.85)
            p.box(
                -w + t,
                -w + t + 2 * length,
                -d * rng.uniform(0.2, 0.9),
                d - 0.02,
                z,
                z + tall,
                looks.make("books", tile_m=0),
            )
        else:
            clutter_on(p, looks, -w * 0.9, w * 0.9, -d * 0.8, d * 0.3, z, rng.integers(1, 4))


def cabinet(p: Placer, looks: Looks) -> None:
    rng = looks.rng
    w, d, h = (
        rng.uniform(0.25, 1.1),
        rng.uniform(0.2, 0.35),
        float(rng.choice([rng.uniform(0.4, 1.0), rng.uniform(1.5, 2.3)])),
    )
    p.box(-w, w, -d, d, 0.04, h, looks.make("panels", "wood", "plain", tile_m=0, specular=0.2))
    if h < 1.1:
        clutter_on(p, looks, -w * 0.9, w * 0.9, -d * 0.8, d * 0.8, h, rng.integers(0, 5))


def sofa(p: Placer, looks: Looks) -> None:
    rng = looks.rng
    w, d, m = rng.uniform(0.4, 1.2), 0.42, looks.make("cloth", "plain", "noise", tile_m=1.5)
    p.box(-w, w, -d, d, 0.05, 0.42, m)
    p.box(-w, w, d - 0.2, d, 0.1, rng.uniform(0.7, 0.95), m)
    for sx in (-1, 1):
        p.box(sx * w - 0.09, sx * w + 0.09, -d, d, 0.05, rng.uniform(0.5, 0.68), m)
    for _ in range(rng.integers(0, 4)):
        p.put(
            ELLIPSOID,
            (rng.uniform(-w, w) * 0.8, 0.1, 0.55),
            (0.22, 0.1, 0.2),
            looks.make("cloth", "stripes", "noise", tile_m=0.5),
            yaw=rng.normal(0, 0.3),
        )


def bed(p: Placer, looks: Looks) -> None:
    rng = looks.rng
    w = rng.uniform(0.45, 0.95)
    p.box(-w, w, -1.0, 1.0, 0.08, 0.3, looks.furniture())
    p.box(
        -w + 0.02, w - 0.02, -0.98, 0.98, 0.3, rng.uniform(0.42, 0.6), looks.make("cloth", "plain", "stripes", tile_m=1)
    )
    p.box(-w, w, 0.98, 1.05, 0, rng.uniform(0.6, 1.2), looks.furniture())
    for sx in (-1, 1) if w > 0.6 else (0,):
        p.put(ELLIPSOID, (sx * w / 2, 0.75, 0.58), (0.3, 0.2, 0.1), looks.make("plaster", "cloth", tile_m=1))


def lamp(p: Placer, looks: Looks) -> None:
    rng = looks.rng
    h = rng.uniform(1.2, 1.8)
    p.post(0, 0, 0, h, 0.012, looks.metal())
    p.post(0, 0, 0, 0.03, 0.15, looks.metal())
    r = rng.uniform(0.1, 0.25)
    shade = looks.make("plain", "plaster", "cloth", emission=float(rng.choice([0, 1.0])))
    kind = int(rng.choice([CONE, CYLINDER, ELLIPSOID], p=[0.5, 0.25, 0.25]))
    p.put(kind, (0, 0, h), (r, r, r * 0.7), shade, param=rng.uniform(0.4, 0.8))


def plant(p: Placer, looks: Looks) -> None:
    rng = looks.rng
    r, h = rng.uniform(0.1, 0.25), rng.uniform(0.15, 0.4)
    p.post(0, 0, 0, h, r, looks.make("plain", "noise", "stones", specular=0.2))
    leaf = looks.make("leaves", tile_m=0.5)
    top = rng.uniform(0.3, 1.2)
    for k in range(rng.integers(4, 12)):
        c = rng.normal(0, 0.1, 3) + np.array([0, 0, h + top * rng.uniform(0.3, 0.9)])
        if rng.random() < 0.3:
            p.put(ELLIPSOID, c, (0.03, rng.uniform(0.05, 0.1), rng.uniform(0.12, 0.3)), leaf, tilt=random_rotation(rng))
        else:
            wide = rng.uniform(0.12, 0.3)
            chart = looks.chart("twig", "foliage", "grass")
            p.put(CARD, c, (wide, 0.01, top * rng.uniform(0.25, 0.5)), leaf, yaw=k * 1.9, chart=chart)
    p.post(0, 0, h, h + top * 0.8, 0.015, looks.make("wood"))


def carton(p: Placer, looks: Looks) -> None:
    rng = looks.rng
    z = 0.0
    for _ in range(rng.integers(1, 4)):
        hx, hy, hz = rng.uniform(0.1, 0.4), rng.uniform(0.1, 0.35), rng.uniform(0.08, 0.35)
        p.put(BOX, (rng.normal(0, 0.03), 0, z + hz), (hx, hy, hz), looks.any(0.6), yaw=rng.normal(0, 0.25))
        z += 2 * hz


def solid(p: Placer, looks: Looks, size: float = 0.6) -> None:
    """Any solid, lying or standing at any angle."""
    rng = looks.rng
    half = size * rng.uniform(0.15, 1.0, 3) * rng.uniform(0.3, 1.0)
    if rng.random() < 0.2:
        half[:2] *= 0.15
    kind, param = any_solid(rng)
    if rng.random() < 0.6:
        p.put(kind, (0, 0, half[2]), half, looks.any(size), yaw=rng.uniform(0, 6.3), param=param)
    else:
        p.put(kind, (0, 0, half.max() * 0.8), half, looks.any(size), tilt=random_rotation(rng), param=param)


def person(p: Placer, looks: Looks) -> None:
    rng = looks.rng
    h = rng.uniform(1.5, 1.9)
    shirt, trousers, skin = looks.any(0.6), looks.make("plain", "cloth", "noise"), looks.make("wood", "plain", tile_m=3)
    stride = rng.uniform(0, 0.2)
    for sx in (-1, 1):
        p.put(
            CYLINDER,
            (sx * 0.09, sx * stride * 0.5, h * 0.235),
            (0.075, 0.075, h * 0.235),
            trousers,
            tilt=along([0, -sx * stride, 1]),
        )
        p.put(BOX, (sx * 0.09, sx * stride - 0.06, 0.04), (0.05, 0.13, 0.04), looks.make("plain"))
        p.put(
            ELLIPSOID,
            (sx * 0.23, 0.0, h * 0.63),
            (0.05, 0.06, h * 0.18),
            shirt,
            tilt=along([sx * rng.uniform(0, 0.4), rng.normal(0, 0.3), 1]),
        )
    p.put(ELLIPSOID, (0, 0, h * 0.65), (0.2, 0.12, h * 0.21), shirt)
    p.put(ELLIPSOID, (0, 0, h * 0.93), (0.085, 0.1, 0.12), skin)
    p.put(ELLIPSOID, (0, 0.03, h * 0.955), (0.09, 0.1, 0.11), looks.make("noise", "leaves", "plain", tile_m=0.5))


def stool(p: Placer, looks: Looks) -> None:
    """A stool, a round table, or a side table with something on it."""
    rng = looks.rng
    h, r, m = rng.uniform(0.4, 0.78), rng.uniform(0.16, 0.5), looks.furniture()
    p.post(0, 0, h - 0.03, h, r, m)
    if rng.random() < 0.5:
        p.put(CONE, (0, 0, h / 2), (0.1, 0.1, h / 2), looks.metal(), param=0.3)
    else:
        for k in range(4):
            a = k * 1.57 + 0.7
            p.post(r * 0.75 * math.cos(a), r * 0.75 * math.sin(a), 0, h, 0.018, m)
    if r > 0.25:
        clutter_on(p, looks, -r * 0.6, r * 0.6, -r * 0.6, r * 0.6, h, rng.integers(0, 5))


def basket(p: Placer, looks: Looks) -> None:
    """A bin, bucket, basket or crate, open at the top."""
    rng = looks.rng
    r, h, m = rng.uniform(0.12, 0.25), rng.uniform(0.12, 0.25), looks.any(0.3)
    p.put(TUBE, (0, 0, h), (r, r, h), m, param=0.92)
    p.post(0, 0, 0, 0.02, r * 0.95, m)


def drying_rack(p: Placer, looks: Looks) -> None:
    """Bars with cloth over them, a screen, or a safety gate."""
    rng = looks.rng
    w, h, m = rng.uniform(0.4, 1), rng.uniform(0.7, 1.7), looks.metal()
    p.put(CARD, (0, 0, h / 2), (w, 0.01, h / 2), m, chart=looks.chart("bars", "lattice", "wire"))
    if rng.random() < 0.6:
        cloth = looks.make("cloth", "plain", "stripes", tile_m=0.6)
        drop = rng.uniform(0.2, h * 0.45)
        hang(p, looks, rng.uniform(-0.5, 0) * w, -0.02, h - drop, w * 0.45, drop, cloth)


def hang(p: Placer, looks: Looks, x, y, z, half_w, half_h, m) -> None:
    """Hanging cloth in folds that faces -y, its middle at (x, y, z)."""
    depth = float(looks.rng.uniform(0.02, 0.07))
    stand = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    p.put(
        RELIEF,
        (x, y, z),
        (half_w, half_h, depth),
        m,
        tilt=stand,
        param=max(0.3, half_w / 0.8),
        chart=looks.chart("folds"),
    )


def any_solid(rng: np.random.Generator) -> tuple[int, float]:
    """A plain shape and its parameter."""
    kind = int(
        rng.choice([BOX, ELLIPSOID, CYLINDER, CONE, GABLE, TUBE, ARCH], p=[0.3, 0.22, 0.18, 0.1, 0.07, 0.08, 0.05])
    )
    return kind, float(rng.uniform(-0.9, 0.9) if kind == GABLE else rng.uniform(0.05, 0.9))
