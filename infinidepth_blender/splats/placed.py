"""Gaussians placed on surface samples: a flat disc each, as large as the surface that it stands for.

This needs no trained Gaussian head: position and normal come from the depth field, the
colour from the photo, the size from the area between a sample and its neighbours.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..camera import Camera
from ..reconstruction import FLAG_SKY, FLAG_VALID, Gaussians, PointArrays
from .sh import rgb_to_dc

SPREAD = 0.65
"""Standard deviation of a disc in units of the sample spacing, the square root of the area.

Measured: the smallest with which 99.9 % of a closed surface come out at least 90 % opaque without
any low-pass.
"""

THICKNESS = 0.1
"""Standard deviation along the normal in units of the disc's smaller one."""

OPACITY = 0.99

MAX_STRETCH = 8.0
"""Longest axis of a disc against its shortest: a sliver seen edge-on must not become a needle
that sticks out over the next depth edge."""

_TINY = 1e-24


def gaussians_on_surface(points: PointArrays, area_m2: NDArray[Any]) -> Gaussians:
    """Places one disc on each sample, in the plane of the surface.

    Neighbouring samples are equally far apart in all directions of the photo, as the pixels of
    a grid are: each disc is an ellipse that projects to a circle.

    Args:
        points: N samples with normals and the photo's colour.
        area_m2: (N,) surface area that each sample stands for, square metres.

    Returns:
        N Gaussians with view independent colour (K = 1). The third axis of each lies along
        the normal, either way. The same input gives the same output, bit by bit.

    Raises:
        ValueError: `area_m2` does not fit `points`.
    """
    area = np.asarray(area_m2, dtype=np.float32)
    if area.shape != (len(points.positions_cam),):
        raise ValueError(f"area_m2 has shape {area.shape}, expected ({len(points.positions_cam)},)")
    normals = _unit_normals(points.normals_cam, points.positions_cam)
    frame = quaternions_from_normals(normals)
    side = np.float32(SPREAD) * np.sqrt(np.maximum(area, _TINY))
    scales = np.empty((len(side), 3), dtype=np.float32)
    angle, stretch = _image_circle_on_plane(points.positions_cam, normals, frame)
    root = np.sqrt(stretch)
    scales[:, 0], scales[:, 1] = side * root, side / root
    scales[:, 2] = scales[:, 1] * np.float32(THICKNESS)
    return Gaussians(
        means=np.array(points.positions_cam, dtype=np.float32),
        scales=scales,
        rotations=_turned_about_own_z(frame, angle),
        opacities=np.full(len(side), OPACITY, dtype=np.float32),
        sh=rgb_to_dc(points.colors_srgb / np.float32(255))[:, None, :],
    )


def gaussians_on_grid(
    depth_m: NDArray[Any],
    normals_cam: NDArray[Any],
    flags: NDArray[np.uint8],
    camera: Camera,
    colors_srgb: NDArray[np.uint8],
    *,
    sky_depth_m: float | None = None,
) -> Gaussians:
    """Places one disc on each pixel of a depth grid.

    A grid follows the photo: near things get as many splats for each pixel as far ones,
    and the discs of a slanted surface are stretched so that it stays closed from the side.

    Args:
        depth_m: (h, w) distance along the optical axis, metres, at the grid's pixel centres.
        normals_cam: (h, w, 3) unit normals, 0 where there is no surface.
        flags: (h, w) bits `FLAG_VALID` and `FLAG_SKY`.
        camera: Camera for an image of any size with the grid's aspect.
        colors_srgb: (h, w, 3) uint8 photo at the grid's size.
        sky_depth_m: Depth of a plane of discs for the sky; None leaves the sky empty.

    Returns:
        One Gaussian for each valid pixel, row by row, then one for each sky pixel.
    """
    height, width = depth_m.shape
    grid_camera = camera.resized(width, height)
    parts = [_grid_part(np.nonzero((flags & FLAG_VALID) != 0), depth_m, normals_cam, grid_camera, colors_srgb)]
    if sky_depth_m is not None:
        sky = np.nonzero((flags & FLAG_SKY) != 0)
        plane = np.full(depth_m.shape, sky_depth_m, np.float32)
        facing = np.broadcast_to(np.array([0, 0, -1], np.float32), (*depth_m.shape, 3))
        parts.append(_grid_part(sky, plane, facing, grid_camera, colors_srgb))
    placed = [gaussians_on_surface(points, area) for points, area in parts]
    return placed[0] if len(placed) == 1 else concatenate(*placed)


def concatenate(first: Gaussians, *others: Gaussians) -> Gaussians:
    """All Gaussians in one; coefficients that some do not have are 0."""
    parts = (first, *others)
    coefficients = max(part.sh.shape[1] for part in parts)
    padded = [np.pad(part.sh, ((0, 0), (0, coefficients - part.sh.shape[1]), (0, 0))) for part in parts]
    return Gaussians(
        means=np.concatenate([part.means for part in parts]),
        scales=np.concatenate([part.scales for part in parts]),
        rotations=np.concatenate([part.rotations for part in parts]),
        opacities=np.concatenate([part.opacities for part in parts]),
        sh=np.concatenate(padded),
    )


def quaternions_from_normals(normals: NDArray[Any]) -> NDArray[np.float32]:
    """Rotations that bring the third axis onto given directions, up to their sign.

    A disc has no front, so each direction is first turned to the half space of positive z:
    the shortest rotation from +z to there is never close to its singularity at -z.

    Args:
        normals: (N, 3) unit vectors.

    Returns:
        (N, 4) float32 unit quaternions w, x, y, z.
    """
    n = np.asarray(normals, dtype=np.float64)
    n = np.where(n[:, 2:] < 0, -n, n)
    q = np.stack([1 + n[:, 2], -n[:, 1], n[:, 0], np.zeros(len(n))], axis=-1)
    return (q / np.linalg.norm(q, axis=-1, keepdims=True)).astype(np.float32)


def rotation_matrices(quaternions: NDArray[Any]) -> NDArray[Any]:
    """(N, 3, 3) rotations of (N, 4) unit quaternions w, x, y, z, in their floating type."""
    w, x, y, z = np.moveaxis(np.asarray(quaternions), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def _grid_part(
    rows_columns: tuple[NDArray[np.intp], ...],
    depth_m: NDArray[Any],
    normals_cam: NDArray[Any],
    camera: Camera,
    colors_srgb: NDArray[np.uint8],
) -> tuple[PointArrays, NDArray[np.float32]]:
    """Samples at chosen pixels, and the area of a pixel on the surface at each."""
    rows, columns = rows_columns
    x_px, y_px = columns + 0.5, rows + 0.5
    rays = camera.unproject(x_px, y_px, np.ones(len(rows), dtype=np.float32))
    length = np.linalg.norm(rays, axis=-1)
    z = np.asarray(depth_m[rows, columns], dtype=np.float32)
    positions = rays * z[:, None]
    normals = _unit_normals(normals_cam[rows, columns], positions)
    # Area of a pixel on the surface: z^2 / (fx fy |n . r|), r not normalised; the
    # floor keeps a pixel seen edge-on from standing for an unbounded area.
    slant = np.maximum(np.abs(np.einsum("ni,ni->n", normals, rays)), length / MAX_STRETCH)
    area = (z * z / np.float32(camera.fx_px * camera.fy_px) / slant).astype(np.float32)
    points = PointArrays(
        positions_cam=positions.astype(np.float32),
        normals_cam=normals,
        colors_srgb=colors_srgb[rows, columns],
        radius_m=np.sqrt(area) / 2,
        confidence=np.ones(len(rows), dtype=np.float32),
        source_px=np.stack([x_px, y_px], axis=-1).astype(np.float32),
    )
    return points, area


def _unit_normals(normals: NDArray[Any], positions: NDArray[Any]) -> NDArray[np.float32]:
    """Normalised; where there is no normal the disc faces the camera."""
    n = np.asarray(normals, dtype=np.float32)
    length = np.linalg.norm(n, axis=-1, keepdims=True)
    p = np.asarray(positions, dtype=np.float32)
    facing = -p / np.maximum(np.linalg.norm(p, axis=-1, keepdims=True), _TINY)
    good = np.isfinite(length) & (length > 1e-6)
    return np.where(good, np.divide(n, length, where=good, out=np.zeros_like(n)), facing)


def _image_circle_on_plane(
    positions: NDArray[Any], normals: NDArray[np.float32], frame: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The ellipse on each sample's plane that projects to a circle in the image.

    One step right or down in the image moves the point on its plane by e - r (n . e) / (n . r)
    (times depth over focal length); the two steps span the ellipse.

    Returns:
        (N,) angle of the long axis in the plane's frame, radians, and (N,) long over short axis.
    """
    axes = rotation_matrices(frame.astype(np.float64))
    rays = positions.astype(np.float64)
    rays = rays / np.where(np.abs(rays[:, 2:]) > _TINY, rays[:, 2:], _TINY)
    n = normals.astype(np.float64)
    along = np.einsum("ni,ni->n", n, rays)
    along = np.where(np.abs(along) > 1e-3, along, np.where(along < 0, -1e-3, 1e-3))
    steps = np.eye(3)[None, :2] - rays[:, None, :] * (n[:, :2] / along[:, None])[:, :, None]
    local = np.einsum("nsi,nij->nsj", steps, axes[:, :, :2])
    xx, yy = (local[:, :, 0] ** 2).sum(1), (local[:, :, 1] ** 2).sum(1)
    xy = (local[:, :, 0] * local[:, :, 1]).sum(1)
    angle = 0.5 * np.arctan2(2 * xy, xx - yy)
    middle, half = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    stretch = np.sqrt((middle + half) / np.maximum(middle - half, (middle + half) / MAX_STRETCH**2))
    return angle.astype(np.float32), stretch.astype(np.float32)


def _turned_about_own_z(quaternions: NDArray[np.float32], angle_rad: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each rotation after a turn about the third axis: q * (cos a/2, 0, 0, sin a/2)."""
    w, x, y, z = np.moveaxis(quaternions, -1, 0)
    c, s = np.cos(angle_rad / 2), np.sin(angle_rad / 2)
    return np.stack([w * c - z * s, x * c + y * s, y * c - x * s, z * c + w * s], axis=-1).astype(np.float32)
