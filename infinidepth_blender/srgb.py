"""The sRGB curve (IEC 61966-2-1), in the floating type of what goes in; numpy alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def encode_srgb(linear: NDArray[Any]) -> NDArray[Any]:
    """The sRGB values of light; above 1 the curve goes on as it is, and below 0 its straight part."""
    curve = 1.055 * np.power(np.maximum(linear, 0), 1 / 2.4) - 0.055
    return np.where(linear <= 0.0031308, 12.92 * linear, curve)


def decode_srgb(encoded: NDArray[Any]) -> NDArray[Any]:
    """The light of sRGB values, the inverse of `encode_srgb`."""
    curve = np.power((np.maximum(encoded, 0) + 0.055) / 1.055, 2.4)
    return np.where(encoded <= 0.04045, encoded / 12.92, curve)
