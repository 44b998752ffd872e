"""What of a data-block its keyframes and drivers set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import bpy


def animated_paths(item: bpy.types.ID) -> set[str]:
    """The paths of an object's or a camera's properties that its own action, its NLA strips or its drivers set."""
    data = getattr(item, "animation_data", None)
    if data is None:
        return set()
    curves: list[Any] = list(data.drivers)
    curves += _curves(data.action, getattr(data, "action_slot_handle", None))
    for track in data.nla_tracks:
        for strip in track.strips:
            curves += _curves(strip.action, getattr(strip, "action_slot_handle", None))
    return {curve.data_path for curve in curves}


def _curves(action: Any, slot_handle: int | None) -> Iterator[Any]:
    """The curves of an action; from Blender 4.4 on they are those of a slot, and from 5.0 on only there."""
    if action is None:
        return
    if slot_handle is None:
        yield from action.fcurves
        return
    for layer in action.layers:
        for strip in layer.strips:
            for bag in strip.channelbags:
                if bag.slot_handle == slot_handle:
                    yield from bag.fcurves
