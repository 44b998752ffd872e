"""The splats of a photo: one for each pixel of a depth grid and more where it is steep, in colours that give the photo back.

A grid over the photo and not the area-weighted query: there, near things get so few
samples per pixel that the photo's own camera sees single discs. Needs OpenCV and numba:
the engine imports this module.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from ..camera import Camera
from ..geometry.edges import disparity_of, sharpen
from ..geometry.mesh import CAMERA_MOVE, plane_normals, surface_gradient
from ..progress import OnFraction
from ..reconstruction import FLAG_SKY, FLAG_VALID, NO_DEPTH_M, Gaussians
from .between import GridSurface, gaussians_between
from .fit import fit_colors
from .placed import concatenate, gaussians_on_grid

FIT_OVERSAMPLING = 1.5
"""Size of the photo that colours are fitted to, over the size of the grid."""


def splat_grid_size(count: int, camera: Camera) -> tuple[int, int]:
    """Width and height of the grid with the photo's aspect that has at most `count` pixels."""
    step = math.sqrt(camera.width_px * camera.height_px / count)
    width = min(count, max(1, math.floor(camera.width_px / step)))
    return width, max(1, min(math.floor(camera.height_px / step), count // width))


def splats_of_photo(
    depth_m: NDArray[np.float32],
    flags: NDArray[np.uint8],
    camera: Camera,
    photo_srgb: NDArray[np.uint8],
    *,
    edge_step: float,
    sky_depth_m: float | None = None,
    hidden: Gaussians | None = None,
    progress: OnFraction | None = None,
) -> Gaussians:
    """Places a Gaussian on each pixel of a depth grid and fits the colours to the photo.

    Pixels that hang between two surfaces are put onto the nearer one of them first. Where a surface is
    so steep that a camera moved aside by `CAMERA_MOVE` would look through between pixels, further splats close it.

    Args:
        depth_m: (h, w) distance along the optical axis, metres.
        flags: (h, w) bits `FLAG_VALID` and `FLAG_SKY`.
        camera: The photo's camera.
        photo_srgb: (H, W, 3) uint8 photo at any size.
        edge_step: Relative depth step between neighbours that counts as an edge.
        sky_depth_m: Depth of a plane of splats for the sky; None leaves it empty.
        hidden: Splats behind the others, which come last in the answer, as they are.
        progress: Called with the fraction done; it may raise to stop the work.
    """
    height, width = depth_m.shape
    valid = (flags & FLAG_VALID) != 0
    disparity, edges = sharpen(disparity_of(depth_m, valid), valid, edge_step)
    d_x, d_y = surface_gradient(disparity, valid, edges)
    x_px, y_px = np.arange(width) + 0.5, np.arange(height)[:, None] + 0.5
    normals = plane_normals(disparity, d_x, d_y, x_px, y_px, camera.resized(width, height))
    depth = np.divide(1, disparity, out=np.full(depth_m.shape, NO_DEPTH_M, np.float32), where=valid)
    if progress:
        progress(0.3)
    colors = resized_photo(photo_srgb, width, height)
    placed = gaussians_on_grid(depth, normals, flags, camera, colors, sky_depth_m=sky_depth_m)
    if len(placed) == 0:
        return placed
    if valid.any():
        right = valid[:, :-1] & valid[:, 1:] & ~edges.right
        down = valid[:-1] & valid[1:] & ~edges.down
        move_m = CAMERA_MOVE / float(np.median(disparity[valid]))
        links = GridSurface(disparity, d_x, d_y, right, down)
        placed = concatenate(placed, gaussians_between(links, camera, colors, move_m))
    count = len(placed)
    if hidden is not None:
        placed = concatenate(placed, hidden)
    factor = min(FIT_OVERSAMPLING, photo_srgb.shape[1] / width) if photo_srgb.shape[1] > width else 1.0
    compare = resized_photo(photo_srgb, round(width * factor), round(height * factor))
    return fit_colors(
        placed,
        compare,
        camera,
        count=count,
        progress=None if progress is None else lambda done: progress(0.4 + 0.6 * done),
    )


def sky_splats(sky: NDArray[np.bool_], camera: Camera, photo_srgb: NDArray[np.uint8], sky_depth_m: float) -> Gaussians:
    """The sky alone: a plane of splats in the photo's colours.

    Args:
        sky: (h, w) where it is, on a grid with the photo's aspect.
        camera: The photo's camera.
        photo_srgb: (H, W, 3) uint8 photo at any size.
        sky_depth_m: Depth of the plane.
    """
    height, width = sky.shape
    nowhere = np.full(sky.shape, NO_DEPTH_M, np.float32)
    return gaussians_on_grid(
        nowhere,
        np.zeros((height, width, 3), np.float32),
        np.where(sky, FLAG_SKY, 0).astype(np.uint8),
        camera,
        resized_photo(photo_srgb, width, height),
        sky_depth_m=sky_depth_m,
    )


def resized_photo(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Averages over areas when it shrinks, interpolates when it grows."""
    if image.shape[:2] == (height, width):
        return image
    shrinks = image.shape[0] >= height and image.shape[1] >= width
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (width, height), interpolation=how), np.uint8)
