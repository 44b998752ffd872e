"""What measurements cover of the depths that a network sees, and an alignment that holds as far as they reach."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from infinidepth_blender.field.covered import Covered, CoveredField
from infinidepth_blender.field.grid import GridField
from infinidepth_blender.field.protocol import pixel_centres_yx

SURFACE = np.random.default_rng(0).uniform(0, 3, 20_000)
"""Log depths of a picture."""


@pytest.mark.parametrize("count", [100, 500, 2000])
def test_places_from_everywhere_cover_everything(count: int) -> None:
    covered = Covered.of(SURFACE[:count], SURFACE)
    assert covered.complete
    told, untold, seen = (torch.rand(500, dtype=torch.float64) + 0.1 for _ in range(3))
    assert torch.equal(covered.mixed(told, untold, 8 * seen - 2), told)


@pytest.mark.parametrize("nearer", [True, False])
def test_one_end_alone_leaves_the_other_open(nearer: bool) -> None:
    covered = Covered.of(SURFACE[SURFACE < 1.5] if nearer else SURFACE[SURFACE > 1.5], SURFACE)
    assert (covered.near_open, covered.far_open) == ((0, 1) if nearer else (1, 0))
    assert covered.beyond == pytest.approx(0.52, abs=0.02)
    share = covered.share(torch.linspace(0, 3, 301))
    inside, outside = (share[:100], share[180:]) if nearer else (share[201:], share[:121])
    assert torch.all(inside == 1) and torch.all(outside == 0)
    assert share.diff().abs().max() < 0.04


def test_without_measurements_or_surface_nothing_is_open() -> None:
    assert Covered.of(np.empty(0), SURFACE).complete and Covered.of(SURFACE, np.empty(0)).complete


def measured_near() -> CoveredField:
    """A tilted wall from 1 to 20, measured up to 5; the line crosses 0 before its far end."""
    y = pixel_centres_yx(80, 60).view(80, 60, 2)[..., 0]
    inner = GridField(torch.exp(1.5 * (1 - y)).numpy(), scale="relative")
    log_depth = -inner.disparity_grid(80, 60).log().numpy().ravel()
    covered = Covered.of(log_depth[log_depth < np.log(5)], log_depth)
    return CoveredField(inner, (2.0, -0.2), 1.7, covered, floor=0.02)


def test_the_line_holds_where_it_was_measured_and_the_factor_beyond() -> None:
    field = measured_near()
    seen = torch.logspace(np.log10(0.05), 0, 500, dtype=torch.float64)
    metric = field.aligned(seen)
    assert torch.all(metric > 0) and torch.all(metric.diff() > 0)
    assert torch.equal(metric[seen > 1 / 3], 2 * seen[seen > 1 / 3] - 0.2)
    torch.testing.assert_close(metric[seen < 1 / 8], 1.7 * seen[seen < 1 / 8])
    assert metric.log().diff().abs().max() < 0.1  # no seam


def test_grid_points_and_slopes_agree() -> None:
    field = measured_near()
    coords = pixel_centres_yx(80, 60)
    values, gradient = field.disparity_and_gradient(coords)
    assert torch.equal(values, field.disparity(coords))
    torch.testing.assert_close(values.view(80, 60), field.disparity_grid(80, 60))
    seen = torch.linspace(0.05, 1, 400, dtype=torch.float64, requires_grad=True)
    (expected,) = torch.autograd.grad(field.aligned(seen).sum(), seen)
    torch.testing.assert_close(field._slope(seen.detach()), expected)
    inner = field.inner.disparity_and_gradient(coords)
    torch.testing.assert_close(gradient, inner[1] * field._slope(inner[0])[:, None])


def test_a_network_without_depth_somewhere_stays_so() -> None:
    depth = np.array([[1.0, 2.0, np.nan, 9.0, 30.0]])
    covered = Covered.of(np.log([1.0, 2.0]), np.log([1.0, 2.0, 9.0, 30.0]))
    field = CoveredField(GridField(depth), (1.0, 0.1), 1.0, covered, 0.01)
    values = field.disparity_grid(1, 5).numpy()[0]
    assert np.isnan(values[2]) and (values[[0, 1, 3, 4]] > 0).all()
    assert field.aligned(torch.zeros(1)) == 0  # the sky
