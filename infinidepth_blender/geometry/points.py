"""A coloured point cloud from samples of the surface."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..camera import Camera
from ..reconstruction import PointArrays

ROUND_COSINE = 0.3
"""Cosine between ray and normal below which a round point is drawn smaller than its spacing; see `drawn_radius_m`."""


def coords_to_px(coords_yx: NDArray[np.float32], width_px: int, height_px: int) -> NDArray[np.float64]:
    """(N, 2) pixel positions (x, y), centres at +0.5, of query coordinates (y, x) in [-1, 1]."""
    size = np.array([width_px, height_px], dtype=np.float64)
    return (coords_yx[:, ::-1].astype(np.float64) + 1) / 2 * size


def build_points(
    coords_yx: NDArray[np.float32],
    depth_m: NDArray[np.float32],
    normals_cam: NDArray[np.float32],
    area_m2: NDArray[np.float32],
    confidence: NDArray[np.float32],
    camera: Camera,
    photo_srgb: NDArray[np.uint8],
) -> PointArrays:
    """Makes the point cloud of surface samples.

    Args:
        coords_yx: (N, 2) query coordinates in [-1, 1].
        depth_m: (N,) metres.
        normals_cam: (N, 3) unit normals.
        area_m2: (N,) surface area that each sample stands for; its square root is the
            spacing of the points there, half of that their radius.
        confidence: (N,) in [0, 1].
        camera: Camera at the photo's size.
        photo_srgb: (H, W, 3) uint8 of any size; colours are interpolated between its pixels.
    """
    px = coords_to_px(coords_yx, camera.width_px, camera.height_px)
    positions = camera.unproject(px[:, 0], px[:, 1], depth_m)
    away = np.einsum("ij,ij->i", normals_cam, positions) > 0
    normals = np.where(away[:, None], -normals_cam, normals_cam).astype(np.float32)
    return PointArrays(
        positions_cam=positions,
        normals_cam=normals,
        colors_srgb=sample_colors(photo_srgb, coords_yx),
        radius_m=(0.5 * np.sqrt(area_m2)).astype(np.float32),
        confidence=confidence.astype(np.float32),
        source_px=px.astype(np.float32),
    )


def drawn_radius_m(points: PointArrays) -> NDArray[np.float32]:
    """(N,) radius at which points are drawn as balls: their `radius_m`, less where the surface is strongly slanted.

    There a photo shows much surface in few pixels: a ball as wide as a point's share of it
    stands out in front of its neighbours and beyond outlines. Seen from near the photo's camera
    the rows of points lie that much closer, so that smaller balls still close up.
    """
    distance = np.linalg.norm(points.positions_cam, axis=1)
    cosine = np.abs(np.einsum("ij,ij->i", points.normals_cam, points.positions_cam)) / np.maximum(
        distance, np.finfo(np.float32).tiny
    )
    return (points.radius_m * np.sqrt(np.minimum(cosine / ROUND_COSINE, 1))).astype(np.float32)


def sample_colors(photo_srgb: NDArray[np.uint8], coords_yx: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(N, 3) uint8 colours at query coordinates, bilinear between pixel centres."""
    height, width = photo_srgb.shape[:2]
    at = coords_to_px(coords_yx, width, height) - 0.5
    x = np.clip(at[:, 0], 0, width - 1)
    y = np.clip(at[:, 1], 0, height - 1)
    x0, y0 = x.astype(np.intp), y.astype(np.intp)
    x1, y1 = np.minimum(x0 + 1, width - 1), np.minimum(y0 + 1, height - 1)
    fx, fy = (x - x0).astype(np.float32)[:, None], (y - y0).astype(np.float32)[:, None]
    top = photo_srgb[y0, x0] * (1 - fx) + photo_srgb[y0, x1] * fx
    bottom = photo_srgb[y1, x0] * (1 - fx) + photo_srgb[y1, x1] * fx
    return np.rint(top * (1 - fy) + bottom * fy).astype(np.uint8)
