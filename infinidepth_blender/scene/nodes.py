"""Small helpers to write node trees as plain code, the same in all Blender versions."""

from __future__ import annotations

from typing import Any

import bpy

Socket = Any
"""A node socket, or a plain value for an unlinked input."""


def kept_group(name: str, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> bpy.types.NodeTree | None:
    """The file's own group of that name, if its sockets are still those that are used; None: make one.

    Linked groups are left to their library, and what a user changed gets another name.
    """
    group = bpy.data.node_groups.get((name, None))
    if group is None:
        return None
    sockets = [item for item in group.interface.items_tree if item.item_type == "SOCKET"]
    names = {kind: {item.name for item in sockets if item.in_out == kind} for kind in ("INPUT", "OUTPUT")}
    if set(inputs) <= names["INPUT"] and set(outputs) <= names["OUTPUT"]:
        return group
    group.name = f"{name} (changed)"
    return None


class NodeTree:
    """Adds nodes to a tree and links them; inputs are given by name or index.

    Args:
        tree: A shader or geometry node tree.
    """

    def __init__(self, tree: bpy.types.NodeTree) -> None:
        self.tree = tree

    def add(
        self, kind: str, inputs: dict[str | int, Socket] | None = None, *, label: str = "", **properties: Any
    ) -> bpy.types.Node:
        """A new node with its properties set and its inputs linked or set to values."""
        node = self.tree.nodes.new(kind)
        node.label = label
        for name, value in properties.items():
            setattr(node, name, value)
        for key, value in (inputs or {}).items():
            self.feed(node.inputs[key], value)
        return node

    def feed(self, socket: bpy.types.NodeSocket, value: Socket) -> None:
        """Links `value` to an input if it is a socket, else sets the input's own value."""
        if isinstance(value, bpy.types.NodeSocket):
            self.tree.links.new(value, socket)
        else:
            socket.default_value = value

    def math(self, operation: str, *values: Socket) -> bpy.types.NodeSocket:
        """The result of a Math node."""
        kind = "ShaderNodeMath"
        return self.add(kind, dict(enumerate(values)), operation=operation).outputs[0]

    def vector_math(self, operation: str, *values: Socket, output: str = "Vector") -> bpy.types.NodeSocket:
        """The result of a Vector Math node; Scale takes its factor as second value."""
        if operation == "SCALE":
            inputs: dict[str | int, Socket] = {0: values[0], "Scale": values[1]}
        else:
            inputs = dict(enumerate(values))
        return self.add("ShaderNodeVectorMath", inputs, operation=operation).outputs[output]

    def mix_color(self, factor: Socket, first: Socket, second: Socket, label: str = "") -> bpy.types.NodeSocket:
        """The first colour at factor 0, the second at 1; colours may be brighter than 1."""
        mix = self.add("ShaderNodeMix", {0: factor}, data_type="RGBA", label=label)
        self.feed(mix.inputs[6], first)
        self.feed(mix.inputs[7], second)
        return mix.outputs[2]

    def arrange(self) -> None:
        """Lays the nodes out in columns from the outputs back, so that a person can read the tree."""
        depth: dict[str, int] = {}
        pending = [(node, 0) for node in self.tree.nodes if not any(s.is_linked for s in node.outputs)]
        while pending:
            node, column = pending.pop()
            if depth.get(node.name, -1) >= column:
                continue
            depth[node.name] = column
            pending += [(link.from_node, column + 1) for socket in node.inputs for link in socket.links]
        rows: dict[int, int] = {}
        for node in self.tree.nodes:
            column = depth.get(node.name, 0)
            node.location = (-220.0 * column, -200.0 * rows.get(column, 0))
            rows[column] = rows.get(column, 0) + 1


def new_group(name: str, kind: str) -> bpy.types.NodeTree:
    """An empty node group of kind `ShaderNodeTree` or `GeometryNodeTree`."""
    return bpy.data.node_groups.new(name, kind)


def empty_material_tree(material: bpy.types.Material) -> NodeTree:
    """The material's node tree without nodes."""
    if material.node_tree is None:
        # Always on from Blender 5.0, where setting it warns.
        material.use_nodes = True
    tree: Any = material.node_tree
    tree.nodes.clear()
    return NodeTree(tree)
