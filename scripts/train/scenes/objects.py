"""Things that stand in places: furniture, vehicles, trees, people, clutter. All from solids."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .solids import BOX, CYLINDER, ELLIPSOID, Material, SolidList


class Looks:
    """Draws materials from a texture bank's patterns."""

    def __init__(self, rng: np.random.Generator, kinds: dict[str, list[int]]) -> None:
        self.rng = rng
        self.kinds = kinds

    def make(self, *patterns: str, tile_m: float = 1.0, **options) -> Material:
        """A material with one of the patterns, slightly tinted and shifted."""
        rng = self.rng
        name = patterns[rng.integers(len(patterns))]
        shade = rng.uniform(0.75, 1.2)
        tint = tuple(float(v) for v in np.clip(shade * (1 + rng.normal(0, 0.06, 3)), 0.2, 1.5))
        texture = int(rng.choice(self.kinds[name]))
        offset = (float(rng.random()), float(rng.random())) if tile_m > 0 else (0.0, 0.0)
        size = tile_m * float(rng.uniform(0.6, 1.6)) if tile_m > 0 else 0.0
        return Material(texture, size, tint, offset=offset, **options)  # type: ignore[arg-type]

    def any(self, tile_m: float = 1.0, **options) -> Material:
        """Any surface."""
        name = str(self.rng.choice(ANY_NAMES, p=ANY_SHARES))
        return self.make(name, tile_m=tile_m, specular=float(self.rng.choice([0, 0, 0.2, 0.5])), **options)

    def furniture(self) -> Material:
        """Wood, lacquer, metal or cloth."""
        name = str(self.rng.choice(["wood", "plain", "panels", "metal", "cloth"], p=[0.4, 0.3, 0.1, 0.1, 0.1]))
        return self.make(name, tile_m=1.2, specular=float(self.rng.choice([0, 0.15, 0.4])))

    def metal(self) -> Material:
        """A pole, a leg, a frame."""
        return self.make("metal", "plain", tile_m=1.0, specular=0.4)


ANY = {"noise": 4, "plain": 4, "wood": 2, "cloth": 2, "stripes": 1, "tiles": 1, "poster": 1.5, "text": 1, "metal": 1}
ANY_NAMES = list(ANY)
ANY_SHARES = np.array(list(ANY.values())) / sum(ANY.values())


class Placer:
    """Adds solids given in the frame of a thing (x right, y away, z up) that stands at (x, y) with a yaw."""

    def __init__(self, items: SolidList, x: float, y: float, z: float = 0.0, yaw: float = 0.0) -> None:
        self.items, self.x, self.y, self.z, self.yaw = items, x, y, z, yaw

    def put(self, kind: int, centre, half, material: Material, yaw: float = 0.0, tilt=None) -> None:
        """One solid in the thing's frame; `tilt` is a (3, 3) rotation in that frame."""
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        x, y, z = centre
        world = (self.x + c * x - s * y, self.y + s * x + c * y, self.z + z)
        if tilt is not None:
            turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
            self.items.add(kind, world, half, material, tilt=turn @ tilt)
        else:
            self.items.add(kind, world, half, material, yaw=self.yaw + yaw)

    def box(self, x0, x1, y0, y1, z0, z1, material: Material) -> None:
        """A box between bounds."""
        self.put(BOX, ((x0 + x1) / 2, (y0 + y1) / 2, (z0 + z1) / 2), ((x1 - x0) / 2, (y1 - y0) / 2, (z1 - z0) / 2), material)

    def post(self, x, y, z0, z1, radius, material: Material) -> None:
        """An upright cylinder."""
        self.put(CYLINDER, (x, y, (z0 + z1) / 2), (radius, radius, (z1 - z0) / 2), material)


def along(direction) -> np.ndarray:
    """(3, 3) rotation that turns local z into a direction."""
    z = np.asarray(direction, dtype=np.float64)
    z = z / np.linalg.norm(z)
    x = np.cross([0.0, 0.0, 1.0] if abs(z[2]) < 0.95 else [1.0, 0.0, 0.0], z)
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z], axis=1)


def random_rotation(rng: np.random.Generator) -> np.ndarray:
    """(3, 3) uniformly random rotation."""
    q, r = np.linalg.qr(rng.standard_normal((3, 3)))
    q = q * np.sign(np.diag(r))
    return q if np.linalg.det(q) > 0 else -q


# -- indoors -----------------------------------------------------------------------


def clutter_on(p: Placer, looks: Looks, x0, x1, y0, y1, z, count) -> None:
    """Small things on a top: books, cups, boxes, bottles, balls."""
    rng = looks.rng
    for _ in range(count):
        x, y = rng.uniform(x0, x1), rng.uniform(y0, y1)
        shape, m = rng.random(), looks.any(0.25)
        if shape < 0.45:
            hx, hy, hz = rng.uniform(0.02, 0.16), rng.uniform(0.02, 0.14), rng.uniform(0.008, 0.14)
            p.put(BOX, (x, y, z + hz), (hx, hy, hz), m, yaw=rng.uniform(0, 6.3))
        elif shape < 0.8:
            r, h = rng.uniform(0.02, 0.08), rng.uniform(0.03, 0.16)
            p.put(CYLINDER, (x, y, z + h), (r, r, h), m)
            if rng.random() < 0.3:
                p.put(CYLINDER, (x, y, z + 2.3 * h), (r * 0.4, r * 0.4, h * 0.4), m)
        else:
            r = rng.uniform(0.02, 0.12)
            p.put(ELLIPSOID, (x, y, z + r), (r, r, r), m)


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
    p.put(BOX, (x + s * 0.016, y - c * 0.016, z + lift + h), (w - 0.012, 0.002, h - 0.012), looks.make("screen", tile_m=0, emission=glow), yaw=yaw)
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
    p.put(BOX, (0, w - 0.02 + s * back / 2, h + back * 0.6 + 0.08), (w, 0.02, back / 2 + 0.05), seat, tilt=np.array([[1, 0, 0], [0, c, s], [0, -s, c]]))
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
            p.box(-w + t, -w + t + 2 * length, -d * rng.uniform(0.2, 0.9), d - 0.02, z, z + tall, looks.make("books", tile_m=0))
        else:
            clutter_on(p, looks, -w * 0.9, w * 0.9, -d * 0.8, d * 0.3, z, rng.integers(1, 4))


def cabinet(p: Placer, looks: Looks) -> None:
    rng = looks.rng
    w, d, h = rng.uniform(0.25, 1.1), rng.uniform(0.2, 0.35), float(rng.choice([rng.uniform(0.4, 1.0), rng.uniform(1.5, 2.3)]))
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
        p.put(ELLIPSOID, (rng.uniform(-w, w) * 0.8, 0.1, 0.55), (0.22, 0.1, 0.2), looks.make("cloth", "stripes", "noise", tile_m=0.5), yaw=rng.normal(0, 0.3))


def bed(p: Placer, looks: Looks) -> None:
    rng = looks.rng
    w = rng.uniform(0.45, 0.95)
    p.box(-w, w, -1.0, 1.0, 0.08, 0.3, looks.furniture())
    p.box(-w + 0.02, w - 0.02, -0.98, 0.98, 0.3, rng.uniform(0.42, 0.6), looks.make("cloth", "plain", "stripes", tile_m=1))
    p.box(-w, w, 0.98, 1.05, 0, rng.uniform(0.6, 1.2), looks.furniture())
    for sx in (-1, 1) if w > 0.6 else (0,):
        p.put(ELLIPSOID, (sx * w / 2, 0.75, 0.58), (0.3, 0.2, 0.1), looks.make("plaster", "cloth", tile_m=1))


def lamp(p: Placer, looks: Looks) -> None:
    rng = looks.rng
    h = rng.uniform(1.2, 1.8)
    p.post(0, 0, 0, h, 0.012, looks.metal())
    p.post(0, 0, 0, 0.03, 0.15, looks.metal())
    r = rng.uniform(0.1, 0.25)
    p.put(CYLINDER if rng.random() < 0.6 else ELLIPSOID, (0, 0, h), (r, r, r * 0.7), looks.make("plain", "plaster", emission=float(rng.choice([0, 1.0]))))


def plant(p: Placer, looks: Looks) -> None:
    rng = looks.rng
    r, h = rng.uniform(0.1, 0.25), rng.uniform(0.15, 0.4)
    p.post(0, 0, 0, h, r, looks.make("plain", "noise", "stones", specular=0.2))
    leaf = looks.make("leaves", tile_m=0.5)
    top = rng.uniform(0.3, 1.2)
    for _ in range(rng.integers(4, 12)):
        c = rng.normal(0, 0.13, 3) + [0, 0, h + top * rng.uniform(0.3, 1)]
        p.put(ELLIPSOID, c, (0.03, rng.uniform(0.05, 0.1), rng.uniform(0.12, 0.3)), leaf, tilt=random_rotation(rng))
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
    kind = int(rng.choice([BOX, ELLIPSOID, CYLINDER]))
    if rng.random() < 0.6:
        p.put(kind, (0, 0, half[2]), half, looks.any(size), yaw=rng.uniform(0, 6.3))
    else:
        p.put(kind, (0, 0, half.max() * 0.8), half, looks.any(size), tilt=random_rotation(rng))


def person(p: Placer, looks: Looks) -> None:
    rng = looks.rng
    h = rng.uniform(1.5, 1.9)
    shirt, trousers, skin = looks.any(0.6), looks.make("plain", "cloth", "noise"), looks.make("wood", "plain", tile_m=3)
    stride = rng.uniform(0, 0.2)
    for sx in (-1, 1):
        p.put(CYLINDER, (sx * 0.09, sx * stride * 0.5, h * 0.235), (0.075, 0.075, h * 0.235), trousers, tilt=along([0, -sx * stride, 1]))
        p.put(BOX, (sx * 0.09, sx * stride - 0.06, 0.04), (0.05, 0.13, 0.04), looks.make("plain"))
        p.put(ELLIPSOID, (sx * 0.23, 0.0, h * 0.63), (0.05, 0.06, h * 0.18), shirt, tilt=along([sx * rng.uniform(0, 0.4), rng.normal(0, 0.3), 1]))
    p.put(ELLIPSOID, (0, 0, h * 0.65), (0.2, 0.12, h * 0.21), shirt)
    p.put(ELLIPSOID, (0, 0, h * 0.93), (0.085, 0.1, 0.12), skin)
    p.put(ELLIPSOID, (0, 0.03, h * 0.955), (0.09, 0.1, 0.11), looks.make("noise", "leaves", "plain", tile_m=0.5))


# -- outdoors ----------------------------------------------------------------------


def car(p: Placer, looks: Looks) -> None:
    rng = looks.rng
    paint = looks.make("plain", "gradient", "metal", tile_m=6, specular=0.7)
    glass = looks.make("plain", "gradient", tile_m=4, specular=0.9)
    glass.tint = (0.12, 0.13, 0.15)
    dark = looks.make("plain")
    dark.tint = (0.1, 0.1, 0.1)
    style = rng.random()
    length, w = rng.uniform(1.8, 2.5), rng.uniform(0.8, 0.98)
    if style < 0.75:
        bonnet = rng.uniform(0.7, 0.95)
        p.box(-w, w, -length, length, 0.25, bonnet, paint)
        roof = bonnet + rng.uniform(0.45, 0.75)
        front, back = rng.uniform(-0.7, 0.1) * length, length * rng.uniform(0.5, 0.97)
        p.box(-w * 0.9, w * 0.9, front, back, bonnet, roof, glass)
        p.box(-w * 0.85, w * 0.85, front + 0.25, back - 0.15, roof, roof + 0.05, paint)
        for sx in (-1, 1):
            lean = np.array([[1, 0, 0], [0, 0.87, 0.5], [0, -0.5, 0.87]])
            p.put(BOX, (sx * w * 0.88, front + 0.02, (bonnet + roof) / 2), (0.04, 0.05, (roof - bonnet) * 0.6), paint, tilt=lean)
    else:
        length, w, top = rng.uniform(2.2, 5.5), rng.uniform(0.95, 1.25), rng.uniform(1.9, 3.6)
        p.box(-w, w, -length + 1.4, length, 0.5, top, looks.any(5) if rng.random() < 0.6 else paint)
        p.box(-w, w, -length, -length + 1.3, 0.4, min(top, 2.4), paint)
        p.box(-w * 0.9, w * 0.9, -length - 0.02, -length + 0.6, 1.2, min(top, 2.4) * 0.9, glass)
    r = rng.uniform(0.28, 0.4)
    for sx in (-1, 1):
        for sy in (-0.62, 0.62):
            p.put(CYLINDER, (sx * (w - 0.08), sy * length, r), (r, r, 0.12), dark, tilt=along([1, 0, 0]))
    for end in (-1, 1):
        light = looks.make("plain", emission=float(rng.choice([0, 0.7])))
        light.tint = (1.2, 0.15, 0.1) if end > 0 else (1.3, 1.3, 1.1)
        for sx in (-1, 1):
            p.put(BOX, (sx * w * 0.8, end * length, 0.65), (0.12, 0.02, 0.07), light)
        p.put(BOX, (0, end * length, 0.45), (0.25, 0.02, 0.06), looks.make("text", tile_m=0))


def tree(p: Placer, looks: Looks, scale: float = 1.0) -> None:
    rng = looks.rng
    h = rng.uniform(2.5, 10) * scale
    r = h * rng.uniform(0.015, 0.035)
    bark, leaf = looks.make("wood", "noise", tile_m=0.8), looks.make("leaves", tile_m=rng.uniform(1, 3))
    style = rng.random()
    p.post(0, 0, 0, h * 0.75, r, bark)
    if style < 0.65:
        for _ in range(rng.integers(4, 12)):
            c = rng.normal(0, 1, 3) * [h * 0.16, h * 0.16, h * 0.14] + [0, 0, h * 0.72]
            p.put(ELLIPSOID, c, rng.uniform(0.07, 0.2, 3) * h, leaf)
    elif style < 0.85:
        for k in range(5):
            f = k / 5
            p.put(ELLIPSOID, (0, 0, h * (0.25 + 0.75 * f)), (h * 0.22 * (1 - f) + 0.1, h * 0.22 * (1 - f) + 0.1, h * 0.12), leaf)
    else:
        for _ in range(rng.integers(5, 14)):
            start = h * rng.uniform(0.35, 0.75)
            d = np.array([rng.normal(), rng.normal(), rng.uniform(0.4, 1.5)])
            d /= np.linalg.norm(d)
            reach = h * rng.uniform(0.1, 0.25)
            p.put(CYLINDER, d * reach + [0, 0, start], (r * 0.35, r * 0.35, reach), bark, tilt=along(d))


def bush(p: Placer, looks: Looks) -> None:
    rng = looks.rng
    size, leaf = rng.uniform(0.3, 1.2), looks.make("leaves", tile_m=1.0)
    for _ in range(rng.integers(2, 6)):
        half = rng.uniform(0.4, 1, 3) * size
        p.put(ELLIPSOID, (rng.normal(0, size * 0.5), rng.normal(0, size * 0.5), half[2] * 0.6), half, leaf)


def rock(p: Placer, looks: Looks) -> None:
    rng = looks.rng
    size, m = rng.lognormal(-0.7, 0.7), looks.make("noise", "stones", "asphalt", tile_m=1.0)
    for _ in range(rng.integers(1, 4)):
        kind = ELLIPSOID if rng.random() < 0.7 else BOX
        p.put(kind, (*rng.normal(0, size * 0.4, 2), size * 0.25), rng.uniform(0.3, 1, 3) * size, m, tilt=random_rotation(rng))


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
        p.put(BOX if rng.random() < 0.6 else ELLIPSOID, (0, -0.1, h - size), (size, 0.02, size * rng.uniform(0.6, 1.4)), looks.make("poster", "text", "plain", tile_m=0))
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


def fence(p: Placer, looks: Looks) -> None:
    rng = looks.rng
    length, h, m = rng.uniform(2, 6), rng.uniform(0.7, 1.8), looks.make("metal", "wood", "plain")
    bars = rng.integers(5, 16)
    for k in range(bars):
        x = -length + 2 * length * k / (bars - 1)
        p.box(x - 0.03, x + 0.03, -0.02, 0.02, 0, h, m)
    for z in (0.15 * h, 0.9 * h):
        p.box(-length, length, -0.02, 0.02, z - 0.03, z + 0.03, m)


def bin_or_box(p: Placer, looks: Looks) -> None:
    rng = looks.rng
    r, h = rng.uniform(0.2, 0.5), rng.uniform(0.5, 1.3)
    if rng.random() < 0.5:
        p.post(0, 0, 0, h, r, looks.any(1))
    else:
        p.box(-r, r, -r, r, 0.05, h, looks.any(1))
    if rng.random() < 0.4:
        p.post(0, 0, h, h + 0.08, r * 1.05, looks.metal())


Thing = Callable[[Placer, Looks], None]
INDOOR_WALL: list[tuple[Thing, float, float]] = [(desk, 3, 0.5), (shelf, 4, 0.22), (cabinet, 3, 0.32), (sofa, 1.5, 0.45), (bed, 1, 1.05)]
"""Things that stand against walls: (draw, weight, half depth)."""
INDOOR_FREE: list[tuple[Thing, float]] = [(desk, 2.5), (chair, 5), (lamp, 1), (plant, 1.5), (carton, 2), (solid, 3), (person, 1), (sofa, 0.8), (cabinet, 0.7), (shelf, 0.5), (bin_or_box, 1)]
OUTDOOR_FREE: list[tuple[Thing, float]] = [(person, 3), (bench, 1.5), (street_pole, 2), (bush, 2), (tree, 2), (bin_or_box, 2), (rock, 1), (solid, 2), (fence, 1), (carton, 0.7)]
NATURE_FREE: list[tuple[Thing, float]] = [(tree, 5), (bush, 4), (rock, 4), (person, 0.6), (fence, 0.8), (bench, 0.3), (solid, 0.7)]


def choose(rng: np.random.Generator, table: list[tuple[Thing, float]]) -> Thing:
    """One of a weighted table."""
    weights = np.array([weight for _, weight in table])
    return table[rng.choice(len(table), p=weights / weights.sum())][0]
