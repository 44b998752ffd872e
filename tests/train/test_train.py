"""The whole recipe, tiny."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from PIL import Image
from train import failures
from train.data import PoolReader, make_batch
from train.logs import Log
from train.losses import _bends, _between, compute_losses
from train.measured import draw_points
from train.pieces import PIECE_BYTES, load_pieces, save_pieces
from train.pool import Shard, decode_log_depth
from train.presets import PRESETS
from train.together import STEPS_APART, meet, rank, together
from train.train import Trainer, export, train
from train.validate import main as validate_main
from train.validate import validate
from train.validate_cameras import main as validate_cameras_main
from train.views import draw_views

from infinidepth_blender.camera import Camera
from infinidepth_blender.field.load import load_field_model
from infinidepth_blender.field.network import Decoded, Features, Globals
from infinidepth_blender.field.perspective import perspective_field
from infinidepth_blender.field.weights_files import load_weights, save_weights

TINY = PRESETS["tiny"]
PATCH_PX = TINY.network.input_patch_px


def fixed_batch(pool):
    return make_batch(PoolReader(pool, 0), np.random.default_rng(0), 4, 258, 12, PATCH_PX, augment=False)


def test_the_loss_falls_on_a_fixed_batch(pool, tmp_path):
    trainer = Trainer(tmp_path, TINY)
    batch = fixed_batch(pool)
    losses = [trainer.learn(batch, 0.0)["loss"] for _ in range(30)]
    assert np.isfinite(losses).all()
    assert np.mean(losses[-3:]) < 0.75 * np.mean(losses[:3])


def test_a_step_without_a_direction_is_left_out(pool, tmp_path):
    trainer = Trainer(tmp_path, TINY)
    batch = fixed_batch(pool)
    trainer.learn(batch, 0.0)
    before = [parameter.clone() for parameter in trainer.network.parameters()]
    assert not bool(trainer.learn(replace(batch, image=batch.image * math.nan), 0.0)["norm"].isfinite())
    assert all(torch.equal(a, b) for a, b in zip(before, trainer.network.parameters(), strict=True))
    trainer.learn(batch, 0.0)
    assert not all(torch.equal(a, b) for a, b in zip(before, trainer.network.parameters(), strict=True))


def test_batches_from_memory_train(pool, tmp_path):
    trainer = train(tmp_path / "run", pool, replace(TINY, resident=True), "cpu", steps=3, until=None, validation=None)
    assert trainer.step == 3
    assert (tmp_path / "run" / "done").exists()


def test_mixed_precision_learns_too(pool, tmp_path, monkeypatch):
    monkeypatch.setattr("train.train.has_bfloat16_units", lambda: True)
    trainer = Trainer(tmp_path, replace(TINY, mixed=True))
    batch = fixed_batch(pool)
    losses = [trainer.learn(batch, 0.0)["loss"] for _ in range(30)]
    assert np.isfinite(losses).all()
    assert np.mean(losses[-3:]) < 0.8 * np.mean(losses[:3])
    assert all(parameter.dtype == torch.float32 for parameter in trainer.network.parameters())


def test_a_pause_saves_and_leaves_the_schedule_open(pool, tmp_path):
    trainer = train(tmp_path, pool, TINY, "cpu", steps=50, until=None, validation=None, pause=0.0)
    assert trainer.step == 0
    assert (tmp_path / "state.pt").exists()
    assert not (tmp_path / "done").exists()


def test_the_truth_itself_has_no_loss(pool):
    batch = fixed_batch(pool)
    batch.t.clamp_(-0.4, 1.5)
    perfect = Decoded(batch.t.clone(), (batch.sky * 2 - 1) * 40)
    camera = batch.log_focal, batch.sin_pitch, batch.roll_rad
    estimates = Globals(batch.log_focal, batch.log_range.exp(), *camera[1:])
    features = Features((), torch.empty(0), perspective_field(*camera, 3, 4), 3, 4)
    losses = compute_losses(perfect, estimates, features, batch)
    assert all(float(value) == pytest.approx(0, abs=1e-6) for value in losses.values())
    for surface in (batch.t_near, batch.t_far):
        surface.clamp_(-0.4, 1.5)
    far = (batch.t - batch.t_near).abs() > (batch.t - batch.t_far).abs()
    sides = torch.stack([batch.t_near, batch.t_far - batch.t_near, (far * 2.0 - 1) * 40], dim=-1)
    losses = compute_losses(replace(perfect, sides=sides), estimates, features, batch)
    assert {"sides", "choice"} < set(losses)
    assert all(float(value) == pytest.approx(0, abs=1e-6) for value in losses.values())
    wrong = sides * torch.tensor([1, 1, -1])
    losses = compute_losses(replace(perfect, sides=wrong), estimates, features, batch)
    assert float(losses["depth"]) > 0.01
    assert float(losses["choice"]) > 0.1
    assert float(losses["sides"]) == pytest.approx(0, abs=1e-6)
    stretched = Decoded(batch.t * 1.7 + 0.2, perfect.sky_logit)
    losses = compute_losses(stretched, estimates, features, batch)
    assert float(losses["aligned"]) == pytest.approx(0, abs=1e-4)
    assert float(losses["depth"]) > 0.05
    assert float(losses["fitted"]) > 0.01  # the range no longer belongs to it


def test_bends_are_none_on_planes_and_those_of_waves_elsewhere():
    rng = np.random.default_rng(0)
    here, step = rng.uniform(-0.5, 0.5, (1, 40, 2)), rng.uniform(-0.1, 0.1, (1, 40, 2))
    coords = torch.from_numpy(np.concatenate([here, here + step, here - step], axis=1)).float()
    y, x = coords.unbind(-1)
    plane = 1 + 0.3 * x - 0.4 * y
    spread = torch.tensor([math.log(1.7)])

    def bends(disparity):
        return _bends(-disparity.log() / 1.7, spread)

    assert float(bends(plane).abs().max()) < 1e-5
    wavy = plane * (1 + 0.02 * torch.sin(40 * x))
    first, beside, opposite = wavy.chunk(3, dim=1)
    torch.testing.assert_close(bends(wavy), (beside + opposite) / first - 2, atol=1e-4, rtol=1e-3)
    assert bool(_between(coords).all())
    moved = coords.clone()
    moved[0, -1] += 0.01
    assert _between(moved).flatten().tolist() == [True] * 39 + [False]


def test_a_run_goes_on_where_it_stopped_and_exports_what_the_package_reads(pool, tmp_path):
    run = tmp_path / "run"
    train(run, pool, TINY, "cpu", steps=3, until=None, validation=None)
    first = Trainer(run, TINY)
    first.warm_since = 2
    assert first.resume()
    assert (first.step, first.warm_since) == (3, 0)
    train(run, pool, TINY, "cpu", steps=5, until=None, validation=pool)
    assert (run / "log.csv").read_text().startswith("step,")
    assert "delta_1" in (run / "validation.csv").read_text()
    export(run, tmp_path / "tiny.safetensors", {})
    model = load_field_model(str(tmp_path / "tiny.safetensors"), "cpu")
    told = cast(dict, model.info["training"])
    assert told["steps"] == 5
    assert told["images_seen"] == 10
    export(run, tmp_path / "finer.safetensors", {}, tokens=20)
    assert load_weights(tmp_path / "finer.safetensors").network.config.tokens == 20
    disparity = model.encode(np.zeros((40, 60, 3), np.uint8)).disparity_grid(20, 30)
    assert disparity.shape == (20, 30)
    assert bool(torch.isfinite(disparity).all())


def test_a_run_of_another_network_is_not_gone_on_with(pool, tmp_path):
    train(tmp_path, pool, TINY, "cpu", steps=1, until=None, validation=None)
    other = replace(TINY, network=replace(TINY.network, two_surfaces=False))
    with pytest.raises(ValueError, match=r"begun with another network.*--weights"):
        train(tmp_path, pool, other, "cpu", steps=2, until=None, validation=None)


def test_two_processes_train_one_network(pool, tmp_path):
    run, preset = tmp_path / "run", replace(TINY, processes=2)
    together(2, train, (run, pool, preset, "cpu", 2 * STEPS_APART, None, None))
    tensors, info = load_pieces(run) or pytest.fail("nothing was saved")
    assert info["step"] == 2 * STEPS_APART
    export(run, tmp_path / "tiny.safetensors", {})
    told = load_weights(tmp_path / "tiny.safetensors").training
    assert told["images_seen"] == 2 * 2 * STEPS_APART * TINY.batch
    # The first of two that never met, with the same batches and rates.
    alone = train(tmp_path / "alone", pool, preset, "cpu", 2 * STEPS_APART, None, None).average.state_dict()
    assert not torch.equal(tensors["globals_out.weight"], alone["globals_out.weight"].half().float())


def _meet(folder: Path) -> None:
    weights = [torch.full((2, 3), float(rank())), torch.full((4,), 10.0 * rank())]
    told = meet((7.0 + rank(),), weights)
    (folder / f"{rank()}.json").write_text(json.dumps([told, *(weight.tolist() for weight in weights)]))


def test_who_meets_gets_the_mean_of_the_weights_and_the_firsts_values(tmp_path):
    together(2, _meet, (tmp_path,))
    for number in range(2):
        told, first, second = json.loads((tmp_path / f"{number}.json").read_text())
        assert told == [7.0]
        assert first == [[0.5] * 3] * 2
        assert second == [5.0] * 4


def test_a_run_of_two_that_goes_on_between_two_meetings_keeps_its_rate(pool, tmp_path):
    run, preset, steps = tmp_path / "run", replace(TINY, processes=2), 10 * STEPS_APART
    trainer = Trainer(run, preset)
    trainer.step = steps - STEPS_APART - 3
    run.mkdir(exist_ok=True)
    trainer.save()
    together(2, train, (run, pool, preset, "cpu", steps, None, None))
    header, *rows = (line.split(",") for line in (run / "log.csv").read_text().splitlines())
    assert rows
    # At nine tenths of the cosine little of the peak is left.
    assert all(float(row[header.index("rate")]) < 0.1 * preset.peak_rate for row in rows)


def test_a_log_with_the_terms_of_an_older_version_is_put_aside(tmp_path):
    path = tmp_path / "log.csv"
    for row in ({"step": 1, "depth": 0.5}, {"step": 2, "depth": 0.4}):
        Log(path).add(row)
    Log(path).add({"step": 3, "depth": 0.3, "bends": 0.1})
    assert path.read_text().splitlines() == ["step,depth,bends", "3,0.3,0.1"]
    assert (tmp_path / "log-1.csv").read_text().splitlines() == ["step,depth", "1,0.5", "2,0.4"]


def test_stages_follow_each_other():
    preset = replace(TINY, stages=((0.25, 12), (0.75, 20), (1.0, 30)))
    assert [preset.tokens(progress) for progress in (0, 0.2499, 0.25, 0.75, 1.0, 1.1)] == [12, 12, 20, 30, 30, 30]


def test_a_part_beside_the_middle_is_a_camera_with_its_own_tilt():
    focal, pitch, roll, height, width = 150.0, 0.5, 0.1, 160, 200
    to_world = Camera(width, height, focal, focal, width / 2, height / 2, "given", pitch, roll).world_rotation()

    class Drawn:
        """A part at the left, as large as half of the image, neither turned nor mirrored."""

        def __init__(self):
            self.numbers = iter([0.1, 0.9, 0.9])

        def random(self, count):
            return np.full(count, next(self.numbers))

        def uniform(self, low, high):
            return np.full_like(low, 0.5)

        def normal(self, mean, deviation, count):
            return np.full(count, -2.0)

    labels = np.array([[focal, pitch, roll, 0]])
    view = draw_views(labels, (height, width), (8, 10), 20, cast(np.random.Generator, Drawn()), augment=True)
    assert (view.height_px[0], view.width_px[0]) == (80, 100)
    assert (view.centre_y_px[0], view.centre_x_px[0]) == (40, 50)
    ray = np.array([(50 - width / 2) / focal, (40 - height / 2) / focal, 1.0])
    assert view.sin_pitch[0] == pytest.approx((to_world @ ray)[2] / np.linalg.norm(ray), abs=1e-6)
    higher = to_world.T @ (to_world @ ray + np.array([0, 0, 1e-6]))
    moved = higher[:2] / higher[2] - ray[:2]
    assert view.roll_rad[0] == pytest.approx(math.atan2(-moved[0], -moved[1]), abs=1e-4)
    assert abs(view.roll_rad[0] - roll) > 0.03


def test_without_its_state_a_run_goes_on_from_the_averaged_pieces(pool, tmp_path):
    run = tmp_path / "run"
    trained = train(run, pool, TINY, "cpu", steps=2, until=None, validation=None)
    (run / "state.pt").unlink()
    again = Trainer(run, TINY)
    assert again.resume()
    assert (again.step, again.warm_since) == (2, 2)
    again.save()
    later = Trainer(run, TINY)
    assert later.resume()
    assert later.warm_since == 2
    for mine, theirs in zip(again.network.parameters(), trained.average.parameters(), strict=True):
        assert torch.allclose(mine, theirs, atol=2e-3)


def test_equal_seeds_train_alike(pool, tmp_path):
    weights = [
        train(
            tmp_path / name, pool, TINY, "cpu", steps=3, until=None, validation=None
        ).network.globals_out.weight.detach()
        for name in ("a", "b")
    ]
    assert torch.equal(*weights)
    other = train(tmp_path / "c", pool, replace(TINY, seed=7), "cpu", steps=3, until=None, validation=None)
    assert not torch.equal(weights[0], other.network.globals_out.weight.detach())


def test_pieces_are_small_and_complete(tmp_path):
    tensors = {f"layer{k}": torch.full((3_000_000,), float(k)) for k in range(7)}
    save_pieces(tensors, tmp_path, {"step": 1})
    files = list(tmp_path.glob("average-*.safetensors"))
    assert len(files) == 4
    assert max(file.stat().st_size for file in files) <= PIECE_BYTES
    loaded = load_pieces(tmp_path)
    assert loaded is not None
    assert {name: float(value[-1]) for name, value in loaded[0].items()} == {f"layer{k}": float(k) for k in range(7)}


def test_validation_scores_are_shares_and_degrees(pool, tmp_path):
    scores = validate(Trainer(tmp_path, TINY).average, pool, images=8, queries=129)
    assert 0 <= scores["delta_1"] <= 1
    assert 0 <= scores["sky"] <= 1
    assert all(0 <= scores[name] < 180 for name in ("fov_deg", "pitch_deg", "roll_deg"))


def test_a_model_file_is_scored_and_drawn_by_the_commands(pool, tmp_path, monkeypatch):
    model, scores, sheet = tmp_path / "tiny.safetensors", tmp_path / "scores.json", tmp_path / "sheet.png"
    save_weights(Trainer(tmp_path, TINY).average, model, {})
    monkeypatch.setattr(
        "sys.argv", ["validate.py", str(model), str(pool), "--images", "8", "--json", str(scores), "--device", "cpu"]
    )
    validate_main()
    assert 0 <= json.loads(scores.read_text())["delta_1"] <= 1
    monkeypatch.setattr("sys.argv", ["failures.py", str(model), str(pool), "--output", str(sheet), "--rows", "2"])
    failures.main()
    assert Image.open(sheet).size == (3 * 3 * failures.TILE[1], 2 * failures.TILE[0])


def test_the_truth_as_an_answer_is_right_everywhere(pool):
    class Knowing:
        def __init__(self, log_depth):
            self.disparity = np.where(np.isfinite(log_depth), 3 * np.exp(-log_depth) + 1, 0)

        def encode(self, _):
            return self

        def disparity_grid(self, rows, columns):
            assert self.disparity.shape == (rows, columns)
            return self.disparity

    shard = Shard.open(pool / "shard_000000")
    codes = np.array(shard.log_depth[0])
    # Of an image half as large as its truth, and of a fine one.
    for truth in (codes, codes[::2, ::2]):
        answer = failures.ask(Knowing(decode_log_depth(codes[::2, ::2])), np.array(shard.image[0]), truth)
        assert answer is not None
        assert answer.delta_1 == pytest.approx(1, abs=1e-3)


def prompted_batch(pool, augment=False, points=(200, 200)):
    rng = np.random.default_rng(3)
    return make_batch(
        PoolReader(pool, 0), rng, 4, 258, 12, PATCH_PX, augment=augment, prompted_share=1.0, points=points
    )


def test_targets_of_images_with_points_are_those_of_their_points(pool):
    """The map and the targets are normalised alike: where a query meets a point they agree."""
    batch = prompted_batch(pool, points=(4000, 4000))
    rows, columns = batch.prompt.shape[2:]
    for k in range(4):
        cell = ((batch.coords_yx[k] + 1) / 2 * torch.tensor([rows, columns])).long()
        drawn = batch.prompt[k, :, cell[:, 0], cell[:, 1]]
        ground = (batch.sky[k] < 0.5) & (drawn[2] == 1) & (batch.t[k].abs() < 1.5)
        assert float((drawn[0] - batch.t[k])[ground].abs().median()) < 0.05


def test_images_without_points_have_an_empty_prompt(pool):
    assert not fixed_batch(pool).prompt.any()
    assert bool((prompted_batch(pool, augment=True).prompt[:, -1] == 1).all())


def test_points_lose_rectangles_and_get_noise_only_in_training():
    depth = np.zeros((60, 80), np.float32)
    depth[:10] = np.inf
    plain = draw_points(depth, np.random.default_rng(0), (500, 500), augment=False)
    assert plain[0].shape == (500, 2) and not plain[1].any()
    assert (plain[0][:, 0] > -1 + 2 * 10 / 60).all()
    drawn = [draw_points(depth, np.random.default_rng(seed), (500, 500)) for seed in range(30)]
    assert 2 < sum(values.any() for _, values in drawn) < 20
    taken = [len(np.unique((places[:, 0] * 4).astype(int) * 9 + (places[:, 1] * 4).astype(int))) for places, _ in drawn]
    assert min(taken) < max(taken)
    assert all(len(values) >= 1 for _, values in drawn)


def test_some_images_get_points_on_lines_and_some_of_a_short_reach(monkeypatch):
    """What a turning lidar and a phone's sensor give, with none of the other things that may happen to points."""
    depth = np.log(np.linspace(40, 1, 60, dtype=np.float32))[:, None].repeat(80, 1)
    depth[:6] = np.inf
    monkeypatch.setattr("train.measured._rectangles", lambda shape, rng: np.zeros(shape, bool))
    monkeypatch.setattr("train.measured.NOISY_SHARE", 0.0)
    monkeypatch.setattr("train.measured.LINES_SHARE", 1.0)
    monkeypatch.setattr("train.measured.SHORT_SHARE", 0.0)
    monkeypatch.setattr("train.measured.LINES", (8, 8.001))
    monkeypatch.setattr("train.measured.LINE_SLOPE", 0.0)
    places, _ = draw_points(depth, np.random.default_rng(0), (300, 300))
    assert len(np.unique(places[:, 0])) in (7, 8)
    monkeypatch.setattr("train.measured.LINES_SHARE", 0.0)
    monkeypatch.setattr("train.measured.SHORT_SHARE", 1.0)
    farthest = [draw_points(depth, np.random.default_rng(seed), (300, 300))[1].max() for seed in range(20)]
    nearest_part, most = np.quantile(depth[6:], [0.25, 0.9])
    assert nearest_part - 0.2 < min(farthest) < max(farthest) <= most + 1e-5


def test_points_help_a_network_that_learns_from_them(pool, tmp_path):
    trainer = Trainer(tmp_path, replace(TINY, prompted_share=1.0))
    batch = prompted_batch(pool)
    batch.image.zero_()  # which it would learn by heart instead
    for _ in range(300):
        trainer.learn(batch, 0.0)
    network = trainer.network.eval()
    with torch.no_grad():
        told, alone = (
            (
                (network.decode(network.encode(batch.image, prompt), batch.coords_yx).t - batch.t).abs()
                * (1 - batch.sky)
            ).mean()
            for prompt in (batch.prompt, None)
        )
    assert float(told) < 0.7 * float(alone), (told, alone)


def test_a_new_run_begins_with_exported_weights_and_new_layers(pool, tmp_path):
    without_points = replace(TINY, network=replace(TINY.network, prompt_channels=0), prompted_share=0.0)
    train(tmp_path / "old", pool, without_points, "cpu", steps=2, until=None, validation=None)
    export(tmp_path / "old", tmp_path / "old.safetensors", {})
    new = train(
        tmp_path / "new",
        pool,
        TINY,
        "cpu",
        steps=9,
        until=None,
        validation=None,
        pause=0.0,
        weights=tmp_path / "old.safetensors",
    )
    assert new.step == 2
    old = load_pieces(tmp_path / "old")
    assert old is not None
    for name, value in old[0].items():
        torch.testing.assert_close(new.network.state_dict()[name], value)
        torch.testing.assert_close(new.average.state_dict()[name], value)
    batch = prompted_batch(pool)
    with torch.no_grad():
        told, alone = (
            new.network.decode(new.network.encode(batch.image, p), batch.coords_yx).t for p in (batch.prompt, None)
        )
    torch.testing.assert_close(told, alone)


def test_weights_of_another_network_are_refused(pool, tmp_path):
    save_weights(Trainer(tmp_path, TINY).network, tmp_path / "tiny.safetensors", {})
    other = replace(TINY, network=replace(TINY.network, head_hidden=24))
    with pytest.raises(ValueError, match="another network"):
        train(
            tmp_path / "run",
            pool,
            other,
            "cpu",
            steps=1,
            until=None,
            validation=None,
            weights=tmp_path / "tiny.safetensors",
        )


def test_cameras_are_scored_with_and_without_lines(pool, tmp_path, monkeypatch):
    model, scores = tmp_path / "tiny.safetensors", tmp_path / "cameras.json"
    save_weights(Trainer(tmp_path, TINY).average, model, {})
    monkeypatch.setattr("sys.argv", ["validate_cameras.py", str(model), str(pool), "--json", str(scores)])
    validate_cameras_main()
    told = json.loads(scores.read_text())
    assert told["all"]["images"] == sum(values["images"] for place, values in told.items() if place != "all") > 0
    assert 0 <= told["all"]["lines_fov_deg"] < 180
    assert 0 <= told["all"]["lines_fov_within_5"] <= 1
