"""The meshes of a photo: its surfaces, the sky behind them, and what lies behind the foreground."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..camera import Camera
from ..field.protocol import DepthField
from ..geometry.backdrop import DISTANCE_FACTOR, backdrop_distance_m, build_backdrop
from ..geometry.background import build_background, hidden_surface
from ..geometry.mesh import CutGrid, cut_grid, mesh_of_grid, mesh_vertex_coords, photo_rim_steps, triangulated
from ..geometry.rims import rims_before_the_sky
from ..geometry.solid import closed
from ..options import ReconstructOptions
from ..progress import OnFraction
from ..query.grids import mesh_grid
from ..reconstruction import FLAG_VALID, MeshArrays
from .inpaint import TwoDistances, inpaint_background, inpaint_background_light
from .masked_field import opaque_at, without_transparent
from .painted_sky import sky_picture, sky_picture_light
from .photo import Photo


@dataclass(frozen=True)
class PhotoMeshes:
    """What was made; see `Reconstruction`.

    Attributes:
        mesh, backdrop, beyond, background: The parts; None: not asked for, or nothing there.
        sky_picture: Colours of `beyond`, as `background_picture`; see `geometry.backdrop`.
        background_picture: (H, W, 3) colours of the background, in the photo's proportions: uint8 sRGB, or float16
            linear light of a photo that is in linear light.
    """

    mesh: MeshArrays | None = None
    backdrop: MeshArrays | None = None
    beyond: MeshArrays | None = None
    sky_picture: NDArray[np.uint8] | NDArray[np.float16] | None = None
    background: MeshArrays | None = None
    background_picture: NDArray[np.uint8] | NDArray[np.float16] | None = None


def make_meshes(
    field: DepthField,
    camera: Camera,
    photo: Photo,
    options: ReconstructOptions,
    farthest_m: float,
    report: OnFraction,
) -> PhotoMeshes:
    """Makes the photo's meshes.

    The sky is made for points and splats as well.

    Args:
        field: Disparity in 1 / metres.
        camera: The photo's camera.
        photo: The photo.
        options: What to make.
        farthest_m: Of the depth map, which may be finer than the mesh: the sky lies behind it.
        report: Called with the fraction done; it may raise to stop the work.
    """
    depth_m, flags = mesh_grid(field, camera, options.mesh_size, progress=lambda fraction: report(0.5 * fraction))
    # What is cut out of the photo is neither surface nor sky: no backdrop there.
    opaque = photo.opaque
    at_vertex = None if opaque is None else opaque_at(opaque, mesh_vertex_coords(options.mesh_size, camera)[0])
    not_sky = flags if at_vertex is None else np.where(at_vertex.reshape(flags.shape), flags, flags | FLAG_VALID)
    # Points and splats between the pixels may lie a little further away than any of these.
    distance_m = max(backdrop_distance_m(depth_m, flags), DISTANCE_FACTOR * farthest_m)
    with_mesh = bool({"mesh", "glb"} & set(options.make))
    rim_steps = photo_rim_steps(depth_m.shape[1], camera.width_px) if with_mesh else 0
    depth_m, taken = rims_before_the_sky(depth_m, (flags & FLAG_VALID) > 0, (not_sky & FLAG_VALID) == 0, rim_steps)
    flags, not_sky = (np.where(taken, told | FLAG_VALID, told).astype(np.uint8) for told in (flags, not_sky))
    made = _sky(depth_m, not_sky, camera, photo, distance_m)
    if options.mesh_faces == "triangles" and made.backdrop is not None and made.beyond is not None:
        made = replace(made, backdrop=triangulated(made.backdrop), beyond=triangulated(made.beyond))
    report(0.6)
    if not with_mesh:
        return made
    grid = cut_grid(depth_m, flags, options.edge_step, rim_steps)
    report(0.7)
    mesh = mesh_of_grid(
        grid,
        camera,
        kind=options.mesh,
        max_error=options.mesh_error,
        max_error_px=options.mesh_error_px,
        faces=options.mesh_faces,
    )
    if options.solid is not None:
        mesh = closed(mesh, options.solid)
    report(0.8)
    if options.background == "none":
        return replace(made, mesh=mesh)
    background, picture = _background(grid, camera, photo, at_vertex)
    if background is not None and options.mesh_faces == "triangles":
        background = triangulated(background)
    return replace(made, mesh=mesh, background=background, background_picture=picture)


def _sky(
    depth_m: NDArray[np.float32], flags: NDArray[np.uint8], camera: Camera, photo: Photo, distance_m: float
) -> PhotoMeshes:
    """The sky alone, with what lies beyond the photo's part of it."""
    sky = build_backdrop(depth_m, flags, camera, distance_m)
    if sky is None:
        return PhotoMeshes()
    seen, beyond = sky.seen, sky.beyond
    if photo.opaque is not None:
        seen, beyond = (without_transparent(part, camera, photo.opaque) for part in (seen, beyond))
    at_vertex = (flags & FLAG_VALID) == 0
    linear = photo.pixels_linear
    picture = sky_picture(photo.pixels_srgb, at_vertex) if linear is None else sky_picture_light(linear, at_vertex)
    return PhotoMeshes(backdrop=seen, beyond=beyond, sky_picture=picture)


def _background(
    grid: CutGrid, camera: Camera, photo: Photo, opaque: NDArray[np.bool_] | None
) -> tuple[MeshArrays | None, NDArray[np.uint8] | NDArray[np.float16] | None]:
    surface = hidden_surface(grid, camera)
    if surface is None:
        return None, None
    uncertain = surface.uncertain if opaque is None else surface.uncertain | ~opaque.reshape(grid.valid.shape)
    distances = TwoDistances(grid.disparity, np.where(surface.hidden, surface.disparity, 0))
    linear = photo.pixels_linear
    if linear is None:
        picture = inpaint_background(photo.pixels_srgb, uncertain, distances)
    else:
        picture = inpaint_background_light(linear, uncertain, distances)
    return build_background(grid, surface, camera), picture
