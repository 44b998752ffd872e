from __future__ import annotations

import numpy as np
import pytest

from infinidepth_blender.query.hilbert import cells_along, place_along


@pytest.mark.parametrize(("height", "width"), [(1, 1), (16, 16), (64, 64), (300, 20), (17, 257)])
def test_every_cell_is_visited_once(height: int, width: int) -> None:
    order, states = cells_along(height, width)
    np.testing.assert_array_equal(np.sort(order), np.arange(height * width))
    assert states.max() < 4


@pytest.mark.parametrize("side", [16, 256])
def test_consecutive_cells_touch(side: int) -> None:
    y, x = np.divmod(cells_along(side, side)[0], side)
    assert np.all(np.abs(np.diff(y)) + np.abs(np.diff(x)) == 1)


def test_the_curve_goes_on_inside_the_cells() -> None:
    order, states = cells_along(16, 16)
    places = [place_along((k + 0.5) / 64, int(state)) for state in states for k in range(64)]
    y_cell, x_cell = np.divmod(np.repeat(order, 64), 16)
    path = np.stack([x_cell, y_cell], axis=1) + np.array(places)
    hops = np.linalg.norm(np.diff(path, axis=0), axis=1)
    # 64 places per cell are an eighth of a cell apart; a jump into another corner would be far more.
    assert hops.max() < 0.25


def test_places_are_distinct_and_fill_the_cell() -> None:
    for state in range(4):
        places = np.array([place_along((k + 0.5) / 4096, state) for k in range(4096)])
        occupied = np.unique((places * 64).astype(int), axis=0)
        assert len(occupied) == 4096
