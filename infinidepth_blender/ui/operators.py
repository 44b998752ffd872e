# SPDX-License-Identifier: GPL-3.0-or-later
# pyright: reportInvalidTypeForm=false
"""Operators that drive the engine: reconstruct, cancel, and the delivery of a result."""

from collections.abc import Callable

import bpy
from bpy.props import BoolProperty, CollectionProperty, IntProperty, StringProperty
from bpy_extras.io_utils import ImportHelper

from ..clip_files import PHOTO_SUFFIXES, VIDEO_SUFFIXES
from ..errors import InfiniDepthError, SceneError
from . import addon, output, photo_settings, session
from .active_image import ActiveImage, PhotoFile, clip_file, clip_length, find_active_image, photo_file
from .chosen_files import chosen_paths
from .delivery import put_into_scene
from .engine_options import options_of_each, with_frames
from .photo_jobs import PhotoRequest, remove_temporary
from .registering import add_classes, remove_classes
from .reports import refuse
from .text import in_panel_words

FILE_SUFFIXES = tuple(sorted(PHOTO_SUFFIXES | VIDEO_SUFFIXES))


class _Reconstruct:
    """What both reconstructing operators share."""

    wait: BoolProperty(
        name="Wait",
        description="Return when the result is in the scene, instead of working in the background",
        default=False,
        options={"HIDDEN", "SKIP_SAVE"},
    )

    def _run_active(
        self, context: bpy.types.Context, find_file: "Callable[[ActiveImage], PhotoFile]", some_frames: bool = False
    ) -> set[str]:
        """As `_run`, of the image that the user means; `find_file` says where it lies."""
        active = find_active_image(context)
        if active is None:
            self.report({"ERROR"}, "There is no active image")  # pyright: ignore[reportAttributeAccessIssue]
            return {"CANCELLED"}
        try:
            found = find_file(active)
        except InfiniDepthError as error:
            return refuse(self, error)
        return self._run(context, {photo_settings.photo_key(active): found}, some_frames)

    def _run(self, context: bpy.types.Context, photos: "dict[str, PhotoFile]", some_frames: bool = False) -> set[str]:
        """Starts the job; the photos come with what they are known by. The panel's frames are those of the clip at hand."""
        requests: list[PhotoRequest] = []
        settings = context.scene.infinidepth
        try:
            each = options_of_each(settings, addon.preferences(context), list(photos))
            for photo, (options, note) in zip(photos.values(), each, strict=True):
                if some_frames:
                    options = with_frames(options, settings, photo.path)
                folder = output.bundle_folder(photo, {request.folder for request in requests})
                requests.append(PhotoRequest(photo.path, photo.name, folder, options, photo.temporary, note))
            session.start(requests, context.scene)
        except InfiniDepthError as error:
            for photo in photos.values():
                if photo.temporary:
                    remove_temporary(photo.path)
            return refuse(self, error)
        if len(photos) == 1:
            photo_settings.keep_for(settings, next(iter(photos)))
        for note in dict.fromkeys(request.note for request in requests if request.note):
            self.report({"WARNING"}, note)  # pyright: ignore[reportAttributeAccessIssue]
        if not (self.wait or bpy.app.background):
            session.start_timer()
            addon.redraw()
            return {"FINISHED"}
        problems = session.run_to_end()
        for problem in problems:
            self.report({"ERROR"}, in_panel_words(str(problem)))  # pyright: ignore[reportAttributeAccessIssue]
        return {"CANCELLED"} if len(problems) == len(requests) else {"FINISHED"}


class INFINIDEPTH_OT_reconstruct_image(_Reconstruct, bpy.types.Operator):
    """Turn the active image into a matched camera, a mesh, points and splats"""

    bl_idname = "infinidepth.reconstruct_image"
    bl_label = "Reconstruct Image"
    bl_description = "Turn the active image into a matched camera, a mesh, points and splats"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """An image must be at hand and the engine free."""
        if not _engine_is_free(cls):
            return False
        if find_active_image(context) is None:
            cls.poll_message_set("Pick a photo in the InfiniDepth tab, or open one in an Image Editor")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Sends the image to the engine."""
        return self._run_active(context, lambda active: photo_file(active, context.scene))


class INFINIDEPTH_OT_reconstruct_clip(_Reconstruct, bpy.types.Operator):
    """Turn the frames of the active movie or image sequence into a surface that moves"""

    bl_idname = "infinidepth.reconstruct_clip"
    bl_label = "Reconstruct Clip"
    bl_description = "Turn the frames of the active movie or image sequence into a surface that moves"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """A movie or a sequence must be at hand and the engine free."""
        if not _engine_is_free(cls):
            return False
        active = find_active_image(context)
        if active is None or clip_length(active.image) == 0:
            cls.poll_message_set("Open a movie or an image sequence in an Image Editor")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Sends the clip to the engine."""
        return self._run_active(context, lambda active: clip_file(active.image), some_frames=True)


class INFINIDEPTH_OT_reconstruct_file(_Reconstruct, bpy.types.Operator, ImportHelper):
    """Turn photo and video files into scenes, one after the other"""

    bl_idname = "infinidepth.reconstruct_file"
    bl_label = "Reconstruct Files"
    bl_description = "Choose one or more photos or videos on disk and reconstruct them one after the other"
    bl_options = {"REGISTER"}

    filter_glob: StringProperty(default=";".join(f"*{suffix}" for suffix in FILE_SUFFIXES), options={"HIDDEN"})
    directory: StringProperty(subtype="DIR_PATH", options={"HIDDEN", "SKIP_SAVE"})
    files: CollectionProperty(type=bpy.types.OperatorFileListElement, options={"HIDDEN", "SKIP_SAVE"})

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """The engine must be free."""
        return _engine_is_free(cls)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Opens the file browser, unless files were dropped on the panel."""
        if self.directory and self.files:
            return self.execute(context)
        return ImportHelper.invoke(self, context, event)  # pyright: ignore[reportReturnType]

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Sends the files to the engine."""
        paths = chosen_paths(self)
        missing = [path for path in paths if not path.is_file()]
        if missing:
            self.report({"ERROR"}, f"There is no file {missing[0]}")
            return {"CANCELLED"}
        return self._run(context, {photo_settings.file_key(path): PhotoFile(path, path.stem) for path in paths})


class INFINIDEPTH_OT_deliver(bpy.types.Operator):
    """Put a finished reconstruction into the scene"""

    bl_idname = "infinidepth.deliver"
    bl_label = "Reconstruct Photo"
    bl_description = "Put a finished reconstruction into the scene"
    bl_options = {"INTERNAL", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Builds the objects; a failure leaves the scene as it was."""
        result = session.take_result()
        if result is None:
            return {"CANCELLED"}
        try:
            scene = session.target_scene()
            if scene is None:
                raise SceneError(
                    f"The scene for '{result.request.name}' was deleted.", f"The result is in {result.bundle}: open it."
                )
            made = session.session.made
            objects = put_into_scene(context, scene, result.bundle, result.seconds, tuple(result.warnings), made)
            made.append(objects.collection.session_uid)
        except InfiniDepthError as error:
            session.report_problem(error)
            return {"CANCELLED"}
        return {"FINISHED"}


class INFINIDEPTH_OT_cancel(bpy.types.Operator):
    """Stop the running reconstruction"""

    bl_idname = "infinidepth.cancel"
    bl_label = "Cancel"
    bl_description = "Stop the running reconstruction and keep nothing of it"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """Something must be running."""
        if session.session.job is None:
            cls.poll_message_set("Nothing is being reconstructed")
            return False
        return True

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """Asks the engine to stop; the timer sees the end."""
        job = session.session.job
        if job is not None and len(job.requests) > 1 and not job.cancelled:
            self.report({"INFO"}, f"Cancelled: {job.unfinished} of {len(job.requests)} photos are not made")
        session.cancel()
        addon.redraw()
        return {"FINISHED"}


class INFINIDEPTH_OT_dismiss(bpy.types.Operator):
    """Hide the message"""

    bl_idname = "infinidepth.dismiss"
    bl_label = "Dismiss"
    bl_description = "Hide this message"
    bl_options = {"INTERNAL"}

    problem: IntProperty(name="Problem", description="Which of the errors; -1: the last result", default=-1, min=-1)

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """Forgets an error, or the last result's message."""
        if self.problem < 0:
            session.session.delivered = None
        else:
            del session.session.problems[self.problem : self.problem + 1]
        addon.redraw()
        return {"FINISHED"}


def _engine_is_free(cls: type[bpy.types.Operator]) -> bool:
    if session.session.job is not None:
        cls.poll_message_set("Another photo is being reconstructed")
        return False
    return True


CLASSES = (
    INFINIDEPTH_OT_reconstruct_image,
    INFINIDEPTH_OT_reconstruct_clip,
    INFINIDEPTH_OT_reconstruct_file,
    INFINIDEPTH_OT_deliver,
    INFINIDEPTH_OT_cancel,
    INFINIDEPTH_OT_dismiss,
)


def register() -> None:
    """Adds the operators."""
    add_classes(CLASSES)


def unregister() -> None:
    """Takes them away again."""
    remove_classes(CLASSES)
