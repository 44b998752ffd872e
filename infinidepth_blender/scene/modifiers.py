"""Geometry-nodes modifiers and their inputs."""

from __future__ import annotations

from typing import Any

import bpy


def add_nodes_modifier(
    obj: bpy.types.Object, name: str, group: bpy.types.NodeTree, inputs: dict[str, Any] | None = None
) -> bpy.types.NodesModifier:
    """Adds a geometry-nodes modifier and sets its inputs by their visible names."""
    modifier = obj.modifiers.new(name, "NODES")
    modifier.node_group = group
    for key, value in (inputs or {}).items():
        set_modifier_input(modifier, key, value)
    return modifier


def set_modifier_input(modifier: bpy.types.NodesModifier, name: str, value: Any) -> None:
    """Sets an input of a geometry-nodes modifier by its visible name.

    Raises:
        KeyError: the modifier has no input of that name.
    """
    identifier = input_identifier(modifier.node_group, name)
    if hasattr(modifier, "properties"):  # from Blender 5.2
        getattr(modifier.properties.inputs, identifier).value = value
    else:
        modifier[identifier] = value


def modifier_input(modifier: bpy.types.NodesModifier, name: str) -> Any:
    """The value of an input of a geometry-nodes modifier, by its visible name.

    Raises:
        KeyError: the modifier has no input of that name.
    """
    identifier = input_identifier(modifier.node_group, name)
    if hasattr(modifier, "properties"):  # from Blender 5.2
        return getattr(modifier.properties.inputs, identifier).value
    return modifier[identifier]


def input_identifier(group: bpy.types.NodeTree, name: str) -> str:
    """Identifier of a group's input such as `Socket_2`.

    Raises:
        KeyError: the group has no input of that name.
    """
    for item in group.interface.items_tree:
        if item.item_type == "SOCKET" and item.in_out == "INPUT" and item.name == name:
            return item.identifier
    raise KeyError(name)
