"""Colours behind the foreground come from the far side, and the rest of the photo stays."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from infinidepth_blender.engine.inpaint import (
    MAX_SIDE_PX,
    TwoDistances,
    inpaint_background,
    inpaint_background_light,
)
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


def before_a_wall(
    wall: np.ndarray, near: tuple[int, int, int], band: int
) -> tuple[np.ndarray, np.ndarray, TwoDistances]:
    """A photo of (120, 160) pixels of a wall 4 m away and a thing twice as near, with `band` pixels of the wall behind it."""
    rows, cols = np.mgrid[:121, :161]
    inside = (cols >= 80) & (rows >= 20)
    deep = (cols >= 80 + band) & (rows >= 20 + band)
    photo = wall.astype(np.uint8).copy()
    photo[20:, 80:] = near
    shown = np.where(inside, 0.5, 0.25).astype(np.float32)
    hidden = np.where(inside & ~deep, 0.25, 0).astype(np.float32)
    return photo, inside & ~deep, TwoDistances(shown, hidden)


@pytest.mark.parametrize("band", [6, 20, 60])
def test_what_is_nearer_than_the_hidden_surface_lends_no_colour(band: int) -> None:
    """The thing itself goes on beyond what is painted over, as every thing that is wider than that does."""
    wall = np.broadcast_to([40, 120, 200], (120, 160, 3))
    photo, uncertain, distances = before_a_wall(wall, (250, 20, 20), band)
    hidden = uncertain[:120, :160]
    painted = inpaint_background(photo, uncertain, distances)
    np.testing.assert_allclose(painted[hidden], np.broadcast_to([40, 120, 200], (hidden.sum(), 3)), atol=4)
    # Without distances that cannot be known.
    assert np.abs(inpaint_background(photo, uncertain)[hidden].astype(int) - [40, 120, 200]).max() > 50
    linear = inpaint_background_light(decode_srgb(photo / 255).astype(np.float16), uncertain, distances)
    np.testing.assert_allclose(encode_srgb_8bit(linear)[hidden].astype(int), painted[hidden], atol=4)


def test_a_nearer_thing_on_the_other_side_lends_no_colour() -> None:
    wall = np.broadcast_to([40, 120, 200], (120, 160, 3)).copy()
    wall[:, :70] = (240, 240, 20)
    photo, uncertain, distances = before_a_wall(wall, (250, 20, 20), 60)
    distances.shown[:, :70] = 0.4
    painted = inpaint_background(photo, uncertain, distances)[uncertain[:120, :160]]
    np.testing.assert_allclose(painted, np.broadcast_to([40, 120, 200], painted.shape), atol=4)


def test_colours_of_two_far_surfaces_go_to_their_own_continuations() -> None:
    wall = np.broadcast_to([40, 120, 200], (120, 160, 3)).copy()
    wall[:40] = (200, 200, 40)
    photo, uncertain, distances = before_a_wall(wall, (250, 20, 20), 60)
    for disparity in (distances.shown, distances.hidden):
        disparity[:40][disparity[:40] == np.float32(0.25)] = 0.1
    painted = inpaint_background(photo, uncertain, distances)
    np.testing.assert_allclose(painted[24:37, 84:130], np.broadcast_to([200, 200, 40], (13, 46, 3)), atol=25)
    np.testing.assert_allclose(painted[46:110, 84:130], np.broadcast_to([40, 120, 200], (64, 46, 3)), atol=25)


def test_single_pixels_of_the_rim_are_not_drawn_out() -> None:
    rng = np.random.default_rng(0)
    wall = np.repeat(rng.integers(60, 190, (120, 160, 1)), 3, axis=2)
    photo, uncertain, distances = before_a_wall(wall, (250, 20, 20), 60)
    inside = inpaint_background(photo, uncertain, distances)[40:100, 95:125].astype(float)
    assert inside.mean(axis=1).std() < 8
    # No front of two colours meets another: the steepest change of what is smooth stays low.
    smooth = cv2.GaussianBlur(inside, (0, 0), 3)
    assert max(np.abs(np.diff(smooth, axis=axis)).max() for axis in (0, 1)) < 4


def test_fine_texture_of_the_far_surface_goes_on() -> None:
    rng = np.random.default_rng(0)
    wall = np.repeat(128 + rng.normal(0, 5, (120, 160, 1)), 3, axis=2)
    photo, uncertain, distances = before_a_wall(wall, (250, 20, 20), 30)
    inside = inpaint_background(photo, uncertain, distances)[30:110, 86:104].astype(float)
    assert 2.5 < inside.std() < 6
    assert np.abs(inside.mean() - 128) < 2


def test_without_anything_behind_in_the_picture_the_foreground_must_do() -> None:
    photo = np.full((120, 160, 3), (40, 120, 200), np.uint8)
    uncertain = np.zeros((121, 161), bool)
    uncertain[30:60, 40:90] = True
    distances = TwoDistances(np.full((121, 161), 0.5, np.float32), np.where(uncertain, 0.1, 0).astype(np.float32))
    np.testing.assert_allclose(inpaint_background(photo, uncertain, distances), photo, atol=2)
    everything = np.ones((121, 161), bool)
    np.testing.assert_array_equal(inpaint_background(photo, everything, distances), photo)
