"""The sky: by a real ONNX network, by colour and depth, by hand, or none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from analytic_fields import PlaneField
from numpy.typing import NDArray
from PIL import Image
from tiny_onnx import write_pixelwise_network
from torch import Tensor

from infinidepth_blender.engine import sky as sky_module
from infinidepth_blender.engine.model_store import MODELS_VARIABLE
from infinidepth_blender.engine.sky import SkyField, choose_sky
from infinidepth_blender.engine.sky_guess import guess_sky, refine_sky
from infinidepth_blender.engine.sky_network import segment_sky, upsample_along_edges
from infinidepth_blender.errors import ModelError, OptionsError
from infinidepth_blender.field.grid import GridField
from infinidepth_blender.field.protocol import Rows

HEIGHT, WIDTH = 240, 360


@pytest.fixture(autouse=True)
def _no_downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path / "models"))


def landscape() -> tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.float32]]:
    """A photo with clouds, hills and a thin pole; its sky; its depth (the sky's is far, as a network says it)."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    rng = np.random.default_rng(0)
    horizon = 110 + 25 * np.sin(x / 40)
    sky = (y < horizon) & ~((x >= 250) & (x < 254))
    cloud = np.exp(-(((x - 100) / 50) ** 2 + ((y - 40) / 15) ** 2))[..., None]
    blue = np.array([70, 130, 220]) + (y / HEIGHT * 80)[..., None]
    ground = np.array([90, 80, 50]) + rng.normal(0, 25, (HEIGHT, WIDTH, 1))
    photo = np.where(sky[..., None], blue * (1 - cloud) + 245 * cloud, ground)
    depth = np.where(sky, 500.0, 3 + 40 * np.clip((HEIGHT - y) / HEIGHT, 0, 1) ** 2).astype(np.float32)
    return np.clip(photo, 0, 255).astype(np.uint8), sky, depth


def overlap(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return (a & b).sum() / (a | b).sum()


class Dumb(GridField):
    """A field that has nothing to say of the sky."""

    knows_sky = False


# -- the network --------------------------------------------------------------------


def test_a_network_finds_the_sky_and_the_photo_its_border(tmp_path: Path) -> None:
    photo, sky, _ = landscape()
    write_pixelwise_network(tmp_path / "sky.onnx", (-4.0, 0.0, 4.0), 0.0)
    found = segment_sky(tmp_path / "sky.onnx", photo)
    assert found.shape == sky.shape and found.min() >= 0 and found.max() <= 1
    assert overlap(found > 0.5, sky) > 0.9


def test_a_photo_without_sky_is_not_stretched_until_it_has_some(tmp_path: Path) -> None:
    photo, _, _ = landscape()
    write_pixelwise_network(tmp_path / "sky.onnx", (-0.1, 0.0, 0.1), -3.0)
    assert segment_sky(tmp_path / "sky.onnx", photo).max() == 0
    write_pixelwise_network(tmp_path / "sky.onnx", (-0.1, 0.0, 0.1), 3.0)
    assert segment_sky(tmp_path / "sky.onnx", photo).min() == 1


def test_a_faint_sky_is_stretched_but_not_everything_above_zero_is_sky(tmp_path: Path) -> None:
    photo, sky, _ = landscape()
    write_pixelwise_network(tmp_path / "sky.onnx", (-1.0, 0.0, 1.0), 100.0, sigmoid=False)
    found = segment_sky(tmp_path / "sky.onnx", photo)
    assert (found > 0).mean() > 0.95
    assert overlap(found > 0.5, sky) > 0.6


def test_what_is_no_such_network_is_said(tmp_path: Path) -> None:
    photo, _, _ = landscape()
    (tmp_path / "text.onnx").write_text("not a network")
    write_pixelwise_network(tmp_path / "broken.onnx", (float("nan"), 1, 1), 0)
    for name in ("text.onnx", "broken.onnx", "missing.onnx"):
        with pytest.raises(ModelError, match=name):
            segment_sky(tmp_path / name, photo)


def test_upsampling_follows_edges_of_color() -> None:
    photo, sky, _ = landscape()
    coarse = sky.reshape(HEIGHT // 6, 6, WIDTH // 6, 6).mean(axis=(1, 3)).astype(np.float32)
    fine = upsample_along_edges(coarse, photo) > 0.5
    assert overlap(fine, sky) > 0.97
    assert not fine[20:80, 251:253].any()  # the pole is narrower than a pixel of the coarse map


# -- without a network ------------------------------------------------------------------


def test_sky_is_guessed_from_color_place_and_depth() -> None:
    photo, sky, depth = landscape()
    assert overlap(guess_sky(Dumb(depth), photo) > 0.5, sky) > 0.97


def test_the_guess_needs_no_zero_of_disparity() -> None:
    photo, sky, depth = landscape()
    field = Dumb(1 / (1 / depth + 0.05), scale="affine")
    assert overlap(guess_sky(field, photo) > 0.5, sky) > 0.97


def test_a_bright_ceiling_and_a_picture_of_the_sky_are_no_sky() -> None:
    """A room whose ceiling is white, and the same photo of a landscape as a poster on a near wall."""
    y = np.mgrid[0:HEIGHT, 0:WIDTH][0]
    ceiling = np.where((y < 90)[..., None], np.uint8(235), np.uint8(120)).repeat(3, axis=2)
    towards_wall = np.where(y < 90, 2 + 4 * y / 90, np.where(y < 150, 6.0, 6 - 4 * (y - 150) / 90)).astype(np.float32)
    assert guess_sky(Dumb(towards_wall), ceiling).max() == 0
    photo, _, _ = landscape()
    assert guess_sky(Dumb((2 + 0.2 * y / HEIGHT).astype(np.float32)), photo).max() == 0


class _RoughSky(GridField):
    """Knows the sky of `landscape` but for eight pixels along its border."""

    def sky_grid(self, height: int, width: int, rows: Rows | None = None) -> Tensor:
        assert rows is None
        y, x = torch.meshgrid(torch.arange(height) / height, torch.arange(width) / width, indexing="ij")
        return (y * HEIGHT < 110 + 25 * torch.sin(x * WIDTH / 40) - 8).float()


def test_a_rough_sky_gets_the_border_of_the_photo() -> None:
    photo, sky, depth = landscape()
    field = _RoughSky(depth)
    rough = field.sky_grid(HEIGHT, WIDTH).numpy() > 0.5
    refined = refine_sky(field, photo) > 0.5
    assert overlap(rough, sky) < 0.93 < 0.97 < overlap(refined, sky)


def test_no_sky_stays_no_sky() -> None:
    photo, _, depth = landscape()
    assert refine_sky(GridField(depth), photo).max() == 0


# -- who decides ------------------------------------------------------------------------


def test_the_downloaded_network_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photo, sky, depth = landscape()
    assert choose_sky(Dumb(depth), "auto", photo).method == "guess"
    assert choose_sky(GridField(depth), "auto", photo).method == "model"
    store = sky_module.ModelStore()
    file = store.file(sky_module.find("skyseg"))
    file.parent.mkdir(parents=True)
    write_pixelwise_network(file, (-4.0, 0.0, 4.0), 0.0)
    # The store knows the hash of the true file; this one is another, and the sky is found without it.
    choice = choose_sky(Dumb(depth), "auto", photo)
    assert choice.method == "guess" and "skyseg" in choice.warnings[0]
    monkeypatch.setattr(sky_module.ModelStore, "path", lambda self, entry: self.file(entry))
    choice = choose_sky(Dumb(depth), "auto", photo)
    assert choice.method == "skyseg" and not choice.warnings
    assert overlap(choice.field.sky_grid(HEIGHT, WIDTH).numpy() > 0.5, sky) > 0.9


def test_a_mask_of_ones_own_and_none_at_all(tmp_path: Path) -> None:
    photo, _, depth = landscape()
    mask = np.zeros((HEIGHT // 2, WIDTH // 2), np.uint8)
    mask[:20] = 255
    Image.fromarray(mask).save(tmp_path / "sky.png")
    by_hand = choose_sky(GridField(depth), str(tmp_path / "sky.png"), photo)
    assert by_hand.method == "mask"
    expected = np.arange(HEIGHT)[:, None] < 40
    np.testing.assert_array_equal(by_hand.field.sky_grid(HEIGHT, WIDTH).numpy() > 0.5, expected * np.ones((1, WIDTH)))
    none = choose_sky(GridField(depth, sky=depth > 100), "off", photo)
    assert none.method == "off" and none.field.sky_grid(50, 70).max() == 0
    with pytest.raises(OptionsError, match=r"sky mask .*none\.png"):
        choose_sky(GridField(depth), str(tmp_path / "none.png"), photo)


def test_a_sky_field_is_its_inner_field_but_for_the_sky() -> None:
    inner = PlaneField(fov_x_rad=1.0)
    field = SkyField(inner, np.pad(np.ones((10, 20), np.float32), ((0, 10), (0, 0))))
    coords = torch.tensor([[0.3, -0.2]])
    assert torch.equal(field.disparity(coords), inner.disparity(coords))
    assert torch.equal(field.disparity_grid(4, 6), inner.disparity_grid(4, 6))
    assert torch.equal(field.disparity_and_gradient(coords)[1], inner.disparity_and_gradient(coords)[1])
    assert (field.scale, field.fov_x_rad) == (inner.scale, inner.fov_x_rad)
    for height, width in ((2, 2), (20, 20), (60, 100), (1, 1)):
        sky = field.sky_grid(height, width)
        assert sky.shape == (height, width)
        assert sky.mean() == pytest.approx(0.5, abs=0.01)
