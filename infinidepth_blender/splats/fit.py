"""Colours of splats, fitted so that their render from the photo's camera is the photo.

A splat that takes the photo's colour at its centre spreads it over its neighbours: the
render is blurred. The render is linear in the colours, so the colours that give the
photo back follow from a few steps of a simultaneous iterative reconstruction (Gilbert
1972): each splat is corrected by the mean error of the pixels it shows in, weighted by
how much it shows there. Needs numba: the engine imports this module, Blender does not.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numba import prange
from numpy.typing import NDArray

from ..camera import Camera
from ..compiled import jit
from ..progress import OnFraction
from ..reconstruction import Gaussians
from .raster import MAX_ALPHA, MIN_ALPHA, MIN_TRANSMITTANCE, TILE_PX, Projection, project
from .sh import dc_to_rgb, rgb_to_dc

STEPS = 6
STEP_SIZE = 1.6
"""Over-relaxation; steps below 2 converge."""

LOW_PASS_PX2 = 0.1
"""Between the 0.3 of 3DGS viewers and Blender, which has none, so that both come out sharp."""

_COVERED = 0.5
"""Pixels less opaque than this say nothing about the colour of the splats in them."""


def fit_colors(
    gaussians: Gaussians,
    photo_srgb: NDArray[np.uint8],
    camera: Camera,
    *,
    count: int | None = None,
    progress: OnFraction | None = None,
) -> Gaussians:
    """Corrects the view independent colours by the photo.

    Args:
        gaussians: In the camera's space; only their constant coefficients change, and only
            of those that the photo's camera sees. Colours stay within [0, 1].
        photo_srgb: (h, w, 3) uint8 photo at the size to compare at.
        camera: The photo's camera, at any size of the photo.
        count: How many of them, the first ones, change; None: all.
        progress: Called with the fraction done; it may raise to stop the work.

    Returns:
        The same Gaussians with new colours.
    """
    height, width = photo_srgb.shape[:2]
    view = project(gaussians, camera.resized(width, height), low_pass_px2=LOW_PASS_PX2)
    target = photo_srgb.astype(np.float32) / np.float32(255)
    color = np.clip(dc_to_rgb(gaussians.sh[view.index, 0]), 0, 1)
    size = np.where(view.index < (len(gaussians) if count is None else count), np.float32(STEP_SIZE), np.float32(0))
    for step in range(STEPS):
        color = np.clip(color + size[:, None] * _mean_error(view, color, target), 0, 1)
        if progress:
            progress((step + 1) / STEPS)
    sh = np.array(gaussians.sh)
    sh[view.index, 0] = rgb_to_dc(color)
    return replace(gaussians, sh=sh)


def _mean_error(view: Projection, color: NDArray[np.float32], target: NDArray[np.float32]) -> NDArray[np.float32]:
    """(M, 3) weighted mean of target minus render over the pixels that each splat shows in."""
    sums = _error_by_entry(
        view.center_px, view.conic, view.opacity, color, view.box_px, view.tile_start, view.entries, target
    )
    return _mean_by_splat(sums, view.entries, len(color))


@jit(parallel=True)
def _error_by_entry(center, conic, opacity, color, box, tile_start, entries, target):
    """(E, 4) float32: error times weight by channel, and weight, of each splat in each tile."""
    height, width = target.shape[:2]
    sums = np.zeros((len(entries), 4), np.float32)
    tiles_x = (width + TILE_PX - 1) // TILE_PX
    for tile in prange(len(tile_start) - 1):
        left, top = (tile % tiles_x) * TILE_PX, (tile // tiles_x) * TILE_PX
        right, bottom = min(left + TILE_PX, width), min(top + TILE_PX, height)
        rgb = np.zeros((TILE_PX, TILE_PX, 3), np.float32)
        light = np.ones((TILE_PX, TILE_PX), np.float32)
        # The first round renders the tile, the second one hands its errors back.
        for back in range(2):
            for e in range(tile_start[tile], tile_start[tile + 1]):
                i = entries[e]
                a, b, c = conic[i, 0], conic[i, 1], conic[i, 2]
                for py in range(max(box[i, 2], top), min(box[i, 3], bottom)):
                    dy = np.float32(py) + np.float32(0.5) - center[i, 1]
                    for px in range(max(box[i, 0], left), min(box[i, 1], right)):
                        row, column = py - top, px - left
                        through = light[row, column]
                        if through < np.float32(MIN_TRANSMITTANCE):
                            continue
                        dx = np.float32(px) + np.float32(0.5) - center[i, 0]
                        power = np.float32(-0.5) * (a * dx * dx + c * dy * dy) - b * dx * dy
                        alpha = min(np.float32(MAX_ALPHA), opacity[i] * np.exp(power))
                        if alpha < np.float32(MIN_ALPHA):
                            continue
                        weight = alpha * through
                        light[row, column] = through * (np.float32(1) - alpha)
                        if back == 0:
                            for channel in range(3):
                                rgb[row, column, channel] += weight * color[i, channel]
                        else:
                            for channel in range(3):
                                sums[e, channel] += weight * rgb[row, column, channel]
                            sums[e, 3] += weight
            if back == 0:
                for row in range(bottom - top):
                    for column in range(right - left):
                        covered = np.float32(1) - light[row, column]
                        light[row, column] = np.float32(1) if covered > np.float32(_COVERED) else np.float32(0)
                        for channel in range(3):
                            error = target[top + row, left + column, channel]
                            if covered > 0:
                                error -= rgb[row, column, channel] / covered
                            rgb[row, column, channel] = error
    return sums


@jit()
def _mean_by_splat(sums, entries, count):
    total = np.zeros((count, 4), np.float32)
    for e in range(len(entries)):
        for k in range(4):
            total[entries[e], k] += sums[e, k]
    mean = np.zeros((count, 3), np.float32)
    for i in range(count):
        if total[i, 3] > np.float32(MIN_ALPHA):
            for channel in range(3):
                mean[i, channel] = total[i, channel] / total[i, 3]
    return mean
