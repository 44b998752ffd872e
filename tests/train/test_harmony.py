"""Places of few colours, and open frames."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from train.scenes import frames
from train.scenes.bank import make_bank
from train.scenes.casting import RayGrid, cast_grid
from train.scenes.harmony import harmonise
from train.scenes.looks import Looks, Placer
from train.scenes.pigments import SIZE
from train.scenes.shapes import BOX
from train.scenes.solids import SolidList, Solids


@pytest.fixture(scope="module")
def bank():
    return make_bank(np.random.default_rng(0), 3)


def mean_logs(items: SolidList, bank) -> np.ndarray:
    """(n, 3) logarithms of the mean colours of solids."""
    means = bank.mean_colours()
    return np.log([np.maximum(means[m.texture] * m.tint, 1e-3) for m in items.materials])


def test_mean_colours_are_those_of_the_largest_level(bank) -> None:
    whole = bank.texels.reshape(-1, bank.per_texture, 3)
    np.testing.assert_allclose(bank.mean_colours()[3], whole[3, : SIZE * SIZE].mean(0), atol=1e-4)


def test_colours_come_closer_and_lamps_stay(bank) -> None:
    rng = np.random.default_rng(4)
    for _ in range(10):
        looks, items = Looks(rng, bank), SolidList()
        for _ in range(40):
            items.add(BOX, (0, 0, 0), (1, 1, 1), looks.any())
        lamp = looks.make("plaster", emission=2.0)
        lamp_tint = lamp.tint
        items.add(BOX, (0, 0, 0), (1, 1, 1), lamp)
        before = mean_logs(items, bank)[:-1].std(axis=0)
        harmonise(items, bank, rng)
        after = mean_logs(items, bank)[:-1].std(axis=0)
        assert (after < before).all()
        assert lamp.tint == lamp_tint


def test_a_material_of_many_solids_is_moved_once(bank) -> None:
    looks, one, many = Looks(np.random.default_rng(1), bank), SolidList(), SolidList()
    tints = []
    for items, count in ((one, 1), (many, 50)):
        material = looks.make("plain")
        material.texture, material.tint = bank.kinds["plain"][0], (1.0, 1.0, 1.0)
        for _ in range(count):
            items.add(BOX, (0, 0, 0), (1, 1, 1), material)
        harmonise(items, bank, np.random.default_rng(7))
        tints.append(material.tint)
    assert tints[0] == tints[1]


@pytest.mark.parametrize("draw", [draw for draw, _ in frames.FRAMES])
def test_frames_stand_on_the_ground_and_can_be_looked_through(draw, bank) -> None:
    shares = []
    for seed in range(8):
        looks, items = Looks(np.random.default_rng(seed), bank), SolidList()
        draw(Placer(items, 0.0, 0.0), looks)
        solids = Solids.from_list(items, bank.charts)
        low = float(solids.corners()[..., 2].min())
        assert -0.15 < low < 0.05
        # Between the outermost pieces of each row of a picture from the front.
        axis = torch.linspace(-1.0, 1.0, 160)
        rays = RayGrid(np.array([0.3, -12.0, 2.5]), np.eye(3)[0], -np.eye(3)[2], np.eye(3)[1], axis * 0.4, axis * 0.5)
        hit = torch.isfinite(cast_grid(solids, rays)[0])
        within = hit.cummax(dim=1).values & hit.flip(1).cummax(dim=1).values.flip(1)
        shares.append(float((within & ~hit).sum() / within.sum().clamp_min(1)))
    assert np.median(shares) > 0.2


def test_a_bar_reaches_from_end_to_end(bank) -> None:
    looks, items = Looks(np.random.default_rng(0), bank), SolidList()
    frames.bar(Placer(items, 0, 0), (1, 2, 3), (4, 6, 3), 0.1, looks.metal())
    direction = items.rotations[0].T @ [0, 0, 1.0]
    np.testing.assert_allclose(np.abs(direction @ [0.6, 0.8, 0.0]), 1.0, atol=1e-9)
    assert items.halves[0] == pytest.approx((0.1, 0.1, 2.5))
    assert items.centres[0] == pytest.approx((2.5, 4.0, 3.0))
