"""Open frames that one stands under and looks through: pergolas, canopies, goals, climbing frames, swings, gantries."""

from __future__ import annotations

import itertools
import math
from typing import Literal

import numpy as np

from . import fences
from .looks import Looks, Placer, Thing, along
from .shapes import BOX, CARD, CYLINDER, GABLE
from .solids import Material

Profile = Literal["flat", "pitched", "lean-to"]


def bar(p: Placer, start, end, radius: float, m: Material, square: bool = True) -> None:
    """A straight piece between two places."""
    a, b = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
    half = float(np.linalg.norm(b - a)) / 2
    p.put(BOX if square else CYLINDER, (a + b) / 2, (radius, radius, half), m, tilt=along(b - a))


def _coat(looks: Looks) -> Material:
    rng = looks.rng
    m = looks.make("wood", "metal", "plain", "plaster", tile_m=1.0, specular=float(rng.choice([0, 0, 0.3])))
    if rng.random() < 0.5:
        r, g, b = (v * float(rng.uniform(0.8, 1.2)) for v in fences.COLOURS[rng.integers(len(fences.COLOURS))])
        m.tint = (r, g, b)
    return m


def _outline(half: float, height: float, profile: Profile, rise: float) -> list[tuple[float, float]]:
    """(x, z) of the corners of one portal, from its left foot to its right."""
    match profile:
        case "flat":
            top = [(-half, height), (half, height)]
        case "pitched":
            top = [(-half, height), (0.0, height + rise), (half, height)]
        case "lean-to":
            top = [(-half, height), (half, height + rise)]
    return [(-half, 0.0), *top, (half, 0.0)]


def portals(p: Placer, looks: Looks, half: float, height: float, step: float, count: int) -> None:
    """Frames one behind the other along +y, tied by beams; at times with rafters, laths, rails, braces, vines, a roof."""
    rng = looks.rng
    m, square = _coat(looks), bool(rng.random() < 0.6)
    r = float(np.exp(rng.uniform(math.log(0.015), math.log(0.11))))
    profile: Profile = ("flat", "pitched", "lean-to")[rng.choice(3, p=[0.45, 0.35, 0.2])]
    corners = _outline(half, height, profile, rng.uniform(0.15, 0.8) * half)
    length = step * (count - 1)
    for k in range(count):
        for (x0, z0), (x1, z1) in itertools.pairwise(corners):
            bar(p, (x0, k * step, z0), (x1, k * step, z1), r, m, square)
    for x, z in corners[1:-1]:
        bar(p, (x, -0.2, z), (x, length + 0.2, z), r * rng.uniform(0.6, 1.0), m, square)
    if rng.random() < 0.4:  # beams between the eaves and the ridge
        for (x0, z0), (x1, z1) in itertools.pairwise(corners[1:-1]):
            for share in np.arange(1, n := int(rng.integers(2, 6))) / n:
                x, z = x0 + share * (x1 - x0), z0 + share * (z1 - z0)
                bar(p, (x, 0, z), (x, length, z), 0.6 * r, m, square)
    if rng.random() < 0.35:  # laths across
        tall, pitch = rng.uniform(0.01, 0.06), max(rng.uniform(0.15, 0.6), length / 40)
        for y in np.arange(0, length, pitch):
            for (x0, z0), (x1, z1) in itertools.pairwise(corners[1:-1]):
                bar(p, (x0, y, z0 + r + tall), (x1, y, z1 + r + tall), tall, m)
    for x in (-half, half):
        if rng.random() < 0.4:
            for z in np.sort(rng.uniform(0.1, 0.9, rng.integers(1, 4))) * height:
                bar(p, (x, 0, z), (x, length, z), rng.uniform(0.3, 0.8) * r, m, square)
        if rng.random() < 0.2:
            fences.see_through(_beside(p, x, length / 2), looks, length / 2)
    if rng.random() < 0.3:  # short braces below the beams
        reach = rng.uniform(0.2, 0.45) * min(height, step, 2 * half)
        for k in range(count):
            for side, x in ((1, -half), (-1, half)):
                bar(p, (x, k * step, height - reach), (x + side * reach, k * step, height), 0.5 * r, m, square)
    if rng.random() < 0.25:
        roof = looks.make("boards", "shingles", "metal", "plaster", "cloth", "stripes", tile_m=1.5)
        if profile == "flat":
            p.box(-half - 0.3, half + 0.3, -0.3, length + 0.3, height + 0.1, height + 0.16, roof)
        elif profile == "pitched":
            rise = corners[2][1] - height
            middle = (0, length / 2, height + rise / 2 + 0.1)
            p.put(GABLE, middle, (half + 0.2, length / 2 + 0.3, rise / 2), roof, param=0.0)
    if rng.random() < 0.25:
        leaf = looks.make("leaves", tile_m=0.6)
        for _ in range(rng.integers(4, 20)):
            x, z = corners[rng.integers(1, len(corners) - 1)]
            place = (x + rng.normal(0, 0.3 * half), rng.uniform(0, length), z + rng.normal(0, 0.1))
            size = rng.uniform(0.2, 0.7)
            p.put(CARD, place, (size, 0.01, size), leaf, yaw=rng.uniform(0, 6.3), chart=looks.chart("foliage"))


def _beside(p: Placer, x: float, y: float) -> Placer:
    """A frame whose x runs along p's y."""
    c, s = math.cos(p.yaw), math.sin(p.yaw)
    return Placer(p.items, p.x + c * x - s * y, p.y + s * x + c * y, p.z, p.yaw + math.pi / 2)


def pergola(p: Placer, looks: Looks) -> None:
    """A few portals, or a canopy on posts."""
    rng = looks.rng
    portals(p, looks, rng.uniform(0.6, 2.5), rng.uniform(2.0, 3.5), rng.uniform(0.8, 3), int(rng.integers(2, 6)))


def goal(p: Placer, looks: Looks) -> None:
    """A goal with or without a net."""
    rng = looks.rng
    half, h, deep, r = rng.uniform(1.2, 3.7), rng.uniform(1.6, 2.5), rng.uniform(0.6, 2), rng.uniform(0.03, 0.06)
    m = looks.make("plaster", "metal", tile_m=1)
    for x in (-half, half):
        bar(p, (x, 0, 0), (x, 0, h), r, m, False)
        bar(p, (x, 0, h), (x, deep, 0), 0.6 * r, m, False)
        bar(p, (x, 0, 0.03), (x, deep, 0.03), 0.6 * r, m, False)
    bar(p, (-half, 0, h), (half, 0, h), r, m, False)
    bar(p, (-half, deep, 0.03), (half, deep, 0.03), 0.6 * r, m, False)
    if rng.random() < 0.6:
        up = np.array([0, -deep, h]) / math.hypot(deep, h)
        back = np.stack([[1.0, 0, 0], np.cross(up, [1.0, 0, 0]), up], axis=1)
        p.put(
            CARD, (0, deep / 2, h / 2), (half, 0.01, math.hypot(deep, h) / 2), m, tilt=back, chart=looks.chart("wire")
        )


def climbing_frame(p: Placer, looks: Looks) -> None:
    """Bars in a grid."""
    rng = looks.rng
    cell, r, m = rng.uniform(0.4, 0.9), rng.uniform(0.015, 0.04), _coat(looks)
    nx, ny, nz = rng.integers(1, 4, 3)
    for i in range(nx + 1):
        for j in range(ny + 1):
            if rng.random() < 0.9:
                bar(p, (i * cell, j * cell, 0), (i * cell, j * cell, nz * cell), r, m, False)
    for k in range(1, nz + 1):
        for i in range(nx + 1):
            bar(p, (i * cell, 0, k * cell), (i * cell, ny * cell, k * cell), r, m, False)
        for j in range(ny + 1):
            bar(p, (0, j * cell, k * cell), (nx * cell, j * cell, k * cell), r, m, False)


def swing(p: Placer, looks: Looks) -> None:
    """Two pairs of legs, a beam, seats on ropes."""
    rng = looks.rng
    half, h, spread, r, m = (
        rng.uniform(1, 2.5),
        rng.uniform(1.9, 3),
        rng.uniform(0.4, 1),
        rng.uniform(0.03, 0.07),
        _coat(looks),
    )
    for x in (-half, half):
        for y in (-spread, spread):
            bar(p, (x, y, 0), (x, 0, h), r, m, False)
    bar(p, (-half, 0, h), (half, 0, h), r, m, False)
    rope = looks.make("plain", "metal")
    for k in range(n := int(rng.integers(1, 4))):
        x = half * (2 * (k + 0.5) / n - 1)
        for side in (-0.22, 0.22):
            bar(p, (x + side, 0, 0.45), (x + side, 0, h), 0.008, rope, False)
        p.box(x - 0.24, x + 0.24, -0.1, 0.1, 0.42, 0.45, looks.any(0.5))


def gantry(p: Placer, looks: Looks) -> None:
    """A beam across a road or a yard, on posts, with signs, lamps or a hoist."""
    rng = looks.rng
    half, h, m = rng.uniform(2, 9), rng.uniform(3, 7), looks.metal()
    r = rng.uniform(0.05, 0.15)
    for x in (-half, half):
        bar(p, (x, 0, 0), (x, 0, h), r, m)
    if rng.random() < 0.5:
        deep = rng.uniform(0.2, 0.5)
        for y in (-deep, deep):
            p.put(CARD, (0, y, h), (half, 0.01, deep), m, chart=looks.chart("lattice"))
        for z in (h - deep, h + deep):
            bar(p, (-half, 0, z), (half, 0, z), 0.4 * r, m)
    else:
        bar(p, (-half, 0, h), (half, 0, h), r, m)
    for _ in range(rng.integers(0, 4)):
        x, w = rng.uniform(-0.8, 0.8) * half, rng.uniform(0.3, 1.2)
        p.box(
            x - w,
            x + w,
            -0.25,
            -0.22,
            h - rng.uniform(0.4, 1.2),
            h + 0.3,
            looks.make("poster", "plain", "text", tile_m=0),
        )


FRAMES: list[tuple[Thing, float]] = [(pergola, 3), (goal, 1.2), (climbing_frame, 1.2), (swing, 1), (gantry, 0.8)]
"""Open frames of every kind."""
