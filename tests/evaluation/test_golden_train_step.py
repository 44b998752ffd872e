"""One training step of the published network: loss and gradients of every parameter that the golden file names."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import released_recipe
import torch
from goldens import fill_by_rule, golden_files

from infinidepth_blender.field.official.config import OfficialConfig
from infinidepth_blender.field.official.network import OfficialDepthNetwork

FILES = golden_files("train_step*.npz")
NORMS = "gradnorm/"


@functools.lru_cache(maxsize=1)
def step(path: Path) -> tuple[Any, dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The golden arrays, our answers under the same names, and our gradients by parameter (only those that are named)."""
    data = np.load(path)
    named = [key.removeprefix(NORMS) for key in data if key.startswith(NORMS)]
    with torch.device("meta"):
        network = OfficialDepthNetwork(OfficialConfig("vitl16", prompted=False))
    fill_by_rule(network).requires_grad_(False)
    parameters = dict(network.named_parameters())
    for name in named:
        parameters[name].requires_grad_(True)
    image = torch.from_numpy(data["image_u8"].transpose(0, 3, 1, 2) / np.float32(255))
    features = network.encode(image)
    predicted = network.decode(features, torch.from_numpy(data["coords"]))[..., None]
    limits = (torch.from_numpy(data[name]) for name in ("disp_min", "disp_max"))
    target = released_recipe.normalised_by_range(torch.from_numpy(data["gt_disp"]), *limits)
    loss = released_recipe.mean_absolute_error(predicted, target)
    loss.backward()
    gradients = {name: _gradient(parameters[name]) for name in named}
    answers = {"gt_norm": target.numpy(), "pred": predicted.detach().numpy(), "loss": loss.detach().numpy()[None]}
    return data, answers, gradients


def _gradient(parameter: torch.nn.Parameter) -> np.ndarray:
    assert parameter.grad is not None
    return parameter.grad.numpy()


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES)
@pytest.mark.parametrize(("name", "tolerance"), [("gt_norm", 1e-5), ("pred", 3e-5), ("loss", 1e-5)])
def test_the_answers_of_the_step(path: Path, name: str, tolerance: float) -> None:
    data, answers, _ = step(path)
    np.testing.assert_allclose(answers[name], data[name], atol=tolerance, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES)
def test_the_norm_of_each_gradient(path: Path) -> None:
    data, _, gradients = step(path)
    ours = [np.linalg.norm(gradient.astype(np.float64)) for gradient in gradients.values()]
    wanted = [float(np.ravel(data[NORMS + name])[0]) for name in gradients]
    np.testing.assert_allclose(ours, wanted, rtol=2e-3, atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES)
def test_entries_of_each_gradient(path: Path) -> None:
    data, _, gradients = step(path)
    for name, gradient in gradients.items():
        if f"grad8/{name}" not in data:
            continue
        seeds = (4000, 4050)
        entries = [
            gradient.ravel()[
                np.sort(np.random.default_rng(s).choice(gradient.size, min(8, gradient.size), replace=False))
            ]
            for s in seeds
        ]
        # Biases before a normalisation have no gradient but rounding.
        scale = max(float(np.linalg.norm(gradient)) / np.sqrt(gradient.size), 1e-5)
        wanted = data[f"grad8/{name}"]
        assert any(np.allclose(found, wanted, rtol=5e-3, atol=5e-3 * scale) for found in entries), name
