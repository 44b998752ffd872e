# SPDX-License-Identifier: GPL-3.0-or-later
# pyright: reportInvalidTypeForm=false
"""Preferences: the engine's Python, the models, the device, and where results go."""

from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty

from ..errors import InfiniDepthError, OutputError
from . import addon, runtime_link, session
from .engine_drawing import draw_engine
from .model_drawing import draw_model_list
from .registering import PATH_OPTIONS, add_classes, remove_classes
from .reports import refuse


def _engine_changed(_preferences: "InfiniDepthPreferences", _context: bpy.types.Context) -> None:
    runtime_link.refresh()


class InfiniDepthPreferences(bpy.types.AddonPreferences):
    """What belongs to the machine and not to a scene."""

    bl_idname = addon.ADDON_ID

    engine_python: StringProperty(
        name="Python",
        description=(
            "Python interpreter, or folder of an environment, that has PyTorch and the engine's other packages. "
            "Leave empty to use the one that InfiniDepth installs"
        ),
        subtype="FILE_PATH",
        options=PATH_OPTIONS,
        update=_engine_changed,
    )
    device: EnumProperty(
        name="Device",
        description="Where the network runs",
        items=[
            ("auto", "Automatic", "A graphics card if one fits, else the processor"),
            ("cpu", "CPU", "The processor"),
            ("cuda", "CUDA", "An NVIDIA graphics card"),
            ("mps", "Metal", "Apple graphics"),
        ],
        default="auto",
    )
    precision: EnumProperty(
        name="Precision",
        description="How exactly large models compute; the bundled model is always exact",
        items=[
            ("auto", "Automatic", "16 bits where the hardware is made for it, else 32 bits"),
            ("exact", "Exact", "32 bits everywhere"),
            ("fast", "Fast", "16 bits: faster on graphics cards and recent processors"),
        ],
        default="auto",
    )
    bundle_location: EnumProperty(
        name="Results",
        description="Where depth maps, PLY files and what is needed to open a result again are written",
        items=[
            (
                "BLEND",
                "Beside the Blend File",
                "In a folder beside the .blend file; before it is saved, in the folder InfiniDepth of your documents",
            ),
            ("PHOTO", "Beside the Photo", "In a folder beside the photo, as the command line does"),
            ("FOLDER", "Folder", "In a folder of your choice"),
        ],
        default="BLEND",
    )
    bundle_folder: StringProperty(
        name="Folder", description="Folder for all results", subtype="DIR_PATH", options=PATH_OPTIONS
    )

    def draw(self, context: bpy.types.Context) -> None:
        """Engine first, because nothing works without it."""
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        engine = layout.box()
        draw_engine(engine, self, context)
        if not runtime_link.state.installing:
            found = runtime_link.state.found is not None
            row = engine.row()
            row.label(text="Without a network")
            row.operator("infinidepth.install_from_folder", text="From Folder...", icon="FILE_FOLDER").reinstall = found
        draw_model_list(layout.box(), context)
        column = layout.column()
        column.prop(self, "device")
        column.prop(self, "precision")
        column.prop(self, "bundle_location")
        if self.bundle_location == "FOLDER":
            column.prop(self, "bundle_folder")


class _Install:
    """What both installing operators share."""

    reinstall: BoolProperty(
        name="Reinstall",
        description="Install again, also if the engine works",
        default=False,
        options={"HIDDEN", "SKIP_SAVE"},
    )

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """Not while the engine is at work, nor where another Python is used."""
        busy = "An install is going on" if runtime_link.state.installing else ""
        if session.session.job is not None:
            busy = "The engine is at work"
        if reason := busy or runtime_link.override():
            cls.poll_message_set(reason)  # pyright: ignore[reportAttributeAccessIssue]
            return False
        return True

    def _install(self, packages: Path | None) -> set[str]:
        session.session.problems = []
        session.close_engine()  # the old one is removed when the new one is complete
        try:
            runtime_link.install(reinstall=bool(self.reinstall), packages=packages)
        except InfiniDepthError as error:
            return refuse(self, error)  # pyright: ignore[reportArgumentType]
        addon.redraw()
        return {"FINISHED"}


class INFINIDEPTH_OT_install_runtime(_Install, bpy.types.Operator):
    """Download and install the engine"""

    bl_idname = "infinidepth.install_runtime"
    bl_label = "Install Engine"
    bl_description = "Download PyTorch and the other packages of the engine into a folder of their own"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only with the user's consent to go online, which Blender asks for."""
        if not bpy.app.online_access:
            cls.poll_message_set("Allow Online Access in Blender's preferences under System first")
            return False
        return super().poll(context)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Says what will be downloaded, and asks."""
        state = runtime_link.state
        message = state.size_note or "Downloads PyTorch and other packages."
        if state.unloaded and not self.reinstall:
            message = "Tries what was downloaded before. Nothing is downloaded again unless it is damaged."
        return context.window_manager.invoke_confirm(
            self,
            event,
            title="Install a New Engine?"
            if state.found and (self.reinstall or not state.unloaded)
            else "Install the Engine?",
            message=message,
            confirm_text="Install",
        )

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """Starts the install; with a window it goes on in the background."""
        return self._install(None)


class INFINIDEPTH_OT_install_from_folder(_Install, bpy.types.Operator):
    """Install the engine from a folder of packages"""

    bl_idname = "infinidepth.install_from_folder"
    bl_label = "Install From Folder"
    bl_description = "Install the engine from a folder of packages, for computers without a network"
    bl_options = {"INTERNAL"}

    directory: StringProperty(subtype="DIR_PATH", options={"HIDDEN", "SKIP_SAVE"})
    filter_folder: BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """Opens the file browser, at folders alone."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """Starts the install; with a window it goes on in the background."""
        folder = Path(bpy.path.abspath(self.directory))
        if not any(folder.glob("*.whl")):
            missing = OutputError(
                f"There are no packages (.whl) in {folder}.",
                "Choose a folder that 'pip download' has filled, as the guide says under 'The engine'.",
            )
            return refuse(self, missing)
        return self._install(folder)


class INFINIDEPTH_OT_cancel_install(bpy.types.Operator):
    """Stop the install"""

    bl_idname = "infinidepth.cancel_install"
    bl_label = "Cancel"
    bl_description = "Stop the install and remove what it has written"
    bl_options = {"INTERNAL"}

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """Asks the thread to stop."""
        runtime_link.cancel_install()
        addon.redraw()
        return {"FINISHED"}


class INFINIDEPTH_OT_dismiss_install(bpy.types.Operator):
    """Hide why the install failed"""

    bl_idname = "infinidepth.dismiss_install"
    bl_label = "Dismiss"
    bl_description = "Hide this message"
    bl_options = {"INTERNAL"}

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """Forgets the failure."""
        runtime_link.state.failure = None
        addon.redraw()
        return {"FINISHED"}


class INFINIDEPTH_OT_remove_runtime(bpy.types.Operator):
    """Remove the installed engine"""

    bl_idname = "infinidepth.remove_runtime"
    bl_label = "Remove Engine"
    bl_description = "Delete the engine that InfiniDepth installed, and free its disk space"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """Not while it works."""
        if session.session.job is not None or runtime_link.state.installing:
            cls.poll_message_set("The engine is at work")
            return False
        return True

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Asks first."""
        return context.window_manager.invoke_confirm(self, event)

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """Ends the engine and deletes its environment."""
        session.close_engine()
        try:
            runtime_link.remove()
        except InfiniDepthError as error:
            return refuse(self, error)
        addon.redraw()
        return {"FINISHED"}


class INFINIDEPTH_OT_open_preferences(bpy.types.Operator):
    """Open the preferences of InfiniDepth"""

    bl_idname = "infinidepth.open_preferences"
    bl_label = "Preferences"
    bl_description = "Open the preferences of InfiniDepth"
    bl_options = {"INTERNAL"}

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """Shows the add-on in Blender's preferences."""
        return bpy.ops.preferences.addon_show(module=addon.ADDON_ID)  # pyright: ignore[reportReturnType]


CLASSES = (
    InfiniDepthPreferences,
    INFINIDEPTH_OT_install_runtime,
    INFINIDEPTH_OT_install_from_folder,
    INFINIDEPTH_OT_cancel_install,
    INFINIDEPTH_OT_dismiss_install,
    INFINIDEPTH_OT_remove_runtime,
    INFINIDEPTH_OT_open_preferences,
)


def register() -> None:
    """Adds the preferences and their operators."""
    add_classes(CLASSES)


def unregister() -> None:
    """Takes them away again."""
    remove_classes(CLASSES)
