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

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..camera import Camera
from ..field.protocol import DepthField
from ..field.resample import nearest
from ..progress import OnFraction
from ..reconstruction import FLAG_VALID
from .grids import DepthSamples, depth_grid
from .surface import surface_normals
from .surface_cells import SurfaceCells

GRID_SIDE_PX = 1024
"""Most pixels along the longer side of the grid that the areas are measured on, where none is given."""
MAX_GRID_PIXELS = 4 << 20
GRAZING_CAP_DEG = 87.0
"""Angle between ray and normal beyond which a pixel's area counts no further."""
FAR_CAP = 10.0
"""Median depths beyond which a pixel's area does not grow with its distance any more."""

SAMPLES_PER_QUESTION = 2
"""Samples for each corner of a pixel that the field may be asked for to measure its area."""


@dataclass(frozen=True)
class SurfaceSamples:
    """Samples of the surface, in the order of the Hilbert curve through the image.

    Attributes:
        coords_yx: (N, 2) float32 query coordinates in [-1, 1].
        depth_m: (N,) float32.
        normals_cam: (N, 3) float32 unit normals that face the camera.
        area_m2: (N,) float32 surface area that the sample stands for: the same for all,
            but where a cap or the density thins them out.
        confidence: (N,) float32 in [0, 1].
    """

    coords_yx: NDArray[np.float32]
    depth_m: NDArray[np.float32]
    normals_cam: NDArray[np.float32]
    area_m2: NDArray[np.float32]
    confidence: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.depth_m)


def sample_in_chunks(
    field: DepthField,
    camera: Camera,
    n: int,
    *,
    seed: int,
    edge_step: float,
    grid: DepthSamples | None = None,
    grazing_cap_deg: float | None = GRAZING_CAP_DEG,
    far_cap: float | None = FAR_CAP,
    density: NDArray[np.uint8] | None = None,
    progress: OnFraction | None = None,
) -> Iterator[tuple[int, SurfaceSamples]]:
    """Draws N samples, evenly over everything that has a surface.

    Args:
        field: A field whose disparity is 1 / metres.
        camera: Camera at any size of the photo.
        n: Number of samples, at least 1; all of them are yielded.
        seed: The same seed gives the same samples.
        edge_step: Relative depth step between pixels that separates two surfaces.
        grid: A depth map of the same field; None, or one too large to be worth it or too small: a map
            of at most `GRID_SIDE_PX` is made. No sample lies where a map that is too large has no surface.
        grazing_cap_deg: Surfaces seen at a flatter angle get no more samples per pixel
            than at this one, so that a sliver does not eat the budget; None: no limit.
        far_cap: Likewise for pixels further away than this many median depths; None: no limit.
        density: (H, W) uint8 over the photo, of any size: how densely samples lie there,
            255 as usual, 0 not at all; None: 255 everywhere.
        progress: See `OnFraction`.

    Yields:
        The number of a part's first sample, and the part, which is of bounded size; nothing if there
        is no surface at all, or none where the density lets it be.
    """
    factor = min(1.0, GRID_SIDE_PX / max(camera.width_px, camera.height_px))
    width, height = (max(1, round(side * factor)) for side in (camera.width_px, camera.height_px))
    if grid is not None and grid.depth_m.size > MAX_GRID_PIXELS:
        density = _where_surface(density, (grid.flags & FLAG_VALID) > 0)
        grid = None
    if grid is None or grid.depth_m.shape[0] < height or grid.depth_m.shape[1] < width:
        grid = depth_grid(field, camera, width, height, edge_step=edge_step)
    cells = SurfaceCells.from_depth(
        grid, camera, edge_step, grazing_cap_deg, far_cap, density, field, n // SAMPLES_PER_QUESTION
    )
    if not len(cells.order):
        return
    for start, drawn in cells.draw(n, seed):
        disparity, normals = _ask(field, drawn.coords_yx, camera)
        seen_share = cells.put_on_surface(drawn, disparity, normals)
        yield (
            start,
            SurfaceSamples(
                coords_yx=drawn.coords_yx,
                depth_m=1 / disparity,
                normals_cam=normals,
                area_m2=seen_share * cells.area_share[drawn.cell] * np.float32(cells.total / n),
                confidence=grid.confidence.ravel()[drawn.cell],
            ),
        )
        if progress:
            progress((start + len(drawn.cell)) / n)


def _where_surface(density: NDArray[np.uint8] | None, surface: NDArray[np.bool_]) -> NDArray[np.uint8] | None:
    """A density that is 0 where a finer map has no surface."""
    if surface.all():
        return density
    if density is None:
        return np.where(surface, np.uint8(255), np.uint8(0))
    return np.where(nearest(surface, density.shape[0], density.shape[1]), density, np.uint8(0))


def _ask(
    field: DepthField, coords_yx: NDArray[np.float32], camera: Camera
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(K,) disparity and (K, 3) normals from the field and its own Jacobian."""
    coords = torch.from_numpy(coords_yx)
    disparity, gradient = field.disparity_and_gradient(coords)
    disparity, gradient = disparity.detach().cpu(), gradient.detach().cpu()
    normals = surface_normals(disparity, gradient, coords, camera)
    return disparity.float().numpy().copy(), normals.float().numpy()
