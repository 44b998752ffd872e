"""Things of thin parts that the everyday scenes are furnished with, each at a place in metres."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .parts import Point, box, mesh, tubes


def rod_chair(place: Point, turn: float, look: Any) -> None:
    """A chair of rods that faces +X turned about the vertical."""
    c, s = math.cos(turn), math.sin(turn)

    def at(x: float, y: float, z: float) -> Point:
        return (place[0] + c * x - s * y, place[1] + s * x + c * y, place[2] + z)

    legs = [[at(1.15 * x, 1.15 * y, 0), at(x, y, 0.45)] for x in (-0.19, 0.19) for y in (-0.19, 0.19)]
    back = [[at(-0.19, y, 0.45), at(-0.26, 1.1 * y, 0.88)] for y in np.linspace(-0.19, 0.19, 6)]
    rails = [[at(-0.26, -0.21, 0.88), at(-0.27, 0, 0.9), at(-0.26, 0.21, 0.88)]]
    tubes(legs + back + rails, 0.009, look)
    box(at(0, 0, 0.46), (0.42, 0.42, 0.025), look, turn)


def balcony(place: Point, side: int, iron: Any) -> None:
    """A slab with a railing before a window of a wall that faces -X of its side."""
    x, y, z = place
    out = x - side * 0.7
    box((x - side * 0.35, y, z), (0.7, 1.5, 0.08), iron)
    rail = [(x, y - 0.72, z + 0.95), (out, y - 0.72, z + 0.95), (out, y + 0.72, z + 0.95), (x, y + 0.72, z + 0.95)]
    bars = [[(out, y + d, z), (out, y + d, z + 0.95)] for d in np.linspace(-0.72, 0.72, 13)]
    bars += [[(x - side * d, y + e, z), (x - side * d, y + e, z + 0.95)] for d in (0.2, 0.4) for e in (-0.72, 0.72)]
    tubes([rail, *bars], 0.009, iron)


def music_stand(place: Point, turn: float, look: Any) -> None:
    """Three feet, a pole and a desk that leans back."""
    x, y, z = place
    c, s = math.cos(turn), math.sin(turn)
    feet = [[(x, y, z + 0.25), (x + 0.28 * math.cos(t), y + 0.28 * math.sin(t), z)] for t in (0.5, 2.6, 4.7)]
    tubes([[(x, y, z + 0.2), (x, y, z + 1.1)], *feet], 0.008, look)
    corners = [(-0.25, 0.0, 1.0), (0.25, 0.0, 1.0), (0.25, 0.12, 1.34), (-0.25, 0.12, 1.34)]
    mesh([(x + c * a - s * b, y + s * a + c * b, z + h) for a, b, h in corners], [(0, 1, 2, 3)], look)


def slat_chair(place: Point, turn: float, look: Any) -> None:
    """A low chair of slats with a high back, which looks away from the camera, turned about the vertical."""
    c, s = math.cos(turn), math.sin(turn)

    def at(x: float, y: float, z: float) -> Point:
        return (place[0] + c * x - s * y, place[1] + s * x + c * y, place[2] + z)

    for x in np.linspace(-0.26, 0.26, 6):
        tubes([[at(x, 0.35, 0.38), at(x, -0.15, 0.28), at(x, -0.42, 1.0)]], 0.03, look)
    for x in (-0.36, 0.36):
        tubes([[at(x, 0.35, 0), at(x, 0.35, 0.55)], [at(x, -0.3, 0), at(x, -0.3, 0.55)]], 0.025, look)
        box(at(x, 0.02, 0.57), (0.12, 0.8, 0.03), look, turn)
