"""Cars, vans, lorries and buses; their fronts point to -y."""

from __future__ import annotations

import math

import numpy as np

from .looks import Looks, Placer, along
from .shapes import BOX, CYLINDER, ELLIPSOID, GABLE
from .solids import Material

PAINTS = [
    ((1.15, 1.15, 1.13), 3.0),
    ((0.62, 0.63, 0.65), 2.5),
    ((0.3, 0.31, 0.33), 2.5),
    ((0.07, 0.07, 0.08), 2.5),
    ((0.6, 0.05, 0.05), 1.2),
    ((0.06, 0.13, 0.4), 1.2),
    ((0.25, 0.4, 0.55), 0.8),
    ((0.08, 0.25, 0.14), 0.5),
    ((0.75, 0.6, 0.1), 0.4),
    ((0.65, 0.27, 0.06), 0.3),
    ((0.45, 0.38, 0.28), 0.6),
]
"""Colours of lacquer over a white ground, and their weights."""


def _paint(looks: Looks) -> Material:
    rng = looks.rng
    weights = np.array([weight for _, weight in PAINTS])
    colour = np.array(PAINTS[rng.choice(len(PAINTS), p=weights / weights.sum())][0])
    m = looks.make("plaster", "plaster", "metal", tile_m=8, specular=float(rng.choice([0.2, 0.4, 0.7])))
    r, g, b = (float(v) for v in np.clip(colour * rng.uniform(0.75, 1.25) + rng.normal(0, 0.02, 3), 0.02, 1.4))
    m.tint = (r, g, b)
    return m


def _tinted(looks: Looks, shade: float, **options) -> Material:
    m = looks.make("plain", **options)
    m.tint = (shade, shade * 1.03, shade * 1.08)
    return m


def _wedge(p: Placer, half_w: float, y0: float, y1: float, z0: float, z1: float, m: Material, rises: bool) -> None:
    """A prism whose top slopes along y: from the lower front to the upper back, or the other way round."""
    centre, half = (0, (y0 + y1) / 2, (z0 + z1) / 2), ((y1 - y0) / 2, half_w, (z1 - z0) / 2)
    p.put(GABLE, centre, half, m, yaw=math.pi / 2, param=0.98 if rises else -0.98)


def _strut(p: Placer, x: float, y0: float, y1: float, z0: float, z1: float, wide: float, m: Material) -> None:
    """A flat pillar beside the windows, from (y0, z0) to (y1, z1)."""
    run, rise = y1 - y0, z1 - z0
    length = math.hypot(run, rise)
    c, s = rise / length, run / length
    lean = np.array([[1, 0, 0], [0, c, s], [0, -s, c]])
    p.put(BOX, (x, (y0 + y1) / 2, (z0 + z1) / 2), (0.02, wide, length / 2), m, tilt=lean)


def _wheels(p: Placer, looks: Looks, w: float, axles, r: float, far: bool) -> None:
    """Tyres, rims and hubs, and the dark of the arches around them."""
    rng = looks.rng
    tyre, rim = _tinted(looks, 0.08), looks.make("metal", "metal", "plain", specular=0.3)
    rim_r, across = r * rng.uniform(0.55, 0.72), along([1, 0, 0])
    for y in axles:
        for side in (-1, 1):
            x = side * (w - 0.1)
            p.put(CYLINDER, (x, y, r), (r, r, 0.125), tyre, tilt=across)
            p.put(CYLINDER, (x, y, r), (rim_r, rim_r, 0.131), rim, tilt=across)
            if not far:
                p.put(CYLINDER, (x, y, r * 1.04), (r * 1.16, r * 1.12, 0.105), tyre, tilt=across)
        if not far:
            p.put(CYLINDER, (0, y, r), (rim_r * 0.3, rim_r * 0.3, w + 0.04), tyre, tilt=across)


def _ends(p: Placer, looks: Looks, w: float, length: float, z: float, trim: Material, far: bool) -> None:
    """Lamps, plates, a grille and bumpers at both ends."""
    rng = looks.rng
    lit = float(rng.choice([0, 0, 0.8]))
    wide, tall = rng.uniform(0.1, 0.24), rng.uniform(0.05, 0.12)
    for end in (-1, 1):
        light = looks.make("plaster", emission=lit, specular=0.3)
        light.tint = (0.7, 0.04, 0.04) if end > 0 else (1.2, 1.2, 1.1)
        for side in (-1, 1):
            x = side * (w - wide)
            p.put(BOX, (x, end * length, z), (wide, 0.025, tall), light)
        if far:
            continue
        plate = looks.make("text", "plaster", tile_m=0)
        p.put(BOX, (0, end * (length + 0.04), z - 0.22), (0.26, 0.012, 0.055), plate)
        p.box(-w * 0.97, w * 0.97, end * length - 0.06, end * length + 0.05, 0.22, z - 0.12, trim)
    if not far:
        p.box(-w * 0.5, w * 0.5, -length - 0.012, -length, z - 0.09, z + 0.05, _tinted(looks, 0.1))


def car(p: Placer, looks: Looks, far: bool = False) -> None:
    """A saloon, hatchback, estate, off-roader, pick-up, van, lorry or bus; a `far` one lacks small parts."""
    style = looks.rng.random()
    if style < 0.8:
        _passenger(p, looks, far)
    elif style < 0.92:
        _box_van(p, looks, far)
    else:
        _bus(p, looks, far)


def _passenger(p: Placer, looks: Looks, far: bool) -> None:
    rng = looks.rng
    paint, glass = _paint(looks), _tinted(looks, rng.uniform(0.06, 0.16), tile_m=4, specular=0.6)
    trim = paint if rng.random() < 0.6 else _tinted(looks, 0.15)
    kind = str(
        rng.choice(["saloon", "hatch", "estate", "off-road", "pick-up", "van"], p=[0.26, 0.28, 0.16, 0.18, 0.06, 0.06])
    )
    high = kind in ("off-road", "pick-up", "van")
    length, w = rng.uniform(1.75, 2.2) + (0.2 if kind != "hatch" else 0), rng.uniform(0.8, 0.95)
    low, r = rng.uniform(0.2, 0.28) + 0.1 * high, rng.uniform(0.28, 0.34) + 0.05 * high
    belt = rng.uniform(0.82, 0.98) + 0.12 * high
    roof = belt + rng.uniform(0.42, 0.56) + (0.35 if kind == "van" else 0.0)
    deck = belt - rng.uniform(0.02, 0.14)  # height of the bonnet
    nose = deck - rng.uniform(0.05, 0.2)
    cowl = -length * rng.uniform(0.38, 0.55)  # where the windscreen begins
    if kind == "van":
        cowl -= 0.25 * length
    rake = rng.uniform(0.35, 0.8)
    back = length * {"saloon": rng.uniform(0.5, 0.65), "pick-up": rng.uniform(0.15, 0.3)}.get(
        kind, rng.uniform(0.9, 0.98)
    )
    slope = rng.uniform(0.4, 0.7) if kind == "saloon" else rng.uniform(0.06, 0.4)
    # The body: a tub, the bonnet that rises to the windscreen, and the doors up to the windows.
    p.box(-w, w, -length, length, low, nose, paint)
    _wedge(p, w * 0.97, -length, cowl + 0.1, nose, deck, paint, True)
    p.box(-w, w, cowl, length if kind != "pick-up" else back, nose, belt, paint)
    if kind == "pick-up":
        for side in (-1, 1):
            p.box(side * w - 0.04 * (side + 1), side * w + 0.04 * (1 - side), back, length, nose, belt, paint)
        p.box(-w, w, length - 0.08, length, nose, belt, paint)
    # The glasshouse, narrower than the doors, and its roof.
    inner = w * rng.uniform(0.84, 0.92)
    top0, top1 = cowl + rake, back - slope
    _wedge(p, inner, cowl, top0, belt, roof, glass, True)
    p.box(-inner, inner, top0, top1, belt, roof, glass)
    _wedge(p, inner, top1, back, belt, roof, glass, False)
    p.box(-inner - 0.01, inner + 0.01, top0 - 0.05, top1 + 0.05, roof - 0.02, roof + 0.05, paint)
    middle = top0 + (top1 - top0) * rng.uniform(0.3, 0.5)
    wide, edge = rng.uniform(0.03, 0.07), inner + 0.012
    # What shows on both sides goes right through: the rest of it is hidden.
    p.box(-edge, edge, middle - wide, middle + wide, belt, roof, paint)
    if kind in ("estate", "off-road", "van") and top1 - middle > 0.9:
        p.box(-edge, edge, top1 - 0.29, top1 - 0.21, belt, roof, paint)
    pillar = 0.3 if kind == "van" else rng.uniform(0.04, 0.14)
    for side in (-1, 1) if not far else ():
        x = side * (inner - 0.008)
        _strut(p, x, cowl, top0, belt, roof, rng.uniform(0.03, 0.05), paint)
        _strut(p, x, back - pillar, top1 - pillar, belt, roof, pillar, paint)
    if not far:
        seam, outer = _tinted(looks, 0.12), w + 0.006
        for y in (cowl + 0.25, middle, min(middle + 0.95, length * 0.7)):
            p.box(-outer, outer, y - 0.006, y + 0.006, low + 0.1, min(nose, belt) - 0.01, seam)
        for y in (middle - 0.14, min(middle + 0.8, length * 0.62)):
            p.box(-outer - 0.016, outer + 0.016, y - 0.09, y + 0.03, nose - 0.1, nose - 0.07, trim)
        p.box(-outer - 0.01, outer + 0.01, -length * 0.55, length * 0.5, low, low + 0.08, seam)
        for side in (-1, 1):
            p.put(ELLIPSOID, (side * (w + 0.07), cowl + 0.4, belt + 0.08), (0.1, 0.07, 0.07), paint)
        if kind in ("estate", "off-road") and rng.random() < 0.5:
            for side in (-1, 1):
                p.box(side * inner * 0.9 - 0.02, side * inner * 0.9 + 0.02, top0, top1, roof + 0.09, roof + 0.12, trim)
    _wheels(p, looks, w, (-0.62 * length, 0.6 * length), r, far)
    _ends(p, looks, w, length, nose - 0.1, trim, far)


def _box_van(p: Placer, looks: Looks, far: bool) -> None:
    """A cab with a box, a tank or an open load behind it."""
    rng = looks.rng
    paint, glass = _paint(looks), _tinted(looks, 0.1, tile_m=4, specular=0.6)
    length, w, top = rng.uniform(2.3, 5), rng.uniform(0.95, 1.2), rng.uniform(1.9, 3.5)
    cab, head, r = -length + rng.uniform(1.2, 1.8), min(top, rng.uniform(1.9, 2.6)), rng.uniform(0.33, 0.48)
    load = _paint(looks) if rng.random() < 0.5 else looks.make("panels", "poster", "metal", "text", "cloth", tile_m=0)
    p.box(-w, w, cab, length, 0.55, top if rng.random() < 0.85 else 1.1, load)
    sill, lean = 0.5 * head, rng.uniform(0.1, 0.5)
    p.box(-w * 0.97, w * 0.97, -length, cab - 0.06, 0.35, sill, paint)
    _wedge(p, w * 0.95, -length, -length + lean, sill, head, glass, True)
    p.box(-w * 0.95, w * 0.95, -length + lean, cab - 0.06, sill, head, glass)
    p.box(-w * 0.97, w * 0.97, -length + lean - 0.05, cab - 0.06, head - 0.12, head + 0.03, paint)
    for side in (-1, 1) if not far else ():
        _strut(p, side * w * 0.945, -length, -length + lean, sill, head, 0.05, paint)
        _strut(p, side * w * 0.945, cab - 0.2, cab - 0.2, sill, head, 0.14, paint)
        p.box(
            side * (w + 0.14) - 0.08, side * (w + 0.14) + 0.08, -length + 0.1, -length + 0.16, sill, sill + 0.35, glass
        )
    p.box(-w * 0.85, w * 0.85, -length * 0.9, length * 0.95, 0.3, 0.56, _tinted(looks, 0.12))
    axles = (-0.68 * length, 0.6 * length, *([0.6 * length - 2.3 * r] if length > 4 else []))
    _wheels(p, looks, w, axles, r, far)
    _ends(p, looks, w * 0.97, length, 0.75, _tinted(looks, 0.2), far)


def _bus(p: Placer, looks: Looks, far: bool) -> None:
    """A bus or tram: a long box with a band of dark windows between pillars."""
    rng = looks.rng
    paint, glass = _paint(looks), _tinted(looks, rng.uniform(0.08, 0.2), tile_m=4, specular=0.6)
    lower = _paint(looks) if rng.random() < 0.5 else paint
    length, w, top = rng.uniform(3.5, 7), rng.uniform(1.05, 1.27), rng.uniform(2.5, 3.2)
    sill, head = rng.uniform(1.0, 1.35), top - rng.uniform(0.25, 0.5)
    p.box(-w, w, -length, length, 0.3, sill, lower)
    p.box(-w + 0.03, w - 0.03, -length + 0.03, length - 0.03, sill, head, glass)
    p.box(-w, w, -length, length, head, top, paint)
    count = int(2 * length / rng.uniform(1.0, 1.7))
    for k in range(1, count):
        y = -length + 2 * length * k / count
        p.box(-w, w, y - 0.05, y + 0.05, sill, head, paint)
    for end in (-1, 1):
        for side in (-1, 1):
            p.box(side * w - 0.05, side * w + 0.05, end * length - 0.05, end * length + 0.05, sill, head, paint)
    door = -length * rng.uniform(0.55, 0.8)
    p.box(-w - 0.01, w + 0.01, door - 0.5, door + 0.5, 0.4, head, glass)
    sign = looks.make("text", tile_m=0, emission=float(rng.choice([0, 0.8])))
    p.box(-w * 0.7, w * 0.7, -length - 0.01, -length, head + 0.03, top - 0.05, sign)
    _wheels(p, looks, w, (-0.55 * length, 0.5 * length), 0.46, far)
    _ends(p, looks, w, length, 0.75, lower, far)
