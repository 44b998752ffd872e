"""Gaussian splats as an editable object that Cycles and EEVEE render.

The object is a mesh of vertices, one per splat, with the attributes that Blender 5.3 names for
its own splats (`scale`, `rotation`, `radiance:base`) plus `Color`, the colour that is
drawn. Vertices can be selected, deleted and moved in Edit Mode; a geometry-nodes modifier makes a quad of each
for the renderer.

The quad lies in the plane on which a Gaussian is densest along every ray from the viewpoint,
`{x : v^T S^-1 x = 0}` for covariance S and viewing direction v. Seen from there its cross-section
is exactly the projected Gaussian, also for thick ones; for flat discs it is the plane of the disc
itself, from wherever they are seen. Colours that depend on the view are those seen from the same viewpoint: the
object's origin, where the photo's camera is, or the scene's active camera with `Face Active Camera`.
"""

from __future__ import annotations

import bpy
import numpy as np
from numpy.typing import NDArray

from ..camera import OPENCV_TO_BLENDER_WORLD
from ..reconstruction import Gaussians
from ..splats.sh import evaluate_sh, sh_degree
from ..splats.transform import rotated_quaternions, rotated_sh
from .attributes import set_attribute
from .materials import COLOR_ATTRIBUTE, SPLAT_COORDINATE_ATTRIBUTE, splats_material
from .modifiers import add_nodes_modifier
from .nodes import NodeTree, kept_group, new_group
from .pointcloud import color_attribute, vertex_mesh
from .splat_colors import seen_color

DISPLAY_GROUP = "InfiniDepth Splats"
BY_VIEW = "View-Dependent Color"
EXTENT_SIGMA = 2.8
"""Quads end at this many standard deviations, where the falloff is 2 %. Larger ones look the same and cost
rays more splats to pass."""


def make_splats(gaussians: Gaussians, name: str, *, face_active_camera: bool = False) -> bpy.types.Object:
    """A splat object: data on vertices, drawn by a geometry-nodes modifier.

    Args:
        gaussians: In OpenCV camera axes, metres; colours are sRGB-encoded.
        name: Name of the object, its data and its material.
        face_active_camera: Draw them for the scene's active camera instead of for one at their origin.
    """
    mesh = vertex_mesh(gaussians.means, name)
    base = np.concatenate([gaussians.sh[:, 0], gaussians.opacities[:, None]], axis=1)
    set_attribute(mesh, "scale", "FLOAT_VECTOR", gaussians.scales)
    set_attribute(mesh, "rotation", "QUATERNION", rotations_in_rig(gaussians.rotations))
    set_attribute(mesh, "radiance:base", "FLOAT_COLOR", base)
    if gaussians.sh.shape[1] > 1:
        sh = sh_in_rig(gaussians.sh)
        for k in range(1, sh.shape[1]):
            set_attribute(mesh, f"radiance:sh_{k - 1}", "FLOAT_VECTOR", sh[:, k])
    colors = color_attribute(colors_from_photo_camera(gaussians), np.asarray(gaussians.opacities))
    set_attribute(mesh, COLOR_ATTRIBUTE, "FLOAT_COLOR", colors)
    material = splats_material(name)
    mesh.materials.append(material)
    obj = bpy.data.objects.new(name, mesh)
    group = _display_group(sh_degree(gaussians.sh.shape[1]))
    add_nodes_modifier(obj, "Splats", group, {"Material": material, "Face Active Camera": face_active_camera})
    return obj


def rotations_in_rig(rotations_cam: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, 4) quaternions (w, x, y, z) turned from OpenCV camera axes to the axes of the level rig."""
    return rotated_quaternions(rotations_cam, OPENCV_TO_BLENDER_WORLD)


def sh_in_rig(sh: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, K, 3) spherical harmonics turned from OpenCV camera axes to the axes of the level rig."""
    return rotated_sh(sh, OPENCV_TO_BLENDER_WORLD)


def colors_from_photo_camera(gaussians: Gaussians) -> NDArray[np.float32]:
    """(N, 3) sRGB-encoded colours that the photo's camera sees, at least 0."""
    means = np.asarray(gaussians.means)
    length = np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
    return evaluate_sh(np.asarray(gaussians.sh), means / length).astype(np.float32)


def _display_group(degree: int) -> bpy.types.NodeTree:
    """The modifier's group for harmonics of a degree: what does not depend on the view needs no nodes for it."""
    name = f"{DISPLAY_GROUP} SH{degree}" if degree else DISPLAY_GROUP
    inputs = ("Geometry", "Size", "Face Active Camera", "Material", *((BY_VIEW,) if degree else ()))
    group = kept_group(name, inputs, ("Geometry",))
    if group is not None:
        return group
    group = new_group(name, "GeometryNodeTree")
    group.is_modifier = True
    group.interface.new_socket("Geometry", in_out="INPUT", socket_type="NodeSocketGeometry")
    size = group.interface.new_socket("Size", in_out="INPUT", socket_type="NodeSocketFloat")
    size.default_value = 1.0
    size.min_value = 0.0
    size.description = "Factor on the splats' standard deviations"
    follow = group.interface.new_socket("Face Active Camera", in_out="INPUT", socket_type="NodeSocketBool")
    follow.description = (
        "Draw thick splats and their colors for the scene's active camera instead of for the photo's own"
    )
    if degree:
        by_view = group.interface.new_socket(BY_VIEW, in_out="INPUT", socket_type="NodeSocketBool")
        by_view.default_value = True
        by_view.description = "Colors as the camera sees them from where it is; off: those of the attribute Color"
    group.interface.new_socket("Material", in_out="INPUT", socket_type="NodeSocketMaterial")
    group.interface.new_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")
    nodes = NodeTree(group)
    given = nodes.add("NodeGroupInput")
    view = _view(nodes, given.outputs["Face Active Camera"])
    axis_u, axis_v = _splat_axes(nodes, view)

    # Values per splat travel to its quad through instancing.
    points = nodes.add("GeometryNodeMeshToPoints", {"Mesh": given.outputs["Geometry"]}).outputs[0]
    points = _store(nodes, points, "splat_axis_u", "FLOAT_VECTOR", "POINT", axis_u)
    points = _store(nodes, points, "splat_axis_v", "FLOAT_VECTOR", "POINT", axis_v)
    if degree:
        stored, seen = _named(nodes, COLOR_ATTRIBUTE, "FLOAT_COLOR"), seen_color(nodes, view, degree)
        switch = nodes.add("GeometryNodeSwitch", {0: given.outputs[BY_VIEW], 1: stored, 2: seen}, input_type="RGBA")
        points = _store(nodes, points, COLOR_ATTRIBUTE, "FLOAT_COLOR", "POINT", switch.outputs[0])
    # What stays is copied to four corners, and renderers upload all of it.
    harmonics = [f"radiance:sh_{k}" for k in range((degree + 1) ** 2 - 1)]
    for name in ("scale", "rotation", "radiance:base", *harmonics):
        points = nodes.add("GeometryNodeRemoveAttribute", {"Geometry": points, "Name": name}).outputs[0]
    side = 2 * EXTENT_SIGMA
    quad = nodes.add("GeometryNodeMeshGrid", {"Size X": side, "Size Y": side, "Vertices X": 2, "Vertices Y": 2})
    position = nodes.add("GeometryNodeInputPosition").outputs[0]
    quad = _store(nodes, quad.outputs["Mesh"], SPLAT_COORDINATE_ATTRIBUTE, "FLOAT_VECTOR", "POINT", position)
    instances = nodes.add(
        "GeometryNodeInstanceOnPoints", {"Points": points, "Instance": quad, "Scale": (0.0, 0.0, 0.0)}
    )
    realized = nodes.add("GeometryNodeRealizeInstances", {"Geometry": instances.outputs[0]}).outputs[0]

    coordinate = nodes.add("ShaderNodeSeparateXYZ", {0: _named(nodes, SPLAT_COORDINATE_ATTRIBUTE, "FLOAT_VECTOR")})
    along_u = nodes.vector_math("SCALE", _named(nodes, "splat_axis_u", "FLOAT_VECTOR"), coordinate.outputs["X"])
    along_v = nodes.vector_math("SCALE", _named(nodes, "splat_axis_v", "FLOAT_VECTOR"), coordinate.outputs["Y"])
    offset = nodes.vector_math("SCALE", nodes.vector_math("ADD", along_u, along_v), given.outputs["Size"])
    moved = nodes.add("GeometryNodeSetPosition", {"Geometry": realized, "Offset": offset}).outputs[0]
    for name in ("splat_axis_u", "splat_axis_v"):
        moved = nodes.add("GeometryNodeRemoveAttribute", {"Geometry": moved, "Name": name}).outputs[0]
    drawn = nodes.add("GeometryNodeSetMaterial", {"Geometry": moved, "Material": given.outputs["Material"]})
    nodes.add("NodeGroupOutput", {0: drawn.outputs[0]})
    nodes.arrange()
    return group


def _view(nodes: NodeTree, follow: bpy.types.NodeSocket) -> bpy.types.NodeSocket:
    """From the viewpoint to each splat, in the object's axes."""
    camera = nodes.add("GeometryNodeInputActiveCamera").outputs[0]
    location = nodes.add("GeometryNodeObjectInfo", {"Object": camera}, transform_space="RELATIVE").outputs["Location"]
    # The photo's camera is the origin.
    viewpoint = nodes.vector_math("SCALE", location, follow)
    position = nodes.add("GeometryNodeInputPosition").outputs[0]
    return nodes.vector_math("SUBTRACT", position, viewpoint)


def _splat_axes(nodes: NodeTree, view: bpy.types.NodeSocket) -> tuple[bpy.types.NodeSocket, bpy.types.NodeSocket]:
    """Conjugate half-axes of each splat's cross-section, one standard deviation long.

    In the space where the Gaussian is a unit sphere, y = D^-1 R^T x, the plane's normal is the
    viewing direction m = D^-1 R^T v; any two orthonormal vectors perpendicular to m map back to the half-axes R D a.
    """
    rotation = _named(nodes, "rotation", "QUATERNION")
    inverse = nodes.add("FunctionNodeInvertRotation", {0: rotation}).outputs[0]
    view_local = nodes.add("FunctionNodeRotateVector", {"Vector": view, "Rotation": inverse}).outputs[0]
    scale = _named(nodes, "scale", "FLOAT_VECTOR")
    # Discs may have no thickness at all; a thousandth of their width changes nothing visible.
    length = nodes.vector_math("LENGTH", scale, output="Value")
    least = nodes.math("ADD", nodes.math("MULTIPLY", length, 1e-3), 1e-12)
    scale = nodes.vector_math(
        "MAXIMUM", scale, nodes.add("ShaderNodeCombineXYZ", {0: least, 1: least, 2: least}).outputs[0]
    )
    normal = nodes.vector_math("NORMALIZE", nodes.vector_math("DIVIDE", view_local, scale))
    # The helper axis must not be parallel to the normal: x unless the normal is mostly x, then y.
    x = nodes.math("ABSOLUTE", nodes.add("ShaderNodeSeparateXYZ", {0: normal}).outputs["X"])
    mostly_x = nodes.math("GREATER_THAN", x, 0.7)
    helper = nodes.add("ShaderNodeCombineXYZ", {0: nodes.math("SUBTRACT", 1.0, mostly_x), 1: mostly_x}).outputs[0]
    a = nodes.vector_math("NORMALIZE", nodes.vector_math("CROSS_PRODUCT", normal, helper))
    b = nodes.vector_math("CROSS_PRODUCT", normal, a)
    axes = [
        nodes.add("FunctionNodeRotateVector", {"Vector": nodes.vector_math("MULTIPLY", v, scale), "Rotation": rotation})
        for v in (a, b)
    ]
    return axes[0].outputs[0], axes[1].outputs[0]


def _named(nodes: NodeTree, name: str, kind: str) -> bpy.types.NodeSocket:
    return nodes.add("GeometryNodeInputNamedAttribute", {"Name": name}, data_type=kind).outputs["Attribute"]


def _store(
    nodes: NodeTree, geometry: bpy.types.NodeSocket, name: str, kind: str, domain: str, value: bpy.types.NodeSocket
) -> bpy.types.NodeSocket:
    node = nodes.add(
        "GeometryNodeStoreNamedAttribute",
        {"Geometry": geometry, "Name": name, "Value": value},
        data_type=kind,
        domain=domain,
    )
    return node.outputs[0]
