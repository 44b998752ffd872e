"""Held-out scores: every image once, the same queries whatever stands beside it, and two models image by image."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from train import failures
from train import validate as validation
from train.data import Points
from train.held_out import HeldOut
from train.paired import differences, read_scores
from train.pool import Shard
from train.presets import PRESETS
from train.train import Trainer
from train.validate import TOLD_POINTS, scores_of_images, summary, validate

from infinidepth_blender.field.network import InfiniDepthNetwork
from infinidepth_blender.field.weights_files import save_weights

TINY = PRESETS["tiny"]


@pytest.fixture
def network(tmp_path: Path) -> InfiniDepthNetwork:
    return Trainer(tmp_path, TINY).average


@pytest.fixture(scope="module")
def mixed(pool: Path, bank, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pool of all tests and a shard of another size."""
    from train.pool import make_shard

    folder = tmp_path_factory.mktemp("mixed")
    for shard in pool.iterdir():
        (folder / shard.name).symlink_to(shard)
    make_shard(6, 9, 2, bank, shape=(84, 60), kind="room").save(folder / "shard_000009")
    return folder


def test_every_image_is_scored_once_and_in_order(mixed: Path, network: InfiniDepthNetwork) -> None:
    wanted = [f"shard_{shard:06d}/{k}" for shard, count in ((0, 3), (1, 3), (9, 2)) for k in range(count)]
    rows = scores_of_images(network, HeldOut(mixed), "cpu", None, 129)
    assert [row["image"] for row in rows] == wanted
    assert len({row["fov_deg"] for row in rows}) > 5
    # More than there are draws none of them twice.
    assert validate(network, mixed, images=384, queries=129) == validate(network, mixed, images=None, queries=129)
    assert validate(network, mixed, images=None, queries=129) == summary(rows)


def test_fewer_images_are_spread_over_the_pool_and_scored_as_among_all(
    mixed: Path, network: InfiniDepthNetwork
) -> None:
    rows = {row["image"]: row for row in scores_of_images(network, HeldOut(mixed), "cpu", None, 129)}
    few = scores_of_images(network, HeldOut(mixed), "cpu", 4, 129)
    assert [row["image"] for row in few] == ["shard_000000/0", "shard_000000/2", "shard_000001/1", "shard_000009/0"]
    for row in few:
        assert row.keys() == rows[row["image"]].keys()
        for name in row.keys() - {"image"}:
            assert row[name] == pytest.approx(rows[row["image"]][name], abs=0.02), name


def test_the_scores_that_others_read_keep_their_names(pool: Path, network: InfiniDepthNetwork) -> None:
    names = ["delta_1", "sky", "abs_rel", "fov_deg", "pitch_deg", "roll_deg", "told", "told_nearest"]
    assert list(validate(network, pool, images=8, queries=129)) == names


def test_the_nearest_measurement_is_the_measurement_itself(pool: Path, network: InfiniDepthNetwork) -> None:
    held_out = HeldOut(pool)
    rows = {row["image"]: row for row in scores_of_images(network, held_out, "cpu", None, 129)}
    what = (129, network.config.tokens, network.config.input_patch_px, False)
    drawn: list[Points | None] = []
    told = {"prompted_share": 1.0, "points": TOLD_POINTS}
    compared = 0
    for numbers, batch in held_out.batches(held_out.spread(None), *what, **told, drawn_points=drawn):
        for k, number in enumerate(numbers):
            points = drawn[k]
            assert points is not None and len(points[0]) == 500
            low = np.quantile(points[1], 0.02)
            size = np.array(batch.image.shape[2:])
            off = np.linalg.norm((batch.coords_yx[k].numpy()[:, None] - points[0][None]) * size, axis=2)
            true = batch.t[k].numpy() * float(batch.log_spread[k].exp()) + low
            right = np.abs(points[1][off.argmin(1)] - true) < np.log(1.04)
            ground = batch.sky[k].numpy() < 0.5
            if ground.sum() >= 32:
                assert rows[held_out.names[number]]["told_nearest"] == pytest.approx(right[ground].mean(), abs=0.01)
                compared += 1
        drawn.clear()
    assert compared > 2
    # Asking for the points changes nothing that is drawn.
    (_, without), *_ = held_out.batches([0], *what, **told)
    (_, with_points), *_ = held_out.batches([0], *what, **told, drawn_points=drawn)
    assert all(torch.equal(getattr(without, name), getattr(with_points, name)) for name in without.__dataclass_fields__)


def test_evened_images_differ_in_their_tones_alone(pool: Path) -> None:
    plain, even = HeldOut(pool), HeldOut(pool, evened=True)
    assert plain.key != even.key and plain.names == even.names
    what = (129, 12, 16, False)
    (numbers, seen), *_ = plain.batches(plain.spread(None), *what)
    (same, evened), *_ = even.batches(even.spread(None), *what)
    assert numbers == same
    assert float((seen.image - evened.image).abs().mean()) > 0.005
    assert torch.equal(seen.t, evened.t)
    assert torch.equal(seen.coords_yx, evened.coords_yx)


def test_a_picture_of_sky_has_no_score_of_depth(pool: Path, network: InfiniDepthNetwork, tmp_path: Path) -> None:
    shard = Shard.open(pool / "shard_000000")
    sky = Shard(np.array(shard.image), np.full_like(shard.log_depth, 65535), np.array(shard.labels))
    sky.save(tmp_path / "sky" / "shard_000000")
    (row, *_) = scores_of_images(network, HeldOut(tmp_path / "sky"), "cpu", None, 129)
    assert row.keys() == {"image", "sky", "fov_deg", "pitch_deg", "roll_deg"}


def test_an_answer_that_runs_against_the_truth_is_not_turned_over(pool: Path) -> None:
    class Against:
        def encode(self, _: object) -> Against:
            return self

        def disparity_grid(self, rows: int, columns: int) -> np.ndarray:
            return np.broadcast_to(-np.linspace(0, 1, rows)[:, None], (rows, columns))

    codes = np.broadcast_to(np.linspace(30000, 20000, 120).astype(np.uint16)[:, None], (120, 168))
    answer = failures.ask(Against(), np.zeros((60, 84, 3), np.uint8), codes)
    assert answer is not None
    assert answer.delta_1 < 0.5
    assert np.ptp(answer.fitted) == 0


def test_two_models_are_compared_image_by_image(
    pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in (0, 1):
        torch.manual_seed(seed)
        save_weights(InfiniDepthNetwork(TINY.network).eval(), tmp_path / f"{seed}.safetensors", {})

    def command(*arguments: object) -> None:
        monkeypatch.setattr("sys.argv", ["validate.py", *map(str, arguments), "--device", "cpu"])
        validation.main()

    old, new = tmp_path / "old.json", tmp_path / "new.json"
    command(tmp_path / "0.safetensors", pool, "--json", old)
    command(tmp_path / "1.safetensors", pool, "--json", new, "--against", old)
    one, other = (json.loads(path.read_text()) for path in (old, new))
    steps = np.array([b["sky"] - a["sky"] for a, b in zip(one["images"], other["images"], strict=True)])
    assert other["against"]["sky"]["centre"] == pytest.approx(steps.mean())
    assert other["against"]["sky"]["standard_error"] == pytest.approx(steps.std(ddof=1) / np.sqrt(len(steps)))
    assert other["against"]["sky"]["images"] == 6
    assert "standard error" in capsys.readouterr().out
    assert all(row["fit_factor"] >= 0 for row in other["images"]) and "fit_factor" not in other["against"]
    # Another pool's file, and one without single images.
    for text, said in ((json.dumps(one | {"pool_key": "0"}), "another pool"), ('{"delta_1": 0.5}', "single images")):
        old.write_text(text)
        with pytest.raises(SystemExit):
            command(tmp_path / "1.safetensors", pool, "--against", old)
        assert said in capsys.readouterr().err


def test_differences_are_of_common_images_and_medians_bear_outliers(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    old = [{"image": str(k), "delta_1": 0.5, "abs_rel": 1.0} for k in range(400)]
    new = [{"image": str(k), "delta_1": 0.5 + rng.normal(0.01, 0.1), "abs_rel": 1 + rng.normal()} for k in range(300)]
    new[0]["abs_rel"] = 1e6
    found = differences(new, old, ("abs_rel",))
    assert found["delta_1"].images == 300
    assert found["delta_1"].standard_error == pytest.approx(0.1 / np.sqrt(300), rel=0.15)
    # The median of normal numbers has a standard error of 1.25 / sqrt(n).
    assert abs(found["abs_rel"].centre) < 0.25
    assert found["abs_rel"].standard_error == pytest.approx(1.25 / np.sqrt(300), rel=0.25)
    with pytest.raises(ValueError, match="single images"):
        read_scores(tmp_path / "gone.json", "")


def test_an_empty_pool_is_said_plainly(tmp_path: Path, network: InfiniDepthNetwork) -> None:
    with pytest.raises(FileNotFoundError, match="has no shards"):
        validate(network, tmp_path)
