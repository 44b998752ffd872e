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
    disparity = np.asarray(disparity, dtype=np.float32)
    right = _tears(disparity, valid, edge_step, SPANS)
    down = _tears(disparity.T, valid.T, edge_step, SPANS).T
    return Edges(right != 0, np.ascontiguousarray(down != 0), _adrift(valid, right, down))


def sharpen(
    disparity: NDArray[np.float32], valid: NDArray[np.bool_], edge_step: float
) -> tuple[NDArray[np.float32], Edges]:
    """Puts vertices that hang between two surfaces back onto the nearer one of them.

    Returns:
        disparity: (h, w) float32, changed only at `Edges.adrift` of the input.
        edges: The single links that separate the surfaces afterwards, and the vertices
            that were adrift before.
    """
    found = find_edges(disparity, valid, edge_step)
    result = np.array(disparity, dtype=np.float32)
    solid = valid & ~found.adrift
    rows, cols = np.nonzero(found.adrift)
    for start in range(0, len(rows), CHUNK):
        at = rows[start : start + CHUNK], cols[start : start + CHUNK]
        planes = fit_side_planes(disparity, solid, *at, edge_step)
        result[at] = planes.nearest_side(result[at])
    right = _tears(result, valid, edge_step, SPANS[:1]) != 0
    down = np.ascontiguousarray(_tears(result.T, valid.T, edge_step, SPANS[:1]).T != 0)
    return result, Edges(right, down, found.adrift)


def side_planes_at(
    disparity: NDArray[np.float32], valid: NDArray[np.bool_], edges: Edges, mask: NDArray[np.bool_], edge_step: float
) -> SidePlanes:
    """The two surfaces at each vertex of `mask`, row by row, as planes in disparity."""
    rows, cols = np.nonzero(mask)
    solid = valid & ~edges.adrift
    parts = [
        fit_side_planes(disparity, solid, rows[i : i + CHUNK], cols[i : i + CHUNK], edge_step)
        for i in range(0, max(len(rows), 1), CHUNK)
    ]
    return SidePlanes(np.concatenate([p.near for p in parts]), np.concatenate([p.far for p in parts]))


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
    slope, slope_there = _running_median(step, there)
    for span in spans:
        if width - 1 < span:
            break
        # What shorter spans have explained already must not be found again.
        left_over = np.where(torn != 0, 0, step) if span > 1 else step
        n = width - span
        change = left_over[:, :n].copy()
        for k in range(1, span):
            change += left_over[:, k : k + n]
        whole = np.logical_and.reduce([there[:, k : k + n] for k in range(span)])
        smaller = np.minimum(disparity[:, :n], disparity[:, span:])
        excess = np.minimum(np.abs(change), _excess_over_sides(change, span, slope, slope_there))
        found = whole & (excess > edge_step * np.sqrt(span) * smaller)
        if not found.any():
            continue
        # The ramp runs from the first to the last of the span's steep links.
        steep = np.stack([left_over[:, k : k + n] * change >= 0.5 / span * change * change for k in range(span)])
        ramp = np.logical_or.accumulate(steep) & np.logical_or.accumulate(steep[::-1])[::-1] & found
        sign = np.sign(change).astype(np.int8)
        for k in range(span):
            np.copyto(torn[:, k : k + n], sign, where=ramp[k])
    return torn


def _excess_over_sides(
    change: NDArray[np.float32], span: int, slope: NDArray[np.float32], slope_there: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """How far each span's change lies from all that its two sides can explain.

    Where two surfaces meet in a crease, the change is a mixture of their slopes; so
    everything between the one slope and the other over the whole span is no step. Where
    one side is unknown, the other one stands for both; but a span longer than one link
    needs both to be called a step.
    """
    n = change.shape[1]
    least = np.full(change.shape, np.inf, np.float32)
    most = np.full(change.shape, -np.inf, np.float32)
    sides = np.zeros(change.shape, np.uint8)
    # The side before span i is the window of links that ends at i, the one after it begins at i + span.
    for first_span, first_window in ((SLOPE_LINKS, 0), (0, span)):
        count = min(n - first_span, slope.shape[1] - first_window)
        if count <= 0:
            continue
        spans = slice(first_span, first_span + count)
        windows = slice(first_window, first_window + count)
        explained = span * slope[:, windows]
        there = slope_there[:, windows]
        np.minimum(least[:, spans], explained, out=least[:, spans], where=there)
        np.maximum(most[:, spans], explained, out=most[:, spans], where=there)
        sides[:, spans] += there
    excess = np.maximum(np.maximum(least - change, change - most), 0)
    if span > 1:
        return np.where(sides == 2, excess, 0)
    return np.where(sides > 0, excess, np.abs(change))


def _running_median(
    step: NDArray[np.float32], there: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Medians over windows of `SLOPE_LINKS` links, and whether all of their links exist."""
    n = step.shape[1] - SLOPE_LINKS + 1
    if n <= 0:
        return np.zeros((step.shape[0], 0), np.float32), np.zeros((step.shape[0], 0), bool)
    a, b, c, d, e = (step[:, k : k + n] for k in range(SLOPE_LINKS))
    # Median of five: of the two pairs, the greater low and the lesser high stay, with the fifth.
    low = np.maximum(np.minimum(a, b), np.minimum(c, d))
    high = np.minimum(np.maximum(a, b), np.maximum(c, d))
    median = np.maximum(np.minimum(low, high), np.minimum(np.maximum(low, high), e))
    whole = np.logical_and.reduce([there[:, k : k + n] for k in range(SLOPE_LINKS)])
    return median, whole


def _adrift(valid: NDArray[np.bool_], right: NDArray[np.int8], down: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Vertices inside a ramp (torn on both sides, in the same direction) and lone outliers."""
    inside = np.zeros(valid.shape, bool)
    inside[:, 1:-1] |= (right[:, 1:] != 0) & (right[:, 1:] == right[:, :-1])
    inside[1:-1] |= (down[1:] != 0) & (down[1:] == down[:-1])
    # Links beyond the border count as torn, but a vertex without any link is no outlier.
    torn_right = np.pad(right != 0, ((0, 0), (1, 1)), constant_values=True)
    torn_down = np.pad(down != 0, ((1, 1), (0, 0)), constant_values=True)
    alone = torn_right[:, 1:] & torn_right[:, :-1] & torn_down[1:] & torn_down[:-1]
    return (inside | (alone & (valid.size > 1))) & valid
