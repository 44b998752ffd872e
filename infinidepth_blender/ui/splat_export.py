# SPDX-License-Identifier: GPL-3.0-or-later
# pyright: reportInvalidTypeForm=false
"""File > Export > Gaussian Splats."""

from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty
from bpy_extras.io_utils import ExportHelper

from ..errors import InfiniDepthError, SplatFileError
from ..scene.exported import export_splats, holds_splats
from ..scene.saved import SIZE_KEY, find_photo, own_root
from ..splats import WRITTEN_SUFFIXES
from .registering import add_classes, remove_classes
from .reports import needs_object_mode, refuse
from .session import forget_refusal

_WITH_CAMERA = (".ply", ".glb")
"""Kinds of files that have room for a camera."""


class INFINIDEPTH_OT_export_splats(bpy.types.Operator, ExportHelper):
    """Export Gaussian splats to a file"""

    bl_idname = "infinidepth.export_splats"
    bl_label = "Export Splats"
    bl_description = "Write the selected splats to a file, as they were edited and where they stand"
    bl_options = {"REGISTER"}

    filter_glob: StringProperty(default=";".join(f"*{suffix}" for suffix in WRITTEN_SUFFIXES), options={"HIDDEN"})
    file_format: EnumProperty(
        name="Format",
        items=(
            (".ply", "PLY", "All values as they are; most programs read it"),
            (".spz", "SPZ", "About a tenth of the size, rounded values; most viewers read it"),
            (".glb", "GLB", "glTF with Gaussian splats, all values as they are; for web viewers and game engines"),
            (".splat", "SPLAT", "32 bytes a splat, without colors that depend on the view; for web viewers"),
        ),
        default=".ply",
    )
    use_camera: BoolProperty(
        name="Camera",
        description="Write the photo's camera into a PLY or GLB as well. A few web viewers misread such PLY files",
        default=True,
    )

    @property
    def filename_ext(self) -> str:
        """What the file browser lets names end in; a script's own name decides for itself."""
        return self.file_format

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Edits are in the data once Edit Mode is left."""
        if not any(holds_splats(obj) for obj in context.selected_objects):
            cls.poll_message_set("Select an object of Gaussian splats")
            return False
        return needs_object_mode(cls, context)

    def draw(self, context: bpy.types.Context) -> None:
        """The format, and the camera where it can be written."""
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(self, "file_format")
        suffix = Path(bpy.path.basename(self.filepath)).suffix.lower() or self.file_format
        row = layout.row()
        row.enabled = suffix in _WITH_CAMERA and _have_camera(context)
        row.prop(self, "use_camera")

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Writes the file."""
        forget_refusal()
        chosen = [obj for obj in context.selected_objects if holds_splats(obj)]
        path = Path(bpy.path.abspath(self.filepath))
        if path.suffix.lower() not in WRITTEN_SUFFIXES:
            *others, last = WRITTEN_SUFFIXES
            known = f"{', '.join(others)} or {last}"
            return refuse(self, SplatFileError(f"'{path.name}' ends in no kind of splat file.", f"Use {known}."))
        try:
            count = export_splats(path, chosen, context.scene, with_camera=self.use_camera)
        except InfiniDepthError as error:
            return refuse(self, error)
        self.report({"INFO"}, f"{count:,} splats written to {path.name}")
        return {"FINISHED"}


def _have_camera(context: bpy.types.Context) -> bool:
    """Whether all selected splats are of one photo that still has its camera."""
    chosen = [obj for obj in context.selected_objects if holds_splats(obj)]
    roots = {own_root(obj) for obj in chosen}
    root = roots.pop() if len(roots) == 1 else None
    if root is None or SIZE_KEY not in root:
        return False
    photo = find_photo(context.scene, chosen[0])
    return photo is not None and photo.camera is not None


CLASSES = (INFINIDEPTH_OT_export_splats,)


def _draw_export_menu(menu: bpy.types.Menu, _context: bpy.types.Context) -> None:
    menu.layout.operator("infinidepth.export_splats", text="Gaussian Splats (.ply, .spz, .glb, .splat)")


def register() -> None:
    """Adds the operator and its entry in the menu."""
    add_classes(CLASSES)
    bpy.types.TOPBAR_MT_file_export.append(_draw_export_menu)


def unregister() -> None:
    """Takes them away again."""
    bpy.types.TOPBAR_MT_file_export.remove(_draw_export_menu)
    remove_classes(CLASSES)
