"""Roads outside of towns' centres: verges, boundary walls, hedges, fences and guard rails, gardens and fields behind."""

from __future__ import annotations

import math

from . import fences, frames, nature, outdoor, structures, vehicles
from .exteriors import building
from .looks import Looks, Placer, choose
from .places import Place
from .shapes import BOX
from .solids import Material, SolidList

VERGE = [
    (nature.bush, 3),
    (nature.tuft, 3),
    (nature.rock, 0.7),
    (nature.tree, 1.2),
    (outdoor.street_pole, 0.7),
    (structures.road_things, 0.6),
    (outdoor.bin_or_box, 0.5),
]
"""What stands between a road and what bounds it."""


def boundary_wall(p: Placer, looks: Looks, half: float) -> None:
    """A wall along x of blocks, bricks, panels or render, with piers, plinth and coping; its face is at y = 0."""
    rng = looks.rng
    h = rng.uniform(0.8, 3.2)
    m = looks.make(
        "plaster", "plaster", "bricks", "bricks", "boards", "stones", "panels", "plain", tile_m=rng.uniform(0.8, 3)
    )
    if rng.random() < 0.5:  # pale: render, limestone, concrete
        shade = rng.uniform(0.8, 1.3)
        m.tint = (shade, shade * rng.uniform(0.88, 1.0), shade * rng.uniform(0.75, 1.0))
    p.box(-half, half, 0, rng.uniform(0.15, 0.4), 0, h, m)
    trim = m if rng.random() < 0.5 else looks.make("plaster", "stones", "plain", tile_m=1.5)
    if rng.random() < 0.6:  # coping
        p.box(-half, half, -rng.uniform(0.02, 0.08), 0.42, h, h + rng.uniform(0.04, 0.12), trim)
    if rng.random() < 0.6:
        step, wide, out, above = (
            rng.uniform(2.5, 7),
            rng.uniform(0.12, 0.3),
            rng.uniform(0.03, 0.2),
            rng.uniform(0, 0.2),
        )
        for k in range(int(min(2 * half / step, 30)) + 1):
            x = -half + k * step
            p.box(x - wide, x + wide, -out, 0.4, 0, h + above, trim)
    if rng.random() < 0.3:
        p.box(-half, half, -0.04, 0, 0, rng.uniform(0.15, 0.6) * h, trim)


def hedge_row(p: Placer, looks: Looks, half: float) -> None:
    """Hedges in a row, with gaps; clipped to one height, or each to its own."""
    rng = looks.rng
    step, share = max(rng.uniform(3, 7), half / 6), rng.uniform(0.6, 1.0)
    height = rng.uniform(0.6, 2.2) if rng.random() < 0.7 else None
    c, s = math.cos(p.yaw), math.sin(p.yaw)
    for k in range(int(2 * half / step)):
        if rng.random() < share:
            x = -half + (k + 0.5) * step
            nature.hedge(
                Placer(p.items, p.x + c * x - s * 0.6, p.y + s * x + c * 0.6, p.z, p.yaw), looks, step / 2, height
            )


def guard_rail(p: Placer, looks: Looks, half: float) -> None:
    """A rail of sheet metal, or a low wall of concrete."""
    rng = looks.rng
    if rng.random() < 0.3:
        m = looks.make("plaster", "noise", tile_m=2)
        p.box(-half, half, 0, 0.5, 0, 0.35, m)
        p.box(-half, half, 0.14, 0.36, 0.35, rng.uniform(0.7, 1.0), m)
        return
    m = looks.make("metal", "plaster", tile_m=2)
    shade = rng.uniform(0.7, 1.15)
    m.tint = (shade, shade, shade * 1.02)
    low = rng.uniform(0.35, 0.55)
    p.box(-half, half, -0.03, 0.03, low, low + 0.11, m)
    p.box(-half, half, -0.03, 0.03, low + 0.17, low + 0.28, m)
    p.box(-half, half, 0.0, 0.04, low + 0.1, low + 0.18, m)
    step = rng.uniform(1.8, 4)
    for k in range(int(min(2 * half / step, 16)) + 1):
        p.box(-half + k * step - 0.05, -half + k * step + 0.05, 0.03, 0.14, 0, low + 0.3, m)


def noise_barrier(p: Placer, looks: Looks, half: float) -> None:
    """Tall panels between posts."""
    rng = looks.rng
    h, step = rng.uniform(2.2, 5), rng.uniform(2.5, 5)
    m = looks.make("panels", "wood", "plaster", "stripes", "metal", tile_m=rng.uniform(1, 3))
    p.box(-half, half, 0.04, 0.16, 0, h, m)
    post = looks.metal()
    for k in range(int(min(2 * half / step, 30)) + 1):
        p.box(-half + k * step - 0.1, -half + k * step + 0.1, -0.02, 0.22, 0, h + 0.1, post)


def _fence(p: Placer, looks: Looks, half: float) -> None:
    fences.see_through(p, looks, min(half, 14))


BOUNDS = [(boundary_wall, 4), (hedge_row, 1.5), (guard_rail, 1.5), (noise_barrier, 1), (_fence, 2)]


def _behind(items: SolidList, looks: Looks, side: int, edge: float) -> None:
    """Trees, houses, a bank or a field on one side, from `edge` metres outwards."""
    rng = looks.rng
    if rng.random() < 0.25:  # a bank
        m = looks.make("grass", "leaves", "noise", tile_m=4)
        half = rng.uniform(6, 20)
        top = rng.uniform(1, 6)
        items.add(BOX, (side * (edge + half + 1), 200, top / 2 - 0.6), (half, 300, top / 2), m)
    if rng.random() < 0.5:  # houses
        y = rng.uniform(-5, 20)
        for _ in range(rng.integers(1, 6)):
            half_w, half_d = rng.uniform(3.5, 8), rng.uniform(3.5, 8)
            x = side * (edge + half_w + rng.uniform(1, 15))
            building(items, looks, x, y + half_d, half_w, half_d, rng.uniform(2.6, 8), rng.normal(0, 0.06))
            y += 2 * half_d + rng.uniform(2, 25)
    if rng.random() < 0.75:
        y, near, dense = rng.uniform(0, 20), rng.uniform(0.5, 4), rng.random() < 0.35
        for _ in range(rng.integers(6, 15) if dense else rng.integers(1, 9)):
            x = side * (edge + near + rng.exponential(3))
            nature.tree(Placer(items, x, y, 0, rng.uniform(0, 6.3)), looks, rng.uniform(0.8, 1.8))
            y += rng.exponential(3.5 if dense else 9)


def _side(items: SolidList, looks: Looks, side: int, road: float) -> float:
    """Kerb, verge, bound and what is behind, on one side of a road.

    Returns:
        How far the verge reaches from the middle of the road.
    """
    rng = looks.rng
    verge = float(rng.choice([rng.uniform(0.2, 1.2), rng.uniform(1, 5), rng.uniform(4, 14)], p=[0.3, 0.5, 0.2]))
    kerb = rng.uniform(0.0, 0.2)
    if kerb > 0.06:
        items.add(
            BOX, (side * (road + 0.1), 250, kerb / 2 - 0.3), (0.1, 500, kerb / 2 + 0.3), looks.make("plaster", "stones")
        )
    m = looks.make("grass", "grass", "noise", "leaves", "asphalt", "tiles", tile_m=rng.uniform(1, 4))
    if rng.random() < 0.3:  # bark, red gravel, sand
        m.tint = (rng.uniform(0.8, 1.2), rng.uniform(0.5, 0.9), rng.uniform(0.35, 0.8))
    items.add(BOX, (side * (road + 0.2 + verge / 2), 250, kerb - 0.5), (verge / 2, 500, 0.49), m)
    if verge > 1.5 and rng.random() < 0.4:  # a path
        at = road + 0.3 + rng.uniform(0.2, 0.7) * verge
        path = looks.make("tiles", "asphalt", "bricks", "shingles", "plaster", tile_m=2)
        items.add(BOX, (side * at, 250, kerb - 0.48), (min(1.0, verge / 4), 500, 0.49), path)
    planted = rng.choice([0, rng.integers(2, 8), rng.integers(6, 18)])
    one = choose(rng, VERGE) if rng.random() < 0.4 else None
    for k in range(planted):
        y = 1 + 45 * rng.random() ** 1.5 if one is None else 2 + k * 3.5
        x = side * (road + 0.4 + verge * rng.uniform(0.15, 0.8))
        (one or choose(rng, VERGE))(Placer(items, x, y, kerb, math.pi if side > 0 else 0.0), looks)
    edge = road + 0.3 + verge
    if rng.random() < 0.85:
        half = rng.uniform(8, 120)
        begin = rng.uniform(-20, 10) if rng.random() < 0.7 else rng.uniform(5, 40)
        draw = BOUNDS[rng.choice(len(BOUNDS), p=[weight / 10 for _, weight in BOUNDS])][0]
        # Its x runs along the road, its y outwards.
        draw(Placer(items, side * edge, begin + half, kerb, -side * math.pi / 2 + rng.normal(0, 0.01)), looks, half)
    _behind(items, looks, side, edge + 1.0)
    return edge


def _marks(items: SolidList, looks: Looks, lanes: int, lane: float, road: float) -> None:
    """Lines between lanes and at the edges."""
    rng = looks.rng
    paint = looks.make("plaster", "plain")
    paint.tint = (1.3, 1.3, 1.25) if rng.random() < 0.6 else (1.3, 1.1, 0.4)
    dash, pitch = rng.uniform(1, 4), rng.uniform(6, 12)
    for k in range(1 - lanes, lanes):
        if k == 0:
            for x in (-0.1, 0.1):
                items.add(BOX, (x, 200, 0.003), (0.06, 400, 0.004), paint)
            continue
        for j in range(8):
            items.add(BOX, (k * lane, j * pitch, 0.003), (0.07, dash / 2, 0.004), paint)
    if rng.random() < 0.5:
        for s in (-1, 1):
            items.add(BOX, (s * (road - 0.3), 200, 0.003), (0.07, 400, 0.004), paint)


def road(looks: Looks) -> Place:
    """A road with traffic between verges and what bounds them, seen by a driver or from its edge."""
    rng = looks.rng
    items = SolidList()
    lanes, lane = int(rng.choice([1, 1, 2, 2, 3])), rng.uniform(2.7, 3.8)
    road_half = lanes * lane + rng.uniform(0.2, 2.5)
    field = looks.make("grass", "grass", "noise", "asphalt", "leaves", tile_m=4)
    items.add(BOX, (0, 0, -0.62), (3000, 3000, 0.5), field)
    surface = looks.make("asphalt", "asphalt", "asphalt", "plaster", tile_m=5, specular=float(rng.choice([0, 0, 0.25])))
    items.add(BOX, (0, 250, -0.56), (road_half, 500, 0.56), surface)
    if rng.random() < 0.8:
        _marks(items, looks, lanes, lane, road_half)
    edges = [_side(items, looks, side, road_half) for side in (-1, 1)]
    if lanes > 1 and rng.random() < 0.3:  # a median
        m: Material = looks.make("grass", "plaster", "noise", tile_m=2)
        items.add(BOX, (0, 250, -0.4), (rng.uniform(0.3, 1.2), 500, rng.uniform(0.42, 0.6)), m)
        things = (guard_rail, hedge_row, _fence)
        things[rng.integers(3)](Placer(items, 0, 45, 0.05, math.pi / 2), looks, 40)
    for _ in range(rng.integers(0, 4)):
        nature.hill(items, looks, rng.uniform(-500, 500), rng.uniform(250, 800), 180)
    for _ in range(rng.integers(0, 4)):  # what ends the view
        nature.tree(Placer(items, rng.normal(0, 25), rng.uniform(70, 160), 0), looks, rng.uniform(1, 2))
    if rng.random() < 0.15:
        frames.gantry(Placer(items, 0, rng.uniform(8, 50), 0), looks)
    busy = rng.random()
    for k in range(2 * lanes):
        x, y = (k - lanes + 0.5) * lane, rng.uniform(6, 20)
        while y < 75:
            if rng.random() < busy:
                turn = math.pi if (x > 0) == (rng.random() < 0.97) else 0.0
                vehicles.car(Placer(items, x + rng.normal(0, 0.2), y, 0, turn + rng.normal(0, 0.02)), looks, far=y > 20)
            y += 6 + rng.exponential(14)
    if rng.random() < 0.25:
        side = float(rng.choice([-1, 1]))
        structures.power_line(
            items, looks, side * (road_half + 1), rng.uniform(-10, 5), rng.uniform(20, 40), int(rng.integers(2, 5))
        )
    if rng.random() < 0.7:
        x = (rng.integers(0, lanes) + 0.5) * lane * float(rng.choice([-1, 1]))
        eye, spread = (x, rng.uniform(-3, 2), rng.uniform(1.2, 2.4)), (0.5, 1.0, 0.1)
        return Place(items, False, eye, spread, 0.0, float(rng.choice([0.08, 0.5])), 0.0, 0.04, (), (), (40.0, 80.0))
    left, right = edges
    eye = (rng.uniform(-0.9 * left, 0.9 * right), 0.0, float(rng.choice([1.6, rng.uniform(0.6, 4)])))
    return Place(items, False, eye, (0.3, 1.0, 0.2), 0.0, 0.5, 0.0, 0.1, (), (), (35.0, 95.0))
