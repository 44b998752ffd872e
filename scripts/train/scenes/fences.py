"""Fences that one sees through: pickets, railings, wire, post and rail, close before what is behind them."""

from __future__ import annotations

from .looks import Looks, Placer
from .shapes import BOX, CARD, CONE, CYLINDER, ELLIPSOID
from .solids import Material

COLOURS = [
    (1.2, 1.2, 1.17),
    (0.75, 0.72, 0.66),
    (0.5, 0.4, 0.3),
    (0.07, 0.07, 0.08),
    (0.1, 0.22, 0.13),
    (0.4, 0.2, 0.11),
    (0.55, 0.56, 0.58),
    (0.25, 0.26, 0.28),
]
"""White, weathered and stained wood, iron, green, rust, zinc, grey."""


def _coat(looks: Looks, *patterns: str) -> Material:
    rng = looks.rng
    m = looks.make(*patterns, tile_m=1.0, specular=float(rng.choice([0, 0, 0.2])))
    r, g, b = (v * float(rng.uniform(0.8, 1.2)) for v in COLOURS[rng.integers(len(COLOURS))])
    m.tint = (r, g, b)
    return m


def _posts(p: Placer, looks: Looks, half: float, h: float, pitch: float, m: Material) -> None:
    """Posts from -half to half, square or round, plain or with heads."""
    rng = looks.rng
    count = max(1, round(2 * half / pitch))
    kind, r, head = int(rng.choice([BOX, CYLINDER])), rng.uniform(0.02, 0.06), rng.random()
    for k in range(count + 1):
        x = -half + 2 * half * k / count
        p.put(kind, (x, 0, h / 2), (r, r, h / 2), m)
        if head < 0.25:
            p.put(CONE, (x, 0, h + 0.04), (1.2 * r, 1.2 * r, 0.05), m, param=0.05)
        elif head < 0.4:
            p.put(ELLIPSOID, (x, 0, h + r), (1.3 * r, 1.3 * r, 1.3 * r), m)


def cut_out(p: Placer, looks: Looks, half: float, *families: str) -> None:
    """Palings, railings or wire mesh cut from thin sheets, with posts between them."""
    rng = looks.rng
    h, pitch = rng.uniform(0.7, 2.0), rng.uniform(1.4, 2.8)
    m = _coat(looks, "plaster", "metal") if rng.random() < 0.8 else looks.make("wood", "metal", tile_m=0.7)
    count = max(1, round(2 * half / pitch))
    wide, chart = half / count, looks.chart(*families)
    foot = float(rng.choice([0.02, 0.08]))
    for k in range(count):
        p.put(CARD, ((2 * k - count + 1) * wide, -0.015, foot + h / 2), (wide, 0.01, h / 2), m, chart=chart)
    if rng.random() < 0.7:
        _posts(p, looks, half, h + rng.uniform(-0.1, 0.1), 2 * wide, m)


def railing(p: Placer, looks: Looks, half: float) -> None:
    """Thin round or square bars between two rails, as of balconies, bridges, stairs and front gardens."""
    rng = looks.rng
    h, m, r = rng.uniform(0.8, 1.6), _coat(looks, "plaster", "metal"), rng.uniform(0.005, 0.014)
    pitch, low = max(rng.uniform(0.09, 0.2), 2 * half / 50), rng.uniform(0.05, 0.15)
    kind, rise = int(rng.choice([BOX, CYLINDER])), float(rng.choice([0.0, rng.uniform(0.05, 0.25)]))
    count = max(2, int(2 * half / pitch))
    for k in range(count + 1):
        x, z1 = -half + 2 * half * k / count, h + rise
        p.put(kind, (x, 0, (low + z1) / 2), (r, r, (z1 - low) / 2), m)
    for z in (low, h):
        thick = rng.uniform(0.008, 0.03)
        p.box(-half, half, -0.015, 0.015, z - thick, z + thick, m)
    _posts(p, looks, half, h + rise, rng.uniform(1.8, 4), m)


def strands(p: Placer, looks: Looks, half: float) -> None:
    """Wires or ropes from post to post, as around fields."""
    rng = looks.rng
    h, m = rng.uniform(0.8, 1.5), looks.make("wood", "plain", "metal", tile_m=0.7)
    line, count, r = _coat(looks, "metal", "plaster"), int(rng.integers(2, 8)), rng.uniform(0.002, 0.007)
    _posts(p, looks, half, h, rng.uniform(1.5, 4), m)
    for k in range(count):
        z = h * (0.95 - 0.8 * k / count)
        p.box(-half, half, -0.05 - r, -0.05 + r, z - r, z + r, line)


def post_and_rail(p: Placer, looks: Looks, half: float) -> None:
    """Two to five boards or poles along posts."""
    rng = looks.rng
    h, m = (
        rng.uniform(0.7, 1.5),
        looks.make("wood", "wood", "plain", tile_m=0.8) if rng.random() < 0.6 else _coat(looks, "plaster"),
    )
    _posts(p, looks, half, h, rng.uniform(1.6, 3), m)
    count, tall = int(rng.integers(2, 6)), rng.uniform(0.02, 0.07)
    for k in range(count):
        z = h * (0.93 - 0.8 * k / count)
        p.box(-half, half, -0.06, -0.035, z - tall, z + tall, m)


def see_through(p: Placer, looks: Looks, half: float) -> None:
    """A fence of any kind along x, `half` metres to both sides."""
    style = looks.rng.random()
    if style < 0.28:
        cut_out(p, looks, half, "pickets")
    elif style < 0.46:
        cut_out(p, looks, half, "rails", "rails", "bars")
    elif style < 0.58:
        cut_out(p, looks, half, "wire")
    elif style < 0.76:
        railing(p, looks, half)
    elif style < 0.88:
        strands(p, looks, half)
    else:
        post_and_rail(p, looks, half)


def piece(p: Placer, looks: Looks) -> None:
    """A few metres of fence."""
    see_through(p, looks, float(looks.rng.uniform(1, 4)))
