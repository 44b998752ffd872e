"""The perspective field of cameras, against the camera itself; and that its moments tell cameras apart."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from infinidepth_blender.camera import Camera
from infinidepth_blender.field.perspective import MOMENTS, moments, perspective_field

ROWS, COLUMNS, SIDE_PX = 6, 8, 40


def field_of(focal_px: float, pitch_rad: float, roll_rad: float) -> torch.Tensor:
    diagonal = SIDE_PX * math.hypot(ROWS, COLUMNS)
    focal, pitch, roll = (
        torch.tensor([value], dtype=torch.float64)
        for value in (math.log(focal_px / diagonal), math.sin(pitch_rad), roll_rad)
    )
    return perspective_field(focal, pitch, roll, ROWS, COLUMNS)


@pytest.mark.parametrize(("focal_px", "pitch", "roll"), [(300, 0.3, 0.2), (150, -0.5, -0.1), (900, 0.0, 0.0)])
def test_heights_and_up_are_those_of_the_camera(focal_px: float, pitch: float, roll: float) -> None:
    width, height = COLUMNS * SIDE_PX, ROWS * SIDE_PX
    to_world = Camera(width, height, focal_px, focal_px, width / 2, height / 2, "given", pitch, roll).world_rotation()
    field = field_of(focal_px, pitch, roll)[0].reshape(ROWS, COLUMNS, 3).numpy()
    for row, column in [(0, 0), (2, 5), (5, 1)]:
        u, v = (column + 0.5) * SIDE_PX, (row + 0.5) * SIDE_PX
        ray = np.array([(u - width / 2) / focal_px, (v - height / 2) / focal_px, 1.0])
        world = to_world @ ray
        assert field[row, column, 0] == pytest.approx(world[2] / np.linalg.norm(world))
        higher = to_world.T @ (world + np.array([0, 0, 1e-6]))
        moved = higher[:2] / higher[2] - ray[:2]
        np.testing.assert_allclose(field[row, column, 1:], moved / np.linalg.norm(moved), atol=1e-4)


def test_moments_tell_a_longer_lens_from_a_level_and_a_rolled_camera() -> None:
    plain, longer, tilted, rolled = (
        moments(field_of(*camera), ROWS, COLUMNS)[0]
        for camera in [(300, 0, 0), (400, 0, 0), (300, 0.2, 0), (300, 0, 0.1)]
    )
    assert plain.shape == (MOMENTS,)
    changes = torch.stack([longer - plain, tilted - plain, rolled - plain])
    assert torch.linalg.matrix_rank(changes, rtol=1e-2) == 3
