"""Real spherical harmonics as 3D Gaussian splatting uses them, degrees 0 to 3.

Signs and order follow the original 3DGS code base (Kerbl et al. 2023), that is the
Condon-Shortley convention with m running from -l to l.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SH_C0 = 0.28209479177387814
"""Value of the constant harmonic, 1 / (2 sqrt(pi))."""

SH_C1 = 0.4886025119029199
"""sqrt(3 / (4 pi))."""

SH_C2 = (1.0925484305920792, 0.31539156525252005, 0.5462742152960396)
"""sqrt(15 / (4 pi)), sqrt(5 / (16 pi)), sqrt(15 / (16 pi))."""

SH_C3 = (0.5900435899266435, 2.890611442640554, 0.4570457994644658, 0.3731763325901154, 1.445305721320277)
"""sqrt(35 / (32 pi)), sqrt(105 / (4 pi)), sqrt(21 / (32 pi)), sqrt(7 / (16 pi)), sqrt(105 / (16 pi))."""


def sh_degree(coefficients: int) -> int:
    """The degree that has this many coefficients for each colour.

    Raises:
        ValueError: it is not 1, 4, 9 or 16.
    """
    try:
        return {1: 0, 4: 1, 9: 2, 16: 3}[coefficients]
    except KeyError:
        raise ValueError(f"{coefficients} SH coefficients are no whole degree from 0 to 3") from None


def rgb_to_dc(rgb: NDArray[Any]) -> NDArray[np.float32]:
    """The constant coefficients of a colour seen equally from everywhere.

    Args:
        rgb: (..., 3) colours, 0 to 1.

    Returns:
        (..., 3) float32 raw coefficients.
    """
    return ((np.asarray(rgb, dtype=np.float32) - np.float32(0.5)) * np.float32(1 / SH_C0)).astype(np.float32)


def dc_to_rgb(dc: NDArray[Any]) -> NDArray[np.float32]:
    """The inverse of `rgb_to_dc`; not limited to [0, 1]."""
    return (np.asarray(dc, dtype=np.float32) * np.float32(SH_C0) + np.float32(0.5)).astype(np.float32)


def sh_basis(directions: NDArray[Any], degree: int) -> NDArray[Any]:
    """Values of all harmonics up to a degree.

    Args:
        directions: (..., 3) unit vectors from the viewer to the Gaussian.
        degree: 0 to 3.

    Returns:
        (..., (degree + 1)^2), in the floating type of `directions`.
    """
    if not 0 <= degree <= 3:
        raise ValueError(f"SH degree {degree} is not in 0..3")
    d = np.asarray(directions)
    x, y, z = d[..., 0], d[..., 1], d[..., 2]
    terms = [np.full_like(x, SH_C0)]
    if degree >= 1:
        terms += [-SH_C1 * y, SH_C1 * z, -SH_C1 * x]
    if degree >= 2:
        a, b, c = SH_C2
        terms += [a * x * y, -a * y * z, b * (2 * z * z - x * x - y * y), -a * x * z, c * (x * x - y * y)]
    if degree >= 3:
        a, b, c, e, f = SH_C3
        terms += [
            -a * y * (3 * x * x - y * y),
            b * x * y * z,
            -c * y * (4 * z * z - x * x - y * y),
            e * z * (2 * z * z - 3 * x * x - 3 * y * y),
            -c * x * (4 * z * z - x * x - y * y),
            f * z * (x * x - y * y),
            -a * x * (x * x - 3 * y * y),
        ]
    return np.stack(terms, axis=-1)


def evaluate_sh(sh: NDArray[Any], directions: NDArray[Any]) -> NDArray[Any]:
    """Colours of Gaussians seen along given directions.

    Args:
        sh: (N, K, 3) raw coefficients, K in {1, 4, 9, 16}.
        directions: (N, 3) unit vectors from the viewer to the Gaussians.

    Returns:
        (N, 3) colours, at least 0 (not limited above), as 3DGS defines them.
    """
    basis = sh_basis(directions, sh_degree(sh.shape[1]))
    return np.maximum(np.einsum("nk,nkc->nc", basis, sh) + 0.5, 0)
