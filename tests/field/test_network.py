"""The bundled network: shapes for any size, independence of the batch, gradients to everything, size limits."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from field_fixtures import small_network

from infinidepth_blender.field.network import InfiniDepthNetwork, NetworkConfig
from infinidepth_blender.field.pyramid import _convolved, over_neighbours, over_windows


@pytest.fixture(scope="module")
def network() -> InfiniDepthNetwork:
    return small_network()


@pytest.mark.parametrize(("height", "width"), [(16, 16), (32, 80), (96, 16)])
def test_levels_answers_and_heads_have_the_documented_shapes(
    network: InfiniDepthNetwork, height: int, width: int
) -> None:
    features = network.encode(torch.rand(2, 3, height, width))
    assert [tuple(level.shape) for level in features.levels] == [
        (2, channels, height // factor, width // factor)
        for channels, factor in zip(network.config.channels, (2, 4, 8, 16), strict=True)
    ]
    decoded = network.decode(features, torch.rand(2, 9, 2) * 2 - 1)
    assert decoded.t.shape == decoded.sky_logit.shape == (2, 9)
    estimates = network.globals(features)
    assert (estimates.log_depth_range > 0).all()
    assert (estimates.sin_pitch.abs() < 1).all()
    assert estimates.log_focal.shape == estimates.roll_rad.shape == (2,)


def test_a_detail_level_is_as_fine_as_the_transformers_image_and_begins_as_no_change() -> None:
    config = small_network().config
    with_detail = InfiniDepthNetwork(replace(config, detail_channels=6)).eval()
    without = InfiniDepthNetwork(config).eval()
    without.load_state_dict({name: with_detail.state_dict()[name] for name in without.state_dict()})
    image, coords = torch.rand(2, 3, 64, 96), torch.rand(2, 30, 2) * 2 - 1
    features = with_detail.encode(image)
    assert features.levels[0].shape == (2, 6, 32, 48)
    assert with_detail.config.input_patch_px == 2 * without.config.input_patch_px == 32
    plain = without.encode(torch.nn.functional.avg_pool2d(image, 2))
    assert [level.shape for level in features.levels[1:]] == [level.shape for level in plain.levels]
    torch.testing.assert_close(with_detail.decode(features, coords).t, without.decode(plain, coords).t)
    with_detail.decode(features, coords).t.sum().backward()
    for layer in (with_detail.decoder.detail, with_detail.detail.to_half):
        assert layer is not None and layer.weight.grad is not None and layer.weight.grad.abs().sum() > 0


def test_what_is_finer_than_the_transformers_pixels_reaches_the_answer() -> None:
    network = small_network(2, detail_channels=6)
    stripes = (torch.arange(64) % 2).float().expand(1, 3, 64, 64)  # their mean over 2 x 2 pixels is plain grey
    coords = torch.rand(1, 50, 2) * 2 - 1
    seen, plain = (
        network.decode(network.encode(image), coords).t for image in (stripes, torch.full_like(stripes, 0.5))
    )
    assert (seen - plain).abs().max() > 1e-3


@pytest.mark.parametrize(("side", "stride", "padding"), [(3, 1, 1), (7, 2, 0)])
def test_a_layer_over_windows_is_a_convolution(side: int, stride: int, padding: int) -> None:
    torch.manual_seed(3)
    layer, features = torch.nn.Linear(side * side * 5, 4), torch.randn(2, 12, 17, 5)
    plain = over_neighbours(features, layer) if padding else over_windows(features, layer, side, stride)
    torch.testing.assert_close(_convolved(features, layer, side, stride, padding), plain, rtol=1e-5, atol=1e-5)


def test_mixed_precision_gives_nearly_the_same_features() -> None:
    network = small_network(4, True, detail_channels=6)
    image, coords = torch.rand(2, 3, 64, 96), torch.rand(2, 40, 2) * 2 - 1
    features = network.encode(image)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = network.encode(image)
    for own, other in zip(features.levels, mixed.levels, strict=True):
        assert other.dtype == torch.bfloat16
        assert (own - other).abs().max() < 0.05 * own.abs().max()
    own, other = (network.decode(each, coords).t for each in (features, replace(mixed, levels=tuple(level.float() for level in mixed.levels))))  # fmt: skip
    assert (own - other).abs().mean() < 0.02


def test_a_photo_does_not_depend_on_its_batch(network: InfiniDepthNetwork) -> None:
    torch.manual_seed(1)
    images, coords = torch.rand(3, 3, 32, 48), torch.rand(3, 20, 2) * 2 - 1
    together = network.decode(network.encode(images), coords).t
    alone = network.decode(network.encode(images[1:2]), coords[1:2]).t
    torch.testing.assert_close(together[1:2], alone, rtol=1e-4, atol=1e-5)


def test_every_trained_weight_gets_a_gradient(network: InfiniDepthNetwork) -> None:
    features = network.encode(torch.rand(1, 3, 32, 48))
    decoded, estimates = network.decode(features, torch.rand(1, 50, 2) * 2 - 1), network.globals(features)
    total = decoded.t.sum() + decoded.sky_logit.sum() + estimates.log_focal.sum() + estimates.log_depth_range.sum()
    (total + estimates.sin_pitch.sum() + estimates.roll_rad.sum()).backward()
    without = [
        name
        for name, parameter in network.named_parameters()
        if parameter.requires_grad and (parameter.grad is None or not parameter.grad.abs().sum() > 0)
    ]
    network.zero_grad()
    assert without == []


def test_the_patches_perspective_begins_as_no_change_of_the_camera_and_can_learn() -> None:
    config = replace(small_network().config, perspective=True)
    network = InfiniDepthNetwork(config)
    features = network.encode(torch.rand(2, 3, 32, 48))
    assert features.perspective is not None
    assert features.perspective.shape == (2, 6, 3)
    before = network.globals(replace(features, perspective=None))
    assert torch.equal(network.globals(features).log_focal, before.log_focal)
    network.globals(features).log_focal.sum().backward()
    gradient = network.globals_moments.weight.grad
    assert gradient is not None
    assert gradient.abs().sum() > 0


def test_the_default_network_is_small_enough_to_ship() -> None:
    network = InfiniDepthNetwork()
    assert sum(parameter.numel() for parameter in network.parameters()) < 12_000_000
    assert sum(parameter.numel() for parameter in network.decoder.parameters()) < 110_000


def test_the_config_survives_json() -> None:
    config = NetworkConfig(channels=(8, 8, 16, 16), tokens=77)
    assert NetworkConfig.from_json(config.to_json()) == config
