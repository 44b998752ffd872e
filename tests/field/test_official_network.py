"""The published networks: names, shapes, prompts and how metres become their numbers."""

from __future__ import annotations

import copy
import json
import typing
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from goldens import COMPACT_FOLDER, fill_by_rule, golden_paths, no_such_file
from official_golden import grid_coords, official_network
from official_warp import normalise_prompt, prompt_median

from infinidepth_blender.field.conv_encoder import BasicEncoder, ResidualBlock
from infinidepth_blender.field.official.config import ENCODERS, EncoderName, OfficialConfig, recognise
from infinidepth_blender.field.official.network import OfficialDepthNetwork
from infinidepth_blender.field.official.prompt_model import Prompt, PromptStack

CONFIGS = [*(OfficialConfig(encoder) for encoder in ENCODERS), OfficialConfig("vitl16", prompted=True)]
SMALL = OfficialConfig("vits16", prompted=True)


def published_shapes(config: OfficialConfig) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a published file; the list has one entry for all blocks, led by their number."""
    lists = json.loads((COMPACT_FOLDER.parent / "official_state_dicts.json").read_text())
    entries: dict[str, list[int]] = lists[f"infinidepth_{config.encoder}{'_prompted' * config.prompted}"]
    shapes = {}
    for name, shape in entries.items():
        if "*" in name:
            shapes |= {name.replace("*", str(block)): tuple(shape[1:]) for block in range(shape[0])}
        else:
            shapes[name] = tuple(shape)
    return shapes


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_names_and_shapes_are_those_of_the_published_files(config: OfficialConfig) -> None:
    with torch.device("meta"):
        state = OfficialDepthNetwork(config).state_dict()
    assert {name: tuple(value.shape) for name, value in state.items()} == published_shapes(config)
    assert {value.dtype for value in state.values()} == {torch.float32}


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_a_network_is_recognised_by_its_names_and_shapes(config: OfficialConfig) -> None:
    shapes = published_shapes(config)
    assert recognise(shapes) == config
    assert recognise({f"pipeline.{name}": shape for name, shape in shapes.items()}) is None
    assert recognise({name: shape for name, shape in shapes.items() if "depth_implicit_head" not in name}) is None
    assert recognise({name: shape for name, shape in shapes.items() if "blocks.3." not in name}) is None
    assert recognise({**shapes, "pretrained.cls_token": (1, 1, 100)}) is None


def test_every_encoder_has_a_name() -> None:
    assert set(ENCODERS) == set(typing.get_args(EncoderName))


def test_convolutions_and_norms_are_those_of_plain_torch() -> None:
    encoder = BasicEncoder()
    encoder.init_weights()
    image = torch.rand(2, 3, 48, 80) * 2 - 1

    def norm_relu(x: torch.Tensor) -> torch.Tensor:
        return F.relu(F.instance_norm(x, eps=1e-5))

    x = norm_relu(encoder.conv1(image))
    maps = []
    for layer in (encoder.layer1, encoder.layer2, encoder.layer3, encoder.layer4):
        for block in layer:
            assert isinstance(block, ResidualBlock)
            shortcut = x if block.downsample is None else F.instance_norm(block.downsample(x), eps=1e-5)
            x = F.relu(shortcut + norm_relu(block.conv2(norm_relu(block.conv1(x)))))
        maps.append(F.interpolate(x, (12, 20), mode="bilinear", align_corners=True))
    expected = encoder.conv3(norm_relu(encoder.conv2(torch.cat(maps, dim=1))))
    torch.testing.assert_close(encoder(image), expected, rtol=1e-3, atol=1e-4)


@pytest.fixture(scope="module")
def network() -> OfficialDepthNetwork:
    return official_network(SMALL)


@pytest.fixture(scope="module")
def image() -> torch.Tensor:
    return torch.rand(2, 3, 64, 48, generator=torch.Generator().manual_seed(0))


def one_prompt() -> Prompt:
    disparity, mask = torch.zeros(2, 1, 30, 40), torch.zeros(2, 1, 30, 40, dtype=torch.bool)
    disparity[1, 0, 4, 5], mask[1, 0, 4, 5] = 1.3, True
    return Prompt(disparity, mask)


@torch.inference_mode()
def test_prompts_change_the_tokens_of_their_photo_only(network: OfficialDepthNetwork, image: torch.Tensor) -> None:
    without, given = network.encode(image), network.encode(image, one_prompt())
    assert torch.equal(given.tokens[0], without.tokens[0])
    assert not torch.allclose(given.tokens[1], without.tokens[1], atol=1e-2)
    assert torch.equal(given.dino_tokens, without.dino_tokens)
    assert torch.equal(without.tokens.flatten(2).mT, without.dino_tokens)


@torch.inference_mode()
def test_a_prompt_counts_by_its_place_in_the_photo_whatever_its_grid(network: OfficialDepthNetwork) -> None:
    assert network.prompt_model is not None
    stack = network.prompt_model.prompt_model[0]
    assert isinstance(stack, PromptStack)
    tokens = torch.randn(12, SMALL.width, generator=torch.Generator().manual_seed(1))

    def answer(height: int, width: int, row: int, column: int) -> torch.Tensor:
        disparity, mask = torch.zeros(height, width), torch.zeros(height, width)
        disparity[row, column], mask[row, column] = 0.8, 1
        return stack(tokens, 4, 3, disparity, mask)

    # The centre of the middle pixel of 3 x 3 small ones is that of the large one.
    torch.testing.assert_close(answer(30, 40, 7, 9), answer(90, 120, 22, 28), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(answer(30, 40, 7, 9), answer(30, 40, 9, 7), atol=1e-2)


@torch.inference_mode()
def test_queries_do_not_depend_on_one_another(network: OfficialDepthNetwork, image: torch.Tensor) -> None:
    features = network.encode(image)
    coords = grid_coords(9, 7).expand(2, -1, -1)
    apart = torch.cat([network.decode(features, part) for part in coords.split(10, dim=1)], dim=1)
    torch.testing.assert_close(apart, network.decode(features, coords), rtol=1e-5, atol=1e-5)
    beyond = torch.tensor([[[-3.0, 0.2], [0.1, 7.0]]]).expand(2, -1, -1)
    assert torch.equal(network.decode(features, beyond), network.decode(features, beyond.clamp(-1, 1)))


def test_sizes_and_prompts_that_do_not_fit_are_refused(network: OfficialDepthNetwork, image: torch.Tensor) -> None:
    for size in ((40, 64), (64, 56), (16, 64)):
        with pytest.raises(ValueError, match="multiples of 16"):
            network.encode(torch.zeros(1, 3, *size))
    with torch.device("meta"):
        unprompted = OfficialDepthNetwork(OfficialConfig("vits16"))
    with pytest.raises(ValueError, match="no prompt"):
        unprompted.encode(image, one_prompt())


@torch.inference_mode()
def test_the_encoder_may_compute_in_half_the_precision(image: torch.Tensor) -> None:
    exact = official_network(SMALL)
    fast = copy.deepcopy(exact)  # whose weights other tests share
    fast.pretrained.to(torch.bfloat16)
    features, rough = exact.encode(image, one_prompt()), fast.encode(image, one_prompt())
    coords = grid_coords(8, 8).expand(2, -1, -1)
    error = exact.decode(features, coords) - fast.decode(rough, coords)
    assert rough.dino_tokens.dtype == torch.bfloat16
    assert 0 < error.abs().mean() < 0.1


def warp_cases() -> list:
    files = golden_paths("misc*.npz")
    names = [(path, name[: -len("_median")]) for path in files for name in np.load(path) if name.endswith("_median")]
    cases = [pytest.param(path, name, id=f"{path.stem}-{name}") for path, name in names if name.startswith("warp_")]
    return cases or [pytest.param(None, "", marks=no_such_file("misc*.npz"), id="no-file")]


@pytest.mark.parametrize(("file", "case"), warp_cases())
def test_golden_prompt_normalisation(file: Path, case: str) -> None:
    with np.load(file) as stored:
        golden = {key.removeprefix(f"{case}_"): torch.from_numpy(stored[key]) for key in stored if key.startswith(case)}
    inputs = (golden["prompt"], golden["prompt"] > 0, golden["gt"], golden["gtmask"])
    prompt, factor = normalise_prompt(*inputs)
    torch.testing.assert_close(prompt_median(*inputs), golden["median"].flatten(), rtol=1e-6, atol=0)
    torch.testing.assert_close(prompt.disparity, golden["out"], rtol=1e-6, atol=0)
    torch.testing.assert_close(golden["un_in"] * factor[:, None, None], golden["un_out"], rtol=1e-6, atol=0)


def test_the_rule_of_the_weights_fills_any_module() -> None:
    encoder = BasicEncoder()
    fill_by_rule(encoder)
    assert not encoder.training
    assert encoder.conv3.weight.std().item() == pytest.approx(1 / 16, rel=0.05)
