"""The scenes of the benchmark, each a function that fills an empty file."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np

from . import everyday
from .parts import (
    Point,
    ball,
    box,
    branches,
    camera,
    lamp,
    material,
    mesh,
    ring,
    sag,
    sky,
    sunlight,
    terrain,
    tubes,
)  # fmt: skip

X, Y, Z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)


def bicycles(scene: Any) -> None:
    """Spoked wheels in a rack, a picket fence and a wall of bricks."""
    rng = random.Random(1)
    terrain((-12, 12), (-2, 14), lambda x, y: 0 * x, material("bricks", (0.35, 0.3, 0.27), (0.25, 0.23, 0.22), 1.2))
    box((0, 9, 2.5), (22, 0.4, 5), material("bricks", (0.5, 0.2, 0.13), (0.4, 0.15, 0.1), 2.0, upright=True))
    steel = material("metal", (0.7, 0.7, 0.72), (0, 0, 0), roughness=0.3)
    rubber = material("plain", (0.02, 0.02, 0.02), (0, 0, 0))
    for k in range(6):
        at = -2.8 + 1.15 * k
        hoop = [(at, 4.4 + 0.3 * math.cos(t), 0.75 * math.sin(t) + 0.05) for t in np.linspace(0, math.pi, 24)]
        tubes([hoop], 0.02, steel)
    for k in range(5):
        paint = material("plain", (rng.random(), rng.random() * 0.5, rng.random()), (0, 0, 0), roughness=0.3)
        _bicycle((-2.3 + 1.15 * k + rng.uniform(-0.1, 0.1), 3.6, 0), rng.uniform(-0.25, 0.25), paint, steel, rubber)
    white = material("noise", (0.8, 0.8, 0.75), (0.6, 0.6, 0.55), 4)
    for k in range(60):
        box((-7 + 0.24 * k, 6.8, 0.55), (0.08, 0.02, 1.1), white)
    for z in (0.3, 0.85):
        box((0, 6.83, z), (14.5, 0.03, 0.07), white)
    sky(scene, (0.25, 0.45, 0.85), (0.8, 0.85, 0.9))
    sunlight((-0.5, 0.8, -1.0))
    camera(scene, (1.6, -0.9, 1.55), (-0.3, 4.5, 0.7), 62)


def _bicycle(place: Point, lean: float, paint: Any, steel: Any, rubber: Any) -> None:
    """A bicycle along +Y that leans about its wheels' line."""

    def at(y: float, z: float, side: float = 0.0) -> Point:
        return (place[0] + side + z * math.sin(lean), place[1] + y, place[2] + z * math.cos(lean))

    up = (math.sin(lean), 0.0, math.cos(lean))
    for hub in (-0.52, 0.52):
        centre = at(hub, 0.35)
        tubes([ring(centre, 0.335, (Y, up), 96)], 0.016, rubber, closed=True)
        tubes([ring(centre, 0.31, (Y, up), 96)], 0.008, steel, closed=True)
        rim = ring(centre, 0.31, (Y, up), 32)
        spokes = [[at(hub, 0.35, 0.02 * (-1) ** k), point] for k, point in enumerate(rim)]
        tubes(spokes, 0.0012, steel)
    seat, head, bottom = at(-0.15, 0.85), at(0.38, 0.82), at(-0.05, 0.32)
    tubes(
        [[seat, head], [seat, bottom], [bottom, head], [bottom, at(-0.52, 0.35)], [seat, at(-0.52, 0.35)]], 0.015, paint
    )
    tubes([[at(0.36, 0.95), at(0.52, 0.35)], [at(0.38, 1.0, -0.28), at(0.38, 1.02), at(0.38, 1.0, 0.28)]], 0.012, steel)
    ball(at(-0.17, 0.93), (0.06, 0.13, 0.03), rubber)


def greenhouse(scene: Any) -> None:
    """Inside a house of thin bars: shelves, pots, plants with leaves on stems."""
    rng = random.Random(2)
    frame = material("plain", (0.85, 0.87, 0.85), (0, 0, 0), roughness=0.4)
    lawn = material("noise", (0.1, 0.2, 0.06), (0.2, 0.3, 0.1), 0.3)
    terrain((-60, 60), (-2, 15.1), lambda x, y: 0 * x - 0.03, lawn, 2)
    terrain((-3.2, 3.2), (-1, 15), lambda x, y: 0 * x, material("checker", (0.45, 0.42, 0.4), (0.3, 0.28, 0.27), 1.5))
    arch = [(3 * math.cos(t), 2 + 1.6 * math.sin(t)) for t in np.linspace(0, math.pi, 24)]
    profile = [(3.0, 0.0), *arch, (-3.0, 0.0)]
    tubes([[(x, y, z) for x, z in profile] for y in np.arange(0, 14.1, 1.0)], 0.022, frame)
    tubes([[(x, 0, z), (x, 14, z)] for x, z in profile[::3]], 0.012, frame)
    tubes(
        [[(x, 14, 0), (x, 14, 2 + 1.6 * math.sqrt(max(0, 1 - x * x / 9)))] for x in np.arange(-2.7, 2.8, 0.45)],
        0.012,
        frame,
    )
    wood = material("wood", (0.4, 0.25, 0.12), (0.28, 0.16, 0.08), 3)
    clay = material("noise", (0.55, 0.25, 0.15), (0.45, 0.2, 0.12), 8)
    for side in (-1, 1):
        box((2.3 * side, 7, 0.8), (0.9, 13, 0.05), wood)
        for y in np.arange(0.8, 14, 1.5):
            for x in (1.9, 2.7):
                box((x * side, y, 0.4), (0.05, 0.05, 0.8), wood)
        for y in np.arange(1.0, 13.5, 0.75):
            _plant((side * rng.uniform(2.05, 2.55), y, 0.83), rng, clay)
    tubes([sag((-1.2, y, 3.3), (1.2, y, 3.3), 0.25) for y in np.arange(1.5, 13, 2)], 0.004, wood)
    sky(scene, (0.35, 0.55, 0.9), (0.85, 0.88, 0.9))
    terrain((-90, 90), (15, 120), lambda x, y: -0.1 + (y - 15) * (0.12 + 0.05 * np.sin(x / 9)), lawn)
    sunlight((0.4, 0.6, -1.0))
    camera(scene, (0.3, -0.4, 1.7), (-0.1, 8, 1.35), 70)


def _plant(place: Point, rng: random.Random, clay: Any) -> None:
    green = material("noise", (0.05, rng.uniform(0.2, 0.4), 0.04), (0.12, 0.3, 0.06), 20)
    ball((place[0], place[1], place[2] + 0.11), (0.12, 0.12, 0.12), clay)
    stems, vertices, faces = [], [], []
    for _ in range(rng.randint(5, 9)):
        lean, turn, height = rng.uniform(0.05, 0.5), rng.uniform(0, 2 * math.pi), rng.uniform(0.3, 0.75)
        top = (
            place[0] + lean * height * math.cos(turn),
            place[1] + lean * height * math.sin(turn),
            place[2] + 0.2 + height,
        )
        stem = sag((place[0], place[1], place[2] + 0.2), top, -0.05, 8)
        stems.append(stem)
        for x, y, z in stem[2:]:
            out, size = rng.uniform(0, 2 * math.pi), rng.uniform(0.05, 0.1)
            u, v = (
                np.array([math.cos(out), math.sin(out), rng.uniform(-0.3, 0.5)]),
                np.array([-math.sin(out), math.cos(out), 0.0]),
            )
            outline = [(0, 0), (0.5, 0.28), (1, 0.2), (1.5, 0), (1, -0.2), (0.5, -0.28)]
            faces.append(range(len(vertices), len(vertices) + len(outline)))
            vertices += [np.array([x, y, z]) + size * (a * u + b * v) for a, b in outline]
    tubes(stems, 0.004, green)
    mesh(vertices, faces, green)


def bridge(scene: Any) -> None:
    """A truss of steel with railings and hangers over a river, hills behind."""
    rng = random.Random(3)
    rust = material("noise", (0.35, 0.12, 0.08), (0.45, 0.2, 0.12), 1.5)
    grey = material("plain", (0.4, 0.42, 0.45), (0, 0, 0), roughness=0.4)
    length, bay, tall = 60.0, 4.0, 6.0
    stations = np.arange(0, length + 0.1, bay)
    box((0, length / 2, -0.3), (5, length, 0.4), material("noise", (0.2, 0.2, 0.21), (0.26, 0.26, 0.26), 3))
    for x in (-2.6, 2.6):
        lines = [[(x, 0, 0), (x, length, 0)], [(x, bay, tall), (x, length - bay, tall)]]
        lines += [[(x, y, 0), (x, y, tall)] for y in stations[1:-1]]
        lines += [[(x, y, tall * (k % 2)), (x, y + bay, tall * ((k + 1) % 2))] for k, y in enumerate(stations[:-1])]
        tubes(lines, 0.12, rust)
        rails = [[(x * 0.85, 0, z), (x * 0.85, length, z)] for z in (0.4, 0.75, 1.1)]
        posts = [[(x * 0.85, y, -0.1), (x * 0.85, y, 1.1)] for y in np.arange(0, length, 1.0)]
        tubes(rails + posts, 0.02, grey)
        wires = [sag((x * 1.02, y, tall + 1.2), (x * 1.02, y + 2 * bay, tall + 1.2), 0.3) for y in stations[:-2:2]]
        tubes(wires, 0.012, grey)
    cross = [[(-2.6, y, tall), (2.6, y, tall)] for y in stations[1:-1]]
    cross += [[(-2.6, y, tall), (2.6, y + bay, tall)] for y in stations[1:-2]]
    tubes(cross, 0.07, rust)
    water = material("plain", (0.03, 0.07, 0.08), (0, 0, 0), roughness=0.12)
    terrain((-150, 150), (-20, 130), lambda x, y: 0 * x - 7, water, 2)
    earth = material("noise", (0.14, 0.2, 0.07), (0.3, 0.27, 0.15), 0.15)
    terrain(
        (-500, 500),
        (58, 700),
        lambda x, y: (
            -8
            + 0.22 * (y - 55) * (0.6 + 0.3 * np.sin(x / 60 + 1) + 0.2 * np.sin(y / 45))
            + 2 * np.sin(x / 7) * np.sin(y / 9)
        ),
        earth,
        240,
    )
    for _ in range(40):
        x, y = rng.uniform(-60, 60), rng.uniform(70, 130)
        ball((x, y, 0.16 * (y - 55)), (2.5, 2.5, 3.2), earth)
    sky(scene, (0.2, 0.4, 0.8), (0.85, 0.8, 0.75))
    sunlight((0.7, 0.5, -0.7))
    camera(scene, (-1.0, -3.0, 1.8), (0.7, 25, 2.4), 58)


def scaffold(scene: Any) -> None:
    """A front of windows behind poles, planks, a ladder, ropes and a net."""
    rng = random.Random(4)
    wall = material("bricks", (0.62, 0.55, 0.45), (0.55, 0.5, 0.4), 1.2, upright=True)
    box((0, 9.2, 8), (26, 0.4, 16), wall)
    glass, trim = (
        material("plain", (0.03, 0.05, 0.07), (0, 0, 0), roughness=0.1),
        material("plain", (0.8, 0.78, 0.7), (0, 0, 0)),
    )
    for x in np.arange(-9, 9.1, 3):
        for z in np.arange(2, 15, 3.2):
            box((x, 8.97, z), (1.2, 0.1, 1.7), glass)
            for dx in (-0.65, 0, 0.65):
                box((x + dx, 8.9, z), (0.07, 0.1, 1.8), trim)
            for dz in (-0.88, 0.1, 0.88):
                box((x, 8.9, z + dz), (1.35, 0.1, 0.07), trim)
    pipe = material("metal", (0.75, 0.73, 0.7), (0, 0, 0), roughness=0.35)
    lines: list[list[Point]] = []
    for y in (7.0, 8.2):
        lines += [[(x, y, 0.0), (x, y, 14.0)] for x in np.arange(-10, 10.1, 2)]
        lines += [[(-10.3, y, z), (10.3, y, z)] for level in np.arange(0, 13, 2.0) for z in (level + 0.9, level + 1.9)]
    lines += [[(x, 6.8, z), (x, 8.4, z)] for x in np.arange(-10, 10.1, 2) for z in np.arange(1.9, 14, 2)]
    lines += [
        [(x, 6.95, z), (x + 2, 6.95, z + 2)]
        for x, z in zip(np.arange(-10, 8, 2), np.tile([0, 2, 4, 6], 3), strict=False)
    ]
    tubes(lines, 0.024, pipe)
    plank = material("wood", (0.5, 0.36, 0.2), (0.4, 0.27, 0.14), 2)
    for z in np.arange(2, 13, 2.0):
        for y in (7.25, 7.55, 7.85):
            box((0, y, z), (20.4, 0.27, 0.04), plank)
    ladder: list[list[Point]] = [[(x, 6.2 + 0.15 * z, z) for z in (0.0, 4.6)] for x in (3.0, 3.4)]
    ladder += [[(3.0, 6.2 + 0.15 * z, z), (3.4, 6.2 + 0.15 * z, z)] for z in np.arange(0.3, 4.5, 0.3)]
    tubes(ladder, 0.018, material("metal", (0.8, 0.8, 0.8), (0, 0, 0)))
    tubes([[(x, 6.9, 13), (x + rng.uniform(-0.2, 0.2), 6.7, 0.3)] for x in (-6.4, -1.1, 6.7)], 0.01, plank)
    net = [[(-10 + 0.12 * k, 6.85, 8.1), (-10 + 0.12 * k, 6.85, 10.0)] for k in range(50)]
    net += [[(-10, 6.85, 8.1 + 0.12 * k), (-4.1, 6.85, 8.1 + 0.12 * k)] for k in range(16)]
    tubes(net, 0.004, material("plain", (0.05, 0.3, 0.1), (0, 0, 0)))
    terrain((-20, 20), (-3, 9.2), lambda x, y: 0 * x, material("noise", (0.3, 0.29, 0.28), (0.4, 0.39, 0.37), 2), 2)
    for _ in range(14):
        box((rng.uniform(-7, 7), rng.uniform(3, 6), 0.12), (0.5, 0.25, 0.24), wall, rng.uniform(0, 3))
    sky(scene, (0.3, 0.5, 0.85), (0.8, 0.85, 0.9))
    sunlight((0.6, 0.9, -1.1))
    camera(scene, (-3.2, -0.6, 1.7), (0.4, 8, 4.0), 74)


def winter(scene: Any) -> None:
    """Bare trees with fine twigs behind a fence of wire, hills under snow."""
    rng = random.Random(5)
    snow = material("noise", (0.75, 0.78, 0.85), (0.9, 0.9, 0.93), 0.4)
    terrain((-40, 40), (-3, 60), lambda x, y: 0.3 * np.sin(x / 3) * np.cos(y / 4) + 0.01 * y, snow)
    terrain(
        (-300, 300),
        (60, 400),
        lambda x, y: 0.6 + 18 * np.sin(np.clip((y - 60) / 200, 0, 1.5)) * (1.2 + np.sin(x / 40) + 0.4 * np.sin(x / 13)),
        snow,
    )
    bark = material("noise", (0.12, 0.09, 0.07), (0.22, 0.18, 0.15), 6)
    for x, y, height in ((-2.6, 8, 2.2), (1.8, 10.5, 2.6), (5.2, 15, 2.8), (-6.5, 17, 3.0), (0.2, 22, 2.8)):
        grown = branches((x, y, 0), (rng.uniform(-0.1, 0.1), 0, 1), height, 0.16, 5, rng)
        for radius in sorted({r for r, _ in grown}):
            tubes([line for r, line in grown if r == radius], radius, bark)
    wire = material("metal", (0.65, 0.66, 0.68), (0, 0, 0), roughness=0.4)
    lines = []
    for k in range(-70, 90):
        for way in (-1, 1):
            start = 0.1 * k
            zigzag = [
                (start + way * 0.05 * (j % 2) + 0.0, 4.0 + 0.004 * way * (-1) ** j, 0.15 + 0.05 * j) for j in range(28)
            ]
            lines.append(zigzag)
    tubes(lines, 0.0022, wire)
    tubes([[(x, 4.03, 0), (x, 4.03, 1.6)] for x in np.arange(-7, 9, 2.0)], 0.03, wire)
    tubes([[(-7, 4.03, 1.53), (9, 4.03, 1.53)]], 0.018, wire)
    ball((-0.9, 6.2, 0.4), (0.45, 0.45, 0.42), snow)
    ball((-0.9, 6.2, 1.0), (0.3, 0.3, 0.3), snow)
    sky(scene, (0.35, 0.5, 0.75), (0.9, 0.85, 0.8))
    sunlight((0.8, 0.2, -0.6), 3.0)
    camera(scene, (0.6, -0.5, 1.5), (0, 9, 2.2), 60)


def workshop(scene: Any) -> None:
    """A desk full of wire baskets, springs, cables, pencils and heads, seen from near."""
    rng = random.Random(6)
    wood = material("wood", (0.45, 0.28, 0.14), (0.3, 0.18, 0.09), 4)
    box((0, 0.6, -0.02), (2.4, 1.6, 0.04), wood)
    box((0, 1.5, 0.6), (5, 0.05, 3.5), material("noise", (0.55, 0.6, 0.62), (0.5, 0.55, 0.58), 1))
    terrain((-3, 3), (-1, 1.5), lambda x, y: 0 * x - 0.8, material("checker", (0.3, 0.3, 0.3), (0.2, 0.2, 0.2), 4), 2)
    steel = material("metal", (0.75, 0.75, 0.77), (0, 0, 0), roughness=0.25)
    black = material("plain", (0.02, 0.02, 0.025), (0, 0, 0), roughness=0.4)
    for x, y, size in ((-0.55, 0.75, 0.16), (0.5, 0.95, 0.2)):
        _basket((x, y, 0), size, steel)
    for k in range(3):
        turns = np.linspace(0, 2 * math.pi * 14, 500)
        spring = [(0.1 + 0.09 * k + 0.03 * math.cos(t), 0.45 + 0.03 * math.sin(t), 0.005 + 0.0018 * t) for t in turns]
        tubes([spring], 0.0022, steel)
    for _ in range(6):
        x, y = rng.uniform(-0.9, 0.9), rng.uniform(0.1, 1.2)
        cable = [
            (x + 0.12 * math.cos(t) + 0.03 * t, y + 0.09 * math.sin(1.3 * t), 0.006) for t in np.linspace(0, 7, 60)
        ]
        tubes([cable], 0.004, black)
    box((-0.15, 0.85, 0.06), (0.09, 0.09, 0.12), material("plain", (0.1, 0.25, 0.4), (0, 0, 0)))
    for _ in range(14):
        paint = material("plain", (rng.random(), rng.random(), rng.random()), (0, 0, 0))
        foot = (-0.15 + rng.uniform(-0.03, 0.03), 0.85 + rng.uniform(-0.03, 0.03), 0.02)
        tubes([[foot, (foot[0] + rng.uniform(-0.05, 0.05), foot[1] + rng.uniform(-0.05, 0.05), 0.24)]], 0.0035, paint)
    for k in range(7):
        box(
            (0.72, 0.65, 0.015 + 0.03 * k),
            (0.24, 0.3, 0.028),
            material("noise", (rng.random(), 0.3, rng.random()), (0.3, 0.2, 0.2), 9),
            rng.uniform(-0.3, 0.3),
        )
    ball((-0.6, 0.45, 0.12), (0.12, 0.12, 0.12), material("noise", (0.6, 0.5, 0.35), (0.5, 0.4, 0.3), 6), "monkey", 0.4)
    ball(
        (0.28, 0.72, 0.08),
        (0.08, 0.08, 0.08),
        material("plain", (0.2, 0.5, 0.3), (0, 0, 0), roughness=0.2),
        "monkey",
        -0.5,
    )
    arm = [(-0.3, 1.1, 0), (-0.3, 1.1, 0.35), (-0.05, 0.95, 0.6), (0.1, 0.85, 0.5)]
    tubes([arm, [(p[0] + 0.02, p[1], p[2] + 0.015) for p in arm]], 0.005, black)
    ball((0.12, 0.84, 0.5), (0.075, 0.075, 0.045), black)
    lamp((0, 0.5, 1.6), 0.7, 35)
    lamp((-1.3, -0.4, 1.2), 0.5, 15, (0.7, 0.8, 1))
    sky(scene, (0.05, 0.06, 0.08), (0.1, 0.1, 0.1))
    camera(scene, (0.12, -0.8, 0.58), (0.0, 0.75, 0.16), 58)


def _basket(place: Point, size: float, steel: Any) -> None:
    """A round basket of wires."""
    x, y, z = place
    hoops = [ring((x, y, z + h * size), size * (0.8 + 0.25 * h), (X, Y), 48) for h in np.linspace(0, 1.1, 8)]
    tubes(hoops, 0.0016, steel, closed=True)
    turns = np.linspace(0, 2 * math.pi, 36, endpoint=False)
    staves = [
        [
            (x + size * (0.8 + 0.25 * h) * math.cos(t), y + size * (0.8 + 0.25 * h) * math.sin(t), z + h * size)
            for h in (0, 1.1)
        ]
        for t in turns
    ]
    tubes(staves, 0.0014, steel)


SCENES: dict[str, Callable[[Any], None]] = {
    "bicycles": bicycles,
    "greenhouse": greenhouse,
    "bridge": bridge,
    "scaffold": scaffold,
    "winter": winter,
    "workshop": workshop,
    "kitchen": everyday.kitchen,
    "alley": everyday.alley,
    "harbour": everyday.harbour,
    "studio": everyday.studio,
    "terrace": everyday.terrace,
    "stairwell": everyday.stairwell,
}
