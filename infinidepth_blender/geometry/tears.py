"""Where the links between neighbouring vertices of a grid belong to depth steps.

A link between two neighbours is a step when the relative change across it is large *and*
the slopes of its two sides do not explain it: a floor that runs to the horizon keeps its constant
slope and stays whole, however large the step between two of its rows becomes. The slopes
are medians over several links, so that one outlier decides nothing, and all measures are
ratios, so that the scale of the depth does not matter.

A predicted depth map does not step from one pixel to the next, it ramps over a few. Such
ramps are found by the same test over longer spans. A ramp has its width in the photo,
whatever the grid: wide grids are searched as well at *strides* of several links, as if
they were no wider than `NARROW`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SPANS = (1, 2, 4, 8, 12)
"""Lengths, in links, of the ramps that count as one step."""
WIDE_SPANS = (8, 12)
"""Likewise in strides, on wide grids."""
NARROW = 1024
"""Vertices along the longer side up to which every ramp is found at a stride of one link."""
SLOPE_LINKS = 5
"""Links, or strides, whose median is the slope of a side."""
BLOCK = 1 << 17
"""Vertices that are searched at a time, so that they stay in the processor's cache."""

Span = tuple[int, int]
"""Length and stride of a ramp, in links."""
SHARP: tuple[Span, ...] = ((1, 1),)
"""Steps of a single link, without any search for ramps."""


def spans_for(longer: int) -> tuple[Span, ...]:
    """All ramps to be searched for, the short ones first, on a grid with so many vertices along its longer side."""
    spans = [(span, 1) for span in SPANS]
    stride = 2
    while longer > NARROW * stride // 2:
        spans += [(span * stride, stride) for span in WIDE_SPANS]
        stride *= 2
    return tuple(spans)


def find_tears(
    disparity: NDArray[np.float32], valid: NDArray[np.bool_], edge_step: float, spans: tuple[Span, ...]
) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """Finds the links that belong to a step.

    Args:
        disparity: (h, w) float32, positive where valid.
        valid: (h, w).
        edge_step: Relative depth step that counts; over k strides, `edge_step * sqrt(k)`.
        spans: See `spans_for`.

    Returns:
        Links along rows, (h, w - 1) int8, and along columns, (h - 1, w): 0 where no step is;
        else the stride at which it was found, negative if it goes away from the camera.
    """
    right = _along_rows(disparity, valid, edge_step, spans)
    return right, np.ascontiguousarray(_along_rows(disparity.T, valid.T, edge_step, spans).T)


def _along_rows(
    disparity: NDArray[np.float32], valid: NDArray[np.bool_], edge_step: float, spans: tuple[Span, ...]
) -> NDArray[np.int8]:
    height, width = disparity.shape
    torn = np.zeros((height, max(width - 1, 0)), np.int8)
    rows = max(1, BLOCK // max(width, 1))
    for top in range(0, height if width > 1 else 0, rows):
        part = slice(top, top + rows)
        links = _Links(np.ascontiguousarray(disparity[part]), np.ascontiguousarray(valid[part]))
        for span, stride in spans:
            if span < width:
                _tear(torn[part], links, edge_step, span, stride)
    return torn


class _Links:
    """The links along some rows of a grid.

    Attributes:
        disparity: (h, w) float32.
        step: (h, w - 1) float32 change across each link, 0 where it does not exist.
        gaps: (h, w) int32 how many links do not exist to the left of each vertex.
    """

    def __init__(self, disparity: NDArray[np.float32], valid: NDArray[np.bool_]) -> None:
        there = valid[:, 1:] & valid[:, :-1]
        self.disparity = disparity
        self.step = np.where(there, disparity[:, 1:] - disparity[:, :-1], np.float32(0))
        self.gaps = np.zeros(disparity.shape, np.int32)
        np.cumsum(~there, axis=1, out=self.gaps[:, 1:])

    def exist(self, row: NDArray[np.intp], first: NDArray[np.intp], count: int) -> NDArray[np.bool_]:
        """(K,) whether `count` links from each first one on all exist."""
        return self.gaps[row, first] == self.gaps[row, first + count]


def _tear(torn: NDArray[np.int8], links: _Links, edge_step: float, span: int, stride: int) -> None:
    """Marks the links of all steps of one span."""
    # What shorter spans have explained already must not be found again.
    left_over = np.where(torn != 0, np.float32(0), links.step) if span > 1 and torn.any() else links.step
    least = np.float32(edge_step * np.sqrt(span / stride))
    row, col, change = _large_changes(left_over, links, least, span)
    # Few changes are large enough to ask whether the slopes on both sides explain them.
    excess = _excess_over_sides(change, span, stride, links, row, col)
    found = excess > least * np.minimum(links.disparity[row, col], links.disparity[row, col + span])
    row, col, change = row[found], col[found], change[found]
    # The ramp runs from the first to the last of the span's steep links.
    inside = [(row, col + k) for k in range(span)]
    steep = np.stack([left_over[link] * change >= 0.5 / span * change * change for link in inside])
    ramp = np.logical_or.accumulate(steep) & np.logical_or.accumulate(steep[::-1])[::-1]
    mark = np.where(change > 0, stride, -stride).astype(np.int8)
    for (y, x), on_ramp in zip(inside, ramp, strict=True):
        torn[y[on_ramp], x[on_ramp]] = mark[on_ramp]


def _large_changes(
    step: NDArray[np.float32], links: _Links, least: np.float32, span: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """Row, first column and change of all spans whose links exist and whose ends differ by a step's size."""
    change = step
    if span > 1:
        total = np.zeros(links.disparity.shape)
        np.cumsum(step, axis=1, out=total[:, 1:])
        change = (total[:, span:] - total[:, :-span]).astype(np.float32)
    smaller = np.minimum(links.disparity[:, :-span], links.disparity[:, span:])
    row, col = np.nonzero(np.abs(change) > least * smaller)
    whole = links.exist(row, col, span)
    row, col = row[whole], col[whole]
    return row, col, change[row, col]


def _excess_over_sides(
    change: NDArray[np.float32], span: int, stride: int, links: _Links, row: NDArray[np.intp], col: NDArray[np.intp]
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
    for first in (col - SLOPE_LINKS * stride, col + span):
        slope, known = _median_slope(links, stride, row, first)
        np.minimum(least, span * slope, out=least, where=known)
        np.maximum(most, span * slope, out=most, where=known)
        sides += known
    excess = np.minimum(np.abs(change), np.maximum(np.maximum(least - change, change - most), 0))
    if span > 1:
        return np.where(sides == 2, excess, 0)
    return np.where(sides > 0, excess, np.abs(change))


def _median_slope(
    links: _Links, stride: int, row: NDArray[np.intp], first: NDArray[np.intp]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """(K,) median change per link of the `SLOPE_LINKS` strides from each first link on, and whether all exist."""
    reach = SLOPE_LINKS * stride
    known = (first >= 0) & (first + reach < links.disparity.shape[1])
    known[known] = links.exist(row[known], first[known], reach)
    at = np.where(known, first, 0) + np.where(known, stride, 0) * np.arange(SLOPE_LINKS + 1)[:, None]
    slopes = np.diff(links.disparity[row, at], axis=0)
    return np.sort(slopes, axis=0)[SLOPE_LINKS // 2] / np.float32(stride), known
