"""Colours behind the foreground come from the far side, and the rest of the photo stays."""

from __future__ import annotations

import numpy as np
import pytest

from infinidepth_blender.engine.inpaint import MAX_SIDE_PX, inpaint_background, inpaint_background_light
from infinidepth_blender.engine.photo_color import encode_srgb_8bit
from infinidepth_blender.srgb import decode_srgb


@pytest.mark.parametrize("grid", [(61, 81), (121, 161), (241, 321)])
def test_foreground_colours_do_not_get_in(grid: tuple[int, int]) -> None:
    photo = np.full((120, 160, 3), (40, 120, 200), np.uint8)
    photo[40:80, 60:100] = (250, 20, 20)
    rows, cols = np.mgrid[: grid[0], : grid[1]] / (np.array(grid) - 1)[:, None, None]
    uncertain = (rows > 40 / 120) & (rows < 80 / 120) & (cols > 60 / 160) & (cols < 100 / 160)
    result = inpaint_background(photo, uncertain)
    assert result.shape == photo.shape
    np.testing.assert_allclose(result, np.broadcast_to([40, 120, 200], result.shape), atol=6)


def test_large_photos_give_pictures_of_bounded_size() -> None:
    photo = np.zeros((1200, 3200, 3), np.uint8)
    result = inpaint_background(photo, np.zeros((31, 81), bool))
    assert result.shape == (576, MAX_SIDE_PX, 3)
    assert result.max() == 0


def test_light_is_made_up_as_the_8_bit_picture_is() -> None:
    """A smooth picture with a hole, once in linear light and once in 8 bits."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:120, 0:160]
    srgb = np.stack([60 + x, 40 + y, 250 - x / 2 - y / 2], axis=-1).astype(np.uint8)
    srgb[40:80, 60:100] = rng.integers(0, 255, (40, 40, 3))
    uncertain = np.zeros((121, 161), bool)
    uncertain[40:81, 60:101] = True
    light = inpaint_background_light(decode_srgb(srgb / 255).astype(np.float16), uncertain)
    difference = encode_srgb_8bit(light).astype(int) - inpaint_background(srgb, uncertain)
    assert np.abs(difference).max() <= 6
    brighter = inpaint_background_light((16 * decode_srgb(srgb / 255)).astype(np.float16), uncertain)
    np.testing.assert_allclose(brighter.astype(float) / 16, light.astype(float), rtol=0.06, atol=0.002)
