# SPDX-License-Identifier: GPL-3.0-or-later
"""Classes come into Blender in order and leave it in the opposite one."""

from collections.abc import Sequence
from typing import Any

import bpy

PATH_OPTIONS = {"ANIMATABLE"} | ({"PATH_SUPPORTS_BLEND_RELATIVE"} if bpy.app.version >= (4, 5, 0) else set())
"""`options` of a property that holds a path, which may begin with `//`: from 4.5 on Blender wants to be told."""


def add_classes(classes: Sequence[type[Any]]) -> None:
    """Registers classes; if one fails, those before it are taken away again."""
    done: list[type[Any]] = []
    try:
        for cls in classes:
            bpy.utils.register_class(cls)
            done.append(cls)
    except BaseException:
        remove_classes(done)
        raise


def remove_classes(classes: Sequence[type[Any]]) -> None:
    """The inverse of `add_classes`."""
    for cls in reversed(classes):
        bpy.utils.unregister_class(cls)
