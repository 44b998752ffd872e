"""Materials: the photo on the mesh, point colours and splats.

The photo's material has three modes, one link each, so that every mode is a graph that
exporters understand:

* `PHOTO`: emission; the matched camera gives the photo back exactly;
* `LIT`: a Principled BSDF, to light the scene anew;
* `HOLDOUT`: cuts the scene out of the render, to composite over the photo.

The image is looked up by exact projection (see `mesh.PROJECTION_ATTRIBUTE`), or by the
UV map on meshes that lack that attribute; glTF and other exporters see an image texture
on a UV-mapped mesh. FBX and OBJ know no emission alone: an output of their own, which nothing
renders, has the lit surface for them.
"""

from __future__ import annotations

from typing import Literal

import bpy

from .mesh import PROJECTION_ATTRIBUTE
from .nodes import NodeTree, empty_material_tree, kept_group, new_group
from .pictures import Picture

MaterialMode = Literal["PHOTO", "LIT", "HOLDOUT"]
PROJECTION_GROUP = "InfiniDepth Projection"
SPLAT_GROUP = "InfiniDepth Splat Shader"
COLOR_ATTRIBUTE = "Color"
SPLAT_COORDINATE_ATTRIBUTE = "splat_coordinate"
"""Position on a splat in standard deviations."""

_MODE_NODES: dict[MaterialMode, str] = {"PHOTO": "Photo", "LIT": "Lit", "HOLDOUT": "Holdout"}
_OUTPUT_NODE = "Material Output"
_EXPORT_NODE = "For FBX and OBJ"


def photo_material(name: str, picture: Picture) -> bpy.types.Material:
    """A material that shows the photo, as it is; see `set_photo_mode`."""
    material = bpy.data.materials.new(name)
    nodes = empty_material_tree(material)
    projection = nodes.add("ShaderNodeGroup", node_tree=_projection_group())
    color = _texture(nodes, projection.outputs[0], picture.image, "Photo")
    albedo = shown = color
    if picture.eight_bits != picture.image:
        # No surface reflects more light than it gets, as one in the colours of a lamp would.
        albedo = _texture(nodes, projection.outputs[0], picture.eight_bits, "Photo, 8 Bits")
        # Exporters take the first texture that they find, and most formats know none in linear light.
        shown = nodes.mix_color(1.0, albedo, color, label="Photo, or 8 Bits for Exporters")
    # Two emissions, so that the light the photo casts can be turned down without changing what
    # the camera sees. glTF knows this pair, and only this, as an unlit material.
    seen = nodes.add("ShaderNodeEmission", {"Color": shown, "Strength": 1.0}, label="Seen by the camera")
    cast = nodes.add("ShaderNodeEmission", {"Color": color, "Strength": 1.0}, label="Light on other objects")
    is_camera_ray = nodes.add("ShaderNodeLightPath").outputs["Is Camera Ray"]
    nodes.add("ShaderNodeMixShader", {0: is_camera_ray, 1: cast.outputs[0], 2: seen.outputs[0]}, name="Photo")
    # Photographed surfaces carry their highlights in the photo: no second, white one.
    lit = nodes.add("ShaderNodeBsdfPrincipled", {"Base Color": albedo, "Roughness": 0.9}, name="Lit")
    lit.inputs["Specular IOR Level"].default_value = 0.2
    nodes.add("ShaderNodeHoldout", name="Holdout")
    # The exporters of FBX and OBJ take the first Principled BSDF that is linked to any output; nothing renders this one.
    nodes.add("ShaderNodeOutputMaterial", {"Surface": lit.outputs[0]}, name=_EXPORT_NODE, label=_EXPORT_NODE)
    output = nodes.add("ShaderNodeOutputMaterial", name=_OUTPUT_NODE)
    set_photo_mode(material, "PHOTO")
    output.is_active_output = True
    nodes.arrange()
    material.diffuse_color = (0.8, 0.8, 0.8, 1.0)
    _no_light_sampling(material)
    return material


def _texture(nodes: NodeTree, vector: bpy.types.NodeSocket, image: bpy.types.Image, label: str) -> bpy.types.NodeSocket:
    """The colours of an image."""
    # Linear is exact at pixel centres. Extend: beyond the outermost pixel centres other
    # modes would blend in black or the photo's opposite side.
    return nodes.add(
        "ShaderNodeTexImage",
        {"Vector": vector},
        image=image,
        interpolation="Linear",
        extension="EXTEND",
        label=label,
    ).outputs["Color"]


def set_photo_mode(material: bpy.types.Material, mode: MaterialMode) -> None:
    """Switches a photo material between emission, lit and holdout.

    Raises:
        KeyError: it is not a photo material any more (its nodes were renamed or removed).
    """
    tree = material.node_tree
    surface = tree.nodes[_OUTPUT_NODE].inputs["Surface"]
    tree.links.new(tree.nodes[_MODE_NODES[mode]].outputs[0], surface)


def photo_mode(material: bpy.types.Material) -> MaterialMode | None:
    """The mode of a photo material; None for other materials."""
    output = material.node_tree.nodes.get(_OUTPUT_NODE) if material.node_tree else None
    if output is None or not output.inputs["Surface"].is_linked:
        return None
    linked = output.inputs["Surface"].links[0].from_node.name
    return next((mode for mode, name in _MODE_NODES.items() if name == linked), None)


def points_material(name: str) -> bpy.types.Material:
    """Shows the points' own colours, unlit, as the photo has them."""
    material = bpy.data.materials.new(name)
    nodes = empty_material_tree(material)
    color = nodes.add("ShaderNodeAttribute", attribute_name=COLOR_ATTRIBUTE, attribute_type="GEOMETRY")
    emission = nodes.add("ShaderNodeEmission", {"Color": color.outputs["Color"]})
    nodes.add("ShaderNodeOutputMaterial", {"Surface": emission.outputs[0]})
    nodes.arrange()
    _no_light_sampling(material)
    return material


def splats_material(name: str) -> bpy.types.Material:
    """Shows splats: a Gaussian falloff over quads, with the splats' own colours and opacities.

    EEVEE: dithered, the one method that sorts within an object. Cycles: see `_splat_group`.
    """
    material = bpy.data.materials.new(name)
    nodes = empty_material_tree(material)
    splat = nodes.add("ShaderNodeGroup", node_tree=_splat_group())
    limit = splat.inputs["Transparent Bounces"]
    limit.default_value = 8.0
    _drive_by_transparent_bounces(limit)
    nodes.add("ShaderNodeOutputMaterial", {"Surface": splat.outputs[0]})
    nodes.arrange()
    material.surface_render_method = "DITHERED"
    _no_light_sampling(material)
    return material


def _projection_group() -> bpy.types.NodeTree:
    group = kept_group(PROJECTION_GROUP, (), ("Vector",))
    if group is not None:
        return group
    group = new_group(PROJECTION_GROUP, "ShaderNodeTree")
    group.interface.new_socket("Vector", in_out="OUTPUT", socket_type="NodeSocketVector")
    nodes = NodeTree(group)
    attribute = nodes.add("ShaderNodeAttribute", attribute_name=PROJECTION_ATTRIBUTE, attribute_type="GEOMETRY")
    depth = nodes.add("ShaderNodeSeparateXYZ", {0: attribute.outputs["Vector"]}).outputs["Z"]
    projected = nodes.vector_math("SCALE", attribute.outputs["Vector"], nodes.math("DIVIDE", 1.0, depth))
    has_attribute = nodes.math("GREATER_THAN", depth, 0.0)
    uv = nodes.add("ShaderNodeUVMap")
    mix = nodes.add("ShaderNodeMix", data_type="VECTOR")
    nodes.feed(mix.inputs[0], has_attribute)
    nodes.feed(mix.inputs[4], uv.outputs[0])
    nodes.feed(mix.inputs[5], projected)
    nodes.add("NodeGroupOutput", {0: mix.outputs[1]})
    nodes.arrange()
    return group


def _splat_group() -> bpy.types.NodeTree:
    """Emission seen through the splat's opacity.

    Cycles ends a ray in black after the scene's number of transparent bounces, of which
    every splat takes one. The last splat that a ray may still pass is therefore opaque:
    with few bounces silhouettes grow a little, but nothing turns black.
    """
    group = kept_group(SPLAT_GROUP, ("Transparent Bounces",), ("Shader",))
    if group is not None:
        return group
    group = new_group(SPLAT_GROUP, "ShaderNodeTree")
    group.interface.new_socket("Transparent Bounces", in_out="INPUT", socket_type="NodeSocketFloat")
    group.interface.new_socket("Shader", in_out="OUTPUT", socket_type="NodeSocketShader")
    nodes = NodeTree(group)
    given = nodes.add("NodeGroupInput")
    coordinate = nodes.add(
        "ShaderNodeAttribute", attribute_name=SPLAT_COORDINATE_ATTRIBUTE, attribute_type="GEOMETRY"
    ).outputs["Vector"]
    color = nodes.add("ShaderNodeAttribute", attribute_name=COLOR_ATTRIBUTE, attribute_type="GEOMETRY")
    squared = nodes.vector_math("DOT_PRODUCT", coordinate, coordinate, output="Value")
    falloff = nodes.math("EXPONENT", nodes.math("MULTIPLY", squared, -0.5))
    alpha = nodes.math("MULTIPLY", color.outputs["Alpha"], falloff)
    passed = nodes.add("ShaderNodeLightPath").outputs["Transparent Depth"]
    is_last = nodes.math("GREATER_THAN", passed, nodes.math("SUBTRACT", given.outputs[0], 0.5))
    alpha = nodes.math("MAXIMUM", alpha, is_last)
    emission = nodes.add("ShaderNodeEmission", {"Color": color.outputs["Color"]})
    mix = nodes.add(
        "ShaderNodeMixShader",
        {0: alpha, 1: nodes.add("ShaderNodeBsdfTransparent").outputs[0], 2: emission.outputs[0]},
    )
    nodes.add("NodeGroupOutput", {0: mix.outputs[0]})
    nodes.arrange()
    return group


def _drive_by_transparent_bounces(socket: bpy.types.NodeSocket) -> None:
    """Lets an input follow Cycles' limit of transparent bounces of whatever scene it is rendered in."""
    driver = socket.driver_add("default_value").driver
    driver.type = "AVERAGE"
    variable = driver.variables.new()
    variable.type = "CONTEXT_PROP"
    variable.targets[0].context_property = "ACTIVE_SCENE"
    variable.targets[0].data_path = "cycles.transparent_max_bounces"
    # Without Cycles nothing counts bounces, and no splat is the last one.
    variable.targets[0].use_fallback_value = True
    variable.targets[0].fallback_value = 1024.0


def _no_light_sampling(material: bpy.types.Material) -> None:
    """Keeps Cycles from treating millions of glowing faces as lamps; they still light what they reach."""
    if hasattr(material, "cycles"):
        material.cycles.emission_sampling = "NONE"
