"""What patterns are mixed from: tileable noise, colours as real places have them, grime."""

from __future__ import annotations

import numpy as np

SIZE = 256
"""Side of a texture in texels."""


def noise(rng: np.random.Generator, slope: float | None = None, stretch: float = 1.0) -> np.ndarray:
    """(SIZE, SIZE) tileable noise in [0, 1] with a power spectrum falling with frequency."""
    slope = rng.uniform(0.7, 2.2) if slope is None else slope
    fy = np.fft.fftfreq(SIZE)[:, None] * SIZE
    fx = np.fft.rfftfreq(SIZE)[None, :] * SIZE
    radius = np.hypot(fy * stretch, fx / stretch)
    radius[0, 0] = 1.0
    spectrum = np.fft.rfft2(rng.standard_normal((SIZE, SIZE))) / np.maximum(radius, 1.0) ** slope
    spectrum[0, 0] = 0
    values = np.fft.irfft2(spectrum, s=(SIZE, SIZE))
    return np.clip(0.5 + values / (values.std() * 5 + 1e-9), 0, 1)


def colour(rng: np.random.Generator, vivid: float | None = None) -> np.ndarray:
    """(3,) a colour; mostly muted as in real places."""
    vivid = (rng.beta(1, 6) if rng.random() < 0.7 else rng.beta(1.2, 2.5)) if vivid is None else vivid
    value = rng.beta(2.2, 1.8)
    hue = rng.choice([rng.uniform(0, 1), rng.normal(0.09, 0.05), rng.normal(0.6, 0.05)], p=[0.45, 0.4, 0.15])
    rgb = 1 - vivid * np.clip(np.abs((hue * 6 + np.array([3, 1, 5])) % 6 - 3) - 0.5, 0, 1)
    return np.clip(value * rgb, 0.02, 1)


def near_colour(rng: np.random.Generator, base: np.ndarray, spread: float = 0.12) -> np.ndarray:
    """(3,) a colour close to another."""
    return np.clip(base * (1 + rng.normal(0, spread)) + rng.normal(0, spread / 4, 3), 0.01, 1)


def ramp(values: np.ndarray, colours: list[np.ndarray]) -> np.ndarray:
    """(..., 3) colours interpolated along [0, 1]."""
    positions = np.linspace(0, 1, len(colours))
    table = np.stack(colours)
    return np.stack([np.interp(values, positions, table[:, k]) for k in range(3)], axis=-1)


def grid() -> tuple[np.ndarray, np.ndarray]:
    """Row and column coordinates in [0, 1)."""
    axis = (np.arange(SIZE) + 0.5) / SIZE
    return axis[:, None], axis[None, :]


def grime(rng: np.random.Generator, image: np.ndarray, amount: float | None = None) -> np.ndarray:
    """Uneven brightness over a pattern."""
    amount = rng.uniform(0.0, 0.35) if amount is None else amount
    return image * (1 - amount * noise(rng)[..., None] * 1.2) + rng.normal(0, 0.012, (SIZE, SIZE, 1))
