"""Batches made on the device where the network is trained, against those that are made image by image."""

from __future__ import annotations

import time
from functools import partial

import numpy as np
import pytest
import torch
from train.data import _cut, in_other_light
from train.measured import PROMPT_POINTS
from train.pool import Shard, decode_log_depth
from train.presets import PRESETS
from train.queries import both_surfaces
from train.relight import relit
from train.resident import ResidentStream, _Maker
from train.resident_pool import Images, decode_on_device
from train.resident_prompts import prompt_maps

from infinidepth_blender.field.preprocess import resized
from infinidepth_blender.field.prompt_map import LogDepthRange, prompt_map

PATCH_PX = PRESETS["tiny"].network.input_patch_px


@pytest.fixture
def stream(pool):
    stream = ResidentStream(pool, "cpu", 3, 6, 306, PATCH_PX, 0.5, 1e9)
    yield stream
    stream.close()


@pytest.fixture
def maker(stream):
    filled(stream)
    return _Maker(stream, next(iter(stream.pool.by_size.values())), 20)


def filled(stream: ResidentStream, count: int = 6) -> ResidentStream:
    """With all images of the pool, so that nothing depends on when they were read."""
    for _ in range(300):
        stream.pool.take()
        if len(stream.pool) == count:
            return stream
        time.sleep(0.1)
    raise AssertionError("the pool was not read")


def truth_codes(maker, chosen: int) -> np.ndarray:
    return maker.images.codes[chosen].numpy().view(np.uint16)


@pytest.mark.parametrize("shrinks", [False, True])
def test_pixels_are_those_of_the_cut_image(maker, shrinks, monkeypatch):
    if shrinks:
        monkeypatch.setattr(maker.stream, "input_patch_px", 6)
    monkeypatch.setattr("train.relight.SHARE", 0.0)
    pixels = maker._pixels()
    assert any(maker.views.turn_rad)
    assert any(maker.views.mirrored)
    for k, chosen in enumerate(maker.chosen.tolist()):
        image, _ = _cut(maker.images.image[chosen].numpy(), truth_codes(maker, chosen), maker.views, k)
        wanted = resized(np.ascontiguousarray(image), *pixels.shape[2:])
        difference = np.abs(pixels[k].permute(1, 2, 0).numpy() - wanted)
        # Averaged over areas or over four places, and turned before or while it is resized.
        assert float(np.median(difference)) < 0.01
        assert float(difference.mean()) < (0.03 if maker.views.turn_rad[k] else 0.012)


def test_images_in_another_light_are_those_of_the_other_way(maker, monkeypatch):
    """The same change as image by image, from the truth that lies on the device."""
    monkeypatch.setattr("train.relight.SHARE", 1.0)
    chosen = maker.chosen[:1]
    maker.chosen, maker.labels = chosen, maker.labels[:1]
    whole = maker.images.image[chosen].permute(0, 3, 1, 2).float() / 255
    maker.rng = np.random.default_rng(5)
    found = maker._relit(whole)
    rng = np.random.default_rng(5)
    rng.random(1)  # which are chosen
    image, codes = maker.images.image[chosen[0]].numpy(), truth_codes(maker, int(chosen[0]))
    wanted = in_other_light(image, codes, maker.labels[0], partial(relit, rng=rng))
    difference = np.abs(found[0].permute(1, 2, 0).numpy() * 255 - wanted)
    assert float(difference.max()) < 1.01
    assert float((found - whole).abs().max()) > 0.01


def test_queries_read_the_truth_at_their_places(maker):
    y, x = maker._queries()
    coords = maker._in_view(y, x)
    assert float(coords.abs().max()) < 1.05
    there_y, there_x = maker._place(coords)
    assert torch.equal(there_y, y)
    assert torch.equal(there_x, x)
    found, near, far = maker._surfaces(y, x)
    for k, chosen in enumerate(maker.chosen.tolist()):
        truth = decode_log_depth(truth_codes(maker, chosen))
        rows, columns = y[k].numpy(), x[k].numpy()
        np.testing.assert_allclose(found[k], truth[rows, columns], atol=2e-6)
        for mine, theirs in zip((near[k], far[k]), both_surfaces(truth, rows, columns), strict=True):
            np.testing.assert_allclose(mine, theirs, atol=2e-6)
        # The image cut out of the whole says the same, but for what a turn rounds.
        _, view = _cut(maker.images.image[chosen].numpy(), truth_codes(maker, chosen), maker.views, k)
        at = (coords[k].numpy().clip(-0.999, 0.999) + 1) / 2 * view.shape
        cut = decode_log_depth(view)[at[:, 0].astype(int), at[:, 1].astype(int)]
        assert float((np.abs(np.exp(-cut) - np.exp(-truth[rows, columns])) < 0.02).mean()) > 0.85


def test_neighbours_lie_opposite_and_some_queries_beside_steps(maker):
    y, x = maker._queries()
    for values in (y, x):
        here, beside, opposite = values.chunk(3, dim=1)
        assert torch.equal(beside + opposite, 2 * here)
    assert float(maker._in_view(y, x)[:, 102:].abs().max()) < 1.02
    assert float(((y[:, :102] != y[:, 102:204]) | (x[:, :102] != x[:, 102:204])).float().mean()) > 0.6
    found, near, far = maker._surfaces(y, x)
    stepped = (near != far)[:, :20].float().mean()
    assert float(stepped) > float((near != far)[:, 20:102].float().mean())
    assert bool(torch.isfinite(near[found.isfinite()]).all())
    assert bool(torch.isfinite(far[found.isfinite()]).all())


def test_range_is_that_of_the_view(maker):
    low, spread = maker._whole_range()
    for k, chosen in enumerate(maker.chosen.tolist()):
        _, view = _cut(maker.images.image[chosen].numpy(), truth_codes(maker, chosen), maker.views, k)
        log_depth = decode_log_depth(view)
        wanted = LogDepthRange.of(log_depth[np.isfinite(log_depth)])
        assert float(low[k]) == pytest.approx(wanted.low, abs=0.06)
        assert float(spread[k]) == pytest.approx(wanted.spread, rel=0.05, abs=0.02)


def test_a_batch_is_complete_and_equal_seeds_give_equal_ones(pool):
    batches = []
    for _ in range(2):
        stream = ResidentStream(pool, "cpu", 11, 8, 66, PATCH_PX, 0.5, 1e9)
        filled(stream)
        batches.append(stream.next(12))
        stream.close()
    one, other = batches
    for name in one.__dataclass_fields__:
        values = getattr(one, name)
        assert values.dtype == torch.float32
        assert bool(torch.isfinite(values).all()), name
        assert torch.equal(values, getattr(other, name)), name
    assert float(one.coords_yx.abs().max()) <= 1
    assert float(one.image.min()) >= 0
    assert float(one.image.max()) <= 1
    told = one.prompt[:, -1].amax(dim=(1, 2)) > 0
    assert 0 < int(told.sum()) < 8
    assert torch.equal(one.log_spread[~told], one.log_range[~told])


def test_measurements_are_drawn_as_for_a_photograph():
    rng = np.random.default_rng(2)
    height, width = 40, 56
    counts = (1, 30, 600)
    coords, t, given = np.zeros((3, 700, 2)), np.zeros((3, 700)), np.zeros((3, 700), bool)
    for k, count in enumerate(counts):
        coords[k], t[k], given[k, :count] = rng.uniform(-1, 1, (700, 2)), rng.uniform(-0.2, 1.2, 700), True
    places, values = (torch.from_numpy(v.astype(np.float32)) for v in (coords, t))
    maps = prompt_maps(places, values, torch.from_numpy(given), height, width)
    for k, count in enumerate(counts):
        wanted = prompt_map(coords[k, :count], t[k, :count], height, width)
        # Of measurements that are equally near either will do, and among many of them there are such everywhere.
        assert float((np.abs(maps[k, 0] - wanted[0]) < 1e-4).float().mean()) > (0.98 if count < 100 else 0.85)
        np.testing.assert_allclose(maps[k, 2], wanted[2], atol=1e-5)
        assert float((np.abs(maps[k, 1] - wanted[1]) < 1e-3).float().mean()) > 0.97
        assert float(maps[k, 3].min()) == 1


def test_measurements_of_a_batch_tell_its_depth(stream):
    stream.prompted_share = 1.0
    filled(stream)
    for _ in range(4):
        maker = _Maker(stream, next(iter(stream.pool.by_size.values())), 40)
        low, spread = maker._whole_range()
        prompt, low_told, spread_told = maker._measured(low, spread)
        told = prompt[:, -1].amax(dim=(1, 2)) > 0
        assert bool(told.any())
        # Most of them tell of the whole range, those of a short reach of less.
        ratio = (spread_told / spread)[told].log()
        assert float(ratio.median().abs()) < 0.5 and float(ratio.max()) < 1
        # Where a measurement lies, the map says the depth that is there.
        side_y, side_x = ((torch.arange(n) + 0.5) / n * 2 - 1 for n in prompt.shape[2:])
        cells = torch.stack(torch.meshgrid(side_y, side_x, indexing="ij"), dim=-1).reshape(1, -1, 2)
        truth = maker._log_depth(*maker._place(cells.expand(len(prompt), -1, -1)))
        t = ((truth - low_told[:, None]) / spread_told[:, None]).clamp(-0.5, 1.6).reshape(prompt[:, 0].shape)
        at = (prompt[:, 2] == 1) & t.isfinite()
        assert float(((prompt[:, 0] - t).abs()[at] < 0.1).float().mean()) > 0.8
        assert int(at.sum(dim=(1, 2)).max()) <= PROMPT_POINTS[1]


def test_few_measurements_tell_their_own_range(maker, monkeypatch):
    maker.stream.prompted_share = 1.0

    def all_but_five(places: torch.Tensor) -> torch.Tensor:
        return torch.arange(places.shape[1])[None].expand(len(places), -1) >= 5

    monkeypatch.setattr(maker, "_left_out", all_but_five)
    low, spread = maker._whole_range()
    prompt, low_told, spread_told = maker._measured(low, spread)
    assert bool((prompt[:, 3] == 1).any())
    assert bool((low_told > low - 0.2).all())
    assert bool((low_told + spread_told < low + spread + 0.2).all())


def test_the_oldest_images_make_room():
    def shard(value: int) -> Shard:
        labels = np.full((2, 4), value, np.float32)
        return Shard(np.full((2, 4, 6, 3), value, np.uint8), np.full((2, 8, 12), 65000 + value, np.uint16), labels)

    images = Images.like(shard(0), torch.device("cpu"))
    limit_bytes = 5 * (4 * 6 * 3 + 8 * 12 * 2)
    for value in range(5):
        one = shard(value)
        codes = torch.from_numpy(one.log_depth.view(np.int16))
        images.add(torch.from_numpy(one.image), codes, one.labels, limit_bytes - images.kept_bytes)
        assert images.kept_bytes <= limit_bytes
    assert images.count == len(images.labels) == 5
    assert sorted(images.labels[:, 0]) == [2, 3, 3, 4, 4]
    assert images.image[:, 0, 0, 0].tolist() == images.labels[:, 0].tolist()
    depth = decode_on_device(images.codes)[:, 0, 0]
    wanted = decode_log_depth((65000 + images.labels[:, 0]).astype(np.uint16))
    np.testing.assert_allclose(depth, wanted, atol=1e-5)


def test_a_pool_that_grows_is_read_on(pool, tmp_path):
    folder = tmp_path / "pool"
    folder.mkdir()
    stream = ResidentStream(folder, "cpu", 3, 2, 66, PATCH_PX, 0.0, 1e9)
    try:
        stream.pool.take()
        assert len(stream.pool) == 0
        for number in range(2):
            name = f"shard_{number:06d}"
            Shard.open(pool / name).save(folder / name)
            filled(stream, 3 * (number + 1))
    finally:
        stream.close()


def test_what_reading_ended_with_is_told(tmp_path, monkeypatch):
    def broken(*_):
        raise MemoryError("no room")

    monkeypatch.setattr("train.resident_pool.shard_folders", broken)
    stream = ResidentStream(tmp_path, "cpu", 3, 2, 66, PATCH_PX, 0.0, 1e9)
    try:
        with pytest.raises(MemoryError, match="no room"):
            stream.next(12)
    finally:
        stream.close()


def test_some_images_have_measurements_on_lines_or_of_a_short_reach(stream, monkeypatch):
    monkeypatch.setattr("train.resident.LINES_SHARE", 1.0)
    monkeypatch.setattr("train.resident.LINES", (9, 9.001))
    monkeypatch.setattr("train.resident.LINE_SLOPE", 0.0)
    filled(stream)
    maker = _Maker(stream, next(iter(stream.pool.by_size.values())), 40)
    places = torch.rand((len(maker.chosen), 400, 2)) * 2 - 1
    moved = maker._on_lines(places)
    assert torch.equal(moved[..., 1], places[..., 1])
    assert max(len(torch.unique(image.round(decimals=3))) for image in moved[..., 0]) <= 11
    assert float((moved - places).abs().max()) < 0.3
    monkeypatch.setattr("train.resident.SHORT_SHARE", 1.0)
    depths = torch.arange(100.0).repeat(len(maker.chosen), 1)
    depths[:, 60:] = torch.inf
    seen = maker._in_reach(depths)
    assert bool(seen[:, 0].all()) and not bool(seen[:, 55:].any())
    assert int(seen.sum(1).min()) >= 10 and int(seen.sum(1).max()) <= 55
