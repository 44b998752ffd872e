"""Spherical harmonics: orthonormal, with the signs of 3DGS."""

from __future__ import annotations

import numpy as np
import pytest

from infinidepth_blender.splats.sh import dc_to_rgb, evaluate_sh, rgb_to_dc, sh_basis, sh_degree


def sphere(count: int = 20000) -> np.ndarray:
    """A Fibonacci lattice: equal weights, accurate integrals."""
    i = np.arange(count) + 0.5
    z = 1 - 2 * i / count
    angle = np.pi * (1 + 5**0.5) * i
    r = np.sqrt(1 - z * z)
    return np.stack([r * np.cos(angle), r * np.sin(angle), z], axis=-1)


def test_all_sixteen_are_orthonormal_over_the_sphere():
    basis = sh_basis(sphere(), 3)
    gram = basis.T @ basis * (4 * np.pi / len(basis))
    np.testing.assert_allclose(gram, np.eye(16), atol=1e-3)


def test_signs_and_order_at_the_axes():
    basis = sh_basis(np.eye(3), 3)
    c1 = np.sqrt(3 / (4 * np.pi))
    np.testing.assert_allclose(basis[:, 1:4], [[0, 0, -c1], [-c1, 0, 0], [0, c1, 0]], atol=1e-12)
    assert basis[2, 6] == pytest.approx(np.sqrt(5 / np.pi) / 2)
    assert basis[2, 12] == pytest.approx(np.sqrt(7 / np.pi) / 2)
    assert basis[0, 8] == pytest.approx(np.sqrt(15 / np.pi) / 4)


def test_constant_colour_is_seen_from_everywhere_and_never_negative():
    rgb = np.array([[0.1, 0.5, 0.9]] * 3, np.float32)
    sh = np.zeros((3, 9, 3), np.float32)
    sh[:, 0] = rgb_to_dc(rgb)
    np.testing.assert_allclose(evaluate_sh(sh, np.eye(3)), rgb, atol=1e-6)
    np.testing.assert_allclose(dc_to_rgb(sh[:, 0]), rgb, atol=1e-6)
    sh[:, 0] = -9
    assert (evaluate_sh(sh, np.eye(3)) == 0).all()


def test_a_count_of_no_degree_is_refused():
    assert [sh_degree(k) for k in (1, 4, 9, 16)] == [0, 1, 2, 3]
    with pytest.raises(ValueError):
        sh_degree(8)
