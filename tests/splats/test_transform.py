"""Gaussians that are moved, turned, or come from covariances stay the same Gaussians."""

from __future__ import annotations

import numpy as np
import pytest

from infinidepth_blender.reconstruction import Gaussians
from infinidepth_blender.splats.placed import rotation_matrices
from infinidepth_blender.splats.sh import evaluate_sh
from infinidepth_blender.splats.transform import flipped, mapped, quaternions_of, scales_and_rotations


def random_gaussians(count: int = 64, coefficients: int = 16, seed: int = 2) -> Gaussians:
    rng = np.random.default_rng(seed)
    rotations = rng.standard_normal((count, 4)).astype(np.float32)
    return Gaussians(
        means=(rng.standard_normal((count, 3)) * (1, 2, 3) + (1, -2, 5)).astype(np.float32),
        scales=np.exp(rng.standard_normal((count, 3))).astype(np.float32),
        rotations=rotations / np.linalg.norm(rotations, axis=1, keepdims=True),
        opacities=rng.random(count, dtype=np.float32),
        sh=rng.standard_normal((count, coefficients, 3)).astype(np.float32),
    )


def random_rotation(seed: int = 4) -> np.ndarray:
    q, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((3, 3)))
    return q * np.linalg.det(q)


def covariances(g: Gaussians) -> np.ndarray:
    axes = rotation_matrices(g.rotations.astype(np.float64))
    return (axes * g.scales[:, None].astype(np.float64) ** 2) @ axes.transpose(0, 2, 1)


@pytest.mark.parametrize("coefficients", [1, 4, 9, 16])
def test_turning_turns_places_shapes_and_colours(coefficients):
    gaussians, rotation = random_gaussians(coefficients=coefficients), random_rotation()
    turned = mapped(gaussians, rotation, np.zeros(3))
    np.testing.assert_allclose(turned.means, gaussians.means @ rotation.T, atol=1e-5)
    expected = rotation @ covariances(gaussians) @ rotation.T
    np.testing.assert_allclose(covariances(turned), expected, rtol=1e-4, atol=1e-5)
    directions = random_gaussians(seed=9).rotations[:, :3]
    directions = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    before, after = evaluate_sh(gaussians.sh, directions), evaluate_sh(turned.sh, directions @ rotation.T)
    np.testing.assert_allclose(after, before, atol=1e-4)


@pytest.mark.parametrize("signs", [(x, y, z) for x in (1, -1) for y in (1, -1) for z in (1, -1)])
def test_flipping_axes_flips_places_shapes_and_colours(signs):
    gaussians = random_gaussians()
    found = flipped(gaussians, signs)
    np.testing.assert_array_equal(found.means, gaussians.means * np.array(signs))
    np.testing.assert_allclose(covariances(found), np.diag(signs) @ covariances(gaussians) @ np.diag(signs), rtol=1e-5)
    directions = random_gaussians(seed=9).rotations[:, :3]
    directions = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    before, after = evaluate_sh(gaussians.sh, directions), evaluate_sh(found.sh, directions * np.array(signs))
    np.testing.assert_allclose(after, before, atol=1e-4)


def test_turning_changes_nothing_in_place_and_back_gives_the_same():
    gaussians, rotation = random_gaussians(), random_rotation()
    before = {name: getattr(gaussians, name).copy() for name in Gaussians.__dataclass_fields__}
    back = mapped(mapped(gaussians, rotation, np.zeros(3)), rotation.T, np.zeros(3))
    np.testing.assert_allclose(back.sh, gaussians.sh, atol=1e-4)
    np.testing.assert_allclose(back.means, gaussians.means, atol=1e-5)
    for name, value in before.items():
        np.testing.assert_array_equal(getattr(gaussians, name), value)


def test_covariances_come_back():
    gaussians = random_gaussians()
    scales, rotations = scales_and_rotations(covariances(gaussians))
    assert (np.diff(scales, axis=1) >= 0).all()
    again = Gaussians(gaussians.means, scales, rotations, gaussians.opacities, gaussians.sh)
    np.testing.assert_allclose(covariances(again), covariances(gaussians), rtol=1e-3, atol=1e-4)


def test_a_flat_covariance_keeps_a_little_thickness():
    scales, rotations = scales_and_rotations(np.diag([4.0, 1.0, 0.0])[None])
    np.testing.assert_allclose(scales, [[1e-4, 1, 2]], rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(rotations, axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("special", [(1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1), (0, 0.6, 0.8, 0)])
def test_half_turns_have_quaternions_too(special):
    q = np.array([special], np.float64)
    np.testing.assert_allclose(quaternions_of(rotation_matrices(q)), q, atol=1e-7)
