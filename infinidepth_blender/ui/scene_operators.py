# SPDX-License-Identifier: GPL-3.0-or-later
# pyright: reportInvalidTypeForm=false
"""Operators for what is in the scene already, or comes from a file: no engine needed."""

from collections.abc import Sequence

import bpy
from bpy.props import CollectionProperty, EnumProperty, IntProperty, StringProperty
from bpy_extras.io_utils import ImportHelper

from ..errors import InfiniDepthError, SceneError
from ..scene.earlier import hide_rivals
from ..scene.imported import import_splats
from ..scene.objects import SceneObjects
from ..scene.photo_modes import PhotoMode, photo_materials, set_sky_mode, set_surface_mode
from ..scene.saved import photos_in
from ..scene.visibility import show_only, switch_on
from ..splats import READ_SUFFIXES, SOG_LIST
from .chosen_files import chosen_paths, refuse_each
from .delivery import put_into_scene
from .on_photo import OnPhoto
from .output import results_dir
from .properties import PHOTO_MODES, SHOWN
from .registering import add_classes, remove_classes
from .reports import needs_object_mode, refuse
from .session import forget_refusal


class INFINIDEPTH_OT_open_bundle(bpy.types.Operator, ImportHelper):
    """Put an earlier reconstruction into the scene"""

    bl_idname = "infinidepth.open_bundle"
    bl_label = "Open Result"
    bl_description = "Put earlier results into the scene: choose their folders, or the reconstruction.json in one"
    bl_options = {"REGISTER", "UNDO"}

    # Blender's file browser matches endings alone.
    filter_glob: StringProperty(default="*.json", options={"HIDDEN"})
    filepath: StringProperty(subtype="FILE_PATH", options={"HIDDEN", "SKIP_SAVE"})
    directory: StringProperty(subtype="DIR_PATH", options={"HIDDEN", "SKIP_SAVE"})
    files: CollectionProperty(type=bpy.types.OperatorFileListElement, options={"HIDDEN", "SKIP_SAVE"})
    dirs: CollectionProperty(type=bpy.types.OperatorFileListElement, options={"HIDDEN", "SKIP_SAVE"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Objects can only be added in Object Mode."""
        return needs_object_mode(cls, context)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Opens the file browser where results of this file lie."""
        results = results_dir()
        if not self.directory and results.is_dir():
            self.directory = str(results / "")
            self.filepath = self.directory
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Builds the objects of the folders that were chosen, or that hold the chosen files."""
        forget_refusal()
        made: list[int] = []
        errors: list[InfiniDepthError] = []
        for path in chosen_paths(self):
            bundle = path if path.is_dir() else path.parent
            try:
                objects = put_into_scene(context, context.scene, bundle, of_the_job=made)
            except InfiniDepthError as error:
                errors.append(error)
            else:
                made.append(objects.collection.session_uid)
        if errors:
            refuse_each(self, errors)
        return {"FINISHED"} if made else {"CANCELLED"}


class INFINIDEPTH_OT_import_splats(bpy.types.Operator, ImportHelper):
    """Import Gaussian splats from a file"""

    bl_idname = "infinidepth.import_splats"
    bl_label = "Import Splats"
    bl_description = (
        "Import Gaussian splats from PLY, SPZ, SOG, GLB or .splat files as objects that render in Cycles and EEVEE"
    )
    bl_options = {"REGISTER", "UNDO"}

    filter_glob: StringProperty(
        default=";".join([*(f"*{suffix}" for suffix in READ_SUFFIXES), SOG_LIST]), options={"HIDDEN"}
    )
    filepath: StringProperty(subtype="FILE_PATH", options={"HIDDEN", "SKIP_SAVE"})
    directory: StringProperty(subtype="DIR_PATH", options={"HIDDEN", "SKIP_SAVE"})
    files: CollectionProperty(type=bpy.types.OperatorFileListElement, options={"HIDDEN", "SKIP_SAVE"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Objects can only be added in Object Mode."""
        return needs_object_mode(cls, context)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Opens the file browser, unless files were dropped into the view."""
        if self.filepath or self.files:
            return self.execute(context)
        return ImportHelper.invoke(self, context, event)  # pyright: ignore[reportReturnType]

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Reads the files and adds the objects."""
        forget_refusal()
        made: list[bpy.types.Object] = []
        notes: list[str] = []
        errors: list[InfiniDepthError] = []
        for path in chosen_paths(self):
            try:
                splats, told = import_splats(path, context.scene)
            except InfiniDepthError as error:
                errors.append(error)
            else:
                made.append(splats)
                notes += told
        if made:
            _select_alone(context, made)
        for note in dict.fromkeys(notes):
            self.report({"WARNING"}, note)
        if errors:
            refuse_each(self, errors)
        return {"FINISHED"} if made else {"CANCELLED"}


def _select_alone(context: bpy.types.Context, objects: Sequence[bpy.types.Object]) -> None:
    for obj in context.selected_objects:
        obj.select_set(False)
    for obj in objects:
        obj.select_set(True)
    context.view_layer.objects.active = objects[-1]


class INFINIDEPTH_OT_show(OnPhoto, bpy.types.Operator):
    """Show the photo as a mesh, as points or as splats"""

    bl_idname = "infinidepth.show"
    bl_label = "Show"
    bl_description = "Show the photo this way, in the viewport and in renders"
    bl_options = {"REGISTER", "UNDO"}

    what: EnumProperty(name="Show", items=SHOWN)

    @classmethod
    def description(cls, _context: bpy.types.Context, properties: bpy.types.OperatorProperties) -> str:
        """What is shown, in the words of the setting."""
        told = next(description for name, _, description in SHOWN if name == properties.what)  # pyright: ignore[reportAttributeAccessIssue]
        return f"{told}, in the viewport and in renders"

    def _change(self, context: bpy.types.Context, objects: SceneObjects) -> None:
        for obj in objects.parts().values():
            _refuse_linked(obj)
        was_hidden = switch_on(objects.collection, context.view_layer) or all(
            obj is None or obj.hide_render for obj in (objects.mesh, objects.points, objects.splats)
        )
        show_only(objects, self.what)
        if was_hidden:
            context.view_layer.update()  # what was hidden may have been moved since it was last drawn
            hidden = hide_rivals(objects, context.scene)
            if hidden:
                self.report({"INFO"}, f"Hidden, because both would lie on one another: {', '.join(hidden)}")


class INFINIDEPTH_OT_photo_mode(OnPhoto, bpy.types.Operator):
    """Choose how the mesh shows the photo"""

    bl_idname = "infinidepth.photo_mode"
    bl_label = "Material"
    bl_description = "How the mesh shows the photo"
    bl_options = {"REGISTER", "UNDO"}

    mode: EnumProperty(name="Material", items=PHOTO_MODES)

    @classmethod
    def description(cls, _context: bpy.types.Context, properties: bpy.types.OperatorProperties) -> str:
        """What the material does, in the words of the setting."""
        return next(item[2] for item in PHOTO_MODES if item[0] == properties.mode)  # pyright: ignore[reportAttributeAccessIssue]

    def _change(self, context: bpy.types.Context, objects: SceneObjects) -> None:
        surfaces = [obj for obj in (objects.mesh, objects.background) if photo_materials(obj)]
        sky = objects.backdrop
        if not surfaces:
            raise SceneError("The mesh does not have its photo material any more.", "Reconstruct or open it again.")
        for obj in (*surfaces, *([sky] if sky is not None else ())):
            _refuse_linked(obj, photo_materials(obj))
        try:
            mode: PhotoMode = self.mode  # pyright: ignore[reportAssignmentType]
            for surface in surfaces:
                set_surface_mode(surface, mode)
            if sky is not None:
                set_sky_mode(sky, mode)
        except KeyError as error:
            raise SceneError(
                "A node of the photo's material is missing that this needs.", "Reconstruct or open the photo again."
            ) from error


class INFINIDEPTH_OT_select_photo(bpy.types.Operator):
    """Make a photo the one at hand"""

    bl_idname = "infinidepth.select_photo"
    bl_label = "Select Photo"
    bl_description = "Select what is shown of this photo, so that the buttons mean it"
    bl_options = {"REGISTER", "UNDO"}

    number: IntProperty(name="Number", description="Place among the photos of the scene", min=0, options={"SKIP_SAVE"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Objects can only be selected in Object Mode."""
        return needs_object_mode(cls, context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Makes one of its objects the active one."""
        photos = photos_in(context.scene)
        if self.number >= len(photos):
            return {"CANCELLED"}
        found = photos[self.number]
        there = [obj for obj in (found.mesh, found.points, found.splats, found.root, found.camera) if obj is not None]
        shown = next((obj for obj in there if not obj.hide_render), there[0])
        if context.view_layer.objects.get(shown.name) is None:
            return refuse(self, SceneError("Its collection is off in this view layer.", "Tick it in the Outliner."))
        _select_alone(context, [shown])
        return {"FINISHED"}


def _refuse_linked(obj: bpy.types.Object, materials: Sequence[bpy.types.Material] = ()) -> None:
    """Changes of what is linked are lost when the file is opened again.

    Raises:
        SceneError: the object or one of its materials is linked.
    """
    if obj.library is not None:
        raise _linked_error(obj, "Make it local or a library override first.")
    for material in materials:
        if material.library is not None:
            # An override of the object leaves its mesh and material linked, and a linked mesh keeps a linked material.
            linked_mesh = obj.data is not None and obj.data.library is not None
            what = "the mesh and then the material" if linked_mesh else "the material"
            raise _linked_error(
                material, f"Make {what} local first: click the chain beside the name in the Properties editor."
            )


def _linked_error(item: bpy.types.ID, remedy: str) -> SceneError:
    library = item.library
    source = bpy.path.basename(library.filepath) if library is not None else "another file"
    return SceneError(f"'{item.name}' is linked from {source}, and changes of it are not saved.", remedy)


CLASSES = (
    INFINIDEPTH_OT_open_bundle,
    INFINIDEPTH_OT_import_splats,
    INFINIDEPTH_OT_show,
    INFINIDEPTH_OT_photo_mode,
    INFINIDEPTH_OT_select_photo,
)


def _draw_import_menu(menu: bpy.types.Menu, _context: bpy.types.Context) -> None:
    menu.layout.operator("infinidepth.import_splats", text="Gaussian Splats (.ply, .spz, .sog, .splat, .glb)")
    menu.layout.operator("infinidepth.open_bundle", text="InfiniDepth Result")


def register() -> None:
    """Adds the operators, and the importers to File > Import."""
    add_classes(CLASSES)
    bpy.types.TOPBAR_MT_file_import.append(_draw_import_menu)


def unregister() -> None:
    """Takes them away again."""
    bpy.types.TOPBAR_MT_file_import.remove(_draw_import_menu)
    remove_classes(CLASSES)
