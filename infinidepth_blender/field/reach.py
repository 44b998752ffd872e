"""How far measurements are trusted more than a network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .local_planes import search_tree

_REACH_SPACINGS, _REACH_SHARE = 3.0, 0.03
"""In their spacings, and as a share of the picture's longer side."""

Array = NDArray[np.float64]


class Reach:
    """The reach of every measurement, which is larger where they are sparse.

    Attributes:
        spacing_px: (N,) distance of each measurement to its third neighbour, or to the farthest of fewer; 0 of a single one.
    """

    def __init__(self, place: Array, side_px: int) -> None:
        """Measures the spacings.

        Args:
            place: (N, 2) measurements in pixels (row, column), at least one.
            side_px: Longer side of the picture.
        """
        count = min(4, len(place))
        self.spacing_px: Array = (
            np.reshape(search_tree(place).query(place, [count])[0], -1) if count > 1 else np.zeros(len(place))
        )
        self._least_px = _REACH_SHARE * side_px

    def trust(self, distance_px: Array, nearest: NDArray[np.intp]) -> Array:
        """(M,) 1 near measurements, 0 beyond twice their reach, smooth in between.

        Args:
            distance_px: (M,) from each place to its nearest measurement.
            nearest: (M,) which one that is.
        """
        along = np.clip(2 - distance_px / np.maximum(_REACH_SPACINGS * self.spacing_px[nearest], self._least_px), 0, 1)
        return along * along * (3 - 2 * along)
