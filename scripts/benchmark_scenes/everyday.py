"""Six more scenes, as people photograph them: plain surfaces of like tones, furniture, water, stairs."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np

from .furnishings import balcony, music_stand, rod_chair, slat_chair
from .parts import (
    Colour,
    Point,
    ball,
    box,
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
_NO: Colour = (0.0, 0.0, 0.0)


def kitchen(scene: Any) -> None:
    """A table with things on it, chairs of thin rods, a counter, hanging lamps: nearly everything off-white."""
    rng = random.Random(11)
    wall = material("noise", (0.68, 0.66, 0.62), (0.7, 0.68, 0.64), 0.7)
    front = material("plain", (0.64, 0.63, 0.6), _NO, roughness=0.4)
    top = material("wood", (0.62, 0.54, 0.44), (0.56, 0.48, 0.38), 2)
    steel = material("metal", (0.75, 0.75, 0.76), _NO, roughness=0.3)
    dark = material("plain", (0.05, 0.05, 0.06), _NO, roughness=0.3)
    terrain((-3, 3), (-1.5, 6), lambda x, y: 0 * x, material("checker", (0.6, 0.58, 0.55), (0.52, 0.5, 0.47), 2), 2)
    box((0, 5.05, 1.35), (6, 0.1, 2.7), wall)
    for x in (-2.55, 2.55):
        box((x, 2, 1.35), (0.1, 7, 2.7), wall)
    box((0, 2, 2.75), (6, 7, 0.1), wall)
    for k in range(8):  # the counter and its doors
        x = -2.2 + 0.63 * k
        box((x, 4.7, 0.44), (0.61, 0.58, 0.86), front)
        tubes([[(x - 0.12, 4.39, 0.72), (x + 0.12, 4.39, 0.72)]], 0.006, steel)
    box((0, 4.68, 0.89), (5.1, 0.64, 0.04), top)
    for k in range(5):
        box((-2.1 + 0.63 * k, 4.85, 1.85), (0.61, 0.34, 0.7), front)
    box((1.55, 4.98, 1.7), (1.5, 0.06, 1.1), material("plain", (0.75, 0.8, 0.85), _NO))
    for k in range(18):  # a blind
        box((1.55, 4.9, 1.2 + 0.058 * k), (1.46, 0.03, 0.004), front)
    for x in (0.8, 1.55, 2.3):
        box((x, 4.94, 1.7), (0.05, 0.07, 1.12), front)
    spout = [(1.2, 4.75, 0.91), (1.2, 4.75, 1.2), (1.2, 4.68, 1.26), (1.2, 4.56, 1.24), (1.2, 4.55, 1.16)]
    tubes([spout], 0.012, steel)
    for k in range(6):
        size = rng.uniform(0.04, 0.08)
        ball((-1.9 + 0.45 * k + rng.uniform(-0.1, 0.1), 4.65, 0.91 + size), (size, size, 1.4 * size), front)
    box((0, 1.55, 0.735), (1.7, 1.5, 0.04), top)  # the table
    for x in (-0.78, 0.78):
        for y in (0.88, 2.22):
            tubes([[(x, y, 0), (x, y, 0.72)]], 0.025, top)
    for x, y, turn in (
        (-1.15, 1.3, 0.2),
        (-1.15, 2.0, -0.1),
        (1.2, 1.5, math.pi),
        (1.15, 2.2, math.pi + 0.2),
        (0.1, 2.75, -1.5),
    ):
        rod_chair((x, y, 0), turn, dark)
    for x in (-0.45, 0.45):
        tubes([[(x, 1.6, 2.7), (x, 1.6, 1.75)]], 0.004, dark)
        ball((x, 1.6, 1.7), (0.16, 0.16, 0.1), dark)
    hoops = [ring((0.25, 1.45, 0.76 + h), 0.08 + 0.5 * h, (X, Y), 40) for h in np.linspace(0, 0.12, 6)]
    tubes(hoops, 0.0016, steel, closed=True)
    for _ in range(5):
        place = (0.25 + rng.uniform(-0.06, 0.06), 1.45 + rng.uniform(-0.06, 0.06), 0.83)
        ball(place, (0.04, 0.04, 0.04), material("plain", (0.75, 0.5, 0.12), _NO))
    for x, y in ((-0.35, 1.1), (0.4, 1.05), (-0.3, 1.95)):
        ball((x, y, 0.765), (0.13, 0.13, 0.012), front)
        tubes([[(x + 0.2, y - 0.09, 0.76), (x + 0.2, y + 0.09, 0.76)]], 0.004, steel)
    ball((-0.1, 1.4, 0.86), (0.05, 0.05, 0.1), front)
    tubes([[(-0.1, 1.4, 0.95), (-0.12 + 0.05 * k, 1.4 + 0.03 * k, 1.2)] for k in range(-2, 4)], 0.003, dark)
    lamp((0.3, 1.5, 2.6), 1.2, 60)
    lamp((1.5, 4.5, 2.2), 0.8, 25, (0.8, 0.9, 1))
    sky(scene, (0.3, 0.4, 0.5), (0.5, 0.5, 0.5), 0.5)
    camera(scene, (-0.25, -0.75, 1.5), (0.1, 3.0, 0.85), 72)


def alley(scene: Any) -> None:
    """Between rendered walls in the shade: steps, washing lines, pipes, balconies, pots; walls and ground of like tones."""
    rng = random.Random(12)
    left = material("noise", (0.46, 0.42, 0.36), (0.52, 0.48, 0.42), 0.5)
    right = material("noise", (0.5, 0.44, 0.38), (0.45, 0.4, 0.34), 0.6)
    ground = material("noise", (0.42, 0.4, 0.36), (0.5, 0.47, 0.42), 2)
    iron = material("plain", (0.08, 0.08, 0.09), _NO)
    wood = material("wood", (0.3, 0.24, 0.16), (0.24, 0.18, 0.12), 3)
    terrain((-3, 3), (-2, 9), lambda x, y: 0 * x, ground, 2)
    for k in range(9):
        box((0, 9.2 + 0.4 * k, 0.08 * (k + 1) - 0.5), (3.4, 0.4, 0.16 * (k + 1) + 1 - 0.16 * k / 2), ground)
    box((0, 22, -0.2), (3.4, 20, 1.9), ground)
    for side, look in ((-1, left), (1, right)):
        y = -2.0
        while y < 32:
            deep, high = rng.uniform(3, 6), rng.uniform(5, 9)
            back = rng.uniform(0, 0.3)
            box((side * (3.0 + back), y + deep / 2, high / 2), (3.0, deep, high), look)
            face = side * (1.5 + back)
            if rng.random() < 0.8:
                box((face, y + deep / 2, 1.0), (0.06, 0.9, 2.0), wood)
            for z in (3.0, 5.2):
                if z + 1 < high:
                    box((face, y + deep / 2, z), (0.08, 0.8, 1.1), wood)
                    if rng.random() < 0.5:
                        balcony((face, y + deep / 2, z - 0.6), side, iron)
            tubes([[(face - side * 0.06, y + 0.3, 0), (face - side * 0.06, y + 0.3, high)]], 0.045, iron)
            y += deep
    box((0, 33, 4), (8, 0.5, 8), left)
    for k, y in enumerate((4.5, 7.5, 11, 15)):
        z = 4.2 + 0.3 * k
        rope = sag((-1.5, y, z), (1.5, y + 0.3, z), 0.15)
        tubes([rope], 0.005, iron)
        for j in range(rng.randint(2, 5)):
            x = -1.1 + 0.5 * j
            cloth = material("plain", (rng.uniform(0.3, 0.7), rng.uniform(0.3, 0.6), rng.uniform(0.3, 0.7)), _NO)
            mesh(
                [
                    (x, y + 0.1, z - 0.1),
                    (x + 0.4, y + 0.12, z - 0.1),
                    (x + 0.4, y + 0.16, z - 0.8),
                    (x, y + 0.1, z - 0.8),
                ],
                [(0, 1, 2, 3)],
                cloth,
            )
    clay = material("noise", (0.45, 0.28, 0.2), (0.4, 0.24, 0.17), 8)
    leaf = material("plain", (0.12, 0.2, 0.07), _NO)
    for _ in range(11):
        side, y = rng.choice((-1, 1)), rng.uniform(1.8, 8.6)
        place = (side * 1.25, y, 0.17)
        ball(place, (0.14, 0.14, 0.18), clay)
        stems = [
            [(place[0], y, 0.3), (place[0] + rng.gauss(0, 0.15), y + rng.gauss(0, 0.15), rng.uniform(0.5, 0.9))]
            for _ in range(14)
        ]
        tubes(stems, 0.006, leaf)
    sky(scene, (0.35, 0.5, 0.8), (0.8, 0.82, 0.85), 2.2)
    sunlight((0.9, 0.25, -1.3), 2.0)
    camera(scene, (-0.3, -1.4, 1.6), (0.15, 8, 1.9), 64)


def harbour(scene: Any) -> None:
    """Boats with masts and rigging at a quay, bollards with chains, hills across the water."""
    rng = random.Random(13)
    stone = material("noise", (0.4, 0.38, 0.36), (0.48, 0.46, 0.43), 1.5)
    terrain((-40, 3), (-4, 60), lambda x, y: 0 * x, stone, 2)
    box((2.9, 28, -0.7), (0.3, 64, 1.4), stone)
    water = material("plain", (0.06, 0.1, 0.12), _NO, roughness=0.15)
    terrain((3, 500), (-60, 500), lambda x, y: 0 * x - 1.2, water, 2)
    rope, white = material("plain", (0.5, 0.45, 0.35), _NO), material("plain", (0.75, 0.75, 0.72), _NO, roughness=0.3)
    iron, alloy = material("plain", (0.1, 0.1, 0.11), _NO), material("metal", (0.7, 0.7, 0.72), _NO, roughness=0.3)
    for k in range(9):
        y, colour = 2.5 + 5.2 * k, (rng.uniform(0.1, 0.6), rng.uniform(0.15, 0.5), rng.uniform(0.2, 0.6))
        hull = material("plain", colour, _NO, roughness=0.3) if k % 2 else white
        x, long = 6.6 + rng.uniform(-0.3, 0.5), rng.uniform(3.0, 4.0)
        ball((x, y, -0.75), (long, 1.25, 0.75), hull)
        box((x, y, -0.08), (1.7 * long, 1.7, 0.1), white)
        box((x + 0.6, y, 0.3), (1.6, 1.1, 0.7), white)
        tall = rng.uniform(7, 11)
        bow, stern, head = (x - long, y, -0.05), (x + long, y, -0.05), (x - 0.4, y, tall)
        tubes([[(x - 0.4, y, 0), head]], 0.06, alloy)
        tubes([[(x - 0.4, y, 1.2), (x + 2.2, y, 1.25)]], 0.045, alloy)
        spread = [(x - 0.4, y - 0.9, 0.55 * tall), (x - 0.4, y + 0.9, 0.55 * tall)]
        tubes([spread], 0.02, alloy)
        stays = [[bow, head], [stern, head]]
        stays += [[(x - 0.4, y + e * 1.1, 0), (x - 0.4, y + e * 0.9, 0.55 * tall), head] for e in (-1, 1)]
        tubes(stays, 0.008, iron)
        rails = [[(x + long * t, y + e * 0.85, 0), (x + long * t, y + e * 0.85, 0.6)] for t in np.linspace(-0.7, 0.8, 6) for e in (-1, 1)]  # fmt: skip
        rails += [[(x - long * 0.7, y + e * 0.85, z), (x + long * 0.8, y + e * 0.85, z)] for z in (0.3, 0.6) for e in (-1, 1)]  # fmt: skip
        tubes(rails, 0.012, alloy)
        tubes([sag((2.5, y - 1, 0.35), (x - long, y - 0.2, -0.05), 0.3)], 0.015, rope)
    for k in range(12):
        y = 1.5 + 3.0 * k
        ball((2.45, y, 0.4), (0.16, 0.16, 0.12), iron)
        tubes([[(2.45, y, 0), (2.45, y, 0.4)]], 0.1, iron)
        if k:
            tubes([sag((2.45, y - 3, 0.4), (2.45, y, 0.4), 0.22)], 0.018, iron)
    for x, y in ((-1.2, 3.4), (-0.3, 4.1), (-1.5, 6.0), (0.9, 8.3)):
        box((x, y, 0.25), (0.7, 0.5, 0.5), material("wood", (0.45, 0.33, 0.2), (0.36, 0.26, 0.15), 4), x)
    for k in range(4):
        box(
            (-13, 8 + 11 * k, 3.2),
            (9, 9.5, 6.4 + k % 2),
            stone if k % 2 else material("noise", (0.6, 0.56, 0.5), (0.55, 0.5, 0.45), 0.6),
        )
        for z in (1.6, 4.4):
            for j in range(3):
                box((-8.47, 5.4 + 11 * k + 2.6 * j, z), (0.1, 1.0, 1.5), material("plain", (0.12, 0.15, 0.18), _NO))
    hill = material("noise", (0.16, 0.2, 0.12), (0.25, 0.26, 0.18), 0.05)
    terrain((-400, 900), (250, 800), lambda x, y: -5 + 50 * np.sin(np.clip((y - 250) / 250, 0, 1.5)) * (1 + 0.5 * np.sin(x / 90) + 0.2 * np.sin(x / 31)), hill)  # fmt: skip
    sky(scene, (0.3, 0.45, 0.7), (0.75, 0.78, 0.8))
    sunlight((0.7, 0.9, -0.9), 2.5)
    camera(scene, (0.6, -2.2, 1.65), (3.2, 12, 1.6), 66)


def studio(scene: Any) -> None:
    """A room for rehearsals: stands of thin rods, chairs, a piano, cables; plain walls, wide floor."""
    rng = random.Random(14)
    wall = material("plain", (0.5, 0.51, 0.53), _NO)
    floor = material("wood", (0.5, 0.47, 0.43), (0.45, 0.42, 0.38), 1.5)
    black = material("plain", (0.03, 0.03, 0.03), _NO, roughness=0.4)
    steel = material("metal", (0.7, 0.7, 0.7), _NO, roughness=0.3)
    terrain((-5, 5), (-2, 9), lambda x, y: 0 * x, floor, 2)
    box((0, 9, 1.8), (10, 0.1, 3.6), wall)
    for x in (-5, 5):
        box((x, 3.5, 1.8), (0.1, 11, 3.6), wall)
    box((0, 3.5, 3.65), (10, 11, 0.1), material("plain", (0.55, 0.55, 0.55), _NO))
    for k in range(7):  # panels on the wall
        box((-4.2 + 1.4 * k, 8.92, 1.9), (1.1, 0.06, 2.0), material("plain", (0.47, 0.46, 0.45), _NO))
    for k in range(12):
        x, y = rng.uniform(-3.6, 3.6), rng.uniform(1.6, 7.5)
        music_stand((x, y, 0), rng.uniform(-0.6, 0.6), black)
        rod_chair(
            (x + rng.uniform(-0.3, 0.3), y + 0.8, 0), -math.pi / 2 + rng.uniform(-0.4, 0.4), steel if k % 2 else black
        )
    box((-3.6, 5.6, 0.6), (0.7, 1.5, 1.2), black)  # an upright piano
    box((-3.15, 5.6, 0.72), (0.3, 1.4, 0.06), material("plain", (0.8, 0.8, 0.78), _NO))
    for x, y, tall in ((1.0, 2.2, 1.5), (2.6, 4.0, 1.7), (-1.4, 3.2, 1.4)):  # microphones
        feet = [[(x, y, 0.12), (x + 0.3 * math.cos(t), y + 0.3 * math.sin(t), 0.01)] for t in (0.3, 2.4, 4.5)]
        tubes(
            [[(x, y, 0.1), (x, y, tall)], [(x - 0.25, y, tall - 0.12), (x + 0.45, y - 0.2, tall + 0.15)], *feet],
            0.008,
            black,
        )
        ball((x + 0.5, y - 0.22, tall + 0.16), (0.035, 0.035, 0.03), steel)
        tubes([[(x + 0.1 * math.sin(2 * t), y - 0.4 * t, 0.006) for t in np.linspace(0, 5, 50)]], 0.004, black)
    for x, y, size in ((3.3, 6.4, 0.28), (3.8, 7.0, 0.2), (2.8, 7.1, 0.18)):  # drums and cymbals
        box(
            (x, y, size),
            (1.6 * size, 1.6 * size, 1.5 * size),
            material("plain", (0.4, 0.08, 0.08), _NO, roughness=0.2),
            x,
        )
        tubes([[(x + 0.3, y, 0), (x + 0.3, y, 1.1)]], 0.01, steel)
        ball((x + 0.3, y, 1.1), (0.24, 0.24, 0.015), material("metal", (0.8, 0.6, 0.3), _NO, roughness=0.3))
    for x in (-2.5, 2.5):
        for y in (1.5, 5.5):
            lamp((x, y, 3.5), 1.2, 45)
            box((x, y, 3.57), (1.2, 1.2, 0.04), material("plain", (0.9, 0.9, 0.9), _NO))
    sky(scene, (0.1, 0.1, 0.1), (0.1, 0.1, 0.1))
    camera(scene, (0.4, -1.3, 1.6), (-0.1, 4.5, 0.95), 74)


def terrace(scene: Any) -> None:
    """A deck of planks by the sea: chairs of slats, a table, a parasol, posts with ropes, dunes with grass."""
    rng = random.Random(15)
    plank, slat = (
        material("wood", (0.5, 0.45, 0.38), (0.42, 0.38, 0.32), 2),
        material("plain", (0.62, 0.58, 0.5), _NO),
    )
    for k in range(60):
        box((0, -2 + 0.15 * k, -0.02), (9, 0.14, 0.04), plank)
    sand = material("noise", (0.6, 0.53, 0.42), (0.68, 0.61, 0.5), 1.5)
    terrain((-90, 90), (7.0, 60), lambda x, y: -0.5 + 0.5 * np.sin(x / 5) * np.sin(y / 6) * np.clip((40 - y) / 30, 0, 1) - 0.01 * y, sand)  # fmt: skip
    terrain((-90, 90), (-5, 7.2), lambda x, y: 0 * x - 0.6, sand, 2)
    sea = material("plain", (0.08, 0.16, 0.2), _NO, roughness=0.2)
    terrain((-3000, 3000), (45, 5000), lambda x, y: 0 * x - 1.0, sea, 2)
    for x, y, turn in ((-1.7, 2.0, 0.3), (0.1, 3.8, 0.0), (2.1, 2.3, -0.5)):
        slat_chair((x, y, 0), turn, slat)
    tubes([ring((0.6, 1.9, 0.45), 0.4, (X, Y), 48)], 0.015, slat, closed=True)
    ball((0.6, 1.9, 0.45), (0.4, 0.4, 0.01), slat)
    tubes(
        [[(0.6, 1.9, 0.43), (0.6 + 0.3 * math.cos(t), 1.9 + 0.3 * math.sin(t), 0)] for t in (0.4, 2.5, 4.6)],
        0.012,
        slat,
    )
    for x in (0.5, 0.72):
        ball((x, 1.85, 0.52), (0.035, 0.035, 0.06), material("plain", (0.7, 0.75, 0.75), _NO, roughness=0.1))
    cloth = material("plain", (0.65, 0.6, 0.55), _NO)
    tubes([[(-0.6, 3.2, 0), (-0.6, 3.2, 2.5)]], 0.025, plank)
    rim = ring((-0.6, 3.2, 2.05), 1.4, (X, Y), 10)
    mesh([(-0.6, 3.2, 2.5), *rim], [(0, k + 1, (k + 1) % 10 + 1) for k in range(10)], cloth)
    tubes([[(-0.6, 3.2, 2.48), point] for point in rim], 0.008, plank)
    posts = [(-4.3 + 1.4 * k, 6.8, 0.0) for k in range(7)] + [
        (side * 4.4, y, 0.0) for side in (-1, 1) for y in (1.0, 3.0, 5.0)
    ]
    tubes([[post, (post[0], post[1], 0.95)] for post in posts], 0.04, plank)
    rope = material("plain", (0.5, 0.45, 0.36), _NO)
    for z in (0.5, 0.88):
        tubes([sag((posts[k][0], 6.8, z), (posts[k + 1][0], 6.8, z), 0.06) for k in range(6)], 0.012, rope)
        tubes(
            [sag((side * 4.4, y, z), (side * 4.4, y + 2, z), 0.08) for side in (-1, 1) for y in (1.0, 3.0)], 0.012, rope
        )
    grass = material("plain", (0.35, 0.38, 0.2), _NO)
    blades = []
    for _ in range(70):
        x, y = rng.uniform(-14, 14), 7.3 + 12 * rng.random() ** 2
        z = -0.5 - 0.01 * y
        for _ in range(16):
            lean = (rng.gauss(0, 0.18), rng.gauss(0, 0.12))
            blades.append(
                [(x, y, z), (x + lean[0], y + lean[1], z + 0.55), (x + 2.2 * lean[0], y + 2 * lean[1], z + 0.85)]
            )
    tubes(blades, 0.004, grass)
    sky(scene, (0.35, 0.5, 0.8), (0.85, 0.86, 0.86))
    sunlight((-0.6, 0.9, -1.0), 2.5)
    camera(scene, (0.3, -1.4, 1.55), (0.0, 6, 0.85), 68)


def stairwell(scene: Any) -> None:
    """Stairs that turn about a well, with a balustrade of thin rods, seen from the hall: all in white and grey."""
    white = material("noise", (0.66, 0.65, 0.63), (0.7, 0.69, 0.67), 0.6)
    tread = material("noise", (0.55, 0.53, 0.5), (0.6, 0.58, 0.55), 3)
    iron, wood = material("plain", (0.06, 0.06, 0.06), _NO), material("wood", (0.3, 0.2, 0.12), (0.24, 0.15, 0.09), 3)
    tiles = material("checker", (0.62, 0.6, 0.57), (0.45, 0.43, 0.41), 1.6)
    terrain((-4, 4), (-2.5, 8), lambda x, y: 0 * x, tiles, 2)
    box((0, 8, 4), (8, 0.2, 8), white)
    for x in (-4, 4):
        box((x, 2.7, 4), (0.2, 10.8, 8), white)
    box((0, 2.7, 8.05), (8, 10.8, 0.1), white)
    middle, inner, outer, rise = (0.4, 5.2), 0.75, 2.3, 0.165
    count, turn = 40, 2 * math.pi / 22
    begin = -math.pi / 2 - 0.4

    def at(radius: float, step: float, z: float) -> Point:
        angle = begin + turn * step
        return (middle[0] + radius * math.cos(angle), middle[1] + radius * math.sin(angle), z)

    bars: list[list[Point]] = []
    for k in range(count):
        z = rise * (k + 1)
        low = [at(inner, k, z - 0.2), at(outer, k, z - 0.2), at(outer, k + 1, z - 0.2), at(inner, k + 1, z - 0.2)]
        high = [at(inner, k, z), at(outer, k, z), at(outer, k + 1, z), at(inner, k + 1, z)]
        faces = [(3, 2, 1, 0), (4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7)]
        mesh(low + high, faces, tread)
        for share in (0.25, 0.75):
            bars += [
                [at(radius, k + share, z), at(radius, k + share, z + 0.9)] for radius in (inner + 0.05, outer - 0.05)
            ]
    tubes(bars, 0.009, iron)
    for radius in (inner + 0.05, outer - 0.05):
        steps = np.linspace(0.2, count - 0.2, 240)
        tubes([[at(radius, step, rise * (step + 1) + 0.88) for step in steps]], 0.03, wood)
    tubes([[(middle[0], middle[1], 7.9), (middle[0], middle[1], 4.2)]], 0.006, iron)
    ball((middle[0], middle[1], 4.0), (0.2, 0.2, 0.2), white)
    box((-3.1, 7.85, 1.05), (1.0, 0.1, 2.1), wood)
    box((-3.4, 4.0, 0.4), (0.6, 1.6, 0.06), wood)  # a bench
    for y in (3.4, 4.6):
        tubes([[(x, y, 0), (x, y, 0.38)] for x in (-3.6, -3.2)], 0.02, iron)
    for x in (2.6, 3.3):
        ball((x, 2.8 + 0.4 * x, 0.25), (0.2, 0.2, 0.25), tread)
        tubes(
            [[(x, 2.8 + 0.4 * x, 0.45), (x + 0.1 * k, 2.8 + 0.4 * x + 0.05 * k, 1.2)] for k in range(-3, 4)],
            0.006,
            iron,
        )
    lamp((0.4, 5.2, 7.7), 1.5, 260)
    lamp((0, -1.5, 6.5), 2, 160, (0.85, 0.92, 1))
    sky(scene, (0.2, 0.2, 0.2), (0.2, 0.2, 0.2))
    camera(scene, (-0.9, -1.7, 1.6), (0.3, 5, 2.1), 74)
