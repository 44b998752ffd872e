"""The network as a depth field: grids equal points, gradients equal differences, any photo size."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from field_fixtures import make_photo, small_network

from infinidepth_blender.errors import Cancelled
from infinidepth_blender.field.compiled_decoder import CompiledDecoder, GridPlan
from infinidepth_blender.field.decoder import sample_bilinear
from infinidepth_blender.field.device import is_out_of_memory
from infinidepth_blender.field.network import InfiniDepthNetwork
from infinidepth_blender.field.network_field import FieldModel, NetworkField
from infinidepth_blender.field.preprocess import prepare_image
from infinidepth_blender.field.protocol import pixel_centres_yx
from infinidepth_blender.field.surfaces import seen_surface


def make_model(network: InfiniDepthNetwork) -> FieldModel:
    return FieldModel(network, torch.device("cpu"), {})


KINDS = {"one surface": (False, 0), "two surfaces": (True, 0), "two surfaces and detail": (True, 6)}


@pytest.fixture(scope="module", params=KINDS.values(), ids=list(KINDS))
def field(request: pytest.FixtureRequest) -> NetworkField:
    return make_model(small_network(0, *request.param)).encode(make_photo(90, 120))


@pytest.mark.parametrize(("height", "width"), [(37, 53), (1, 1), (300, 411), (3, 1000)])
def test_a_grid_equals_its_points(field: NetworkField, height: int, width: int) -> None:
    grid = field.disparity_grid(height, width)
    points = field.disparity(pixel_centres_yx(height, width)).view(height, width)
    assert float(grid.std() if grid.numel() > 1 else 1) > 1e-3
    torch.testing.assert_close(grid, points, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("rows", [(0, 37), (5, 6), (20, 37)])
def test_rows_of_a_grid_equal_those_of_the_whole(field: NetworkField, rows: tuple[int, int]) -> None:
    for ask in (field.disparity_grid, field.sky_grid):
        torch.testing.assert_close(ask(37, 53, rows), ask(37, 53)[slice(*rows)], rtol=1e-5, atol=1e-6)


def test_many_threads_give_the_same_and_the_setting_stays(field: NetworkField) -> None:
    before, coords = torch.get_num_threads(), torch.rand(10_000, 2) * 2 - 1
    try:
        torch.set_num_threads(1)
        alone = field.disparity_grid(200, 300), field.disparity(coords), field.disparity_and_gradient(coords)[1]
        torch.set_num_threads(3)
        together = field.disparity_grid(200, 300), field.disparity(coords), field.disparity_and_gradient(coords)[1]
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    for one, other in zip(alone, together, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("threads", [1, 3])
def test_long_answers_report_and_can_be_stopped(threads: int) -> None:
    field, before, fractions = make_model(small_network()).encode(make_photo(30, 40)), torch.get_num_threads(), []
    coords = torch.rand(30_000, 2) * 2 - 1

    def stop_half_way(fraction: float) -> None:
        fractions.append(fraction)
        if fraction > 0.5:
            raise Cancelled

    try:
        torch.set_num_threads(threads)
        field.watch(fractions.append)
        field.disparity(coords)
        assert fractions == sorted(fractions)
        assert len(fractions) > 5
        assert fractions[-1] == 1
        for ask in (lambda: field.disparity(coords), lambda: field.disparity_grid(300, 300)):
            fractions.clear()
            field.watch(stop_half_way)
            with pytest.raises(Cancelled):
                ask()
            assert fractions[-1] < 0.8
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_the_compiled_decoder_equals_the_trained_one(kind: tuple[bool, int]) -> None:
    network = small_network(3, *kind)
    with torch.inference_mode():
        features = network.encode(torch.rand(1, 3, 64, 96))
        coords = torch.rand(1, 500, 2) * 2.4 - 1.2
        decoded = network.decode(features, coords)
        compiled = CompiledDecoder.of(network.decoder, features.levels).points(coords[0])
    torch.testing.assert_close(compiled[:, 0], decoded.t[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(compiled[:, 1], decoded.sky_logit[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["one surface", "own choice", "choice by colours", "detail"])
def test_the_gradient_equals_finite_differences_in_float64(kind: str) -> None:
    shape = kind != "one surface", 6 if kind == "detail" else 0
    network = small_network(5, *shape).double()
    photo = make_photo(64, 96)
    field = make_model(small_network(5, *shape)).encode(photo)
    choice = field.evaluator.decoder.choice
    assert (choice is None) == (kind == "one surface")
    if kind == "own choice":
        choice = field.evaluator.decoder.choice = None
    prepared = prepare_image(photo, network.config.tokens, network.config.input_patch_px)
    features = network.encode(prepared.image.double())
    torch.manual_seed(0)
    coords = (torch.rand(2000, 2) * 1.9 - 0.95).double()

    def disparity(at: torch.Tensor) -> torch.Tensor:
        decoded = network.decode(features, at[None])
        t = decoded.t[0]
        if choice is not None and decoded.sides is not None:
            by_colours = sample_bilinear(choice.permute(2, 0, 1)[None].double(), at[None])[0, :, 0]
            near, gap, own_choice = decoded.sides[0].unbind(dim=-1)
            t = seen_surface(near, gap, own_choice, by_colours)
        return torch.exp(-field.log_depth_range * t)

    step = 1e-5
    with torch.inference_mode():
        differences = torch.stack(
            [
                (disparity(coords + shift) - disparity(coords - shift)) / (2 * step)
                for shift in step * torch.eye(2).double()
            ],
            dim=1,
        )
    value, gradient = field.disparity_and_gradient(coords.float())
    torch.testing.assert_close(value.double(), disparity(coords).detach(), rtol=1e-4, atol=1e-5)
    error = (gradient.double() - differences).norm(dim=1) / differences.norm(dim=1).clamp(min=0.05)
    # The field is piecewise smooth: a few coordinates lie on a kink.
    assert float((error < 1e-3).float().mean()) > 0.99
    assert float(error.median()) < 1e-5


@pytest.mark.parametrize(("height", "width"), [(1, 3000), (3000, 2), (1, 1), (5, 7), (700, 900)])
def test_photos_of_any_size_and_aspect(height: int, width: int) -> None:
    field = make_model(small_network()).encode(make_photo(height, width))
    grid = field.disparity_grid(4, 6)
    assert torch.isfinite(grid).all()
    assert (grid > 0).all()
    value, gradient = field.disparity_and_gradient(torch.tensor([[-1.0, -1.0], [1.0, 1.0], [0.0, 0.3]]))
    assert torch.isfinite(value).all()
    assert torch.isfinite(gradient).all()
    assert field.fov_x_rad is not None
    assert 0 < field.fov_x_rad < math.pi


def test_a_mirrored_photo_has_the_same_lens_and_the_opposite_roll() -> None:
    model, photo = make_model(small_network()), make_photo(90, 120)
    field, mirrored = model.encode(photo), model.encode(np.ascontiguousarray(photo[:, ::-1]))
    assert field.fov_x_rad == pytest.approx(mirrored.fov_x_rad, abs=1e-4)
    assert field.pitch_rad == pytest.approx(mirrored.pitch_rad, abs=1e-4)
    assert field.roll_rad == pytest.approx(-mirrored.roll_rad, abs=1e-4)
    assert abs(field.roll_rad) > 1e-3


@pytest.mark.parametrize("two_surfaces", [False, True])
def test_the_gradient_of_a_continued_strip_is_that_of_the_strip(two_surfaces: bool) -> None:
    field = make_model(small_network(0, two_surfaces)).encode(make_photo(20, 400))
    y = torch.linspace(-0.9, 0.9, 20_001)
    coords = torch.stack([y, torch.full_like(y, 0.117)], dim=1)
    value, gradient = field.disparity_and_gradient(coords)
    # The integral of the derivative is the difference of the values, across all kinks.
    integral = torch.trapezoid(gradient[:, 0].double(), y.double())
    assert float(integral) == pytest.approx(float(value[-1] - value[0]), rel=0.02)


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_sky_is_a_probability_and_belongs_to_the_grid(kind: tuple[bool, int]) -> None:
    field, again = (make_model(small_network(0, *kind)).encode(make_photo(90, 120)) for _ in range(2))
    sky = field.sky_grid(20, 30)
    assert sky.shape == (20, 30)
    assert float(sky.min()) >= 0
    assert float(sky.max()) <= 1
    again.disparity_grid(20, 30)
    assert torch.equal(again.sky_grid(20, 30), sky)
    assert again.sky_grid(7, 9).shape == (7, 9)


def test_float_and_byte_photos_agree() -> None:
    model, photo = make_model(small_network()), make_photo(64, 96)
    bytes_grid = model.encode(photo).disparity_grid(8, 12)
    float_grid = model.encode(photo.astype("float32") / 255).disparity_grid(8, 12)
    torch.testing.assert_close(bytes_grid, float_grid, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("shape", [(10, 10), (10, 10, 4), (0, 10, 3)])
def test_what_is_no_image_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="image of shape"):
        make_model(small_network()).encode(torch.zeros(shape).byte().numpy())


class FullCard(CompiledDecoder):
    """A decoder on a device without memory: every request fails until it has moved to the processor."""

    def __init__(self, on_cpu: CompiledDecoder) -> None:
        self.on_cpu = on_cpu
        self.asked_points: list[int] = []
        self.asked_block_pixels: list[int] = []

    @property
    def device(self) -> torch.device:
        return torch.device("meta")

    def to(self, device: torch.device) -> CompiledDecoder:
        return self.on_cpu.to(device)

    def points(self, coords_yx: torch.Tensor) -> torch.Tensor:
        self.asked_points.append(len(coords_yx))
        raise torch.OutOfMemoryError("CUDA out of memory")

    def grid(
        self, height: int, width: int, inside_y: float, inside_x: float, block_pixels: int, rows: Any = None
    ) -> GridPlan:
        self.asked_block_pixels.append(block_pixels)
        raise RuntimeError("MPS backend out of memory")


def on_full_card(notices: list[str]) -> tuple[NetworkField, FullCard, NetworkField]:
    """A field on a card without memory, its decoder, and the same field on the processor."""
    network, photo = small_network(), make_photo(48, 64)
    prepared = prepare_image(photo, network.config.tokens, 16)
    with torch.no_grad():
        features = network.encode(prepared.image)
    card = FullCard(CompiledDecoder.of(network.decoder, features.levels))
    common: dict[str, Any] = {"log_depth_range": 2.0, "fov_x_rad": 1.0, "pitch_rad": 0.0, "roll_rad": 0.0}
    field = NetworkField(card, prepared, **common, notify=notices.append)
    return field, card, NetworkField(card.on_cpu, prepared, **common)


def test_a_full_card_gets_smaller_pieces_then_the_processor_takes_over() -> None:
    notices: list[str] = []
    field, card, expected = on_full_card(notices)
    coords = torch.rand(100_000, 2) * 2 - 1
    torch.testing.assert_close(field.disparity(coords), expected.disparity(coords))
    assert card.asked_points == sorted(card.asked_points, reverse=True)
    assert card.asked_points[0] > 50 * card.asked_points[-1]
    assert len(notices) == 1
    field.disparity_grid(20, 30)
    assert len(notices) == 1


def test_a_full_card_does_not_stop_grids() -> None:
    notices: list[str] = []
    field, card, expected = on_full_card(notices)
    torch.testing.assert_close(field.disparity_grid(20, 30), expected.disparity_grid(20, 30))
    torch.testing.assert_close(field.sky_grid(20, 30), expected.sky_grid(20, 30))
    assert card.asked_block_pixels[0] > card.asked_block_pixels[-1]
    assert len(notices) == 1


def test_other_errors_are_not_taken_for_a_full_card() -> None:
    notices: list[str] = []
    field, _, _ = on_full_card(notices)
    with pytest.raises(RuntimeError, match=r"expand|size|shape"):
        field.disparity(torch.zeros(3, 5))
    assert notices == []


def test_answers_may_be_changed_in_place(field: NetworkField) -> None:
    field.disparity(torch.zeros(3, 2)).clamp_(min=1)
    field.disparity_grid(3, 3).clamp_(min=1)


def test_memory_errors_are_recognised() -> None:
    assert is_out_of_memory(RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"))
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA"))
    for status in ("CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED", "CUBLAS_STATUS_NOT_INITIALIZED"):
        assert is_out_of_memory(RuntimeError(f"CUDA error: {status} when calling `cublasCreate(handle)`"))
    assert not is_out_of_memory(RuntimeError("shape mismatch"))


def test_no_coordinates_give_no_answers(field: NetworkField) -> None:
    assert field.disparity(torch.zeros(0, 2)).shape == (0,)
    value, gradient = field.disparity_and_gradient(torch.zeros(0, 2))
    assert (value.shape, gradient.shape) == ((0,), (0, 2))
