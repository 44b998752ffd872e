# SPDX-License-Identifier: GPL-3.0-or-later
# pyright: reportInvalidTypeForm=false
"""Operators that fetch and remove models; the licence is shown and asked before the first download."""

from pathlib import Path
from typing import TYPE_CHECKING

import bpy
from bpy.props import BoolProperty, StringProperty
from bpy_extras.io_utils import ImportHelper

from ..engine.model_store import ModelStore
from ..engine.registry import find
from ..errors import InfiniDepthError, LicenceError
from . import addon, model_fetch, session
from .registering import add_classes, remove_classes
from .reports import refuse
from .text import paragraph

_DIALOG_WIDTH_PX = 460
_DIALOG_CHARACTERS = 78
_BROWSER_CHARACTERS = 30


class _Fetch:
    """What both fetching operators share: the model and its licences."""

    model: StringProperty(name="Model", description="Name of the model", options={"HIDDEN", "SKIP_SAVE"})
    accept_licence: BoolProperty(
        name="I Accept the Licenses",
        description="You have read the licenses of the model and accept them",
        default=False,
        options={"SKIP_SAVE"},
    )

    if TYPE_CHECKING:
        layout: bpy.types.UILayout

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """One model at a time."""
        if model_fetch.current is not None:
            cls.poll_message_set("Another model is being fetched")  # pyright: ignore[reportAttributeAccessIssue]
            return False
        return True

    def _draw_licences(self, characters: int) -> None:
        entry = find(self.model)
        column = self.layout.column(align=True)
        column.label(text=f"{entry.title}, {entry.size_text}", icon="NETWORK_DRIVE")
        for licence in ModelStore().open_licences(entry):
            box = self.layout.box()
            box.label(text=licence.name)
            paragraph(box.column(align=True), licence.text, bpy.context, characters=characters)
            box.operator("wm.url_open", text="Read the Full Text", icon="URL").url = licence.address
        if ModelStore().open_licences(entry):
            self.layout.prop(self, "accept_licence")  # pyright: ignore[reportArgumentType]

    def _fetch(self, source: Path | None) -> set[str]:
        session.session.problems = []
        try:
            entry = find(self.model)
            if self.accept_licence:
                ModelStore().accept_licences(entry)
            elif ModelStore().open_licences(entry):
                raise LicenceError(
                    f"The license of '{entry.title}' was not accepted.", "Read it, and tick that you accept it."
                )
            model_fetch.start(entry, source)
            if bpy.app.background:
                model_fetch.run_to_end()
            else:
                model_fetch.start_timer()
        except InfiniDepthError as error:
            return refuse(self, error)  # pyright: ignore[reportArgumentType]
        addon.redraw()
        return {"FINISHED"}


class INFINIDEPTH_OT_download_model(_Fetch, bpy.types.Operator):
    """Download a model"""

    bl_idname = "infinidepth.download_model"
    bl_label = "Download Model"
    bl_description = "Download the model into the folder that all Blender versions share"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only where the user lets Blender into the network."""
        if not bpy.app.online_access:
            cls.poll_message_set("Allow Online Access in the System preferences first")
            return False
        return super().poll(context)

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """Asks about licences that were not accepted yet."""
        if not ModelStore().open_licences(find(self.model)):
            return self.execute(context)
        return context.window_manager.invoke_props_dialog(
            self, width=_DIALOG_WIDTH_PX, title="Download Model", confirm_text="Download"
        )

    def draw(self, _context: bpy.types.Context) -> None:
        """The licences, and the question."""
        self._draw_licences(_DIALOG_CHARACTERS)

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """Starts the download; with a window it goes on in the background."""
        return self._fetch(None)


class INFINIDEPTH_OT_add_model_file(_Fetch, bpy.types.Operator, ImportHelper):
    """Take a model's file from a disk"""

    bl_idname = "infinidepth.add_model_file"
    bl_label = "Add Model File"
    bl_description = "Copy the model's file from a disk, for computers without a network"
    bl_options = {"INTERNAL"}

    filter_glob: StringProperty(default="*.ckpt;*.safetensors;*.onnx", options={"HIDDEN"})

    def draw(self, _context: bpy.types.Context) -> None:
        """The licences, beside the list of files."""
        self._draw_licences(_BROWSER_CHARACTERS)

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """Starts to copy the file."""
        return self._fetch(Path(bpy.path.abspath(self.filepath)))


class INFINIDEPTH_OT_cancel_download(bpy.types.Operator):
    """Stop the download"""

    bl_idname = "infinidepth.cancel_download"
    bl_label = "Cancel"
    bl_description = "Stop the download. What has come stays, and the next download continues it"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """A model must be on its way."""
        if model_fetch.current is None:
            cls.poll_message_set("No model is being fetched")
            return False
        return True

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """Asks the process to stop; the timer sees the end."""
        model_fetch.cancel()
        addon.redraw()
        return {"FINISHED"}


class INFINIDEPTH_OT_remove_model(bpy.types.Operator):
    """Remove a downloaded model"""

    bl_idname = "infinidepth.remove_model"
    bl_label = "Remove Model"
    bl_description = "Delete the model's files, for all Blender versions, and free their disk space"
    bl_options = {"INTERNAL"}

    model: StringProperty(name="Model", description="Name of the model", options={"HIDDEN", "SKIP_SAVE"})

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """Not while models are used or fetched."""
        if session.session.job is not None or model_fetch.current is not None:
            cls.poll_message_set("A photo is being reconstructed, or a model fetched")
            return False
        return True

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Asks first."""
        return context.window_manager.invoke_confirm(self, event)

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """Ends the engine, which may have the file open, and deletes."""
        session.close_engine()
        try:
            ModelStore().remove(find(self.model))
        except InfiniDepthError as error:
            return refuse(self, error)
        model_fetch.forget_looks()
        addon.redraw()
        return {"FINISHED"}


CLASSES = (
    INFINIDEPTH_OT_download_model,
    INFINIDEPTH_OT_add_model_file,
    INFINIDEPTH_OT_cancel_download,
    INFINIDEPTH_OT_remove_model,
)


def register() -> None:
    """Adds the operators."""
    add_classes(CLASSES)


def unregister() -> None:
    """Takes them away again."""
    remove_classes(CLASSES)
