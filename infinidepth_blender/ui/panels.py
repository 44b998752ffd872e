# SPDX-License-Identifier: GPL-3.0-or-later
"""The tab "InfiniDepth" in the sidebars of the 3D view and the Image Editor."""

import bpy

from ..clip_files import FrameRange
from ..errors import InfiniDepthError
from ..scene.photo_camera import camera_changes
from ..scene.photo_modes import catches_shadows, surface_mode
from ..scene.saved import photo_name, photos_in
from . import runtime_link
from .active_image import clip_length, find_active_image
from .engine_drawing import draw_install_failure, draw_installing, draw_remedy, draw_update, draw_welcome
from .lost_frames import draw_lost_frames
from .model_drawing import draw_chosen_model
from .on_photo import photo_at_hand
from .photo_settings import draw_photo_settings
from .properties import PHOTO_MODES, SHOWN, InfiniDepthSettings
from .registering import add_classes, remove_classes
from .session import session
from .text import in_panel_words, paragraph

_TAB = "InfiniDepth"
_NARROW_PX = 230.0


class _Panel:
    bl_category = _TAB
    bl_region_type = "UI"
    layout: bpy.types.UILayout


class _Child(_Panel):
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """Settings make sense once there is an engine."""
        return runtime_link.state.ready


class _Main(_Panel):
    bl_label = "InfiniDepth"

    def draw(self, context: bpy.types.Context) -> None:
        """One clear next step: install, reconstruct, wait, or mend."""
        layout = self.layout
        if runtime_link.state.installing:
            draw_installing(layout)
        if runtime_link.state.ready and not (runtime_link.state.installing and runtime_link.state.found is None):
            _draw_photo(layout, context)
        elif not runtime_link.state.installing:
            draw_welcome(layout, context)
        draw_install_failure(layout, context)
        draw_update(layout, context)
        for number, problem in enumerate(session.problems):
            _draw_problem(layout, number, problem, context)
        _draw_scene(layout, context)
        _draw_delivered(layout, context)


class _Quality(_Child):
    bl_label = "Quality"

    def draw(self, context: bpy.types.Context) -> None:
        """Sizes and counts."""
        settings = context.scene.infinidepth
        column = _settings_column(self.layout)
        rows = column.column()
        rows.active = "mesh" in settings.make
        rows.prop(settings, "mesh_size")
        rows.prop(settings, "mesh")
        if settings.mesh == "adaptive":
            rows.prop(settings, "mesh_error")
            rows.prop(settings, "mesh_error_px")
        else:
            rows.prop(settings, "mesh_faces")
        rows.prop(settings, "use_solid")
        if settings.use_solid:
            rows.prop(settings, "solid")
        rows.prop(settings, "background")
        row = column.row()
        row.active = bool({"points", "splats"} & settings.make)
        row.prop(settings, "points")
        column.prop(settings, "depth_size")
        if settings.depth_size == "CUSTOM":
            sizes = column.column(align=True)
            sizes.prop(settings, "depth_width_px")
            sizes.prop(settings, "depth_height_px")


class _Model(_Child):
    bl_label = "Model"

    def draw(self, context: bpy.types.Context) -> None:
        """Which network, and how to get it."""
        settings = context.scene.infinidepth
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        column = layout.column()
        column.enabled = session.job is None
        column.prop(settings, "model")
        if settings.model == "FILE":
            column.prop(settings, "model_file")
        elif settings.model != "BUNDLED":
            draw_chosen_model(layout, settings.model, context)
        if settings.model != "BUNDLED":
            _draw_splats_model(layout, settings, context)


def _draw_splats_model(layout: bpy.types.UILayout, settings: InfiniDepthSettings, context: bpy.types.Context) -> None:
    column = layout.column()
    column.enabled = session.job is None
    column.active = "splats" in settings.make
    column.prop(settings, "splats_model")
    if settings.splats_model == "FILE":
        column.prop(settings, "splats_model_file")
    elif settings.splats_model != "SURFACE":
        draw_chosen_model(layout, settings.splats_model, context)


class _Points(_Child):
    bl_label = "Points"

    def draw(self, context: bpy.types.Context) -> None:
        """Where the points lie."""
        settings = context.scene.infinidepth
        column = _settings_column(self.layout)
        column.active = "points" in settings.make
        column.prop(settings, "points_mask")
        column.prop(settings, "points_density")
        column.prop(settings, "points_crop")
        column.prop(settings, "points_outliers")
        column.prop(settings, "grazing_cap_rad")


class _Camera(_Child):
    bl_label = "Camera"

    def draw(self, context: bpy.types.Context) -> None:
        """Where the field of view comes from."""
        settings = context.scene.infinidepth
        column = _settings_column(self.layout)
        column.prop(settings, "lens")
        if settings.lens == "FOV":
            column.prop(settings, "fov_rad")
        elif settings.lens == "FOCAL":
            column.prop(settings, "focal_px")
        elif settings.lens == "FILE":
            column.prop(settings, "camera_file")
        column.prop(settings, "tilt")


class _Advanced(_Child):
    bl_label = "Advanced"

    def draw(self, context: bpy.types.Context) -> None:
        """What few need."""
        settings = context.scene.infinidepth
        column = _settings_column(self.layout)
        column.prop(settings, "edge_step")
        column.prop(settings, "sky")
        if settings.sky == "FILE":
            column.prop(settings, "sky_file")
        column.prop(settings, "depth_prompt")
        column.prop(settings, "known_distance")
        column.prop(settings, "seed")
        if runtime_link.state.description:
            details = column.column()
            details.active = False
            paragraph(details, runtime_link.state.description, context)


class _Result(_Child):
    bl_label = "Result"

    def draw(self, context: bpy.types.Context) -> None:
        """How a result comes into the scene."""
        settings = context.scene.infinidepth
        column = _settings_column(self.layout)
        column.prop(settings, "show")
        column.prop(settings, "photo_mode")
        column.prop(settings, "match_scene")


def _settings_column(layout: bpy.types.UILayout) -> bpy.types.UILayout:
    layout.use_property_split = True
    layout.use_property_decorate = False
    layout.enabled = session.job is None
    return layout.column()


def _draw_photo(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    settings = context.scene.infinidepth
    idle = session.job is None
    column = layout.column()
    column.enabled = idle
    active = find_active_image(context)
    if context.area.type == "VIEW_3D":
        column.template_ID(settings, "photo", open="image.open")
        if settings.photo is None and active is not None:
            column.label(text=active.image.name, icon="IMAGE_DATA")
    elif active is not None:
        column.label(text=active.image.name, icon="IMAGE_DATA")
    else:
        column.label(text="Open a photo in this editor", icon="INFO")
    row = column.row(align=True)
    row.prop(settings, "make", expand=True)

    if idle:
        draw_photo_settings(layout, context)
        row = layout.row(align=True)
        row.scale_y = 1.5
        if active is not None and (frames := clip_length(active.image)):
            _draw_clip(layout, row, context, frames)
        else:
            row.operator("infinidepth.reconstruct_image", text="Reconstruct", icon="OUTLINER_OB_CAMERA")
        row = layout.row(align=True)
        row.operator("infinidepth.reconstruct_file", text="Files...", icon="FILE_IMAGE")
        row.operator("infinidepth.open_bundle", text="Open Result...", icon="FILE_FOLDER")
    else:
        _draw_progress(layout, context)


def _is_narrow(context: bpy.types.Context) -> bool:
    """Whether three numbers side by side would lose their names."""
    return context.region.width < _NARROW_PX * context.preferences.system.ui_scale


def _draw_clip(layout: bpy.types.UILayout, row: bpy.types.UILayout, context: bpy.types.Context, total: int) -> None:
    """Of a movie or a sequence: the clip or its present frame, and which frames."""
    settings = context.scene.infinidepth
    row.operator("infinidepth.reconstruct_clip", text="Reconstruct Clip", icon="FILE_MOVIE")
    row.operator("infinidepth.reconstruct_image", text="This Frame", icon="OUTLINER_OB_CAMERA")
    frames = layout.column(align=True) if _is_narrow(context) else layout.row(align=True)
    frames.prop(settings, "clip_first", text="From")
    frames.prop(settings, "clip_last", text="To")
    frames.prop(settings, "clip_every", text="Step")
    count = FrameRange(settings.clip_first, settings.clip_last or None, settings.clip_every).count(total)
    text = layout.row()
    text.active = text.alert = count == 0
    text.label(text=f"{count} of {total} frames")


def _draw_progress(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    job = session.job
    if job is None:
        return
    column = layout.column(align=True)
    column.label(text=job.title, icon="IMAGE_DATA")
    row = column.row(align=True)
    row.scale_y = 1.5
    text = "Ready" if session.waiting_for else f"{job.stage_text}  {job.fraction:.0%}"
    row.progress(factor=job.fraction, text=text, type="BAR")
    cancel = row.row(align=True)
    cancel.enabled = not job.cancelled
    cancel.operator("infinidepth.cancel", text="", icon="X")
    if session.waiting_for:
        paragraph(layout.column(align=True), session.waiting_for, context, icon="INFO")


_REMEDY_BUTTONS = {
    "output": ("infinidepth.open_preferences", "Choose Another Folder", "PREFERENCES"),
    "engine": ("infinidepth.open_preferences", "Open Preferences", "PREFERENCES"),
    "frames": ("infinidepth.find_frames", "Find Frames...", "FILE_FOLDER"),
}
"""The button that mends an error, by its kind."""


def _draw_problem(
    layout: bpy.types.UILayout, number: int, problem: InfiniDepthError, context: bpy.types.Context
) -> None:
    box = layout.box()
    row = box.row()
    text = row.column(align=True)
    text.alert = True
    paragraph(text, in_panel_words(problem.message), context, icon="ERROR", taken=2)
    row.operator("infinidepth.dismiss", text="", icon="X", emboss=False).problem = number
    if problem.remedy:
        paragraph(box.column(align=True), in_panel_words(problem.remedy), context, taken=1)
    if session.job is not None:
        return
    if problem.kind == "runtime_missing":
        draw_remedy(box)
    elif problem is session.refusal and problem.kind == "output":
        pass  # the folder that an operator was given, not that of the preferences
    elif button := _REMEDY_BUTTONS.get(problem.kind):
        operator, label, icon = button
        box.operator(operator, text=label, icon=icon)


def _draw_delivered(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    delivered = session.delivered
    if delivered is None or session.job is not None or delivered.scene_uid != context.scene.session_uid:
        return
    if not any(item.session_uid == delivered.photo_uid for item in (*bpy.data.objects, *bpy.data.collections)):
        return
    box = layout.box()
    row = box.row()
    row.label(text=delivered.name, icon="CHECKMARK")
    row.operator("infinidepth.dismiss", text="", icon="X", emboss=False)
    column = box.column(align=True)
    column.active = False
    paragraph(column, delivered.summary, context, taken=1)
    for warning in delivered.warnings:
        paragraph(box.column(align=True), in_panel_words(warning), context, icon="INFO", taken=1)


def _draw_scene(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """What can be done with a photo that is in the scene."""
    objects = photo_at_hand(context)
    if objects is None:
        _draw_photos(layout, context)
        return
    box = layout.box()
    box.label(text=photo_name(objects), icon="OUTLINER_COLLECTION", translate=False)
    draw_lost_frames(box, context, objects.collection)
    shown = {"MESH": objects.mesh, "POINTS": objects.points, "SPLATS": objects.splats}
    row = box.row(align=True)
    for identifier, label, _ in SHOWN:
        obj = shown[identifier]
        button = row.row(align=True)
        button.enabled = obj is not None
        visible = obj is not None and not obj.hide_render and obj.visible_get(view_layer=context.view_layer)
        button.operator("infinidepth.show", text=label, depress=visible).what = identifier
    if objects.mesh is not None and not objects.mesh.hide_render:
        current = surface_mode(objects.mesh)
        row = box.row(align=True)
        for identifier, label, *_ in PHOTO_MODES:
            row.operator("infinidepth.photo_mode", text=label, depress=identifier == current).mode = identifier
        if current == "SHADOW" and not catches_shadows(context.scene):
            box.label(text="Needs Cycles and a transparent film", icon="INFO")
    column = box.column(align=True)
    # Menus do not ask whether their operator can run.
    column.enabled = objects.camera is not None and context.mode == "OBJECT"
    column.operator("infinidepth.look_through", icon="HIDE_OFF")
    column.operator("infinidepth.match_scene", icon="VIEW_CAMERA")
    column.operator_menu_enum("infinidepth.add_moving_camera", "path", icon="CAMERA_DATA")
    if objects.camera is not None and objects.camera.data is not None and camera_changes(objects.camera):
        column.operator("infinidepth.reset_camera", icon="LOOP_BACK")


def _draw_photos(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """Several photos are in the scene, and none of them is meant."""
    photos = photos_in(context.scene)
    if not photos:
        return
    box = layout.box()
    box.label(text="Photos in This Scene", icon="OUTLINER_COLLECTION")
    column = box.column(align=True)
    for number, photo in enumerate(photos):
        button = column.operator(
            "infinidepth.select_photo", text=photo_name(photo), icon="RESTRICT_SELECT_OFF", translate=False
        )
        button.number = number


def _panel_classes(space: str, prefix: str) -> list[type[bpy.types.Panel]]:
    """The same panels for another editor."""
    parent = f"{prefix}_PT_infinidepth"
    classes: list[type[bpy.types.Panel]] = [
        type(parent, (_Main, bpy.types.Panel), {"bl_idname": parent, "bl_space_type": space})
    ]
    for child in (_Model, _Quality, _Points, _Camera, _Result, _Advanced):
        name = f"{parent}{child.__name__.lower()}"
        body = {"bl_idname": name, "bl_space_type": space, "bl_parent_id": parent}
        classes.append(type(name, (child, bpy.types.Panel), body))
    return classes


CLASSES = (*_panel_classes("VIEW_3D", "VIEW3D"), *_panel_classes("IMAGE_EDITOR", "IMAGE"))


def register() -> None:
    """Adds the panels."""
    add_classes(CLASSES)


def unregister() -> None:
    """Takes them away again."""
    remove_classes(CLASSES)
