"""What lies flat on the walls of rooms: boards, screens, pictures, closed doors, radiators, notices.

All of it is as far away as its wall, however much it may look like an opening: pale, bright, framed.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from .looks import Looks, Placer
from .shapes import BOX, CYLINDER
from .solids import Material

Panel = Callable[[Placer, Looks, float, float, float], None]
"""Adds a panel to a wall whose x runs along it and whose y points into the room: middle, half width, height of the wall."""


def _pale(looks: Looks, *patterns: str, **options) -> Material:
    """White to light grey, at times faintly coloured."""
    m = looks.make(*(patterns or ("plaster",)), **({"tile_m": 2.0} | options))
    shade = float(looks.rng.uniform(0.85, 1.25))
    m.tint = (shade, shade * float(looks.rng.normal(1, 0.015)), shade * float(looks.rng.normal(1, 0.04)))
    return m


def _dark(looks: Looks, shade: float = 0.12, **options) -> Material:
    m = looks.make("plain", **options)
    m.tint = (shade, shade, shade)
    return m


def rim(p: Placer, x0, x1, z0, z1, wide: float, out: float, m: Material) -> None:
    """A frame around a panel, inside its bounds."""
    p.box(x0, x0 + wide, 0, out, z0, z1, m)
    p.box(x1 - wide, x1, 0, out, z0, z1, m)
    p.box(x0 + wide, x1 - wide, 0, out, z0, z0 + wide, m)
    p.box(x0 + wide, x1 - wide, 0, out, z1 - wide, z1, m)


def _span(looks: Looks, height: float, half_h: float, eye: tuple[float, float] = (1.25, 1.7)) -> tuple[float, float]:
    """Lower and upper edge of a panel at the height of eyes, below the ceiling."""
    half_h = min(half_h, 0.5 * height - 0.25)
    middle = min(max(float(looks.rng.uniform(*eye)), half_h + 0.1), height - half_h - 0.1)
    return middle - half_h, middle + half_h


def board(p: Placer, looks: Looks, x: float, half: float, height: float) -> None:
    """A white board, black board or pin board with a narrow frame, often a tray with pens."""
    rng = looks.rng
    z0, z1 = _span(looks, height, min(half * rng.uniform(0.4, 1.1), 0.8))
    style = rng.random()
    if style < 0.4:
        m = _pale(looks, specular=float(rng.choice([0, 0.1, 0.3])))
    elif style < 0.65:
        m = looks.make("notes", tile_m=0, specular=float(rng.choice([0, 0.1])))
    elif style < 0.85:
        m = looks.make("pins", tile_m=0)
    else:
        m = looks.make("notes", "plaster", tile_m=0)
        m.tint = (0.1, rng.uniform(0.1, 0.16), rng.uniform(0.09, 0.14))
    out = rng.uniform(0.012, 0.045)
    p.box(x - half, x + half, 0, out, z0, z1, m)
    if rng.random() < 0.85:
        rim(p, x - half, x + half, z0, z1, rng.uniform(0.008, 0.04), out + 0.006, looks.make("metal", "wood", "plain"))
    if rng.random() < 0.5:
        p.box(x - half * 0.8, x + half * 0.8, 0, out + 0.07, z0 - 0.025, z0 - 0.01, looks.metal())
        for _ in range(rng.integers(0, 5)):
            pen = x + rng.uniform(-0.7, 0.7) * half
            p.box(pen - 0.06, pen + 0.06, out + 0.02, out + 0.045, z0 - 0.01, z0 + 0.01, looks.make("plain"))
    if rng.random() < 0.2:  # of two leaves
        p.box(x - 0.006, x + 0.006, 0, out + 0.004, z0, z1, _dark(looks, 0.3))


def screen(p: Placer, looks: Looks, x: float, half: float, height: float) -> None:
    """A screen to project on, pulled down from its case, or a flat monitor; blank, lit or dark."""
    rng = looks.rng
    z0, z1 = _span(looks, height, half * rng.uniform(0.54, 0.8), (1.3, 2.0))
    out = rng.uniform(0.01, 0.09)
    glow = float(rng.choice([0.0, 0.0, 0.5, 1.3]))
    if rng.random() < 0.6:
        m = _pale(looks, emission=glow) if rng.random() < 0.6 else looks.make("screen", "text", tile_m=0, emission=glow)
        p.box(x - half, x + half, out - 0.006, out, z0, z1, m)
        if rng.random() < 0.6:
            rim(p, x - half, x + half, z0, z1, rng.uniform(0.02, 0.06), out + 0.003, _dark(looks))
        case = _pale(looks) if rng.random() < 0.7 else _dark(looks)
        p.box(x - half - 0.06, x + half + 0.06, 0, out + 0.05, z1, min(z1 + rng.uniform(0.06, 0.14), height), case)
        p.box(x - half, x + half, out - 0.015, out + 0.015, z0 - 0.025, z0, _dark(looks))
    else:
        body = _dark(looks, rng.uniform(0.06, 0.2), specular=0.3)
        p.box(x - half, x + half, 0, out + 0.02, z0, z1, body)
        lit = rng.random() < 0.5
        m = looks.make("screen", "poster", tile_m=0, emission=glow) if lit else _dark(looks, 0.07, specular=0.4)
        edge = rng.uniform(0.01, 0.03)
        p.box(x - half + edge, x + half - edge, 0, out + 0.022, z0 + edge, z1 - edge, m)


def picture(p: Placer, looks: Looks, x: float, half: float, height: float) -> None:
    """A poster, or a picture in a frame, often with a pale mount around it."""
    rng = looks.rng
    z0, z1 = _span(looks, height, half * float(rng.choice([0.7, 1.0, 1.4, rng.uniform(0.5, 1.8)])), (1.3, 1.8))
    x0, x1, out = x - half, x + half, rng.uniform(0.006, 0.035)
    m = looks.make("poster", "poster", "text", "gradient", "noise", "screen", "pins", "plaster", "notes", tile_m=0)
    if rng.random() < 0.35:
        p.box(x0, x1, 0, 0.004, z0, z1, m)
        return
    wide = rng.uniform(0.012, 0.07)
    mount = rng.uniform(0.1, 0.5) * min(half, (z1 - z0) / 2) if rng.random() < 0.5 else 0.0
    glass = float(rng.choice([0, 0, 0.3]))
    p.box(x0, x1, 0, out * 0.5, z0, z1, _pale(looks, specular=glass))
    p.box(x0 + wide + mount, x1 - wide - mount, 0, out * 0.5 + 0.002, z0 + wide + mount, z1 - wide - mount, m)
    rim(p, x0, x1, z0, z1, wide, out, looks.make("wood", "plain", "metal", "plaster"))


def door(p: Placer, looks: Looks, x: float, half: float, height: float) -> None:
    """A closed door of another colour than the wall: casing, leaf, handle, at times a pane or two leaves."""
    rng = looks.rng
    leaves = 2 if half > 0.75 else 1
    half = min(half, 0.55 * leaves)
    top = min(rng.uniform(1.95, 2.3), height - 0.08)
    leaf = looks.make(
        "panels", "wood", "plain", "plaster", "metal", tile_m=0, specular=float(rng.choice([0, 0.1, 0.2]))
    )
    casing, wide = looks.make("plaster", "wood", "plain", "metal"), rng.uniform(0.04, 0.1)
    p.box(x - half, x - half + wide, 0, 0.03, 0, top, casing)
    p.box(x + half - wide, x + half, 0, 0.03, 0, top, casing)
    p.box(x - half, x + half, 0, 0.03, top - wide, top, casing)
    side, reach = int(rng.choice([-1, 1])), (half - wide) / leaves
    handle, gap = looks.metal(), _dark(looks, 0.2)
    p.box(x - half + wide, x + half - wide, 0, 0.006, 0.0, top - wide, gap)
    glazed, pane = rng.random() < 0.25, looks.make("plain", "plaster", "gradient", tile_m=0, specular=0.3)
    for k in range(leaves):
        middle = x + (2 * k - leaves + 1) * reach
        x0, x1 = middle - reach + 0.005, middle + reach - 0.005
        p.box(x0, x1, 0, 0.018, 0.008, top - wide - 0.005, leaf)
        if glazed:
            rise = rng.uniform(0.25, 0.95)
            p.box(x0 + 0.12, x1 - 0.12, 0, 0.02, top - 0.25 - rise, top - wide - 0.14, pane)
        grip = middle + (side if leaves == 1 else 1 - 2 * k) * (reach - 0.08)
        p.box(grip - 0.012, grip + 0.012, 0, 0.07, 0.99, 1.02, handle)
        inward = grip + math.copysign(0.11, middle - grip)
        p.box(min(grip, inward), max(grip, inward), 0.05, 0.07, 0.99, 1.02, handle)
        p.box(grip - 0.03, grip + 0.03, 0, 0.024, 0.85, 1.1, handle)
    if rng.random() < 0.3:
        p.box(x - 0.1, x + 0.1, 0, 0.022, 1.45, 1.55, looks.make("text", "plain", tile_m=0))


def radiator(p: Placer, looks: Looks, x: float, half: float, height: float) -> None:
    """A flat radiator: a pale slab just before the wall, with a grille on top, pipes and a valve."""
    rng = looks.rng
    z0, tall, out = rng.uniform(0.08, 0.2), min(rng.uniform(0.3, 0.95), height - 0.5), rng.uniform(0.06, 0.14)
    if rng.random() < 0.15:  # an upright one
        half, z0, tall = min(half, 0.35), 0.15, min(1.8, height - 0.4)
    m = _pale(looks) if rng.random() < 0.8 else looks.make("plain", "metal")
    p.box(x - half, x + half, 0.03, out, z0, z0 + tall, m)
    p.box(x - half + 0.01, x + half - 0.01, 0.04, out - 0.01, z0 + tall, z0 + tall + 0.01, _dark(looks, 0.45))
    if rng.random() < 0.6:  # ribs
        count = int(half / rng.uniform(0.025, 0.08))
        for k in range(1, min(count, 24)):
            rib = x - half + 2 * half * k / min(count, 24)
            p.box(rib - 0.008, rib + 0.008, out - 0.01, out + 0.006, z0 + 0.04, z0 + tall - 0.04, m)
    for end in (-1, 1):
        p.post(x + end * (half - 0.05), out / 2, 0, z0, 0.01, m)
    p.put(CYLINDER, (x + half + 0.04, out / 2, z0 + tall - 0.06), (0.02, 0.02, 0.04), _pale(looks))


def notices(p: Placer, looks: Looks, x: float, half: float, height: float) -> None:
    """Sheets of paper in rows, not quite straight."""
    rng = looks.rng
    size = rng.uniform(0.07, 0.16)
    columns, rows = max(1, int(half / size / 1.3)), int(rng.integers(1, 4))
    z0, _ = _span(looks, height, rows * size * 1.6)
    for i in range(min(columns, 6)):
        for j in range(rows):
            if rng.random() < 0.8 or i + j == 0:
                m = looks.make("text", "plaster", "poster", "notes", tile_m=0)
                cx = x - half + (2 * i + 1) * size * 1.3 + rng.normal(0, 0.01)
                p.put(BOX, (cx, 0.002, z0 + (2 * j + 1) * size * 1.6), (size, 0.002, size * 1.41), m)


def field(p: Placer, looks: Looks, x: float, half: float, height: float) -> None:
    """A stretch of wall in other paint, paper or panelling, or the flush doors of a cupboard."""
    rng = looks.rng
    m = looks.make("plaster", "plain", "panels", "wood", "gradient", "stripes", tile_m=0)
    z0 = float(rng.choice([0.0, 0.0, rng.uniform(0.3, 1.1)]))
    top = height if rng.random() < 0.4 else rng.uniform(max(1.6, z0 + 0.5), height) if height > 1.7 else height
    p.box(x - half, x + half, 0, rng.uniform(0.002, 0.03), z0, top, m)


def blind(p: Placer, looks: Looks, x: float, half: float, height: float) -> None:
    """A window behind a closed blind: a framed pale field, at times with light behind it."""
    rng = looks.rng
    z0, z1 = _span(looks, height, rng.uniform(0.4, 0.8), (1.3, 1.6))
    m = _pale(looks, "plaster", "stripes", "cloth", tile_m=0, emission=float(rng.choice([0, 0.6, 1.5])))
    p.box(x - half, x + half, 0, 0.012, z0, z1, m)
    rim(p, x - half, x + half, z0, z1, rng.uniform(0.03, 0.08), 0.03, looks.make("plaster", "wood", "plain"))
    p.box(x - half - 0.05, x + half + 0.05, 0, rng.uniform(0.03, 0.15), z0 - 0.04, z0, looks.make("plaster", "wood"))


PANELS: list[tuple[Panel, float, float, float]] = [
    (board, 3.0, 0.4, 1.9),
    (screen, 1.8, 0.45, 1.7),
    (picture, 3.0, 0.18, 1.1),
    (door, 2.5, 0.42, 1.0),
    (radiator, 1.3, 0.3, 1.1),
    (notices, 0.8, 0.25, 0.9),
    (field, 0.9, 0.4, 2.5),
    (blind, 0.9, 0.35, 1.0),
]
"""Panels: (draw, weight, least and greatest half width)."""


def along_wall(p: Placer, looks: Looks, length: float, height: float) -> None:
    """Panels side by side along a wall from x = 0 to its length, with gaps; most walls are of one or two kinds."""
    rng = looks.rng
    weights = [weight for _, weight, _, _ in PANELS]
    total = sum(weights)
    kinds = rng.choice(len(PANELS), size=int(rng.integers(1, 5)), p=[weight / total for weight in weights])
    spare, x = rng.uniform(0.1, 1.5), float(rng.uniform(0.1, 1.0))
    while x < length - 0.5:
        draw, _, least, greatest = PANELS[kinds[rng.integers(len(kinds))]]
        half = min(float(rng.uniform(least, greatest)), (length - x) / 2 - 0.05)
        if half < least:
            break
        draw(p, looks, x + half, half, height)
        x += 2 * half + float(rng.uniform(0.06, 0.1 + spare))
