"""The four corners of the patch of surface behind every pixel, and the area between them.

Each pixel's plane says how the surface goes on to its corners. Where four pixels meet that disagree, the surface is
rough: a network's field is, below the size of a pixel, by the photo's texture, and every tilt of a pixel adds area. There the
field is asked. Where they disagree two by two and cross nearby there is a crease, and each plane is right on its own side.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numba import prange
from numpy.typing import NDArray

from ..camera import Camera
from ..compiled import jit
from ..field.protocol import DepthField

TILT = 0.05
"""Tangent between two planes that agree: an eighth of a percent of area."""
NEAREST = 0.25
"""Of a pixel's disparity, the least at a corner: its plane may run into the horizon."""


def meeting_disparity(
    disparity: NDArray[np.float32],
    slope_x: NDArray[np.float32],
    slope_y: NDArray[np.float32],
    tolerance: float,
    camera: Camera,
    field: DepthField | None = None,
    questions: int = 0,
) -> NDArray[np.float32]:
    """Disparity at the corners of all pixels.

    Args:
        disparity: (h, w), 0 where there is no surface.
        slope_x, slope_y: (h, w) its slopes per pixel.
        tolerance: Relative departure from a pixel's plane that is still on its surface.
        camera: Camera at this size.
        field: Whom to ask where the surface is rough; None: nobody.
        questions: How often at most; the roughest corners come first.

    Returns:
        (h + 1, w + 1) float32, NaN where the pixels' own planes say it.
    """
    height, width = disparity.shape
    met = np.full((height + 1, width + 1), np.nan, np.float32)
    tilt = np.zeros((height + 1, width + 1), np.float32)
    _meet(disparity, slope_x, slope_y, tolerance, TILT / max(camera.fx_px, camera.fy_px), met, tilt)
    rough = np.flatnonzero(tilt)
    if field is None or not questions or not len(rough):
        return met
    if len(rough) > questions:
        rough = rough[np.argpartition(tilt.ravel()[rough], -questions)[-questions:]]
        rough.sort()
    row, column = np.divmod(rough, width + 1)
    coords = np.stack([row / height * 2 - 1, column / width * 2 - 1], axis=1).astype(np.float32)
    answer = field.disparity(torch.from_numpy(coords)).detach().float().cpu().numpy()
    usable = np.isfinite(answer) & (answer > 0)
    met.ravel()[rough[usable]] = answer[usable]
    return met


@jit(parallel=True)
def _meet(
    disparity: NDArray[np.float32],
    slope_x: NDArray[np.float32],
    slope_y: NDArray[np.float32],
    tolerance: float,
    agreeing: float,
    met: NDArray[np.float32],
    tilt: NDArray[np.float32],
) -> None:
    """Fills in the mean of the four pixels at the corners where the surface is rough, and how far their planes miss it.

    Args:
        disparity, slope_x, slope_y: (h, w).
        tolerance: Relative departure of a plane that is on another surface and does not count.
        agreeing: Relative difference of two planes that agree.
        met, tilt: (h + 1, w + 1) to fill; the tilt is relative to the disparity.
    """
    height, width = disparity.shape
    for i in prange(1, height):
        own = np.empty(4)
        for j in range(1, width):
            total, there = 0.0, True
            for k in range(4):
                row, column = i - 1 + k // 2, j - 1 + k % 2
                d = disparity[row, column]
                there = there and d > 0
                total += d
                own[k] = d + (j - column - 0.5) * slope_x[row, column] + (i - row - 0.5) * slope_y[row, column]
            if not there:
                continue
            mean, most = total / 4, 0.0
            # A plane that agrees with none of the others is rough, and so is a step between two that agree: planes of
            # a crease that is within half a pixel differ here by no more than half of what their slopes differ by.
            bend = np.ptp(slope_x[i - 1 : i + 1, j - 1 : j + 1]) + np.ptp(slope_y[i - 1 : i + 1, j - 1 : j + 1])
            uneven = np.ptp(own) > 0.5 * bend + agreeing * mean
            for k in range(4):
                nearest = np.inf
                for other in range(4):
                    if other != k:
                        nearest = min(nearest, abs(own[other] - own[k]))
                uneven = uneven or nearest > agreeing * mean
                off = abs(own[k] - mean) / mean
                if off <= tolerance:
                    most = max(most, off)
            if uneven:
                met[i, j], tilt[i, j] = mean, most


@jit()
def corner(
    row: int,
    column: int,
    down: int,
    right: int,
    disparity: NDArray[np.float32],
    slope_x: NDArray[np.float32],
    slope_y: NDArray[np.float32],
    met: NDArray[np.float32],
    tolerance: float,
) -> float:
    """Disparity of one pixel's surface at one of its corners (`down` and `right` are 0 or 1).

    What is known to lie there counts if it is on the pixel's surface; else the pixel's plane goes on to it.
    """
    d = float(disparity[row, column])
    own = d + (right - 0.5) * slope_x[row, column] + (down - 0.5) * slope_y[row, column]
    own = max(own, NEAREST * d)
    there = float(met[row + down, column + right])
    # Also for NaN.
    return there if abs(there - own) <= tolerance * own else own


@jit()
def triangle_area(
    ax: float, ay: float, a: float, bx: float, by: float, b: float, cx: float, cy: float, c: float
) -> float:
    """Area of a triangle whose corners lie on rays (x, y, 1) at disparities a, b and c."""
    z, u, v = 1 / a, 1 / b, 1 / c
    x1, y1, z1 = bx * u - ax * z, by * u - ay * z, u - z
    x2, y2, z2 = cx * v - ax * z, cy * v - ay * z, v - z
    return 0.5 * math.sqrt((y1 * z2 - z1 * y2) ** 2 + (z1 * x2 - x1 * z2) ** 2 + (x1 * y2 - y1 * x2) ** 2)
