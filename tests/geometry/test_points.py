from __future__ import annotations

import numpy as np

from infinidepth_blender.camera import Camera
from infinidepth_blender.geometry.points import ROUND_COSINE, build_points, drawn_radius_m, sample_colors

CAMERA = Camera(4, 2, 3.0, 3.0, 2.0, 1.0)


def test_points_lie_on_their_rays_and_face_the_camera() -> None:
    coords = np.array([[0.5, 0.25], [-0.5, -0.75]], np.float32)
    points = build_points(
        coords,
        np.array([2.0, 4.0], np.float32),
        np.array([[0, 0, 1], [0, 0, -1]], np.float32),
        np.array([0.04, 0.16], np.float32),
        np.array([1.0, 0.5], np.float32),
        CAMERA,
        np.zeros((2, 4, 3), np.uint8),
    )
    np.testing.assert_allclose(points.source_px, [[2.5, 1.5], [0.5, 0.5]])
    np.testing.assert_allclose(CAMERA.project(points.positions_cam), points.source_px, atol=1e-5)
    np.testing.assert_allclose(points.positions_cam[:, 2], [2, 4])
    np.testing.assert_array_equal(points.normals_cam, [[0, 0, -1], [0, 0, -1]])
    np.testing.assert_allclose(points.radius_m, [0.1, 0.2])


def test_points_of_slanted_surfaces_are_drawn_smaller() -> None:
    """A wall along the line of sight shows ten times the surface per pixel; no ball of it stands out."""
    slant = np.radians([0, 60, 70, 85, 89, 90])
    normals = np.stack([np.sin(slant), np.zeros(6), -np.cos(slant)], axis=1).astype(np.float32)
    pixel_m = 0.01
    area = pixel_m**2 / np.maximum(np.cos(slant), np.cos(np.radians(87)))
    centre = np.zeros((6, 2), np.float32)
    points = build_points(
        centre, np.full(6, 5, np.float32), normals, area, np.ones(6, np.float32), CAMERA, np.zeros((2, 4, 3), np.uint8)
    )
    np.testing.assert_allclose(points.radius_m, 0.5 * np.sqrt(area), rtol=1e-6)
    drawn = drawn_radius_m(points)
    np.testing.assert_allclose(drawn[:3], points.radius_m[:3], rtol=1e-6)
    assert drawn.max() <= 0.5 * pixel_m / np.sqrt(ROUND_COSINE) * 1.001
    # And wide enough for the rows that they stand in, as the photo's camera sees them.
    assert (drawn[:4] > 0.5 * pixel_m * 0.99).all()
    assert drawn[-1] < 1e-4


def test_colours_are_interpolated_between_pixel_centres() -> None:
    photo = np.array([[[0, 0, 0], [100, 200, 40]]], np.uint8)
    coords = np.array([[0, -1], [0, -0.5], [0, 0], [0, 0.25], [0, 1]], np.float32)
    np.testing.assert_array_equal(sample_colors(photo, coords)[:, 1], [0, 0, 100, 150, 200])


def test_colours_of_a_photo_of_another_size() -> None:
    ramp = np.repeat(np.arange(0, 250, 5, dtype=np.uint8)[None, :, None], 30, axis=0).repeat(3, axis=2)
    coords = np.stack([np.zeros(9), np.linspace(-0.9, 0.9, 9)], axis=1).astype(np.float32)
    expected = ((coords[:, 1] + 1) / 2 * 50 - 0.5) * 5
    np.testing.assert_allclose(sample_colors(ramp, coords)[:, 0], expected, atol=0.51)
