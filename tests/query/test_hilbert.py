from __future__ import annotations

import numpy as np
import pytest

from infinidepth_blender.query.hilbert import codes_of_grid, positions_along


@pytest.mark.parametrize(("height", "width"), [(16, 16), (64, 64), (300, 20)])
def test_every_cell_has_its_own_place_on_the_curve(height: int, width: int) -> None:
    codes, states = codes_of_grid(height, width)
    assert len(np.unique(codes)) == height * width
    assert states.max() < 4


@pytest.mark.parametrize("side", [16, 256])
def test_consecutive_cells_touch(side: int) -> None:
    codes, _ = codes_of_grid(side, side)
    y, x = np.divmod(np.argsort(codes), side)
    assert np.all(np.abs(np.diff(y)) + np.abs(np.diff(x)) == 1)


def test_the_curve_goes_on_inside_the_cells() -> None:
    codes, states = codes_of_grid(16, 16)
    order = np.argsort(codes)
    fraction = (np.arange(64) + 0.5) / 64
    x, y = positions_along(np.tile(fraction, 256), np.repeat(states[order], 64))
    y_cell, x_cell = np.divmod(np.repeat(order, 64), 16)
    path = np.stack([x_cell + x, y_cell + y], axis=1)
    hops = np.linalg.norm(np.diff(path, axis=0), axis=1)
    # 64 places per cell are an eighth of a cell apart; a jump into another corner would be far more.
    assert hops.max() < 0.25


def test_places_are_distinct_and_fill_the_cell() -> None:
    fraction = (np.arange(4096) + 0.5) / 4096
    for state in range(4):
        x, y = positions_along(fraction, np.full(4096, state, np.uint8))
        occupied = np.unique((y * 64).astype(int) * 64 + (x * 64).astype(int))
        assert len(occupied) == 4096
