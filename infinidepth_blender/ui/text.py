# SPDX-License-Identifier: GPL-3.0-or-later
"""Text in layouts."""

import textwrap

import bpy

_CHARACTER_PX = 6.5
_MARGIN_PX = 60.0
_NARROWEST = 16
"""Characters that a line has in any case."""


def paragraph(layout: bpy.types.UILayout, text: str, context: bpy.types.Context, icon: str = "NONE") -> None:
    """Labels do not wrap: breaks the text at the width of the region.

    Args:
        layout: A column; give it `align=True` for close lines.
        text: One or more sentences.
        context: Gives the width.
        icon: Shown before the first line.
    """
    scale = context.preferences.system.ui_scale
    width_px = context.region.width / scale - _MARGIN_PX
    lines = textwrap.wrap(text, max(int(width_px / _CHARACTER_PX), _NARROWEST))
    for number, line in enumerate(lines):
        layout.label(text=line, icon=icon if number == 0 else ("NONE" if icon == "NONE" else "BLANK1"))
