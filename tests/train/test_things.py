"""Things whose shape matters to what is learnt from them: panels, cars, fences, roadsides, bare trees, walls."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from train.scenes import boughs, fences, panels, roadsides, vehicles
from train.scenes.casting import RayGrid, cast_grid
from train.scenes.looks import Looks, Placer
from train.scenes.render import render
from train.scenes.shapes import BOX
from train.scenes.solids import SolidList, Solids


def corners(items: SolidList) -> np.ndarray:
    """(n, 8, 3) corners of the boxes around the solids."""
    return Solids.from_list(items).corners()


def view(items: SolidList, bank, eye=(0.0, -6.0, 1.2), reach: float = 0.3, size: int = 160) -> torch.Tensor:
    """Depths of a view along +y; infinity where there is nothing."""
    line = torch.linspace(-reach, reach, size)
    axes = np.array([1.0, 0, 0]), np.array([0, 0, -1.0]), np.array([0, 1.0, 0])
    return cast_grid(Solids.from_list(items, bank.charts), RayGrid(np.asarray(eye), *axes, line, line))[0]


@pytest.mark.parametrize("kind", [panel[0].__name__ for panel in panels.PANELS])
def test_panels_lie_flat_on_their_wall_and_below_the_ceiling(bank, kind):
    draw, _, least, greatest = next(panel for panel in panels.PANELS if panel[0].__name__ == kind)
    for seed in range(25):
        looks, items = Looks(np.random.default_rng(seed), bank), SolidList()
        height, half = float(looks.rng.uniform(2.2, 4)), float(looks.rng.uniform(least, greatest))
        draw(Placer(items, 0, 0), looks, 0.0, half, height)
        where = corners(items)
        assert len(items.kinds) > 0
        assert where[..., 1].min() > -0.02
        assert where[..., 1].max() < 0.2
        assert where[..., 2].min() > -0.02
        assert where[..., 2].max() < height + 0.02
        assert np.abs(where[..., 0]).max() < half + 0.35


def test_panels_along_a_wall_do_not_leave_it(bank):
    for seed in range(20):
        looks, items = Looks(np.random.default_rng(seed), bank), SolidList()
        panels.along_wall(Placer(items, 0, 0), looks, 5.0, 2.6)
        where = corners(items)
        assert where[..., 0].min() > -0.1
        assert where[..., 0].max() < 5.1


@pytest.mark.parametrize("far", [False, True])
def test_vehicles_stand_on_the_road_and_have_the_size_of_vehicles(bank, far):
    for seed in range(40):
        looks, items = Looks(np.random.default_rng(seed), bank), SolidList()
        vehicles.car(Placer(items, 0, 0), looks, far)
        where = corners(items)
        low, high = where.min(axis=(0, 1)), where.max(axis=(0, 1))
        assert -0.1 < low[2] < 0.02
        assert 1.1 < high[2] < 3.7
        assert 1.5 < high[0] - low[0] < 3.2
        assert 3.3 < high[1] - low[1] < 14.5
        assert len(set(items.things)) == 1


def test_one_sees_through_fences_to_the_wall_behind_them(bank):
    for seed in range(30):
        looks, items = Looks(np.random.default_rng(seed), bank), SolidList()
        items.add(BOX, (0, 3.5, 0), (20, 0.5, 20), looks.make("bricks"))
        fences.see_through(Placer(items, 0, 0), looks, 3.0)
        depth = view(items, bank, eye=(0.0, -4.0, 0.5), reach=0.1, size=240)
        fence, behind = float((depth < 4.2).float().mean()), float((depth > 6.9).float().mean())
        assert fence + behind == pytest.approx(1, abs=1e-4)
        assert 0.001 < fence < 0.9
        assert behind > 0.1


@pytest.mark.parametrize("kind", [draw.__name__ for draw, _ in roadsides.BOUNDS])
def test_what_bounds_a_road_stands_on_the_ground_along_its_line(bank, kind):
    draw = next(draw for draw, _ in roadsides.BOUNDS if draw.__name__ == kind)
    for seed in range(12):
        looks, items = Looks(np.random.default_rng(seed), bank), SolidList()
        draw(Placer(items, 0, 0), looks, 25.0)
        where = corners(items)
        low, high = where.min(axis=(0, 1)), where.max(axis=(0, 1))
        assert -0.4 < low[2] < 0.6
        assert 0.3 < high[2] < 6
        # Leaves stick out of hedges.
        assert -0.8 < low[1] < high[1] < 2
        assert -26 < low[0] < high[0] < 26
        assert high[0] - low[0] > 12


def test_a_road_goes_on_before_whoever_stands_on_it(bank):
    rng = np.random.default_rng(5)
    for _ in range(10):
        depth = render(rng, bank, 36, 48, "road").log_depth.exp()
        below = depth[-1]
        assert float(torch.isfinite(below).float().mean()) > 0.9
        assert 0.5 < float(below[torch.isfinite(below)].median()) < 40


def test_there_is_sky_between_the_branches_of_bare_trees(bank):
    shares = []
    for seed in range(15):
        looks, items = Looks(np.random.default_rng(seed), bank), SolidList()
        boughs.bare_tree(Placer(items, 0, 0), looks)
        tall = float(Solids.from_list(items, bank.charts).corners()[..., 2].max())
        crown = torch.isfinite(view(items, bank, eye=(0.0, -1.5 * tall, 0.6 * tall), reach=0.2))
        # Gaps within the crown, not the sky around it: they have branches on both sides.
        left, right = crown.cummax(dim=1).values, crown.flip(1).cummax(dim=1).values.flip(1)
        within = left & right
        shares.append(float((within & ~crown).sum() / within.sum().clamp_min(1)))
    assert min(shares) > 0.15
    assert 0.4 < float(np.mean(shares)) < 0.97


def test_walls_reach_the_upper_edge_of_most_pictures(bank):
    rng = np.random.default_rng(3)
    samples = [render(rng, bank, 36, 48, "wall") for _ in range(12)]
    upper = [float(torch.isfinite(sample.log_depth[0]).float().mean()) for sample in samples]
    assert sum(share > 0.9 for share in upper) >= 9
