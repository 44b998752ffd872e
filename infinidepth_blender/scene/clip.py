"""The moving surface of a clip: a grid in front of the camera that the depth of the frame bends.

Every vertex lies on the ray of its pixel at depth 1, and a geometry-nodes group moves it along that ray to the
depth that the sequence of EXR files has for the scene's frame. Where a cell of the grid lies across a depth step, it
is cut loose and put at its farthest corner, or what is farther beside it: what is behind goes on to the outline of what is before it, and nothing is
stretched between them.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import bpy
import numpy as np

from ..camera import Camera
from ..clip_files import CLIP_SURFACE_SIDE
from ..errors import BundleError
from ..geometry.mesh import mesh_grid_size, mesh_vertex_coords
from ..reconstruction import ClipInfo, MeshArrays, Reconstruction
from .attributes import set_attribute
from .color_names import LINEAR_TEXTURES, NON_COLOR, SRGB_TEXTURES, set_first
from .materials import photo_material
from .mesh import PROJECTION_ATTRIBUTE, mesh_from_arrays
from .modifiers import add_nodes_modifier, modifier_input
from .nodes import NodeTree, kept_group, new_group
from .pictures import Picture

CLIP_GROUP = "InfiniDepth Clip"
FRAMES_KEY = "infinidepth_frames"
FPS_KEY = "infinidepth_fps"
DISTANCE_KEY = "infinidepth_distance"
"""Custom properties of a clip's collection: number of frames, frames per second or 0, median depth of the first frame."""
DEPTH_INPUT, COUNT_INPUT = "Depth", "Frames"
STEP_INPUT, SKY_INPUT = "Depth Step", "Sky Depth"
DEFAULT_STEP = 0.15
"""Larger than that of a photo's mesh: cells of the grid are larger than pixels, and floors seen from low must hold."""
_COORDINATE = "clip_coordinate"
"""Per vertex (s, t, 0): the photo's coordinates."""
_CELL = "clip_cell"
"""Size of a cell of the grid in these coordinates, the same everywhere."""
_DEPTH, _FARTHEST = "clip_depth", "clip_farthest"
_SKY_FACTOR = 1.5
_NEAREST, _BEYOND = 1e-6, 1e9
"""Depths that are any; sky and no data are 1e10, what is missing 0."""


def load_clip(rec: Reconstruction, name: str) -> Picture:
    """The pictures of a clip as one image sequence, which stays in its files.

    Raises:
        BundleError: they are missing.
    """
    assert rec.clip is not None  # asked by the caller
    found = rec.clip_frame(1)
    eight_bits = found[0] if found else None
    if eight_bits is None or not rec.clip.linear:
        image = _sequence(rec, eight_bits, f"{name} Frames", SRGB_TEXTURES)
        return Picture(image, image)
    return Picture(
        _sequence(rec, eight_bits.with_suffix(".exr"), f"{name} Frames", LINEAR_TEXTURES),
        _sequence(rec, eight_bits, f"{name} Frames 8 Bit", SRGB_TEXTURES),
    )


def make_clip_mesh(rec: Reconstruction, name: str, picture: Picture) -> bpy.types.Object:
    """The moving surface of a clip, with its frames as texture.

    Args:
        rec: The reconstruction of a clip, with a folder.
        name: Name of the object.
        picture: From `load_clip`.

    Raises:
        BundleError: the depth maps are missing.
    """
    assert rec.clip is not None  # asked by the caller
    grid = _grid(rec.camera)
    mesh = mesh_from_arrays(grid, name)
    count = len(grid.uv)
    set_attribute(
        mesh, _COORDINATE, "FLOAT_VECTOR", np.concatenate([grid.uv, np.zeros((count, 1), np.float32)], axis=1)
    )
    rows, columns = mesh_grid_size(_grid_side(rec.camera), rec.camera)
    cell = np.array([1 / (columns - 1), 1 / (rows - 1), 0], np.float32)
    set_attribute(mesh, _CELL, "FLOAT_VECTOR", np.tile(cell, (count, 1)))
    mesh.materials.append(photo_material(name, picture))
    material = mesh.materials[0]
    for node in material.node_tree.nodes:
        if node.type == "TEX_IMAGE":
            play(node.image_user, rec.clip.frames)
    obj = bpy.data.objects.new(name, mesh)
    found = rec.clip_frame(1)
    depth = _sequence(rec, found[1] if found else None, f"{name} Depth", NON_COLOR)
    inputs = {
        DEPTH_INPUT: depth,
        COUNT_INPUT: rec.clip.frames,
        STEP_INPUT: DEFAULT_STEP,
        SKY_INPUT: sky_depth_m(rec.clip),
    }
    add_nodes_modifier(obj, "Clip", _clip_group(), inputs)
    return obj


def play(user: bpy.types.ImageUser, frames: int) -> None:
    """Shows the frames of a clip from the scene's frame 1 on; before and after it the first and the last one."""
    user.frame_start, user.frame_offset, user.frame_duration = 1, 0, frames
    user.use_auto_refresh = True
    user.use_cyclic = False


def sky_depth_m(clip: ClipInfo) -> float:
    """Where the sky is put: behind everything that any frame shows."""
    return _SKY_FACTOR * clip.range_m[1]


def describe(collection: bpy.types.Collection, rec: Reconstruction) -> None:
    """Writes on a clip's collection what other parts of the scene ask of it."""
    assert rec.clip is not None  # asked by the caller
    depth_m = np.asarray(rec.depth_m[::4, ::4])
    seen = depth_m[depth_m < _BEYOND]
    collection[FRAMES_KEY] = rec.clip.frames
    collection[FPS_KEY] = rec.clip.fps or 0.0
    collection[DISTANCE_KEY] = float(np.median(seen)) if len(seen) else rec.clip.range_m[1]


def depth_images(obj: bpy.types.Object) -> list[bpy.types.Image]:
    """The depth sequences of an object that is the moving surface of a clip; none of any other."""
    return [
        image
        for modifier in obj.modifiers
        if modifier.type == "NODES" and modifier.node_group and modifier.node_group.name.startswith(CLIP_GROUP)
        if (image := modifier_input(modifier, DEPTH_INPUT)) is not None
    ]


def _sequence(rec: Reconstruction, path: Path | None, name: str, spaces: tuple[str, ...]) -> bpy.types.Image:
    if path is None or not path.is_file():
        raise BundleError(
            f"The frames of '{rec.name}' are missing from its bundle ({path}).", "Reconstruct the clip again."
        )
    try:
        image = bpy.data.images.load(str(path.resolve()), check_existing=False)
    except RuntimeError as error:
        raise BundleError(f"{path} cannot be read: {error}.", "Reconstruct the clip again.") from error
    image.name = name
    image.source = "SEQUENCE"
    set_file(image, path)
    set_first(image.colorspace_settings, "name", spaces)
    image.alpha_mode = "CHANNEL_PACKED"
    return image


def set_file(image: bpy.types.Image, path: Path) -> None:
    """Names the first file of a sequence, which cannot be packed: so that it is found again when the .blend file is moved with it."""
    image.filepath = str(path.resolve())
    if bpy.data.filepath:
        with contextlib.suppress(ValueError):  # on another drive
            image.filepath = bpy.path.relpath(str(path.resolve()))


def _grid_side(camera: Camera) -> int:
    """Vertices along the longer side: no cell is smaller than a pixel."""
    return min(CLIP_SURFACE_SIDE, max(camera.width_px, camera.height_px) + 1)


def _grid(camera: Camera) -> MeshArrays:
    """The rays of a grid over the whole picture, as a mesh at depth 1."""
    coords_yx, (rows, columns) = mesh_vertex_coords(_grid_side(camera), camera)
    t, s = (1 - coords_yx[:, 0]) / 2, (coords_yx[:, 1] + 1) / 2
    vertices = camera.unproject(s * camera.width_px, (1 - t) * camera.height_px, np.ones_like(s))
    index = np.arange(rows * columns, dtype=np.int32).reshape(rows, columns)
    quads = np.stack([index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]], axis=-1).reshape(-1, 4)
    normals = np.tile(np.array([0, 0, -1], np.float32), (len(vertices), 1))
    return MeshArrays(vertices, np.stack([s, t], axis=1), normals, quads, np.empty((0, 3), np.int32))


def _clip_group() -> bpy.types.NodeTree:
    inputs = (DEPTH_INPUT, COUNT_INPUT, STEP_INPUT, SKY_INPUT)
    group = kept_group(CLIP_GROUP, ("Geometry", *inputs), ("Geometry",))
    if group is not None:
        return group
    group = new_group(CLIP_GROUP, "GeometryNodeTree")
    group.is_modifier = True
    _describe(group)
    nodes = NodeTree(group)
    given = nodes.add("NodeGroupInput")
    coordinate = _named(nodes, _COORDINATE, "FLOAT_VECTOR")
    frame = nodes.add("GeometryNodeInputSceneTime").outputs["Frame"]
    number = nodes.math("MAXIMUM", nodes.math("MINIMUM", frame, given.outputs[COUNT_INPUT]), 1.0)
    bent = _stored(nodes, given.outputs["Geometry"], _DEPTH, "POINT", _depth_at(nodes, given, number, coordinate))
    nearest, farthest = _corner_range(nodes, _named(nodes, _DEPTH, "FLOAT"))
    limit = nodes.math("MULTIPLY", nearest, nodes.math("ADD", given.outputs[STEP_INPUT], 1.0))
    across = nodes.math("GREATER_THAN", farthest, limit)
    # What lies on a ramp between two surfaces belongs to neither: a little more than the cell itself is looked at.
    cell = _named(nodes, _CELL, "FLOAT_VECTOR")
    for corner in ((1.5, 1.5, 0.0), (-1.5, 1.5, 0.0), (1.5, -1.5, 0.0), (-1.5, -1.5, 0.0)):
        beside = nodes.vector_math("MULTIPLY_ADD", cell, corner, coordinate)
        farthest = nodes.math("MAXIMUM", farthest, _depth_at(nodes, given, number, beside))
    bent = _stored(nodes, bent, _FARTHEST, "FACE", farthest)
    parts = nodes.add("GeometryNodeSeparateGeometry", {"Geometry": bent, "Selection": across}, domain="FACE")
    loose = nodes.add("GeometryNodeSplitEdges", {0: parts.outputs[0]}).outputs[0]
    loose = _stored(nodes, loose, _DEPTH, "POINT", _named(nodes, _FARTHEST, "FLOAT"))
    join = nodes.add("GeometryNodeJoinGeometry")
    nodes.tree.links.new(loose, join.inputs[0])
    nodes.tree.links.new(parts.outputs[1], join.inputs[0])
    at = _named(nodes, _DEPTH, "FLOAT")
    position = nodes.vector_math("SCALE", nodes.add("GeometryNodeInputPosition").outputs[0], at)
    placed = nodes.add("GeometryNodeSetPosition", {"Geometry": join.outputs[0], "Position": position}).outputs[0]
    # (s d, t d, d), from which the material finds the picture's coordinates.
    whole = nodes.vector_math("ADD", coordinate, (0.0, 0.0, 1.0))
    projection = nodes.vector_math("SCALE", whole, at)
    shown = _stored(nodes, placed, PROJECTION_ATTRIBUTE, "POINT", projection, "FLOAT_VECTOR")
    nodes.add("NodeGroupOutput", {0: shown})
    nodes.arrange()
    return group


def _depth_at(
    nodes: NodeTree, given: bpy.types.Node, number: bpy.types.NodeSocket, coordinate: bpy.types.NodeSocket
) -> bpy.types.NodeSocket:
    """Depth of a frame at coordinates of the picture."""
    # Closest: between two surfaces there is nothing.
    picture = nodes.add(
        "GeometryNodeImageTexture",
        {"Image": given.outputs[DEPTH_INPUT], "Vector": coordinate, "Frame": number},
        interpolation="Closest",
        extension="EXTEND",
    )
    seen = nodes.add("FunctionNodeSeparateColor", {0: picture.outputs["Color"]}).outputs[0]
    # A frame that is missing is black: better a flat picture than one that has shrunk to the camera.
    nothing = nodes.math("ADD", nodes.math("GREATER_THAN", seen, _BEYOND), nodes.math("LESS_THAN", seen, _NEAREST))
    return nodes.math(
        "ADD",
        nodes.math("MULTIPLY", nothing, given.outputs[SKY_INPUT]),
        nodes.math("MULTIPLY", nodes.math("SUBTRACT", 1.0, nothing), seen),
    )


def _describe(group: bpy.types.NodeTree) -> None:
    """The group's sockets, as the modifier shows them."""
    interface = group.interface
    interface.new_socket("Geometry", in_out="INPUT", socket_type="NodeSocketGeometry")
    depth = interface.new_socket(DEPTH_INPUT, in_out="INPUT", socket_type="NodeSocketImage")
    depth.description = "Sequence of depth maps in metres"
    count = interface.new_socket(COUNT_INPUT, in_out="INPUT", socket_type="NodeSocketInt")
    count.default_value, count.description = 1, "Number of frames of the clip"
    for name, value, text in (
        (STEP_INPUT, DEFAULT_STEP, "Relative step of depth at which the surface is cut"),
        (SKY_INPUT, 50.0, "Distance at which the sky and what has no depth is put"),
    ):
        socket = interface.new_socket(name, in_out="INPUT", socket_type="NodeSocketFloat")
        socket.default_value, socket.description, socket.min_value = value, text, 0.0
    interface.new_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")


def _named(nodes: NodeTree, name: str, kind: str) -> bpy.types.NodeSocket:
    node = nodes.add("GeometryNodeInputNamedAttribute", {"Name": name}, data_type=kind)
    return next(socket for socket in node.outputs if socket.enabled and socket.name == "Attribute")


def _stored(
    nodes: NodeTree,
    geometry: bpy.types.NodeSocket,
    name: str,
    domain: str,
    value: bpy.types.NodeSocket,
    kind: str = "FLOAT",
) -> bpy.types.NodeSocket:
    node = nodes.add(
        "GeometryNodeStoreNamedAttribute", {"Geometry": geometry, "Name": name}, data_type=kind, domain=domain
    )
    nodes.feed(next(socket for socket in node.inputs if socket.enabled and socket.name == "Value"), value)
    return node.outputs[0]


def _corner_range(nodes: NodeTree, values: bpy.types.NodeSocket) -> tuple[bpy.types.NodeSocket, bpy.types.NodeSocket]:
    """Smallest and largest of a vertex's values over the corners of each face."""
    smallest = largest = None
    for corner in range(4):
        of_face = nodes.add("GeometryNodeCornersOfFace", {"Sort Index": corner}).outputs["Corner Index"]
        vertex = nodes.add("GeometryNodeVertexOfCorner", {0: of_face}).outputs[0]
        node = nodes.add("GeometryNodeFieldAtIndex", {"Index": vertex}, data_type="FLOAT", domain="POINT")
        nodes.feed(next(socket for socket in node.inputs if socket.enabled and socket.name == "Value"), values)
        value = next(socket for socket in node.outputs if socket.enabled)
        smallest = value if smallest is None else nodes.math("MINIMUM", smallest, value)
        largest = value if largest is None else nodes.math("MAXIMUM", largest, value)
    assert smallest is not None and largest is not None  # four corners
    return smallest, largest
