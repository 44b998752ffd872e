"""The sky is painted on over the foreground and beyond the frame, in its own colours alone."""

from __future__ import annotations

import numpy as np
import pytest

from infinidepth_blender.engine.painted_sky import painted_sky, sky_picture, sky_picture_light
from infinidepth_blender.geometry.backdrop import FRAME_MARGIN
from infinidepth_blender.srgb import encode_srgb

BLUE = (100, 150, 220)


def trees(height: int = 120, width: int = 160) -> np.ndarray:
    """(height, width) bool: a sky above trees of all sizes, and one in front of it."""
    rng = np.random.default_rng(0)
    sky = np.arange(height)[:, None] < (height // 3 + rng.integers(0, height // 3, width))
    sky[height // 10 :, width // 2 : width * 5 // 8] = False
    return sky


@pytest.mark.parametrize("size", [(120, 160), (700, 1500), (3, 90), (1, 1)])
def test_a_plain_sky_is_plain_everywhere(size: tuple[int, int]) -> None:
    sky = trees(*size) if min(size) > 3 else np.ones(size, bool)
    photo = np.full((*size, 3), BLUE, np.uint8)
    # Neither the foreground's colours nor, at its edges, mixtures with them get in.
    photo[~sky] = (30, 160, 20)
    wide = np.pad(sky, 1, mode="edge")
    inner = wide[:-2, 1:-1] & wide[2:, 1:-1] & wide[1:-1, :-2] & wide[1:-1, 2:]
    photo[sky & ~inner] = (80, 155, 140)
    painted = painted_sky(photo, sky, 20)
    assert painted.shape == (size[0] + 40, size[1] + 40, 3) and painted.dtype == np.uint8
    assert np.abs(painted.astype(int) - BLUE).max() <= 2


def test_where_all_is_sky_the_photo_stays() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (90, 150, 3)).astype(np.uint8)
    sky = np.ones((90, 150), bool)
    np.testing.assert_array_equal(painted_sky(photo, sky, 30)[30:-30, 30:-30], photo)
    large = np.random.default_rng(0).integers(0, 256, (1200, 1100, 3)).astype(np.uint8)
    np.testing.assert_array_equal(painted_sky(large, np.ones((1200, 1100), bool), 100)[100:-100, 100:-100], large)


def test_a_gradient_goes_on() -> None:
    y, x = np.mgrid[-40:160, -40:200].astype(np.float32)
    whole = np.stack([0.2 + y / 400, 0.4 + y / 600 + x / 2000, np.full_like(y, 0.8)], axis=-1)
    sky = trees()
    photo = np.where(sky[..., None], whole[40:160, 40:200], np.float32(0))
    painted = painted_sky(photo, sky, 40)
    assert painted.dtype == np.float32
    wrong = np.abs(painted - whole)
    # Twenty rows below the sky's middle edge, where the colour nearest to it would be off by 0.1, ...
    assert wrong[40:100, 40:200].max() < 0.04
    # ... and beyond the frame; nothing breaks off there.
    assert wrong[20:100].max() < 0.05
    assert np.abs(np.diff(painted, axis=0)).max() < 0.02
    assert np.abs(np.diff(painted, axis=1)).max() < 0.02


def test_twigs_do_not_darken_the_sky() -> None:
    photo = np.full((120, 160, 3), BLUE, np.uint8)
    photo[:60:7, ::3] = 10
    sky = np.zeros((120, 160), bool)
    sky[:60] = True
    painted = painted_sky(photo, sky, 30)
    assert np.abs(painted[90:].astype(int) - BLUE).max() <= 2
    # A night sky is dark and grainy itself.
    night = np.random.default_rng(0).integers(0, 30, (120, 160, 3)).astype(np.uint8)
    assert painted_sky(night, sky, 30)[100:].mean() == pytest.approx(14.5, abs=2)


def test_a_few_pixels_of_a_huge_photo_are_a_sky_too() -> None:
    photo = np.zeros((40, 20_000, 3), np.uint8)
    sky = np.zeros((40, 20_000), bool)
    photo[5, 7], sky[5, 7] = BLUE, True
    assert np.abs(painted_sky(photo, sky, 0).reshape(-1, 3).astype(int) - BLUE).max() <= 1
    with pytest.raises(ValueError, match="sky"):
        painted_sky(photo, np.zeros_like(sky), 0)


def test_a_picture_of_bounded_size_lies_around_the_photo() -> None:
    photo = np.full((1000, 4000, 3), BLUE, np.uint8)
    photo[600:] = (90, 60, 20)
    at_vertex = np.zeros((65, 257), bool)
    at_vertex[:38] = True
    picture = sky_picture(photo, at_vertex)
    margin = round(FRAME_MARGIN * 1536)
    assert picture.shape == (384 + 2 * margin, 1536 + 2 * margin, 3)
    assert np.abs(picture.astype(int) - BLUE).max() <= 1


def test_light_stays_as_bright_as_it_is() -> None:
    light = np.full((60, 80, 3), 4, np.float16)
    light[30:] = 0.01
    at_vertex = np.zeros((61, 81), bool)
    at_vertex[:30] = True
    picture = sky_picture_light(light, at_vertex)
    assert picture.dtype == np.float16
    np.testing.assert_allclose(encode_srgb(picture.astype(float)), encode_srgb(np.array(4.0)), rtol=0.01)
