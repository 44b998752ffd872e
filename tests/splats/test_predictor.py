"""The official Gaussian predictor: its golden numbers, strips, and checkpoints that do not fit."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest
import torch
from goldens import golden_files, rule_weight
from numpy.typing import NDArray
from predictor_golden import (
    ATTRIBUTES,
    assert_close,
    every_pixel,
    official_at,
    official_dense_means,
    official_names,
    official_sparse_means,
    rule_predictor,
)
from safetensors.torch import save_file

from infinidepth_blender.bundled import BUNDLED_WEIGHTS
from infinidepth_blender.errors import Cancelled, ModelError
from infinidepth_blender.splats.predictor import GaussianMap, GaussianPredictor, load_predictor

MODULE_FILES = golden_files("gs_[!e]*.npz", "gs_e[!2]*.npz")


@functools.cache
def golden(path: Path) -> dict[str, NDArray]:
    return dict(np.load(path))


@functools.cache
def predicted(path: Path) -> GaussianMap:
    g = golden(path)
    image = torch.from_numpy(g["image_u8"]).permute(0, 3, 1, 2).float() / 255
    tokens = torch.from_numpy(g["dino_tokens"])
    return rule_predictor(tokens.shape[-1])(image, torch.from_numpy(g["depthmap"]), tokens)


@functools.cache
def at_pixels(path: Path) -> dict[str, NDArray]:
    depth, intrinsics, pose = (torch.from_numpy(golden(path)[n]) for n in ("depthmap", "intrinsics", "extrinsics_c2w"))
    seen = predicted(path)
    return official_names(every_pixel(seen), official_dense_means(seen, depth, intrinsics, pose))


@functools.cache
def between_pixels(path: Path) -> dict[str, NDArray]:
    g = golden(path)
    coords = torch.from_numpy(g["sparse_coords"])
    return official_names(official_at(predicted(path), coords), official_sparse_means(g))


@pytest.mark.parametrize("name", ATTRIBUTES)
@pytest.mark.parametrize("path", MODULE_FILES)
def test_dense_gaussians(path, name):
    ours, expected = at_pixels(path)[name], golden(path)
    assert_close(ours[expected["pix_idx"]], expected[f"dense_{name}"])


@pytest.mark.parametrize("name", ATTRIBUTES)
@pytest.mark.parametrize("path", MODULE_FILES)
def test_statistics_over_all_pixels(path, name):
    components = at_pixels(path)[name].reshape(len(at_pixels(path)[name]), -1)
    assert_close(components.mean(axis=0), golden(path)[f"dense_{name}_mean"])
    assert_close(components.std(axis=0), golden(path)[f"dense_{name}_std"])


@pytest.mark.parametrize("name", ATTRIBUTES)
@pytest.mark.parametrize("path", MODULE_FILES)
def test_sparse_gaussians(path, name):
    assert_close(between_pixels(path)[name], golden(path)[f"sparse_{name}"])


# -- without goldens ------------------------------------------------------------------


def random_input(height: int, width: int, batch: int = 1) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    image = torch.rand(batch, 3, height, width, generator=generator)
    depth = 1 + 4 * torch.rand(batch, 1, height, width, generator=generator)
    return image, depth, torch.randn(batch, height // 16 * (width // 16), 24, generator=generator)


def plain_output(predictor: GaussianPredictor, image, depth, tokens) -> torch.Tensor:
    """The 37 raw channels, evaluated layer by layer on whole images."""
    height, width = image.shape[2:]
    grid = tokens.mT.reshape(len(image), -1, height // 16, width // 16)
    rgb, seen_depth = predictor.rgb_encoder(image), predictor.depth_encoder(depth)
    dino = torch.nn.functional.interpolate(
        predictor.dino_projector(grid), size=(height, width), mode="bilinear", align_corners=False
    )
    reg = predictor.gaussian_regressor(torch.cat([rgb, seen_depth, dino], dim=1))
    return predictor.gaussian_head(torch.cat([reg, rgb, dino], dim=1))


@pytest.mark.parametrize("rows", [1, 7, 16, 1000])
def test_strips_of_any_height_give_what_the_whole_gives(rows):
    predictor, inputs = rule_predictor(24), random_input(48, 80, batch=2)
    raw = plain_output(predictor, *inputs)
    seen = predictor(*inputs, strip_rows=rows)
    torch.testing.assert_close(seen.attributes[:, 0], torch.sigmoid(raw[:, 0]), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(seen.offsets_px, torch.sigmoid(raw[:, 1:3]) - 0.5, rtol=1e-4, atol=1e-5)
    red_of_degree_2 = slice(8 + 4, 8 + 9)
    torch.testing.assert_close(seen.attributes[:, red_of_degree_2], raw[:, 14:19] * 0.00625, rtol=1e-4, atol=1e-5)


def test_the_work_can_be_stopped_and_reports_how_far_it_is():
    done: list[float] = []
    rule_predictor(24)(*random_input(64, 64), strip_rows=16, on_step=done.append)
    assert done == [0.25, 0.5, 0.75, 1.0]

    def stop(_: float) -> None:
        raise Cancelled()

    with pytest.raises(Cancelled):
        rule_predictor(24)(*random_input(64, 64), strip_rows=16, on_step=stop)


def test_beyond_the_outermost_pixel_centres_the_border_goes_on():
    seen = rule_predictor(24)(*random_input(32, 32))
    corner = seen.at(torch.tensor([[[-1.0, -1.0]]]))
    first = every_pixel(seen)
    torch.testing.assert_close(corner.opacities[0, 0], first.opacities[0, 0])
    torch.testing.assert_close(corner.sh[0, 0], first.sh[0, 0])


@pytest.mark.parametrize(("height", "width", "count"), [(40, 48, 6), (48, 48, 8)])
def test_tokens_that_do_not_fit_the_image_are_an_error(height, width, count):
    image, depth = torch.zeros(1, 3, height, width), torch.ones(1, 1, height, width)
    with pytest.raises(ValueError, match="do not fit"):
        rule_predictor(24)(image, depth, torch.zeros(1, count, 24))


def weights(token_width: int = 24) -> dict[str, torch.Tensor]:
    with torch.device("meta"):
        shapes = {name: tuple(value.shape) for name, value in GaussianPredictor(token_width).state_dict().items()}
    return {name: torch.from_numpy(rule_weight(name, shape)) for name, shape in shapes.items()}


@pytest.mark.parametrize("prefix", ["encoder.", ""])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_checkpoint_of_any_token_width_and_precision_is_used(prefix, dtype, tmp_path):
    tensors = {name: value.to(dtype) for name, value in weights(40).items()}
    torch.save({"state_dict": {prefix + name: value for name, value in tensors.items()}}, tmp_path / "gs.ckpt")
    predictor = load_predictor(tmp_path / "gs.ckpt")
    assert predictor.token_width == 40
    assert not any(parameter.requires_grad for parameter in predictor.parameters())
    for name, value in predictor.state_dict().items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, tensors[name].float())


def test_a_file_of_safetensors_is_used(tmp_path):
    save_file(weights(), tmp_path / "gs.safetensors")
    assert load_predictor(tmp_path / "gs.safetensors").token_width == 24


def test_missing_misshaped_and_foreign_tensors_are_errors(tmp_path):
    name = "gaussian_head.2.bias"
    for change, message in (
        ({name: None}, f"lacks 1 weights, the first is '{name}'"),
        ({name: torch.zeros(36)}, f"'{name}' have shape \\(36,\\), expected \\(37,\\)"),
        ({"dino_projector.0.weight": None}, "lacks 1 weights"),
        ({"strange.weight": torch.zeros(1)}, r"strange\.weight"),
        ({"depth_implicit_head.out_layer.layers.0.weight": torch.zeros(2, 2)}, "depth network"),
    ):
        tensors = {key: value for key, value in (weights() | change).items() if value is not None}
        torch.save(tensors, tmp_path / "gs.ckpt")
        with pytest.raises(ModelError, match=message):
            load_predictor(tmp_path / "gs.ckpt")


def test_a_depth_model_is_no_gaussian_predictor():
    with pytest.raises(ModelError, match="not a Gaussian predictor"):
        load_predictor(BUNDLED_WEIGHTS)
