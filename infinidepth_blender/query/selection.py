"""Where in the photo samples may lie, brought from a map over the photo to the cells of a grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

CellLists = tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64], tuple[int, int]]
"""Of every cell its row in the lists (-1: none); where each list starts; the map's pixels; the map's size."""


@dataclass(frozen=True)
class CellSelection:
    """A map of densities at the cells of a grid.

    Attributes:
        mean: (h * w,) float32 mean of the map over each cell, in [0, 1].
        mean_inside: (h * w,) float32 mean over the part of the cell that is not 0; 1 where all of it is.
        lists: The pixels of the map that are not 0, of those cells in or beside which others are 0.
    """

    mean: NDArray[np.float32]
    mean_inside: NDArray[np.float32]
    lists: CellLists

    @classmethod
    def of(cls, density: NDArray[np.uint8], height: int, width: int) -> CellSelection:
        """Measures an (H, W) uint8 map, 255 is 1, over the cells of a (height, width) grid."""
        # With pixels no larger than the cells, every cell has the centre of one.
        for axis, cells in enumerate((height, width)):
            density = np.repeat(density, -(-cells // density.shape[axis]), axis=axis)
        cell_row, cell_column = (
            (np.arange(pixels) * 2 + 1) * cells // (2 * pixels)
            for pixels, cells in zip(density.shape, (height, width), strict=True)
        )
        first_row, first_column = (
            np.searchsorted(cell_of, np.arange(cells)) for cell_of, cells in ((cell_row, height), (cell_column, width))
        )

        def per_cell(values: NDArray[Any]) -> NDArray[np.int64]:
            rows = np.add.reduceat(values, first_row, axis=0, dtype=np.int64)
            return np.add.reduceat(rows, first_column, axis=1)

        inside = density > 0
        total, count = per_cell(density), per_cell(inside)
        pixels = np.outer(np.bincount(cell_row), np.bincount(cell_column))
        # A pixel whose centre is in the next cell may reach into this one.
        outside = cv2.dilate((~inside).astype(np.uint8), np.ones((3, 3), np.uint8))
        mixed = (count > 0) & (per_cell(np.asarray(outside)) > 0)
        row = np.full(height * width, -1, np.int32)
        row[mixed.ravel()] = np.arange(mixed.sum())
        map_row, map_column = np.nonzero(inside & mixed[cell_row[:, None], cell_column])
        listed = row[cell_row[map_row] * width + cell_column[map_column]]
        by_cell = np.argsort(listed, kind="stable")
        start = np.concatenate([[0], np.cumsum(count[mixed])]).astype(np.int64)
        flat = (map_row * density.shape[1] + map_column)[by_cell]
        mean_inside = np.divide(total, 255 * count, out=np.ones(total.shape), where=count > 0)
        return cls(
            mean=(total / (255 * pixels)).astype(np.float32).ravel(),
            mean_inside=mean_inside.astype(np.float32).ravel(),
            lists=(row, start, flat, (density.shape[0], density.shape[1])),
        )

    @staticmethod
    def everything() -> CellLists:
        """The lists where samples may lie anywhere."""
        return np.zeros(0, np.int32), np.zeros(1, np.int64), np.zeros(0, np.int64), (1, 1)
