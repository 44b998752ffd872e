"""Infinite Depth Query: sub-pixel samples spread evenly over the surface.

A pixel of the floor far away shows much more surface than one of the wall nearby. Samples
drawn with a density proportional to that area (paper section 3.3; the exact weight is in
`surface`) lie evenly in space instead of evenly in the image.

They are better than random: the pixels are put in a row along a Hilbert curve, their
areas are summed up, the sum is divided into N equal parts and every part gets one sample,
at a random place within it. The curve goes on inside the pixel, through the inverse of
the density there (on a plane it varies as disparity^-3), so that parts are compact
patches of equal area whether they span many pixels or a thousandth of one. Any patch of
surface thus holds its share of the points up to the few parts that its border cuts.

Near a depth step the field itself may ramp from one surface to the other. Samples there
are put onto one of the two surfaces; none lies in between.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..camera import Camera
from ..field.protocol import DepthField
from ..geometry.edges import Edges, disparity_of, sharpen, side_planes_at
from ..geometry.mesh import plane_normals, surface_gradient
from ..geometry.sides import SidePlanes
from ..reconstruction import FLAG_VALID
from .grids import DepthSamples, Progress, depth_grid
from .hilbert import codes_of_grid, positions_along
from .surface import surface_normals

GRID_SIDE_PX = 1024
"""Most pixels along the longer side of the grid that the areas are measured on, where none is given."""
MAX_GRID_PIXELS = 4 << 20
CHUNK = 1 << 18
"""Samples at a time."""
GRAZING_CAP_DEG = 87.0
"""Angle between ray and normal beyond which a pixel's area counts no further."""
FAR_CAP = 10.0
"""Median depths beyond which a pixel's area does not grow with its distance any more."""
PART_MARGIN = 0.02
"""Share at both ends of a part of the curve that gets no sample, so that no two coincide."""
MAX_SLOPE = 1.5
"""Most relative change of disparity over a pixel that the density inside it follows."""
SURFACE_TOLERANCE = 0.25
"""Share of the edge step by which a sample near an edge may be off its surface's plane."""


@dataclass(frozen=True)
class SurfaceSamples:
    """Samples of the surface, in the order of the Hilbert curve through the image.

    Attributes:
        coords_yx: (N, 2) float32 query coordinates in [-1, 1].
        depth_m: (N,) float32.
        normals_cam: (N, 3) float32 unit normals that face the camera.
        area_m2: (N,) float32 surface area that the sample stands for: the same for all,
            but where a cap thins them out.
        confidence: (N,) float32 in [0, 1].
    """

    coords_yx: NDArray[np.float32]
    depth_m: NDArray[np.float32]
    normals_cam: NDArray[np.float32]
    area_m2: NDArray[np.float32]
    confidence: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.depth_m)


def sample_surface(
    field: DepthField,
    camera: Camera,
    n: int,
    *,
    seed: int,
    edge_step: float,
    grid: DepthSamples | None = None,
    grazing_cap_deg: float | None = GRAZING_CAP_DEG,
    far_cap: float | None = FAR_CAP,
    progress: Progress | None = None,
) -> SurfaceSamples:
    """Draws N samples, evenly over everything that has a surface.

    Args:
        field: A field whose disparity is 1 / metres.
        camera: Camera at any size of the photo.
        n: Number of samples, at least 1; all of them are returned.
        seed: The same seed gives the same samples.
        edge_step: Relative depth step between pixels that separates two surfaces.
        grid: A depth map of the same field; None, or one too large to be worth it: a map
            of at most `GRID_SIDE_PX` is made.
        grazing_cap_deg: Surfaces seen at a flatter angle get no more samples per pixel
            than at this one, so that a sliver does not eat the budget; None: no limit.
        far_cap: Likewise for pixels further away than this many median depths; None: no limit.
        progress: See `Progress`.

    Returns:
        N samples; none if there is no surface at all.
    """
    if grid is None or grid.depth_m.size > MAX_GRID_PIXELS:
        factor = min(1.0, GRID_SIDE_PX / max(camera.width_px, camera.height_px))
        size = (max(1, round(side * factor)) for side in (camera.width_px, camera.height_px))
        grid = depth_grid(field, camera, *size, edge_step=edge_step)
    cells = SurfaceCells.from_depth(grid, camera, edge_step, grazing_cap_deg, far_cap)
    if not len(cells.order):
        n = 0
    result = SurfaceSamples(
        np.empty((n, 2), np.float32),
        np.empty(n, np.float32),
        np.empty((n, 3), np.float32),
        np.empty(n, np.float32),
        np.empty(n, np.float32),
    )
    for start, drawn in cells.draw(n, seed):
        chunk = slice(start, start + len(drawn.cell))
        coords = drawn.coords_yx
        disparity, normals = _ask(field, coords, camera)
        seen_share = cells.put_on_surface(drawn, disparity, normals)
        result.coords_yx[chunk] = coords
        result.depth_m[chunk] = 1 / disparity
        result.normals_cam[chunk] = normals
        result.area_m2[chunk] = seen_share * cells.area_share[drawn.cell] * (cells.total / n)
        result.confidence[chunk] = grid.confidence.ravel()[drawn.cell]
        if progress:
            progress(chunk.stop / n)
    return result


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
        order: (M,) flat index of the pixels that have a surface, along the curve.
        states: (M,) uint8, state of the curve in each.
        cumulative: (M,) float64 sum of the weights up to and with each.
        area_share: (h * w,) float32 area over weight: 1 where no cap applies.
        edge_row: (h * w,) int32 row in `sides` of pixels at an edge, -1 elsewhere.
        sides: The two surfaces at each pixel at an edge.
        tolerance: Relative departure from these that is still on the surface.
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

    @property
    def total(self) -> float:
        """Sum of the weights: the whole surface in square metres where no cap applies."""
        return float(self.cumulative[-1]) if len(self.cumulative) else 0.0

    @classmethod
    def from_depth(
        cls,
        grid: DepthSamples,
        camera: Camera,
        edge_step: float,
        grazing_cap_deg: float | None = None,
        far_cap: float | None = None,
    ) -> SurfaceCells:
        """Measures the surface behind every pixel of a depth map; see `sample_surface`."""
        height, width = grid.depth_m.shape
        camera = camera.resized(width, height)
        valid = (grid.flags & FLAG_VALID) > 0
        disparity, edges = sharpen(disparity_of(grid.depth_m, valid), valid, edge_step)
        slope_x, slope_y = surface_gradient(disparity, valid, edges)
        zone = _edge_zone(edges, valid)
        sides = side_planes_at(disparity, valid, edges, zone, edge_step)
        edge_row = np.full(height * width, -1, np.int32)
        edge_row[zone.ravel()] = np.arange(len(sides.near))

        weight, share = _weights(disparity, slope_x, slope_y, valid, camera, grazing_cap_deg, far_cap)
        codes, states = codes_of_grid(height, width)
        has_area = np.flatnonzero(weight > 0)
        order = has_area[np.argsort(codes[has_area])]
        return cls(
            camera, disparity, slope_x, slope_y, order, states[order],
            np.cumsum(weight[order]), share, edge_row, sides, SURFACE_TOLERANCE * edge_step,
        )  # fmt: skip

    def draw(self, n: int, seed: int) -> Iterator[tuple[int, Drawn]]:
        """Yields N places in chunks, each with the number of the first one in it."""
        rng = np.random.default_rng(seed)
        for start in range(0, n, CHUNK):
            count = min(CHUNK, n - start)
            part = np.arange(start, start + count) + PART_MARGIN + (1 - 2 * PART_MARGIN) * rng.random(count)
            yield start, self._places(part / n * self.total)

    def _places(self, along: NDArray[np.float64]) -> Drawn:
        """Turns lengths along the cumulated weights into places in the image."""
        at = np.minimum(np.searchsorted(self.cumulative, along, side="right"), len(self.order) - 1)
        before = np.where(at > 0, self.cumulative[at - 1], 0)
        fraction = (along - before) / (self.cumulative[at] - before)
        x, y = positions_along(fraction, self.states[at])
        cell = self.order[at]
        d = self.disparity.ravel()[cell].astype(np.float64)
        dx = _inverse_density(x, self.slope_x.ravel()[cell] / d)
        dy = _inverse_density(y, self.slope_y.ravel()[cell] / d)
        height, width = self.disparity.shape
        row, col = np.divmod(cell, width)
        coords = np.stack([(row + 0.5 + dy) / height * 2 - 1, (col + 0.5 + dx) / width * 2 - 1], axis=1)
        return Drawn(cell, dx, dy, coords.astype(np.float32))

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


def _weights(
    disparity: NDArray[np.float32],
    slope_x: NDArray[np.float32],
    slope_y: NDArray[np.float32],
    valid: NDArray[np.bool_],
    camera: Camera,
    grazing_cap_deg: float | None,
    far_cap: float | None,
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """(h * w,) weight of every pixel and its area over that weight; see `surface` for the area."""
    height, width = disparity.shape
    d = np.where(valid, disparity, 1).astype(np.float64)
    rx = (np.arange(width) + 0.5 - camera.cx_px) / camera.fx_px
    ry = ((np.arange(height) + 0.5 - camera.cy_px) / camera.fy_px)[:, None]
    m_x, m_y = camera.fx_px * slope_x, camera.fy_px * slope_y
    length = np.sqrt(m_x**2 + m_y**2 + (d - rx * m_x - ry * m_y) ** 2)
    area = length / (camera.fx_px * camera.fy_px * d**3)
    for slope in (slope_x, slope_y):
        # The exact integral of (1 + slope * s)^-3 over the pixel.
        area /= (1 - np.clip(slope / d, -MAX_SLOPE, MAX_SLOPE) ** 2 / 4) ** 2
    cap = np.ones_like(area)
    if grazing_cap_deg is not None:
        cosine = d / (length * np.sqrt(rx**2 + ry**2 + 1))
        cap = np.minimum(cap, cosine / math.cos(math.radians(grazing_cap_deg)))
    if far_cap is not None and valid.any():
        cap *= np.minimum(1, d * far_cap / np.median(disparity[valid])) ** 2
    weight = np.where(valid, area * cap, 0)
    return weight.ravel(), (1 / cap).astype(np.float32).ravel()


def _inverse_density(q: NDArray[np.float64], slope: NDArray[np.float64]) -> NDArray[np.float64]:
    """Place s in (-1/2, 1/2) up to which the share q of the density (1 + slope * s)^-3 lies."""
    slope = np.clip(slope, -MAX_SLOPE, MAX_SLOPE)
    flat = np.abs(slope) < 1e-6
    slope = np.where(flat, 1.0, slope)
    low, high = (1 - slope / 2) ** -2, (1 + slope / 2) ** -2
    s = ((low - q * (low - high)) ** -0.5 - 1) / slope
    return np.where(flat, q - 0.5, s)


def _edge_zone(edges: Edges, valid: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(h, w) valid pixels around which the field may lie between two surfaces.

    These are the pixels adrift and those around them, and the corners of every square of
    four pixels with a torn link or a missing pixel.
    """
    gap_right = edges.right | (valid[:, 1:] != valid[:, :-1])
    gap_down = edges.down | (valid[1:] != valid[:-1])
    beside = Edges(gap_right, gap_down, edges.adrift).touched()
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


def _ask(
    field: DepthField, coords_yx: NDArray[np.float32], camera: Camera
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(K,) disparity and (K, 3) normals from the field and its own Jacobian."""
    coords = torch.from_numpy(coords_yx)
    disparity, gradient = field.disparity_and_gradient(coords)
    disparity, gradient = disparity.detach().cpu(), gradient.detach().cpu()
    normals = surface_normals(disparity, gradient, coords, camera)
    return disparity.float().numpy().copy(), normals.float().numpy()
