"""The pinhole camera: projection, EXIF rule and axes, against formulas written out here."""

from __future__ import annotations

import math

import numpy as np
import pytest

from infinidepth_blender.camera import OPENCV_TO_BLENDER_WORLD, Camera, cam_to_blender
from infinidepth_blender.errors import OptionsError


def test_projecting_what_was_unprojected_gives_the_pixels_back() -> None:
    camera = Camera(640, 480, 500.0, 510.0, 300.0, 250.0)
    rng = np.random.default_rng(0)
    x_px, y_px, depth_m = rng.uniform(0, 640, 100), rng.uniform(0, 480, 100), rng.uniform(0.5, 50, 100)
    back = camera.project(camera.unproject(x_px, y_px, depth_m))
    np.testing.assert_allclose(back, np.stack([x_px, y_px], axis=-1), atol=1e-3)


def test_depth_is_along_the_optical_axis() -> None:
    camera = Camera.from_fov_x(math.radians(90), 200, 100)
    corner = camera.unproject(np.array(0.0), np.array(50.0), np.array(3.0))
    np.testing.assert_allclose(corner, [-3.0, 0.0, 3.0], atol=1e-6)


def test_field_of_view_survives_a_resize_and_an_off_centre_principal_point() -> None:
    camera = Camera(800, 600, 700.0, 700.0, 300.0, 310.0)
    small = camera.resized(200, 150)
    assert small.fov_x_rad == pytest.approx(camera.fov_x_rad)
    assert small.fov_y_rad == pytest.approx(camera.fov_y_rad)


@pytest.mark.parametrize("fov_deg", [0.0, -10.0, 180.0, float("nan")])
def test_an_impossible_field_of_view_is_refused(fov_deg: float) -> None:
    with pytest.raises(OptionsError):
        Camera.from_fov_x(math.radians(fov_deg), 100, 100)


def test_blender_shift_moves_the_frame_against_the_principal_point() -> None:
    lens = Camera(1000, 500, 900.0, 900.0, 550.0, 240.0).blender_lens()
    assert lens.sensor_fit == "HORIZONTAL"
    assert lens.lens_mm == pytest.approx(36.0 * 0.9)
    assert lens.shift_x == pytest.approx(-0.05)
    assert lens.shift_y == pytest.approx(-0.01)


def test_a_portrait_photo_is_fitted_to_its_height() -> None:
    lens = Camera(500, 1000, 900.0, 900.0, 250.0, 500.0).blender_lens()
    assert lens.sensor_fit == "VERTICAL"
    assert lens.lens_mm == pytest.approx(36.0 * 0.9)


def test_unequal_focal_lengths_become_the_pixel_aspect() -> None:
    lens = Camera(1000, 500, 800.0, 1000.0, 500.0, 250.0).blender_lens()
    assert (lens.pixel_aspect_x, lens.pixel_aspect_y) == pytest.approx((1.25, 1.0))


def test_axes_change_as_the_matrix_says() -> None:
    forward, down = np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 0.0])
    np.testing.assert_array_equal(cam_to_blender(forward), [0, 1, 0])
    np.testing.assert_array_equal(cam_to_blender(down), [0, 0, -1])
    points = np.random.default_rng(1).normal(size=(7, 3)).astype(np.float32)
    np.testing.assert_array_equal(cam_to_blender(points), points @ OPENCV_TO_BLENDER_WORLD.T)


def test_a_pitched_and_rolled_camera_looks_up_and_turns_clockwise() -> None:
    level = Camera.from_focal_px(100.0, 100, 100)
    np.testing.assert_allclose(level.world_rotation() @ [0, 0, 1], [0, 1, 0], atol=1e-12)
    up = Camera(100, 100, 100, 100, 50, 50, pitch_rad=math.radians(30))
    np.testing.assert_allclose(up.world_rotation() @ [0, 0, 1], [0, math.cos(math.pi / 6), 0.5], atol=1e-12)
    rolled = Camera(100, 100, 100, 100, 50, 50, roll_rad=math.radians(10))
    right_axis = rolled.world_rotation() @ [1, 0, 0]
    assert right_axis[2] == pytest.approx(-math.sin(math.radians(10)))


@pytest.mark.parametrize("change", [{"width_px": float("inf")}, {"width_px": float("nan")}, {"cx_px": 10**400}])
def test_numbers_beyond_all_numbers_are_no_camera(change: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(change)) if "nan" not in str(change) else "NaN"):
        Camera.from_json(Camera(640, 480, 500.0, 510.0, 300.0, 250.0).to_json() | change)


def test_json_there_and_back() -> None:
    camera = Camera(640, 480, 500.0, 510.0, 300.0, 250.0, "exif", pitch_rad=0.1)
    assert Camera.from_json(camera.to_json() | {"of_a_later_version": 1}) == camera
