"""Colours of splats that depend on the view, worked out where they are drawn from.

The same harmonics as `splats.sh`, as nodes. They are kept in the object's axes (`radiance:sh_0` and on), so a
direction in these axes is all that is needed, however the object is turned.
"""

from __future__ import annotations

import bpy
import numpy as np

from ..splats.sh import SH_C0, SH_C1, SH_C2, SH_C3
from .attributes import working_space_matrix
from .materials import COLOR_ATTRIBUTE
from .nodes import NodeTree, Socket


def seen_color(nodes: NodeTree, view: bpy.types.NodeSocket, degree: int) -> bpy.types.NodeSocket:
    """The colour that each splat shows along a view, in the scene's working space, with the drawn colour's alpha.

    Args:
        nodes: A geometry node tree.
        view: Vector from the viewpoint to the splat, in the object's axes.
        degree: Degree of the harmonics, 1 to 3.
    """
    base = nodes.add("GeometryNodeInputNamedAttribute", {"Name": "radiance:base"}, data_type="FLOAT_VECTOR")
    color = nodes.vector_math("MULTIPLY_ADD", base.outputs["Attribute"], (SH_C0,) * 3, (0.5,) * 3)
    for k, weight in enumerate(_weights(nodes, view, degree)):
        name = f"radiance:sh_{k}"
        harmonic = nodes.add("GeometryNodeInputNamedAttribute", {"Name": name}, data_type="FLOAT_VECTOR")
        color = nodes.vector_math("MULTIPLY_ADD", harmonic.outputs["Attribute"], weight, color)
    encoded = nodes.add("ShaderNodeSeparateXYZ", {0: nodes.vector_math("MAXIMUM", color, (0.0, 0.0, 0.0))})
    linear: list[bpy.types.NodeSocket] = [_decoded(nodes, channel) for channel in encoded.outputs]
    matrix = working_space_matrix()
    if not np.allclose(matrix, np.eye(3), atol=1e-5):
        together = nodes.add("ShaderNodeCombineXYZ", dict(enumerate(linear))).outputs[0]
        linear = [nodes.vector_math("DOT_PRODUCT", together, tuple(row), output="Value") for row in matrix.tolist()]
    drawn = nodes.add("GeometryNodeInputNamedAttribute", {"Name": COLOR_ATTRIBUTE}, data_type="FLOAT_COLOR")
    alpha = nodes.add("FunctionNodeSeparateColor", {0: drawn.outputs["Attribute"]}).outputs["Alpha"]
    return nodes.add("FunctionNodeCombineColor", {**dict(enumerate(linear)), "Alpha": alpha}).outputs[0]


def _weights(nodes: NodeTree, view: bpy.types.NodeSocket, degree: int) -> list[bpy.types.NodeSocket]:
    """Values of the harmonics from the first degree on, in the order of `splats.sh.sh_basis`."""

    def times(*factors: Socket) -> bpy.types.NodeSocket:
        product = factors[0]
        for factor in factors[1:]:
            product = nodes.math("MULTIPLY", product, factor)
        return product

    def weighed(a: Socket, value_a: float, b: Socket, value_b: float) -> bpy.types.NodeSocket:
        return nodes.math("ADD", times(a, value_a), times(b, value_b))

    x, y, z = nodes.add("ShaderNodeSeparateXYZ", {0: nodes.vector_math("NORMALIZE", view)}).outputs
    found = [times(y, -SH_C1), times(z, SH_C1), times(x, -SH_C1)]
    if degree < 2:
        return found
    xx, yy, zz, xy = times(x, x), times(y, y), times(z, z), times(x, y)
    around, across = nodes.math("ADD", xx, yy), nodes.math("SUBTRACT", xx, yy)
    a, b, c = SH_C2
    found += [times(xy, a), times(y, z, -a), weighed(zz, 2 * b, around, -b), times(x, z, -a), times(across, c)]
    if degree < 3:
        return found
    a, b, c, e, f = SH_C3
    upright = weighed(zz, 4.0, around, -1.0)
    return [
        *found,
        times(y, weighed(xx, -3 * a, yy, a)),
        times(xy, z, b),
        times(y, upright, -c),
        times(z, weighed(zz, 2 * e, around, -3 * e)),
        times(x, upright, -c),
        times(z, across, f),
        times(x, weighed(xx, -a, yy, 3 * a)),
    ]


def _decoded(nodes: NodeTree, encoded: bpy.types.NodeSocket) -> bpy.types.NodeSocket:
    """Linear light of an sRGB-encoded value that is not negative (IEC 61966-2-1)."""
    straight = nodes.math("DIVIDE", encoded, 12.92)
    curve = nodes.math("POWER", nodes.math("MULTIPLY_ADD", encoded, 1 / 1.055, 0.055 / 1.055), 2.4)
    above = nodes.math("GREATER_THAN", encoded, 0.04045)
    return nodes.math("MULTIPLY_ADD", above, nodes.math("SUBTRACT", curve, straight), straight)
