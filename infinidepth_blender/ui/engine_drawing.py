# SPDX-License-Identifier: GPL-3.0-or-later
"""How the engine is shown in the panels and the preferences: missing, being installed, ready, old or in trouble."""

from typing import Any

import bpy

from . import runtime_link
from .text import paragraph

_OFFLINE = (
    "Blender is offline. Installing the engine needs the network once, or a folder of packages that another computer "
    "has downloaded."
)


def draw_engine(box: bpy.types.UILayout, preferences: Any, context: bpy.types.Context) -> None:
    """The part of the preferences that sets the engine up."""
    state = runtime_link.state
    box.label(text="Engine", icon="CONSOLE")
    if state.installing:
        _draw_progress(box)
        return
    status = box.column(align=True)
    if state.found is not None:
        paragraph(status, f"Ready: {state.description}", context, icon="CHECKMARK")
        path = status.column()
        path.active = False
        paragraph(path, str(state.found.python), context, icon="BLANK1")
        if state.found.note:
            paragraph(status, state.found.note, context, icon="INFO")
        if state.older_note:
            paragraph(status, state.older_note, context, icon="INFO")
    elif state.problem is not None:
        status.alert = True
        paragraph(
            status, str(state.problem) if runtime_link.override() else state.problem.message, context, icon="ERROR"
        )
    else:
        status.label(text="Looking for it", icon="TIME")
    draw_install_failure(box, context)
    draw_update(box, context)
    if state.found is None and state.size_note and not runtime_link.override():
        note = box.column(align=True)
        note.active = False
        paragraph(note, state.size_note, context)
    row = box.row()
    if state.found is None or state.unloaded:
        row.operator("infinidepth.install_runtime", icon="IMPORT")
    _draw_reinstall(row)
    if state.installed:
        row.operator("infinidepth.remove_runtime", icon="TRASH")
    box.prop(preferences, "engine_python")


def draw_update(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """Offers the packages that this version is made for, where those of an earlier one are installed."""
    state = runtime_link.state
    if state.found is None or not state.found.outdated or state.installing:
        return
    row = layout.row()
    paragraph(row.column(align=True), "Engine Update Available", context, icon="INFO", taken=4)
    row.operator("infinidepth.install_runtime", text="Update")


def draw_install_failure(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """Why the last install or removal failed, until it is dismissed or the next one starts."""
    failure = runtime_link.state.failure
    if failure is None or runtime_link.state.installing:
        return
    box = layout.box()
    row = box.row()
    text = row.column(align=True)
    text.alert = True
    paragraph(text, failure.message, context, icon="ERROR", taken=2)
    row.operator("infinidepth.dismiss_install", text="", icon="X", emboss=False)
    if failure.remedy:
        paragraph(box.column(align=True), failure.remedy, context, taken=1)


def draw_welcome(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """What a new user sees: one button that installs the engine."""
    state = runtime_link.state
    column = layout.column(align=True)
    paragraph(
        column, "InfiniDepth turns a photo into a scene. It computes in a Python environment of its own.", context
    )
    if (runtime_link.override() or state.installed) and state.problem is not None:
        column = layout.column(align=True)
        column.alert = True
        paragraph(column, str(state.problem), context, icon="ERROR")
    layout.separator(factor=0.5)
    column = layout.column()
    column.scale_y = 1.5
    if bpy.app.online_access:
        column.operator("infinidepth.install_runtime", icon="IMPORT")
        _draw_reinstall(column)
    else:
        column.operator("extensions.userpref_allow_online", text="Allow Online Access", icon="INTERNET")
        column.operator("infinidepth.install_from_folder", text="Install From Folder...", icon="FILE_FOLDER")
    column = layout.column(align=True)
    column.active = False
    if not bpy.app.online_access:
        paragraph(column, _OFFLINE, context)
    paragraph(column, runtime_link.override() or state.short_size_note, context)
    layout.operator("infinidepth.open_preferences", text="Use My Own Python", icon="PREFERENCES")
    layout.separator(factor=0.5)
    layout.operator("infinidepth.open_bundle", icon="FILE_FOLDER")


def draw_installing(layout: bpy.types.UILayout) -> None:
    """The progress of an install, in the panels."""
    column = layout.column(align=True)
    column.label(text="Installing the Engine")
    _draw_progress(column)
    hint = layout.column()
    hint.active = False
    hint.label(text="You can go on working meanwhile")


def draw_remedy(box: bpy.types.UILayout) -> None:
    """The button that mends an engine that is missing or does not work."""
    state = runtime_link.state
    if state.unloaded or (state.found is None and state.problem is not None):
        box.operator("infinidepth.install_runtime", text="Install Engine", icon="IMPORT")
    _draw_reinstall(box)


def _draw_reinstall(layout: bpy.types.UILayout) -> None:
    """Makes a new engine in any case: one that is there may be damaged, whether it was found to work or not."""
    state = runtime_link.state
    # Not beside a Python that the user chose and that works: it is the one that counts.
    if state.installed and (state.found is None or state.found.origin == "installed" or not runtime_link.override()):
        button = layout.operator("infinidepth.install_runtime", text="Reinstall Engine", icon="FILE_REFRESH")
        button.reinstall = True


def _draw_progress(layout: bpy.types.UILayout) -> None:
    state = runtime_link.state
    row = layout.row(align=True)
    row.progress(factor=state.install_fraction, text=state.install_text, type="BAR")
    row.operator("infinidepth.cancel_install", text="", icon="X")
