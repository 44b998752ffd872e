"""Points as a native point cloud object."""

from __future__ import annotations

import bpy
import numpy as np
from numpy.typing import NDArray

from ..camera import cam_to_blender
from ..geometry.points import drawn_radius_m
from ..reconstruction import PointArrays
from .attributes import flat_float, set_attribute, srgb_to_scene_linear
from .materials import COLOR_ATTRIBUTE, points_material
from .modifiers import add_nodes_modifier
from .nodes import NodeTree, kept_group, new_group

RADIUS_ATTRIBUTE = "radius"
SIZE_GROUP = "InfiniDepth Point Size"
SIZE_INPUT = "Size"
DEFAULT_POINT_SIZE = 2.0
"""Factor on half the spacing at which irregularly spaced points close up to a surface; at 1.5 walls had specks."""


def make_points(arrays: PointArrays, name: str) -> bpy.types.Object:
    """A point cloud object with colours, radii, normals, confidence and pixels of the photo.

    Its modifier `Size` scales the drawn radius; the stored `radius` stays as it is. That is half the local spacing,
    and less where the photo's camera sees the surface strongly slanted: see `geometry.points.drawn_radius_m`.

    Args:
        arrays: Points in OpenCV camera axes, metres.
        name: Name of the object, its data and its material.
    """
    colors = color_attribute(np.asarray(arrays.colors_srgb, dtype=np.float32) / 255)
    carrier = vertex_mesh(arrays.positions_cam, f"{name} carrier")
    set_attribute(carrier, RADIUS_ATTRIBUTE, "FLOAT", drawn_radius_m(arrays))
    set_attribute(carrier, COLOR_ATTRIBUTE, "FLOAT_COLOR", colors)
    set_attribute(carrier, "normal", "FLOAT_VECTOR", cam_to_blender(arrays.normals_cam))
    set_attribute(carrier, "confidence", "FLOAT", arrays.confidence)
    set_attribute(carrier, "source_px", "FLOAT2", arrays.source_px)
    cloud = _point_cloud_from_vertices(carrier, name)
    cloud.materials.append(points_material(name))
    obj = bpy.data.objects.new(name, cloud)
    group = _size_group()
    add_nodes_modifier(obj, "Point Size", group, {SIZE_INPUT: DEFAULT_POINT_SIZE})
    return obj


def color_attribute(colors_srgb: NDArray[np.float32], alpha: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """(N, 4) colours in the scene's linear working space, for a FLOAT_COLOR attribute.

    Args:
        colors_srgb: (N, 3) sRGB-encoded colours, 1 is white.
        alpha: (N,) or None for 1.
    """
    out = np.ones((len(colors_srgb), 4), dtype=np.float32)
    out[:, :3] = srgb_to_scene_linear(colors_srgb)
    if alpha is not None:
        out[:, 3] = alpha
    return out


def vertex_mesh(positions_cam: NDArray[np.float32], name: str) -> bpy.types.Mesh:
    """A mesh of vertices alone, which every Blender version can fill from an array."""
    mesh = bpy.data.meshes.new(name)
    mesh.vertices.add(len(positions_cam))
    mesh.attributes["position"].data.foreach_set("vector", flat_float(cam_to_blender(positions_cam)))
    return mesh


def _point_cloud_from_vertices(carrier: bpy.types.Mesh, name: str) -> bpy.types.PointCloud:
    """Turns a mesh of vertices into point cloud data with the same attributes, and removes the mesh.

    `PointCloud.resize` exists only from Blender 5.1; Mesh to Points runs in all versions. It is
    evaluated in a scene of its own, so that the user's scene is neither touched nor evaluated.
    """
    scene = bpy.data.scenes.new(f"{name} conversion")
    source = bpy.data.objects.new(carrier.name, carrier)
    empty = bpy.data.pointclouds.new(f"{name} empty")
    target = bpy.data.objects.new(f"{name} conversion", empty)
    group = new_group(f"{name} conversion", "GeometryNodeTree")
    try:
        group.interface.new_socket("Geometry", in_out="INPUT", socket_type="NodeSocketGeometry")
        group.interface.new_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")
        nodes = NodeTree(group)
        info = nodes.add("GeometryNodeObjectInfo", {"Object": source}, transform_space="ORIGINAL")
        radius = nodes.add("GeometryNodeInputNamedAttribute", {"Name": RADIUS_ATTRIBUTE}, data_type="FLOAT")
        points = nodes.add(
            "GeometryNodeMeshToPoints", {"Mesh": info.outputs["Geometry"], "Radius": radius.outputs["Attribute"]}
        )
        nodes.add("NodeGroupOutput", {0: points.outputs[0]})
        scene.collection.objects.link(source)
        scene.collection.objects.link(target)
        add_nodes_modifier(target, "Conversion", group)
        layer = scene.view_layers[0]
        layer.update()
        cloud = target.evaluated_get(layer.depsgraph).data.copy()
    finally:
        bpy.data.scenes.remove(scene)
        bpy.data.objects.remove(target)
        bpy.data.objects.remove(source)
        bpy.data.pointclouds.remove(empty)
        bpy.data.meshes.remove(carrier)
        bpy.data.node_groups.remove(group)
    cloud.name = name
    return cloud


def _size_group() -> bpy.types.NodeTree:
    group = kept_group(SIZE_GROUP, ("Geometry", SIZE_INPUT), ("Geometry",))
    if group is not None:
        return group
    group = new_group(SIZE_GROUP, "GeometryNodeTree")
    group.is_modifier = True
    group.interface.new_socket("Geometry", in_out="INPUT", socket_type="NodeSocketGeometry")
    size = group.interface.new_socket(SIZE_INPUT, in_out="INPUT", socket_type="NodeSocketFloat")
    size.default_value = DEFAULT_POINT_SIZE
    size.min_value = 0.0
    size.description = "Factor on the radius of the points"
    group.interface.new_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")
    nodes = NodeTree(group)
    given = nodes.add("NodeGroupInput")
    radius = nodes.add("GeometryNodeInputRadius").outputs[0]
    scaled = nodes.math("MULTIPLY", radius, given.outputs[SIZE_INPUT])
    output = nodes.add("GeometryNodeSetPointRadius", {"Points": given.outputs["Geometry"], "Radius": scaled})
    nodes.add("NodeGroupOutput", {0: output.outputs[0]})
    nodes.arrange()
    return group
