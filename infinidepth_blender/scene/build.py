"""A reconstruction becomes objects in the scene."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bpy

from .. import reconstruction as bundles
from ..reconstruction import Reconstruction
from .attributes import flat_int
from .camera import depth_range, make_camera, rig_rotation
from .clip import describe, load_clip, make_clip_mesh, play, sky_depth_m
from .earlier import replace_earlier
from .materials import photo_material
from .mesh import joined, mesh_from_arrays
from .objects import SceneObjects
from .photo_modes import PhotoMode, set_sky_mode, set_surface_mode
from .pictures import Picture, load_photo, load_picture
from .pointcloud import make_points
from .saved import BUNDLE_KEY, PHOTO_KEY, remember
from .splats import make_splats
from .visibility import Shown, show_only

_NAME_BYTES = 40
"""Blender before 5.0 keeps 63 bytes of a name; this leaves room for ` Camera` and a number."""


@dataclass(frozen=True)
class SceneOptions:
    """How a reconstruction enters the scene.

    Attributes:
        show: Which representation is visible and renders. The others are there, hidden: three
            copies of one surface on top of each other would only cost time and flicker.
        photo_mode: Material of the mesh.
        replace: Remove what an earlier run made of the same photo; else it stays beside the new one.
        pack_photo: Keep the photo inside the .blend file.
        parts: What to build of what the bundle holds.
    """

    show: Shown = "MESH"
    photo_mode: PhotoMode = "PHOTO"
    replace: bool = False
    pack_photo: bool = True
    parts: frozenset[Shown] = field(default_factory=lambda: frozenset({"MESH", "POINTS", "SPLATS"}))


def build_scene(
    bundle: Path | Reconstruction, options: SceneOptions | None = None, *, scene: bpy.types.Scene | None = None
) -> SceneObjects:
    """Builds one photo's collection: root, camera, mesh, sky, background, points and splats.

    The scene's own settings stay as they are; see `match.match_scene_to_photo`.

    Args:
        bundle: A bundle's folder, or a loaded reconstruction that has one.
        options: How to build.
        scene: Where to; the current scene by default.

    Raises:
        BundleError: the bundle is missing or damaged; nothing is left in the scene then.
    """
    options = options or SceneOptions()
    scene = scene or bpy.context.scene
    rec = bundle if isinstance(bundle, Reconstruction) else bundles.load(bundle)
    before = _existing_data()
    try:
        objects = _build(rec, options, scene)
    except BaseException:
        _remove_new_data(before)
        raise
    if options.replace:
        replace_earlier(objects, short_name(rec.name), scene)
    show_only(objects, options.show)
    return objects


def short_name(name: str) -> str:
    """The photo's name, cut so that Blender does not cut it again with its suffix."""
    # A file name need not be UTF-8; Blender's names must be.
    encoded = (name or "Photo").encode(errors="replace")[:_NAME_BYTES]
    return encoded.decode(errors="ignore").strip() or "Photo"


def _build(rec: Reconstruction, options: SceneOptions, scene: bpy.types.Scene) -> SceneObjects:
    name = short_name(rec.name)
    moves = rec.clip is not None and rec.mesh is not None
    photo = load_clip(rec, name) if moves else load_photo(rec, name, options.pack_photo)
    collection = bpy.data.collections.new(name)
    collection[PHOTO_KEY] = rec.photo.source or rec.name
    collection[BUNDLE_KEY] = str(rec.folder or "")
    scene.collection.children.link(collection)

    root = bpy.data.objects.new(f"{name} Root", None)
    root.empty_display_type = "PLAIN_AXES"
    root.empty_display_size = 0.25
    root.rotation_mode = "QUATERNION"
    root.rotation_quaternion = rig_rotation(rec.camera)
    root.scale = (1.0 / scene.unit_settings.scale_length,) * 3

    mesh = backdrop = background = points = splats = None
    if moves and "MESH" in options.parts:
        mesh = make_clip_mesh(rec, f"{name} Mesh", photo)
        set_surface_mode(mesh, options.photo_mode)
    elif rec.mesh is not None and "MESH" in options.parts:
        mesh = _mesh_object(rec.mesh, f"{name} Mesh", photo)
        set_surface_mode(mesh, options.photo_mode)
        if rec.background is not None:
            picture = load_picture(rec.background_path, rec.name, f"{name} Background", options.pack_photo)
            background = _mesh_object(rec.background, f"{name} Background", picture)
            set_surface_mode(background, options.photo_mode)
    # The surface of a clip has its sky in it.
    if rec.backdrop is not None and not moves:
        backdrop = _backdrop_object(rec, rec.backdrop, f"{name} Sky", photo, options.pack_photo)
        _make_backdrop(backdrop, options.photo_mode)
    if rec.points is not None and "POINTS" in options.parts:
        points = make_points(rec.points, f"{name} Points")
    if rec.splats is not None and "SPLATS" in options.parts:
        splats = make_splats(rec.splats, f"{name} Splats")
    camera = make_camera(rec.camera, f"{name} Camera", photo.image, _depth_range(rec), root)
    if rec.clip is not None and moves:
        play(camera.data.background_images[0].image_user, rec.clip.frames)
        describe(collection, rec)

    lens = rec.camera.blender_lens()
    objects = SceneObjects(
        collection=collection,
        root=root,
        camera=camera,
        mesh=mesh,
        backdrop=backdrop,
        background=background,
        points=points,
        splats=splats,
        photo_size_px=(rec.camera.width_px, rec.camera.height_px),
        pixel_aspect=(lens.pixel_aspect_x, lens.pixel_aspect_y),
    )
    for obj in objects.parts().values():
        collection.objects.link(obj)
        if obj is not root:
            obj.parent = root
    remember(objects)
    return objects


def _mesh_object(arrays: bundles.MeshArrays, name: str, picture: Picture) -> bpy.types.Object:
    mesh = mesh_from_arrays(arrays, name)
    mesh.materials.append(photo_material(name, picture))
    return bpy.data.objects.new(name, mesh)


def _backdrop_object(
    rec: Reconstruction, seen: bundles.MeshArrays, name: str, photo: Picture, pack: bool
) -> bpy.types.Object:
    """The sky: one object with the photo and, where it goes on beyond that, a picture of its own."""
    # Bundles of earlier versions have no such picture.
    if rec.beyond is None:
        return _mesh_object(seen, name, photo)
    picture = load_picture(rec.sky_path, rec.name, name, pack)
    both, is_beyond = joined(seen, rec.beyond)
    obj = _mesh_object(both, name, photo)
    obj.data.materials.append(photo_material(f"{name} Beyond", picture))
    obj.data.polygons.foreach_set("material_index", flat_int(is_beyond))
    return obj


def _make_backdrop(obj: bpy.types.Object, mode: PhotoMode) -> None:
    """The sky shows and may light the scene, but casts no shadow on it."""
    set_sky_mode(obj, mode)
    obj.visible_shadow = False


def _depth_range(rec: Reconstruction) -> tuple[float, float]:
    extra: list[float] = []
    if rec.clip is not None:
        extra += [rec.clip.range_m[0], sky_depth_m(rec.clip)]
    for vertices in (
        rec.mesh.vertices_cam if rec.mesh else None,
        rec.backdrop.vertices_cam if rec.backdrop else None,
    ):
        if vertices is not None and len(vertices):
            extra += [float(vertices[:, 2].min()), float(vertices[:, 2].max())]
    return depth_range(rec.depth_m, rec.flags, extra)


# -- what was there before -----------------------------------------------------------

_DATA = ("collections", "objects", "cameras", "meshes", "pointclouds", "materials", "images", "node_groups")


def _existing_data() -> dict[str, set[int]]:
    return {kind: {item.session_uid for item in getattr(bpy.data, kind)} for kind in _DATA}


def _remove_new_data(before: dict[str, set[int]]) -> None:
    new: list[Any] = [
        item for kind in _DATA for item in getattr(bpy.data, kind) if item.session_uid not in before[kind]
    ]
    bpy.data.batch_remove(new)
