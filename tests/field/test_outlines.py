"""What was said coarsely follows the outlines of a photo."""

from __future__ import annotations

import numpy as np
import pytest

from infinidepth_blender.field.outlines import follow_colours
from infinidepth_blender.field.preprocess import framed_colours, prepare_image


def two_colours(height: int, width: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Whether a pixel lies right of a slanted line, and a noisy photo of two colours that meet there."""
    y, x = np.mgrid[0:height, 0:width] + 0.5
    right = x > 0.45 * width + 0.2 * y
    colours = np.where(right[..., None], (0.7, 0.4, 0.3), (0.35, 0.45, 0.5))
    return right, (colours + np.random.default_rng(seed).normal(0, 0.01, colours.shape)).astype(np.float32)


def test_a_choice_told_eight_times_coarser_meets_the_colours_to_a_pixel() -> None:
    right, colours = two_colours(240, 320)
    y, x = np.mgrid[0:30, 0:40] * 8 + 4.0
    off_by_3 = x - 3 - (0.45 * 320 + 0.2 * y)
    found = follow_colours((off_by_3 / 8).astype(np.float32), colours)
    assert found.shape == (240, 320)
    assert found.dtype == np.float32
    wrong = (found > 0) != right
    assert wrong[:, 60:260].sum(axis=1).mean() < 1
    nearest = np.repeat(np.repeat(off_by_3 > 0, 8, axis=0), 8, axis=1) != right
    assert nearest.sum(axis=1).mean() > 2


def test_grain_and_fine_texture_do_not_show_in_the_choice() -> None:
    right, _ = two_colours(240, 320)
    y, x = np.mgrid[0:30, 0:40] * 8 + 4.0
    said = ((x - (0.45 * 320 + 0.2 * y)) / 8).astype(np.float32)
    plain = np.where(right[..., None], (0.7, 0.4, 0.3), (0.35, 0.45, 0.5)).astype(np.float32)
    checks = 0.04 * (2 * (np.indices((240, 320)).sum(axis=0) // 2 % 2) - 1)
    grain = np.random.default_rng(1).normal(0, 0.03, plain.shape)
    textured = follow_colours(said, (plain + checks[..., None] + grain).astype(np.float32))
    row, column = np.indices((240, 320)) + 0.5
    off_px = np.abs(column - (0.45 * 320 + 0.2 * row))
    # Here a window sees both colours, so that what it says goes with colour. Without the filter 0.11.
    beside = ((off_px > 3) & (off_px < 16))[:, 1:]
    assert np.abs(np.diff(textured, axis=1))[beside].mean() < 0.06
    assert ((textured > 0) != right).sum(axis=1).mean() < 1


def test_where_the_colour_is_plain_what_was_said_stays() -> None:
    said = np.linspace(-2, 2, 60, dtype=np.float32)[None].repeat(40, axis=0)
    found = follow_colours(said, np.full((80, 120, 3), 0.5, np.float32))
    expected = 2 * np.tanh(np.linspace(-2, 2, 120) / 2)
    np.testing.assert_allclose(found[:, 6:-6], expected[None, 6:-6].repeat(80, axis=0), atol=0.06)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 3000), (3000, 2), (900, 1600), (50, 40)])
def test_colours_cover_what_the_network_sees(height: int, width: int) -> None:
    photo = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    prepared = prepare_image(photo, 24, 16)
    colours = framed_colours(photo, prepared, 1000)
    seen_height, seen_width = prepared.image.shape[2:]
    assert colours.shape[0] >= seen_height
    assert colours.shape[1] >= seen_width
    assert max(colours.shape) <= max(1000, seen_height, seen_width) + 1
    if min(height, width) > 10:
        assert colours.shape[0] / colours.shape[1] == pytest.approx(height / width, rel=0.02)
    assert 0 <= float(colours.min()) <= float(colours.max()) <= 1


def test_a_strip_lies_in_the_middle_of_its_frame() -> None:
    photo = np.full((40, 800, 3), 255, np.uint8)
    photo[20:] = 0
    prepared = prepare_image(photo, 24, 16)
    colours = framed_colours(photo, prepared, 400)
    height = colours.shape[0]
    assert height % 2 == 0
    assert (colours[: height // 2] == 1).all()
    assert (colours[height // 2 :] == 0).all()
