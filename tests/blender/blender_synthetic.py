"""An analytic scene in numpy: its photo, its depth, and bundles made of them.

Everything here needs bpy and numpy alone, so that it runs in every Blender version.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import bpy
import numpy as np

from infinidepth_blender.camera import Camera
from infinidepth_blender.reconstruction import (
    FLAG_SKY,
    FLAG_VALID,
    NO_DEPTH_M,
    MeshArrays,
    PhotoInfo,
    PointArrays,
    Reconstruction,
    save,
)
from infinidepth_blender.splats.placed import gaussians_on_surface

CAMERAS: dict[str, Camera] = {
    "landscape": Camera.from_focal_px(150.0, 160, 120),
    "portrait": Camera.from_focal_px(150.0, 120, 160),
    "off-centre": Camera(160, 120, 140.0, 140.0, 101.0, 41.0),
    "unequal": Camera(160, 120, 160.0, 128.0, 76.0, 66.0),
    "unequal-portrait": Camera(120, 160, 118.0, 140.0, 52.0, 90.0),
    "tilted": Camera(160, 120, 150.0, 150.0, 80.0, 60.0, pitch_rad=-0.2, roll_rad=0.1),
}
SKY_DISTANCE_M = 60.0


# -- an analytic scene: floor, wall, sphere and box below an open sky ---------------


def cast_rays(rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Depth and normals of the scene along rays (..., 3) with z = 1 from the camera (OpenCV axes)."""
    depth = np.full(rays.shape[:-1], np.inf)
    normal = np.zeros(rays.shape)

    def nearer(z: np.ndarray, n: np.ndarray, inside: np.ndarray) -> None:
        hit = inside & (z > 0.01) & (z < depth)
        depth[hit] = z[hit]
        normal[hit] = np.broadcast_to(n, rays.shape)[hit]

    with np.errstate(divide="ignore", invalid="ignore"):
        floor = 1.2 / rays[..., 1]
        nearer(floor, np.array([0.0, -1.0, 0.0]), floor < 9)
        wall = 7.0 / rays[..., 2]
        nearer(wall, np.array([0.0, 0.0, -1.0]), (wall * rays[..., 0] < 0.8) & (wall * rays[..., 1] > -1.5))
        centre, radius = np.array([-0.7, 0.4, 4.0]), 0.8
        a, b = (rays**2).sum(-1), rays @ centre
        root = np.sqrt(b * b - a * (centre @ centre - radius**2))
        sphere = (b - root) / a
        nearer(sphere, (rays * sphere[..., None] - centre) / radius, np.isfinite(sphere))
        low, high = np.array([0.4, 0.2, 3.0]), np.array([1.3, 1.2, 4.0])
        for axis in range(3):
            # The box lies right of and below the camera: it shows its left, top and front.
            z = low[axis] / rays[..., axis]
            p = rays * z[..., None]
            others = [i for i in range(3) if i != axis]
            inside = np.all((p[..., others] >= low[others]) & (p[..., others] <= high[others]), axis=-1)
            n = np.zeros(3)
            n[axis] = -1.0
            nearer(z, n, inside)
    return depth, normal


def surface_colors(points: np.ndarray) -> np.ndarray:
    """SRGB colours in [0, 1] of a smooth texture in space, (..., 3)."""
    x, y, z = np.moveaxis(points, -1, 0)
    waves = [np.sin(5 * x + 1) * np.cos(4 * z), np.sin(6 * y + 2 * z), np.cos(4 * x - 5 * y + z)]
    return np.clip(0.5 + 0.35 * np.stack(waves, axis=-1), 0.02, 0.98)


def pixel_rays(camera: Camera, width: int, height: int) -> np.ndarray:
    """(height, width, 3) rays with z = 1 through the pixel centres."""
    at = camera.resized(width, height)
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    return at.unproject(x, y, np.ones_like(x)).astype(np.float64)


def photograph(camera: Camera, oversample: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The analytic scene's photo (H, W, 3) uint8, depth_m (H, W) and normals (H, W, 3)."""
    width, height = camera.width_px, camera.height_px
    rays = pixel_rays(camera, width * oversample, height * oversample)
    depth, _ = cast_rays(rays)
    hit = np.isfinite(depth)
    color = surface_colors(rays * np.where(hit, depth, 1.0)[..., None])
    sky = np.stack([0.45 + 0.2 * rays[..., 1], 0.65 + 0.1 * rays[..., 1], np.full(hit.shape, 0.9)], axis=-1)
    color = np.where(hit[..., None], color, np.clip(sky, 0, 1))
    mean = color.reshape(height, oversample, width, oversample, 3).mean(axis=(1, 3))
    centre_depth, normals = cast_rays(pixel_rays(camera, width, height))
    photo = np.rint(mean * 255).astype(np.uint8)
    return photo, np.where(np.isfinite(centre_depth), centre_depth, NO_DEPTH_M).astype(np.float32), normals


def write_png(path: Path, pixels_srgb: np.ndarray) -> None:
    """Writes (H, W, 3) uint8 through Blender, so that no image library is needed."""
    height, width = pixels_srgb.shape[:2]
    image = bpy.data.images.new("photo", width, height, alpha=False)
    rgba = np.ones((height, width, 4), dtype=np.float32)
    rgba[..., :3] = pixels_srgb[::-1] / 255
    image.pixels.foreach_set(rgba.ravel())
    image.filepath_raw = str(path)
    image.file_format = "PNG"
    image.save()
    bpy.data.images.remove(image)


def whole_grid_mesh(
    camera: Camera,
    depth_at: Callable[[np.ndarray], np.ndarray],
    vertices: int,
    wanted: Callable[[np.ndarray], np.ndarray],
) -> MeshArrays:
    """A grid of quads over the photo; only quads whose corners are all `wanted` are kept."""
    longer = max(camera.width_px, camera.height_px)
    cols = max(2, round((vertices - 1) * camera.width_px / longer) + 1)
    rows = max(2, round((vertices - 1) * camera.height_px / longer) + 1)
    s, row = np.meshgrid(np.linspace(0, 1, cols), np.linspace(0, 1, rows))
    x_px, y_px = s * camera.width_px, row * camera.height_px
    rays = camera.unproject(x_px, y_px, np.ones_like(x_px)).astype(np.float64)
    depth = depth_at(rays)
    keep = wanted(depth)
    index = np.arange(rows * cols, dtype=np.int32).reshape(rows, cols)
    quads = np.stack([index[1:, :-1], index[1:, 1:], index[:-1, 1:], index[:-1, :-1]], axis=-1).reshape(-1, 4)
    quads = quads[keep.ravel()[quads].all(axis=1)]
    z = np.where(keep, depth, 1.0)
    return MeshArrays(
        vertices_cam=(rays * z[..., None]).reshape(-1, 3).astype(np.float32),
        uv=np.stack([s, 1 - row], axis=-1).reshape(-1, 2).astype(np.float32),
        normals_cam=np.tile(np.array([0, 0, -1], np.float32), (rows * cols, 1)),
        quads=np.ascontiguousarray(quads),
        triangles=np.zeros((0, 3), np.int32),
    )


def points_on_surface(camera: Camera, photo: np.ndarray, n: int, seed: int = 0) -> tuple[PointArrays, np.ndarray]:
    """Points of the analytic scene spread evenly in the photo, and the surface area each stands for."""
    rng = np.random.default_rng(seed)
    side = max(1, round(np.sqrt(n)))
    u, v = np.meshgrid(np.arange(side), np.arange(side))
    jitter = rng.random((2, side, side))
    x_px = ((u + jitter[0]) / side * camera.width_px).ravel()
    y_px = ((v + jitter[1]) / side * camera.height_px).ravel()
    rays = camera.unproject(x_px, y_px, np.ones_like(x_px)).astype(np.float64)
    depth, normals = cast_rays(rays)
    hit = np.isfinite(depth)
    rays, depth, normals = rays[hit], depth[hit], normals[hit]
    slant = np.abs((rays * normals).sum(-1))
    px_area = camera.width_px * camera.height_px / side**2
    area = depth**2 / (camera.fx_px * camera.fy_px) / np.maximum(slant, 0.05) * px_area
    x_px, y_px = x_px[hit], y_px[hit]
    colors = photo[y_px.astype(int), x_px.astype(int)]
    points = PointArrays(
        positions_cam=(rays * depth[:, None]).astype(np.float32),
        normals_cam=normals.astype(np.float32),
        colors_srgb=np.ascontiguousarray(colors),
        radius_m=(0.5 * np.sqrt(area)).astype(np.float32),
        confidence=np.ones(len(depth), np.float32),
        source_px=np.stack([x_px, y_px], axis=1).astype(np.float32),
    )
    return points, area.astype(np.float32)


def analytic_bundle(
    folder: Path,
    camera: Camera,
    name: str = "Analytic",
    *,
    mesh_vertices: int = 161,
    points: int = 0,
    splats: int = 0,
    photo: np.ndarray | None = None,
) -> Reconstruction:
    """Saves a bundle of the analytic scene, made from arrays alone, as `folder / name`.

    Args:
        folder: Where to.
        camera: Camera of the photo.
        name: Name of the photo.
        mesh_vertices: Vertices along the mesh's longer side.
        points, splats: Numbers of them before those in the sky are left out; 0: none.
        photo: (H, W, 3) uint8 to use instead of the scene's own colours.
    """
    own_photo, depth_m, normals = photograph(camera)
    photo = own_photo if photo is None else photo
    source = folder / f"{name} source"
    source.mkdir(exist_ok=True)
    write_png(source / "photo.png", photo)
    has_depth = depth_m < NO_DEPTH_M
    gaussians = None
    if splats:
        gaussians = gaussians_on_surface(*points_on_surface(camera, photo, splats))
    rec = Reconstruction(
        name=name,
        photo=PhotoInfo(str(folder / f"{name}.jpg"), "photo.png", camera.width_px, camera.height_px),
        camera=camera,
        depth_m=depth_m,
        flags=np.where(has_depth, FLAG_VALID, FLAG_SKY).astype(np.uint8),
        normals_cam=normals.astype(np.float32),
        confidence=has_depth.astype(np.float32),
        mesh=whole_grid_mesh(camera, lambda r: cast_rays(r)[0], mesh_vertices, np.isfinite),
        backdrop=whole_grid_mesh(camera, lambda r: np.full(r.shape[:-1], SKY_DISTANCE_M), 21, np.isfinite),
        points=points_on_surface(camera, photo, points)[0] if points else None,
        splats=gaussians,
        scale_known=True,
        folder=source,
    )
    save(rec, folder / name)
    return rec
