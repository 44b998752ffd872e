"""Splats between neighbouring pixels of a grid, where a surface is so steep that their discs do not meet.

Discs are stretched along slanted surfaces only so far (`placed.MAX_STRETCH`), and each lies in the plane of its
own pixel: where the surface jumps from one pixel to the next, or turns away from the photo's camera, a camera
that has moved aside looks through between them. A mesh closes such a cell with one stretched face. Here needles
along the photo's rays fill it: seen from aside they are long, and as far as the camera moves they grow in its picture as
the gap does; the photo's own camera sees points so small that they hardly blur what is around them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..camera import Camera
from ..reconstruction import Gaussians
from .placed import MAX_STRETCH, OPACITY, SPREAD, quaternions_from_normals
from .sh import rgb_to_dc

MIN_GAP_PX = 0.7
"""Narrower gaps, in pixels of the grid as the moved camera sees them, are closed by the discs' own spread."""

LENGTH_PX = 4.0
"""Most that one splat fills of a gap, in the same pixels: shorter ones are more, longer ones stick out further."""

MAX_CHANGE = 0.1
"""Most that one splat fills of the disparity in the middle of a gap: within it, depth is nearly linear in disparity."""

MAX_DEEP = 0.3
"""Largest standard deviation along a ray, relative to the distance."""

WIDTH = 0.5
"""Standard deviation across, in pixels of the grid. At a disc's 0.65 they cover too much of the photo: on the motorcycle
its own view had 40.4 dB instead of 41.9 dB, without any splats between 42.0 dB."""

MAX_SHARE = 1.0
"""Most splats for each pixel of the grid. A depth that is noise throughout has gaps everywhere: the widest come first."""

_STEEPEST = math.sqrt(MAX_STRETCH**2 - 1)
"""Tangent of the angle up to which a disc follows a surface that turns away from the camera."""


@dataclass(frozen=True)
class GridSurface:
    """A surface on the pixels of a grid, and where it goes on from one to the next.

    Attributes:
        disparity: (h, w) float32, 1 / metres; anything where there is no surface.
        d_x, d_y: (h, w) float32 change of disparity per pixel on the plane of each pixel's disc.
        right: (h, w - 1) bool, the surface goes on from (i, j) to (i, j + 1).
        down: (h - 1, w) bool, likewise from (i, j) to (i + 1, j).
    """

    disparity: NDArray[np.float32]
    d_x: NDArray[np.float32]
    d_y: NDArray[np.float32]
    right: NDArray[np.bool_]
    down: NDArray[np.bool_]


@dataclass(frozen=True)
class _Gaps:
    """Links of a grid whose discs do not meet.

    Attributes:
        first, second: (L,) flat indices of the pixels at both ends.
        begin, end: (L,) float32 disparities at which the discs of either end leave off.
        width_px: (L,) float32 how wide the moved camera sees the gap.
    """

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    begin: NDArray[np.float32]
    end: NDArray[np.float32]
    width_px: NDArray[np.float32]

    def count(self) -> NDArray[np.intp]:
        """(L,) how many splats fill each."""
        change = 2 * np.abs(self.end - self.begin) / (self.begin + self.end)
        return np.ceil(np.maximum(self.width_px / LENGTH_PX, change / MAX_CHANGE)).astype(np.intp)

    def chosen(self, which: NDArray[np.intp]) -> _Gaps:
        return _Gaps(*(getattr(self, name)[which] for name in self.__dataclass_fields__))


def gaussians_between(surface: GridSurface, camera: Camera, colors_srgb: NDArray[np.uint8], move_m: float) -> Gaussians:
    """Fills the gaps between the discs of neighbouring pixels.

    A camera that moves aside by b sees a change of disparity by D as focal length * b * D pixels: a gap is divided
    evenly in disparity.

    Args:
        surface: What the discs stand on.
        camera: The photo's camera, at any size.
        colors_srgb: (h, w, 3) uint8 colours of the discs; splats between two of them have mixtures.
        move_m: How far aside a camera may move and see no gap, metres.

    Returns:
        Gaussians on the rays half-way between two pixels, whose third axis lies along the ray: first those
        between the neighbours in a row, then those in a column.
    """
    height, width = surface.disparity.shape
    grid_camera = camera.resized(width, height)
    gaps = _within(_gaps(surface, grid_camera, move_m), int(MAX_SHARE * height * width))
    count = gaps.count()
    which = np.repeat(np.arange(len(count)), count)
    number = np.arange(len(which)) - np.repeat(np.cumsum(count) - count, count)
    part = ((number + 0.5) / count[which]).astype(np.float32)[:, None]
    colors = colors_srgb.reshape(-1, 3)
    rgb = (1 - part) * colors[gaps.first[which]] + part * colors[gaps.second[which]]
    change = (gaps.end - gaps.begin)[which]
    z = 1 / (gaps.begin[which] + change * part[:, 0])
    from_row, from_col = np.divmod(gaps.first[which], width)
    to_row, to_col = np.divmod(gaps.second[which], width)
    rays = grid_camera.unproject((from_col + to_col + 1) / 2, (from_row + to_row + 1) / 2, np.ones_like(z))
    length = np.linalg.norm(rays, axis=-1)
    across_m = z * np.float32(WIDTH / math.sqrt(grid_camera.fx_px * grid_camera.fy_px))
    along_m = z * np.minimum(np.float32(SPREAD) * z * np.abs(change) / count[which], np.float32(MAX_DEEP)) * length
    return Gaussians(
        means=(rays * z[:, None]).astype(np.float32),
        scales=np.stack([across_m, across_m, np.maximum(along_m, across_m)], axis=-1).astype(np.float32),
        rotations=quaternions_from_normals(rays / length[:, None]),
        opacities=np.full(len(z), OPACITY, np.float32),
        sh=rgb_to_dc(rgb / np.float32(255))[:, None, :].astype(np.float32),
    )


def _gaps(surface: GridSurface, camera: Camera, move_m: float) -> _Gaps:
    """All gaps that the moved camera sees; the camera has the grid's size."""
    disparity = surface.disparity
    pixel = np.arange(disparity.size).reshape(disparity.shape)
    parts: list[_Gaps] = []
    for slope, linked, focal_px, a, b in (
        (surface.d_x, surface.right, camera.fx_px, np.s_[:, :-1], np.s_[:, 1:]),
        (surface.d_y, surface.down, camera.fy_px, np.s_[:-1], np.s_[1:]),
    ):
        # Each disc reaches half-way to its neighbour on its own plane, as far as it may be stretched.
        steepest = disparity * np.float32(_STEEPEST / focal_px)
        reached = np.clip(slope, -steepest, steepest) / 2
        begin, end = disparity[a] + reached[a], disparity[b] - reached[b]
        width_px = np.float32(focal_px * move_m) * np.abs(end - begin)
        gap = linked & (width_px > MIN_GAP_PX)
        # Discs may also leave a gap beyond their link's ends, where a noisy surface bends twice.
        low, high = np.minimum(disparity[a], disparity[b])[gap], np.maximum(disparity[a], disparity[b])[gap]
        begin, end = np.clip(begin[gap], low, high), np.clip(end[gap], low, high)
        parts.append(_Gaps(pixel[a][gap], pixel[b][gap], begin, end, width_px[gap]))
    return _Gaps(*(np.concatenate([getattr(part, name) for part in parts]) for name in _Gaps.__dataclass_fields__))


def _within(gaps: _Gaps, most: int) -> _Gaps:
    """The gaps that `most` splats fill, the widest if not all."""
    count = gaps.count()
    if count.sum() <= most:
        return gaps
    widest = np.argsort(-gaps.width_px, kind="stable")
    return gaps.chosen(np.sort(widest[np.cumsum(count[widest]) <= most]))
