"""Depth fields as networks give them: surfaces that are known, and steps between them that are blurred."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from infinidepth_blender.camera import Camera
from infinidepth_blender.field.protocol import FieldScale, Rows, pixel_centres_yx

WIDTH_PX, HEIGHT_PX = 240, 180
CAMERA = Camera.from_fov_x(math.radians(70), WIDTH_PX, HEIGHT_PX)
FINE = 4
"""Steps per pixel of the pictures that everything is made from."""
BORDER_PX = 16

Plane = tuple[float, float, float]
"""Disparity in the photo's middle, and its change per pixel to the right and down."""


def _fine_places() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, y = (
        (np.arange((size + 2 * BORDER_PX) * FINE) + 0.5) / FINE - BORDER_PX - size / 2 for size in (WIDTH_PX, HEIGHT_PX)
    )
    column, row = np.meshgrid(x, y)
    return column, row


X, Y = _fine_places()
"""Places in and around the photo, pixels from its middle."""


@dataclass(frozen=True)
class Scene:
    """Planes and where they are seen.

    Attributes:
        label: (h, w) uint8, the plane at each of the fine places.
        planes: The planes.
    """

    label: NDArray[np.uint8]
    planes: list[Plane]

    @classmethod
    def of(cls, back: Plane, *fronts: tuple[NDArray[np.bool_], Plane]) -> Scene:
        """Planes before each other, each with where it is."""
        label = np.zeros(X.shape, np.uint8)
        for number, (where, _) in enumerate(fronts, start=1):
            label[where] = number
        return cls(label, [back, *(plane for _, plane in fronts)])

    def disparities(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """(planes, ...) disparity of every plane at places relative to the photo's middle."""
        return np.stack([c0 + c1 * x + c2 * y for c0, c1, c2 in self.planes])

    def field(self, blur_px: float) -> SoftField:
        """The mean over a disc of so many pixels around each place."""
        sharp = np.take_along_axis(self.disparities(X, Y), self.label[None].astype(np.intp), axis=0)[0]
        return SoftField(cv2.filter2D(sharp, -1, _disc(blur_px) / _disc(blur_px).sum()))

    def check(
        self, coords_yx: NDArray[np.float32], depth_m: NDArray[np.float32], blur_px: float, tolerance: float = 0.01
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which points are within a pixel of an edge, and which lie on a surface that is seen close by."""
        x, y = (coords_yx[:, 1] + 1.0) * WIDTH_PX / 2, (coords_yx[:, 0] + 1.0) * HEIGHT_PX / 2
        at = tuple(((value + BORDER_PX) * FINE).astype(np.intp) for value in (y, x))
        planes = range(len(self.planes))

        def seen_within(distance_px: float) -> NDArray[np.bool_]:
            kernel = _disc(distance_px).astype(np.uint8)
            return np.stack([cv2.dilate((self.label == k).astype(np.uint8), kernel)[at] > 0 for k in planes])

        off = np.abs(self.disparities(x - WIDTH_PX / 2, y - HEIGHT_PX / 2) * depth_m - 1)
        return seen_within(1).sum(axis=0) > 1, ((off < tolerance) & seen_within(2 * blur_px + 3)).any(axis=0)


class SoftField:
    """Disparity between the places of a fine picture, bilinear. Implements `DepthField`."""

    scale: FieldScale = "metric"
    fov_x_rad: float | None = None

    def __init__(self, disparity: NDArray[np.float64]) -> None:
        """Takes the picture, with its border."""
        self._fine = torch.from_numpy(disparity.astype(np.float64))

    def disparity_and_gradient(self, coords_yx: Tensor) -> tuple[Tensor, Tensor]:
        half = torch.tensor([HEIGHT_PX, WIDTH_PX], dtype=torch.float64) * FINE / 2
        place = (coords_yx.double() + 1) * half + BORDER_PX * FINE - 0.5
        row, col = place.floor().long().unbind(dim=1)
        down, right = (place - place.floor()).unbind(dim=1)
        corner = [[self._fine[row + i, col + j] for j in (0, 1)] for i in (0, 1)]
        top = corner[0][0] + (corner[0][1] - corner[0][0]) * right
        bottom = corner[1][0] + (corner[1][1] - corner[1][0]) * right
        left = corner[0][0] + (corner[1][0] - corner[0][0]) * down
        other = corner[0][1] + (corner[1][1] - corner[0][1]) * down
        gradient = torch.stack([bottom - top, other - left], dim=1) * half
        return (top + (bottom - top) * down).float(), gradient.float()

    def disparity(self, coords_yx: Tensor) -> Tensor:
        return self.disparity_and_gradient(coords_yx)[0]

    def disparity_grid(self, height: int, width: int, rows: Rows | None = None) -> Tensor:
        return self.disparity(pixel_centres_yx(height, width, rows=rows)).reshape(-1, width)

    def sky_grid(self, height: int, width: int, rows: Rows | None = None) -> Tensor:
        return torch.zeros_like(self.disparity_grid(height, width, rows))


def _disc(radius_px: float) -> NDArray[np.float64]:
    reach = round(radius_px * FINE)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    return (np.hypot(y, x) <= radius_px * FINE).astype(np.float64)


BACK: Plane = (1 / 6, 7e-5, -6e-5)
"""Slanted, so that the surface behind a step is not just one number."""


def card() -> Scene:
    """A slanted card."""
    return Scene.of(BACK, ((np.abs(X) < 60) & (np.abs(Y - 5) < 45), (1 / 3, 6e-4, 3e-4)))


def disc(radius_px: float, disparity: float = 1 / 3) -> Scene:
    """A round card: its edge runs in all directions."""
    return Scene.of(BACK, (np.hypot(X, Y) < radius_px, (disparity, 0, 0)))


def pole(width_px: float, slant: float = 0.0) -> Scene:
    """A pole, upright or leaning."""
    return Scene.of(BACK, (np.abs(X + slant * Y) < width_px / 2, (1 / 3, 0, 0)))


def gap(width_px: float) -> Scene:
    """A slit between two surfaces, and the back far behind it."""
    return Scene.of((1 / 3, 0, 0), (np.abs(X) < width_px / 2, BACK))


def stairs(tread_px: float, slant: float = 0.0, tilt: float = 0.0) -> Scene:
    """Cards one behind the other, each a quarter further away than the one before."""
    levels = [1 / 3 / 1.25**k for k in range(6)]
    fronts = [
        (X + slant * Y > (k - 3) * tread_px, (level, tilt * level / WIDTH_PX, 0.0)) for k, level in enumerate(levels)
    ]
    return Scene.of((levels[0], tilt * levels[0] / WIDTH_PX, 0.0), *fronts[1:])
