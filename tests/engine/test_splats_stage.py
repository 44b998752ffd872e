"""Splats by a Gaussian predictor through the whole pipeline, with small networks from real files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from goldens import fill_by_rule
from safetensors.torch import save_file

from infinidepth_blender.camera import Camera
from infinidepth_blender.engine import splats_stage
from infinidepth_blender.engine.models import ModelCache
from infinidepth_blender.engine.photo import open_photo
from infinidepth_blender.engine.photo_field import PhotoField
from infinidepth_blender.engine.pipeline import reconstruct_photo
from infinidepth_blender.engine.splats_stage import find_splats_model, make_splats
from infinidepth_blender.errors import ModelError, OptionsError
from infinidepth_blender.field.evaluation import OUT_OF_MEMORY
from infinidepth_blender.field.load import load_field_model
from infinidepth_blender.field.official import model
from infinidepth_blender.field.official.config import OfficialConfig
from infinidepth_blender.field.official.model import OfficialModel
from infinidepth_blender.field.official.network import OfficialDepthNetwork
from infinidepth_blender.options import ReconstructOptions
from infinidepth_blender.query.grids import DepthSamples, depth_grid
from infinidepth_blender.reconstruction import FLAG_VALID, Gaussians, Reconstruction, load
from infinidepth_blender.splats.files import read_splats
from infinidepth_blender.splats.predictor import GaussianPredictor

SIZE = (160, 120)
SKY_ROWS = 40
CAMERA = Camera.from_fov_x(np.radians(60), *SIZE)


def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The flow is the same at any size of the network's input."""
    monkeypatch.setattr(model, "INPUT_TOKENS", 12 * 16)


@pytest.fixture(scope="module")
def depth_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with torch.device("meta"):
        network = OfficialDepthNetwork(OfficialConfig("vits16", prompted=False))
    path = tmp_path_factory.mktemp("depth") / "depth.safetensors"
    save_file({name: value.contiguous() for name, value in fill_by_rule(network).state_dict().items()}, path)
    return path


def predictor_file(path: Path, token_width: int = 384) -> Path:
    """Opaque Gaussians, so that none is left out."""
    state = dict(fill_by_rule(GaussianPredictor(token_width)).state_dict())
    state["gaussian_head.2.bias"] = state["gaussian_head.2.bias"].clone()
    state["gaussian_head.2.bias"][0] += 20
    torch.save({"state_dict": {f"encoder.{name}": value for name, value in state.items()}}, path)
    return path


def picture() -> np.ndarray:
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    return np.stack([x, y, 128 + 60 * np.sin(x / 9) * np.cos(y / 7)], axis=-1).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def result(depth_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reconstruction]:
    """A photo whose upper third is sky, with the splats of a predictor."""
    folder = tmp_path_factory.mktemp("splats")
    cv2.imwrite(str(folder / "photo.png"), picture())
    cv2.imwrite(
        str(folder / "sky.png"),
        np.where(np.arange(SIZE[1]) < SKY_ROWS, 255, 0).astype(np.uint8)[:, None].repeat(SIZE[0], 1),
    )
    options = ReconstructOptions(
        make=("splats",),
        model=str(depth_file),
        splats_model=str(predictor_file(folder / "gs.ckpt")),
        sky=str(folder / "sky.png"),
        device="cpu",
        points=2000,
        mesh_size=48,
        fov_deg=60,
    )
    with pytest.MonkeyPatch.context() as monkeypatch:
        small(monkeypatch)
        yield reconstruct_photo(folder / "photo.png", folder / "bundle", options)


def predicted_and_sky(result: Reconstruction) -> tuple[Gaussians, Gaussians]:
    assert result.splats is not None
    surface = np.arange(len(result.splats)) < 2000
    return tuple(  # type: ignore[return-value]
        Gaussians(*(getattr(result.splats, name)[rows] for name in Gaussians.__dataclass_fields__))
        for rows in (surface, ~surface)
    )


def test_splats_stand_on_the_surface_with_colours_that_depend_on_the_view(result):
    splats, _ = predicted_and_sky(result)
    assert splats.sh.shape == (2000, 9, 3)
    assert np.abs(splats.sh[:, 1:]).max() > 0
    px = CAMERA.project(splats.means)
    assert (px > (0, SKY_ROWS - 1)).all()
    assert (px < SIZE).all()
    column, row = (px - 1e-3).astype(int).T
    valid = (result.flags[row, column] & FLAG_VALID) > 0
    # The field of random weights is steep and full of ramps that are taken for steps: compared where it is smoother.
    around = np.lib.stride_tricks.sliding_window_view(np.pad(result.depth_m, 1, mode="edge"), (3, 3))[row, column]
    smooth = valid & (around.max((1, 2)) < 1.1 * around.min((1, 2)))
    assert smooth.sum() > 500
    relative = np.abs(splats.means[smooth, 2] / result.depth_m[row, column][smooth] - 1)
    assert np.median(relative) < 0.015
    assert np.quantile(relative, 0.9) < 0.1


def test_the_sky_has_plain_splats_of_its_own_far_behind(result):
    splats, sky = predicted_and_sky(result)
    nearest_m = sky.means[:, 2].min()
    shown = sky.means[:, 2] < 1.001 * nearest_m
    assert shown.sum() == pytest.approx(2000 * SKY_ROWS / SIZE[1], rel=0.1)
    assert (CAMERA.project(sky.means[shown])[:, 1] < SKY_ROWS).all()
    # Behind it, and beyond the frame, some larger ones go on.
    assert 20 < (~shown).sum() < shown.sum() and sky.means[:, 2].max() < 1.02 * nearest_m
    assert (sky.sh[:, 1:] == 0).all()
    assert sky.means[:, 2].min() > splats.means[:, 2].max()


def test_the_result_says_what_made_it_and_the_file_has_all_coefficients(result):
    assert result.model["splats_model"] == "gs.ckpt"
    assert len(result.model["splats_model_sha256"]) == 64
    assert load(result.folder).model == result.model
    written = read_splats(result.folder / "splats.ply").gaussians
    np.testing.assert_allclose(written.sh, result.splats.sh, rtol=1e-6)


def test_splats_lie_half_way_between_the_photo_and_the_surface():
    """Twice as far, a pixel shows four times the surface and gets twice the splats: half as many on each piece of it."""
    width, height = 64, 48
    camera = Camera.from_fov_x(1.0, width, height)
    depth_m = np.where(np.arange(width) < width // 2, 2.0, 4.0) * np.ones((height, 1))
    normals = np.broadcast_to(np.array([0, 0, -1], np.float32), (height, width, 3))
    flags = np.full((height, width), FLAG_VALID, np.uint8)
    depth = DepthSamples(depth_m.astype(np.float32), flags, normals, np.ones((height, width), np.float32))
    density = splats_stage._density(depth, camera).astype(float)
    assert density[:, : width // 2].mean() == pytest.approx(255, abs=1)
    assert density[:, width // 2 :].mean() == pytest.approx(127, abs=1)


@pytest.fixture(scope="module")
def found(depth_file: Path) -> Iterator[PhotoField]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        small(monkeypatch)
        network = load_field_model(str(depth_file), "cpu")
        assert isinstance(network, OfficialModel)
        field = network.encode(picture())
        yield PhotoField(field, CAMERA, False, {"name": "depth"}, official=field)


def asking_for(file: Path | str, **options) -> ReconstructOptions:
    return ReconstructOptions(model="depth.ckpt", splats_model=str(file), device="cpu", **options)


def test_a_predictor_needs_its_own_kind_of_depth_model(found, depth_file, tmp_path):
    with pytest.raises(OptionsError, match="bundled"):
        ReconstructOptions(splats_model="gs.ckpt")
    other = predictor_file(tmp_path / "other.ckpt", token_width=1024)
    with pytest.raises(OptionsError, match="width 1024"):
        find_splats_model(asking_for(other), found, ModelCache())
    with pytest.raises(OptionsError, match="official"):
        find_splats_model(asking_for(other), replace(found, official=None), ModelCache())
    with pytest.raises(ModelError, match="not a Gaussian predictor"):
        find_splats_model(asking_for(depth_file), found, ModelCache())
    with pytest.raises(ModelError, match="no model file"):
        find_splats_model(asking_for(tmp_path / "missing.ckpt"), found, ModelCache())


def test_models_in_each_others_place_are_told_before_the_photo_is_looked_at(depth_file, tmp_path):
    cv2.imwrite(str(tmp_path / "photo.png"), picture())
    predictor = predictor_file(tmp_path / "gs.ckpt", token_width=384)
    for options, message in (
        (ReconstructOptions(model=str(predictor), device="cpu"), r"gs\.ckpt holds a Gaussian predictor, not a depth"),
        (asking_for(depth_file), r"depth\.safetensors holds a depth model, not a Gaussian predictor"),
    ):
        seen: list[float] = []
        with pytest.raises(ModelError, match=message) as caught:
            reconstruct_photo(
                tmp_path / "photo.png",
                tmp_path / "bundle",
                options,
                progress=lambda stage, fraction, message="", seen=seen: seen.append(fraction * (stage == "encode")),
            )
        assert "--model" in caught.value.remedy
        assert "--splats-model" in caught.value.remedy
        assert max(seen) == 0


def test_a_full_card_hands_the_predictor_to_the_processor(found, tmp_path):
    options = asking_for(predictor_file(tmp_path / "gs.ckpt"), points=300)
    models = ModelCache()
    splats_model = find_splats_model(options, found, models)
    assert splats_model is not None
    depth = depth_grid(found.field, CAMERA, *SIZE, edge_step=options.edge_step)

    def make() -> Gaussians:
        return make_splats(
            found, open_photo(tmp_path / "photo.png"), depth, options, splats_model, None, lambda _: None
        )

    cv2.imwrite(str(tmp_path / "photo.png"), picture())
    expected = make()

    class OnFullCard(GaussianPredictor):
        """Has no memory until it is moved."""

        moved = False

        def parameters(self, recurse: bool = True) -> Iterator[Any]:
            yield torch.empty(0, device="cpu" if self.moved else "meta")

        def to(self, *_: Any, **__: Any) -> Any:
            type(self).moved = True
            return self

        def forward(self, *inputs: Any, **options: Any) -> Any:
            if not self.moved:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return super().forward(*inputs, **options)

    splats_model.predictor.__class__ = OnFullCard
    found_splats = make()
    np.testing.assert_array_equal(found_splats.means, expected.means)
    assert models.take_notices() == [OUT_OF_MEMORY]


def test_the_predictor_is_loaded_once_and_only_where_splats_are_made(found, tmp_path):
    options = asking_for(predictor_file(tmp_path / "gs.ckpt"))
    models = ModelCache()
    first, again = (find_splats_model(options, found, models) for _ in range(2))
    assert first is not None
    assert again is not None
    assert first.predictor is again.predictor
    assert find_splats_model(replace(options, make=("depth",)), found, models) is None
    assert find_splats_model(replace(options, splats_model="surface"), found, models) is None
