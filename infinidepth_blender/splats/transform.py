"""Gaussians moved, turned, and taken from covariances; nothing is changed in place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..reconstruction import Gaussians
from ..srgb import encode_srgb
from .placed import rotation_matrices
from .sh import dc_to_rgb, rgb_to_dc, sh_basis, sh_degree

_LEAST_SCALE_M = 1e-4
_EVEN = 1e-4
"""Relative difference of the lengths that a map gives to its axes, below which it stretches evenly."""
_DIRECTIONS = 256
"""Directions that harmonics are compared along: more than enough for the 16 of degree 3."""


def half_turned(gaussians: Gaussians) -> Gaussians:
    """Between OpenGL's axes (y up, z backwards) and OpenCV's: half a turn about x, either way."""
    return flipped(gaussians, (1, -1, -1))


def flipped(gaussians: Gaussians, signs: tuple[int, int, int]) -> Gaussians:
    """In axes of which some point the other way; an odd number of them is a mirror.

    Args:
        gaussians: What to flip.
        signs: 1 or -1 for x, y and z.
    """
    g, (x, y, z) = gaussians, signs
    return Gaussians(
        g.means * np.array(signs, np.float32),
        g.scales,
        # A turn about an axis that lies in a mirror goes the other way round.
        g.rotations * np.array([1, y * z, x * z, x * y], np.float32),
        g.opacities,
        g.sh * _flip_signs(g.sh.shape[1], signs)[:, None],
    )


def _flip_signs(coefficients: int, signs: tuple[int, int, int]) -> NDArray[np.float32]:
    """(coefficients,) what the flip does to each harmonic: each is even or odd in x, y and z."""
    direction = np.array([0.36, 0.48, 0.8])
    degree = sh_degree(coefficients)
    return np.sign(sh_basis(direction, degree) * sh_basis(direction * signs, degree)).astype(np.float32)


def rotated_quaternions(quaternions: NDArray[Any], rotation: NDArray[Any]) -> NDArray[np.float32]:
    """(N, 4) float32: each rotation (w, x, y, z) followed by another one, a (3, 3) matrix."""
    aw, ax, ay, az = (np.float32(v) for v in quaternions_of(np.asarray(rotation)[None])[0])
    w, x, y, z = np.asarray(quaternions, dtype=np.float32).T
    product = [
        aw * w - ax * x - ay * y - az * z,
        aw * x + ax * w + ay * z - az * y,
        aw * y - ax * z + ay * w + az * x,
        aw * z + ax * y - ay * x + az * w,
    ]
    return np.stack(product, axis=1)


def rotated_sh(sh: NDArray[Any], rotation: NDArray[Any]) -> NDArray[np.float32]:
    """Harmonics of a thing that was turned.

    The colour seen along `rotation @ d` is now what it was along d. That defines the new coefficients,
    and they follow from the harmonics' values along enough directions.

    Args:
        sh: (N, K, 3) raw coefficients, K in {1, 4, 9, 16}.
        rotation: (3, 3) proper rotation.

    Returns:
        (N, K, 3) float32.
    """
    degree = sh_degree(sh.shape[1])
    if degree == 0:
        return np.array(sh, dtype=np.float32)
    before = np.random.default_rng(0).normal(size=(_DIRECTIONS, 3))
    before /= np.linalg.norm(before, axis=1, keepdims=True)
    turn = np.linalg.pinv(sh_basis(before @ np.asarray(rotation, np.float64).T, degree)) @ sh_basis(before, degree)
    return np.matmul(turn.astype(np.float32), np.asarray(sh, dtype=np.float32))


def mapped(gaussians: Gaussians, linear: NDArray[Any], shift: NDArray[Any]) -> Gaussians:
    """Everything after a linear map and a shift, which may stretch unevenly and mirror.

    Colours turn with the nearest rotation, or rotation and mirror. Splats that have no numbers, or get none, stay without.

    Args:
        gaussians: What to move.
        linear: (3, 3). shift: (3,).
    """
    matrix = np.asarray(linear, np.float64)
    left, lengths, right = np.linalg.svd(matrix)
    turn = left @ right
    with np.errstate(over="ignore", invalid="ignore"):
        means = (np.asarray(gaussians.means, np.float64) @ matrix.T + np.asarray(shift)).astype(np.float32)
        even = lengths[0] - lengths[2] <= _EVEN * lengths[0] and lengths[2] > 0
        if even and np.linalg.det(turn) > 0:
            scales = (gaussians.scales * lengths.mean()).astype(np.float32)
            rotations = rotated_quaternions(gaussians.rotations, turn)
        else:
            axes = rotation_matrices(np.asarray(gaussians.rotations, np.float64))
            shape = matrix @ axes * np.asarray(gaussians.scales, np.float64)[:, None, :]
            scales, rotations = scales_and_rotations(shape @ np.swapaxes(shape, 1, 2), least_m=0.0)
        sh = rotated_sh(gaussians.sh, turn)
    return replace(gaussians, means=means, scales=scales, rotations=rotations, sh=sh)


def scales_and_rotations(
    covariances: NDArray[Any], least_m: float = _LEAST_SCALE_M
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Standard deviations and axes of Gaussians that are given by their covariance.

    Args:
        covariances: (N, 3, 3) symmetric.
        least_m: No scale becomes less.

    Returns:
        scales: (N, 3) float32 in ascending order; NaN of covariances that are no numbers.
        rotations: (N, 4) float32 unit quaternions w, x, y, z; their columns are the axes, each up to sign.
    """
    covariances = np.asarray(covariances, dtype=np.float64)
    known = np.isfinite(covariances).all(axis=(1, 2))
    variances, axes = np.linalg.eigh(np.where(known[:, None, None], covariances, 0.0))
    axes = np.where(np.linalg.det(axes)[:, None, None] < 0, -axes, axes)
    scales = np.sqrt(np.maximum(variances, least_m**2)).astype(np.float32)
    scales[~known] = np.nan
    return scales, quaternions_of(axes)


def quaternions_of(matrices: NDArray[Any]) -> NDArray[np.float32]:
    """(N, 4) float32 unit quaternions w, x, y, z, w >= 0, of (N, 3, 3) proper rotations."""
    m = np.asarray(matrices, dtype=np.float64)
    xx, yy, zz = m[:, 0, 0], m[:, 1, 1], m[:, 2, 2]
    # Four times the outer product of the quaternion with itself; its longest row is furthest from rounding errors.
    outer = np.empty((len(m), 4, 4))
    outer[:, 0, 0], outer[:, 1, 1] = 1 + xx + yy + zz, 1 + xx - yy - zz
    outer[:, 2, 2], outer[:, 3, 3] = 1 - xx + yy - zz, 1 - xx - yy + zz
    outer[:, 0, 1] = outer[:, 1, 0] = m[:, 2, 1] - m[:, 1, 2]
    outer[:, 0, 2] = outer[:, 2, 0] = m[:, 0, 2] - m[:, 2, 0]
    outer[:, 0, 3] = outer[:, 3, 0] = m[:, 1, 0] - m[:, 0, 1]
    outer[:, 1, 2] = outer[:, 2, 1] = m[:, 0, 1] + m[:, 1, 0]
    outer[:, 1, 3] = outer[:, 3, 1] = m[:, 0, 2] + m[:, 2, 0]
    outer[:, 2, 3] = outer[:, 3, 2] = m[:, 1, 2] + m[:, 2, 1]
    longest = np.argmax(np.einsum("nii->ni", outer), axis=1)
    q = outer[np.arange(len(m)), longest]
    q /= np.linalg.norm(q, axis=1, keepdims=True)
    return np.where(q[:, :1] < 0, -q, q).astype(np.float32)


def srgb_encoded(gaussians: Gaussians) -> Gaussians:
    """Linear base colours turned into sRGB-encoded ones (IEC 61966-2-1); harmonics, which have no such counterpart, go."""
    linear = np.clip(dc_to_rgb(gaussians.sh[:, 0]), 0.0, None)
    return replace(gaussians, sh=rgb_to_dc(encode_srgb(linear))[:, None])
