"""Changes of colour: what each of them must keep."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from train import recolour
from train.recolour import recoloured
from train.scenes.sensor import jpeg_like


def numbers(*values: float) -> torch.Tensor:
    return torch.tensor(values)[:, None, None, None]


def pictures(count: int = 4, height: int = 36, width: int = 52) -> torch.Tensor:
    """Smooth colours with some structure; sides that no block of eight divides."""
    generator = torch.Generator().manual_seed(3)
    coarse = torch.rand((count, 3, 6, 8), generator=generator)
    fine = torch.rand((count, 3, height, width), generator=generator)
    return 0.2 + 0.5 * torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear") + 0.1 * fine


def test_equal_seeds_give_equal_images_and_the_input_stays():
    images = pictures(24)
    before = images.clone()
    one, other = (recoloured(images, np.random.default_rng(5)) for _ in range(2))
    assert torch.equal(one, other)
    assert torch.equal(images, before)
    assert bool(torch.isfinite(one).all())
    assert 0 <= float(one.min()) <= float(one.max()) <= 1
    assert float((one - images).abs().amax(dim=(1, 2, 3)).min()) > 0.01
    assert not torch.equal(one, recoloured(images, np.random.default_rng(6)))


def test_weak_compression_changes_nothing_and_strong_keeps_the_means():
    images = pictures()
    assert float((jpeg_like(images, numbers(*[1e-3] * 4)) - images).abs().max()) < 1e-3
    strong = jpeg_like(images, numbers(*[30.0] * 4))
    assert float((strong - images).abs().max()) > 0.03
    assert float((strong.mean(dim=(2, 3)) - images.mean(dim=(2, 3))).abs().max()) < 0.02


def test_a_blurred_point_has_the_deviation_that_was_asked_for():
    point = torch.zeros((2, 3, 41, 41))
    point[:, :, 20, 20] = 1
    for spread, sigma in zip(recolour._blurred(point, numbers(0.7, 1.2)), (0.7, 1.2), strict=True):
        along = spread[0].sum(dim=0)
        assert float(along.sum()) == pytest.approx(1, abs=1e-4)
        place = torch.arange(41) - 20
        assert float((along * place**2).sum()) ** 0.5 == pytest.approx(sigma, rel=0.02)


def test_a_shaken_point_stays_where_it_was_in_the_mean():
    point = torch.zeros((3, 3, 41, 41))
    point[:, :, 20, 20] = 1
    moved = recolour._shaken(point, torch.Generator().manual_seed(1), numbers(3.0, 6.0, 9.0))
    place = torch.arange(41) - 20
    for picture, length in zip(moved, (3.0, 6.0, 9.0), strict=True):
        rows, columns = picture[0].sum(dim=1), picture[0].sum(dim=0)
        assert abs(float((rows * place).sum())) < 0.05
        assert abs(float((columns * place).sum())) < 0.05
        along = float((rows * place**2).sum() + (columns * place**2).sum())
        assert along == pytest.approx(length**2 * 15 / 144 + 1 / 3, abs=0.5)


@pytest.mark.parametrize("strength", [0.3, 1.0])
def test_random_filters_keep_mean_and_contrast(strength: float):
    images = pictures()
    mixed = recolour._convolved(images, torch.Generator().manual_seed(2), numbers(*[strength] * 4))
    assert float((mixed.mean(dim=(2, 3)) - images.mean(dim=(2, 3))).abs().max()) < 1e-4
    if strength == 1:
        ratio = mixed.std(dim=(2, 3)) / images.std(dim=(2, 3))
        assert float((ratio - 1).abs().max()) < 1e-3
    assert float((mixed - images).abs().mean()) > 0.01


def test_tones_become_those_of_another_picture():
    images = pictures()
    toned = recolour._toned_like(images, images.flip(0), numbers(*[1.0] * 4))
    assert float((toned.mean(dim=(2, 3)) - images.flip(0).mean(dim=(2, 3))).abs().max()) < 1e-4


def test_grey_pictures_are_grey_and_grain_may_be():
    images = pictures()
    grey = recolour._saturated(images, numbers(0.05, 0.1, 0.12, 0.0))
    assert float((grey - grey.mean(dim=1, keepdim=True)).abs().max()) < 1e-5
    noise = torch.Generator().manual_seed(4)
    grain = recolour._noisy(images, noise, numbers(*[0.03] * 4), numbers(*[1.0] * 4), numbers(*[0.0] * 4)) - images
    assert float((grain - grain.mean(dim=1, keepdim=True)).abs().max()) < 1e-5
    assert 0.01 < float(grain.std()) < 0.06
