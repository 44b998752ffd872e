"""Textures as pixels see them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from train.scenes import masonry
from train.scenes.bank import LEVELS, Bank, Footprint, make_bank
from train.scenes.pigments import SIZE


@pytest.fixture
def stripes() -> Bank:
    """One texture of eight dark and eight light upright stripes."""
    bank = make_bank(np.random.default_rng(0), 1)
    levels = []
    for level in range(LEVELS):
        size = SIZE >> level
        column = (torch.arange(size) * 16 // size % 2).float()
        levels.append(column.expand(size, size).reshape(-1, 1).expand(-1, 3))
    return Bank(torch.cat(levels), {"stripes": [0]}, bank.charts)


def seen(bank: Bank, along_u: float, along_v: float) -> torch.Tensor:
    """(256,) brightness across the stripes, of pixels of one texel's width that are as long as said."""
    n = 256
    u = (torch.arange(n) + 0.5) / n
    footprint = Footprint(
        torch.full((n,), 1 / SIZE),
        torch.full((n,), along_u),
        torch.full((n,), along_v),
        torch.ones(n, dtype=torch.bool),
    )
    return bank.sample(torch.zeros(n, dtype=torch.long), u, torch.full((n,), 0.3), footprint)[:, 0]


def test_stripes_along_the_view_stay_crisp_and_those_across_it_blur(stripes: Bank) -> None:
    assert seen(stripes, 0.0, 0.02).std() > 0.45
    assert seen(stripes, 0.125, 0.0).std() < 0.1


def test_a_pixel_is_longer_along_the_view_by_the_slant() -> None:
    """A plane seen at 30 degrees above it: a pixel is twice as long as wide there."""
    one = torch.ones(1)
    footprint = Footprint.of(0.01 * one, torch.tensor([0.0]), torch.tensor([3**0.5 / 2]), 0.5 * one, 2 * one, 4 * one)
    assert float(footprint.along_u) == pytest.approx(0.0)
    assert float(footprint.along_v) == pytest.approx(0.02 / 4)
    assert bool(footprint.slanted)
    assert not bool(Footprint.of(0.01 * one, 0 * one, 0 * one, one, one, one).slanted)


@pytest.mark.parametrize("draw", [masonry.draw_bricks, masonry.draw_tiles, masonry.draw_boards, masonry.draw_shingles])
def test_coverings_can_be_laid_side_by_side(draw) -> None:
    """What lies on both sides of the seam differs no more than elsewhere."""
    rng = np.random.default_rng(5)
    for _ in range(6):
        image = np.clip(draw(rng), 0, 1)
        assert image.shape == (SIZE, SIZE, 3) and np.isfinite(image).all()
        for axis in (0, 1):
            seam = np.abs(image.take(0, axis) - image.take(-1, axis)).mean()
            steps = np.abs(np.diff(image, axis=axis)).mean(axis=(1 - axis, 2))
            assert seam <= steps.max() + 0.05
