"""Scattered measurements of a surface, continued between them by planes that keep to one surface.

Disparity is linear in the image on a plane. Around every place a plane is fitted to the
nearest measurements, near ones counting most (moving least squares), again and again
with less weight for what does not lie on it: at a depth step the fit settles on one of the two
surfaces instead of bridging them. Nearness and a guide (colours of the photo, depth of a network)
tell which one.

Measurements often come in clusters (scan lines, the rim of a hole), whose plane is known in one
direction only. Neighbours are therefore taken from among measurements thinned to about
the distance between the place and the nearest measurement.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import KDTree

from ..compiled import jit
from .parallel import map_on_cores

NEIGHBOURS = 12
"""Measurements that a plane is fitted to."""

_CHUNK = 1 << 14
_OFF_PLANE = (0.04, 0.02, 0.01, 0.01)
"""Relative departure at which a measurement loses half its weight, round by round."""
_SUPPORTS = 0.1
"""Relative difference at which the support of another measurement is halved."""
_SOFT = 0.05
"""Distance below which nearness counts no further, as a share of the farthest neighbour's."""
_SLOPE_RIDGE = 1e-4
_SURE_OF_SLOPE = 5.0
"""Measurements on a plane from which on its slope is believed; of fewer, which have errors too, it is damped."""
_GUIDE_FLOOR = 1e-4
_MARGIN = 1.25
"""How far a plane may leave the range of its measurements."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Scattered:
    """Measurements in the image.

    Attributes:
        place: (N, 2) position in pixels (row, column).
        guide: (N, F) features; a distance of 1 between two halves the trust that they share a surface.
    """

    place: Array
    guide: Array


class LocalPlanes:
    """Fits planes to scattered measurements; the neighbourhoods are found once for any number of fits.

    Attributes:
        nearest: (M,) index of the measurement nearest to each place that is asked for.
        distance: (M,) its distance in pixels, or the given minimum where that is larger.
    """

    def __init__(self, known: Scattered, asked: Scattered, apart_px: float = 0.0) -> None:
        """Finds the neighbours.

        Args:
            known: At least one measurement.
            asked: Where the surface is wanted.
            apart_px: Measurements nearer than this are not used, as if they had not been made.
        """
        self._known, self._asked = known, asked
        distance, nearest = search_tree(known.place).query(asked.place, workers=_cores())
        self.nearest: NDArray[np.intp] = nearest
        self.distance: Array = np.maximum(distance, apart_px)
        self._neighbours = np.full((len(asked.place), NEIGHBOURS), -1, dtype=np.int64)
        level = np.floor(np.log2(np.maximum(self.distance / 1.5, 1))).astype(int)
        for one in np.unique(level):
            at = np.flatnonzero(level == one)
            kept = _thinned(known.place, 2.0**one)
            self._neighbours[at] = _nearest_outside(known.place, kept, asked.place[at], apart_px)

    def fit(self, values: Array, known_size: Array) -> Array:
        """(M,) the values continued to the places that were asked for.

        Args:
            values: (N,) one for each measurement; any linear combination of disparities.
            known_size: (N,) positive disparity of each measurement: departures count relative to it.

        Returns:
            NaN where no measurement is left.
        """
        answer = np.empty(len(self._neighbours))
        known = (
            self._known.place,
            self._known.guide,
            np.asarray(values, np.float64),
            np.asarray(known_size, np.float64),
        )

        def run(start: int) -> None:
            part = slice(start, start + _CHUNK)
            _fit_planes(*known, self._asked.place[part], self._asked.guide[part], self._neighbours[part], answer[part])

        map_on_cores(run, range(0, len(answer), _CHUNK))
        return answer

    def outside(self, known: Array, asked: Array) -> Array:
        """(M,) how far values at the places that were asked for lie outside the range of their neighbours' values.

        Args:
            known: (N,) one for each measurement.
            asked: (M,) one for each place.
        """
        result = np.empty(len(asked))
        for start in range(0, len(asked), _CHUNK):
            part = slice(start, start + _CHUNK)
            neighbours = self._neighbours[part]
            low = np.where(neighbours < 0, np.inf, known[neighbours]).min(1)
            high = np.where(neighbours < 0, -np.inf, known[neighbours]).max(1)
            result[part] = np.maximum(low - asked[part], asked[part] - high)
        return result


@jit(nogil=True)
def _fit_planes(
    place: Array,
    guide: Array,
    values: Array,
    size: Array,
    asked: Array,
    asked_guide: Array,
    neighbours: NDArray[np.int64],
    answer: Array,
) -> None:
    """Writes the value of the plane at each place that is asked for into `answer`."""
    count = neighbours.shape[1]
    y, x, base, weight = np.empty(count), np.empty(count), np.empty(count), np.empty(count)
    for place_index in range(len(answer)):
        answer[place_index] = np.nan
        used = 0
        reach2 = 1.0
        for k in range(count):
            i = neighbours[place_index, k]
            if i < 0:
                break
            used += 1
            y[k] = place[i, 0] - asked[place_index, 0]
            x[k] = place[i, 1] - asked[place_index, 1]
            reach2 = max(reach2, 1.1 * (y[k] ** 2 + x[k] ** 2))
        if used == 0:
            continue
        for k in range(used):
            i = neighbours[place_index, k]
            unlike = 0.0
            for f in range(guide.shape[1]):
                unlike += (guide[i, f] - asked_guide[place_index, f]) ** 2
            near2 = (y[k] ** 2 + x[k] ** 2) / reach2
            base[k] = (1 - near2) / (near2 + _SOFT**2) * (2.0**-unlike + _GUIDE_FLOOR)
            y[k] /= np.sqrt(reach2)
            x[k] /= np.sqrt(reach2)
        # The first plane leans on what lies near the most trusted measurement, one that others support: begun
        # with all of them it would bridge a step, and from there find no surface at all.
        trusted, most = 0, -1.0
        for k in range(used):
            i = neighbours[place_index, k]
            support = 0.0
            for other in range(used):
                if other != k:
                    off = (values[neighbours[place_index, other]] - values[i]) / (_SUPPORTS * size[i])
                    support += base[other] / (1 + off * off)
            if base[k] * support > most:
                trusted, most = k, base[k] * support
        start = values[neighbours[place_index, trusted]]
        for k in range(used):
            i = neighbours[place_index, k]
            off = (values[i] - start) / (_OFF_PLANE[0] * size[i])
            weight[k] = base[k] / (1 + off * off)
        value = 0.0
        for turn in range(len(_OFF_PLANE) + 1):
            total, mean_y, mean_x, mean = 0.0, 0.0, 0.0, 0.0
            for k in range(used):
                total += weight[k]
                mean_y += weight[k] * y[k]
                mean_x += weight[k] * x[k]
                mean += weight[k] * values[neighbours[place_index, k]]
            mean_y, mean_x, mean = mean_y / total, mean_x / total, mean / total
            agree = 0.0
            for k in range(used):
                agree += weight[k] / base[k]
            ridge = _SLOPE_RIDGE * max(1.0, (_SURE_OF_SLOPE / agree) ** 3)
            yy, xx, xy, yv, xv = ridge, ridge, 0.0, 0.0, 0.0
            for k in range(used):
                share = weight[k] / total
                dy, dx, dv = y[k] - mean_y, x[k] - mean_x, values[neighbours[place_index, k]] - mean
                yy += share * dy * dy
                xx += share * dx * dx
                xy += share * dx * dy
                yv += share * dy * dv
                xv += share * dx * dv
            det = yy * xx - xy * xy
            by_y, by_x = (xx * yv - xy * xv) / det, (yy * xv - xy * yv) / det
            value = mean - by_y * mean_y - by_x * mean_x
            if turn == len(_OFF_PLANE):
                break
            for k in range(used):
                i = neighbours[place_index, k]
                off = (values[i] - value - by_y * y[k] - by_x * x[k]) / (_OFF_PLANE[turn] * size[i])
                weight[k] = base[k] / (1 + off * off)
        # Where a plane extrapolates, it stays near the measurements that it rests on.
        low, high, span, total = np.inf, -np.inf, 0.0, 0.0
        for k in range(used):
            total += weight[k]
        for k in range(used):
            i = neighbours[place_index, k]
            if weight[k] > 0.02 * total:
                low, high = min(low, values[i]), max(high, values[i])
            span += (_MARGIN - 1) * weight[k] / total * size[i]
        answer[place_index] = min(max(value, low - span), high + span)


def _thinned(place: Array, spacing_px: float) -> NDArray[np.int64]:
    """Indices of one measurement per square cell: the one nearest to its centre."""
    if spacing_px <= 1:
        return np.arange(len(place))
    cell = np.floor(place / spacing_px).astype(np.int64)
    off_centre = ((place / spacing_px - cell - 0.5) ** 2).sum(1)
    order = np.lexsort((off_centre, cell[:, 1], cell[:, 0]))
    first = np.ones(len(order), dtype=bool)
    first[1:] = (np.diff(cell[order], axis=0) != 0).any(1)
    return np.sort(order[first])


def _nearest_outside(place: Array, kept: NDArray[np.int64], asked: Array, apart_px: float) -> NDArray[np.int64]:
    """(n, NEIGHBOURS) indices of the nearest kept measurements at least `apart_px` away; -1 where there are too few."""
    count = min(len(kept), NEIGHBOURS * (3 if apart_px > 0 else 1))
    distance, index = search_tree(place[kept]).query(asked, list(range(1, count + 1)), workers=_cores())
    result = np.full((len(asked), NEIGHBOURS), -1, dtype=np.int64)
    if apart_px <= 0:
        result[:, :count] = kept[index]
        return result
    far = distance >= apart_px
    rank = np.cumsum(far, axis=1) - 1
    row, column = np.nonzero(far & (rank < NEIGHBOURS))
    result[row, rank[row, column]] = kept[index[row, column]]
    return result


def search_tree(place: Array) -> Any:
    """SciPy's tree of (N, 2) positions; its stated types leave out most forms of a query."""
    return KDTree(place)


def _cores() -> int:
    return torch.get_num_threads()
