"""Cameras from segments alone: exact ones, disordered ones, too few; and segments of a drawn picture."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from infinidepth_blender.camera import Camera
from infinidepth_blender.lines.segments import SHORTEST, Segments, find_segments
from infinidepth_blender.lines.upright import CameraGuess, find_upright

WIDTH, HEIGHT = 800, 600
HALF_DIAGONAL = math.hypot(WIDTH, HEIGHT) / 2


def segments_between(start: NDArray[np.float64], end: NDArray[np.float64], noise_px: float = 0.5) -> Segments:
    """Segments between (N, 2) pixels, measured from the middle."""
    step = (end - start) / HALF_DIAGONAL
    length = np.linalg.norm(step, axis=1)
    noise = np.hypot(noise_px / (length * HALF_DIAGONAL), 1e-3)
    return Segments((start + end) / 2 / HALF_DIAGONAL, step / length[:, None], length, noise)


def box_segments(camera: Camera, yaw: float, count: int, seed: int) -> Segments:
    """Segments of random length along the axes of boxes that stand upright, all turned alike, seen with 0.3 pixels of error."""
    rng = np.random.default_rng(seed)
    c, s = math.cos(yaw), math.sin(yaw)
    axes = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
    kept: list[NDArray[np.float64]] = []
    while len(kept) < count:
        start = np.array([rng.uniform(-6, 6), rng.uniform(3, 12), rng.uniform(-3, 3)])
        ends = np.stack([start, start + axes[rng.integers(3)] * rng.uniform(0.5, 2)]) @ camera.world_rotation()
        if (ends[:, 2] < 1).any():
            continue
        pixels = ends[:, :2] / ends[:, 2:] * camera.fx_px
        if (np.abs(pixels) < (WIDTH / 2, HEIGHT / 2)).all() and np.linalg.norm(pixels[1] - pixels[0]) > 15:
            kept.append(pixels + rng.normal(0, 0.3, (2, 2)))
    ends = np.stack(kept)
    return segments_between(ends[:, 0], ends[:, 1])


def camera_of(focal_px: float, pitch: float, roll: float) -> Camera:
    return Camera(WIDTH, HEIGHT, focal_px, focal_px, WIDTH / 2, HEIGHT / 2, "given", pitch, roll)


def guess_of(focal_px: float, pitch: float, roll: float, *deviations: float) -> CameraGuess:
    spread = deviations or (0.2, math.radians(3), math.radians(1.2))
    return CameraGuess(math.log(focal_px / 2 / HALF_DIAGONAL), pitch, roll, *spread)


@pytest.mark.parametrize(
    ("focal_px", "pitch", "roll", "yaw"), [(600, 0.1, 0.02, 0.5), (400, -0.25, -0.03, 1.2), (1100, 0.05, 0.0, 0.8)]
)
def test_boxes_tell_the_camera(focal_px: float, pitch: float, roll: float, yaw: float) -> None:
    segments = box_segments(camera_of(focal_px, pitch, roll), yaw, 120, 3)
    found = find_upright(segments, guess_of(focal_px * 0.75, pitch + 0.06, 0.0))
    assert found is not None
    assert math.exp(found.log_focal) * 2 * HALF_DIAGONAL == pytest.approx(focal_px, rel=0.02)
    assert found.pitch_rad == pytest.approx(pitch, abs=0.006)
    assert found.roll_rad == pytest.approx(roll, abs=0.003)
    assert found.gain > 12


def test_what_is_known_stays() -> None:
    segments = box_segments(camera_of(600, 0.1, 0.02), 0.5, 80, 5)
    guess = guess_of(600, 0.05, 0.0, 0.0, math.radians(3), math.radians(1.2))
    found = find_upright(segments, guess)
    assert found is not None
    assert found.log_focal == guess.log_focal
    assert found.pitch_rad == pytest.approx(0.1, abs=0.004)


def test_a_share_of_lines_that_lie_anyhow_does_no_harm() -> None:
    ordered = box_segments(camera_of(600, 0.1, 0.02), 0.5, 80, 7)
    rng = np.random.default_rng(8)
    start = rng.uniform(-0.4, 0.4, (80, 2)) * (WIDTH, HEIGHT)
    mess = segments_between(start, start + rng.normal(0, 40, (80, 2)))
    names = ("middle", "along", "length", "noise_rad")
    both = Segments(*(np.concatenate([getattr(ordered, name), getattr(mess, name)]) for name in names))
    found = find_upright(both, guess_of(480, 0.05, 0.0))
    assert found is not None
    assert math.exp(found.log_focal) * 2 * HALF_DIAGONAL == pytest.approx(600, rel=0.04)
    assert found.pitch_rad == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("seed", range(4))
def test_lines_without_order_tell_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    start = rng.uniform(-0.4, 0.4, (100, 2)) * (WIDTH, HEIGHT)
    segments = segments_between(start, start + rng.normal(0, 40, (100, 2)))
    assert find_upright(segments, guess_of(600, 0.0, 0.0)) is None


def test_too_few_lines_tell_nothing() -> None:
    segments = box_segments(camera_of(600, 0.1, 0.02), 0.5, 5, 3)
    assert find_upright(segments, guess_of(600, 0.0, 0.0)) is None


def test_segments_of_a_picture_lie_where_they_were_drawn() -> None:
    picture = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    cv2.fillConvexPoly(
        picture, np.array([[200, 100], [600, 180], [560, 500], [220, 480]], np.int32), (60, 90, 160), cv2.LINE_AA
    )
    for factor in (1, 3):
        segments = find_segments(picture.repeat(factor, axis=0).repeat(factor, axis=1))
        assert len(segments) == 4
        slopes = np.sort(np.degrees(np.arctan(segments.along[:, 1] / segments.along[:, 0])) % 180)
        true = np.sort([math.degrees(math.atan2(y, x)) % 180 for x, y in [(400, 80), (-40, 320), (340, 20), (20, 380)]])
        np.testing.assert_allclose(slopes, true, atol=0.4)
        top = segments.middle[np.argmin(segments.middle[:, 1])] * HALF_DIAGONAL + (WIDTH / 2, HEIGHT / 2)
        np.testing.assert_allclose(top, [400, 140], atol=6)


def test_pictures_without_lines_and_tiny_ones_have_no_segments() -> None:
    assert len(find_segments(np.zeros((200, 300, 3), np.uint8))) == 0
    assert len(find_segments(np.zeros((1, 1, 3), np.uint8))) == 0
    noise = np.random.default_rng(0).integers(0, 255, (200, 300, 3), dtype=np.uint8)
    segments = find_segments(noise)
    assert (segments.length >= 2 * SHORTEST).all()
