"""Colours by the code points of ITU-T H.273, as videos, HEIC, AVIF and PNG files name them.

Brightness is relative to a diffuse white: 203 cd/m2 of PQ, 75 % of the signal of HLG (ITU-R BT.2408). HLG is taken as the
light of the scene, which is what ITU-R BT.2100 shows on a display of about 330 cd/m2 (system gamma 1). Curves of
ordinary video count as sRGB, as players show them; so do the primaries of standard definition, a hair from Rec.709.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..srgb import decode_srgb
from .photo_color import to_rec709
from .photo_profile import Curve, MatrixProfile, power_curve

ADOBE_RGB_XY = (0.64, 0.33, 0.21, 0.71, 0.15, 0.06, 0.3127, 0.3290)
"""CIE xy of red, green, blue and white."""
ADOBE_RGB_GAMMA = 563 / 256
"""Of its curve, as Adobe RGB (1998) defines it."""

BT2020 = 9
"""Code of its primaries."""
_XY = {
    BT2020: (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, 0.3127, 0.3290),
    11: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.314, 0.351),
    12: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.3127, 0.3290),
}
"""Of BT.2020, DCI-P3 and Display P3."""
_PQ, _HLG = 16, 18


@functools.lru_cache
def coded_profile(primaries: int, transfer: int) -> MatrixProfile | None:
    """The conversion of colours that are told by their codes.

    Args:
        primaries: ColourPrimaries of H.273.
        transfer: TransferCharacteristics of H.273.

    Returns:
        The conversion; None if they are to be shown as sRGB.
    """
    if primaries not in _XY and transfer not in _CURVES:
        return None
    return profile_of(_CURVES.get(transfer, decode_srgb), _XY.get(primaries), transfer in (_PQ, _HLG))


def profile_of(curve: Curve, chromaticities: Sequence[float] | None, has_highlights: bool = False) -> MatrixProfile:
    """The conversion of colours with one curve.

    Args:
        curve: From values to linear light.
        chromaticities: CIE x and y of red, green, blue and white; None: those of sRGB.
        has_highlights: As in `MatrixProfile`.
    """
    matrix = None if chromaticities is None else to_rec709(chromaticities)
    return MatrixProfile((curve,), None if matrix is None else matrix.astype(np.float32), has_highlights)


def _pq(x: NDArray[Any]) -> NDArray[Any]:
    """The curve of SMPTE ST 2084, white at 203 cd/m2."""
    root = np.clip(x, 0, 1) ** (32 / 2523)
    top = np.maximum(root - 3424 / 4096, 0)
    return (top / (2413 / 128 - 2392 / 128 * root)) ** (16_384 / 2610) * (10_000 / 203)


def _hlg(x: NDArray[Any]) -> NDArray[Any]:
    """The inverse OETF of hybrid log-gamma (ARIB STD-B67), white at 75 % of the signal."""
    return _hlg_scene(np.clip(x, 0, 1)) / _hlg_scene(np.array(0.75))


def _hlg_scene(x: NDArray[Any]) -> NDArray[Any]:
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(x <= 0.5, x * x / 3, (np.exp((x - c) / a) + b) / 12)


_CURVES: dict[int, Curve] = {4: power_curve(2.2), 8: power_curve(1), _PQ: _pq, _HLG: _hlg}
"""By TransferCharacteristics; others count as sRGB."""
