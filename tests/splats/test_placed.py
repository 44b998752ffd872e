"""Gaussians placed on samples: in the surface's plane, as large as the area says."""

from __future__ import annotations

import numpy as np
import pytest

from infinidepth_blender.camera import Camera
from infinidepth_blender.reconstruction import FLAG_SKY, FLAG_VALID, Gaussians, PointArrays
from infinidepth_blender.splats.placed import (
    MAX_STRETCH,
    SPREAD,
    concatenate,
    gaussians_on_grid,
    gaussians_on_surface,
    quaternions_from_normals,
    rotation_matrices,
)
from infinidepth_blender.splats.sh import dc_to_rgb

CAMERA = Camera.from_fov_x(1.0, 60, 40)


def unit(v: np.ndarray) -> np.ndarray:
    return (v / np.linalg.norm(v, axis=-1, keepdims=True)).astype(np.float32)


def random_points(count: int = 400, seed: int = 5) -> PointArrays:
    rng = np.random.default_rng(seed)
    positions = rng.uniform((-2, -1, 2), (2, 1, 8), (count, 3)).astype(np.float32)
    normals = unit(rng.standard_normal((count, 3)))
    normals *= -np.sign((normals * positions).sum(1, keepdims=True))
    return PointArrays(
        positions_cam=positions,
        normals_cam=normals,
        colors_srgb=rng.integers(0, 256, (count, 3), dtype=np.uint8),
        radius_m=np.full(count, 0.01, np.float32),
        confidence=np.ones(count, np.float32),
        source_px=np.zeros((count, 2), np.float32),
    )


def plane_grid(normal, distance: float, camera: Camera = CAMERA):
    """Depth, normals and flags of the plane n . X = -distance seen by a camera."""
    n = unit(np.asarray(normal, float))
    y, x = np.mgrid[: camera.height_px, : camera.width_px] + 0.5
    rays = camera.unproject(x, y, np.ones_like(x))
    depth = -distance / (rays @ n)
    valid = (depth > 0) & (depth < 1e3)
    flags = np.where(valid, FLAG_VALID, FLAG_SKY).astype(np.uint8)
    return np.where(valid, depth, 1e10).astype(np.float32), np.broadcast_to(n, rays.shape) * valid[..., None], flags


def covariances(g: Gaussians) -> np.ndarray:
    axes = rotation_matrices(g.rotations.astype(np.float64)) * g.scales[:, None, :]
    return axes @ axes.transpose(0, 2, 1)


@pytest.mark.parametrize("special", [(0, 0, 1), (0, 0, -1), (1, 0, 0), (0, -1, 0), (0.6, 0.8, 0), (1e-9, 0, -1)])
def test_quaternions_bring_the_third_axis_onto_the_normal(special):
    normals = np.concatenate([unit(np.array([special])), random_points().normals_cam])
    q = quaternions_from_normals(normals)
    np.testing.assert_allclose(np.linalg.norm(q, axis=1), 1, atol=1e-6)
    axis = rotation_matrices(q)[:, :, 2]
    np.testing.assert_allclose(np.abs((axis * normals).sum(1)), 1, atol=1e-5)
    np.testing.assert_allclose(np.linalg.det(rotation_matrices(q)), 1, atol=1e-5)


def test_a_disc_lies_in_the_plane_and_has_the_samples_area():
    points = random_points()
    area = np.random.default_rng(0).uniform(1e-6, 1e-2, len(points.positions_cam)).astype(np.float32)
    g = gaussians_on_surface(points, area)
    np.testing.assert_allclose(g.scales[:, 0] * g.scales[:, 1], SPREAD**2 * area, rtol=1e-4)
    assert (g.scales[:, 2] < 0.2 * g.scales[:, 1]).all()
    thin = np.einsum("ni,nij,nj->n", points.normals_cam, covariances(g), points.normals_cam)
    np.testing.assert_allclose(np.sqrt(thin), g.scales[:, 2], rtol=1e-3)
    np.testing.assert_array_equal(g.means, points.positions_cam)
    np.testing.assert_allclose(dc_to_rgb(g.sh[:, 0]), points.colors_srgb / 255, atol=1e-6)


@pytest.mark.parametrize("normal", [(0, 0, -1), (0, -1, 0.0), (0.7, -0.2, -0.5), (-0.9, 0, -0.3)])
def test_grid_discs_project_to_circles_of_the_grid_spacing(normal):
    depth, normals, flags = plane_grid(normal, 3.0)
    colors = np.zeros((*depth.shape, 3), np.uint8)
    g = gaussians_on_grid(depth, normals, flags, CAMERA, colors)
    assert len(g) == (flags == FLAG_VALID).sum() > 100
    means = g.means.astype(np.float64)
    f, z = CAMERA.fx_px, means[:, 2]
    jacobian = np.zeros((len(g), 2, 3))
    jacobian[:, 0, 0] = jacobian[:, 1, 1] = f / z
    jacobian[:, 0, 2], jacobian[:, 1, 2] = -f * means[:, 0] / z**2, -f * means[:, 1] / z**2
    covariance_px = jacobian @ covariances(g) @ jacobian.transpose(0, 2, 1)
    eigen = np.sqrt(np.linalg.eigvalsh(covariance_px))
    slant = np.abs((unit(means) * unit(np.array(normal))).sum(1))
    plain = slant > 2 / MAX_STRETCH
    assert plain.sum() > 100
    np.testing.assert_allclose(eigen[plain], SPREAD, rtol=0.06)
    assert eigen.max() < 1.1 * SPREAD, "no disc is larger in the photo than the grid asks for"
    assert (g.scales[:, 0] / g.scales[:, 1]).max() < MAX_STRETCH * 1.01


def test_sky_gets_discs_only_when_a_distance_is_given():
    depth, normals, flags = plane_grid((0, -1, 0), 1.5)
    colors = np.full((*depth.shape, 3), 200, np.uint8)
    without = gaussians_on_grid(depth, normals, flags, CAMERA, colors)
    with_sky = gaussians_on_grid(depth, normals, flags, CAMERA, colors, sky_depth_m=500)
    assert len(with_sky) == flags.size
    sky = with_sky.means[len(without) :]
    np.testing.assert_allclose(sky[:, 2], 500, rtol=1e-5)


def test_missing_normals_face_the_camera_and_nothing_is_random():
    points = random_points()
    points.normals_cam[:3] = 0
    points.normals_cam[3] = np.nan
    area = np.full(len(points.positions_cam), 1e-4, np.float32)
    a, b = (gaussians_on_surface(points, area) for _ in range(2))
    for name in Gaussians.__dataclass_fields__:
        assert np.isfinite(getattr(a, name)).all()
        assert getattr(a, name).tobytes() == getattr(b, name).tobytes()
    axis = rotation_matrices(a.rotations[:4])[:, :, 2]
    np.testing.assert_allclose(np.abs((axis * unit(points.positions_cam[:4])).sum(1)), 1, atol=1e-5)


def test_wrong_lengths_are_refused_and_nothing_gives_nothing():
    points = random_points(4)
    with pytest.raises(ValueError, match="area_m2"):
        gaussians_on_surface(points, np.ones(3, np.float32))
    none = PointArrays(*(getattr(points, name)[:0] for name in PointArrays.__dataclass_fields__))
    assert len(gaussians_on_surface(none, np.zeros(0, np.float32))) == 0


def test_concatenation_fills_missing_harmonics_with_zero():
    g = gaussians_on_surface(random_points(4), np.ones(4, np.float32))
    more = Gaussians(g.means, g.scales, g.rotations, g.opacities, np.ones((4, 4, 3), np.float32))
    both = concatenate(g, more)
    assert both.sh.shape == (8, 4, 3)
    assert (both.sh[:4, 1:] == 0).all()
