"""Regular coverings, crisp and fine: bricks, tiles, boards, shingles and setts.

Real walls are full of them. Where joints are soft and pale throughout, a network takes a crisp wall for something else.
"""

from __future__ import annotations

import numpy as np

from .pigments import SIZE, colour, grid, grime, near_colour, noise


def _joint(rng: np.random.Generator, cells: int, least: float, most: float) -> float:
    """Width of a joint as a share of a cell: never less than what its pixels can show."""
    return max(rng.uniform(least, most), 1.3 * cells / SIZE)


def _joint_colour(rng: np.random.Generator) -> np.ndarray:
    """(3,) of mortar or of a gap: as dark as a shadow, grey, or white."""
    tone = float(rng.choice([rng.uniform(0.02, 0.25), rng.uniform(0.25, 0.75), rng.uniform(0.75, 0.97)]))
    return near_colour(rng, np.full(3, tone), 0.05)


def _tones(rng: np.random.Generator, count: int) -> np.ndarray:
    """(count, 3) of one material: as alike as paint, or as different as old bricks."""
    base, spread = colour(rng), float(rng.choice([0.02, 0.08, 0.18]))
    return np.stack([near_colour(rng, base, spread) for _ in range(count)])


def draw_bricks(rng):
    rows = 2 * rng.integers(3, 13)
    columns = max(1, int(rows / rng.uniform(1.5, 3.5)))
    y, x = grid()
    row = np.floor(y * rows).astype(int)
    shifted = x * columns + (row % 2) * rng.choice([0.5, 0.5, 0.0, 0.33])
    column = np.floor(shifted).astype(int) % columns
    image = _tones(rng, 64)[(row * 31 + column * 17 + (row * column) % 13) % 64]
    joint = _joint(rng, rows, 0.03, 0.14)
    gap = ((y * rows) % 1 < joint) | (shifted % 1 < joint * columns / rows)
    return grime(rng, np.where(gap[..., None], _joint_colour(rng), image), rng.uniform(0, 0.3) * rng.integers(0, 2))


def draw_tiles(rng):
    down = int(rng.choice([rng.integers(1, 9), rng.integers(4, 17)]))
    across = down if rng.random() < 0.6 else int(rng.integers(1, 13))
    y, x = grid()
    tones = _tones(rng, 64)
    cell = np.floor(y * down).astype(int) * 31 + np.floor(x * across).astype(int) * 17
    image = tones[cell % 64]
    if rng.random() < 0.3:
        checker = (np.floor(y * down) + np.floor(x * across)) % 2
        image = np.where(checker[..., None] > 0, image, colour(rng))
    joint = _joint(rng, max(down, across), 0.01, 0.06) / max(down, across)
    gap = ((y * down) % 1 < joint * down) | ((x * across) % 1 < joint * across)
    return grime(rng, np.where(gap[..., None], _joint_colour(rng), image), rng.uniform(0, 0.3) * rng.integers(0, 2))


def draw_boards(rng):
    """Weatherboards, corrugated sheets, battens and grooves: long strips with light and shadow of their own."""
    count = int(rng.integers(4, 33))
    y, x = grid()
    along = (y * count) % 1 + 0 * x
    tones = _tones(rng, 64)[np.floor(y * count).astype(int) % 64 + 0 * np.floor(x).astype(int)]
    style, deep = rng.random(), rng.uniform(0.1, 0.7)
    if style < 0.45:  # each board's lower edge stands out over the next
        shade = 1 - deep * np.clip(1 - along / _joint(rng, count, 0.1, 0.35), 0, 1)
    elif style < 0.7:  # waves
        shade = 1 - 0.5 * deep * (1 + np.sin(2 * np.pi * along))
    else:  # flat, with grooves or battens between
        shade = np.where(along < _joint(rng, count, 0.04, 0.25), 1 - 1.3 * deep, 1.0)
        shade = shade if rng.random() < 0.7 else 1.3 - 0.3 * shade
    image = tones * shade[..., None]
    if rng.random() < 0.3:
        image = image * (0.8 + 0.4 * noise(rng, 1.0, stretch=4.0)[..., None])
    image = grime(rng, image, rng.uniform(0, 0.25) * rng.integers(0, 2))
    return image if rng.random() < 0.6 else image.transpose(1, 0, 2)


def draw_shingles(rng):
    """Roof tiles, slates, scales and setts: rows of small pieces, each rounded or square, half over the next."""
    rows = 2 * rng.integers(3, 11)
    columns = max(2, int(rows * rng.uniform(0.5, 1.4)))
    y, x = grid()
    row = np.floor(y * rows).astype(int)
    shifted = x * columns + (row % 2) * rng.choice([0.5, 0.5, 0.0]) + 0 * y
    column = np.floor(shifted).astype(int) % columns
    image = _tones(rng, 64)[(row * 29 + column * 13 + (row * column) % 11) % 64]
    down, across = (y * rows) % 1 + 0 * x, shifted % 1 - 0.5
    style = rng.random()
    if style < 0.35:  # rounded below
        edge = 1 - down - rng.uniform(0.5, 1.5) * across**2
    elif style < 0.6:  # cushions
        edge = 2.5 * np.minimum(0.5 - np.abs(down - 0.5), 0.5 - np.abs(across))
    else:
        edge = np.minimum(1 - down, (0.5 - np.abs(across)) * rows / columns)
    image = image * np.clip(rng.uniform(0.2, 0.7) + edge[..., None] * rng.uniform(1, 5), 0, 1)
    return grime(rng, image, rng.uniform(0, 0.3) * rng.integers(0, 2))
