"""An NVIDIA card gives the processor's answers: fields, official networks, splats, training. Skipped without a card."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
import torch
from engine_support import ENVIRONMENT
from goldens import fill_by_rule
from PIL import Image

from infinidepth_blender.engine.models import ModelCache
from infinidepth_blender.field.device import is_out_of_memory
from infinidepth_blender.field.evaluation import OUT_OF_MEMORY
from infinidepth_blender.field.network_field import FieldModel
from infinidepth_blender.field.official.config import OfficialConfig
from infinidepth_blender.field.official.model import OfficialModel
from infinidepth_blender.field.official.network import OfficialDepthNetwork
from infinidepth_blender.field.prompt_map import Measurements
from infinidepth_blender.field.weights_files import load_weights
from infinidepth_blender.reconstruction import load

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA card")
ROOT = Path(__file__).resolve().parent.parent
BUNDLED = ROOT / "infinidepth_blender" / "weights" / "bundled.safetensors"
if str(ROOT / "scripts") not in sys.path:
    sys.path.insert(0, str(ROOT / "scripts"))
CARD, PROCESSOR = torch.device("cuda"), torch.device("cpu")


def photo(height: int = 480, width: int = 640) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    floor = np.where((x // 40 + y // 30) % 2, 150, 90) * (y > height / 2)
    wall = (180 + 40 * np.sin(x / 23)) * (y <= height / 2)
    box = ((abs(x - 300) < 70) & (abs(y - 260) < 80)) * 60
    return (
        np.stack([floor + wall - box, 0.9 * (floor + wall), floor + 0.8 * wall], axis=-1).clip(0, 255).astype(np.uint8)
    )


def off(mine: torch.Tensor, theirs: torch.Tensor) -> float:
    """Largest difference over the spread of the values."""
    mine, theirs = mine.double().cpu(), theirs.double().cpu()
    return float((mine - theirs).abs().max() / (theirs.max() - theirs.min()))


def fill_card() -> list[torch.Tensor]:
    """Blocks that leave the process no memory of the card, of 64 MB more than it has already."""
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 64e6) / torch.cuda.mem_get_info()[1])
    blocks: list[torch.Tensor] = []
    for size in (2**20, 2**16, 2**9):
        with pytest.raises(RuntimeError) as caught:
            while True:
                blocks.append(torch.empty(size, dtype=torch.uint8, device=CARD))
        assert is_out_of_memory(caught.value)
    return blocks


@pytest.mark.parametrize("told", [False, True])
def test_the_bundled_model(told: bool) -> None:
    measured = None
    if told:
        rng = np.random.default_rng(0)
        measured = Measurements(rng.uniform(-1, 1, (200, 2)), np.exp(rng.uniform(0, 2, 200)))
    mine, theirs = (ModelCache().bundled(name).encode(photo(), measured) for name in ("cuda", "cpu"))
    assert mine.fov_x_rad == pytest.approx(theirs.fov_x_rad, rel=1e-3)
    assert mine.pitch_rad == pytest.approx(theirs.pitch_rad, abs=1e-3)
    grids = [field.disparity_grid(600, 800) for field in (mine, theirs)]
    # Where the choice between two surfaces is a draw, the last digit decides.
    relative = (grids[0].cpu() / grids[1] - 1).abs()
    assert float((relative > 2e-3).float().mean()) < 1e-3
    sky = [field.sky_grid(60, 80).cpu() for field in (mine, theirs)]
    assert float((sky[0] - sky[1]).abs().max()) < 0.02
    coords = torch.rand((5000, 2), generator=torch.Generator().manual_seed(1)) * 2 - 1
    values, slopes = zip(*(field.disparity_and_gradient(coords) for field in (mine, theirs)), strict=True)
    near = (values[0].cpu() / values[1].cpu() - 1).abs() < 2e-3
    assert float(near.float().mean()) > 0.998
    change = (slopes[0].cpu() - slopes[1].cpu()).norm(dim=-1) / slopes[1].cpu().norm(dim=-1).clamp_min(1e-3)
    assert float((change < 0.02).float().mean()) > 0.98


@pytest.mark.parametrize(("precision", "limit"), [("exact", 2e-4), ("auto", 0.05)])
def test_an_official_network(precision, limit: float) -> None:
    fields = []
    for device in (PROCESSOR, CARD):
        with torch.device("meta"):
            network = OfficialDepthNetwork(OfficialConfig("vits16"))
        network = fill_by_rule(network)
        assert isinstance(network, OfficialDepthNetwork)
        model = OfficialModel(network, device, {}, precision=precision if device is CARD else "exact")
        model.tokens = 12 * 16
        fields.append(model.encode(photo()))
    theirs, mine = fields
    assert off(mine.disparity_grid(120, 160), theirs.disparity_grid(120, 160)) < limit
    coords = torch.rand((4000, 2), generator=torch.Generator().manual_seed(1)) * 2 - 1
    assert off(mine.disparity(coords), theirs.disparity(coords)) < limit


def test_a_card_that_is_full_hands_over_to_the_processor() -> None:
    notices: list[str] = []
    model = FieldModel(load_weights(BUNDLED).network, CARD, {"device": "cuda"}, notices.append)
    blocks = fill_card()
    try:
        mine = model.encode(photo()).disparity_grid(120, 160)
    finally:
        del blocks
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert notices == [OUT_OF_MEMORY]
    assert model.info["device"] == "cpu"
    theirs = FieldModel(load_weights(BUNDLED).network, PROCESSOR, {}).encode(photo()).disparity_grid(120, 160)
    assert torch.equal(mine, theirs)


def test_a_photo_from_the_command_line(tmp_path: Path) -> None:
    Image.fromarray(photo()).save(tmp_path / "photo.png")
    depths = []
    for device in ("cuda", "cpu"):
        out = tmp_path / device
        arguments = ["reconstruct", tmp_path / "photo.png", "-o", out, "--device", device, "--json"]
        command = [sys.executable, "-m", "infinidepth_blender", *map(str, arguments)]
        done = subprocess.run(
            command, cwd=ROOT, env=os.environ | ENVIRONMENT, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
        bundle = next(out.rglob("reconstruction.json")).parent
        assert json.loads((bundle / "reconstruction.json").read_text())["model"]["device"].startswith(device)
        found = load(bundle)
        depths.append(found.depth_m)
        assert found.points is not None
    finite = np.isfinite(depths[0]) & np.isfinite(depths[1])
    assert float((np.abs(depths[0] / depths[1] - 1) < 0.01)[finite].mean()) > 0.99


def test_predicted_splats(tmp_path: Path) -> None:
    from infinidepth_blender.splats.predictor import GaussianPredictor

    state = {f"encoder.{name}": value for name, value in fill_by_rule(GaussianPredictor(384)).state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "gs.ckpt")
    parameters = [
        dict(ModelCache().gaussian_predictor(str(tmp_path / "gs.ckpt"), device)[0].named_parameters())
        for device in ("cuda", "cpu")
    ]
    assert {value.device.type for value in parameters[0].values()} == {"cuda"}
    assert all(torch.equal(parameters[0][name].cpu(), value) for name, value in parameters[1].items())


def test_scenes_are_rendered_alike() -> None:
    from train.scenes.bank import make_bank
    from train.scenes.render import render

    for seed in range(3):
        mine, theirs = (
            render(np.random.default_rng(seed), make_bank(np.random.default_rng(0), 1, device), 60, 84)
            for device in ("cuda", "cpu")
        )
        assert mine.kind == theirs.kind
        same = (mine.log_depth.cpu() - theirs.log_depth).abs() < 1e-3
        same |= mine.log_depth.cpu() == theirs.log_depth
        assert float(same.float().mean()) > 0.98
        assert float((mine.image.cpu().float() - theirs.image.float()).abs().median()) < 12


def test_batches_are_those_of_the_processor(tmp_path: Path) -> None:
    from train.pool import make_shard
    from train.resident import ResidentStream, _Maker
    from train.scenes.bank import make_bank

    make_shard(5, 0, 3, make_bank(np.random.default_rng(0), 1), shape=(60, 84)).save(tmp_path / "shard_000000")
    made = []
    for device in ("cuda", "cpu"):
        stream = ResidentStream(tmp_path, device, 3, 4, 306, 16, 1.0, 1e9)
        stream.pool.take(wait_s=30)
        maker = _Maker(stream, next(iter(stream.pool.by_size.values())), 20)
        rows, columns = maker.images.codes.shape[1:]
        y = torch.arange(200, device=device).expand(4, -1) * 7919 % rows
        x = torch.arange(200, device=device).expand(4, -1) * 104_729 % columns
        made.append([maker._pixels(), maker._in_view(y, x), *maker._surfaces(y, x), *maker._whole_range()])
        stream.close()
    for mine, theirs in zip(*made, strict=True):
        torch.testing.assert_close(mine.cpu(), theirs, atol=2e-4, rtol=1e-4)


def test_training(tmp_path: Path) -> None:
    from dataclasses import replace

    from train.pool import make_shard
    from train.presets import PRESETS
    from train.scenes.bank import make_bank
    from train.train import train

    bank = make_bank(np.random.default_rng(0), 1)
    make_shard(5, 0, 3, bank, shape=(60, 84)).save(tmp_path / "pool" / "shard_000000")
    preset = replace(PRESETS["tiny"], resident=True, batch=16, peak_rate=3e-3, ema=0.5)
    run = tmp_path / "run"
    trainer = train(run, tmp_path / "pool", preset, "cuda", steps=150, until=None, validation=None)
    header, *rows = (line.split(",") for line in (run / "log.csv").read_text().splitlines())
    losses = [float(row[header.index("loss")]) for row in rows]
    assert trainer.step == 150
    assert losses[-1] < losses[0]
