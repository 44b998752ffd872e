"""How well measured depth is continued: some measurements are predicted from the others."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from .grid import GridField
from .local_planes import LocalPlanes, Scattered, search_tree
from .prompt_map import Measurements
from .protocol import DepthField
from .reach import Reach

AGREE = 0.1
"""Relative difference up to which two measurements support each other, and beyond which all errors are equal."""
CLEARLY = 0.95
"""How much smaller the error of a network that was told measurements must be: the judges are few."""
MIN_TOLD, MAX_TOLD = 32, 2500
"""How many measurements the network is told: about as many as it was trained with."""

_NETWORK_SHARES = (1.0, 0.5, 0.0)
_MOST_JUDGES = 2000
_JUDGE_OF = 4
"""One of so many measurements is predicted from the others; these may be told to the network meanwhile."""
_MIN_MEASUREMENTS = 4

Array = NDArray[np.float64]
AskAgain = Callable[[Measurements], DepthField]
"""A network's answer to its photo, in metres, when it is told some measurements."""


@dataclass(frozen=True)
class Judged:
    """How well left-out measurements were predicted.

    Attributes:
        cost: Mean relative error, each at most `AGREE`.
        share: How much of the network's own shape went into the planes, 0 to 1.
        error: Median relative error.
    """

    cost: float = math.inf
    share: float = 1.0
    error: float = math.nan


def at_places(network: Array, place: Array, cell: NDArray[np.intp]) -> Array:
    """(N,) disparity of a grid at measurements, which may lie beside the middle of their pixels: on the surface seen there.

    Args:
        network: (h, w) positive disparity.
        place, cell: (N, 2) positions in pixels (row, column), and the pixels that they fall into.
    """
    if np.array_equal(place, cell):
        return network[cell[:, 0], cell[:, 1]]
    coords_yx = torch.from_numpy((place + 0.5) / network.shape * 2 - 1)
    return GridField(1 / network).disparity(coords_yx).numpy()


class Rehearsal:
    """Predicts some measurements from the others, as far from them as the holes are that measurements fill.

    Attributes:
        left_out, told: Indices of the measurements that are predicted, and of all others.
        everyone: All indices, in an order without a pattern: some of a regular grid's rows would lie in few columns.
    """

    def __init__(
        self,
        place: Array,
        disparity: Array,
        cell: NDArray[np.intp],
        holes: NDArray[np.intp],
        shape: tuple[int, int],
        reach: Reach,
        seed: int,
    ) -> None:
        """Chooses who is left out.

        Args:
            place: (N, 2) measurements in pixels of a grid (row, column), at least one.
            disparity: (N,) their disparity in 1 / metres.
            cell: (N, 2) the pixels that they fall into.
            holes: (M, 2) pixels to be filled later.
            shape: Height and width of the grid.
            reach: Of the measurements. Holes that are trusted to them by less than half do not count: where a lidar
                sees no sky, most would be there.
            seed: Of the choice.
        """
        self._place, self._disparity, self._cell, self._shape = place, disparity, cell, shape
        order = np.random.default_rng(seed).permutation(len(place))
        count = min(_MOST_JUDGES, -(-len(place) // _JUDGE_OF))
        self.everyone, self.left_out, self.told = order, order[:count], order[count:]
        some = holes[:: max(1, len(holes) // _MOST_JUDGES)]
        gap_px, nearest = search_tree(place).query(some)
        within_px = gap_px[reach.trust(gap_px, nearest) > 0.5]
        gap_px = within_px if len(within_px) else gap_px
        self._apart_px = max(float(np.median(gap_px)) if len(gap_px) else 0.0, 1e-3)

    def answer(self, ask_again: AskAgain, told: NDArray[np.intp]) -> Array:
        """(h, w) disparity of the network that knows some of the measurements, by their indices: the first `MAX_TOLD`."""
        told = told[:MAX_TOLD]
        coords_yx = (self._place[told] + 0.5) / self._shape * 2 - 1
        field = ask_again(Measurements(coords_yx, 1 / self._disparity[told]))
        return field.disparity_grid(*self._shape).cpu().numpy().astype(np.float64)

    def judge(self, network: Array, guide: Array) -> Judged:
        """Finds the share of a network in the planes that predicts best.

        Args:
            network: (h, w) its disparity, positive.
            guide: (h, w, F) features of one surface, see `LocalPlanes`.
        """
        if len(self._place) < _MIN_MEASUREMENTS:
            return Judged()
        row, column = self._cell.T
        known = Scattered(self._place, guide[row, column])
        asked = Scattered(self._place[self.left_out], known.guide[self.left_out])
        planes = LocalPlanes(known, asked, self._apart_px)
        at_known, truth = at_places(network, self._place, self._cell), self._disparity[self.left_out]
        best = Judged()
        for share in _NETWORK_SHARES:
            guess = share * at_known[self.left_out] + planes.fit(self._disparity - share * at_known, self._disparity)
            error = np.abs(guess / truth - 1)
            error = error[np.isfinite(error)]
            if len(error) and (cost := float(np.minimum(error, AGREE).mean())) < best.cost:
                best = Judged(cost, share, float(np.median(error)))
        return best
