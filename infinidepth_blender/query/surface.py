"""Normals of a depth field and its area, in closed form from disparity and its gradient.

With X = r / D, where r = ((x - cx) / fx, (y - cy) / fy, 1) and D is the disparity,

    m = (fx D_x, fy D_y, D - (x - cx) D_x - (y - cy) D_y)
    dX/dx x dX/dy = m / (fx fy D^3)

so that the area of surface behind one unit of image is |m| / (fx fy D^3). As m . r = D,
that is z^2 / (fx fy |n . r|) with n = m / |m| and r not normalised. On a plane D is linear
in the pixel and m is constant: the density varies there as D^-3 alone.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..camera import Camera


def coords_to_px(coords_yx: Tensor, camera: Camera) -> tuple[Tensor, Tensor]:
    """(N,) x and y in pixels of the camera, centres at +0.5, of coordinates (y, x) in [-1, 1]."""
    x_px = (coords_yx[:, 1].double() + 1) / 2 * camera.width_px
    y_px = (coords_yx[:, 0].double() + 1) / 2 * camera.height_px
    return x_px, y_px


def area_vector(disparity: Tensor, gradient_yx: Tensor, coords_yx: Tensor, camera: Camera) -> Tensor:
    """The vector m of this module: along the surface's normal, away from the camera.

    Args:
        disparity: (N,).
        gradient_yx: (N, 2) derivative of the disparity by the query coordinates (y, x).
        coords_yx: (N, 2) query coordinates in [-1, 1].
        camera: Camera at any size of the photo.

    Returns:
        (N, 3) float64.
    """
    x_px, y_px = coords_to_px(coords_yx, camera)
    d = disparity.double()
    d_y = gradient_yx[:, 0].double() * (2 / camera.height_px)
    d_x = gradient_yx[:, 1].double() * (2 / camera.width_px)
    away = d - (x_px - camera.cx_px) * d_x - (y_px - camera.cy_px) * d_y
    return torch.stack([camera.fx_px * d_x, camera.fy_px * d_y, away], dim=1)


def surface_normals(disparity: Tensor, gradient_yx: Tensor, coords_yx: Tensor, camera: Camera) -> Tensor:
    """(N, 3) float64 unit normals that face the camera, OpenCV axes; arguments as in `area_vector`."""
    return -torch.nn.functional.normalize(area_vector(disparity, gradient_yx, coords_yx, camera), dim=1)
