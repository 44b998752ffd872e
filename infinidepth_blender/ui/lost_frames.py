# SPDX-License-Identifier: GPL-3.0-or-later
# pyright: reportInvalidTypeForm=false
"""Says when the frames of a clip are gone, and finds them again."""

import time
from dataclasses import dataclass
from pathlib import Path

import bpy
from bpy.props import BoolProperty, StringProperty

from ..errors import InfiniDepthError
from ..scene.clip_frames import ClipFrames, clip_frames, find_frames, lost_frames
from ..scene.saved import is_photo, recall
from ..staging import SEQUENCE_DIR
from . import addon
from .on_photo import photo_at_hand
from .registering import add_classes, remove_classes
from .reports import refuse
from .session import forget_refusal
from .text import paragraph

_LOOK_AGAIN_S = 2.0
_SLOW_DISK = 20.0
"""Looking takes at most one part in this many of the time."""
_MOST_CLIPS = 100


class INFINIDEPTH_OT_find_frames(bpy.types.Operator):
    """Say where the frames of a clip are that were moved"""

    bl_idname = "infinidepth.find_frames"
    bl_label = "Find Frames"
    bl_description = "Choose the folder that now holds the frames of a clip in this file"
    bl_options = {"REGISTER", "UNDO"}

    directory: StringProperty(subtype="DIR_PATH", options={"HIDDEN", "SKIP_SAVE"})
    filter_folder: BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """Opens the file browser, at folders alone."""
        if not lost_frames():
            return self._nothing_is_lost()
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def draw(self, context: bpy.types.Context) -> None:
        """Says in the file browser what to choose there."""
        if context.area is not None and context.area.type == "FILE_BROWSER":
            text = f"Choose the folder '{SEQUENCE_DIR}' of the result, or one above it"
            paragraph(self.layout.column(align=True), text, context)

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """Takes the frames from there."""
        forget_refusal()
        try:
            found = find_frames(Path(bpy.path.abspath(self.directory)))
        except InfiniDepthError as error:
            return refuse(self, error)
        if not found:
            return self._nothing_is_lost()
        addon.redraw()
        for clip in found:
            self.report({"INFO"}, f"The frames of '{clip.name}' are found")
        return {"FINISHED"}

    def _nothing_is_lost(self) -> set[str]:
        forget_refusal()
        addon.redraw()
        self.report({"INFO"}, "No frames are missing")
        return {"CANCELLED"}


def draw_lost_frames(layout: bpy.types.UILayout, context: bpy.types.Context, collection: bpy.types.Collection) -> None:
    """Says that the frames of a clip are not there, with the button that finds them; draws nothing where they are.

    Args:
        layout: Where to; a box.
        context: Gives the width, and the photo where its collection was deleted.
        collection: The photo's.
    """
    photo = recall(collection) if is_photo(collection) else photo_at_hand(context)
    clip = clip_frames(photo) if photo is not None else None
    if clip is None or _are_there(clip):
        return
    error = clip.error()
    text = layout.column(align=True)
    text.alert = True
    paragraph(text, error.message, context, icon="ERROR", taken=1)
    paragraph(layout.column(align=True), error.remedy, context, taken=1)
    layout.operator("infinidepth.find_frames", text="Find Frames...", icon="FILE_FOLDER")


@dataclass(frozen=True)
class _Seen:
    """What the disk held, and until when that is believed."""

    there: bool
    until_s: float


_seen: dict[tuple[Path, ...], _Seen] = {}
"""By the files looked for. Panels are drawn at every move of the mouse, and a drive may be slow."""


def _are_there(clip: ClipFrames) -> bool:
    start_s = time.monotonic()
    seen = _seen.get(clip.files)
    if seen is not None and start_s < seen.until_s:
        return seen.there
    there = clip.are_there()
    end_s = time.monotonic()
    if len(_seen) >= _MOST_CLIPS:
        _seen.clear()
    _seen[clip.files] = _Seen(there, end_s + max(_LOOK_AGAIN_S, _SLOW_DISK * (end_s - start_s)))
    return there


def register() -> None:
    """Adds the operator."""
    add_classes((INFINIDEPTH_OT_find_frames,))


def unregister() -> None:
    """Takes it away again."""
    remove_classes((INFINIDEPTH_OT_find_frames,))
    _seen.clear()
