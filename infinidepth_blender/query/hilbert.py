"""The Hilbert curve through a grid and inside its cells, several levels at a time by table.

The curve visits the cells of a square of 2^k x 2^k so that what is near on the curve is
near in the plane. In each of its states it runs through the four quadrants in the order
(0, 0), (0, 1), (1, 1), (1, 0), with x and y exchanged (bit 0 of the state) or both
mirrored (bit 1); the quadrants' own states differ from it by a fixed mask.
Source: D. Hilbert, "Ueber die stetige Abbildung einer Linie auf ein Flaechenstueck", 1891.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..compiled import jit

LEVELS = 4
"""Levels per table look-up."""
SIDE = 1 << LEVELS
CODES = 1 << 2 * LEVELS
ROUNDS_IN_CELL = 3
"""Look-ups inside a cell, which is divided into `SIDE ** ROUNDS_IN_CELL` places along each side."""

_QUADRANT_X = np.array([0, 0, 1, 1])
_QUADRANT_Y = np.array([0, 1, 1, 0])
_STATE_MASK = np.array([1, 0, 0, 3])


def _tables() -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """By state * CODES + code: x, y and the next state."""
    state, code = np.divmod(np.arange(4 * CODES), CODES)
    x, y = np.zeros_like(code), np.zeros_like(code)
    for level in reversed(range(LEVELS)):
        digit = code >> 2 * level & 3
        bit_x, bit_y = _QUADRANT_X[digit], _QUADRANT_Y[digit]
        swap, mirror = state & 1, state >> 1
        bit_x, bit_y = np.where(swap, bit_y, bit_x) ^ mirror, np.where(swap, bit_x, bit_y) ^ mirror
        x, y = 2 * x + bit_x, 2 * y + bit_y
        state = state ^ _STATE_MASK[digit]
    return x.astype(np.uint8), y.astype(np.uint8), state.astype(np.uint8)


_X, _Y, _NEXT = _tables()


def cells_along(height: int, width: int) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """The cells of a grid in the order of the curve through the smallest square around it.

    Returns:
        order: (height * width,) int64 flat index of each cell.
        states: (height * width,) uint8, the state in which the curve runs inside each of these cells.
    """
    rounds = max(1, -(-(max(height, width) - 1).bit_length() // LEVELS))
    return _cells_along(height, width, rounds)


@jit()
def _cells_along(height: int, width: int, rounds: int) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    order = np.empty(height * width, np.int64)
    states = np.empty(height * width, np.uint8)
    count = 0
    for block in range(CODES ** (rounds - 1)):
        x = y = state = 0
        for level in range(rounds - 2, -1, -1):
            entry = state * CODES + (block >> 2 * LEVELS * level & CODES - 1)
            x, y, state = x * SIDE + _X[entry], y * SIDE + _Y[entry], int(_NEXT[entry])
        if x * SIDE >= width or y * SIDE >= height:
            continue
        for code in range(CODES):
            entry = state * CODES + code
            column, row = x * SIDE + _X[entry], y * SIDE + _Y[entry]
            if column < width and row < height:
                order[count] = row * width + column
                states[count] = _NEXT[entry]
                count += 1
    return order, states


@jit()
def place_along(fraction: float, state: int) -> tuple[float, float]:
    """Where one is inside a cell after a fraction in [0, 1) of the curve through it: x and y in (0, 1)."""
    levels = 2 * LEVELS * ROUNDS_IN_CELL
    code = min(max(int(fraction * (1 << levels)), 0), (1 << levels) - 1)
    x = y = 0
    for level in range(ROUNDS_IN_CELL - 1, -1, -1):
        entry = state * CODES + (code >> 2 * LEVELS * level & CODES - 1)
        x, y, state = x * SIDE + _X[entry], y * SIDE + _Y[entry], int(_NEXT[entry])
    places = SIDE**ROUNDS_IN_CELL
    return (x + 0.5) / places, (y + 0.5) / places
