"""Divides the surface behind a photo into cells of exactly equal area, and counts points in them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class EqualAreaCells:
    """Rectangles of the image, halved again and again along their longer side where half the area lies.

    A pixel's area counts as spread evenly over the pixel; a pixel without area belongs to no cell.
    """

    def __init__(self, area: NDArray[np.float64], halvings: int) -> None:
        """Takes the (h, w) area behind every pixel; `2 ** halvings` cells."""
        self.halvings = halvings
        self._area = area
        self._sum = np.pad(area, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
        self._counts: list[int] = []

    def counts(self, points_px: NDArray[np.float64]) -> NDArray[np.float64]:
        """(2 ** halvings,) points in each cell of (N, 2) positions (x, y), pixel centres at +0.5."""
        height, width = self._area.shape
        x = np.clip(points_px[:, 0].astype(np.intp), 0, width - 1)
        y = np.clip(points_px[:, 1].astype(np.intp), 0, height - 1)
        self._counts = []
        self._halve(points_px[self._area[y, x] > 0], [0.0, 0.0], [float(width), float(height)], self.halvings)
        return np.array(self._counts, np.float64)

    def _halve(self, points_px: NDArray[np.float64], low: list[float], high: list[float], halvings: int) -> None:
        if halvings == 0:
            self._counts.append(len(points_px))
            return
        axis = int(high[1] - low[1] > high[0] - low[0])
        table = self._sum if axis == 0 else self._sum.T
        across = 1 - axis
        upto = _at_row(table, high[across]) - _at_row(table, low[across])
        places = np.arange(len(upto))
        first, last = np.interp([low[axis], high[axis]], places, upto)
        middle = float(np.interp((first + last) / 2, upto, places))
        before = points_px[:, axis] < middle
        for part, start, end in ((before, low[axis], middle), (~before, middle, high[axis])):
            new_low, new_high = list(low), list(high)
            new_low[axis], new_high[axis] = start, end
            self._halve(points_px[part], new_low, new_high, halvings - 1)


def _at_row(table: NDArray[np.float64], row: float) -> NDArray[np.float64]:
    """A summed table at a row between two of its rows."""
    below = min(int(row), len(table) - 2)
    return table[below] + (row - below) * (table[below + 1] - table[below])
