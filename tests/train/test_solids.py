"""Ray casting against formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from train.scenes.casting import RayGrid, cast_grid, cast_rays
from train.scenes.looks import random_rotation
from train.scenes.shapes import BOX, CYLINDER, ELLIPSOID
from train.scenes.solids import Material, SolidList, Solids


def scene(*items) -> Solids:
    collected = SolidList()
    for kind, centre, half, options in items:
        collected.add(kind, centre, half, Material(), **options)
    return Solids.from_list(collected)


def directions(count: int = 400, seed: int = 0) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    flat = rng.uniform(-0.6, 0.6, (count, 2))
    return torch.tensor(np.column_stack([flat[:, 0], np.ones(count), flat[:, 1]]), dtype=torch.float32)


def test_ground_plane_depth_is_height_over_slope():
    solids = scene((BOX, (0, 0, -0.5), (1000, 1000, 0.5), {}))
    rays = directions()
    t, index = cast_rays(solids, np.array([0.0, 0.0, 1.7]), rays)
    down = rays[:, 2] < -0.01
    assert torch.allclose(t[down], 1.7 / -rays[down, 2], rtol=1e-4)
    assert bool(torch.isinf(t[rays[:, 2] > 0]).all())
    assert bool((index[rays[:, 2] > 0] == -1).all())


def test_sphere_depth_solves_the_quadratic():
    centre, radius = np.array([0.3, 6.0, -0.2]), 1.5
    solids = scene((ELLIPSOID, centre, (radius, radius, radius), {}))
    rays = directions()
    t, _ = cast_rays(solids, np.zeros(3), rays)
    d = rays.double().numpy()
    a, b, c = (d * d).sum(1), d @ centre, centre @ centre - radius**2
    root = b * b - a * c
    hit = root > 1e-3
    assert hit.sum() > 30
    np.testing.assert_allclose(t.numpy()[hit], ((b - np.sqrt(np.maximum(root, 0))) / a)[hit], rtol=2e-4)
    assert np.isinf(t.numpy()[root < -1e-3]).all()


@pytest.mark.parametrize("kind", [BOX, ELLIPSOID, CYLINDER])
def test_hits_lie_on_the_surface_of_turned_solids(kind):
    rng = np.random.default_rng(3)
    turn, centre, half = random_rotation(rng), np.array([0.2, 5.0, 0.1]), np.array([0.7, 1.1, 1.6])
    if kind == CYLINDER:
        half[1] = half[0]
    solids = scene((kind, centre, half, {"tilt": turn}))
    rays = directions()
    t, index = cast_rays(solids, np.zeros(3), rays)
    hit = index.numpy() == 0
    assert hit.sum() > 20
    local = ((rays * t[:, None]).double().numpy()[hit] - centre) @ turn / half
    if kind == BOX:
        measure = np.abs(local).max(axis=1)
    elif kind == ELLIPSOID:
        measure = np.linalg.norm(local, axis=1)
    else:
        measure = np.maximum(np.linalg.norm(local[:, :2], axis=1), np.abs(local[:, 2]))
    np.testing.assert_allclose(measure, 1, atol=2e-4)


def test_from_inside_a_box_its_far_wall_is_seen():
    solids = scene((BOX, (0, 0, 0), (2, 3, 2), {}))
    t, _ = cast_rays(solids, np.zeros(3), torch.tensor([[0.0, 1.0, 0.0]]))
    assert float(t[0]) == pytest.approx(3, rel=1e-5)


def test_the_nearer_solid_hides_the_farther():
    solids = scene((BOX, (0, 10, 0), (4, 1, 4), {}), (ELLIPSOID, (0, 5, 0), (1, 1, 1), {}))
    t, index = cast_rays(solids, np.zeros(3), torch.tensor([[0.0, 1.0, 0.0], [0.3, 1.0, 0.0]]))
    assert index.tolist() == [1, 0]
    assert t.tolist() == pytest.approx([4, 9], rel=1e-4)


@pytest.mark.parametrize("parallel", [False, True])
def test_grid_with_windows_equals_ray_by_ray(parallel):
    rng = np.random.default_rng(8)
    items = SolidList()
    for _ in range(25):
        kind = int(rng.choice([BOX, ELLIPSOID, CYLINDER]))
        items.add(
            kind,
            rng.uniform(-4, 4, 3) + np.array([0, 5, 0]),
            rng.uniform(0.05, 1.2, 3),
            Material(),
            tilt=random_rotation(rng),
        )
    items.add(BOX, (0, 0, -3.5), (50, 50, 0.5), Material())
    solids = Solids.from_list(items)
    axis_x, forward = np.array([math.cos(0.2), math.sin(0.2), 0]), np.array([-math.sin(0.2), math.cos(0.2), 0])
    reach = 5.0 if parallel else 0.8
    line = torch.linspace(-reach, reach, 41)
    grid = RayGrid(np.array([0, -9.0, 0.3]), axis_x, np.array([0, 0, -1.0]), forward, line, line, parallel)
    t, index = cast_grid(solids, grid)
    for row in range(0, 41, 7):
        for column in range(0, 41, 7):
            side = axis_x * float(line[column]) + np.array([0, 0, -1.0]) * float(line[row])
            start = grid.origin + side if parallel else grid.origin
            ray = forward if parallel else forward + side
            one, which = cast_rays(solids, start, torch.tensor(ray[None], dtype=torch.float32))
            assert int(which) == int(index[row, column])
            if int(which) >= 0:
                assert float(one) == pytest.approx(float(t[row, column]), rel=1e-3)
