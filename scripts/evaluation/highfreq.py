"""Where depth has fine detail: the energy behind the paper's high-frequency masks, and draws from it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .paper_inputs import disparity_of

SCALES_PX = (0.6, 1.2)
MASK_PIXELS = 10_000
TEMPERATURE = 0.8
_FULL_QUANTILE = 0.98

Random = np.random.Generator | np.random.RandomState


def detail_energy(values: NDArray[np.floating]) -> NDArray[np.float32]:
    """(h, w) in [0, 1]: the largest absolute Laplacian of the map, blurred by 0.6 and by 1.2 pixels.

    1 is the 98 % quantile of the whole map.

    Args:
        values: (h, w) depth or disparity, finite everywhere.
    """
    energy = np.zeros(values.shape, np.float32)
    for sigma in SCALES_PX:
        blurred = cv2.GaussianBlur(values.astype(np.float32), (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
        laplacian = cv2.Laplacian(blurred, cv2.CV_32F, ksize=1, borderType=cv2.BORDER_REFLECT_101)
        energy = np.maximum(energy, np.abs(laplacian))
    return np.clip(energy / max(float(np.quantile(energy, _FULL_QUANTILE)), 1e-6), 0, 1).astype(np.float32)


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
    depth_m: NDArray[np.floating], valid: NDArray[np.bool_], random: Random, count: int = MASK_PIXELS
) -> NDArray[np.bool_]:
    """(h, w) mask of at most `count` pixels, most of them where depth has detail.

    Raises:
        ValueError: the depth is flat.
    """
    mask = np.zeros(depth_m.shape, bool)
    mask.ravel()[drawn_by_energy(detail_energy(depth_m), valid, count, random)] = True
    return mask


def detail_points(
    depth_m: NDArray[np.floating], valid: NDArray[np.bool_], count: int, random: Random
) -> NDArray[np.intp]:
    """(count,) flat indices where depth or disparity has detail, for training on important points.

    Raises:
        ValueError: the depth is flat.
    """
    energy = np.maximum(detail_energy(depth_m), detail_energy(disparity_of(depth_m)))
    return drawn_by_energy(energy, valid, count, random)
