# SPDX-License-Identifier: GPL-3.0-or-later
# pyright: reportInvalidTypeForm=false
"""Says when the frames of a clip are gone that the opened file needs, and finds them again."""

from pathlib import Path

import bpy
from bpy.app.handlers import persistent
from bpy.props import BoolProperty, StringProperty

from ..errors import InfiniDepthError
from ..scene.clip_frames import find_frames, lost_frames
from . import addon
from .registering import add_classes, remove_classes
from .reports import refuse
from .session import forget_refusal, report_problem, session


class INFINIDEPTH_OT_find_frames(bpy.types.Operator):
    """Say where the frames of a clip are that were moved"""

    bl_idname = "infinidepth.find_frames"
    bl_label = "Find Frames"
    bl_description = "Choose the folder that now holds the frames of a clip in this file"
    bl_options = {"REGISTER", "UNDO"}

    directory: StringProperty(subtype="DIR_PATH", options={"SKIP_SAVE"})
    filter_folder: BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """Opens the file browser, at folders alone."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """Takes the frames from there."""
        forget_refusal()
        try:
            found = find_frames(Path(bpy.path.abspath(self.directory)))
        except InfiniDepthError as error:
            return refuse(self, error)
        say_what_is_lost()
        for clip in found:
            self.report({"INFO"}, f"The frames of '{clip.name}' are found")
        return {"FINISHED"} if found else {"CANCELLED"}


def say_what_is_lost() -> None:
    """Shows in the panels which clips of the file have no frames, and no longer those that have."""
    session.problems = [problem for problem in session.problems if problem.kind != "frames"]
    for clip in lost_frames():
        report_problem(clip.error())
    addon.redraw()


@persistent
def _on_load(*_args: object) -> None:
    say_what_is_lost()


def register() -> None:
    """Adds the operator, and looks at every file that is opened."""
    add_classes((INFINIDEPTH_OT_find_frames,))
    bpy.app.handlers.load_post.append(_on_load)
    # The file that is open may not be looked at while add-ons are enabled.
    bpy.app.timers.register(say_what_is_lost, first_interval=0)


def unregister() -> None:
    """Takes them away again."""
    if bpy.app.timers.is_registered(say_what_is_lost):
        bpy.app.timers.unregister(say_what_is_lost)
    bpy.app.handlers.load_post.remove(_on_load)
    remove_classes((INFINIDEPTH_OT_find_frames,))
