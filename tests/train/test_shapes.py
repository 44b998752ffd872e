"""Every shape against a search along the ray, and one way of casting against the other."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from train.scenes import casting, shapes
from train.scenes.casting import RayGrid, cast_grid, cast_rays
from train.scenes.looks import random_rotation
from train.scenes.shapes import ARCH, BOX, CARD, CONE, CYLINDER, ELLIPSOID, GABLE, RELIEF, TUBE
from train.scenes.solids import Material, SolidList, Solids

SHAPES = {
    "box": (BOX, 0.0),
    "ellipsoid": (ELLIPSOID, 0.0),
    "cylinder": (CYLINDER, 0.0),
    "cone": (CONE, 0.3),
    "pointed cone": (CONE, 0.02),
    "roof": (GABLE, 0.0),
    "ramp": (GABLE, 0.9),
    "arch": (ARCH, 0.7),
    "tube": (TUBE, 0.8),
    "relief": (RELIEF, 0.5),
}


def depth_grid(solids: Solids, size: int = 61, reach: float = 0.45) -> tuple[RayGrid, torch.Tensor, torch.Tensor]:
    line = torch.linspace(-reach, reach, size)
    rays = RayGrid(np.zeros(3), np.array([1.0, 0, 0]), np.array([0, 0, -1.0]), np.array([0, 1.0, 0]), line, line)
    return (rays, *cast_grid(solids, rays))


def one(kind: int, param: float, bank, seed: int = 3, chart: int = 0) -> tuple[Solids, np.ndarray, np.ndarray]:
    turn, half = random_rotation(np.random.default_rng(seed)), np.array([1.1, 0.9, 0.2 if kind == RELIEF else 1.2])
    items = SolidList()
    items.add(kind, (0.2, 5.0, 0.1), half, Material(), tilt=turn, param=param, chart=chart)
    return Solids.from_list(items, bank.charts), turn, half


@pytest.mark.parametrize("name", SHAPES)
def test_the_first_point_inside_is_where_the_ray_hits(bank, name):
    kind, param = SHAPES[name]
    solids, turn, half = one(kind, param, bank)
    rays, depth, _ = depth_grid(solids, 25)
    t = torch.linspace(2.5, 7.5, 2501)
    x, z = torch.meshgrid(rays.x, -rays.y, indexing="xy")
    directions = torch.stack([x, torch.ones_like(x), z], dim=-1).reshape(-1, 1, 3)
    points = (directions * t[:, None] - torch.tensor([0.2, 5.0, 0.1])) @ torch.tensor(turn, dtype=torch.float32)
    flat = points.reshape(-1, 3)
    values = shapes._outside(
        kind,
        flat,
        torch.tensor(half, dtype=torch.float32).expand_as(flat),
        torch.full((len(flat),), param),
        torch.zeros(len(flat), dtype=torch.int64),
        bank.charts,
    )
    inside = values.reshape(-1, len(t)) < (1 if kind == ELLIPSOID else 0)
    first = torch.where(inside.any(dim=1), t[inside.float().argmax(dim=1)], math.inf)
    found = depth.flatten()
    hit = torch.isfinite(first)
    assert int(hit.sum()) > 25
    agree = torch.isclose(found, first, atol=0.012) | (torch.isinf(found) & torch.isinf(first))
    # A grazing ray may slip through between two points of the search, or two steps of the relief.
    assert float(agree.float().mean()) > (0.96 if kind == RELIEF else 0.985)


@pytest.mark.parametrize("name", [*SHAPES, "card"])
def test_normals_are_square_to_the_surface_that_the_depth_describes(bank, name):
    kind, param = SHAPES.get(name, (CARD, 0.0))
    solids, turn, half = one(kind, param, bank, chart=bank.charts.names["lattice"][0] if kind == CARD else 0)
    rays, depth, index = depth_grid(solids, 161)
    x, z = torch.meshgrid(rays.x, -rays.y, indexing="xy")
    points = torch.stack([x, torch.ones_like(x), z], dim=-1) * depth[..., None]
    local = (points - torch.tensor([0.2, 5.0, 0.1])) @ torch.tensor(turn, dtype=torch.float32)
    flat = local[index >= 0]
    count = len(flat)
    normal = torch.zeros_like(local)
    normal[index >= 0] = shapes.normals(
        torch.full((count,), kind),
        flat,
        torch.tensor(half, dtype=torch.float32).expand(count, 3),
        torch.full((count,), param),
        torch.zeros(count, dtype=torch.int64),
        bank.charts,
    )
    tangent = local[:, 2:] - local[:, :-2]
    near = (index[:, 2:] >= 0) & (index[:, :-2] >= 0) & (index[:, 1:-1] >= 0) & (tangent.norm(dim=-1) < 0.2)
    slope = (tangent * normal[:, 1:-1]).sum(dim=-1).abs() / tangent.norm(dim=-1).clamp_min(1e-6)
    assert torch.allclose(normal[index >= 0].norm(dim=-1), torch.ones(count), atol=1e-4)
    assert float(slope[near].median()) < (0.08 if kind == RELIEF else 0.01)


def test_a_card_is_there_where_its_mask_is(bank):
    chart = bank.charts.names["lattice"][0]
    items = SolidList()
    items.add(CARD, (0, 5, 0), (1, 0.01, 1), Material(), chart=chart)
    _, depth, _ = depth_grid(Solids.from_list(items, bank.charts), 64, reach=63 / 64 / 5)
    seen = torch.isfinite(depth).float()
    mask = bank.charts.masks[chart].float()
    expected = mask.reshape(64, len(mask) // 64, 64, -1).mean(dim=(1, 3))
    assert 0.05 < float(expected.mean()) < 0.95
    assert float((seen - expected).abs().mean()) < 0.15
    assert torch.allclose(depth[seen > 0], torch.tensor(5.0), atol=1e-3)


@pytest.mark.parametrize("parallel", [False, True])
def test_many_at_once_equals_one_by_one(bank, parallel, monkeypatch):
    rng = np.random.default_rng(5)
    items = SolidList()
    for k in range(90):
        kind = [BOX, ELLIPSOID, CYLINDER, CONE, GABLE, ARCH, TUBE, CARD][k % 8]
        centre, half = rng.uniform(-4, 4, 3) + np.array([0, 6, 0]), rng.uniform(0.1, 1.0, 3)
        items.add(kind, centre, half, Material(), tilt=random_rotation(rng), param=0.5, chart=k % 5)
    solids = Solids.from_list(items, bank.charts)
    line = torch.linspace(-0.9, 0.9, 120) * (5 if parallel else 1)
    rays = RayGrid(np.zeros(3), np.eye(3)[0], -np.eye(3)[2], np.eye(3)[1], line, line, parallel)
    near = torch.full((120, 120), 0.05)
    near[:40] = 5.5
    monkeypatch.setattr(casting, "SMALL_WINDOW", 0)
    depth, index = cast_grid(solids, rays, near)
    monkeypatch.setattr(casting, "SMALL_WINDOW", 1e9)
    for most in (10_000, 2**22):  # in several pieces, and all of a kind together
        monkeypatch.setattr(casting, "MOST_PAIRS", most)
        together, which = cast_grid(solids, rays, near)
        same = (index == which) & (torch.isclose(depth, together, rtol=1e-3) | torch.isinf(depth))
        assert float(same.float().mean()) > 0.999
    assert int((index >= 0).sum()) > 3000
    assert len(index.unique()) > 40


def test_heights_are_bilinear_between_the_cells_and_go_round(bank):
    size = bank.charts.heights.shape[-1]
    for chart in (0, torch.tensor([1, 0, 1, 1])):
        u, v = torch.tensor([0.25, -1.75, 3.0, 1 - 0.5 / size]), torch.tensor([0.5, 0.5, -2.0, 0.0])
        maps = bank.charts.heights[chart if isinstance(chart, torch.Tensor) else [0, 0, 0, 0]]
        wanted = [maps[0, size // 2, size // 4], maps[1, size // 2, size // 4], maps[2, 0, 0], (maps[3, 0, -1] + maps[3, 0, 0]) / 2]  # fmt: skip
        torch.testing.assert_close(bank.charts.height(chart, u, v), torch.stack(wanted), atol=1e-4, rtol=0)


def test_hits_before_the_nearest_allowed_distance_are_passed_by(bank):
    items = SolidList()
    items.add(BOX, (0, 4, 0), (1, 0.1, 1), Material())
    items.add(BOX, (0, 8, 0), (3, 0.1, 3), Material())
    solids = Solids.from_list(items)
    rays, _, _ = depth_grid(solids, 9)
    near = torch.full((9, 9), 4.5)
    near[:, 4:] = math.inf
    depth, index = cast_grid(solids, rays, near)
    assert bool((index[2:7, 2:4] == 1).all())
    assert bool(torch.isinf(depth[:, 4:]).all())


def test_cards_need_charts():
    items = SolidList()
    items.add(CARD, (0, 5, 0), (1, 1, 1), Material())
    with pytest.raises(ValueError, match="need charts"):
        cast_rays(Solids.from_list(items), np.zeros(3), torch.tensor([[0.0, 1.0, 0.0]]))
