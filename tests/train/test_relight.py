"""Light that is changed by the directions of surfaces."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from train.pool import decode_log_depth, encode_log_depth
from train.relight import dithered, every_other, explained, normals, relit

FOCAL = 0.7
"""Over the diagonal."""
HEIGHT, WIDTH = 120, 160


def corner() -> tuple[torch.Tensor, torch.Tensor]:
    """Log depth (1, h, w) of a ground 1.5 m below and a wall 6 m ahead of a level camera, sky above; where the wall is."""
    focal_px = FOCAL * math.hypot(HEIGHT, WIDTH)
    y = (torch.arange(HEIGHT) + 0.5 - HEIGHT / 2)[:, None].expand(HEIGHT, WIDTH) / focal_px
    ground = torch.where(y > 0, 1.5 / y.clamp_min(1e-6), torch.inf)
    depth = torch.minimum(ground, torch.tensor(6.0))
    depth = torch.where(y < -0.25, torch.inf, depth)
    return depth.log()[None], (depth == 6.0)[None]


def test_normals_of_a_ground_and_a_wall_are_exact_up_to_their_edge() -> None:
    log_depth, wall = corner()
    found = normals(log_depth, torch.tensor([FOCAL]))
    ground = log_depth.isfinite() & ~wall
    up, ahead = torch.tensor([0.0, -1.0, 0.0]), torch.tensor([0.0, 0.0, -1.0])
    # The row where they meet belongs to both.
    assert float(((found.permute(0, 2, 3, 1)[ground] - up).norm(dim=1) < 1e-3).float().mean()) > 0.95
    assert float(((found.permute(0, 2, 3, 1)[wall] - ahead).norm(dim=1) < 1e-3).float().mean()) > 0.95
    assert float(found.permute(0, 2, 3, 1)[log_depth.isinf()].abs().max()) == 0


def test_what_surfaces_differ_in_is_found_and_the_rest_stays() -> None:
    """A dark ground, a light wall, both with grain: their means become equal, the grain and the sky stay."""
    log_depth, wall = corner()
    sky = log_depth.isinf()
    tone = torch.where(wall, 0.6, 0.15).where(~sky, torch.tensor(0.9))
    grain = 0.05 * torch.randn(1, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(1))
    images = (tone[:, None] * grain.exp()).clamp(0, 1)
    normal = normals(log_depth, torch.tensor([FOCAL]))
    even = images * (-explained(images, normal, ~sky) * ~sky[:, None]).exp()
    means = [float(even.permute(0, 2, 3, 1)[part].log().mean()) for part in (wall, ~wall & ~sky)]
    assert means[0] == pytest.approx(means[1], abs=0.05)
    spread = float(even.permute(0, 2, 3, 1)[wall].log().std())
    assert spread == pytest.approx(0.05, rel=0.2)


def test_another_light_changes_images_by_their_surfaces_and_leaves_the_sky() -> None:
    log_depth, wall = corner()
    log_depth, wall = log_depth.repeat(6, 1, 1), wall.repeat(6, 1, 1)
    images = torch.full((6, 3, 2 * HEIGHT, 2 * WIDTH), 0.4)
    changed = relit(images, log_depth, torch.full((6,), FOCAL), np.random.default_rng(3))
    again = relit(images, log_depth, torch.full((6,), FOCAL), np.random.default_rng(3))
    assert torch.equal(changed, again)
    assert float(changed.min()) >= 0
    assert float(changed.max()) <= 1
    assert float((changed[:, :, 4:40] - 0.4).abs().max()) < 1e-6  # the sky
    low, high = changed[:, 0, -10].mean(1), changed[:, 0, 80].mean(1)  # ground and wall
    assert float(((low / high).log().abs() > 0.05).float().mean()) > 0.5


def test_what_is_one_place_wide_before_the_sky_has_no_normal() -> None:
    log_depth = torch.full((1, 20, 30), torch.inf)
    log_depth[0, :, 12] = 1.0  # a pole
    log_depth[0, 3:9, 20:25] = 1.5  # a board that faces the camera
    found = normals(log_depth, torch.tensor([FOCAL]))[0]
    assert float(found[:, :, 12].abs().max()) == 0
    np.testing.assert_allclose(found[:, 5, 22], [0, 0, -1], atol=1e-6)


def test_nothing_but_sky_stays_as_it_is() -> None:
    images = torch.rand((1, 3, 32, 40), generator=torch.Generator().manual_seed(2))
    changed = relit(images, torch.full((1, 16, 20), torch.inf), torch.tensor([FOCAL]), np.random.default_rng(0))
    torch.testing.assert_close(changed, images)


@pytest.mark.parametrize("finer", [1, 2])
def test_truth_at_every_other_pixel(finer: int) -> None:
    codes = np.arange(finer * 20)[:, None] * 1000 + np.arange(finer * 30)[None]
    seen = every_other(codes.astype(np.uint16), 20)
    assert seen.shape == (10, 15)
    assert seen[0, 0] // 1000 == finer


def ridge(falls_left: float, falls_right: float) -> torch.Tensor:
    """Log depth (1, h, w) of two walls that meet in the middle column's left border."""
    x = (torch.arange(WIDTH) + 0.5 - WIDTH / 2) / (FOCAL * math.hypot(HEIGHT, WIDTH))
    depth = 4 / (1 + torch.where(x < 0, -falls_left * x, falls_right * x))
    return depth.log()[None, None].expand(1, HEIGHT, WIDTH)


@pytest.mark.parametrize(("left", "right"), [(0.8, 0.8), (-0.8, -0.8), (0.8, 0.3), (0.2, -0.6)])
@pytest.mark.parametrize("turned", [False, True])
def test_normals_beside_a_crease_belong_to_their_own_wall(left: float, right: float, turned: bool) -> None:
    log_depth = ridge(left, right)
    if turned:
        log_depth = log_depth.mT
    found = normals(log_depth, torch.tensor([FOCAL]))[0]
    row = (found.mT if turned else found)[:, 50]
    middle = WIDTH // 2
    for beside, inside in ((middle - 1, middle - 20), (middle, middle + 20)):
        np.testing.assert_allclose(row[:, beside], row[:, inside], atol=2e-3)
    assert float((row[:, middle - 1] - row[:, middle]).norm()) > 0.2


def test_what_is_two_places_wide_before_a_wall_keeps_its_own_depth() -> None:
    log_depth = torch.full((1, HEIGHT, WIDTH), math.log(6.0))
    log_depth[0, :, 70:72] = math.log(2.0)
    found = normals(log_depth, torch.tensor([FOCAL]))[0]
    np.testing.assert_allclose(found[:, 60, 66:76].T, [[0, 0, -1]] * 10, atol=1e-5)


def test_rounded_depth_makes_no_steps_of_tone() -> None:
    """A plane far away through a long lens, where neighbours have one code or two."""
    height, width, focal_px = 160, 214, 450.0
    y, x = torch.meshgrid(torch.arange(height) - 79.5, torch.arange(width) - 106.5, indexing="ij")
    exact = (3 / (1 + 0.17 * x / focal_px + 0.1 * y / focal_px)).log()[None]
    codes = torch.from_numpy(decode_log_depth(encode_log_depth(exact.numpy())))
    focal = torch.tensor([focal_px / math.hypot(height, width)])
    wanted = normals(exact, focal)
    off = normals(dithered(codes, 1), focal) - wanted
    # Light of one standard deviation on mid grey moves it by 28 levels at most.
    assert float(28 * off.abs().quantile(0.95)) < 1.6
    means = torch.nn.functional.avg_pool2d(off, 5)
    assert float(28 * means.abs().quantile(0.95)) < 0.25


def test_dither_stays_inside_of_what_has_the_same_code() -> None:
    codes = np.arange(20_000, 20_400, dtype=np.uint16).reshape(20, 20)
    codes[0] = 65535
    depth = torch.from_numpy(decode_log_depth(codes))
    moved = dithered(depth, 3)
    assert torch.equal(moved, dithered(depth, 3)) and not torch.equal(moved, dithered(depth, 4))
    assert bool((moved[0] == torch.inf).all())
    code = float(depth[1, 1] - depth[1, 0])
    off = (moved[1:] - depth[1:]) / code
    assert float(off.abs().max()) < 0.505  # single precision
    assert float(off.std()) == pytest.approx(1 / math.sqrt(12), rel=0.1)
