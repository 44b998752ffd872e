"""The Hilbert curve, forwards and backwards, several levels at a time by table.

The curve visits the cells of a square of 2^k x 2^k so that what is near on the curve is
near in the plane. In each of its states it runs through the four quadrants in the order
(0, 0), (0, 1), (1, 1), (1, 0), with x and y exchanged (bit 0 of the state) or both
mirrored (bit 1); the quadrants' own states differ from it by a fixed mask.
Source: D. Hilbert, "Ueber die stetige Abbildung einer Linie auf ein Flaechenstueck", 1891.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

LEVELS = 4
"""Levels per table look-up."""
SIDE = 1 << LEVELS
CODES = 1 << 2 * LEVELS

_QUADRANT_X = np.array([0, 0, 1, 1])
_QUADRANT_Y = np.array([0, 1, 1, 0])
_STATE_MASK = np.array([1, 0, 0, 3])


@cache
def _tables() -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """By state * CODES + code: x, y and next state; by state * CODES + y * SIDE + x: code and next state."""
    state, code = np.divmod(np.arange(4 * CODES), CODES)
    start = state.copy()
    x, y = np.zeros_like(code), np.zeros_like(code)
    for level in reversed(range(LEVELS)):
        digit = code >> 2 * level & 3
        bit_x, bit_y = _QUADRANT_X[digit], _QUADRANT_Y[digit]
        swap, mirror = state & 1, state >> 1
        bit_x, bit_y = np.where(swap, bit_y, bit_x) ^ mirror, np.where(swap, bit_x, bit_y) ^ mirror
        x, y = 2 * x + bit_x, 2 * y + bit_y
        state = state ^ _STATE_MASK[digit]
    back = start * CODES + y * SIDE + x
    code_at, state_at = np.empty(4 * CODES, np.uint8), np.empty(4 * CODES, np.uint8)
    code_at[back], state_at[back] = code, state
    return x.astype(np.uint8), y.astype(np.uint8), state.astype(np.uint8), code_at, state_at


def codes_of_grid(height: int, width: int) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Places of a grid's cells on the curve through the smallest square around it.

    Returns:
        codes: (height * width,) int64, row by row.
        states: (height * width,) uint8, the state in which the curve runs inside each cell.
    """
    *_, code_at, state_at = _tables()
    rounds = max(1, -(-(max(height, width) - 1).bit_length() // LEVELS))
    y, x = np.divmod(np.arange(height * width), width)
    codes = np.zeros(height * width, np.int64)
    states = np.zeros(height * width, np.uint8)
    for level in reversed(range(rounds)):
        shift = LEVELS * level
        entry = states.astype(np.int64) * CODES + (y >> shift & SIDE - 1) * SIDE + (x >> shift & SIDE - 1)
        codes = codes * CODES + code_at[entry]
        states = state_at[entry]
    return codes, states


def positions_along(
    fraction: NDArray[np.float64], states: NDArray[np.uint8], rounds: int = 3
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where one is inside a cell after a fraction of the curve through it.

    Args:
        fraction: (N,) in [0, 1).
        states: (N,) state of the curve in the cell.
        rounds: Look-ups; the cell is divided into `SIDE ** rounds` places along each side.

    Returns:
        (N,) x and y in (0, 1), at the centres of those places.
    """
    table_x, table_y, next_state, *_ = _tables()
    levels = 2 * LEVELS * rounds
    code = (fraction * (1 << levels)).astype(np.int64)
    np.clip(code, 0, (1 << levels) - 1, out=code)
    x, y = np.zeros(len(code), np.int64), np.zeros(len(code), np.int64)
    state = states.astype(np.int64)
    for level in reversed(range(rounds)):
        entry = state * CODES + (code >> 2 * LEVELS * level & CODES - 1)
        x = x * SIDE + table_x[entry]
        y = y * SIDE + table_y[entry]
        state = next_state[entry].astype(np.int64)
    places = SIDE**rounds
    return (x + 0.5) / places, (y + 0.5) / places
