"""Height maps and cut-out masks: terrain, folds, cobbles; leaves, grass, wire, lattices, wheels."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
import torch

from .pigments import SIZE, grid, noise
from .shapes import Charts


def _unit(values: np.ndarray) -> np.ndarray:
    low, high = values.min(), values.max()
    return (values - low) / max(high - low, 1e-9)


# -- heights in [0, 1], tileable ---------------------------------------------------


def hills(rng):
    return _unit(noise(rng, rng.uniform(1.9, 2.6)))


def ridges(rng):
    return _unit(1 - np.abs(noise(rng, rng.uniform(1.5, 2.0)) - 0.5) ** 0.8)


def folds(rng):
    """Curtains, corrugated sheet, pleats: waves along x."""
    y, x = grid()
    bend = noise(rng, 2.4) * rng.uniform(0, 0.15)
    waves = sum(
        rng.uniform(0.3, 1) * np.sin(2 * np.pi * (k * (x + bend) + rng.random()))
        for k in rng.choice([3, 4, 5, 7, 8, 11], rng.integers(1, 4), replace=False)
    )
    return _unit(waves + 0 * y)


def cobbles(rng):
    """Rounded stones in rows."""
    y, x = grid()
    rows, columns = rng.integers(4, 14, 2)
    shifted = x * columns + 0.5 * (np.floor(y * rows) % 2)
    bump = np.clip(1 - np.maximum(np.abs((y * rows) % 1 - 0.5), np.abs(shifted % 1 - 0.5)) * 2, 0, 0.3)
    level = rng.uniform(0.7, 1, (rows, columns))
    lift = level[np.floor(y * rows).astype(int) % rows, np.floor(shifted).astype(int) % columns]
    return _unit(np.sqrt(bump) * lift + 0.1 * noise(rng, 1.0))


def rubble(rng):
    """Pebbles and lumps of several sizes."""
    axis = np.arange(SIZE)
    result = np.zeros((SIZE, SIZE))
    for _ in range(90):
        cy, cx = rng.uniform(0, SIZE, 2)
        radius = float(np.exp(rng.uniform(np.log(5), np.log(34))))
        dy = np.abs(axis - cy)
        dx = np.abs(axis - cx)
        square = (np.minimum(dy, SIZE - dy)[:, None] ** 2 + np.minimum(dx, SIZE - dx)[None] ** 2) / radius**2
        result = np.maximum(result, radius * np.sqrt(np.clip(1 - square, 0, 1)) * rng.uniform(0.4, 1))
    return _unit(result + 3 * noise(rng, 1.4))


HEIGHTS: dict[str, tuple[Callable[[np.random.Generator], np.ndarray], int]] = {
    "hills": (hills, 4),
    "ridges": (ridges, 2),
    "folds": (folds, 3),
    "cobbles": (cobbles, 2),
    "rubble": (rubble, 2),
}

# -- masks, row 0 at the top -------------------------------------------------------

INK = (1.0,)


def _blank() -> np.ndarray:
    return np.zeros((SIZE, SIZE), np.uint8)


def _stroke(mask: np.ndarray, start, end, width: float) -> None:
    a, b = ((int(x), int(y)) for x, y in (start, end))
    cv2.line(mask, a, b, INK, max(1, round(width)))


def _leaf(mask, x, y, length, angle, slim) -> None:
    axes = (max(1, int(length)), max(1, int(length * slim)))
    cv2.ellipse(mask, (int(x), int(y)), axes, math.degrees(angle), 0, 360, INK, -1)


def foliage(rng):
    """A spray of leaves, thinning outwards."""
    mask, size, slim = _blank(), rng.uniform(4, 13), rng.uniform(0.25, 0.6)
    for _ in range(int(rng.uniform(1600, 4200) / size)):
        r, a = SIZE * 0.47 * math.sqrt(rng.random()) * rng.uniform(0.5, 1), rng.uniform(0, 6.3)
        x, y = SIZE / 2 + r * math.cos(a), SIZE / 2 + r * math.sin(a)
        _leaf(mask, x, y, size * rng.uniform(0.6, 1.2), rng.uniform(0, 6.3), slim)
    return mask


def twig(rng):
    """A stem with side twigs and leaves along them."""
    mask, size = _blank(), rng.uniform(5, 12)
    for _ in range(rng.integers(3, 8)):
        x, y, a = SIZE / 2 + rng.normal(0, 8), SIZE - 2.0, -math.pi / 2 + rng.normal(0, 0.45)
        for _ in range(rng.integers(14, 26)):
            nx, ny = x + 9 * math.cos(a), y + 9 * math.sin(a)
            _stroke(mask, (x, y), (nx, ny), 2)
            for side in (-1, 1):
                turn = a + side * rng.uniform(0.4, 1.1)
                reach = size * rng.uniform(0.8, 1.5)
                _leaf(
                    mask, nx + reach * math.cos(turn), ny + reach * math.sin(turn), reach, turn, rng.uniform(0.2, 0.4)
                )
            x, y, a = nx, ny, a + rng.normal(0, 0.13)
    return mask


def grass(rng):
    """Blades from the lower edge."""
    mask = _blank()
    for _ in range(rng.integers(18, 90)):
        x, lean, tall = rng.uniform(0.05, 0.95) * SIZE, rng.normal(0, 0.35), SIZE * rng.beta(2, 2)
        wide, bend = rng.uniform(1, 4), rng.normal(0, 0.4)
        s = np.linspace(0, 1, 9)
        centre = x + tall * (lean * s + bend * s * s)
        up = SIZE - tall * s
        thick = wide * (1 - s) + 0.4
        outline = np.concatenate([np.stack([centre - thick, up], 1), np.stack([centre + thick, up], 1)[::-1]])
        cv2.fillPoly(mask, [outline.astype(np.int32)], INK)
    return mask


def bare(rng):
    """A leafless tree, upright or spreading."""
    mask, spread, least = _blank(), rng.uniform(0.3, 0.65), rng.uniform(5, 9)

    def grow(x, y, a, length, width):
        nx, ny = x + length * math.cos(a), y + length * math.sin(a)
        _stroke(mask, (x, y), (nx, ny), width)
        if length > least:
            for _ in range(rng.integers(2, 4)):
                grow(nx, ny, a + rng.normal(0, spread), length * rng.uniform(0.62, 0.85), width * 0.62)

    grow(SIZE / 2, SIZE - 1, -math.pi / 2, rng.uniform(42, 62), rng.uniform(5, 11))
    return mask


def bough(rng):
    """A leafless branch from the lower edge: a bent stem, side branches and their twigs, two texels thin."""
    mask, bend = _blank(), rng.normal(0, 0.06)
    turns, gap = rng.uniform(0.4, 0.9), rng.uniform(13, 22)

    def grow(x, y, a, length, width, order):
        done, side = 0.0, int(rng.choice([-1, 1]))
        while done < length:
            nx, ny = x + gap * math.cos(a), y + gap * math.sin(a)
            # Of one texel they would fall apart into dots a few metres away.
            _stroke(mask, (x, y), (nx, ny), max(2.0, width * (1 - 0.7 * done / length)))
            x, y, a, done = nx, ny, a + bend * order + rng.normal(0, 0.12), done + gap
            if order < 4 and rng.random() < 0.85:
                reach = (length - done) * rng.uniform(0.35, 0.75)
                if reach > 8:
                    grow(x, y, a + side * rng.normal(turns, 0.15), reach, width * 0.5, order + 1)
                side = -side

    grow(SIZE / 2, SIZE - 1.0, -math.pi / 2, SIZE * rng.uniform(0.75, 0.95), rng.uniform(3, 6), 1)
    return mask


def wire(rng):
    """Chain link or square mesh."""
    mask, gap = _blank(), int(rng.choice([8, 12, 16, 24]))
    thick = 1 if gap < 14 else int(rng.integers(1, 3))
    diagonal = rng.random() < 0.6
    for k in range(-SIZE, 2 * SIZE, gap):
        lines = (
            [((k, 0), (k + SIZE, SIZE)), ((k, 0), (k - SIZE, SIZE))]
            if diagonal
            else [((k, 0), (k, SIZE)), ((0, k), (SIZE, k))]
        )
        for a, b in lines:
            _stroke(mask, a, b, thick)
    return mask


def lattice(rng):
    """A frame with crossed braces, as in scaffolds and towers."""
    mask, cells, thick = _blank(), int(rng.integers(1, 5)), int(rng.integers(3, 9))
    cv2.rectangle(mask, (0, 0), (SIZE - 1, SIZE - 1), INK, thick * 2)
    step = SIZE // cells
    for row in range(cells):
        y0, y1 = row * step, (row + 1) * step
        _stroke(mask, (0, y0), (SIZE, y0), thick)
        for column in range(cells):
            x0, x1 = column * step, (column + 1) * step
            _stroke(mask, (x0, y0), (x1, y1), thick)
            if rng.random() < 0.6:
                _stroke(mask, (x1, y0), (x0, y1), thick)
            _stroke(mask, (x0, y0), (x0, y1), thick)
    return mask


def bars(rng):
    """Railings and window grilles."""
    mask, count, thick = _blank(), int(rng.integers(5, 22)), int(rng.integers(2, 8))
    for k in range(count + 1):
        x = int(k * (SIZE - 1) / count)
        _stroke(mask, (x, 0), (x, SIZE), thick)
    for y in rng.choice([4, 30, 128, 226, 251], rng.integers(2, 4), replace=False):
        _stroke(mask, (0, int(y)), (SIZE, int(y)), thick + 2)
    return mask


def rails(rng):
    """A railing of thin bars, one to three texels, between an upper and a lower rail."""
    mask, count, thick = _blank(), int(rng.integers(9, 26)), int(rng.integers(1, 4))
    top = int(rng.integers(2, 36))
    for k in range(count):
        x = int((k + 0.5) * SIZE / count)
        _stroke(mask, (x, int(rng.choice([top, max(2, top - 25)])) if thick == 1 else 2), (x, SIZE), thick)
    for y in (top, int(rng.integers(205, 250))):
        _stroke(mask, (0, y), (SIZE, y), thick + int(rng.integers(1, 5)))
    return mask


def pickets(rng):
    """A paling: flat or pointed pickets with gaps, held by two or three rails."""
    mask, count, share = _blank(), int(rng.integers(7, 20)), rng.uniform(0.25, 0.75)
    step, point = SIZE / count, rng.uniform(0, 1.2) if rng.random() < 0.6 else 0.0
    for k in range(count):
        x, half = (k + 0.5) * step, max(1.0, share * step / 2)
        top = rng.uniform(1, 14)
        corners = [(x - half, SIZE), (x - half, top + point * step), (x, top), (x + half, top + point * step)]
        if point == 0.0:
            corners = [(x - half, SIZE), (x - half, top), (x + half, top)]
        cv2.fillPoly(mask, [np.array([*corners, (x + half, SIZE)]).astype(np.int32)], INK)
    for y in (50, 200) if rng.random() < 0.8 else (40, 125, 210):
        _stroke(mask, (0, y), (SIZE, y), int(rng.integers(5, 14)))
    return mask


def cycle(rng):
    """Two wheels with spokes and a frame between them."""
    mask, r = _blank(), int(rng.integers(50, 62))
    centres = [(r + 3, SIZE - r - 3), (SIZE - r - 4, SIZE - r - 3)]
    for x, y in centres:
        cv2.circle(mask, (x, y), r, INK, 5)
        for k in range(12):
            a = k * math.pi / 6 + rng.random()
            _stroke(mask, (x, y), (int(x + r * math.cos(a)), int(y + r * math.sin(a))), 1)
    seat, crank, bar = (
        (int(SIZE * 0.36), SIZE - 2 * r - 40),
        (SIZE // 2, SIZE - r),
        (int(SIZE * 0.72), SIZE - 2 * r - 40),
    )
    for a, b in ((centres[0], seat), (centres[0], crank), (seat, crank), (crank, bar), (seat, bar), (bar, centres[1])):
        _stroke(mask, a, b, 7)
    _stroke(mask, (bar[0] - 25, bar[1] - 22), (bar[0] + 10, bar[1] - 14), 6)
    _stroke(mask, (seat[0] - 18, seat[1] - 14), (seat[0] + 18, seat[1] - 14), 8)
    return mask


def letters(rng):
    """Strokes of lettering, as of a sign without a board."""
    mask, x = _blank(), 6
    while x < SIZE - 40:
        w, top, thick = int(rng.integers(24, 48)), int(rng.integers(40, 90)), int(rng.integers(6, 14))
        corners = np.array([(x, top), (x + w - 12, top), (x, 128), (x + w - 12, 128), (x, 210), (x + w - 12, 210)])
        for _ in range(rng.integers(3, 6)):
            a, b = rng.choice(6, 2, replace=False)
            _stroke(mask, tuple(map(int, corners[a])), tuple(map(int, corners[b])), thick)
        x += w
    _stroke(mask, (0, 212), (SIZE, 212), 4)
    return mask


MASKS: dict[str, tuple[Callable[[np.random.Generator], np.ndarray], int]] = {
    "foliage": (foliage, 6),
    "twig": (twig, 4),
    "grass": (grass, 5),
    "bare": (bare, 5),
    "bough": (bough, 6),
    "rails": (rails, 4),
    "pickets": (pickets, 4),
    "wire": (wire, 2),
    "lattice": (lattice, 2),
    "bars": (bars, 3),
    "cycle": (cycle, 1),
    "letters": (letters, 2),
}


def make_charts(rng: np.random.Generator, device: str = "cpu") -> Charts:
    """Draws all families."""
    names: dict[str, list[int]] = {}
    stacks: list[list[np.ndarray]] = []
    for families in (HEIGHTS, MASKS):
        images: list[np.ndarray] = []
        for name, (draw, count) in families.items():
            names[name] = list(range(len(images), len(images) + count))
            images += [draw(rng) for _ in range(count)]
        stacks.append(images)
    # Smooth between neighbouring texels, so that normals do not sparkle.
    smooth = [cv2.GaussianBlur(np.pad(image, 8, mode="wrap"), (0, 0), 1.6)[8:-8, 8:-8] for image in stacks[0]]
    heights = torch.from_numpy(np.stack(smooth).astype(np.float32))
    return Charts(heights.to(device), torch.from_numpy(np.stack(stacks[1]).astype(bool)).to(device), names)
