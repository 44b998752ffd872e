"""Depth discontinuities: where two neighbours in the image lie on different surfaces.

Everything is decided in disparity, where a plane is a linear function of the pixel. A
link between two neighbours is a step when the relative change across it is large *and*
the slopes of its two sides do not explain it: a floor that runs to the horizon keeps its constant
slope and stays whole, however large the step between two of its rows becomes. The slopes
are medians over several links, so that one outlier decides nothing, and all measures are
ratios, so that the scale of the depth does not matter.

A predicted depth map does not step from one pixel to the next, it ramps over a few. Such
ramps are found by the same test over longer spans; their inner vertices lie on neither
surface (`Edges.adrift`) and are put back on one of them by `sharpen`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .sides import SidePlanes, fit_side_planes

SPANS = (1, 2, 4, 8, 12)
"""Lengths, in links, of the ramps that count as one step."""
SLOPE_LINKS = 5
"""Links whose median is the slope of a side."""
CHUNK = 65_536
"""Vertices that are put back onto their surfaces at a time."""


@dataclass(frozen=True)
class Edges:
    """Where a grid of depths is torn.

    Attributes:
        right: (h, w - 1) bool, the link from (i, j) to (i, j + 1) is part of a step.
        down: (h - 1, w) bool, likewise from (i, j) to (i + 1, j).
        adrift: (h, w) bool, the vertex lies between two surfaces or is a lone outlier.
    """

    right: NDArray[np.bool_]
    down: NDArray[np.bool_]
    adrift: NDArray[np.bool_]

    def touched(self) -> NDArray[np.bool_]:
        """(h, w) bool: vertices with a torn link, or adrift."""
        mask = self.adrift.copy()
        mask[:, 1:] |= self.right
        mask[:, :-1] |= self.right
        mask[1:] |= self.down
        mask[:-1] |= self.down
        return mask


def edge_mask(depth_m: NDArray[np.float32], valid: NDArray[np.bool_], edge_step: float) -> NDArray[np.bool_]:
    """Marks the pixels that touch a depth discontinuity.

    Args:
        depth_m: (h, w) depth along the optical axis; any scale.
        valid: (h, w) which depths exist.
        edge_step: Relative depth step between neighbours that counts as an edge.

    Returns:
        (h, w) bool.
    """
    return find_edges(disparity_of(depth_m, valid), valid, edge_step).touched()


def disparity_of(depth_m: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(h, w) float32 disparity, 0 where there is no depth."""
    return np.divide(1, depth_m, out=np.zeros(depth_m.shape, np.float32), where=valid)


def find_edges(disparity: NDArray[np.float32], valid: NDArray[np.bool_], edge_step: float) -> Edges:
    """Finds the steps between neighbouring vertices of a grid.

    Args:
        disparity: (h, w) positive where valid.
        valid: (h, w).
        edge_step: Relative depth step that counts; over k links, `edge_step * sqrt(k)`.
    """
    right, down = _signed_tears(np.asarray(disparity, dtype=np.float32), valid, edge_step, SPANS)
    return Edges(right != 0, down != 0, _adrift(valid, right, down))


def sharpen(
    disparity: NDArray[np.float32], valid: NDArray[np.bool_], edge_step: float
) -> tuple[NDArray[np.float32], Edges]:
    """Puts vertices that hang between two surfaces back onto the nearer one of them.

    Returns:
        disparity: (h, w) float32, changed only at `Edges.adrift` of the input.
        edges: The single links that separate the surfaces afterwards, and the vertices
            that were adrift before.
    """
    disparity = np.asarray(disparity, dtype=np.float32)
    ramps = _signed_tears(disparity, valid, edge_step, SPANS)
    adrift = _adrift(valid, *ramps)
    sharp, steps = _put_back(disparity, valid, adrift, edge_step)
    # The foot of a ramp may be off by a step's size, which the ramp's own slope explained as long as it was there.
    with_feet = adrift | _inside_ramp(
        *(np.where(ramp != 0, ramp, step) for ramp, step in zip(ramps, steps, strict=True))
    )
    with_feet &= valid
    if (with_feet != adrift).any():
        adrift = with_feet
        sharp, steps = _put_back(disparity, valid, adrift, edge_step)
    return sharp, Edges(steps[0] != 0, steps[1] != 0, adrift)


def _put_back(
    disparity: NDArray[np.float32], valid: NDArray[np.bool_], adrift: NDArray[np.bool_], edge_step: float
) -> tuple[NDArray[np.float32], tuple[NDArray[np.int8], NDArray[np.int8]]]:
    """The disparity with the vertices that are adrift on the nearer surface, and the single links that are steps in it."""
    result = disparity.copy()
    solid, doubtful = valid & ~adrift, _beside(adrift)
    rows, cols = np.nonzero(adrift)
    for start in range(0, len(rows), CHUNK):
        at = rows[start : start + CHUNK], cols[start : start + CHUNK]
        planes = fit_side_planes(disparity, solid, *at, edge_step, doubtful)
        result[at] = planes.nearest_side(result[at])
    return result, _signed_tears(result, valid, edge_step, SPANS[:1])


def side_planes_at(
    disparity: NDArray[np.float32], valid: NDArray[np.bool_], edges: Edges, mask: NDArray[np.bool_], edge_step: float
) -> SidePlanes:
    """The two surfaces at each vertex of `mask`, row by row, as planes in disparity."""
    rows, cols = np.nonzero(mask)
    solid, doubtful = valid & ~edges.adrift, _beside(edges.adrift)
    parts = [
        fit_side_planes(disparity, solid, rows[i : i + CHUNK], cols[i : i + CHUNK], edge_step, doubtful)
        for i in range(0, max(len(rows), 1), CHUNK)
    ]
    return SidePlanes(np.concatenate([p.near for p in parts]), np.concatenate([p.far for p in parts]))


def _signed_tears(
    disparity: NDArray[np.float32], valid: NDArray[np.bool_], edge_step: float, spans: tuple[int, ...]
) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """`_tears` of the links along rows, (h, w - 1), and along columns, (h - 1, w)."""
    right = _tears(disparity, valid, edge_step, spans)
    return right, np.ascontiguousarray(_tears(disparity.T, valid.T, edge_step, spans).T)


def _tears(
    disparity: NDArray[np.float32], valid: NDArray[np.bool_], edge_step: float, spans: tuple[int, ...]
) -> NDArray[np.int8]:
    """(h, w - 1): 1 or -1 at links along rows that belong to a step towards or away from the camera, else 0."""
    height, width = disparity.shape
    torn = np.zeros((height, max(width - 1, 0)), np.int8)
    if width < 2:
        return torn
    there = valid[:, 1:] & valid[:, :-1]
    step = np.where(there, disparity[:, 1:] - disparity[:, :-1], 0).astype(np.float32)
    left_over = step
    for span in spans:
        if width - 1 < span:
            break
        if span > 1 and torn.any():
            # What shorter spans have explained already must not be found again.
            left_over = np.where(torn != 0, 0, step)
        row, col, change = _large_changes(left_over, disparity, there, edge_step, span)
        # Few changes are large enough to ask whether the slopes on both sides explain them.
        excess = _excess_over_sides(change, span, step, there, row, col)
        found = excess > edge_step * np.sqrt(span) * np.minimum(disparity[row, col], disparity[row, col + span])
        row, col, change = row[found], col[found], change[found]
        # The ramp runs from the first to the last of the span's steep links.
        inside = [(row, col + k) for k in range(span)]
        steep = np.stack([left_over[link] * change >= 0.5 / span * change * change for link in inside])
        ramp = np.logical_or.accumulate(steep) & np.logical_or.accumulate(steep[::-1])[::-1]
        sign = np.sign(change).astype(np.int8)
        for (y, x), on_ramp in zip(inside, ramp, strict=True):
            torn[y[on_ramp], x[on_ramp]] = sign[on_ramp]
    return torn


def _large_changes(
    step: NDArray[np.float32],
    disparity: NDArray[np.float32],
    there: NDArray[np.bool_],
    edge_step: float,
    span: int,
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """Row, first column and change of all spans whose links exist and whose ends differ by a step's size."""
    n = step.shape[1] - span + 1
    change = step[:, :n]
    for k in range(1, span):
        change = change + step[:, k : k + n]
    smaller = np.minimum(disparity[:, :n], disparity[:, span : span + n])
    row, col = np.nonzero(np.abs(change) > edge_step * np.float32(np.sqrt(span)) * smaller)
    whole = np.logical_and.reduce([there[row, col + k] for k in range(span)])
    row, col = row[whole], col[whole]
    return row, col, change[row, col]


def _excess_over_sides(
    change: NDArray[np.float32],
    span: int,
    step: NDArray[np.float32],
    there: NDArray[np.bool_],
    row: NDArray[np.intp],
    col: NDArray[np.intp],
) -> NDArray[np.float32]:
    """(K,) how far each span's change lies from all that its two sides can explain.

    Where two surfaces meet in a crease, the change is a mixture of their slopes; so
    everything between the one slope and the other over the whole span is no step. Where
    one side is unknown, the other one stands for both; but a span longer than one link
    needs both to be called a step.
    """
    least = np.full(change.shape, np.inf, np.float32)
    most = np.full(change.shape, -np.inf, np.float32)
    sides = np.zeros(change.shape, np.uint8)
    for first in (col - SLOPE_LINKS, col + span):
        slope, known = _median_slope(step, there, row, first)
        np.minimum(least, span * slope, out=least, where=known)
        np.maximum(most, span * slope, out=most, where=known)
        sides += known
    excess = np.minimum(np.abs(change), np.maximum(np.maximum(least - change, change - most), 0))
    if span > 1:
        return np.where(sides == 2, excess, 0)
    return np.where(sides > 0, excess, np.abs(change))


def _median_slope(
    step: NDArray[np.float32], there: NDArray[np.bool_], row: NDArray[np.intp], first: NDArray[np.intp]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """(K,) median of the `SLOPE_LINKS` links from each first one on, and whether all of them exist."""
    inside = (first >= 0) & (first + SLOPE_LINKS <= step.shape[1])
    links = np.where(inside, first, 0)[:, None] + np.arange(min(SLOPE_LINKS, step.shape[1]))
    known = inside & there[row[:, None], links].all(axis=1)
    return np.median(step[row[:, None], links], axis=1), known


def _beside(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pixels of a mask and all next to them: beside a ramp is its foot, which has left its surface already."""
    padded = np.pad(mask, 1)
    wide = padded[:, :-2] | padded[:, 1:-1] | padded[:, 2:]
    return wide[:-2] | wide[1:-1] | wide[2:]


def _adrift(valid: NDArray[np.bool_], right: NDArray[np.int8], down: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Vertices inside a ramp (torn on both sides, in the same direction) and lone outliers."""
    # Links beyond the border count as torn, but a vertex without any link is no outlier.
    torn_right = np.pad(right != 0, ((0, 0), (1, 1)), constant_values=True)
    torn_down = np.pad(down != 0, ((1, 1), (0, 0)), constant_values=True)
    alone = torn_right[:, 1:] & torn_right[:, :-1] & torn_down[1:] & torn_down[:-1]
    return (_inside_ramp(right, down) | (alone & (valid.size > 1))) & valid


def _inside_ramp(right: NDArray[np.int8], down: NDArray[np.int8]) -> NDArray[np.bool_]:
    """(h, w) vertices that are torn on both sides in the same direction."""
    inside = np.zeros((len(right), down.shape[1]), bool)
    inside[:, 1:-1] |= (right[:, 1:] != 0) & (right[:, 1:] == right[:, :-1])
    inside[1:-1] |= (down[1:] != 0) & (down[1:] == down[:-1])
    return inside
