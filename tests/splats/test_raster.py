"""The rasteriser against a slow direct reference, analytic cases and itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is part of the engine's environment only")

from infinidepth_blender.camera import Camera
from infinidepth_blender.reconstruction import NO_DEPTH_M, Gaussians
from infinidepth_blender.splats.placed import rotation_matrices
from infinidepth_blender.splats.raster import MAX_ALPHA, MIN_ALPHA, MIN_TRANSMITTANCE, project, rasterise
from infinidepth_blender.splats.sh import evaluate_sh, rgb_to_dc

CAMERA = Camera(53, 37, 45.0, 48.0, 25.3, 19.1)


def random_scene(count: int = 120, seed: int = 1, coefficients: int = 4) -> Gaussians:
    rng = np.random.default_rng(seed)
    q = rng.standard_normal((count, 4))
    sh = rng.normal(0, 0.3, (count, coefficients, 3))
    return Gaussians(
        means=rng.uniform((-2, -1.5, -1), (2, 1.5, 8), (count, 3)).astype(np.float32),
        scales=np.exp(rng.normal(-2.2, 0.8, (count, 3))).astype(np.float32),
        rotations=(q / np.linalg.norm(q, axis=1, keepdims=True)).astype(np.float32),
        opacities=rng.uniform(0, 1, count).astype(np.float32),
        sh=sh.astype(np.float32),
    )


def pose(x: float, y: float, z: float, yaw: float) -> np.ndarray:
    c, s = np.cos(yaw), np.sin(yaw)
    out = np.eye(4)
    out[:3] = [[c, 0, s, x], [0, 1, 0, y], [-s, 0, c, z]]
    return out


def reference(g: Gaussians, camera: Camera, cam_to_world: np.ndarray, background, low_pass: float):
    """Every Gaussian at every pixel, in float64, straight from the definition."""
    w2c = np.linalg.inv(cam_to_world)
    means = g.means.astype(np.float64) @ w2c[:3, :3].T + w2c[:3, 3]
    axes = w2c[:3, :3] @ rotation_matrices(g.rotations.astype(np.float64)) * g.scales[:, None, :].astype(np.float64)
    directions = g.means - cam_to_world[:3, 3]
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    colors = evaluate_sh(g.sh.astype(np.float64), directions)
    y, x = np.mgrid[: camera.height_px, : camera.width_px] + 0.5
    light, rgb, depth = np.ones(x.shape), np.zeros((*x.shape, 3)), np.zeros(x.shape)
    half = np.array([camera.width_px / camera.fx_px, camera.height_px / camera.fy_px]) / 2
    low = -np.array([camera.cx_px / camera.fx_px, camera.cy_px / camera.fy_px]) - 0.3 * half
    high = low + 2 * half + 0.6 * half
    for i in np.argsort(means[:, 2], kind="stable"):
        z = means[i, 2]
        if z <= 0.01 or g.opacities[i] < MIN_ALPHA:
            continue
        jx, jy = np.clip(means[i, :2] / z, low, high)
        jacobian = np.array(
            [[camera.fx_px / z, 0, -camera.fx_px * jx / z], [0, camera.fy_px / z, -camera.fy_px * jy / z]]
        )
        half_covariance = jacobian @ axes[i]
        inverse = np.linalg.inv(half_covariance @ half_covariance.T + low_pass * np.eye(2))
        dx = x - (means[i, 0] / z * camera.fx_px + camera.cx_px)
        dy = y - (means[i, 1] / z * camera.fy_px + camera.cy_px)
        power = -0.5 * (inverse[0, 0] * dx * dx + inverse[1, 1] * dy * dy) - inverse[0, 1] * dx * dy
        alpha = np.minimum(MAX_ALPHA, g.opacities[i] * np.exp(power))
        alpha = np.where((alpha >= MIN_ALPHA) & (light >= MIN_TRANSMITTANCE), alpha, 0)
        rgb += (alpha * light)[..., None] * colors[i]
        depth += alpha * light * z
        light *= 1 - alpha
    covered = 1 - light
    depth = np.where(covered > MIN_ALPHA, depth / np.maximum(covered, 1e-9), NO_DEPTH_M)
    return rgb + light[..., None] * np.array(background), covered, depth


@pytest.mark.parametrize("low_pass", [0.3, 1e-8])
@pytest.mark.parametrize("place", [(0, 0, 0, 0), (0.5, -0.2, 1.5, 0.4), (0, 0, 9, 3.0)])
def test_equals_the_direct_reference(place, low_pass):
    scene, where, background = random_scene(), pose(*place), (0.2, 0.5, 0.9)
    image = rasterise(scene, CAMERA, where, background=background, low_pass_px2=low_pass)
    rgb, alpha, depth = reference(scene, CAMERA, where, background, low_pass)
    assert alpha.max() > 0.9
    # A Gaussian on the brink of MIN_ALPHA may count in one and not in the other.
    np.testing.assert_allclose(image.alpha, alpha, atol=1.5 * MIN_ALPHA)
    np.testing.assert_allclose(image.rgb, rgb, atol=2.5 * MIN_ALPHA)
    assert np.quantile(np.abs(image.rgb - rgb), 0.99) < 1e-4
    both = (image.depth_m < 1e9) & (depth < 1e9)
    assert np.quantile(np.abs(image.depth_m - depth)[both] / depth[both], 0.99) < 1e-3


def one(position, scale, opacity=0.8, rgb=(1.0, 0.5, 0.25)) -> Gaussians:
    return Gaussians(
        means=np.array([position], np.float32),
        scales=np.array([scale], np.float32),
        rotations=np.array([[1, 0, 0, 0]], np.float32),
        opacities=np.array([opacity], np.float32),
        sh=rgb_to_dc(np.array([[rgb]], np.float32)),
    )


def test_a_single_gaussian_on_the_axis_is_the_bell_that_it_should_be():
    camera = Camera(41, 31, 50.0, 50.0, 20.5, 15.5)
    image = rasterise(one((0, 0, 4), (0.4, 0.2, 0.1)), camera, low_pass_px2=0.0)
    y, x = np.mgrid[:31, :41] + 0.5
    sx, sy = 50 * 0.4 / 4, 50 * 0.2 / 4
    alpha = 0.8 * np.exp(-0.5 * (((x - 20.5) / sx) ** 2 + ((y - 15.5) / sy) ** 2))
    np.testing.assert_allclose(image.alpha, np.where(alpha >= MIN_ALPHA, alpha, 0), atol=1e-5)
    np.testing.assert_allclose(image.rgb[15, 20], 0.8 * np.array([1, 0.5, 0.25]), atol=1e-5)
    assert image.depth_m[15, 20] == pytest.approx(4)
    assert image.depth_m[0, 0] == NO_DEPTH_M


def test_the_nearer_one_hides_the_farther_one_whatever_the_order():
    near, far = one((0, 0, 2), (0.5, 0.5, 0.01), 1.0, (1, 0, 0)), one((0, 0, 5), (2, 2, 0.01), 1.0, (0, 1, 0))
    for a, b in ((near, far), (far, near)):
        both = Gaussians(*(np.concatenate([getattr(a, n), getattr(b, n)]) for n in Gaussians.__dataclass_fields__))
        centre = rasterise(both, CAMERA).rgb[19, 25]
        assert centre[0] > 0.9 and centre[1] < 0.1


def test_the_order_of_the_input_does_not_matter():
    scene = random_scene(400, 7)
    order = np.random.default_rng(0).permutation(400)
    shuffled = Gaussians(*(getattr(scene, n)[order] for n in Gaussians.__dataclass_fields__))
    a, b = rasterise(scene, CAMERA), rasterise(shuffled, CAMERA)
    np.testing.assert_array_equal(a.rgb, b.rgb)
    np.testing.assert_array_equal(a.depth_m, b.depth_m)


def test_nothing_in_view_is_background_and_bad_values_are_no_crash():
    behind = one((0, 0, -3), (1, 1, 1))
    image = rasterise(behind, CAMERA, background=(0.1, 0.2, 0.3))
    np.testing.assert_allclose(image.rgb, np.broadcast_to(np.array([0.1, 0.2, 0.3], np.float32), image.rgb.shape))
    assert (image.alpha == 0).all()
    scene = random_scene(20)
    scene.means[3] = np.nan
    scene.scales[4] = 0
    scene.scales[5] = 1e20
    assert np.isfinite(rasterise(scene, CAMERA).rgb).all()
    nothing = Gaussians(*(getattr(scene, n)[:0] for n in Gaussians.__dataclass_fields__))
    assert (rasterise(nothing, CAMERA).alpha == 0).all()


def test_the_projection_lists_what_is_seen_from_near_to_far():
    view = project(random_scene(), CAMERA)
    assert (np.diff(view.depth_m) >= 0).all()
    assert view.tile_start[-1] == len(view.entries)
    assert set(view.entries) == set(range(len(view.index)))


@pytest.mark.parametrize("scale", [1.0, 0.02, 0.0002])
def test_small_scenes_look_like_large_ones(scale):
    """Nothing of a scene a tenth of a millimetre away is taken for being behind the lens."""
    scene = random_scene(60, seed=4, coefficients=1)
    scene = replace(scene, means=np.maximum(scene.means, np.array([-9, -9, 1], np.float32)))
    small = replace(scene, means=scene.means * np.float32(scale), scales=scene.scales * np.float32(scale))
    seen, wanted = (rasterise(gaussians, CAMERA) for gaussians in (small, scene))
    np.testing.assert_allclose(seen.rgb, wanted.rgb, atol=1e-4)
    np.testing.assert_allclose(seen.alpha, wanted.alpha, atol=1e-4)
