"""Where the links between neighbouring vertices of a grid belong to depth steps.

A link between two neighbours is a step when the relative change across it is large *and*
the slopes of its two sides do not explain it: a floor that runs to the horizon keeps its constant
slope and stays whole, however large the step between two of its rows becomes. The slopes
are medians over several links, so that one outlier decides nothing, and all measures are
ratios, so that the scale of the depth does not matter.

A predicted depth map does not step from one pixel to the next, it ramps over a few. Such
ramps are found by the same test over longer spans. A ramp has its width in the photo,
whatever the grid: wide grids are searched as well at *strides* of several links, as if
they were no wider than `NARROW`. The test finds where a ramp is steep; its feet, which leave
the surfaces gradually, are walked from there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .sides import REACH

SPANS = (1, 2, 4, 8, 12)
"""Lengths, in links, of the ramps that count as one step."""
WIDE_SPANS = (8, 12)
"""Likewise in strides, on wide grids."""
NARROW = 1024
"""Vertices along the longer side up to which every ramp is found at a stride of one link."""
SLOPE_LINKS = 5
"""Links, or strides, whose median is the slope of a side."""
FOOT = 0.1
"""Share of the edge step by which a link at a ramp's foot differs from its surface's slope."""
NEAR_FOOT = 0.1
"""At the near end also as a share of the ramp's mean link: the rim of a ball in front of something is no foot."""
BOTH_ENDS = 0.1
"""Share of a ramp that lies at least on either side of a sharper step within it."""
FOOT_ROUNDS = 2
"""How often the slopes of the sides are measured anew as the feet are found."""
WIDEST = 4096
"""Vertices along the longer side beyond which the ramps that are searched for grow no wider."""
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
    while min(longer, WIDEST) > NARROW * stride // 2:
        spans += [(span * stride, stride) for span in WIDE_SPANS]
        stride *= 2
    return tuple(spans)


def reach_of(spans: tuple[Span, ...]) -> int:
    """Links to the furthest vertex that decides on a link: half of a ramp, a foot and what tells its surface."""
    return max(2 * max(span, stride * SPANS[-1]) + (SLOPE_LINKS + 1) * stride for span, stride in spans)


def find_tears(
    disparity: NDArray[np.float32],
    valid: NDArray[np.bool_],
    edge_step: float,
    spans: tuple[Span, ...],
    *,
    feet: bool = False,
) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """Finds the links that belong to a step.

    Args:
        disparity: (h, w) float32, positive where valid.
        valid: (h, w).
        edge_step: Relative depth step that counts; over k strides, `edge_step * sqrt(k)`.
        spans: See `spans_for`.
        feet: Whether the feet of ramps belong to them, up to where the surfaces begin.

    Returns:
        Links along rows, (h, w - 1) int8, and along columns, (h - 1, w): 0 where no step is;
        else the stride at which its surfaces are in sight, negative if it goes away from the camera.
    """
    right = _along_rows(disparity, valid, edge_step, spans, feet)
    return right, np.ascontiguousarray(_along_rows(disparity.T, valid.T, edge_step, spans, feet).T)


def _along_rows(
    disparity: NDArray[np.float32], valid: NDArray[np.bool_], edge_step: float, spans: tuple[Span, ...], feet: bool
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
        if feet:
            # What was found in pieces has met after the first round, and is as long as it is then.
            for _ in range(FOOT_ROUNDS):
                runs = _Runs.of(torn[part])
                runs.grow(links, FOOT * edge_step, forward=False)
                runs.grow(links, FOOT * edge_step, forward=True)
                runs.mark(torn[part])
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
    found[found] = _goes_on_at_both_ends(torn, left_over, row[found], col[found], change[found], span)
    row, col, change = row[found], col[found], change[found]
    # The ramp runs from the first to the last of the span's steep links.
    inside = [(row, col + k) for k in range(span)]
    steep = np.stack([left_over[link] * change >= 0.5 / span * change * change for link in inside])
    ramp = np.logical_or.accumulate(steep) & np.logical_or.accumulate(steep[::-1])[::-1]
    mark = np.where(change > 0, stride, -stride).astype(np.int8)
    for (y, x), on_ramp in zip(inside, ramp, strict=True):
        torn[y[on_ramp], x[on_ramp]] = mark[on_ramp]


@dataclass(frozen=True)
class _Runs:
    """Ramps: runs of torn links that go the same way. Their ends move.

    Attributes:
        row: (K,).
        first, last: (K,) columns of the first and the last link.
        lowest, highest: (K,) columns up to which these may move.
        stride: (K,) of the links in the middle.
        sign: (K,) 1 where the ramp comes towards the camera to the right, else -1.
    """

    row: NDArray[np.intp]
    first: NDArray[np.intp]
    last: NDArray[np.intp]
    lowest: NDArray[np.intp]
    highest: NDArray[np.intp]
    stride: NDArray[np.intp]
    sign: NDArray[np.float32]

    @classmethod
    def of(cls, torn: NDArray[np.int8]) -> _Runs:
        """The runs of torn links in (h, w - 1) links along rows."""
        sign = np.pad(np.sign(torn), ((0, 0), (1, 1)))
        inside, before, after = sign[:, 1:-1], sign[:, :-2], sign[:, 2:]
        row, first = np.nonzero((inside != 0) & (inside != before))
        last = np.nonzero((inside != 0) & (inside != after))[1]
        stride = np.abs(torn[row, (first + last) // 2]).astype(np.intp)
        # A foot is hardly longer than the steep part.
        most = np.minimum(last - first + 1, SPANS[-1] * stride)
        lowest, highest = np.maximum(first - most, 0), np.minimum(last + most, torn.shape[1] - 1)
        return cls(row, first, last, lowest, highest, stride, inside[row, first].astype(np.float32))

    def grow(self, links: _Links, least: float, *, forward: bool) -> None:
        """Moves the first or the last links outwards as long as the next one leaves its surface as the ramp does.

        Args:
            links: The links that the runs are of.
            least: Relative change, over a stride, by which such a link differs from the surface's slope.
            forward: Which end.
        """
        change = np.abs(links.disparity[self.row, self.last + 1] - links.disparity[self.row, self.first])
        is_near = (self.sign > 0) == forward
        steep = np.where(is_near, NEAR_FOOT * change / (self.last - self.first + 1), 0)
        slope, known = np.zeros(len(self.row), np.float32), np.zeros(len(self.row), bool)
        for stride in np.unique(self.stride).tolist():
            some = self.stride == stride
            side = self.last[some] + 1 if forward else self.first[some] - SLOPE_LINKS * stride
            slope[some], known[some] = _median_slope(links, stride, self.row[some], side)
        end, limit, ahead = (self.last, self.highest, 1) if forward else (self.first, self.lowest, -1)
        at = np.flatnonzero(known)
        while len(at):
            at = at[end[at] != limit[at]]
            row, link = self.row[at], end[at] + ahead
            step = links.step[row, link] * self.sign[at]
            leaves = np.minimum(step, step - slope[at] * self.sign[at])
            smaller = np.minimum(links.disparity[row, link], links.disparity[row, link + 1])
            on = leaves > np.maximum(least / self.stride[at] * smaller, steep[at])
            at = at[on]
            end[at] += ahead

    def mark(self, torn: NDArray[np.int8]) -> None:
        """Writes the runs back, each at a stride at which both of its surfaces are in sight from all of it."""
        length = self.last - self.first + 1
        stride = np.maximum(self.stride, -(-(length + 2) // REACH))
        run = np.repeat(np.arange(len(length)), length)
        link = self.first[run] + np.arange(len(run)) - (np.cumsum(length) - length)[run]
        torn[self.row[run], link] = np.minimum(stride, np.iinfo(np.int8).max)[run] * self.sign[run]


def _goes_on_at_both_ends(
    torn: NDArray[np.int8],
    left_over: NDArray[np.float32],
    row: NDArray[np.intp],
    col: NDArray[np.intp],
    change: NDArray[np.float32],
    span: int,
) -> NDArray[np.bool_]:
    """(K,) whether what is left of each span, beside shorter steps in it or next to it, lies on both sides of these.

    What lies on one side only is a surface that curves away towards its rim.
    """
    if span == 1:
        return np.ones(len(row), bool)
    width = torn.shape[1]
    at = [(row, np.clip(col + k, 0, width - 1)) for k in range(-1, span + 1)]
    step = np.stack([left_over[link] * np.sign(change) for link in at])
    step[0] = step[-1] = 0
    known = np.stack([torn[link] * np.sign(change) > 0 for link in at])
    before = ~np.logical_or.accumulate(known)
    after = ~np.logical_or.accumulate(known[::-1])[::-1]
    parts = [np.sum(step, axis=0, where=where) for where in (before, after)]
    return ~known.any(axis=0) | (np.minimum(*parts) >= BOTH_ENDS * np.abs(change))


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
