"""The released samplers of surface points, as a baseline that ours are compared with; the product has its own.

Both are written from the specification: the triangle sampler that the released pipeline uses, and
the normal-weighted one that it contains. They take depth on a grid with pixel centres at whole numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

MAX_DEPTH_M = 90.0
_FAR_RATIO = 1.10
_PATTERN_LENGTH = 2000


@dataclass(frozen=True)
class Triangles:
    """The triangles of a depth map that were kept.

    Attributes:
        corners_yx: (F, 3, 2) float32 pixel indices (row, column).
        areas: (F,) float32.
        count_all, count_connected: Number of all, and of those that span no depth step.
    """

    corners_yx: NDArray[np.float32]
    areas: NDArray[np.float32]
    count_all: int
    count_connected: int

    def __len__(self) -> int:
        return len(self.areas)


def triangles(
    depth: NDArray[np.float32],
    intrinsics: tuple[float, float, float, float],
    *,
    sample_filter_mode: Literal["max_depth", "sky_mask", "none"] = "max_depth",
    depth_ratio: float = 1.05,
    max_edge: float | None = None,
    sky_mask: NDArray[np.uint8] | None = None,
) -> Triangles:
    """Triangulates a depth map and drops what spans a step, is too far, or is sky.

    Args:
        depth: (h, w) metres.
        intrinsics: fx, fy, cx, cy.
        sample_filter_mode: What is dropped besides depth steps.
        depth_ratio: Largest ratio of depths within a triangle up to 1 m away; further on it goes to 1.1 at 100 m.
        max_edge: Longest edge, metres.
        sky_mask: (h, w), not 0 at the sky.
    """
    height, width = depth.shape
    fx, fy, cx, cy = (np.float32(v) for v in intrinsics)
    row, column = np.mgrid[:height, :width]
    x, y = (column.astype(np.float32) - cx) / fx * depth, (row.astype(np.float32) - cy) / fy * depth
    places = np.stack([x, y, depth], axis=-1).reshape(-1, 3)
    index = np.arange(height * width).reshape(height, width)
    a, b, c, d = (part.ravel() for part in (index[:-1, :-1], index[1:, :-1], index[:-1, 1:], index[1:, 1:]))
    faces = np.concatenate([np.stack([a, b, c], axis=1), np.stack([d, c, b], axis=1)])
    count_all = len(faces)

    z = depth.ravel()[faces]
    far_share = np.clip(np.log10(np.maximum(z.mean(axis=1), 1)) / 2, 0, 1)
    limit = np.float32(depth_ratio) + np.float32(_FAR_RATIO - depth_ratio) * far_share
    keep = (z.min(axis=1) > 0) & (z.max(axis=1) / np.maximum(z.min(axis=1), np.float32(1e-12)) < limit)
    if max_edge is not None:
        corners = places[faces]
        edges = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=-1)
        keep &= edges.max(axis=1) < max_edge
    faces = faces[keep]
    count_connected = len(faces)

    if sample_filter_mode == "max_depth":
        faces = faces[depth.ravel()[faces].max(axis=1) < MAX_DEPTH_M]
    elif sample_filter_mode == "sky_mask" and sky_mask is not None:
        faces = faces[~(sky_mask.ravel()[faces] > 0).any(axis=1)]
    if not len(faces):
        raise ValueError("no triangle is left")
    first, second, third = np.moveaxis(places[faces], 1, 0)
    areas = np.linalg.norm(np.cross(second - first, third - first), axis=1) / np.float32(2)
    corners_yx = np.stack(np.divmod(faces, width), axis=-1).astype(np.float32)
    return Triangles(corners_yx, areas, count_all, count_connected)


def largest_triangles(kept: Triangles, n: int) -> NDArray[np.float32]:
    """(N, 2) places (row, column): centroids of the largest triangles, and more by the root of the area."""
    centroids = kept.corners_yx.mean(axis=1)
    if n <= len(kept):
        return centroids[np.argsort(-kept.areas, kind="stable")[:n]]
    root = np.sqrt(kept.areas)
    quota = (n - len(kept)) * (root / root.sum())
    counts = np.floor(quota).astype(np.int64)
    missing = n - len(kept) - counts.sum()
    counts[np.argsort(-(quota - counts), kind="stable")[:missing]] += 1
    owner = np.repeat(np.arange(len(kept)), counts)
    turn = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    weights = _pattern()[np.minimum(turn, _PATTERN_LENGTH - 1)]
    return np.concatenate([centroids, np.einsum("nk,nkc->nc", weights, kept.corners_yx[owner])])


@cache
def _pattern() -> NDArray[np.float32]:
    """(2000, 3) places in a triangle, by ever finer lattices; corners and edges come again and again."""
    entries: list[tuple[float, float, float]] = []
    n = 0
    while len(entries) < _PATTERN_LENGTH:
        n += 1
        for a in range(n + 1):
            for b in range(n + 1 - a):
                w = (a / n, b / n, (n - a - b) / n)
                if not (abs(w[0] - 1 / 3) < 0.01 and abs(w[1] - 1 / 3) < 0.01):
                    entries.append(w)
    return np.array(entries[:_PATTERN_LENGTH], np.float32)


def random_in_triangles(kept: Triangles, n: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """(N, 2) places (row, column), evenly on the surface in the mean."""
    share = kept.areas.astype(np.float64)
    face = rng.choice(len(kept), n, p=share / share.sum())
    u, v = rng.random((2, n))
    over = u + v > 1
    u, v = np.where(over, 1 - u, u), np.where(over, 1 - v, v)
    weights = np.stack([1 - u - v, u, v], axis=1).astype(np.float32)
    return np.einsum("nk,nkc->nc", weights, kept.corners_yx[face])


def to_coords(places: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Query coordinates (y, x) in [-1, 1] of places in pixels, centres at whole numbers."""
    return ((places + np.float32(0.5)) / np.array(shape, np.float32) * 2 - 1).astype(np.float32)


def within_depth_ratio(means: NDArray[np.float32], camera: NDArray[np.float32], ratio: float) -> NDArray[np.bool_]:
    """(N,) whether a Gaussian is at most `ratio` of the largest distance away from the camera."""
    distance = np.linalg.norm(means - camera, axis=1)
    return distance <= ratio * distance.max()


# -- normal-weighted ------------------------------------------------------------------

_EPS = 1e-6


def normal_weights(
    depth: NDArray[np.float64],
    slope_yx: NDArray[np.float64] | None,
    intrinsics: NDArray[np.float32],
) -> NDArray[np.float64]:
    """(h, w) probability of each pixel, z^2 / |n . v|.

    Args:
        depth: (h, w) metres at the pixel centres.
        slope_yx: (h, w, 2) its derivative by the coordinates (y, x); None: taken as 0, as the
            release does by forbidding gradients.
        intrinsics: (3, 3).
    """
    height, width = depth.shape
    fx, fy, cx, cy = (float(intrinsics[i]) for i in ((0, 0), (1, 1), (0, 2), (1, 2)))
    y, x = np.mgrid[:height, :width].astype(np.float64)
    rays = np.stack([(x - cx) / fx, (y - cy) / fy, np.ones_like(x)], axis=-1)
    point = rays * depth[..., None]
    z_y, z_x = (np.zeros_like(depth),) * 2 if slope_yx is None else np.moveaxis(slope_yx, -1, 0)
    # One coordinate spans half the image: pixels per coordinate are W / 2 and H / 2.
    by_x = rays * (z_x * 2 / width)[..., None] + depth[..., None] * np.array([1 / fx, 0, 0])
    by_y = rays * (z_y * 2 / height)[..., None] + depth[..., None] * np.array([0, 1 / fy, 0])
    normal = np.cross(by_x, by_y)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True) + _EPS
    view = -point / (np.linalg.norm(point, axis=-1, keepdims=True) + _EPS)
    facing = np.abs((normal * view).sum(axis=-1))
    weight = np.clip(depth**2 / np.maximum(facing, _EPS), 1e-6, 1e6)
    return weight / weight.sum()


def cells_by_weight(probability: NDArray[np.floating], n: int) -> NDArray[np.int64]:
    """(N,) flat pixel indices: equal steps along the summed probability."""
    summed = np.cumsum(probability.ravel(), dtype=np.float64)
    steps = (np.arange(n) + 0.5) / n
    return np.minimum(np.searchsorted(summed, steps, side="right"), probability.size - 1)


def jittered_coords(
    cells: NDArray[np.int64], jitter_yx: NDArray[np.floating], shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """(N, 2) query coordinates as the release makes them: half a pixel too far down and right."""
    places = np.stack(np.divmod(cells, shape[1]), axis=1) + 0.5 + jitter_yx
    return (places + 0.5) / np.array(shape) * 2 - 1
