"""The meshes of a photo: its surfaces, the sky behind them, and what lies behind the foreground."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..camera import Camera
from ..field.protocol import DepthField
from ..geometry.backdrop import DISTANCE_FACTOR, backdrop_distance_m, build_backdrop
from ..geometry.background import build_background, hidden_surface
from ..geometry.mesh import CutGrid, cut_grid, mesh_of_grid, mesh_vertex_coords, triangulated
from ..geometry.solid import closed
from ..options import ReconstructOptions
from ..progress import OnFraction
from ..query.grids import mesh_grid
from ..reconstruction import FLAG_VALID, MeshArrays
from .inpaint import inpaint_background, inpaint_background_light
from .masked_field import opaque_at, without_transparent
from .photo import Photo


@dataclass(frozen=True)
class PhotoMeshes:
    """What was made; see `Reconstruction`.

    Attributes:
        mesh, backdrop, background: The parts; None: not asked for, or nothing there.
        background_picture: (H, W, 3) colours of the background, in the photo's proportions: uint8 sRGB, or float16
            linear light of a photo that is in linear light.
    """

    mesh: MeshArrays | None = None
    backdrop: MeshArrays | None = None
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
    backdrop = build_backdrop(depth_m, not_sky.astype(np.uint8), camera, distance_m)
    if backdrop is not None and opaque is not None:
        backdrop = without_transparent(backdrop, camera, opaque)
    if backdrop is not None and options.mesh_faces == "triangles":
        backdrop = triangulated(backdrop)
    report(0.6)
    if not {"mesh", "glb"} & set(options.make):
        return PhotoMeshes(backdrop=backdrop)
    grid = cut_grid(depth_m, flags, options.edge_step)
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
        return PhotoMeshes(mesh, backdrop)
    background, picture = _background(grid, camera, photo, at_vertex)
    if background is not None and options.mesh_faces == "triangles":
        background = triangulated(background)
    return PhotoMeshes(mesh, backdrop, background, picture)


def _background(
    grid: CutGrid, camera: Camera, photo: Photo, opaque: NDArray[np.bool_] | None
) -> tuple[MeshArrays | None, NDArray[np.uint8] | NDArray[np.float16] | None]:
    surface = hidden_surface(grid, camera)
    if surface is None:
        return None, None
    uncertain = surface.uncertain if opaque is None else surface.uncertain | ~opaque.reshape(grid.valid.shape)
    linear = photo.pixels_linear
    if linear is None:
        picture = inpaint_background(photo.pixels_srgb, uncertain)
    else:
        picture = inpaint_background_light(linear, uncertain)
    return build_background(grid, surface, camera), picture
