"""Factor, offset, sky and camera from the bundled model, on fields with a closed form."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from analytic_fields import PlaneField

from infinidepth_blender.engine.companion import CompanionField, companion_alignment
from infinidepth_blender.engine.scale import MEDIAN_DEPTH_M, scale_to_metres
from infinidepth_blender.field.grid import GridField

SIZE = (320, 240)


def bundled(sky_above_y: float = -2.0) -> PlaneField:
    field = PlaneField(0.2, 0.1, 0.03, sky_above_y, scale="relative", fov_x_rad=1.1)
    field.pitch_rad, field.roll_rad = 0.1, -0.05  # type: ignore[attr-defined]
    return field


def affine_of(field: PlaneField, factor: float, offset: float) -> PlaneField:
    """The field whose `factor * disparity + offset` is the given one."""
    constant, by_y, by_x = field.coefficients
    return PlaneField((constant - offset) / factor, by_y / factor, by_x / factor, scale="affine")


@pytest.mark.parametrize(("factor", "offset"), [(0.7, 0.05), (3.0, -0.4), (0.01, 0.1)])
def test_the_line_is_found(factor: float, offset: float) -> None:
    aligned = companion_alignment(affine_of(bundled(), factor, offset), bundled(), *SIZE)
    assert isinstance(aligned, CompanionField)
    assert (aligned.factor, aligned.offset) == pytest.approx((factor, offset), rel=1e-4)
    torch.testing.assert_close(aligned.disparity_grid(9, 12), bundled().disparity_grid(9, 12))
    assert aligned.scale == "relative"
    assert aligned.details["companion_median_error"] < 1e-4


def test_sky_and_camera_are_the_companions() -> None:
    companion = bundled(sky_above_y=-0.5)
    aligned = companion_alignment(affine_of(bundled(), 0.7, 0.05), companion, *SIZE)
    assert (aligned.fov_x_rad, aligned.pitch_rad, aligned.roll_rad) == (1.1, 0.1, -0.05)
    assert torch.equal(aligned.sky_grid(8, 8), companion.sky_grid(8, 8))


def test_the_sky_does_not_take_part_in_the_fit() -> None:
    height, width = 60, 80
    truth = 1 / bundled().disparity_grid(height, width).numpy().astype(np.float64)
    sky = np.zeros((height, width), bool)
    sky[:25] = True
    wild = np.where(sky, 0.5, truth)
    aligned = companion_alignment(affine_of(bundled(), 0.7, 0.05), GridField(wild, sky, scale="relative"), *SIZE)
    assert (aligned.factor, aligned.offset) == pytest.approx((0.7, 0.05), rel=0.02)


def test_the_farthest_surface_stays_in_front() -> None:
    """A companion that bends where the field is straight would put the far part behind the camera."""
    height, width = 60, 80
    y = np.linspace(0, 1, height)[:, None].repeat(width, axis=1)
    field = GridField(1 / (0.5 + y), scale="affine")
    companion = GridField(1 / (0.02 + np.maximum(y - 0.55, 0) * 2), scale="relative")
    aligned = companion_alignment(field, companion, *SIZE)
    disparity = aligned.disparity_grid(height, width).numpy()
    assert aligned.factor > 0
    assert disparity.min() > 0


def test_a_companion_that_sees_the_opposite_never_turns_the_scene_inside_out() -> None:
    field = affine_of(bundled(), 0.7, 0.05)
    opposite = PlaneField(0.2, -0.1, -0.03, scale="relative")
    aligned = companion_alignment(field, opposite, *SIZE)
    assert aligned.factor > 0
    assert (aligned.disparity_grid(30, 40) > 0).all()


def test_what_passed_for_sky_lies_far_away_and_in_order_not_beyond_the_horizon() -> None:
    """The upper half is no part of the fit, and the line goes below 0 there."""
    truth = PlaneField(0.08, 0.2, 0.0)
    companion = PlaneField(0.08, 0.2, 0.0, sky_above_y=0.0, scale="relative")
    aligned = companion_alignment(affine_of(truth, 0.7, 0.05), companion, *SIZE)
    line = truth.disparity_grid(60, 80)
    assert float(line.min()) < -0.1
    disparity = aligned.disparity_grid(60, 80)
    assert float(disparity.min()) > 0
    assert (disparity.diff(dim=0) > 0).all()
    torch.testing.assert_close(disparity[30:], line[30:], rtol=1e-3, atol=1e-5)
    # The same at points, with the derivative of what is answered.
    at = torch.tensor([[-0.9, 0.1], [-0.45, 0.0], [0.3, -0.7]])
    step = torch.tensor([1e-2, 0.0])
    found, gradient = aligned.disparity_and_gradient(at)
    torch.testing.assert_close(found, aligned.disparity(at))
    slope = (aligned.disparity(at + step) - aligned.disparity(at - step)) / 2e-2
    torch.testing.assert_close(gradient[:, 0], slope, rtol=1e-2, atol=1e-5)


def test_a_flat_field_gives_a_flat_scene() -> None:
    aligned = companion_alignment(PlaneField(2.0, 0.0, 0.0, scale="affine"), bundled(), *SIZE)
    assert np.isfinite([aligned.factor, aligned.offset]).all()
    assert (aligned.disparity_grid(5, 5) > 0).all()


def test_nothing_but_sky_still_gives_a_field() -> None:
    aligned = companion_alignment(affine_of(bundled(), 0.7, 0.05), bundled(sky_above_y=2.0), *SIZE)
    assert (aligned.factor, aligned.offset) == pytest.approx((0.7, 0.05), rel=1e-4)


def test_the_scale_then_follows_the_usual_convention() -> None:
    aligned = companion_alignment(affine_of(bundled(), 0.7, 0.05), bundled(), *SIZE)
    scaled = scale_to_metres(aligned, None, *SIZE, seed=0)
    assert not scaled.scale_known
    assert np.median(1 / scaled.field.disparity_grid(60, 80).numpy()) == pytest.approx(MEDIAN_DEPTH_M, rel=1e-3)
