"""What is taken for sky by its colour, and in which colours the sky is painted on."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from infinidepth_blender.engine.painted_sky import painted_sky, sky_picture
from infinidepth_blender.engine.sky_guess import guess_sky
from infinidepth_blender.field.grid import GridField
from infinidepth_blender.geometry.backdrop import FRAME_MARGIN

HEIGHT, WIDTH = 120, 160
BLUE = (90, 140, 220)


def field_of(depth_m: NDArray[Any], **more: Any) -> GridField:
    return GridField(depth_m.astype(np.float32), **more)


def ground() -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """A photo of brown ground, and its depth."""
    y = np.mgrid[:HEIGHT, :WIDTH][0]
    grain = np.random.default_rng(0).normal(0, 12, (HEIGHT, WIDTH, 1))
    return np.clip(np.array([110, 90, 50]) + grain, 0, 255).astype(np.uint8), 3 + 30 * (1 - y / HEIGHT) ** 2


# -- the guess --------------------------------------------------------------------------


def test_a_sky_is_found_where_it_reaches_the_top() -> None:
    photo, depth = ground()
    photo[:50], depth[:50] = BLUE, 500
    sky = guess_sky(field_of(depth), photo) > 0.5
    assert sky[:47].all() and not sky[53:].any()


def test_a_lake_that_does_not_reach_the_top_is_no_sky() -> None:
    photo, depth = ground()
    photo[40:70, 30:130], depth[40:70, 30:130] = BLUE, 500
    assert guess_sky(field_of(depth), photo).max() == 0


def test_what_is_striped_is_no_sky() -> None:
    """A facade of glass and white steel has a sky's colours and may be far away."""
    photo, depth = ground()
    steel = (np.arange(WIDTH) % 4 < 2)[None, :, None]
    photo[:50, 1:-1] = np.where(steel, 250, np.array([60, 100, 190]))[:, 1:-1]
    depth[:50] = 500
    assert guess_sky(field_of(depth), photo).max() == 0


def test_what_is_little_further_than_the_rest_is_no_sky() -> None:
    """A white ceiling whose far end is the farthest of a small room. Of an affine field nobody knows how far that is."""
    photo, _ = ground()
    photo[:50] = 245
    depth = np.tile(np.where(np.arange(HEIGHT) < 50, 3.0, 2.0)[:, None], (1, WIDTH))
    assert guess_sky(field_of(depth, scale="relative"), photo).max() == 0
    assert (guess_sky(field_of(depth, scale="affine"), photo) > 0.5)[:45].all()


@pytest.mark.parametrize("seed", [0, 2, 5])
def test_the_guess_does_not_depend_on_what_was_drawn_by_lot_before(seed: int) -> None:
    """Between a sky and ground of its own colours what is divided into groups of colours begins by lot."""
    rng = np.random.default_rng(seed)
    photo, depth = ground()
    photo[:20] = np.clip(np.array([150, 170, 200]) + rng.normal(0, 5, (20, WIDTH, 1)), 0, 255)
    photo[20:100] = np.clip(np.array([140, 150, 165]) + rng.normal(0, 60, (80, WIDTH, 3)), 0, 255)
    depth[:50], depth[50:100] = 500, 55
    found = []
    for drawn in range(8):
        cv2.setRNGSeed(drawn)
        found.append(guess_sky(field_of(depth), photo))
    assert all(np.array_equal(one, found[0]) for one in found)


# -- the painting -----------------------------------------------------------------------


@pytest.mark.parametrize("rises", [True, False])
def test_colours_of_whole_numbers_do_not_run_over(rises: bool) -> None:
    """A bright sky that grows brighter towards the border would be beyond white outside of it, a dark one beyond black."""
    ramp = np.linspace(180, 255, WIDTH) if rises else np.linspace(75, 0, WIDTH)
    photo = np.tile(ramp.astype(np.uint8)[None, :, None], (HEIGHT, 1, 3))
    sky = np.ones((HEIGHT, WIDTH), bool)
    sky[70:] = False
    painted = painted_sky(photo, sky, 50)[:, -50:].astype(int)
    assert painted.min() >= 235 if rises else painted.max() <= 20


def test_what_a_coarse_mesh_takes_for_sky_beside_the_foreground_lends_no_colour() -> None:
    """Vertices stand ten pixels apart: up to there the foreground may reach into what is sky to them."""
    photo = np.full((HEIGHT, WIDTH, 3), BLUE, np.uint8)
    photo[60:] = (30, 90, 20)
    vertices = np.tile(np.arange(13)[:, None] <= 6, (1, 17))  # until row 65
    painted = sky_picture(photo, vertices)
    margin = round(FRAME_MARGIN * WIDTH)
    beyond = painted.astype(int)
    beyond[margin : margin + 60, margin : margin + WIDTH] = BLUE
    assert np.abs(beyond - BLUE).max() <= 3
