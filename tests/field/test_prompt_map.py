"""Measured depth as the bundled network reads it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from field_fixtures import make_photo, small_network

from infinidepth_blender.field.network import InfiniDepthNetwork
from infinidepth_blender.field.network_field import FieldModel
from infinidepth_blender.field.prompt_map import MIN_LOG_RANGE, LogDepthRange, Measurements, prompt_map
from infinidepth_blender.field.protocol import pixel_centres_yx

TWO = Measurements(np.array([[-0.5, -0.5], [0.5, 0.5]]), np.array([2.0, 8.0]))


def reading_network(seed: int = 0, detail_channels: int = 0) -> InfiniDepthNetwork:
    torch.manual_seed(seed)
    config = replace(small_network().config, prompt_channels=8, detail_channels=detail_channels)
    network = InfiniDepthNetwork(config)
    for layer in (network.prompt.to_half, network.prompt.to_quarter):
        torch.nn.init.normal_(layer.weight, std=0.5)
    return network.eval()


def model_of(network: InfiniDepthNetwork) -> FieldModel:
    return FieldModel(network, torch.device("cpu"), {})


def test_measurements_are_drawn_where_they_are_and_continued() -> None:
    drawn = prompt_map(np.array([[-0.75, -0.75], [0.75, 0.75]]), np.array([0.2, 0.8]), 4, 4)
    np.testing.assert_allclose(drawn[0, [0, 1, 3, 2], [0, 0, 3, 3]], [0.2, 0.2, 0.8, 0.8], atol=1e-6)
    assert drawn[2, 0, 0] == drawn[2, 3, 3] == 1
    assert drawn[2, 1, 1] < drawn[2, 0, 1] < 1
    assert (drawn[3] == 1).all()
    assert 0.2 < drawn[1, 1, 2] < 0.8


def test_of_measurements_in_one_cell_the_most_central_is_drawn() -> None:
    coords = np.array([[0.05, 0.05], [0.5, 0.5], [0.9, 0.9]])
    assert prompt_map(coords, np.array([0.1, 0.5, 0.9]), 2, 2)[0, 1, 1] == pytest.approx(0.5)
    assert prompt_map(coords[::-1], np.array([0.9, 0.5, 0.1]), 2, 2)[0, 1, 1] == pytest.approx(0.5)


def test_nothing_measured_is_all_zero() -> None:
    assert not prompt_map(np.zeros((0, 2)), np.zeros(0), 3, 5).any()


def test_the_range_of_equal_depths_is_not_zero() -> None:
    assert LogDepthRange.of(np.full(9, 1.5)) == LogDepthRange(1.5, MIN_LOG_RANGE)


def test_with_measurements_the_field_is_metric_and_without_it_is_not() -> None:
    model, photo = model_of(reading_network()), make_photo(48, 64)
    without, told = model.encode(photo), model.encode(photo, TWO)
    assert (without.scale, told.scale) == ("relative", "metric")
    assert told.log_depth_low is not None
    assert 2.0 < math.exp(told.log_depth_low) < 2.2
    assert 7.0 < math.exp(told.log_depth_low + told.log_depth_range) < 8.0


def test_ten_times_the_measured_depth_is_ten_times_the_depth() -> None:
    model, photo = model_of(reading_network()), make_photo(48, 64)
    far = Measurements(TWO.coords_yx, TWO.depth_m * 10)
    near_grid, far_grid = (model.encode(photo, told).disparity_grid(20, 30) for told in (TWO, far))
    torch.testing.assert_close(far_grid * 10, near_grid, rtol=1e-4, atol=0)


@pytest.mark.parametrize("detail_channels", [0, 6])
def test_measurements_change_the_answer_near_them_also_in_wide_photos(detail_channels: int) -> None:
    """A strip is padded: its measurements must land where its picture does."""
    model, photo = model_of(reading_network(0, detail_channels)), make_photo(20, 200)
    coords = np.stack([np.zeros(40), np.linspace(-0.9, 0.9, 40)], axis=1)
    depth = np.exp(np.linspace(0, 2, 40))
    changed = depth.copy()
    changed[2] *= 1.5
    before, after = (model.encode(photo, Measurements(coords, d)).disparity_grid(20, 200) for d in (depth, changed))
    difference = (after / before).log().abs()
    assert float(difference.max()) > 0
    assert int(difference.amax(dim=0).argmax()) < 70


def test_slopes_of_a_metric_field_are_those_of_its_disparity() -> None:
    field = model_of(reading_network()).encode(make_photo(48, 64), TWO)
    coords = pixel_centres_yx(9, 11) * 0.8
    step = 1e-3
    slopes = field.disparity_and_gradient(coords)[1]
    for axis in (0, 1):
        move = torch.zeros(2)
        move[axis] = step
        difference = (field.disparity(coords + move) - field.disparity(coords - move)) / (2 * step)
        off = (difference - slopes[:, axis]).abs() / slopes.abs().mean()
        assert float(off.median()) < 0.02


def test_a_network_that_reads_no_measurements_says_so() -> None:
    model = model_of(small_network())
    assert not model.reads_measurements
    with pytest.raises(ValueError, match="measurements"):
        model.encode(make_photo(48, 64), TWO)
