"""Splats by the predictor: on our own points, with our conventions, in the unit of the scene."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from predictor_golden import every_pixel, rule_predictor

from infinidepth_blender.camera import Camera
from infinidepth_blender.errors import Cancelled
from infinidepth_blender.field.preprocess import PreparedImage, prepare_image
from infinidepth_blender.reconstruction import NO_DEPTH_M, Gaussians, PointArrays
from infinidepth_blender.splats.predicted import FARTHEST_M, network_grid, predict_splats
from infinidepth_blender.splats.predictor import GaussianPredictor
from infinidepth_blender.splats.raster import rasterise

TOKEN_WIDTH = 24


def picture(width: int, height: int) -> NDArray[np.uint8]:
    y, x = np.mgrid[:height, :width]
    waves = [127 + 120 * np.sin(x / 9 + 2 * k) * np.cos(y / (7 + k)) for k in range(3)]
    return np.stack(waves, axis=-1).astype(np.uint8)


class Scene:
    """A photo of a slanted plane, and a point on the plane for each given place in the picture."""

    def __init__(self, width: int = 96, height: int = 64, tokens: int = 24, scale: float = 1.0) -> None:
        self.photo = picture(width, height)
        self.prepared: PreparedImage = prepare_image(self.photo, tokens, 16)
        self.camera = Camera.from_fov_x(1.0, width, height)
        self.normal = np.array([0.2, -0.1, -0.97])
        self.normal /= np.linalg.norm(self.normal)
        self.distance = 5.0 * scale
        rows, columns = self.prepared.image.shape[2] // 16, self.prepared.image.shape[3] // 16
        self.tokens = torch.randn(1, rows * columns, TOKEN_WIDTH, generator=torch.Generator().manual_seed(1))

    def depth(self, px: NDArray) -> NDArray[np.float32]:
        rays = self.camera.unproject(px[:, 0], px[:, 1], np.ones(len(px)))
        return (self.distance / -(rays @ self.normal)).astype(np.float32)

    def pixels_of_network(self) -> NDArray[np.float64]:
        """(h * w, 2) places in the photo of the pixel centres of the network's input, row by row."""
        height, width = network_grid(self.prepared)
        y, x = np.mgrid[:height, :width] + 0.5
        return np.stack([x * self.camera.width_px / width, y * self.camera.height_px / height], axis=-1).reshape(-1, 2)

    def depth_map(self) -> NDArray[np.float32]:
        return self.depth(self.pixels_of_network()).reshape(network_grid(self.prepared))

    def points(self, px: NDArray, spacing_px: float = 0.5) -> PointArrays:
        """Points at places in the picture, so many network pixels apart."""
        z = self.depth(px)
        positions = self.camera.unproject(px[:, 0], px[:, 1], z)
        height, width = network_grid(self.prepared)
        own = self.camera.resized(width, height)
        slant = np.abs(positions @ self.normal) / z
        side = spacing_px * z / np.sqrt(own.fx_px * own.fy_px * slant)
        return PointArrays(
            positions_cam=positions,
            normals_cam=np.tile(self.normal.astype(np.float32), (len(z), 1)),
            colors_srgb=np.zeros((len(z), 3), np.uint8),
            radius_m=(side / 2).astype(np.float32),
            confidence=np.ones(len(z), np.float32),
            source_px=px.astype(np.float32),
        )

    def predict(
        self,
        points: PointArrays,
        predictor: GaussianPredictor | None = None,
        depth_m: NDArray[np.float32] | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> Gaussians:
        depth_m = self.depth_map() if depth_m is None else depth_m
        predictor = predictor or opaque_predictor()
        return predict_splats(predictor, self.prepared, self.tokens, depth_m, points, self.camera, progress)


def opaque_predictor() -> GaussianPredictor:
    """The golden weights, but nothing is so transparent that it is left out."""
    predictor = GaussianPredictor(TOKEN_WIDTH)
    predictor.load_state_dict(rule_predictor(TOKEN_WIDTH).state_dict())
    with torch.no_grad():
        predictor.gaussian_head.get_parameter("2.bias")[0] += 20
    return predictor.requires_grad_(False)


@pytest.mark.parametrize(("width", "height"), [(96, 64), (64, 96), (400, 40)])
def test_a_point_on_a_pixel_centre_gets_what_the_network_says_of_that_pixel(width, height):
    scene, predictor = Scene(width, height), opaque_predictor()
    points = scene.points(scene.pixels_of_network())
    splats = scene.predict(points, predictor)
    np.testing.assert_array_equal(splats.means, points.positions_cam)
    inner_height, inner_width = network_grid(scene.prepared)
    outer_height, outer_width = scene.prepared.image.shape[2:]
    top, left = (outer_height - inner_height) // 2, (outer_width - inner_width) // 2
    assert (top > 0) == (width == 400), "only the long strip is continued at its edges"
    framed = np.pad(scene.depth_map(), ((top, top), (left, left)), mode="edge")
    seen = every_pixel(predictor(scene.prepared.image, torch.from_numpy(framed)[None, None], scene.tokens))
    inner = np.arange(outer_height * outer_width).reshape(outer_height, outer_width)
    inner = inner[top : top + inner_height, left : left + inner_width].ravel()
    for ours, theirs in (
        (splats.scales, seen.scales_m),
        (splats.rotations, seen.rotations),
        (splats.opacities, seen.opacities),
        (splats.sh, seen.sh),
    ):
        np.testing.assert_allclose(ours, theirs[0].numpy()[inner], rtol=2e-3, atol=2e-3)


def random_places(scene: Scene, count: int = 400) -> NDArray[np.float64]:
    return np.random.default_rng(0).uniform(0, 1, (count, 2)) * (scene.camera.width_px, scene.camera.height_px)


def test_sizes_have_the_unit_of_a_scene_that_is_far_from_all_the_network_knows():
    reference, large = Scene(scale=10.0), Scene(scale=1000.0)
    median = float(np.median(reference.depth_map()))
    usual = Scene(scale=10.0 * 50 / median)
    px = random_places(usual)
    expected, ours = usual.predict(usual.points(px)), large.predict(large.points(px))
    factor = large.distance / usual.distance
    np.testing.assert_allclose(ours.means, expected.means * factor, rtol=1e-4)
    np.testing.assert_allclose(ours.scales, expected.scales * factor, rtol=1e-3)
    np.testing.assert_allclose(ours.opacities, expected.opacities, atol=1e-4)


def test_sizes_in_an_ordinary_scene_are_the_networks_own():
    scene = Scene()
    px = scene.pixels_of_network()
    near = scene.predict(scene.points(px, spacing_px=0.3))
    nearer = scene.predict(scene.points(px, spacing_px=1.0))
    np.testing.assert_allclose(near.scales, nearer.scales, rtol=1e-5)


def test_where_points_are_sparser_than_pixels_splats_grow_with_the_spacing():
    scene = Scene()
    px = random_places(scene)
    dense, sparse = (scene.predict(scene.points(px, spacing_px=spacing)) for spacing in (1.0, 3.0))
    np.testing.assert_allclose(sparse.scales, 3 * dense.scales, rtol=1e-3)
    np.testing.assert_array_equal(sparse.rotations, dense.rotations)


def test_what_is_further_than_the_network_sees_keeps_its_size_in_the_picture():
    scene = Scene(scale=4.0)
    points = scene.points(random_places(scene))
    flat = np.full(network_grid(scene.prepared), 10.0, np.float32)
    flat[:, -10:] = 1000.0
    far = replace(points, positions_cam=points.positions_cam * (1000 / points.positions_cam[:, 2:]))
    at_limit = replace(points, positions_cam=points.positions_cam * (FARTHEST_M / points.positions_cam[:, 2:]))
    a, b = scene.predict(far, depth_m=flat), scene.predict(at_limit, depth_m=flat)
    np.testing.assert_allclose(a.scales, b.scales * (1000 / FARTHEST_M), rtol=1e-4)


def test_sky_and_holes_in_the_depth_map_are_far_and_harm_nothing():
    scene = Scene()
    depth = scene.depth_map()
    depth[:8], depth[8:10], depth[10:12] = NO_DEPTH_M, np.nan, 0
    splats = scene.predict(scene.points(random_places(scene)), depth_m=depth)
    for name in Gaussians.__dataclass_fields__:
        assert np.isfinite(getattr(splats, name)).all()
    np.testing.assert_allclose(np.linalg.norm(splats.rotations, axis=1), 1, atol=1e-4)
    assert splats.sh.shape[1:] == (9, 3)


def test_invisible_splats_are_left_out():
    predictor = opaque_predictor()
    with torch.no_grad():
        predictor.gaussian_head.get_parameter("2.bias")[0] -= 100
    scene = Scene()
    assert len(scene.predict(scene.points(random_places(scene)), predictor)) == 0


def test_no_points_make_no_splats():
    scene = Scene()
    assert len(scene.predict(scene.points(np.zeros((0, 2))))) == 0


def test_it_reports_how_far_it_is_and_can_be_stopped():
    scene, done = Scene(), []
    scene.predict(scene.points(random_places(scene)), progress=done.append)
    assert done == sorted(done)
    assert done[-1] == 1.0

    def stop(_: float) -> None:
        raise Cancelled()

    with pytest.raises(Cancelled):
        scene.predict(scene.points(random_places(scene)), progress=stop)


def test_a_depth_map_of_another_size_is_an_error():
    scene = Scene()
    with pytest.raises(ValueError, match="depth map"):
        scene.predict(scene.points(random_places(scene)), depth_m=np.ones((7, 7), np.float32))


def plain_predictor(scale_m: float) -> GaussianPredictor:
    """Opaque balls of one size in the photo's colours, whatever it sees."""
    predictor = GaussianPredictor(TOKEN_WIDTH)
    with torch.no_grad():
        for parameter in predictor.parameters():
            parameter.zero_()
        bias = predictor.gaussian_head.get_parameter("2.bias")
        bias[0], bias[3:6], bias[6] = 8.0, 4 + np.log(np.expm1(scale_m)), 1.0
    return predictor.requires_grad_(False)


def test_the_photo_comes_back_from_its_own_camera():
    scene = Scene(192, 128, tokens=12 * 8)
    pixel_m = scene.distance / scene.camera.fx_px
    splats = scene.predict(scene.points(scene.pixels_of_network(), spacing_px=1.0), plain_predictor(0.6 * pixel_m))
    seen = rasterise(splats, scene.camera)
    inner = slice(8, -8), slice(8, -8)
    assert seen.alpha[inner].min() > 0.95
    error = seen.rgb[inner] - scene.photo[inner] / 255
    assert 10 * np.log10(1 / np.mean(error**2)) > 26
