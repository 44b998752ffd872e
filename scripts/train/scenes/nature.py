"""What grows and lies about: trees of leaf cards, bushes, grass, rocks, terrain."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from .looks import Looks, Placer, along, random_rotation
from .shapes import BOX, CARD, CONE, CYLINDER, ELLIPSOID, RELIEF
from .solids import Material, SolidList


def _tinted(m: Material, factor: float) -> Material:
    r, g, b = m.tint
    return replace(m, tint=(r * factor, g * factor, b * factor))


def _crown(p: Placer, looks: Looks, centre, half, leaf: Material, cards: int) -> None:
    """Leaf cards around dark cores, lighter outside and above."""
    rng = looks.rng
    size = float(np.mean(half))
    for _ in range(rng.integers(1, 4)):
        offset = rng.normal(0, 0.25, 3) * half
        p.put(ELLIPSOID, centre + offset, half * rng.uniform(0.35, 0.65, 3), _tinted(leaf, 0.9))
    for _ in range(cards):
        d = rng.standard_normal(3)
        d *= rng.uniform(0.45, 0.95) / np.linalg.norm(d)
        reach = size * rng.uniform(0.35, 0.7)
        shade = 1.3 + 0.4 * d[2] + rng.normal(0, 0.12)
        p.put(
            CARD,
            centre + d * half,
            (reach, 0.01, reach),
            _tinted(leaf, float(np.clip(shade, 0.7, 1.9))),
            tilt=random_rotation(rng),
            chart=looks.chart("foliage", "foliage", "twig"),
        )


def tree(p: Placer, looks: Looks, scale: float = 1.0) -> None:
    """Broad-leaved, conifer, poplar, palm or bare."""
    rng = looks.rng
    h = rng.uniform(2.5, 10) * scale
    r = h * rng.uniform(0.015, 0.035)
    bark, leaf = looks.make("wood", "noise", "plain", tile_m=0.8), looks.make("leaves", tile_m=rng.uniform(0.5, 2))
    bark.tint = (0.55, 0.47, 0.4)
    style = rng.random()
    if style < 0.5:
        p.put(CONE, (0, 0, h * 0.36), (r, r, h * 0.36), bark, param=0.5)
        for _ in range(rng.integers(1, 5)):
            d = np.array([rng.normal(), rng.normal(), rng.uniform(0.6, 1.6)])
            d /= np.linalg.norm(d)
            reach = h * rng.uniform(0.1, 0.2)
            start = np.array([0, 0, h * rng.uniform(0.45, 0.7)])
            p.put(CONE, start + d * reach, (r * 0.45, r * 0.45, reach), bark, tilt=along(d), param=0.4)
        half = h * np.array([rng.uniform(0.18, 0.34), rng.uniform(0.18, 0.34), rng.uniform(0.2, 0.32)])
        _crown(p, looks, np.array([0, 0, h * 0.72]), half, leaf, int(rng.integers(9, 26)))
    elif style < 0.68:
        p.put(CONE, (0, 0, h * 0.45), (r, r, h * 0.45), bark, param=0.2)
        width = h * rng.uniform(0.13, 0.22)
        for k in range(n := int(rng.integers(5, 10))):
            f = k / n
            z, w = h * (0.2 + 0.72 * f), width * (1.05 - f)
            p.put(CONE, (0, 0, z), (w * 0.75, w * 0.75, h * 0.08), _tinted(leaf, 0.6), param=0.35)
            for _ in range(2):
                turn = rng.uniform(0, 6.3)
                drop = np.array([math.cos(turn), math.sin(turn), -0.35])
                p.put(
                    CARD,
                    drop * w * 0.55 + [0, 0, z],
                    (w * 0.75, 0.01, w * 0.75),
                    _tinted(leaf, rng.uniform(1, 1.5)),
                    tilt=along(drop + rng.normal(0, 0.15, 3)),
                    chart=looks.chart("foliage", "twig"),
                )
    elif style < 0.8:
        p.put(CONE, (0, 0, h * 0.3), (r, r, h * 0.3), bark, param=0.6)
        half = np.array([h * 0.1, h * 0.1, h * 0.42])
        _crown(p, looks, np.array([0, 0, h * 0.58]), half, leaf, int(rng.integers(12, 24)))
    elif style < 0.87:
        p.put(CONE, (0, 0, h * 0.45), (r, r, h * 0.45), bark, param=0.8)
        for k in range(n := int(rng.integers(7, 13))):
            a = k * 6.283 / n + rng.normal(0, 0.2)
            d = np.array([math.cos(a), math.sin(a), rng.uniform(-0.4, 0.6)])
            reach = h * 0.16
            p.put(
                CARD,
                d * reach + [0, 0, h * 0.9],
                (reach * 0.35, 0.01, reach),
                leaf,
                tilt=along(d),
                chart=looks.chart("twig"),
            )
    else:
        turn = rng.uniform(0, 3.1)
        for k in range(int(rng.integers(1, 4))):
            p.put(CARD, (0, 0, h / 2), (h * 0.5, 0.01, h / 2), bark, yaw=turn + k * 1.1, chart=looks.chart("bare"))


def bush(p: Placer, looks: Looks) -> None:
    rng = looks.rng
    size, leaf = rng.uniform(0.3, 1.2), looks.make("leaves", tile_m=0.7)
    for _ in range(rng.integers(1, 4)):
        half = rng.uniform(0.4, 1, 3) * size
        centre = np.array([rng.normal(0, size * 0.5), rng.normal(0, size * 0.5), half[2] * 0.6])
        _crown(p, looks, centre, half, leaf, int(rng.integers(4, 9)))


def hedge(p: Placer, looks: Looks, length: float | None = None, h: float | None = None) -> None:
    """A clipped hedge of a half length and a height, drawn where not given."""
    rng = looks.rng
    length, h = length or rng.uniform(1.5, 6), h or rng.uniform(0.6, 2.0)
    d = rng.uniform(0.25, 0.6)
    leaf = looks.make("leaves", tile_m=1.0)
    p.box(-length, length, -d, d, 0, h, leaf)
    for _ in range(int(length * 3)):
        x, side = rng.uniform(-length, length), rng.choice([-d, d])
        p.put(
            CARD,
            (x, side, rng.uniform(0.2, 1.0) * h),
            (0.35, 0.01, 0.35),
            _tinted(leaf, rng.uniform(0.9, 1.5)),
            tilt=random_rotation(rng),
            chart=looks.chart("foliage"),
        )


def tuft(p: Placer, looks: Looks, tall: float | None = None) -> None:
    """Grass, reeds or weeds."""
    rng = looks.rng
    tall = float(rng.uniform(0.12, 0.9)) if tall is None else tall
    m = looks.make("grass", "leaves", tile_m=1)
    wide = tall * rng.uniform(0.5, 1.3)
    for k in range(rng.integers(2, 4)):
        p.put(
            CARD,
            (0, 0, tall / 2),
            (wide, 0.01, tall / 2),
            m,
            yaw=k * 1.2 + rng.normal(0, 0.3),
            chart=looks.chart("grass"),
        )


def meadow(items: SolidList, looks: Looks, count: int, eye_y: float, reach: float, height_at) -> None:
    """Tufts around a place, denser near it."""
    rng = looks.rng
    for _ in range(count):
        y = eye_y + reach * rng.random() ** 2 + 0.4
        x = rng.normal(0, 0.5) * (y - eye_y + 1)
        tuft(Placer(items, x, y, height_at(x, y) - 0.02, rng.uniform(0, 3.1)), looks)


def rock(p: Placer, looks: Looks) -> None:
    rng = looks.rng
    size, m = rng.lognormal(-0.7, 0.7), looks.make("noise", "stones", "asphalt", tile_m=1.0)
    for _ in range(rng.integers(1, 4)):
        kind = int(rng.choice([ELLIPSOID, BOX, CONE], p=[0.6, 0.2, 0.2]))
        p.put(
            kind,
            (*rng.normal(0, size * 0.4, 2), size * 0.25),
            rng.uniform(0.3, 1, 3) * size,
            m,
            tilt=random_rotation(rng),
            param=rng.uniform(0.2, 0.8),
        )


def log(p: Placer, looks: Looks) -> None:
    rng = looks.rng
    r, length = rng.uniform(0.08, 0.3), rng.uniform(0.5, 2)
    p.put(CYLINDER, (0, 0, r), (r, r, length), looks.make("wood", tile_m=0.8), tilt=along([1, rng.normal(0, 0.3), 0]))


def hill(items: SolidList, looks: Looks, x: float, y: float, size: float) -> None:
    """A smooth rise in the distance."""
    rng = looks.rng
    half = size * rng.uniform(0.4, 1.3, 3) * [1, 1, rng.uniform(0.08, 0.5)]
    m = looks.make("grass", "leaves", "noise", "asphalt", tile_m=size * 0.15)
    items.add(ELLIPSOID, (x, y, -half[2] * rng.uniform(0.1, 0.5)), half, m, yaw=rng.uniform(0, 6.3))


def terrain(
    items: SolidList, looks: Looks, half: float, rise: float, material: Material, *families: str, base: float = 0.0
) -> Callable[[float, float], float]:
    """A displaced ground around (0, 0), at most `rise` above `base`; returns its height at (x, y)."""
    rng = looks.rng
    chart = looks.chart(*(families or ("hills", "hills", "ridges")))
    repeat = float(rng.uniform(1, 3))
    items.add(RELIEF, (0, 0, base + rise / 2), (half, half, rise / 2), material, param=repeat, chart=chart)

    def height_at(x: float, y: float) -> float:
        u, v = (torch.tensor([value * repeat / (2 * half)], dtype=torch.float32) for value in (x, y))
        charts = looks.charts
        return base + rise * float(charts.height(chart, u.to(charts.heights.device), v.to(charts.heights.device)))

    return height_at
