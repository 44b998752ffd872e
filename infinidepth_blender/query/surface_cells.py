"""The pixels of a depth map as patches of surface in a row, and places drawn evenly along it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numba import prange
from numpy.typing import NDArray

from ..camera import Camera
from ..compiled import jit
from ..field.protocol import DepthField
from ..geometry.edges import Edges, disparity_of, sharpen, side_planes_at
from ..geometry.mesh import plane_normals, surface_gradient
from ..geometry.sides import SidePlanes
from ..reconstruction import FLAG_VALID
from .corners import corner, meeting_disparity, triangle_area
from .grids import DepthSamples
from .hilbert import cells_along, place_along
from .selection import CellSelection

CHUNK = 1 << 18
"""Samples at a time."""
PART_MARGIN = 0.02
"""Share at both ends of a part of the curve that gets no sample, so that no two coincide."""
MAX_SLOPE = 1.5
"""Most relative change of disparity over a pixel that the density inside it follows."""
SURFACE_TOLERANCE = 0.2
"""Share of the edge step by which a sample near an edge may be off its surface's plane."""
SAME_SURFACE = 1.0
"""Edge steps by which a pixel's corner may be off its plane and still lie on its surface; at an edge half as many."""
_BLOCK = 4096
"""Places that one core works out at a time."""


@dataclass(frozen=True)
class Drawn:
    """Places drawn from `SurfaceCells`.

    Attributes:
        cell: (K,) flat index of the pixel.
        dx, dy: (K,) place within it, pixels from its centre.
        coords_yx: (K, 2) float32 query coordinates.
    """

    cell: NDArray[np.int64]
    dx: NDArray[np.float64]
    dy: NDArray[np.float64]
    coords_yx: NDArray[np.float32]


@dataclass(frozen=True)
class SurfaceCells:
    """The pixels of a depth map in the order of the Hilbert curve, with their areas.

    Attributes:
        camera: Camera at the depth map's size.
        disparity, slope_x, slope_y: (h, w) float32, the slopes per pixel.
        order: (M,) flat index of the pixels that get samples, along the curve.
        states: (M,) uint8, state of the curve in each.
        cumulative: (M,) float64 sum of the weights up to and with each.
        area_share: (h * w,) float32 area over weight: 1 where no cap and no selection applies.
        edge_row: (h * w,) int32 row in `sides` of pixels at an edge, -1 elsewhere.
        sides: The two surfaces at each pixel at an edge.
        tolerance: Relative departure from these that is still on the surface.
        selection: Where in the pixels samples may lie; None: anywhere.
    """

    camera: Camera
    disparity: NDArray[np.float32]
    slope_x: NDArray[np.float32]
    slope_y: NDArray[np.float32]
    order: NDArray[np.int64]
    states: NDArray[np.uint8]
    cumulative: NDArray[np.float64]
    area_share: NDArray[np.float32]
    edge_row: NDArray[np.int32]
    sides: SidePlanes
    tolerance: float
    selection: CellSelection | None = None

    @property
    def total(self) -> float:
        """Sum of the weights: the whole surface in square metres where no cap and no selection applies."""
        return float(self.cumulative[-1]) if len(self.cumulative) else 0.0

    @classmethod
    def from_depth(
        cls,
        grid: DepthSamples,
        camera: Camera,
        edge_step: float,
        grazing_cap_deg: float | None = None,
        far_cap: float | None = None,
        density: NDArray[np.uint8] | None = None,
        field: DepthField | None = None,
        questions: int = 0,
    ) -> SurfaceCells:
        """Measures the surface behind every pixel of a depth map.

        Args:
            grid, edge_step, grazing_cap_deg, far_cap, density: See `sampling.sample_in_chunks`.
            camera: Camera at any size of the photo.
            field, questions: See `corners.meeting_disparity`.
        """
        height, width = grid.depth_m.shape
        camera = camera.resized(width, height)
        valid = (grid.flags & FLAG_VALID) > 0
        disparity, edges = sharpen(disparity_of(grid.depth_m, valid), valid, edge_step)
        slope_x, slope_y = surface_gradient(disparity, valid, edges)
        zone = _edge_zone(edges, valid)
        sides = side_planes_at(disparity, valid, edges, zone, edge_step)
        edge_row = np.full(height * width, -1, np.int32)
        edge_row[zone.ravel()] = np.arange(len(sides.near))

        weight, share = np.zeros(height * width), np.ones(height * width, np.float32)
        far = far_cap / float(np.median(disparity[valid])) if far_cap is not None and valid.any() else np.inf
        steepest = math.cos(math.radians(90 if grazing_cap_deg is None else grazing_cap_deg))
        tolerance = SAME_SURFACE * edge_step
        met = meeting_disparity(disparity, slope_x, slope_y, tolerance, camera, field, questions)
        _measure(
            disparity, slope_x, slope_y, valid, met, tolerance, edge_row, camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px,
            steepest, far, weight, share,
        )  # fmt: skip
        selection = None if density is None else CellSelection.of(density, height, width)
        if selection is not None:
            weight *= selection.mean
            share /= selection.mean_inside
        order, states = cells_along(height, width)
        weight = weight[order]
        has_weight = weight > 0
        if not has_weight.all():
            order, states, weight = order[has_weight], states[has_weight], weight[has_weight]
        return cls(
            camera, disparity, slope_x, slope_y, order, states, np.cumsum(weight), share,
            edge_row, sides, SURFACE_TOLERANCE * edge_step, selection,
        )  # fmt: skip

    def draw(self, n: int, seed: int) -> Iterator[tuple[int, Drawn]]:
        """Yields N places in chunks, each with the number of the first one in it."""
        rng = np.random.default_rng(seed)
        for start in range(0, n, CHUNK):
            count = min(CHUNK, n - start)
            part = np.arange(start, start + count) + PART_MARGIN + (1 - 2 * PART_MARGIN) * rng.random(count)
            yield start, self._places(part / n * self.total)

    def _places(self, along: NDArray[np.float64]) -> Drawn:
        """Turns ascending lengths along the cumulated weights into places in the image."""
        count = len(along)
        drawn = Drawn(np.empty(count, np.int64), np.empty(count), np.empty(count), np.empty((count, 2), np.float32))
        row, start, pixels, shape = CellSelection.everything() if self.selection is None else self.selection.lists
        _find_places(
            along, self.cumulative, self.order, self.states, self.disparity, self.slope_x, self.slope_y,
            row, start, pixels, shape, drawn.cell, drawn.dx, drawn.dy, drawn.coords_yx,
        )  # fmt: skip
        return drawn

    def put_on_surface(
        self, drawn: Drawn, disparity: NDArray[np.float32], normals: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Moves samples at edges onto the nearer of the two surfaces there, in place.

        What the field says decides which surface that is, and stays as it is where it
        lies on that surface within the tolerance; the normal is always the surface's.

        Returns:
            (K,) area that each sample stands for over what its pixel says. It is 1 but
            where a sample lies on the other of the two surfaces than its pixel's centre.
        """
        share = np.ones(len(drawn.cell), np.float32)
        row = self.edge_row[drawn.cell]
        lost = ~(np.isfinite(disparity) & (disparity > 0))
        at_edge = np.flatnonzero((row >= 0) | lost)
        if not len(at_edge):
            return share
        row, cell = row[at_edge], drawn.cell[at_edge]
        offsets = np.stack([np.ones(len(at_edge)), drawn.dx[at_edge], drawn.dy[at_edge]], axis=1)
        own = np.stack([a.ravel()[cell] for a in (self.disparity, self.slope_x, self.slope_y)], axis=1)
        planes = np.stack([own, own])
        known = row >= 0
        planes[0, known], planes[1, known] = self.sides.near[row[known]], self.sides.far[row[known]]
        planes = np.where(np.isfinite(planes).all(axis=2, keepdims=True), planes, own)
        on_plane = np.einsum("skc,kc->sk", planes, offsets)
        # A plane may run into the horizon within a pixel; its own centre does not.
        on_plane = np.where(on_plane > 0.5 * planes[..., 0], on_plane, planes[..., 0])
        asked = np.where(lost[at_edge], own[:, 0], disparity[at_edge])
        side = np.argmin(np.abs(on_plane - asked), axis=0)
        k = np.arange(len(at_edge))
        target = on_plane[side, k]
        keep = ~lost[at_edge] & (np.abs(asked - target) <= self.tolerance * target)
        disparity[at_edge] = np.where(keep, asked, target)
        # In float64, as the camera's centre may be far outside a crop.
        x_px = (drawn.coords_yx[at_edge, 1].astype(np.float64) + 1) / 2 * self.camera.width_px
        y_px = (drawn.coords_yx[at_edge, 0].astype(np.float64) + 1) / 2 * self.camera.height_px
        chosen = planes[side, k]
        normals[at_edge] = plane_normals(target, chosen[:, 1], chosen[:, 2], x_px, y_px, self.camera)
        other = np.abs(target - own[:, 0]) > 2 * self.tolerance * own[:, 0]
        # The pixel was weighted by its own surface's area; the two go with the cube of the distance
        # and the length of the area vector, which is the disparity over the cosine.
        lengths = [
            np.sqrt(
                (self.camera.fx_px * p[:, 1]) ** 2
                + (self.camera.fy_px * p[:, 2]) ** 2
                + (p[:, 0] - (x_px - self.camera.cx_px) * p[:, 1] - (y_px - self.camera.cy_px) * p[:, 2]) ** 2
            )
            for p in (chosen, own)
        ]
        ratio = lengths[0] / lengths[1] * (own[:, 0] / target) ** 3
        share[at_edge] = np.where(other, ratio, 1)
        return share


@jit(parallel=True)
def _measure(
    disparity: NDArray[np.float32],
    slope_x: NDArray[np.float32],
    slope_y: NDArray[np.float32],
    valid: NDArray[np.bool_],
    met: NDArray[np.float32],
    tolerance: float,
    edge_row: NDArray[np.int32],
    fx_px: float,
    fy_px: float,
    cx_px: float,
    cy_px: float,
    steepest: float,
    far: float,
    weight: NDArray[np.float64],
    share: NDArray[np.float32],
) -> None:
    """Fills in the weight of every pixel and its area over that weight.

    The area is that of two triangles between its corners, divided as `geometry.mesh` divides a cell.

    Args:
        disparity, slope_x, slope_y, valid: (h, w).
        met: (h + 1, w + 1) disparity at the corners.
        tolerance: Relative departure from a pixel's plane up to which they count.
        edge_row: (h * w,) not negative at an edge.
        fx_px, fy_px, cx_px, cy_px: Intrinsics at this size.
        steepest: Cosine between ray and normal below which the area counts no further.
        far: Depth beyond which the area does not grow with the distance any more.
        weight, share: (h * w,) to fill; both are left alone where not valid.
    """
    height, width = disparity.shape
    for row in prange(height):
        ry, top = (row + 0.5 - cy_px) / fy_px, (row - cy_px) / fy_px
        for column in range(width):
            if not valid[row, column]:
                continue
            near = tolerance if edge_row[row * width + column] < 0 else 0.5 * tolerance
            top_left = corner(row, column, 0, 0, disparity, slope_x, slope_y, met, near)
            top_right = corner(row, column, 0, 1, disparity, slope_x, slope_y, met, near)
            low_left = corner(row, column, 1, 0, disparity, slope_x, slope_y, met, near)
            low_right = corner(row, column, 1, 1, disparity, slope_x, slope_y, met, near)
            left, right, low = (column - cx_px) / fx_px, (column + 1 - cx_px) / fx_px, (row + 1 - cy_px) / fy_px
            if abs(top_right - low_left) < abs(top_left - low_right):
                area = triangle_area(left, top, top_left, right, top, top_right, left, low, low_left)
                area += triangle_area(right, low, low_right, left, low, low_left, right, top, top_right)
            else:
                area = triangle_area(left, top, top_left, right, top, top_right, right, low, low_right)
                area += triangle_area(left, top, top_left, right, low, low_right, left, low, low_left)
            d = float(disparity[row, column])
            cap = min(1.0, d * far) ** 2
            if steepest > 1e-12:
                rx = (column + 0.5 - cx_px) / fx_px
                m_x, m_y = fx_px * slope_x[row, column], fy_px * slope_y[row, column]
                length = math.sqrt(m_x * m_x + m_y * m_y + (d - rx * m_x - ry * m_y) ** 2)
                cosine = d / (length * math.sqrt(rx * rx + ry * ry + 1))
                cap *= min(1.0, cosine / steepest)
            at = row * width + column
            weight[at] = area * cap
            share[at] = 1 / cap


@jit(parallel=True)
def _find_places(
    along: NDArray[np.float64],
    cumulative: NDArray[np.float64],
    order: NDArray[np.int64],
    states: NDArray[np.uint8],
    disparity: NDArray[np.float32],
    slope_x: NDArray[np.float32],
    slope_y: NDArray[np.float32],
    list_row: NDArray[np.int32],
    list_start: NDArray[np.int64],
    list_pixels: NDArray[np.int64],
    map_shape: tuple[int, int],
    cell: NDArray[np.int64],
    dx: NDArray[np.float64],
    dy: NDArray[np.float64],
    coords_yx: NDArray[np.float32],
) -> None:
    """Fills in `Drawn` for ascending lengths; the lists are those of `CellSelection.lists`."""
    height, width = disparity.shape
    count, last = len(along), len(order) - 1
    for block in prange((count + _BLOCK - 1) // _BLOCK):
        first = block * _BLOCK
        at = min(np.searchsorted(cumulative, along[first], side="right"), last)
        for i in range(first, min(first + _BLOCK, count)):
            while at < last and cumulative[at] <= along[i]:
                at += 1
            before = cumulative[at - 1] if at > 0 else 0.0
            fraction = (along[i] - before) / (cumulative[at] - before)
            here = order[at]
            row, column = here // width, here % width
            listed = list_row[here] if len(list_row) else -1
            if listed >= 0:
                start = list_start[listed]
                pixels = list_start[listed + 1] - start
                fraction = min(max(fraction, 0.0), 1 - 1e-12) * pixels
                pixel = list_pixels[start + int(fraction)]
                x, y = place_along(fraction - int(fraction), states[at])
                dx[i] = _within(x, pixel % map_shape[1], map_shape[1], column, width)
                dy[i] = _within(y, pixel // map_shape[1], map_shape[0], row, height)
            else:
                x, y = place_along(fraction, states[at])
                d = disparity[row, column]
                dx[i] = _inverse_density(x, slope_x[row, column] / d)
                dy[i] = _inverse_density(y, slope_y[row, column] / d)
            cell[i] = here
            coords_yx[i, 0] = (row + 0.5 + dy[i]) / height * 2 - 1
            coords_yx[i, 1] = (column + 0.5 + dx[i]) / width * 2 - 1


@jit()
def _within(share: float, pixel: int, pixels: int, cell: int, cells: int) -> float:
    """Place, from the cell's centre, after a share of the part of a map's pixel that lies in the cell."""
    low = max(pixel / pixels * cells - cell - 0.5, -0.5)
    high = min((pixel + 1) / pixels * cells - cell - 0.5, 0.5)
    # Rounding must not carry it over the pixel's border.
    return low + (0.01 + 0.98 * share) * (high - low)


@jit()
def _inverse_density(q: float, slope: float) -> float:
    """Place s in (-1/2, 1/2) up to which the share q of the density (1 + slope * s)^-3 lies."""
    slope = min(max(slope, -MAX_SLOPE), MAX_SLOPE)
    if abs(slope) < 1e-6:
        return q - 0.5
    low, high = (1 - slope / 2) ** -2, (1 + slope / 2) ** -2
    return (1 / math.sqrt(low - q * (low - high)) - 1) / slope


def _edge_zone(edges: Edges, valid: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(h, w) valid pixels around which the field may lie between two surfaces.

    These are the pixels adrift and those around them, and the corners of every square of
    four pixels with a torn link or a missing pixel.
    """
    gap_right = edges.right | (valid[:, 1:] != valid[:, :-1])
    gap_down = edges.down | (valid[1:] != valid[:-1])
    beside = Edges(gap_right, gap_down, edges.stride).touched()
    square = gap_right[1:] | gap_right[:-1] | gap_down[:, 1:] | gap_down[:, :-1]
    for rows in (slice(1, None), slice(None, -1)):
        for cols in (slice(1, None), slice(None, -1)):
            beside[rows, cols] |= square
    around = np.pad(edges.adrift, 1)
    height, width = valid.shape
    for dy in range(3):
        for dx in range(3):
            beside |= around[dy : dy + height, dx : dx + width]
    return beside & valid
