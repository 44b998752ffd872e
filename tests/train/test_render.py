"""Rendered samples: truth, labels and determinism."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from train.scenes.casting import cast_grid
from train.scenes.layouts import LAYOUTS
from train.scenes.lighting import ShadowMap
from train.scenes.looks import Looks
from train.scenes.places import Place
from train.scenes.render import render, take_shot
from train.scenes.sensor import expose, jpeg_like
from train.scenes.shading import Hits
from train.scenes.shapes import BOX
from train.scenes.solids import SolidList, Solids
from train.scenes.weather import SNOW_COLOUR, Weather


@pytest.mark.parametrize("kind", sorted(LAYOUTS))
def test_every_layout_renders_a_photograph_with_depth(bank, kind):
    sample = render(np.random.default_rng(1), bank, 48, 64, kind)
    assert sample.image.shape == (48, 64, 3)
    assert sample.image.dtype == torch.uint8
    assert sample.log_depth.shape == (96, 128)
    assert float(sample.image.float().std()) > 4
    ground = torch.isfinite(sample.log_depth)
    assert float(ground.float().mean()) > 0.2
    assert not bool(torch.isnan(sample.log_depth).any())


def test_depth_at_coordinates_equals_the_grid(bank):
    shot = take_shot(np.random.default_rng(2), bank, 30, 40, "room")
    depth, _ = cast_grid(shot.solids, shot.rays(2))
    y = (torch.arange(60) + 0.5) / 60 * 2 - 1
    x = (torch.arange(80) + 0.5) / 80 * 2 - 1
    exact = shot.depth_at(torch.cartesian_prod(y, x)).reshape(60, 80)
    same = torch.isclose(exact, depth, rtol=1e-3) | (torch.isinf(exact) & torch.isinf(depth))
    # A ray that grazes an edge may fall on either side of it.
    assert float(same.float().mean()) > 0.995


def test_equal_seeds_give_equal_samples(bank):
    first, second = (render(np.random.default_rng(11), bank, 36, 48) for _ in range(2))
    assert torch.equal(first.image, second.image)
    assert torch.equal(first.log_depth, second.log_depth)
    assert first.camera == second.camera
    other = render(np.random.default_rng(12), bank, 36, 48)
    assert not torch.equal(first.image, other.image)


def test_the_sensor_halves_the_size_and_keeps_brightness_order():
    linear = torch.linspace(0.01, 1, 64)[None, None].expand(3, 48, 64).contiguous()
    photo = expose(np.random.default_rng(0), linear).float().mean(dim=(0, 1))
    assert photo.shape == (32,)
    assert float(photo[24:].mean()) > float(photo[:8].mean()) + 20


def test_jpeg_blocks_lose_little_when_weak_and_more_when_strong():
    image = torch.rand(3, 21, 35, generator=torch.Generator().manual_seed(0))
    weak, strong = ((jpeg_like(image[None], s)[0] - image).abs().mean() for s in (0.2, 8.0))
    assert float(weak) < 0.02 < float(strong)


@pytest.mark.parametrize("kind", ["room", "street", "woods"])
def test_normals_face_the_camera_and_boundaries_lie_at_depth_steps(bank, kind):
    sample = render(np.random.default_rng(4), bank, 48, 64, kind)
    ground = torch.isfinite(sample.log_depth)
    lengths = sample.normal.norm(dim=-1)
    assert torch.allclose(lengths[ground], torch.ones(int(ground.sum())), atol=1e-3)
    assert float(lengths[~ground].sum()) == 0
    assert bool((sample.thing[~ground] == 0).all())
    assert bool((sample.thing[ground] > 0).all())
    y, x = torch.meshgrid(torch.arange(96) + 0.5, torch.arange(128) + 0.5, indexing="ij")
    cam = sample.camera
    rays = torch.stack([(x / 2 - cam.cx_px) / cam.fx_px, (y / 2 - cam.cy_px) / cam.fy_px, torch.ones_like(x)], dim=-1)
    assert float((sample.normal * rays).sum(dim=-1)[ground].max()) < 1e-3
    edges = sample.boundaries()
    assert 0 < float(edges.float().mean()) < 0.6
    right = edges[:, :-1] & (sample.thing[:, 1:] == sample.thing[:, :-1])
    below = edges[:-1] & (sample.thing[1:] == sample.thing[:-1])
    assert not bool((right[:-1] & below[:, :-1]).any())


def _hall(specular: float):
    def place(looks):
        items = SolidList()
        floor, lit = looks.make("plain", specular=specular), looks.make("plain", emission=30.0)
        floor.tint, lit.tint = (0.05, 0.05, 0.05), (1.0, 0.05, 0.05)
        items.add(BOX, (0, 0, -0.5), (400, 400, 0.5), floor)
        items.add(BOX, (0, 9, 1.5), (6, 0.5, 1.4), lit)
        return Place(items, True, (0, 0, 1.5), (0, 0, 0), yaw_spread=0.0, pitch_spread=0.0, fov=(60, 61))

    return place


def test_snow_covers_what_faces_up_and_rain_makes_it_glossy(bank):
    def hits() -> Hits:
        normals = torch.tensor([[0.0, 0, 1], [1, 0, 0]])
        dark = torch.full((2, 3), 0.1)
        return Hits(
            torch.rand(2, 3), normals, dark, dark[:, :1] * 0, dark[:, :1], normals, torch.zeros(2, dtype=torch.bool)
        )

    snowed, wet, fair = hits(), hits(), hits()
    near = torch.full((2,), 0.01)
    Weather(snow=1.0).lies_on(snowed, bank, near)
    Weather(wet=0.5).lies_on(wet, bank, near)
    Weather().lies_on(fair, bank, near)
    assert snowed.albedo[0].tolist() == pytest.approx(SNOW_COLOUR)
    assert snowed.albedo[1].tolist() == pytest.approx([0.1] * 3)
    assert wet.specular.flatten().tolist() == pytest.approx([0.6, 0.1])
    assert fair.albedo.unique().tolist() == pytest.approx([0.1])


def test_flakes_fall_before_the_picture():
    light = torch.zeros(200, 300, 3)
    assert torch.equal(Weather().falls_over(light, np.ones(3), np.random.default_rng(0)), light)
    flakes = Weather(falling=2000, size_px=6.0).falls_over(light, np.ones(3), np.random.default_rng(0))
    assert 0.001 < float((flakes > 0.1).float().mean()) < 0.3
    assert 0.3 < float(flakes.max()) <= 0.95
    larger = Weather(falling=2000, size_px=6.0).falls_over(
        torch.zeros(800, 1200, 3), np.ones(3), np.random.default_rng(0)
    )
    shares = [float((picture > 0.1).float().mean()) for picture in (flakes, larger)]
    assert shares[1] == pytest.approx(shares[0], rel=0.5)


@pytest.mark.parametrize("share", [0.3, 0.7])
def test_half_melted_snow_covers_its_share(bank, share):
    points = torch.rand(20000, 3, generator=torch.Generator().manual_seed(0)) * 200
    normals = torch.tensor([[0.0, 0, 1]]).expand(20000, 3)
    dark, none = torch.zeros(20000, 3), torch.zeros(20000, 1)
    covers = []
    for texture in bank.kinds["noise"]:
        ground = Hits(points, normals, dark, none, none, normals, none[:, 0] > 1)
        Weather(snow=share, texture=texture).lies_on(ground, bank, torch.full((20000,), 0.01))
        covers.append(float((ground.albedo[:, 0] > 0.4).float().mean()))
    assert np.mean(covers) == pytest.approx(share, abs=0.15)


def test_every_weather_is_drawn(bank):
    rng = np.random.default_rng(0)
    drawn = [Weather.draw(rng, bank, 20.0) for _ in range(200)]
    assert all(w.overcast for w in drawn if w.visibility_m < 90 or w.falling)
    assert min(w.visibility_m for w in drawn) >= 14
    assert {(w.snow > 0, w.wet > 0, w.visibility_m < 90, w.falling > 0) for w in drawn} >= {
        (False, False, False, False),
        (False, False, True, False),
        (True, False, False, False),
        (False, True, False, False),
    }


def test_level_ground_in_low_sun_does_not_shade_itself(bank):
    items = SolidList()
    items.add(BOX, (0, 0, -0.5), (50, 50, 0.5), Looks(np.random.default_rng(0), bank).make("plain"))
    solids = Solids.from_list(items, bank.charts)
    height = np.radians(22)
    sun = np.array([np.cos(height), 0.0, np.sin(height)])
    shadow = ShadowMap.sun(solids, sun, np.zeros(3), 8.0, 64, 1.2, 0.0, torch.device("cpu"))
    ground = torch.rand(2000, 3) * 10 - 5
    ground[:, 2] = 0.02
    assert float(shadow.light(ground, torch.full((2000,), float(np.sin(height)))).min()) == 1


def test_the_rim_of_a_shadow_has_no_blocks(bank):
    items = SolidList()
    items.add(BOX, (0, 0, 5), (2, 2, 0.1), Looks(np.random.default_rng(0), bank).make("plain"))
    solids = Solids.from_list(items, bank.charts)
    up, centre = np.array([0.0, 0.0, 1.0]), np.zeros(3)
    shadow = ShadowMap.sun(solids, up, centre, 8.0, 64, 0.5, 0.0, torch.device("cpu"))
    line = torch.zeros(400, 3)
    line[:, 0] = torch.linspace(-4, 4, 400)
    light = shadow.light(line, torch.ones(400))
    assert float(light[200]) == 0
    assert float(light[0]) == 1
    # A texel is 0.25 m wide, the points are 0.02 m apart: nowhere does the light jump by the share of a tap.
    assert float(light.diff().abs().max()) < 0.2


def test_a_polished_floor_mirrors_and_keeps_its_depth(bank, monkeypatch):
    reds, depths = [], []
    for specular in (0.0, 1.0):
        monkeypatch.setattr("train.scenes.layouts.LAYOUTS", {"hall": (_hall(specular), 1.0)})
        monkeypatch.setattr("train.scenes.render.expose", lambda _, linear, fine: linear)
        sample = render(np.random.default_rng(9), bank, 48, 64)
        floor = sample.thing == sample.thing[-1, 64]
        light = sample.image[floor].double()
        reds.append(float((light[:, 0] - light[:, 1]).mean()))
        depths.append(sample.log_depth)
    assert reds[1] > 10 * max(reds[0], 1e-3)
    assert torch.equal(*depths)
