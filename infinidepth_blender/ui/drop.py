# SPDX-License-Identifier: GPL-3.0-or-later
"""Drag and drop: photos and videos onto the sidebar, splat files into the 3D view.

A photo dropped into the view itself stays what it is in Blender, a reference image (which
the panel then offers to reconstruct).
"""

import bpy

from ..splats import READ_SUFFIXES
from .operators import FILE_SUFFIXES
from .registering import add_classes, remove_classes


class INFINIDEPTH_FH_photos(bpy.types.FileHandler):
    """Photos and videos dropped onto a sidebar."""

    bl_idname = "INFINIDEPTH_FH_photos"
    bl_label = "Reconstruct Photos"
    bl_import_operator = "infinidepth.reconstruct_file"
    bl_file_extensions = ";".join(FILE_SUFFIXES)

    @classmethod
    def poll_drop(cls, context: bpy.types.Context) -> bool:
        """Only the sidebar: elsewhere Blender's own actions must not be hidden."""
        here = context.area is not None and context.area.type in {"VIEW_3D", "IMAGE_EDITOR"}
        return here and context.region is not None and context.region.type == "UI"


class INFINIDEPTH_FH_splats(bpy.types.FileHandler):
    """Splat files dropped into the 3D view; Blender asks which importer is meant. GLB files are its own importer's."""

    bl_idname = "INFINIDEPTH_FH_splats"
    bl_label = "Gaussian Splats (InfiniDepth)"
    bl_import_operator = "infinidepth.import_splats"
    bl_file_extensions = ";".join(suffix for suffix in READ_SUFFIXES if suffix != ".glb")

    @classmethod
    def poll_drop(cls, context: bpy.types.Context) -> bool:
        """Where objects are."""
        return context.area is not None and context.area.type == "VIEW_3D"


CLASSES = (INFINIDEPTH_FH_photos, INFINIDEPTH_FH_splats)


def register() -> None:
    """Adds the handlers."""
    add_classes(CLASSES)


def unregister() -> None:
    """Takes them away again."""
    remove_classes(CLASSES)
