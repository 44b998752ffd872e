"""Leafless trees and branches, with sky and far ground between their twigs."""

from __future__ import annotations

import math

import numpy as np

from .looks import Looks, Placer, along
from .shapes import CARD, CONE, CYLINDER
from .solids import Material


def _bark(looks: Looks) -> Material:
    bark = looks.make("wood", "noise", "plain", tile_m=0.5)
    shade = float(looks.rng.uniform(0.15, 0.75))
    bark.tint = (shade, shade * 0.9, shade * 0.8)
    if looks.rng.random() < 0.1:  # a birch, or hoar frost
        bark = looks.make("plaster", tile_m=0.5)
    return bark


def bough(p: Placer, looks: Looks, start, direction, length: float, radius: float, bark: Material) -> None:
    """A branch that tapers and bends once, with flat sprays of twigs along it, turned about it at random."""
    rng = looks.rng
    at, d = np.asarray(start, dtype=np.float64), np.asarray(direction, dtype=np.float64)
    d = d / np.linalg.norm(d)
    for part in range(2):
        half, r = length * 0.25, radius * (1.0, 0.55)[part]
        p.put(CONE, at + d * half, (r, r, half), bark, tilt=along(d), param=0.55)
        for _ in range(rng.integers(1, 3)):
            turn, spin = d + rng.normal(0, 0.3, 3), rng.uniform(0, math.pi)
            reach = length * rng.uniform(0.25, 0.55)
            c, s = math.cos(spin), math.sin(spin)
            about = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
            root = at + d * half * rng.uniform(0.6, 1.9)
            turn /= np.linalg.norm(turn)
            size = (reach * rng.uniform(0.6, 1.1), 0.01, reach)
            p.put(CARD, root + turn * reach, size, bark, tilt=along(turn) @ about, chart=looks.chart("bough"))
        at, d = at + 2 * half * d, d + rng.normal(0, 0.3, 3) + [0, 0, rng.uniform(-0.1, 0.3)]
        d = d / np.linalg.norm(d)


def bare_tree(p: Placer, looks: Looks, scale: float = 1.0) -> None:
    """A tree in winter: trunk, boughs in all directions and their twigs, or a thicket of stems."""
    rng = looks.rng
    bark, h = _bark(looks), (3 + 11 * rng.random() ** 1.4) * scale
    style = rng.random()
    if style < 0.2:  # flat, with the finest twigs
        for k in range(rng.integers(1, 4)):
            p.put(CARD, (0, 0, h / 2), (h * 0.5, 0.01, h / 2), bark, yaw=1.1 * k, chart=looks.chart("bare"))
        return
    if style < 0.4:  # stems from the ground
        for _ in range(rng.integers(3, 8)):
            lean = [rng.normal(0, 0.3), rng.normal(0, 0.3), 1.0]
            root = (*rng.normal(0, 0.15, 2), 0.0)
            bough(p, looks, root, lean, 0.7 * h * rng.uniform(0.5, 1), h * rng.uniform(0.004, 0.012), bark)
        return
    r, fork = h * rng.uniform(0.01, 0.03), rng.uniform(0.25, 0.5)
    p.put(CONE, (0, 0, h * 0.4), (r, r, h * 0.4), bark, param=0.3)
    rise, first = rng.uniform(0.2, 1.3), rng.uniform(0, 6.3)
    for k in range(count := int(rng.integers(6, 13))):
        a, z = first + k * 2.4, h * (fork + (0.78 - fork) * k / count)
        d = [math.cos(a), math.sin(a), rise + rng.normal(0, 0.2) + 0.8 * k / count]
        bough(p, looks, (0, 0, z), d, h * rng.uniform(0.3, 0.5) * (1.1 - 0.5 * k / count), r * 0.5, bark)


def overhang(p: Placer, looks: Looks) -> None:
    """Branches that reach into the picture from above or from the side, at the height of eyes and higher."""
    rng = looks.rng
    bark, side = _bark(looks), int(rng.choice([-1, 1]))
    for _ in range(rng.integers(1, 5)):
        start = (side * rng.uniform(0.8, 2.0), rng.normal(0, 0.4), rng.uniform(0.3, 1.9))
        d = [-side * rng.uniform(0.3, 1), rng.normal(0, 0.3), rng.normal(-0.1, 0.4)]
        bough(p, looks, start, d, rng.uniform(1.0, 3.0), rng.uniform(0.006, 0.03), bark)
    if rng.random() < 0.3:
        r = rng.uniform(0.05, 0.2)
        p.put(CYLINDER, (side * 2.0, 0, 0.0), (r, r, 4), bark)
