"""The rewritten official decoder against the decoder as it is written, in float64 and on the goldens."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from goldens import golden_files, rule_weight
from numpy.testing import assert_allclose
from official_golden import golden_case
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from infinidepth_blender.field.official import cells
from infinidepth_blender.field.official.compiled_head import CompiledHead
from infinidepth_blender.field.official.network import DepthImplicitHead
from infinidepth_blender.field.protocol import pixel_centres_yx

WIDTH = 24


@functools.cache
def example(seed: int = 0) -> tuple[DepthImplicitHead, Tensor, Tensor]:
    """A decoder with random weights and smooth random maps for it."""
    torch.manual_seed(seed)
    head = DepthImplicitHead(WIDTH).requires_grad_(False)
    for layer in head.linear_layers:
        layer.weight.normal_(std=(2 / layer.in_features) ** 0.5)
        layer.bias.normal_(std=0.1)
    return head, torch.randn(1, WIDTH, 3, 5), torch.randn(1, 128, 12, 20)


@functools.cache
def compiled(seed: int = 0) -> CompiledHead:
    head, tokens, conv = example(seed)
    return CompiledHead(head.linear_layers, tokens, conv)


def expected(coords: Tensor, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Raw predictions and their derivatives by (y, x), in float64."""
    head, tokens, conv = example(seed)
    wide = DepthImplicitHead(WIDTH).double().requires_grad_(False)
    wide.load_state_dict({name: value.double() for name, value in head.state_dict().items()})
    at = coords.double()[None].requires_grad_()
    raw = wide(tokens.double(), conv.double(), at)
    (slopes,) = torch.autograd.grad(raw.sum(), at)
    return raw.detach()[0], slopes[0]


def ask(coords: Tensor, slopes: bool = False) -> Tensor:
    plan = compiled().points_plan(coords, 1000)
    answer = torch.empty(len(coords), 3 if slopes else 1)
    for strip in plan.strips:
        answer[plan.order[slice(*strip)]] = plan.evaluate(strip, slopes)
    return answer


# 300 cells: some queries per cell, many, and fewer queries than cells
@pytest.mark.parametrize("count", [1, 40, 900, 6000])
def test_points_equal_the_plain_decoder(count: int) -> None:
    torch.manual_seed(count)
    coords = torch.rand(count, 2) * 2.1 - 1.05
    assert_allclose(ask(coords)[:, 0], expected(coords)[0], atol=5e-6)


@pytest.mark.parametrize("count", [40, 6000])
def test_slopes_equal_the_derivatives_of_the_plain_decoder(count: int) -> None:
    torch.manual_seed(count)
    coords = torch.rand(count, 2) * 2.1 - 1.05
    raw, slopes = expected(coords)
    answer = ask(coords, slopes=True)
    assert_allclose(answer[:, 0], raw, atol=5e-6)
    # At a kink the derivative of either side is right, and rounding chooses.
    same = torch.isclose(answer[:, 1:].double(), slopes, rtol=1e-3, atol=1e-3)
    assert same.double().mean() > 0.995
    assert float(slopes.abs().mean()) > 0.1


def test_beyond_the_border_nothing_changes() -> None:
    coords = torch.tensor([[1.5, 0.3], [0.2, -3.0], [-1.5, 1.5]])
    inside = coords.clamp(-1, 1)
    assert_allclose(ask(coords), ask(inside))
    slopes = ask(coords, slopes=True)[:, 1:]
    outside = coords.abs() > 1
    assert (slopes[outside] == 0).all()
    assert (slopes[~outside] != 0).all()


@pytest.mark.parametrize(
    ("height", "width", "inside"),
    [(12, 20, (1, 1)), (37, 53, (1, 1)), (97, 131, (1, 1)), (1, 1, (1, 1)), (3, 700, (1, 1)), (120, 90, (0.4, 0.7))],
)
def test_a_grid_equals_its_points(height: int, width: int, inside: tuple[float, float]) -> None:
    plan = compiled().grid_plan(height, width, inside[0], inside[1])
    assert [first for first, _ in plan.strips] == [0, *(last for _, last in plan.strips[:-1])]
    assert plan.strips[-1][1] == height
    grid = torch.cat([plan.evaluate(strip) for strip in plan.strips])
    coords = pixel_centres_yx(height, width) * torch.tensor(inside)
    assert_allclose(grid.flatten(), expected(coords)[0], atol=5e-6)


@pytest.mark.parametrize("rows", [(0, 60), (7, 8), (30, 60), (13, 47)])
def test_rows_of_a_grid_equal_those_of_the_whole(rows: tuple[int, int]) -> None:
    whole, part = compiled().grid_plan(60, 90), compiled().grid_plan(60, 90, rows=rows)
    assert (part.strips[0][0], part.strips[-1][1]) == rows
    assert_allclose(
        torch.cat([part.evaluate(strip) for strip in part.strips]),
        torch.cat([whole.evaluate(strip) for strip in whole.strips])[slice(*rows)],
        atol=5e-6,
    )


def test_the_order_of_strips_and_queries_means_nothing() -> None:
    torch.manual_seed(0)
    coords = torch.rand(5000, 2) * 2 - 1
    mixed = torch.randperm(5000)
    assert_allclose(ask(coords)[mixed], ask(coords[mixed]), atol=1e-5)


class NoFloat64(TorchDispatchMode):
    """Refuses what a device without float64 refuses."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple) else (result,):
            assert not isinstance(tensor, Tensor) or tensor.dtype != torch.float64, func
        return result


@pytest.mark.parametrize("count", [40, 6000])
def test_devices_without_float64_answer_the_same(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "position_dtype", lambda device: torch.float32)
    head = compiled().to(torch.device("cpu"))
    torch.manual_seed(count)
    coords = torch.rand(count, 2) * 2.1 - 1.05
    with NoFloat64():
        points = head.points_plan(coords)
        answer = torch.cat([points.evaluate(strip, slopes=True) for strip in points.strips])
    raw = expected(coords)[0]
    assert_allclose(answer[:, 0], raw[points.order], atol=2e-5)
    # As many pixels as queries; a grid that is finer or coarser than the cells takes another path.
    grid = head.grid_plan(round(count**0.5), round(count**0.5), 0.9, 1.0)
    with NoFloat64():
        pixels = torch.cat([grid.evaluate(strip) for strip in grid.strips])
    centres = pixel_centres_yx(*grid.shape) * torch.tensor([0.9, 1.0])
    assert_allclose(pixels.flatten(), expected(centres)[0], atol=2e-5)


def test_no_queries_give_no_answers() -> None:
    assert ask(torch.empty(0, 2)).shape == (0, 1)
    assert compiled().evaluate(torch.empty(0, 2), slopes=True).shape == (0, 3)


def test_units_without_a_sign_change_and_always_mixed_ones() -> None:
    head, tokens, conv = example(3)
    for factor in (0.0, 1e3):
        # Constant maps leave no unit mixed inside; large ones mix nearly all.
        layers, flat = head.linear_layers, (tokens * factor, conv * factor)
        fast = CompiledHead(layers, *flat).evaluate(coords := torch.rand(8000, 2) * 1.9 - 0.95)[:, 0]
        plain = head(*flat, coords[None])[0]
        assert_allclose(fast, plain, rtol=2e-5, atol=2e-5 * max(factor, 1))


def golden_decoder(file: Path, sample: int) -> tuple[CompiledHead, dict[str, np.ndarray]]:
    case = golden_case(file)
    tokens, conv = case.features.tokens[sample : sample + 1], case.features.conv[sample : sample + 1]
    head = DepthImplicitHead(tokens.shape[1]).requires_grad_(False)
    for name, value in head.state_dict().items():
        value.copy_(torch.from_numpy(rule_weight(f"depth_implicit_head.{name}", tuple(value.shape))))
    return CompiledHead(head.linear_layers, tokens, conv), case.golden


@pytest.mark.parametrize("by_cells", [False, True])
@pytest.mark.parametrize("file", golden_files("depth_*.npz", "sensor_*.npz"))
def test_golden_points(file: Path, by_cells: bool) -> None:
    coords = np.load(file)["coords"]
    for sample, at in enumerate(coords):
        decoder, golden = golden_decoder(file, sample)
        # Repeated queries are many per cell, which changes how they are evaluated.
        repeat = 200 if by_cells else 1
        answer = decoder.evaluate(torch.from_numpy(at).repeat(repeat, 1), slopes=True).numpy()
        assert_allclose(answer[:, 0], np.tile(golden["raw"][sample, :, 0], repeat), atol=3e-5)
        if "raw_grad_yx" in golden:
            slopes = golden["raw_grad_yx"][sample]
            close = np.isclose(answer[-len(slopes) :, 1:], slopes, rtol=1e-3, atol=1e-3 * np.abs(slopes).mean())
            assert close.mean() >= 0.99


@pytest.mark.parametrize("file", golden_files("depth_*.npz", "sensor_*.npz"))
def test_golden_grid(file: Path) -> None:
    with np.load(file) as stored:
        size = [int(side) for side in stored["dense_hw"]]
        samples = len(stored["image_u8"])
    for sample in range(samples):
        decoder, golden = golden_decoder(file, sample)
        plan = decoder.grid_plan(size[0], size[1])
        grid = torch.cat([plan.evaluate(strip) for strip in plan.strips])
        if "dense_raw" in golden:
            assert_allclose(grid, golden["dense_raw"][sample].reshape(size), atol=3e-5)
        else:
            disparity = grid * max(golden["warp_median"][sample], 1e-3)
            assert_allclose(disparity, golden["dense_disparity"][sample].reshape(size), atol=3e-5)
