"""Fields at the ends of what they answer: beyond the photo, beyond a range, at a floor; and the filter that they share."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from field_fixtures import make_photo, small_network

from infinidepth_blender.field.covered import Covered, CoveredField
from infinidepth_blender.field.grid import GridField
from infinidepth_blender.field.guided import guided
from infinidepth_blender.field.network_field import FieldModel
from infinidepth_blender.field.prompt_map import ANSWERED
from infinidepth_blender.field.prompted import PromptedField
from infinidepth_blender.field.protocol import Rows, pixel_centres_yx


@pytest.mark.parametrize("size", [(64, 300), (300, 64)])
def test_beyond_the_photo_its_border_goes_on(size: tuple[int, int]) -> None:
    """Not what the network was shown beside a narrow photo."""
    field = FieldModel(small_network(), torch.device("cpu"), {}).encode(make_photo(*size))
    assert min(field._inside_y, field._inside_x) < 0.9
    beyond = torch.tensor([[-1.5, 2.0], [0.3, -1.01], [4.0, 0.2], [1.2, 1.2]])
    torch.testing.assert_close(field.disparity(beyond), field.disparity(beyond.clamp(-1, 1)), rtol=0, atol=0)
    assert not torch.equal(field.disparity(beyond), field.disparity(beyond.clamp(-0.8, 0.8)))


def test_where_an_answer_is_held_at_its_range_it_has_no_slope() -> None:
    network, photo, coords = small_network(), make_photo(64, 96), pixel_centres_yx(40, 60)
    field = FieldModel(network, torch.device("cpu"), {}).encode(photo)
    told = field.disparity(coords).log() / -field.log_depth_range
    low, middle, high = (float(told.quantile(share)) for share in (0.1, 0.5, 0.9))
    # Drawn so far apart that both ends are left.
    factor, out = 6 / (high - low), network.decoder.head_out
    with torch.no_grad():
        out.weight[0] *= factor
        out.bias[0] = factor * (out.bias[0] - middle) + sum(ANSWERED) / 2
    field = FieldModel(network, torch.device("cpu"), {}).encode(photo)
    disparity, gradient = field.disparity_and_gradient(coords)
    ends = torch.exp(-field.log_depth_range * torch.tensor(ANSWERED))
    held = (disparity[:, None] / ends - 1).abs().amin(dim=1) < 1e-6
    assert all((disparity / end - 1).abs().min() < 1e-6 for end in ends) and 0.1 < held.float().mean() < 0.9
    assert not gradient[held].any()
    assert (gradient[~held].norm(dim=1) > 0).float().mean() > 0.9


def test_a_line_that_is_held_at_its_floor_has_the_slope_of_the_rest() -> None:
    y = pixel_centres_yx(80, 60).view(80, 60, 2)[..., 0]
    inner = GridField(torch.exp(1.5 * (1 - y)).numpy(), scale="relative")
    log_depth = -inner.disparity_grid(80, 60).log().numpy().ravel()
    covered = Covered.of(log_depth[log_depth < np.log(5)], log_depth)
    field = CoveredField(inner, (2.0, -0.2), 1.7, covered, floor=0.2)
    seen = torch.linspace(0.06, 1, 400, dtype=torch.float64, requires_grad=True)
    share = covered.share(-seen.detach().log())
    assert ((2 * seen.detach() - 0.2 < 0.2) & (share > 0.05) & (share < 1)).sum() > 10
    (expected,) = torch.autograd.grad(field.aligned(seen).sum(), seen)
    torch.testing.assert_close(field._slope(seen.detach()), expected)


class BelowSky(GridField):
    """A field whose upper half is sky."""

    def sky_grid(self, height: int, width: int, rows: Rows | None = None) -> torch.Tensor:
        return (pixel_centres_yx(height, width, rows=rows)[:, 0] < 0).float().view(-1, width)


def test_what_was_measured_beside_the_sky_does_not_make_it_a_surface() -> None:
    """Measurements along the tops of roofs: the sky above them has another colour."""
    photo = np.full((60, 80, 3), (90, 140, 220), np.uint8)
    photo[30:] = (110, 60, 40)
    depth_m = np.zeros((60, 80))
    depth_m[30, 1::4] = depth_m[40::6, 1::4] = 5.0
    field = PromptedField(BelowSky(np.full((60, 80), 5.0)), depth_m, 80, 60, photo)
    sky = field.sky_grid(60, 80)
    assert sky[:30].all() and not sky[30:].any()
    # The colours tell it: where they are those of the roofs, what is beside a measurement is none.
    photo[:30] = photo[30:]
    alike = PromptedField(BelowSky(np.full((60, 80), 5.0)), depth_m, 80, 60, photo).sky_grid(60, 80)
    assert not alike[29, 1::4].any() and alike[:20].all()


def test_the_guided_filter_is_the_one_of_its_paper() -> None:
    """Against its two formulas (5) and (6) with a regression of its own in every window, and (8), the mean of all windows."""
    rng = np.random.default_rng(0)
    colours, values = rng.random((9, 11, 3)).astype(np.float32), rng.random((9, 11)).astype(np.float32)
    reach, plain = 2, 0.01
    padded_colours = np.pad(colours.astype(np.float64), ((reach, reach), (reach, reach), (0, 0)), "edge")
    padded_values = np.pad(values.astype(np.float64), reach, "edge")
    lines = np.empty((9, 11, 4))
    for row, col in np.ndindex(9, 11):
        window = np.s_[row : row + 2 * reach + 1, col : col + 2 * reach + 1]
        x, v = padded_colours[window].reshape(-1, 3), padded_values[window].ravel()
        slope = np.linalg.solve(
            np.cov(x.T, bias=True) + plain * np.eye(3), x.T @ v / len(v) - x.mean(axis=0) * v.mean()
        )
        lines[row, col] = *slope, v.mean() - slope @ x.mean(axis=0)
    mean = cv2.boxFilter(lines, -1, (2 * reach + 1,) * 2, borderType=cv2.BORDER_REPLICATE)
    expected = (mean[..., :3] * colours).sum(axis=-1) + mean[..., 3]
    np.testing.assert_allclose(guided(values, colours, reach, plain), expected, atol=2e-4)
