"""A published network's answer for one photo: frames, padding, prompts, cancelling and a full card."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from official_golden import official_network
from official_warp import depth_to_disparity, normalise_prompt

from infinidepth_blender.errors import Cancelled, OptionsError
from infinidepth_blender.field.evaluation import Evaluator
from infinidepth_blender.field.official.compiled_head import PIECE_CARD, PIECE_CPU, SMALLEST_PIECE, CompiledHead
from infinidepth_blender.field.official.config import OfficialConfig
from infinidepth_blender.field.official.field import OfficialField
from infinidepth_blender.field.official.model import MAX_PROMPTS, OfficialModel, _spread
from infinidepth_blender.field.preprocess import prepare_image
from infinidepth_blender.field.protocol import pixel_centres_yx
from infinidepth_blender.options import Precision

TOKENS = 40


def official_model(prompted: bool = False, precision: Precision = "exact") -> OfficialModel:
    network = official_network(OfficialConfig("vits16", prompted))
    model = OfficialModel(network, torch.device("cpu"), {"name": "small"}, precision=precision)
    model.tokens = TOKENS
    return model


def make_photo(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    waves = [np.sin(9 * x + 2 * y), np.cos(13 * y - 3 * x), np.sin(30 * x * y)]
    return (np.stack(waves, axis=-1) * 100 + 128).astype(np.uint8)


@pytest.fixture(scope="module")
def model() -> OfficialModel:
    return official_model()


@pytest.fixture(scope="module")
def field(model: OfficialModel) -> OfficialField:
    return model.encode(make_photo(48, 64))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (48, 64), (1, 3000), (10, 3000), (3000, 10), (7, 5)])
def test_photos_of_any_shape_are_answered_in_their_own_frame(model: OfficialModel, height: int, width: int) -> None:
    field = model.encode(make_photo(height, width))
    seen = field.prepared
    assert torch.equal(seen.image, prepare_image(make_photo(height, width), model.tokens, 16, in_one_step=True).image)
    assert field.dino_tokens.shape[1] == seen.image.shape[2] * seen.image.shape[3] // 256
    coords = pixel_centres_yx(9, 14)
    network = official_network(OfficialConfig("vits16"))
    with torch.no_grad():
        features = network.encode(seen.image)
        expected = network.decode(features, (coords * torch.tensor([seen.inside_y, seen.inside_x]))[None])[0]
    torch.testing.assert_close(field.disparity(coords), expected, atol=3e-5, rtol=0)
    torch.testing.assert_close(field.disparity_grid(9, 14).flatten(), expected, atol=3e-5, rtol=0)
    torch.testing.assert_close(field.disparity_grid(9, 14, (3, 5)), field.disparity_grid(9, 14)[3:5])
    assert not field.sky_grid(9, 14, (3, 5)).any()


def test_the_gradient_of_a_continued_strip_is_that_of_the_strip(model: OfficialModel) -> None:
    field = model.encode(make_photo(12, 240))
    assert field.prepared.inside_y < 0.5
    coords = torch.rand(200, 2, generator=torch.Generator().manual_seed(0)) * 1.8 - 0.9
    found, gradient = field.disparity_and_gradient(coords)
    torch.testing.assert_close(found, field.disparity(coords))
    for axis in (0, 1):
        step = torch.zeros(2)
        step[axis] = 2e-3
        slope = (field.disparity(coords + step) - field.disparity(coords - step)) / 4e-3
        # At a kink the derivative is that of one side, and random weights make many: right on the average.
        gain = (gradient[:, axis] * slope).sum() / slope.square().sum()
        assert float(gain) == pytest.approx(1, abs=0.05)


def test_no_query_and_a_single_one(field: OfficialField) -> None:
    assert field.disparity(torch.empty(0, 2)).shape == (0,)
    disparity, gradient = field.disparity_and_gradient(torch.empty(0, 2))
    assert (disparity.shape, gradient.shape) == ((0,), (0, 2))
    coords = torch.tensor([[0.3, -0.2], [0.9, 0.1]])
    torch.testing.assert_close(field.disparity(coords[:1]), field.disparity(coords)[:1])


@pytest.mark.parametrize("ask", ["grid", "points", "slopes"])
def test_long_answers_report_and_can_be_stopped(field: OfficialField, ask: str) -> None:
    coords = torch.rand(400_000, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1
    fractions: list[float] = []

    def stop(fraction: float) -> None:
        fractions.append(fraction)
        raise Cancelled

    field.watch(stop)
    try:
        with pytest.raises(Cancelled):
            if ask == "grid":
                field.disparity_grid(400, 500)
            elif ask == "points":
                field.disparity(coords)
            else:
                field.disparity_and_gradient(coords)
    finally:
        field.watch(lambda fraction: None)
    assert len(fractions) == 1 and fractions[0] < 0.5


def test_the_encoder_reports_block_by_block_and_can_be_stopped(model: OfficialModel) -> None:
    fractions: list[float] = []
    photo = make_photo(48, 64)
    model.encode(photo, on_step=fractions.append)
    assert fractions == sorted(fractions)
    assert (len(fractions), fractions[-1]) == (12, 1)

    def stop(fraction: float) -> None:
        fractions.append(fraction)
        if fraction >= 0.25:
            raise Cancelled

    fractions.clear()
    with pytest.raises(Cancelled):
        model.encode(photo, on_step=stop)
    assert fractions[-1] == 0.25
    model.encode(photo)  # nobody listens any more
    assert fractions[-1] == 0.25


class FullCard(CompiledHead):
    """A decoder on a device that never has memory."""

    def __init__(self, on_cpu: CompiledHead) -> None:
        self.on_cpu = on_cpu
        self.strips: list[int] = []

    @property
    def device(self) -> torch.device:
        return torch.device("meta")

    def to(self, device: torch.device) -> CompiledHead:
        return self.on_cpu.to(device)

    def points_plan(self, coords_yx: torch.Tensor, piece: int = 0) -> Any:
        self.strips.append(piece)
        raise torch.OutOfMemoryError("CUDA out of memory")

    def grid_plan(self, *asked: Any, **options: Any) -> Any:
        raise RuntimeError("MPS backend out of memory")


@pytest.mark.parametrize("ask", ["grid", "points"])
def test_where_the_card_is_full_the_processor_answers_the_same(field: OfficialField, ask: str) -> None:
    notices: list[str] = []
    card = FullCard(field.evaluator.decoder)
    other = OfficialField(card, field.prepared, field.dino_tokens, notify=notices.append)
    coords = torch.rand(3000, 2) * 2 - 1
    for _ in range(2):
        if ask == "grid":
            torch.testing.assert_close(other.disparity_grid(20, 30), field.disparity_grid(20, 30))
        else:
            torch.testing.assert_close(other.disparity(coords), field.disparity(coords))
    assert len(notices) == 1
    assert ask == "grid" or card.strips[0] > card.strips[-1]


class SmallCard(CompiledHead):
    """A decoder on a device that has room for blocks of some size."""

    def __init__(self, on_cpu: CompiledHead, room: int) -> None:
        vars(self).update(vars(on_cpu))
        self.room = room
        self.blocks: list[int] = []

    def _cell_block(self, corners: Any, block: Any, units: Any, weights: torch.Tensor, scratch: Any) -> torch.Tensor:
        answer = super()._cell_block(corners, block, units, weights, scratch)
        self.blocks.append(max(part.numel() for part in scratch._flat.values()))
        if self.blocks[-1] > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return answer


class OnCard:
    """Has the plans of a decoder on the processor made as if it were on a card."""

    device = torch.device("meta")

    def __init__(self, decoder: SmallCard) -> None:
        self.grid_plan = decoder.grid_plan

    def to(self, device: torch.device) -> CompiledHead:
        raise AssertionError("there is room for small blocks")


def test_on_a_small_card_the_blocks_of_grids_shrink_until_they_fit() -> None:
    notices: list[str] = []
    model = official_model()
    model.tokens = 160
    field = model.encode(make_photo(48, 64))
    card = SmallCard(field.evaluator.decoder, room=1 << 19)
    other = OfficialField(card, field.prepared, field.dino_tokens)
    other.evaluator = Evaluator(OnCard(card), PIECE_CPU, PIECE_CARD, SMALLEST_PIECE, notices.append)  # pyright: ignore
    torch.testing.assert_close(other.disparity_grid(300, 400), field.disparity_grid(300, 400))
    assert card.blocks[0] > 1.5 * card.room
    assert SMALLEST_PIECE < other.evaluator.piece < PIECE_CARD
    assert notices == []


def test_the_smaller_the_piece_the_less_memory_points_need(field: OfficialField) -> None:
    coords = torch.rand(60_000, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1
    most: list[int] = []
    for piece in (1 << 16, 1 << 15, 1 << 14):
        card = SmallCard(field.evaluator.decoder, 1 << 40)
        plan = card.points_plan(coords, piece)
        for strip in plan.strips:
            plan.evaluate(strip, slopes=True)
        most.append(max(card.blocks))
    assert most[0] > 1.5 * most[1] > 2.25 * most[2]


def test_in_16_bits_the_answer_is_nearly_the_same(field: OfficialField) -> None:
    fast = official_model(precision="fast")
    answer, exact = fast.encode(make_photo(48, 64)).disparity_grid(30, 40), field.disparity_grid(30, 40)
    assert fast.info["precision"] == "bfloat16"
    assert answer.dtype == torch.float32 and bool(answer.isfinite().all())
    assert 0 < float((answer - exact).abs().mean()) < 0.05 * float(exact.std())


@pytest.mark.parametrize(("height", "width"), [(48, 64), (12, 240), (240, 12)])
def test_measurements_lie_where_they_were_made(height: int, width: int) -> None:
    """The prompt's frame is that of the network's input, which may be larger than the photo."""
    seen: list[torch.Tensor] = []
    model = official_model(prompted=True)
    network = official_network(OfficialConfig("vits16", prompted=True))
    assert network.prompt_model is not None
    model._network = network
    code = network.prompt_model.prompt_model[0].get_submodule("pe_layer")
    handle = code.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    depth = np.full((height, width), np.nan, np.float32)
    depth[height // 4, width // 4 * 3] = 4
    try:
        field = model.encode(make_photo(height, width), depth)
    finally:
        handle.remove()
    inside = (field.prepared.inside_x, field.prepared.inside_y)
    places = [(width // 4 * 3 + 0.5) / width, (height // 4 + 0.5) / height]
    expected = [(place - 0.5) * share + 0.5 for place, share in zip(places, inside, strict=True)]
    assert seen[1].tolist()[0] == pytest.approx(expected, abs=0.01)
    assert field.scale == "metric"
    # All numbers are counted in the median of the measured disparity.
    depth *= 10
    further = model.encode(make_photo(height, width), depth)
    torch.testing.assert_close(10 * further.disparity_grid(5, 7), field.disparity_grid(5, 7))


def test_measurements_are_counted_as_the_released_pipeline_counts_them() -> None:
    depth = np.zeros((48, 64), np.float32)
    depth[3::7, 2::5] = np.random.default_rng(0).uniform(0.5, 30, (7, 13))
    measured = OfficialModel._measured(prepare_image(make_photo(48, 64), 12, 16), depth, seed=0)
    disparity = depth_to_disparity(torch.from_numpy(depth)[None, None])
    prompt, factor = normalise_prompt(disparity, disparity > 0, disparity, disparity > 0)
    torch.testing.assert_close(measured.prompt.disparity, prompt.disparity)
    assert torch.equal(measured.prompt.mask, prompt.mask)
    assert [measured.median] == pytest.approx(factor.tolist())


def test_a_model_for_measured_depth_asks_for_it() -> None:
    model = official_model(prompted=True)
    for nothing in (None, np.zeros((4, 5), np.float32), np.full((4, 5), np.nan, np.float32)):
        with pytest.raises(OptionsError, match="measured depth"):
            model.encode(make_photo(48, 64), nothing)


def test_of_many_measurements_some_are_taken_from_everywhere() -> None:
    places = np.argwhere(np.ones((100, 200), bool))
    chosen = _spread(places, MAX_PROMPTS, seed=1)
    assert len(chosen) == len(np.unique(chosen, axis=0)) == MAX_PROMPTS
    counts = np.histogram2d(*chosen.T, bins=(5, 10), range=((0, 100), (0, 200)))[0]
    assert counts.min() > 0.6 * counts.max()
    assert np.array_equal(chosen, _spread(places, MAX_PROMPTS, seed=1))
    assert not np.array_equal(chosen, _spread(places, MAX_PROMPTS, seed=2))
    few = places[:10]
    assert _spread(few, MAX_PROMPTS, seed=1) is few
