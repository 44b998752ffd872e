"""Things that stand along streets: poles, benches, bins."""

from __future__ import annotations

from .looks import Looks, Placer, along
from .shapes import BOX, CYLINDER, ELLIPSOID


def street_pole(p: Placer, looks: Looks) -> None:
    rng = looks.rng
    h, m = rng.uniform(2.2, 9), looks.metal()
    p.post(0, 0, 0, h, rng.uniform(0.03, 0.13), m)
    style = rng.random()
    if style < 0.4:
        reach = rng.uniform(0.5, 3)
        p.box(-reach, 0, -0.04, 0.04, h - 0.1, h, m)
        p.box(-reach - 0.3, -reach + 0.2, -0.1, 0.1, h - 0.15, h, m)
    elif style < 0.75:
        size = rng.uniform(0.2, 0.5)
        p.put(
            BOX if rng.random() < 0.6 else ELLIPSOID,
            (0, -0.1, h - size),
            (size, 0.02, size * rng.uniform(0.6, 1.4)),
            looks.make("poster", "text", "plain", tile_m=0),
        )
    else:
        p.box(-0.16, 0.16, -0.3, -0.05, h - 1, h, looks.make("plain"))
        for k, tint in enumerate(((1.4, 0.1, 0.1), (1.3, 0.9, 0.1), (0.1, 1.2, 0.4))):
            light = looks.make("plain", emission=float(rng.choice([0.1, 1.2])))
            light.tint = tint
            p.put(CYLINDER, (0, -0.31, h - 0.2 - 0.3 * k), (0.1, 0.1, 0.02), light, tilt=along([0, 1, 0]))


def bench(p: Placer, looks: Looks) -> None:
    m = looks.make("wood", "metal", "plain")
    p.box(-0.8, 0.8, -0.22, 0.22, 0.4, 0.46, m)
    p.box(-0.8, 0.8, 0.2, 0.25, 0.5, 0.85, m)
    for x in (-0.7, 0.7):
        p.box(x - 0.04, x + 0.04, -0.2, 0.2, 0, 0.4, looks.metal())


def bin_or_box(p: Placer, looks: Looks) -> None:
    rng = looks.rng
    r, h = rng.uniform(0.2, 0.5), rng.uniform(0.5, 1.3)
    if rng.random() < 0.5:
        p.post(0, 0, 0, h, r, looks.any(1))
    else:
        p.box(-r, r, -r, r, 0.05, h, looks.any(1))
    if rng.random() < 0.4:
        p.post(0, 0, h, h + 0.08, r * 1.05, looks.metal())
