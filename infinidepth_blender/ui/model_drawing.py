# SPDX-License-Identifier: GPL-3.0-or-later
"""Models in layouts: the choice in the panel, and the list in the preferences."""

import bpy

from ..engine.model_store import models_dir
from ..engine.registry import MODELS, PURPOSES, ModelEntry, find, megabytes
from . import model_fetch
from .text import in_panel_words, paragraph


def draw_chosen_model(layout: bpy.types.UILayout, name: str, context: bpy.types.Context) -> None:
    """What the chosen model is, and how to get it if it is not here.

    Args:
        layout: A column.
        name: The model's name in the registry.
        context: Gives the width.
    """
    entry = find(name)
    held = model_fetch.held(entry)
    note = layout.column(align=True)
    note.active = False
    paragraph(note, f"{_sentence(PURPOSES[entry.purpose])} ({entry.about}).", context)
    if model_fetch.current is not None and model_fetch.current.entry == entry:
        _draw_progress(layout, model_fetch.current)
    elif held.status != "ready":
        paragraph(layout.column(align=True), _what_is_missing(entry, held.size_bytes), context, icon="INFO")
        if not bpy.app.online_access:
            layout.operator("extensions.userpref_allow_online", text="Allow Online Access", icon="INTERNET")
        row = layout.row(align=True)
        _draw_buttons(row, entry, "Continue" if held.status == "partial" else "Download", "From Disk...")


def draw_model_list(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """All models that can be downloaded, with their state."""
    layout.label(text="Models", icon="NETWORK_DRIVE")
    column = layout.column()
    for entry in MODELS:
        if not entry.repository:
            continue
        if model_fetch.current is not None and model_fetch.current.entry == entry:
            column.label(text=entry.title, icon="TIME")
            _draw_progress(column, model_fetch.current)
            continue
        held = model_fetch.held(entry)
        row = column.row()
        row.label(text=entry.title, icon="CHECKMARK" if held.status == "ready" else "BLANK1")
        details = row.row()
        details.alignment = "RIGHT"
        size = details.row()
        size.active = held.status == "ready"
        size.label(text=_size(entry, held.status, held.size_bytes))
        buttons = details.row(align=True)
        if held.status != "ready":
            _draw_buttons(buttons, entry)
        if held.status != "not downloaded":
            buttons.operator("infinidepth.remove_model", text="", icon="TRASH").model = entry.name
    if model_fetch.problem is not None:
        told = layout.column(align=True)
        told.alert = True
        paragraph(told, in_panel_words(str(model_fetch.problem)), context, icon="ERROR")
    if not bpy.app.online_access:
        column.operator("extensions.userpref_allow_online", text="Allow Online Access", icon="INTERNET")
    note = layout.column(align=True)
    note.active = False
    paragraph(note, f"Kept in {models_dir()}", context)


def _draw_progress(layout: bpy.types.UILayout, fetch: model_fetch.Fetch) -> None:
    row = layout.row(align=True)
    row.progress(factor=fetch.fraction, text=fetch.text, type="BAR")
    cancel = row.row(align=True)
    cancel.enabled = not fetch.cancelled
    cancel.operator("infinidepth.cancel_download", text="", icon="X")


def _draw_buttons(row: bpy.types.UILayout, entry: ModelEntry, download: str = "", disk: str = "") -> None:
    """From the network where that is allowed, and from a disk; without texts the icons stand alone."""
    if bpy.app.online_access:
        row.operator("infinidepth.download_model", text=download, icon="IMPORT").model = entry.name
    row.operator("infinidepth.add_model_file", text=disk, icon="FILE_FOLDER").model = entry.name


def _what_is_missing(entry: ModelEntry, held_bytes: int) -> str:
    licences = " and ".join(licence.name for licence in entry.licences)
    if held_bytes:
        return f"{megabytes(held_bytes)} of {entry.size_text} are here. {licences}"
    return f"Not downloaded yet: {entry.size_text}. {licences}"


def _size(entry: ModelEntry, status: str, held_bytes: int) -> str:
    if status == "ready":
        return megabytes(held_bytes)
    return f"{megabytes(held_bytes)} of {entry.size_text}" if status == "partial" else entry.size_text


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]
