"""Tileable procedural patterns: what walls, grounds, furniture and leaves are painted with. sRGB, row 0 at the top."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .masonry import draw_boards, draw_bricks, draw_shingles, draw_tiles
from .pigments import SIZE, colour, grid, grime, near_colour, noise, ramp


def draw_noise(rng):
    base, spread = colour(rng), float(rng.choice([0.08, 0.18, 0.35]))
    image = ramp(noise(rng), [near_colour(rng, base, spread), base, near_colour(rng, base, spread)])
    return image * (1 + rng.uniform(0, 0.12) * rng.standard_normal((SIZE, SIZE, 1)))


def draw_plain(rng):
    return grime(rng, np.broadcast_to(colour(rng), (SIZE, SIZE, 3)), rng.uniform(0, 0.18))


def draw_plaster(rng):
    light = colour(rng, rng.uniform(0, 0.25)) * 0.35 + 0.62
    return grime(rng, np.broadcast_to(light, (SIZE, SIZE, 3)), rng.uniform(0.02, 0.2))


def draw_wood(rng):
    base = np.array([0.55, 0.36, 0.2]) * rng.uniform(0.5, 1.5) + rng.normal(0, 0.05, 3)
    grain = noise(rng, rng.uniform(0.8, 1.5), stretch=rng.uniform(3, 7))
    rings = 0.5 + 0.5 * np.sin(2 * np.pi * (grain * rng.uniform(1, 7)))
    image = ramp(0.6 * grain + 0.4 * rings, [base * 0.65, base, np.clip(base * 1.25, 0, 1)])
    planks = rng.integers(0, 9)
    if planks:
        _, x = grid()
        which = np.floor(x * planks).astype(int)
        tone = rng.uniform(0.75, 1.15, planks)[which]
        gap = (x * planks) % 1 < rng.uniform(0.01, 0.06)
        image = image * tone[..., None] * np.where(gap, 0.4, 1.0)[..., None]
    return image if rng.random() < 0.5 else image.transpose(1, 0, 2)


def draw_stripes(rng):
    y, x = grid()
    phase = (x + 0 * y) if rng.random() < 0.6 else ((y + 0 * x) if rng.random() < 0.5 else x + y)
    count = rng.integers(2, 20)
    wave = (phase * count) % 1
    colours = [colour(rng) for _ in range(rng.integers(2, 4))]
    if rng.random() < 0.5:
        return grime(rng, ramp(0.5 + 0.5 * np.sin(2 * np.pi * wave), colours))
    return grime(rng, np.stack(colours)[np.floor(wave * len(colours)).astype(int) % len(colours)])


def _write_text(rng, image, top, left, height, width, ink):
    line = rng.integers(3, 14)
    for row in range(top, top + height - line, int(line * rng.uniform(1.4, 2.2)) + 1):
        x = left
        stop = left + int(width * rng.uniform(0.5, 1.0))
        while x < stop:
            word = int(line * rng.uniform(0.8, 4))
            for letter in range(x, min(x + word, stop), max(2, int(line * 0.55))):
                h = int(line * rng.uniform(0.5, 0.95))
                w = max(1, int(line * rng.uniform(0.15, 0.45)))
                image[row + line - h : row + line, letter : letter + w] = ink
            x += word + int(line * 0.6) + 1


def draw_text(rng):
    image = np.broadcast_to(colour(rng), (SIZE, SIZE, 3)).copy()
    _write_text(rng, image, rng.integers(5, 30), rng.integers(5, 30), 220, 220, colour(rng))
    return grime(rng, image, 0.05)


def draw_poster(rng):
    image = (
        ramp(noise(rng), [colour(rng) for _ in range(3)])
        if rng.random() < 0.6
        else np.tile(colour(rng), (SIZE, SIZE, 1))
    )
    y, x = grid()
    for _ in range(rng.integers(2, 14)):
        cy, cx, h, w = rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(0.03, 0.4), rng.uniform(0.03, 0.4)
        if rng.random() < 0.5:
            inside = (np.abs(y - cy) < h) & (np.abs(x - cx) < w)
        else:
            inside = ((y - cy) / h) ** 2 + ((x - cx) / w) ** 2 < 1
        image = np.where(inside[..., None], colour(rng, rng.uniform(0, 1)), image)
    if rng.random() < 0.6:
        _write_text(rng, image, rng.integers(5, 180), rng.integers(5, 60), 70, 180, colour(rng))
    if rng.random() < 0.5:
        frame = rng.integers(3, 20)
        border = np.ones((SIZE, SIZE), bool)
        border[frame:-frame, frame:-frame] = False
        image = np.where(border[..., None], colour(rng), image)
    return image


def draw_screen(rng):
    image = np.tile(colour(rng, 0.2) * (0.2 if rng.random() < 0.5 else 1.0), (SIZE, SIZE, 1))
    for _ in range(rng.integers(1, 7)):
        top, left = rng.integers(0, 200), rng.integers(0, 200)
        h, w = rng.integers(20, 180), rng.integers(20, 200)
        image[top : top + h, left : left + w] = colour(rng, 0.3)
        _write_text(rng, image[: top + h, : left + w], top + 4, left + 4, h - 8, w - 8, colour(rng))
    return image


def draw_notes(rng):
    """A white board that is written on: lines of writing, strokes, boxes and curves in a few inks, much of it bare."""
    image = np.full((SIZE, SIZE, 3), rng.uniform(0.8, 0.97)) * (1 - 0.1 * noise(rng, 2.0)[..., None])
    y, x = grid()
    inks = [np.array(ink) for ink in ((0.1, 0.1, 0.12), (0.1, 0.15, 0.6), (0.7, 0.1, 0.1), (0.05, 0.4, 0.15))]
    for _ in range(rng.integers(0, 8)):
        ink = inks[rng.integers(len(inks))]
        cy, cx, h, w = rng.uniform(0.1, 0.9), rng.uniform(0.1, 0.9), rng.uniform(0.03, 0.2), rng.uniform(0.03, 0.3)
        style = rng.random()
        if style < 0.5:
            top, left = int(cy * 200), int(cx * 180)
            _write_text(rng, image, top, left, min(int(h * 400), 250 - top), min(int(w * 500), 250 - left), ink)
            continue
        if style < 0.75:
            away = np.maximum(np.abs(y - cy) - h, np.abs(x - cx) - w)
        else:
            away = y - cy - h * np.sin(x * rng.uniform(5, 25))
            away = np.where(np.abs(x - cx) < w, away, 1.0)
        image = np.where((np.abs(away) < 0.006)[..., None], ink, image)
    return image


def draw_pins(rng):
    """A board of cork or felt with papers pinned to it."""
    image = grime(rng, ramp(noise(rng, 0.4), [np.array([0.5, 0.36, 0.22]), np.array([0.72, 0.55, 0.36])]))
    if rng.random() < 0.5:
        image = grime(rng, np.broadcast_to(colour(rng), (SIZE, SIZE, 3)), 0.1)
    for _ in range(rng.integers(2, 18)):
        h, w = rng.integers(20, 90, 2)
        top, left = rng.integers(0, SIZE - h), rng.integers(0, SIZE - w)
        image[top : top + h, left : left + w] = np.full(3, 0.9) if rng.random() < 0.6 else colour(rng)
        _write_text(rng, image[: top + h, : left + w], top + 4, left + 4, h - 8, w - 8, colour(rng) * 0.5)
    return image


def draw_facade(rng):
    rows, columns = rng.integers(3, 9), rng.integers(3, 9)
    y, x = grid()
    wall = draw_bricks(rng) if rng.random() < 0.35 else draw_plaster(rng) * near_colour(rng, colour(rng) * 0.5 + 0.5)
    wx, wy = rng.uniform(0.15, 0.44), rng.uniform(0.18, 0.44)
    fy, fx = (y * rows) % 1 - 0.5 + 0 * x, (x * columns) % 1 - 0.5 + 0 * y
    window = (np.abs(fy) < wy) & (np.abs(fx) < wx)
    if rng.random() < 0.2:
        window = np.abs(fy) < wy
    frame = rng.uniform(0.01, 0.05)
    inner = (np.abs(fy) < wy - frame) & (np.abs(fx) < wx - frame)
    if rng.random() < 0.6:
        inner &= np.abs(fx) > frame / 2
    if rng.random() < 0.4:
        inner &= np.abs(fy + rng.uniform(-0.1, 0.1)) > frame / 2
    tone = rng.uniform(0.05, 0.45, (rows, columns)) ** rng.uniform(0.6, 1.5)
    bright = rng.random((rows, columns)) < rng.uniform(0, 0.25)
    tone = np.where(bright, rng.uniform(0.5, 1.0), tone)
    cell = tone[np.floor(y * rows).astype(int) % rows, np.floor(x * columns).astype(int) % columns]
    glass = cell[..., None] * (1 + 0.4 * (fy[..., None])) * np.array([0.85, 0.95, 1.05])
    image = np.where(window[..., None], np.full(3, rng.uniform(0.2, 0.95)), wall)
    image = np.where(inner[..., None], glass, image)
    sill = (np.abs(fy - wy - 0.03) < 0.03) & (np.abs(fx) < wx + 0.03)
    image = np.where(sill[..., None], image * rng.uniform(0.6, 1.3), image)
    if rng.random() < 0.4:
        ledge = np.abs(fy - 0.47) < 0.03
        image = np.where(ledge[..., None], image * rng.uniform(0.6, 1.3), image)
    return grime(rng, image, rng.uniform(0, 0.2))


def draw_books(rng):
    image = np.zeros((SIZE, SIZE, 3))
    shelves = rng.integers(1, 4)
    for shelf in range(shelves):
        top, bottom = shelf * SIZE // shelves, (shelf + 1) * SIZE // shelves
        x = 0
        while x < SIZE:
            w = rng.integers(4, 22)
            height = int((bottom - top) * rng.uniform(0.6, 0.95))
            tone = colour(rng)
            image[bottom - height : bottom, x : x + w] = tone
            image[bottom - height : bottom, x : x + 1] *= 0.4
            band = rng.integers(bottom - height, bottom - 4)
            image[band : band + rng.integers(2, 12), x : x + w] = colour(rng)
            x += w
        image[bottom - 4 : bottom] = 0.5
    return image


def draw_leaves(rng):
    green = np.array([rng.uniform(0.15, 0.5), rng.uniform(0.3, 0.6), rng.uniform(0.05, 0.25)])
    if rng.random() < 0.15:
        green = np.array([rng.uniform(0.4, 0.8), rng.uniform(0.25, 0.5), 0.1])
    clumps = noise(rng, 0.9) * 0.6 + noise(rng, 0.3) * 0.7 - 0.15
    return ramp(np.clip((clumps - 0.35) * 2.0, 0, 1), [green * 0.12, green * 0.6, green, np.clip(green * 1.6, 0, 1)])


def draw_grass(rng):
    green = np.array([rng.uniform(0.25, 0.55), rng.uniform(0.35, 0.55), rng.uniform(0.08, 0.25)])
    mix = noise(rng, 1.4) * 0.5 + noise(rng, 0.4) * 0.5
    dry = np.array([0.6, 0.52, 0.33]) * rng.uniform(0.6, 1.1)
    return ramp(np.clip((mix - 0.25) * 2, 0, 1), [green * 0.45, green, green * 1.3, dry])


def draw_asphalt(rng):
    tone = rng.uniform(0.15, 0.55) * (1 + rng.normal(0, 0.03, 3))
    image = tone * (0.75 + 0.3 * noise(rng, 1.2)[..., None] + 0.25 * noise(rng, 0.1)[..., None])
    for _ in range(rng.integers(0, 3)):
        y, x = grid()
        line = np.abs(((y - rng.random() + 0.15 * (noise(rng, 1.8) - 0.5)) + 0.5) % 1 - 0.5) < 0.006
        image = np.where((line & (x >= 0))[..., None], image * 0.5, image)
    return image


def draw_stones(rng):
    count = rng.integers(8, 60)
    points = rng.random((count, 2))
    axis = (np.arange(SIZE // 2) + 0.5) / (SIZE // 2)
    dy = np.abs(axis[:, None] - points[:, 0])
    dx = np.abs(axis[:, None] - points[:, 1])
    dy, dx = np.minimum(dy, 1 - dy), np.minimum(dx, 1 - dx)
    distance = dy[:, None, :] ** 2 + dx[None, :, :] ** 2
    nearest = np.partition(distance, 1, axis=2)[..., :2]
    which = distance.argmin(axis=2)
    edge = np.sqrt(nearest[..., 1]) - np.sqrt(nearest[..., 0])
    base = colour(rng, rng.uniform(0, 0.3))
    tones = np.stack([near_colour(rng, base, 0.2) for _ in range(count)])
    image = tones[which] * np.clip(edge[..., None] * 25, 0.3, 1)
    return grime(rng, image.repeat(2, axis=0).repeat(2, axis=1))


def draw_gradient(rng):
    y, x = grid()
    phase = 0.5 - 0.5 * np.cos(2 * np.pi * (y + 0 * x if rng.random() < 0.6 else x + 0 * y))
    return grime(rng, ramp(phase, [colour(rng) for _ in range(rng.integers(2, 4))]), 0.05)


def draw_cloth(rng):
    y, x = grid()
    base = colour(rng)
    pattern = np.zeros((SIZE, SIZE))
    for _ in range(rng.integers(1, 5)):
        pattern = pattern + np.sin(2 * np.pi * (rng.integers(0, 12) * y + rng.integers(0, 12) * x + rng.random()))
    pattern = pattern / (np.abs(pattern).max() + 1e-9) * 0.5 + 0.5
    weave = 0.9 + 0.1 * rng.random((SIZE, SIZE, 1))
    return ramp(pattern > 0.5 if rng.random() < 0.4 else pattern, [base, colour(rng)]) * weave


def draw_metal(rng):
    base = np.full(3, rng.uniform(0.25, 0.8)) * (1 + rng.normal(0, 0.03, 3))
    return ramp(noise(rng, rng.uniform(0.3, 1.2), rng.uniform(1, 8)), [base * 0.85, base * 1.1])


def draw_panels(rng):
    y, x = grid()
    ny, nx = rng.integers(1, 6), rng.integers(1, 6)
    fy, fx = (y * ny) % 1 + 0 * x, (x * nx) % 1 + 0 * y
    base = colour(rng)
    edge = np.minimum(np.minimum(fy, 1 - fy) / ny, np.minimum(fx, 1 - fx) / nx) * 4
    image = base * np.clip(0.55 + edge[..., None] * rng.uniform(5, 20), 0, 1)
    if rng.random() < 0.6:
        hy, hx = rng.uniform(0.2, 0.8), rng.uniform(0.1, 0.9)
        knob = (np.abs(fy - hy) < 0.02 * ny + 0.01) & (np.abs(fx - hx) < 0.06)
        image = np.where(knob[..., None], np.full(3, rng.uniform(0.1, 0.9)), image)
    return grime(rng, image, 0.08)


PATTERNS: dict[str, tuple[Callable[[np.random.Generator], np.ndarray], float]] = {
    "noise": (draw_noise, 1.5),
    "plain": (draw_plain, 1.5),
    "plaster": (draw_plaster, 1.0),
    "bricks": (draw_bricks, 1.6),
    "tiles": (draw_tiles, 1.4),
    "wood": (draw_wood, 1.2),
    "stripes": (draw_stripes, 0.7),
    "text": (draw_text, 0.6),
    "poster": (draw_poster, 1.6),
    "screen": (draw_screen, 0.6),
    "notes": (draw_notes, 0.6),
    "pins": (draw_pins, 0.4),
    "facade": (draw_facade, 2.5),
    "books": (draw_books, 0.7),
    "leaves": (draw_leaves, 1.0),
    "grass": (draw_grass, 0.8),
    "asphalt": (draw_asphalt, 0.8),
    "stones": (draw_stones, 0.7),
    "gradient": (draw_gradient, 0.5),
    "cloth": (draw_cloth, 0.8),
    "metal": (draw_metal, 0.6),
    "panels": (draw_panels, 0.8),
    "boards": (draw_boards, 1.2),
    "shingles": (draw_shingles, 1.0),
}
