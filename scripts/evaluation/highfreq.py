"""Where depth has fine detail: the energy behind the paper's high-frequency masks, and draws from it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

SCALES_PX = (0.6, 1.2)
MASK_PIXELS = 10_000
TEMPERATURE = 0.8
REACH_PX = 6
"""How far a value acts on the energy: 5 pixels of the wider blur, and 1 of the Laplacian."""
_FULL_QUANTILE = 0.98

Random = np.random.Generator | np.random.RandomState


def detail_energy(values: NDArray[np.floating], counted: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
    """(h, w) in [0, 1]: the largest absolute Laplacian of the map, blurred by 0.6 and by 1.2 pixels.

    1 is the 98 % quantile.

    Args:
        values: (h, w) depth or disparity, finite everywhere.
        counted: (h, w) pixels that the quantile is of, at least one; None: the whole map.
    """
    energy = np.zeros(values.shape, np.float32)
    for sigma in SCALES_PX:
        blurred = cv2.GaussianBlur(values.astype(np.float32), (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
        laplacian = cv2.Laplacian(blurred, cv2.CV_32F, ksize=1, borderType=cv2.BORDER_REFLECT_101)
        energy = np.maximum(energy, np.abs(laplacian))
    full = float(np.quantile(energy if counted is None else energy[counted], _FULL_QUANTILE))
    return np.clip(energy / max(full, 1e-6), 0, 1).astype(np.float32)


def drawn_by_energy(
    energy: NDArray[np.floating], valid: NDArray[np.bool_], count: int, random: Random, temperature: float = TEMPERATURE
) -> NDArray[np.intp]:
    """(count,) flat indices of valid pixels, drawn in proportion to energy ^ (1 / temperature).

    Each pixel once; where fewer pixels have any energy, they are drawn repeatedly.

    Raises:
        ValueError: no valid pixel has energy.
    """
    weight = np.where(valid, energy, 0).astype(np.float64).ravel() ** (1 / temperature)
    total = weight.sum()
    if not total > 0:
        raise ValueError("the map has no detail to draw from")
    repeated = count > np.count_nonzero(weight)
    return random.choice(weight.size, count, replace=bool(repeated), p=weight / total)


def detail_mask(
    depth_m: NDArray[np.floating],
    valid: NDArray[np.bool_],
    random: Random,
    count: int = MASK_PIXELS,
    counted: NDArray[np.bool_] | None = None,
) -> NDArray[np.bool_]:
    """(h, w) mask of at most `count` pixels, most of them where depth has detail.

    Args:
        depth_m: (h, w) metres.
        valid: (h, w) pixels that may be drawn.
        random: Source of randomness.
        count: As above.
        counted: As for `detail_energy`.

    Raises:
        ValueError: the depth is flat.
    """
    mask = np.zeros(depth_m.shape, bool)
    mask.ravel()[drawn_by_energy(detail_energy(depth_m, counted), valid, count, random)] = True
    return mask
