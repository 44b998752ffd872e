"""One step of the released training with the released network: prediction, loss and gradients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from goldens import fill_by_rule, golden_files, release_rule_weights
from released_recipe import mean_absolute_error, normalised_by_range

from infinidepth_blender.field.official.config import OfficialConfig
from infinidepth_blender.field.official.network import OfficialDepthNetwork

FILES = golden_files("train_step*.npz")
SEED_OFFSETS = (0, 50)
"""Golden folders count their seeds from different numbers."""


@dataclass(frozen=True)
class Step:
    golden: dict[str, np.ndarray]
    target: torch.Tensor
    predicted: torch.Tensor
    loss: torch.Tensor
    gradients: dict[str, torch.Tensor]


@pytest.fixture(scope="module", params=FILES)
def step(request: pytest.FixtureRequest):
    with np.load(request.param) as stored:
        golden = {name: stored[name] for name in stored.files}
    with torch.device("meta"):
        network = OfficialDepthNetwork(OfficialConfig("vitl16"))
    fill_by_rule(network).requires_grad_(False)
    parameters = dict(network.named_parameters())
    asked = {name: parameters[name] for name in (key.removeprefix("gradnorm/") for key in golden) if name in parameters}
    for parameter in asked.values():
        parameter.requires_grad_()
    low, high = (torch.from_numpy(golden[name]) for name in ("disp_min", "disp_max"))
    target = normalised_by_range(torch.from_numpy(golden["gt_disp"]), low, high)
    image = torch.from_numpy(golden["image_u8"]).permute(0, 3, 1, 2).float() / 255
    predicted = network.decode(network.encode(image), torch.from_numpy(golden["coords"]))[..., None]
    loss = mean_absolute_error(predicted, target)
    gradients = torch.autograd.grad(loss, list(asked.values()))
    yield Step(golden, target, predicted.detach(), loss.detach(), dict(zip(asked, gradients, strict=True)))
    release_rule_weights()


def test_targets_prediction_and_loss(step: Step) -> None:
    np.testing.assert_allclose(step.target, step.golden["gt_norm"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(step.predicted, step.golden["pred"], rtol=0, atol=3e-5)
    np.testing.assert_allclose(step.loss, step.golden["loss"][0], rtol=1e-5)


def test_norms_of_all_gradients(step: Step) -> None:
    names = {key.removeprefix("gradnorm/") for key in step.golden if key.startswith("gradnorm/")}
    assert names == step.gradients.keys()
    for name, gradient in step.gradients.items():
        golden = step.golden[f"gradnorm/{name}"][0]
        assert gradient.norm() == pytest.approx(golden, rel=1e-3, abs=1e-6), name


def test_entries_of_all_gradients(step: Step) -> None:
    worst = [max(_worst_entry(step, name, offset) for name in step.gradients) for offset in SEED_OFFSETS]
    assert min(worst) < 1e-3


def _worst_entry(step: Step, name: str, offset: int) -> float:
    """Largest error of the entries that the file has, over the gradient's root mean square.

    A bias before a norm has the gradient 0: what either side computes is rounding, hence the floor.
    """
    flat = step.gradients[name].flatten()
    golden = step.golden[f"grad8/{name}"]
    picked = np.sort(np.random.default_rng(4000 + offset).choice(flat.numel(), len(golden), replace=False))
    error = np.abs(flat[torch.from_numpy(picked)].numpy() - golden).max()
    return float(error / (flat.norm() / flat.numel() ** 0.5 + 1e-4))
