"""Metres from measured depth, or a stated convention without it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from analytic_fields import PlaneField
from scipy.ndimage import gaussian_filter

from infinidepth_blender.engine.depth_files import DepthPrompt
from infinidepth_blender.engine.masked_field import MaskedField
from infinidepth_blender.engine.scale import MEDIAN_DEPTH_M, PromptUse, ScaledField, scale_to_metres
from infinidepth_blender.errors import DepthFileError, PhotoError
from infinidepth_blender.field.align import AlignedField
from infinidepth_blender.field.grid import GridField

WIDTH, HEIGHT = 320, 240


def measured(field: PlaneField, factor: float, offset: float, height: int = 60, width: int = 80) -> np.ndarray:
    """(h, w) depth of the same scene, whose true disparity is `factor * field + offset`."""
    return 1 / (factor * field.disparity_grid(height, width).numpy() + offset)


def prompt(depth: np.ndarray) -> DepthPrompt:
    return DepthPrompt(Path("/measured/depth.npy"), depth.astype(np.float32))


def scaled_depth(
    field: object, given: DepthPrompt | None, opaque: np.ndarray | None = None
) -> tuple[ScaledField, np.ndarray]:
    scaled = scale_to_metres(field, given, WIDTH, HEIGHT, seed=0)  # type: ignore[arg-type]
    return scaled, 1 / scaled.field.disparity_grid(60, 80).numpy()


def test_metric_fields_stay() -> None:
    field = PlaneField(scale="metric")
    scaled, _ = scaled_depth(field, None)
    assert scaled.field is field and scaled.scale_known and scaled.warnings == ()


def test_without_measurement_the_median_becomes_five_metres() -> None:
    scaled, depth = scaled_depth(PlaneField(scale="relative"), None)
    assert not scaled.scale_known
    assert np.median(depth) == pytest.approx(MEDIAN_DEPTH_M, rel=1e-3)
    assert len(scaled.warnings) == 1 and "--depth-prompt" in scaled.warnings[0]


def test_sky_and_transparent_parts_do_not_count_for_the_median() -> None:
    opaque = np.zeros((HEIGHT, WIDTH), bool)
    opaque[:, 240:] = True
    _, depth = scaled_depth(MaskedField(PlaneField(scale="relative", sky_above_y=0.0), opaque), None)
    assert np.median(depth[30:, 60:]) == pytest.approx(MEDIAN_DEPTH_M, rel=1e-2)


def test_affine_fields_get_all_surfaces_in_front() -> None:
    scaled, depth = scaled_depth(PlaneField(constant=-0.05, scale="affine"), None)
    assert (depth > 0).all() and np.median(depth) == pytest.approx(MEDIAN_DEPTH_M, rel=1e-3)
    assert len(scaled.warnings) == 2


@pytest.mark.parametrize("scale", ["relative", "affine", "metric"])
def test_measured_depth_gives_factor_and_offset(scale: str) -> None:
    field = PlaneField(scale=scale)  # type: ignore[arg-type]
    truth = measured(field, 0.7, 0.02)
    scaled, depth = scaled_depth(field, prompt(truth))
    assert scaled.scale_known and scaled.warnings == ()
    assert np.allclose(depth, truth, rtol=1e-4)
    assert scaled.details["disparity_factor"] == pytest.approx(0.7, rel=1e-4)
    assert scaled.details["prompt_points"] == 4800


def test_outliers_and_holes_do_not_move_the_fit() -> None:
    field = PlaneField(scale="relative")
    truth = measured(field, 0.7, 0.02)
    rng = np.random.default_rng(3)
    noisy = np.where(rng.random(truth.shape) < 0.2, rng.uniform(0.5, 80, truth.shape), truth)
    noisy[rng.random(truth.shape) < 0.9] = 0
    _, depth = scaled_depth(field, prompt(noisy))
    off = np.abs(depth / truth - 1)
    assert np.median(off) < 5e-3 and np.quantile(off, 0.99) < 0.05


def test_the_field_is_bent_to_the_measurements() -> None:
    truth = measured(PlaneField(), 0.7, 0.02)
    bent = truth * (1 + 0.1 * np.sin(np.linspace(0, 6, 80)))
    scaled, depth = scaled_depth(PlaneField(scale="relative"), prompt(bent))
    assert np.allclose(depth, bent, rtol=1e-4)
    assert scaled.details["prompt_left_out"] == 0 and scaled.details["prompt_expected_error"] < 0.01


@pytest.mark.parametrize("scale", ["relative", "affine"])
@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_measurements_that_lie_close_together_do_not_flatten_the_rest(scale: str, noise: float) -> None:
    """Sixty points of one wall, and a network whose shape is off by a few percent."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[-1:1:60j, -1:1:80j]
    truth = 1 / (0.3 + 0.2 * y)
    depth = truth * (1 + 0.04 * np.sin(5 * x) * np.cos(4 * y))
    field = GridField(depth, scale=scale)  # type: ignore[call-arg]
    wall = np.zeros(truth.shape)
    at = rng.permutation(np.flatnonzero(np.abs(truth / np.median(truth) - 1) < 0.02))[:60]
    wall.ravel()[at] = truth.ravel()[at] * (1 + noise * rng.standard_normal(60))
    scaled = scale_to_metres(field, prompt(wall), WIDTH, HEIGHT, seed=0, prompt_use="align")
    assert any("lie close together" in warning for warning in scaled.warnings)
    off = np.abs(1 / scaled.field.disparity_grid(60, 80).numpy() / truth - 1)
    assert np.median(off) < (0.06 if scale == "relative" else 0.4)
    assert off.max() < (0.15 if scale == "relative" else 3)


def wavy_field(scale: str) -> GridField:
    y, x = np.mgrid[-1:1:240j, -1:1:320j]
    return GridField(1 / (0.7 + 0.3 * y + 0.1 * np.sin(9 * x)), scale=scale)  # type: ignore[call-arg]


@pytest.mark.parametrize("noise", [0.0, 1e-9, 0.005])
@pytest.mark.parametrize("seed", range(6))
def test_a_flat_surface_where_the_picture_is_not_flat_gives_the_scale_alone(seed: int, noise: float) -> None:
    """The sign of the line's factor is chance there: flat with one seed, the network's own shape with another."""
    given = np.zeros((HEIGHT, WIDTH))
    given[::8, :100:8] = 3 + noise * np.random.default_rng(seed).standard_normal((30, 13))
    field = wavy_field("relative")
    scaled = scale_to_metres(field, prompt(given), WIDTH, HEIGHT, seed=0, prompt_use="align")
    assert any("contradicts" in warning for warning in scaled.warnings)
    ratio = (scaled.field.disparity_grid(60, 80) / field.disparity_grid(60, 80)).numpy()
    assert np.ptp(ratio) < 1e-5 and 0.3 < ratio.mean() < 0.8


def test_a_flat_surface_in_a_flat_picture_contradicts_nothing() -> None:
    field = PlaneField(0.4, 0.001, 0.0, scale="relative")
    noisy = 3 + 0.01 * np.random.default_rng(0).standard_normal((60, 80))
    scaled = scale_to_metres(field, prompt(noisy), WIDTH, HEIGHT, seed=0, prompt_use="align")
    assert ["close together" in warning for warning in scaled.warnings] == [True]
    assert 1 / scaled.field.disparity_grid(60, 80).numpy() == pytest.approx(3, rel=0.02)


def test_a_noisy_slope_tells_its_line() -> None:
    field = wavy_field("relative")
    truth = 1 / (0.7 * field.disparity_grid(60, 80).numpy() + 0.5)
    noisy = truth * (1 + 0.05 * np.random.default_rng(0).standard_normal(truth.shape))
    scaled = scale_to_metres(field, prompt(noisy), WIDTH, HEIGHT, seed=0, prompt_use="align")
    assert scaled.warnings == ()
    assert scaled.details["disparity_factor"] == pytest.approx(0.7, rel=0.05)


def short_reach(seed: int = 5) -> tuple[GridField, np.ndarray, np.ndarray]:
    """A floor from 2 to 60 m as a network sees it, off by a fifth here and there, its true depth and what a sensor of 8 m tells."""
    y, _ = np.mgrid[-1:1:120j, -1:1:160j]
    truth = np.exp(np.log(60) - (y + 1) / 2 * np.log(30))
    rough = np.random.default_rng(seed).standard_normal((120, 160))
    seen = truth * np.exp(0.25 * gaussian_filter(rough, 6) / gaussian_filter(rough, 6).std()) / 5
    return GridField(seen, scale="relative"), truth, np.where(truth < 8, truth, 0)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("use", ["align", "follow"])
def test_beyond_the_reach_of_a_sensor_one_factor_holds(seed: int, use: PromptUse) -> None:
    field, truth, given = short_reach(seed)
    some = np.where(np.random.default_rng(seed).random(given.shape) < 0.08, given, 0)
    scaled = scale_to_metres(field, prompt(some), WIDTH, HEIGHT, seed=0, prompt_use=use)
    depth = 1 / scaled.field.disparity_grid(120, 160).numpy()
    ratio = depth / truth
    assert (depth > 0).all() and 0.85 < np.median(ratio[truth > 12]) < 1.2
    assert np.median(np.abs(ratio[truth < 8] - 1)) < (0.2 if use == "align" else 0.08)
    assert sum("nearer or farther than all" in warning for warning in scaled.warnings) == 1
    assert scaled.details["prompt_beyond"] > 0.3


def test_measurements_do_not_reach_far_into_what_lies_beyond_all_of_them() -> None:
    """Planes continue the nearer half of what the network sees there; with the reach that they have between them: 0.56."""
    right = []
    for seed in range(4):
        field, truth, given = short_reach(seed)
        some = np.where(np.random.default_rng(seed).random(given.shape) < 200 / (given > 0).sum(), given, 0)
        scaled = scale_to_metres(field, prompt(some), WIDTH, HEIGHT, seed=0)
        off = np.abs(np.log(truth * scaled.field.disparity_grid(120, 160).numpy()))
        right.append(np.mean(off[(truth > 8) & (truth < 20)] < np.log(1.25)))
    assert np.mean(right) > 0.59


def test_measurements_from_everywhere_are_aligned_by_one_line() -> None:
    field, truth, _ = short_reach()
    scaled = scale_to_metres(field, prompt(truth), WIDTH, HEIGHT, seed=0, prompt_use="align")
    assert type(scaled.field) is AlignedField and scaled.details["prompt_beyond"] == 0
    assert not any("nearer or farther" in warning for warning in scaled.warnings)


def test_one_measured_point_gives_the_factor() -> None:
    field = PlaneField(scale="relative")
    truth = measured(field, 0.4, 0.0)
    one = np.zeros_like(truth)
    one[40, 20] = truth[40, 20]
    scaled, depth = scaled_depth(field, prompt(one))
    assert scaled.scale_known and np.allclose(depth, truth, rtol=1e-4)


def test_depth_that_contradicts_the_picture_warns() -> None:
    field = PlaneField(scale="relative")
    scaled, depth = scaled_depth(field, prompt(measured(field, 0.7, 0.02)[::-1]))
    assert (depth > 0).all()
    assert any("contradicts" in w for w in scaled.warnings)


def test_noise_for_depth_warns() -> None:
    depth = np.random.default_rng(0).uniform(0.5, 50, (60, 80))
    scaled, _ = scaled_depth(PlaneField(scale="relative"), prompt(depth))
    assert any("depth.npy" in w for w in scaled.warnings)


def test_nothing_but_sky() -> None:
    with pytest.raises(PhotoError, match="all sky"):
        scaled_depth(PlaneField(sky_above_y=2.0), None)


@pytest.mark.parametrize("scale", ["relative", "affine", "metric"])
@pytest.mark.parametrize("share", [1.0, 0.05])
def test_what_was_measured_is_a_surface_though_the_network_sees_nothing_but_sky(scale: str, share: float) -> None:
    field = PlaneField(sky_above_y=2.0, scale=scale)  # type: ignore[arg-type]
    truth = measured(field, 0.7, 0.02, HEIGHT, WIDTH)
    some = np.where(np.random.default_rng(0).random(truth.shape) < share, truth, 0)
    some[: HEIGHT // 2] = 0
    scaled = scale_to_metres(field, prompt(some), WIDTH, HEIGHT, seed=0)
    depth, sky = 1 / scaled.field.disparity_grid(HEIGHT, WIDTH).numpy(), scaled.field.sky_grid(HEIGHT, WIDTH).numpy()
    assert depth[some > 0] == pytest.approx(truth[some > 0], rel=1e-3)
    assert (sky[some > 0] == 0).all() and (sky[: HEIGHT // 3] == 1).all()


def test_an_answer_that_was_made_from_measurements_may_be_all_sky() -> None:
    field = PlaneField(sky_above_y=2.0)
    scaled = scale_to_metres(field, prompt(measured(field, 1, 0)), WIDTH, HEIGHT, seed=0, prompt_use="check")
    assert scaled.field is field


def test_measurements_only_where_there_is_no_depth() -> None:
    hole = np.full((60, 80), 4.0)
    hole[:30] = np.nan
    given = np.zeros((60, 80))
    given[10:20, 10:20] = 3
    with pytest.raises(DepthFileError, match="only where the model finds none"):
        scaled_depth(GridField(hole, scale="relative"), prompt(given))


@pytest.mark.parametrize("use", ["follow", "align", "check"])
def test_depth_that_was_measured_only_on_transparent_parts_is_refused(use: PromptUse) -> None:
    opaque = np.ones((HEIGHT, WIDTH), bool)
    opaque[:, 160:] = False
    depth = measured(PlaneField(), 1, 0)
    depth[:, :40] = 0
    field = MaskedField(PlaneField(scale="metric"), opaque)
    with pytest.raises(DepthFileError, match="only where the model finds none"):
        scale_to_metres(field, prompt(depth), WIDTH, HEIGHT, seed=0, prompt_use=use)


def test_a_checked_field_stays_as_it_is_and_its_error_is_told() -> None:
    field = PlaneField(scale="metric")
    scaled = scale_to_metres(field, prompt(measured(field, 1.1, 0)), WIDTH, HEIGHT, seed=0, prompt_use="check")
    assert scaled.field is field and scaled.scale_known and scaled.warnings == ()
    assert scaled.details["prompt_median_error"] == pytest.approx(1 - 1 / 1.1, rel=1e-3)
    scaled = scale_to_metres(field, prompt(measured(field, 2, 0)), WIDTH, HEIGHT, seed=0, prompt_use="check")
    assert len(scaled.warnings) == 1 and "50%" in scaled.warnings[0]
