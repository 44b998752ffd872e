"""A field corrected by measurements: it agrees with them, keeps steps sharp, fills holes and ignores wild points."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from infinidepth_blender.field.grid import GridField
from infinidepth_blender.field.prompt_map import Measurements
from infinidepth_blender.field.prompted import PromptedField, _supported
from infinidepth_blender.field.protocol import DepthField, pixel_centres_yx
from infinidepth_blender.field.rehearsal import MAX_TOLD, AskAgain, at_places
from infinidepth_blender.field.resample import nearest

HEIGHT, WIDTH = 90, 120


def scene_depth(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """A tilted wall behind a tilted box."""
    y, x = pixel_centres_yx(height, width).double().view(height, width, 2).unbind(-1)
    wall, box = 0.20 + 0.03 * y - 0.02 * x, 0.50 + 0.05 * x
    return (1 / torch.where((y.abs() < 0.5) & (x.abs() < 0.4), box, wall)).numpy()


def poor_field(height: int = HEIGHT, width: int = WIDTH) -> GridField:
    """The same scene as a poor network sees it: bent by up to 20 %."""
    y, x = pixel_centres_yx(height, width).view(height, width, 2).numpy().transpose(2, 0, 1)
    return GridField(scene_depth(height, width) * (1 + 0.2 * np.sin(3 * x + 1) * np.cos(2 * y)))


def sparse(depth: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    chosen = np.random.default_rng(seed).choice(depth.size, count, replace=False)
    result = np.zeros_like(depth)
    result.flat[chosen] = depth.flat[chosen]
    return result


def error(field: PromptedField, depth: np.ndarray) -> np.ndarray:
    height, width = depth.shape
    return np.abs(1 / field.disparity_grid(height, width).numpy() / depth - 1)


def test_sparse_points_straighten_a_poor_field() -> None:
    truth = scene_depth()
    field = PromptedField(poor_field(), sparse(truth, 400), WIDTH, HEIGHT)
    off = error(field, truth)
    assert np.mean(off < 0.01) > 0.93
    assert np.median(off) < 1e-3
    assert field.expected_error < 0.01 and field.left_out < 0.02


def test_sparse_measurements_come_back() -> None:
    truth = scene_depth()
    given = sparse(truth, 300)
    off = error(PromptedField(poor_field(), given, WIDTH, HEIGHT), truth)[given > 0]
    assert np.mean(off < 0.005) > 0.97


def test_wild_points_make_no_spikes() -> None:
    truth = scene_depth()
    given = sparse(truth, 600)
    wild = np.flatnonzero(given)[::30]
    given.flat[wild] *= np.where(np.arange(len(wild)) % 2, 0.2, 6)
    field = PromptedField(poor_field(), given, WIDTH, HEIGHT)
    assert np.median(error(field, truth).flat[wild]) < 0.01
    assert field.left_out == pytest.approx(len(wild) / 600, abs=0.02)


def test_who_is_alone_at_a_step_is_not_wild() -> None:
    place = np.argwhere(np.ones((12, 12))) * 6.0
    depth = np.where(place[:, 1] < 36, 2.0, 8.0)
    at_step, within = 6 * 12 + 6, 6 * 12 + 2
    depth[[at_step, within]] = 4.0
    far_off = 9 * 12 + 6
    depth[far_off] = 40.0
    kept = _supported(place, 1 / depth, np.full(len(place), 1 / 3.0))
    assert kept[at_step]
    assert np.flatnonzero(~kept).tolist() == [within, far_off]


def test_wild_points_on_a_steep_floor_are_left_out() -> None:
    place = np.argwhere(np.ones((12, 12))) * 20.0
    depth = 300 / (place[:, 0] + 60)
    wild = [4 * 12 + 5, 8 * 12 + 2]
    depth[wild] *= [6.0, 0.2]
    kept = _supported(place, 1 / depth, np.full(len(place), 1 / 3.0))
    assert np.flatnonzero(~kept).tolist() == wild


def test_dense_maps_come_back_pixel_by_pixel_and_holes_are_filled() -> None:
    truth = scene_depth()
    given = truth.copy()
    given[40:52, 55:68] = 0  # in the box
    given[5:20, 80:95] = 0  # in the wall
    off = error(PromptedField(poor_field(), given, WIDTH, HEIGHT), truth)
    assert off[given > 0].max() < 1e-5
    assert off[given == 0].max() < 0.03 and np.median(off[given == 0]) < 0.003  # bent by 20 % before


def test_dense_steps_stay_sharp_between_the_pixels() -> None:
    depth = np.full((40, 40), 2.0)
    depth[:, 20:] = 5.0
    field = PromptedField(GridField(np.full((40, 40), 3.0)), depth, 40, 40)
    values = 1 / field.disparity_grid(160, 160)
    assert torch.all(((values - 2).abs() < 1e-4) | ((values - 5).abs() < 1e-4))


def test_large_dense_maps_keep_their_resolution() -> None:
    y = np.linspace(2, 3, 1300)[:, None]
    depth = y + np.where(np.arange(300) % 2, 0.01, 0)  # one pixel wide stripes
    given = np.where(np.hypot(*np.ogrid[-650:650, -150:150]) < 20, 0, depth)
    off = error(PromptedField(GridField(depth[::20, ::20] * 1.2), given, 300, 1300), depth)
    assert off[given > 0].max() < 1e-5
    assert off[given == 0].max() < 0.02


COARSE_SIZE = 22, 29


def coarse(depth: np.ndarray) -> np.ndarray:
    """What a small sensor measures: the depth at the centres of a few large pixels."""
    row, column = (
        ((np.arange(n) + 0.5) / n * size).astype(int) for n, size in zip(COARSE_SIZE, depth.shape, strict=True)
    )
    return depth[np.ix_(row, column)]


def painted() -> np.ndarray:
    """The photo of the scene: the box is red, the wall grey."""
    y, x = pixel_centres_yx(HEIGHT, WIDTH).view(HEIGHT, WIDTH, 2).numpy().transpose(2, 0, 1)
    box = (np.abs(y) < 0.5) & (np.abs(x) < 0.4)
    return np.where(box[..., None], [200, 40, 40], [120, 120, 120]).astype(np.uint8)


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_a_coarse_dense_map_gets_the_outlines_of_the_photo(noise: float) -> None:
    """Pixel by pixel, 27 % of those near the outline would have the other surface's depth."""
    truth = scene_depth()
    given = coarse(truth) * (1 + noise * np.random.default_rng(0).standard_normal(COARSE_SIZE))
    off = error(PromptedField(poor_field(), given, WIDTH, HEIGHT, painted()), truth)
    y, x = pixel_centres_yx(HEIGHT, WIDTH).view(HEIGHT, WIDTH, 2).numpy().transpose(2, 0, 1)
    aside = np.maximum(np.abs(y) - 0.5, np.abs(x) - 0.4)
    assert np.mean(off[np.abs(aside) < 0.05] > 0.1) < 0.01
    assert np.mean(off > 0.01) < (0.01 if noise == 0 else 0.6)


def test_the_noise_of_a_coarse_map_is_not_made_larger() -> None:
    rng = np.random.default_rng(4)
    truth = 1 / (0.3 + 0.05 * pixel_centres_yx(HEIGHT, WIDTH).view(HEIGHT, WIDTH, 2).numpy()[..., 0])
    given = coarse(truth) * (1 + 0.02 * rng.standard_normal(COARSE_SIZE))
    depth = 1 / PromptedField(GridField(truth), given, WIDTH, HEIGHT).disparity_grid(HEIGHT, WIDTH).numpy()
    off = depth / truth - 1
    assert np.std(off) < 0.018
    # Enlarged pixel by pixel: 0.0074.
    assert np.abs(np.diff(off, 2, axis=1)).mean() < 0.005


def test_holes_in_a_coarse_map_are_filled() -> None:
    given = coarse(scene_depth())
    hole = np.zeros(COARSE_SIZE, bool)
    hole[9:13, 12:17] = hole[2:5, 20:25] = True
    given[hole] = 0
    off = error(PromptedField(poor_field(), given, WIDTH, HEIGHT, painted()), scene_depth())
    inside = nearest(hole, HEIGHT, WIDTH)
    assert off[inside].max() < 0.03 and np.median(off[inside]) < 0.005  # bent by 20 % before
    assert np.quantile(off, 0.98) < 0.01


def test_a_wild_pixel_of_a_coarse_map_is_left_out() -> None:
    given = coarse(scene_depth())
    given[4, 5] *= 3
    field = PromptedField(poor_field(), given, WIDTH, HEIGHT, painted())
    assert field.left_out == pytest.approx(1 / given.size)
    assert np.mean(error(field, scene_depth()) > 0.01) < 0.01


def test_a_map_hardly_smaller_than_the_photo_comes_back_pixel_by_pixel() -> None:
    depth = scene_depth(72, 96) * np.where(np.arange(96) % 2, 1, 1.02)
    field = PromptedField(poor_field(), depth, WIDTH, HEIGHT)
    assert error(field, depth).max() < 1e-5


def test_the_network_is_asked_where_a_measurement_is() -> None:
    """Which is not the middle of a pixel, and may lie beside a step."""
    place = np.random.default_rng(0).uniform(1, 38, (500, 2))
    place[:, 1] += np.where(np.abs(place[:, 1] - 19.5) < 0.1, 0.2, 0)
    cell = np.rint(place).astype(np.intp)

    def disparity(row: np.ndarray, column: np.ndarray) -> np.ndarray:
        return np.where(column < 19.5, 2, 1) + 0.01 * row - 0.005 * column

    network = disparity(*np.indices((40, 40)))
    np.testing.assert_allclose(at_places(network, place, cell), disparity(*place.T), rtol=1e-5)
    np.testing.assert_array_equal(at_places(network, cell.astype(float), cell), network[cell[:, 0], cell[:, 1]])


def test_far_from_measurements_the_field_remains() -> None:
    inner = GridField(scene_depth() * 1.1)
    given = np.zeros((HEIGHT, WIDTH))
    given[:10, :10] = scene_depth()[:10, :10]
    ratio = (
        PromptedField(inner, given, WIDTH, HEIGHT).disparity_grid(HEIGHT, WIDTH) / inner.disparity_grid(HEIGHT, WIDTH)
    ).numpy()
    assert ratio[:10, :10] == pytest.approx(1.1, rel=1e-3)
    assert np.all((ratio > 0.999) & (ratio < 1.11))
    assert np.abs(np.diff(np.log(ratio[60:, 60:]), axis=1)).max() < 0.005  # no seam


def test_grid_points_and_gradient_agree() -> None:
    truth = scene_depth()
    field = PromptedField(poor_field(), sparse(truth, 400), WIDTH, HEIGHT)
    for height, width in ((HEIGHT, WIDTH), (51, 73)):
        points = field.disparity(pixel_centres_yx(height, width)).view(height, width)
        torch.testing.assert_close(points, field.disparity_grid(height, width), rtol=1e-6, atol=0)
    torch.manual_seed(0)
    coords = torch.rand(400, 2) * 1.8 - 0.9
    _, gradient = field.disparity_and_gradient(coords)
    step = 1e-3
    for axis in range(2):
        aside = torch.zeros(2)
        aside[axis] = step
        slope = (field.disparity(coords + aside) - field.disparity(coords - aside)) / (2 * step)
        assert ((slope - gradient[:, axis]).abs() < 2e-3).float().mean() > 0.9


def test_measured_pixels_are_not_sky() -> None:
    sky = np.zeros((HEIGHT, WIDTH), bool)
    sky[:40] = True
    given = np.where(np.arange(HEIGHT)[:, None] >= 20, scene_depth(), 0)
    field = PromptedField(GridField(scene_depth(), sky), given, WIDTH, HEIGHT)
    grid = field.sky_grid(HEIGHT, WIDTH).numpy()
    assert (grid[20:] == 0).all() and (grid[:15] == 1).all()
    assert (field.disparity_grid(HEIGHT, WIDTH)[20:] > 0).all()


@pytest.mark.parametrize("dropped", [0.02, 0.1, 0.5])
@pytest.mark.parametrize("height", [HEIGHT, 15 * HEIGHT])
def test_gaps_in_a_dense_map_are_not_sky(dropped: float, height: int) -> None:
    """Also in a map that is larger than the grid on which measurements are continued."""
    truth = scene_depth(height, WIDTH)
    given = np.where(np.random.default_rng(1).random(truth.shape) < dropped, 0, truth)
    all_sky = GridField(scene_depth(), np.ones((HEIGHT, WIDTH), bool))
    field = PromptedField(all_sky, given, WIDTH, height)
    assert np.mean(field.sky_grid(height, WIDTH).numpy()[given == 0]) < 0.05


def test_what_a_coarse_map_measures_is_not_sky() -> None:
    """Also the corners of its pixels; but what looks otherwise may be."""
    all_sky = GridField(scene_depth(), np.ones((HEIGHT, WIDTH), bool))
    given = coarse(scene_depth())
    given[:, 15:] = 0
    sky = PromptedField(all_sky, given, WIDTH, HEIGHT, np.full((HEIGHT, WIDTH, 3), 90, np.uint8))
    grid = sky.sky_grid(HEIGHT, WIDTH).numpy()
    y, x = pixel_centres_yx(HEIGHT, WIDTH).view(HEIGHT, WIDTH, 2).numpy().transpose(2, 0, 1)
    at_step = np.maximum(np.abs(y) - 0.5, np.abs(x) - 0.4)
    assert (grid[:, :60][np.abs(at_step[:, :60]) > 0.1] == 0).all() and (grid[:, 66:] == 1).all()


@pytest.mark.parametrize("count", [4, 12, 30, 120])
def test_what_no_measurement_shows_keeps_its_depth(count: int) -> None:
    """All measurements lie on the wall; the box stands before it, between them."""
    truth = scene_depth()
    y, x = pixel_centres_yx(HEIGHT, WIDTH).view(HEIGHT, WIDTH, 2).numpy().transpose(2, 0, 1)
    network = GridField(truth * (1 + 0.01 * np.sin(7 * x) * np.cos(5 * y)))
    box = (np.abs(y) < 0.5) & (np.abs(x) < 0.4)
    field = PromptedField(network, sparse(np.where(box, 0, truth), count * 4), WIDTH, HEIGHT)
    assert np.median(error(field, truth)[box]) < 0.03
    assert np.median(error(field, truth)[~box]) < 0.02


def short_sighted(measured: Measurements) -> DepthField:
    """A network that, told anything, sees all as it is up to the farthest of what it was told, and nothing farther."""
    return GridField(np.minimum(wavy_floor(), measured.depth_m.max()))


def wavy_floor() -> np.ndarray:
    """A floor from 2 to 20 m with waves that few measurements show."""
    y, x = pixel_centres_yx(HEIGHT, WIDTH).view(HEIGHT, WIDTH, 2).numpy().transpose(2, 0, 1)
    return np.exp(np.log(20) - (y + 1) / 2 * np.log(10)) * (1 + 0.1 * np.sin(17 * x) * np.cos(13 * y))


def test_a_network_that_is_told_measurements_is_not_believed_beyond_them() -> None:
    truth = wavy_floor()
    y, x = pixel_centres_yx(HEIGHT, WIDTH).view(HEIGHT, WIDTH, 2).numpy().transpose(2, 0, 1)
    network = GridField(truth * (1 + 0.15 * np.sin(5 * x + 1) * np.cos(4 * y)))
    near = np.where(truth < 6, truth, 0)
    given = np.where(np.random.default_rng(2).random(truth.shape) < 300 / (near > 0).sum(), near, 0)
    field = PromptedField(network, given, WIDTH, HEIGHT, ask_again=short_sighted)
    alone = PromptedField(network, given, WIDTH, HEIGHT)
    assert field.asked_again
    off, before = error(field, truth), error(alone, truth)
    inside, beyond = (truth < 5) & (given == 0), truth > 9
    assert np.median(off[inside]) < 0.7 * np.median(before[inside])
    assert off[beyond].max() < 0.25  # what it said is off by more


def test_of_many_measurements_those_that_are_told_have_no_pattern() -> None:
    calls: list[Measurements] = []
    truth = wavy_depth()
    PromptedField(poor_field(), truth, WIDTH, HEIGHT, ask_again=knowing_better(calls))
    PromptedField(
        poor_field(), np.where(np.arange(WIDTH) % 2, truth, 0), WIDTH, HEIGHT, ask_again=knowing_better(calls)
    )
    for call in calls:
        assert len(call.depth_m) == MAX_TOLD
        counts = np.histogram(call.coords_yx[:, 1], 12, (-1, 1))[0]
        assert counts.min() > 0.6 * MAX_TOLD / 12
    assert len(calls) >= 3


def test_a_few_points_are_enough_and_none_is_refused() -> None:
    truth = scene_depth()
    for count in (1, 2, 5):
        field = PromptedField(poor_field(), sparse(truth, count), WIDTH, HEIGHT)
        assert torch.isfinite(field.disparity_grid(HEIGHT, WIDTH)).all()
    with pytest.raises(ValueError, match="no measurement"):
        PromptedField(poor_field(), np.zeros((9, 12)), WIDTH, HEIGHT)


def test_a_dense_map_without_two_like_neighbours_is_no_crash() -> None:
    row, column = np.indices((HEIGHT, WIDTH))
    wild = 0.01 * 2.0 ** (row % 3 + 3 * (column % 3))
    field = PromptedField(poor_field(), wild, WIDTH, HEIGHT)
    assert (field.disparity_grid(HEIGHT, WIDTH) > 0).any()


def wavy_depth() -> np.ndarray:
    """The scene with waves that 120 measurements do not show."""
    y, x = pixel_centres_yx(HEIGHT, WIDTH).view(HEIGHT, WIDTH, 2).numpy().transpose(2, 0, 1)
    return scene_depth() * (1 + 0.1 * np.sin(17 * x) * np.cos(13 * y))


def knowing_better(calls: list[Measurements]) -> AskAgain:
    """A network that, told anything, sees the wavy scene nearly as it is."""

    def ask_again(measured: Measurements) -> DepthField:
        calls.append(measured)
        y, x = pixel_centres_yx(HEIGHT, WIDTH).view(HEIGHT, WIDTH, 2).numpy().transpose(2, 0, 1)
        return GridField(wavy_depth() * (1 + 0.01 * np.sin(3 * x) * np.cos(2 * y)))

    return ask_again


def test_a_network_that_is_told_the_measurements_is_used_if_it_then_sees_better() -> None:
    truth, calls = wavy_depth(), []
    given = sparse(truth, 120)
    alone = PromptedField(poor_field(), given, WIDTH, HEIGHT)
    field = PromptedField(poor_field(), given, WIDTH, HEIGHT, ask_again=knowing_better(calls))
    assert field.asked_again and not alone.asked_again
    assert np.mean(error(field, truth) < 0.01) > np.mean(error(alone, truth) < 0.01)
    # First without those that judge it, then with all.
    assert [len(call.depth_m) for call in calls] == [90, 120]


def test_a_network_that_measurements_confuse_is_not_used() -> None:
    truth = scene_depth()
    given = sparse(truth, 400)
    noise = GridField(np.random.default_rng(0).uniform(1, 9, truth.shape))
    field = PromptedField(poor_field(), given, WIDTH, HEIGHT, ask_again=lambda measured: noise)
    assert not field.asked_again
    np.testing.assert_array_equal(
        field.disparity_grid(HEIGHT, WIDTH),
        PromptedField(poor_field(), given, WIDTH, HEIGHT).disparity_grid(HEIGHT, WIDTH),
    )


def test_measurements_are_told_where_they_are() -> None:
    truth, calls = scene_depth(), []
    PromptedField(poor_field(), sparse(truth, 120), WIDTH, HEIGHT, ask_again=knowing_better(calls))
    coords = torch.from_numpy(calls[-1].coords_yx).float()
    seen = 1 / GridField(truth).disparity(coords).numpy()
    np.testing.assert_allclose(calls[-1].depth_m, seen, rtol=1e-3)


def test_few_measurements_are_not_told() -> None:
    calls: list[Measurements] = []
    PromptedField(poor_field(), sparse(scene_depth(), 20), WIDTH, HEIGHT, ask_again=knowing_better(calls))
    assert calls == []
