"""The pool on disk and the batches drawn from it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from train.data import PoolReader, _turned, make_batch
from train.pool import Filling, Shard, decode_log_depth, encode_log_depth, fill, fill_share, make_shard, shard_folders
from train.queries import near_edges
from train.scenes.layouts import LAYOUTS

from infinidepth_blender.camera import Camera


def test_log_depth_codes_are_fine_and_keep_the_sky():
    log_depth = np.log(np.array([[0.05, 1.0, 3.21], [99.0, 4000.0, np.inf]], dtype=np.float32))
    back = decode_log_depth(encode_log_depth(log_depth))
    assert np.isinf(back[1, 2])
    np.testing.assert_allclose(np.exp(back.ravel()[:5]), np.exp(log_depth.ravel()[:5]), rtol=2e-4)


def test_a_shard_survives_the_disk(pool, bank):
    made = make_shard(5, 0, 3, bank, shape=(60, 84), kind="frontage")
    read = Shard.open(pool / "shard_000000")
    for name in ("image", "log_depth", "labels"):
        np.testing.assert_array_equal(getattr(made, name), getattr(read, name))
    assert read.image.shape == (3, 60, 84, 3)
    assert read.log_depth.shape == (3, 120, 168)


def test_filling_stops_at_its_limit_and_drops_the_oldest(tmp_path, monkeypatch, bank):
    monkeypatch.setattr("train.pool.make_bank", lambda *_: bank)
    monkeypatch.setattr("train.pool.SHAPES", {"small": (24, 32, 1.0)})
    filling = Filling(3, math.inf, limit_bytes=2.5 * (24 * 32 * 3 + 48 * 64 * 2), count=1, shards=4)
    fill(tmp_path, filling)
    assert [path.name for path in shard_folders(tmp_path)] == ["shard_000002", "shard_000003"]
    assert not list(tmp_path.glob(".*"))


def test_workers_make_the_shards_of_their_own_numbers(tmp_path, monkeypatch, bank):
    monkeypatch.setattr("train.pool.make_bank", lambda *_: bank)
    monkeypatch.setattr("train.pool.SHAPES", {"small": (16, 24, 1.0)})
    filling = Filling(3, math.inf, 1e9, count=1, shards=5, scale=1.5, workers=2)
    fill_share(1, tmp_path, filling)
    assert [path.name for path in shard_folders(tmp_path)] == ["shard_000001", "shard_000003"]
    fill_share(0, tmp_path, filling)
    assert len(shard_folders(tmp_path)) == 5
    assert Shard.open(tmp_path / "shard_000004").image.shape == (1, 24, 36, 3)


def test_a_fine_pool_keeps_images_as_large_as_their_truth(tmp_path, monkeypatch, bank):
    monkeypatch.setattr("train.pool.make_bank", lambda *_: bank)
    monkeypatch.setattr("train.pool.SHAPES", {"small": (48, 64, 1.0)})
    for name, fine in (("usual", False), ("fine", True)):
        fill(tmp_path / name, Filling(4, math.inf, 1e9, count=1, shards=1, fine=fine))
    usual, fine = (Shard.open(tmp_path / name / "shard_000000") for name in ("usual", "fine"))
    assert fine.image.shape == (1, 96, 128, 3)
    np.testing.assert_array_equal(fine.log_depth, usual.log_depth)
    np.testing.assert_allclose(fine.labels[:, 0], 2 * usual.labels[:, 0], rtol=1e-6)
    np.testing.assert_array_equal(fine.labels[:, 1:], usual.labels[:, 1:])
    # The same questions of the same camera have the same answers, and see the same place.
    one, other = (
        make_batch(PoolReader(tmp_path / name, 0), np.random.default_rng(0), 3, 66, 12, 16, augment=False)
        for name in ("usual", "fine")
    )
    for name in ("t", "log_focal", "log_range", "sin_pitch", "roll_rad"):
        torch.testing.assert_close(getattr(one, name), getattr(other, name))
    augmented = make_batch(PoolReader(tmp_path / "fine", 0), np.random.default_rng(1), 8, 66, 6, 32)
    assert augmented.image.shape[2] == 4 * augmented.prompt.shape[2]


def test_a_pool_can_hold_one_kind_of_place(tmp_path, monkeypatch, bank):
    monkeypatch.setattr("train.pool.make_bank", lambda *_: bank)
    monkeypatch.setattr("train.pool.SHAPES", {"small": (16, 24, 1.0)})
    fill(tmp_path, Filling(4, math.inf, 1e9, count=3, shards=1, kind="tabletop"))
    assert set(Shard.open(tmp_path / "shard_000000").labels[:, 3]) == {list(LAYOUTS).index("tabletop")}


def test_an_empty_pool_is_said_plainly(tmp_path):
    with pytest.raises(FileNotFoundError, match="No shards yet"):
        make_batch(PoolReader(tmp_path, 0), np.random.default_rng(0), 2, 66, 12, 16)


def test_queries_without_augmentation_read_the_exact_truth(pool):
    reader = PoolReader(pool, seed=4)
    _, codes, labels = PoolReader(pool, seed=4).draw(1)[0]
    batch = make_batch(reader, np.random.default_rng(0), 1, 300, 12, 16, augment=False)
    assert batch.coords_yx.shape == (1, 300, 2)
    # The network's aspect ratio differs a little from the image's: the crop is centred.
    rows, columns = batch.image.shape[2:]
    crop_h, crop_w = int(min(60, 84 * rows / columns)), int(min(84, 60 * columns / rows))
    top, left = (60 - crop_h) // 2, (84 - crop_w) // 2
    y = np.round((batch.coords_yx[0, :, 0].numpy() + 1) / 2 * 2 * crop_h - 0.5).astype(int) + 2 * top
    x = np.round((batch.coords_yx[0, :, 1].numpy() + 1) / 2 * 2 * crop_w - 0.5).astype(int) + 2 * left
    truth = decode_log_depth(codes)[y, x]
    ground = np.isfinite(truth)
    np.testing.assert_array_equal(batch.sky[0].numpy() > 0.5, ~ground)
    spread = math.exp(float(batch.log_range[0]))
    shifts = truth[ground] - spread * batch.t[0].numpy()[ground]
    np.testing.assert_allclose(shifts, shifts[0], atol=1e-3)
    assert float(batch.log_focal[0]) == pytest.approx(math.log(labels[0] / math.hypot(crop_h, crop_w)), abs=1e-5)


def test_pitch_of_a_batch_is_that_of_its_centre(pool):
    labels = PoolReader(pool, seed=4).draw(1)[0][2]
    batch = make_batch(PoolReader(pool, seed=4), np.random.default_rng(0), 1, 66, 12, 16, augment=False)
    camera = Camera(84, 60, labels[0], labels[0], 42, 30, "given", float(labels[1]), float(labels[2]))
    assert float(batch.sin_pitch[0]) == pytest.approx(camera.world_rotation()[2, 2], abs=0.02)
    assert float(batch.roll_rad[0]) == pytest.approx(float(labels[2]), abs=1e-6)


def test_augmented_batches_stay_in_range_and_mirror_the_roll(pool, monkeypatch):
    monkeypatch.setattr("train.views.TURNED_SHARE", 0.0)
    rng = np.random.default_rng(1)
    rolls: list[float] = []
    labels = [float(v) for name in ("shard_000000", "shard_000001") for v in Shard.open(pool / name).labels[:, 2]]
    mirrored = [-value for value in labels]
    for _ in range(24):
        batch = make_batch(PoolReader(pool, seed=int(rng.integers(99))), rng, 2, 66, 12, 16)
        assert float(batch.image.min()) >= 0
        assert float(batch.image.max()) <= 1
        assert bool(torch.isfinite(batch.t).all())
        assert float(batch.coords_yx.abs().max()) < 1
        rolls += batch.roll_rad.tolist()

    def nearest(roll: float, values: list[float]) -> float:
        return min(abs(roll - value) for value in values)

    # Up in the middle of a part is not quite parallel to up in the middle of the whole.
    assert max(nearest(roll, labels + mirrored) for roll in rolls) < 0.2
    assert any(nearest(roll, mirrored) < 1e-3 < nearest(roll, labels) for roll in rolls)
    assert any(nearest(roll, labels) < 1e-3 < nearest(roll, mirrored) for roll in rolls)


def test_a_rolled_view_shows_what_a_rolled_camera_sees():
    columns = np.tile(np.arange(80, dtype=np.float32), (60, 1))
    turn = 0.3
    view = _turned(columns, turn, 40.0, 30.0, 20, 16, 1)
    assert view.shape == (16, 20)
    # Image coordinates are pixel centres plus one half: the middle of the view is the point itself.
    assert float(view[7:9, 9:11].mean()) == pytest.approx(39.5, abs=0.01)
    level = Camera(80, 60, 50, 50, 40, 30, "given", 0.2, 0.1).world_rotation()
    rolled = Camera(80, 60, 50, 50, 40, 30, "given", 0.2, 0.1 + turn).world_rotation()
    for axis, step in ((0, np.diff(view, axis=1).mean()), (1, np.diff(view, axis=0).mean())):
        assert float(step) == pytest.approx(level[:, 0] @ rolled[:, axis], abs=1e-3)


def test_part_of_the_augmented_queries_lies_beside_depth_steps():
    columns = np.arange(80) // 8
    truth = np.tile(np.where(columns % 2, np.where(columns > 7, np.inf, 2.0), 0.0).astype(np.float32), (60, 1))
    _, x = near_edges(truth, np.random.default_rng(0), 20)
    assert set(x % 8) <= {0, 1, 6, 7}
    assert len(near_edges(truth, np.random.default_rng(0), 0)[0]) == 0


def test_a_grounds_horizon_is_no_step():
    """Log depth changes most there, and disparity does not bend; small steps count as large ones do."""
    rows = np.arange(60, dtype=np.float32)
    truth = np.log(100 / (rows + 0.3))[:, None].repeat(80, 1).astype(np.float32)
    beside = np.zeros(truth.shape, int)
    for k, left in enumerate(range(8, 70, 22)):
        for top in (14, 40):
            beside[top - 2 : top + 12, left - 2 : left + 12] = 1 + (k == 1)
            truth[top : top + 10, left : left + 10] -= 3 if k == 1 else 0.3
    y, x = near_edges(truth, np.random.default_rng(0), 40)
    assert (beside[y, x] > 0).all()
    assert (beside[y, x] == 1).sum() > 1.3 * (beside[y, x] == 2).sum() > 0


def test_one_reader_draws_from_several_pools(pool, tmp_path, bank):
    make_shard(6, 0, 2, bank, shape=(60, 84)).save(tmp_path / "shard_000000")
    reader = PoolReader([pool, tmp_path], seed=0)
    reader.draw(4)
    assert len(reader.shards) == 3


def test_augmented_cameras_are_rolled_by_more_than_the_pool_is(pool, monkeypatch):
    monkeypatch.setattr("train.views.TURNED_SHARE", 1.0)
    batch = make_batch(PoolReader(pool, 3), np.random.default_rng(3), 16, 66, 12, 16)
    known = {round(abs(float(v)), 4) for k in range(2) for v in Shard.open(pool / f"shard_{k:06d}").labels[:, 2]}
    assert sum(round(abs(float(v)), 4) in known for v in batch.roll_rad) <= 2
    assert float(batch.roll_rad.abs().max()) < 0.8
