"""A tile rasteriser for 3D Gaussians on the CPU.

Each Gaussian is projected by the local linearisation of the perspective (EWA splatting,
Zwicker et al. 2001), put into the list of every tile that it touches, nearest first, and
blended front to back with the transmittance, as in 3D Gaussian splatting (Kerbl et al.
2023). Needs numba: the engine imports this module, Blender does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from ..camera import Camera
from ..compiled import jit
from ..reconstruction import NO_DEPTH_M, Gaussians
from .sh import dc_to_rgb, evaluate_sh

TILE_PX = 16
LOW_PASS_PX2 = 0.3
"""Variance that 3DGS adds to every projected Gaussian, so that none falls between pixels."""

NEAR_M = 0.01
"""Nearer splats are not drawn, but where all that is seen is small: then a fiftieth of its median distance."""
_NEAR_SHARE = 0.02
MIN_ALPHA = 1 / 255
MAX_ALPHA = 0.999
MIN_TRANSMITTANCE = 1e-4
_CLAMP_MARGIN = 0.3
"""The Jacobian is taken at most this part of the field of view outside the image (3DGS: 1.3 tan)."""


@dataclass(frozen=True)
class RasterImage:
    """A rendered view.

    Attributes:
        rgb: (h, w, 3) float32, colour over the background, in the encoding of the splats.
        alpha: (h, w) float32 opacity.
        depth_m: (h, w) float32 mean distance along the optical axis of what is seen;
            `NO_DEPTH_M` where nothing is.
    """

    rgb: NDArray[np.float32]
    alpha: NDArray[np.float32]
    depth_m: NDArray[np.float32]


@dataclass(frozen=True)
class Projection:
    """Gaussians that a camera sees, nearest first, and the tiles that they touch.

    Attributes:
        index: (M,) which Gaussian each row is.
        center_px: (M, 2) float32 projected mean (x, y), pixel centres at +0.5.
        conic: (M, 3) float32 inverse covariance a, b, c: a dx^2 + 2 b dx dy + c dy^2.
        opacity: (M,) float32.
        color: (M, 3) float32.
        depth_m: (M,) float32.
        box_px: (M, 4) int32 first and past-the-last column and row that it reaches.
        tile_start: (T + 1,) int64 start of each tile's list in `entries`.
        entries: (E,) int32 rows of this projection, tile by tile, nearest first.
        width_px, height_px: Size of the image.
    """

    index: NDArray[np.int64]
    center_px: NDArray[np.float32]
    conic: NDArray[np.float32]
    opacity: NDArray[np.float32]
    color: NDArray[np.float32]
    depth_m: NDArray[np.float32]
    box_px: NDArray[np.int32]
    tile_start: NDArray[np.int64]
    entries: NDArray[np.int32]
    width_px: int
    height_px: int


def rasterise(
    gaussians: Gaussians,
    camera: Camera,
    cam_to_world: NDArray[Any] | None = None,
    *,
    background: tuple[float, float, float] = (0.0, 0.0, 0.0),
    low_pass_px2: float = LOW_PASS_PX2,
) -> RasterImage:
    """Renders Gaussians as a pinhole camera sees them.

    Args:
        gaussians: The Gaussians, in world space.
        camera: Intrinsics and size of the image.
        cam_to_world: (4, 4) pose of the camera, OpenCV axes; None is the identity.
        background: Colour behind everything.
        low_pass_px2: Variance in square pixels added to every projected Gaussian.

    Returns:
        The view. Gaussians at the same depth are blended in the order given; otherwise
        their order does not matter.
    """
    view = project(gaussians, camera, cam_to_world, low_pass_px2=low_pass_px2)
    rgb, alpha, depth = _blend(
        view.center_px,
        view.conic,
        view.opacity,
        view.color,
        view.depth_m,
        view.box_px,
        view.tile_start,
        view.entries,
        view.width_px,
        view.height_px,
        np.array(background, np.float32),
        NO_DEPTH_M,
    )
    return RasterImage(rgb, alpha, depth)


def _near_m(means: NDArray[np.float32], world_to_cam: NDArray[np.float64]) -> float:
    """Distance in metres along the optical axis from which on splats with these (N, 3) means are drawn."""
    depth = means @ world_to_cam[2, :3].astype(np.float32) + np.float32(world_to_cam[2, 3])
    ahead = depth[depth > 0]
    return min(NEAR_M, _NEAR_SHARE * float(np.median(ahead))) if len(ahead) else NEAR_M


def project(
    gaussians: Gaussians,
    camera: Camera,
    cam_to_world: NDArray[Any] | None = None,
    *,
    low_pass_px2: float = LOW_PASS_PX2,
) -> Projection:
    """Projects, culls, colours and sorts Gaussians; the arguments are those of `rasterise`."""
    pose = np.eye(4) if cam_to_world is None else np.asarray(cam_to_world, dtype=np.float64)
    world_to_cam = np.linalg.inv(pose)
    center, conic, opacity, depth, box = _project(
        np.ascontiguousarray(gaussians.means, np.float32),
        np.ascontiguousarray(gaussians.scales, np.float32),
        np.ascontiguousarray(gaussians.rotations, np.float32),
        np.ascontiguousarray(gaussians.opacities, np.float32),
        world_to_cam,
        np.array([camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px]),
        camera.width_px,
        camera.height_px,
        low_pass_px2,
        _near_m(gaussians.means, world_to_cam),
    )
    seen = np.nonzero(box[:, 1] > box[:, 0])[0]
    seen = seen[np.argsort(depth[seen], kind="stable")]
    center, conic, opacity, depth, box = (a[seen] for a in (center, conic, opacity, depth, box))
    if gaussians.sh.shape[1] == 1:
        color = np.maximum(dc_to_rgb(gaussians.sh[seen, 0]), 0)
    else:
        directions = gaussians.means[seen] - pose[:3, 3].astype(np.float32)
        directions /= np.maximum(np.linalg.norm(directions, axis=-1, keepdims=True), 1e-12)
        color = evaluate_sh(gaussians.sh[seen], directions.astype(np.float32)).astype(np.float32)
    tile_start, entries = _tile_lists(box, camera.width_px, camera.height_px)
    return Projection(
        index=seen,
        center_px=center,
        conic=conic,
        opacity=opacity,
        color=np.ascontiguousarray(color),
        depth_m=depth,
        box_px=box,
        tile_start=tile_start,
        entries=entries,
        width_px=camera.width_px,
        height_px=camera.height_px,
    )


@jit(parallel=True)
def _project(means, scales, rotations, opacities, world_to_cam, intrinsics, width, height, low_pass, near_m):
    """Means, conics, opacities, depths and pixel boxes; a box is empty where nothing is seen."""
    count = len(means)
    center = np.empty((count, 2), np.float32)
    conic = np.empty((count, 3), np.float32)
    opacity = np.empty(count, np.float32)
    depth = np.empty(count, np.float32)
    box = np.zeros((count, 4), np.int32)
    fx, fy, cx, cy = intrinsics[0], intrinsics[1], intrinsics[2], intrinsics[3]
    margin_x, margin_y = _CLAMP_MARGIN * width / (2 * fx), _CLAMP_MARGIN * height / (2 * fy)
    low_x, high_x = -cx / fx - margin_x, (width - cx) / fx + margin_x
    low_y, high_y = -cy / fy - margin_y, (height - cy) / fy + margin_y
    r = world_to_cam
    for i in prange(count):
        mx, my, mz = np.float64(means[i, 0]), np.float64(means[i, 1]), np.float64(means[i, 2])
        x = r[0, 0] * mx + r[0, 1] * my + r[0, 2] * mz + r[0, 3]
        y = r[1, 0] * mx + r[1, 1] * my + r[1, 2] * mz + r[1, 3]
        z = r[2, 0] * mx + r[2, 1] * my + r[2, 2] * mz + r[2, 3]
        alpha = np.float64(opacities[i])
        if not (z > near_m and alpha >= MIN_ALPHA):
            continue
        tx, ty = x / z, y / z
        jx, jy = min(max(tx, low_x), high_x), min(max(ty, low_y), high_y)
        qw, qx, qy, qz = (
            np.float64(rotations[i, 0]),
            np.float64(rotations[i, 1]),
            np.float64(rotations[i, 2]),
            np.float64(rotations[i, 3]),
        )
        a00, a01, a11 = 0.0, 0.0, 0.0
        for axis in range(3):
            # The axis in world space, in camera space, and its image under the Jacobian.
            if axis == 0:
                ex, ey, ez = 1 - 2 * (qy * qy + qz * qz), 2 * (qx * qy + qw * qz), 2 * (qx * qz - qw * qy)
            elif axis == 1:
                ex, ey, ez = 2 * (qx * qy - qw * qz), 1 - 2 * (qx * qx + qz * qz), 2 * (qy * qz + qw * qx)
            else:
                ex, ey, ez = 2 * (qx * qz + qw * qy), 2 * (qy * qz - qw * qx), 1 - 2 * (qx * qx + qy * qy)
            s = np.float64(scales[i, axis])
            vx = (r[0, 0] * ex + r[0, 1] * ey + r[0, 2] * ez) * s
            vy = (r[1, 0] * ex + r[1, 1] * ey + r[1, 2] * ez) * s
            vz = (r[2, 0] * ex + r[2, 1] * ey + r[2, 2] * ez) * s
            px, py = fx * (vx - jx * vz) / z, fy * (vy - jy * vz) / z
            a00 += px * px
            a01 += px * py
            a11 += py * py
        a00, a11 = a00 + low_pass, a11 + low_pass
        det = a00 * a11 - a01 * a01
        if not det > 0:
            continue
        u, v = fx * tx + cx, fy * ty + cy
        # Beyond this many standard deviations the Gaussian is fainter than MIN_ALPHA.
        reach = np.sqrt(2 * np.log(alpha / MIN_ALPHA))
        rx, ry = reach * np.sqrt(a00), reach * np.sqrt(a11)
        x0, x1 = np.ceil(u - rx - 0.5), np.floor(u + rx - 0.5) + 1
        y0, y1 = np.ceil(v - ry - 0.5), np.floor(v + ry - 0.5) + 1
        if not (x1 > 0 and y1 > 0 and x0 < width and y0 < height and x1 > x0 and y1 > y0):
            continue
        center[i, 0], center[i, 1] = u, v
        conic[i, 0], conic[i, 1], conic[i, 2] = a11 / det, -a01 / det, a00 / det
        opacity[i], depth[i] = alpha, z
        box[i, 0], box[i, 1] = max(x0, 0), min(x1, width)
        box[i, 2], box[i, 3] = max(y0, 0), min(y1, height)
    return center, conic, opacity, depth, box


@jit()
def _tile_lists(box, width, height):
    """A counting sort by tile, which keeps the order by depth within each."""
    tiles_x, tiles_y = (width + TILE_PX - 1) // TILE_PX, (height + TILE_PX - 1) // TILE_PX
    start = np.zeros(tiles_x * tiles_y + 1, np.int64)
    for i in range(len(box)):
        for ty in range(box[i, 2] // TILE_PX, (box[i, 3] - 1) // TILE_PX + 1):
            for tx in range(box[i, 0] // TILE_PX, (box[i, 1] - 1) // TILE_PX + 1):
                start[ty * tiles_x + tx + 1] += 1
    for tile in range(tiles_x * tiles_y):
        start[tile + 1] += start[tile]
    entries = np.empty(start[-1], np.int32)
    at = start[:-1].copy()
    for i in range(len(box)):
        for ty in range(box[i, 2] // TILE_PX, (box[i, 3] - 1) // TILE_PX + 1):
            for tx in range(box[i, 0] // TILE_PX, (box[i, 1] - 1) // TILE_PX + 1):
                tile = ty * tiles_x + tx
                entries[at[tile]] = i
                at[tile] += 1
    return start, entries


@jit(parallel=True)
def _blend(center, conic, opacity, color, depth, box, tile_start, entries, width, height, background, no_depth):
    """Front-to-back blending, one tile at a time; a tile ends when all its pixels are opaque."""
    rgb = np.zeros((height, width, 3), np.float32)
    alpha_sum = np.zeros((height, width), np.float32)
    depth_mean = np.zeros((height, width), np.float32)
    tiles_x = (width + TILE_PX - 1) // TILE_PX
    for tile in prange(len(tile_start) - 1):
        left, top = (tile % tiles_x) * TILE_PX, (tile // tiles_x) * TILE_PX
        right, bottom = min(left + TILE_PX, width), min(top + TILE_PX, height)
        light = np.ones((TILE_PX, TILE_PX), np.float32)
        open_pixels = (right - left) * (bottom - top)
        for e in range(tile_start[tile], tile_start[tile + 1]):
            if open_pixels == 0:
                break
            i = entries[e]
            u, v = center[i, 0], center[i, 1]
            a, b, c = conic[i, 0], conic[i, 1], conic[i, 2]
            peak, z = opacity[i], depth[i]
            red, green, blue = color[i, 0], color[i, 1], color[i, 2]
            for py in range(max(box[i, 2], top), min(box[i, 3], bottom)):
                dy = np.float32(py) + np.float32(0.5) - v
                for px in range(max(box[i, 0], left), min(box[i, 1], right)):
                    through = light[py - top, px - left]
                    if through < np.float32(MIN_TRANSMITTANCE):
                        continue
                    dx = np.float32(px) + np.float32(0.5) - u
                    power = np.float32(-0.5) * (a * dx * dx + c * dy * dy) - b * dx * dy
                    alpha = min(np.float32(MAX_ALPHA), peak * np.exp(power))
                    if alpha < np.float32(MIN_ALPHA):
                        continue
                    weight = alpha * through
                    rgb[py, px, 0] += weight * red
                    rgb[py, px, 1] += weight * green
                    rgb[py, px, 2] += weight * blue
                    depth_mean[py, px] += weight * z
                    through *= np.float32(1) - alpha
                    light[py - top, px - left] = through
                    if through < np.float32(MIN_TRANSMITTANCE):
                        open_pixels -= 1
        for py in range(top, bottom):
            for px in range(left, right):
                through = light[py - top, px - left]
                covered = np.float32(1) - through
                alpha_sum[py, px] = covered
                for channel in range(3):
                    rgb[py, px, channel] += through * background[channel]
                depth_mean[py, px] = depth_mean[py, px] / covered if covered > np.float32(MIN_ALPHA) else no_depth
    return rgb, alpha_sum, depth_mean
