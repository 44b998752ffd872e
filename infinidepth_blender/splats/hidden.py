"""Splats of what the foreground hides: a moved camera sees them where it would look through the photo's splats.

The engine imports this module, as it does `of_photo`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..camera import Camera
from ..geometry.background import HiddenSurface
from ..geometry.edges import Edges
from ..geometry.mesh import plane_normals, surface_gradient
from ..reconstruction import FLAG_VALID, NO_DEPTH_M, Gaussians
from .between import GridSurface, gaussians_between
from .of_photo import resized_photo
from .placed import concatenate, gaussians_on_grid


def hidden_splats(surface: HiddenSurface, camera: Camera, colors_srgb: NDArray[np.uint8]) -> Gaussians:
    """A splat on each pixel of a grid below which the surface behind goes on, and those between them.

    Continuations from different places need not meet, nor the surface that they continue: the camera that
    `surface` is made for sees no gap there either.

    Args:
        surface: Continued on the grid of the photo's splats.
        camera: The photo's camera, at any size.
        colors_srgb: (H, W, 3) uint8 what is seen there, of the photo's proportions; see `engine.inpaint`.
    """
    height, width = surface.disparity.shape
    there = surface.disparity > 0
    d_x, d_y = surface_gradient(surface.disparity, there, Edges.none(height, width))
    x_px, y_px = np.arange(width) + 0.5, np.arange(height)[:, None] + 0.5
    normals = plane_normals(surface.disparity, d_x, d_y, x_px, y_px, camera.resized(width, height))
    depth_m = np.divide(1, surface.disparity, out=np.full(there.shape, NO_DEPTH_M, np.float32), where=there)
    colors = resized_photo(colors_srgb, width, height)
    placed = gaussians_on_grid(depth_m, normals, (surface.hidden * FLAG_VALID).astype(np.uint8), camera, colors)
    hidden = surface.hidden
    right = there[:, :-1] & there[:, 1:] & (hidden[:, :-1] | hidden[:, 1:])
    down = there[:-1] & there[1:] & (hidden[:-1] | hidden[1:])
    links = GridSurface(surface.disparity, d_x, d_y, right, down)
    return concatenate(placed, gaussians_between(links, camera, colors, surface.move_m))
