# SPDX-License-Identifier: GPL-3.0-or-later
"""Text in layouts."""

import textwrap

import bpy

_CHARACTER_PX = 6.5
_MARGIN_PX = 60.0
_NARROWEST = 16
"""Characters that a line has in any case."""


_PANEL_WORDS = {
    "--fov or --focal-px": "the field of view or the focal length under Camera",
    "--depth-prompt or --known-distance": "a depth hint or a known distance under Advanced",
    "--fov": "the field of view under Camera",
    "--focal-px": "the focal length under Camera",
    "--depth-prompt": "a depth hint under Advanced",
    "--known-distance": "a known distance under Advanced",
    "(--frames, --every)": "(From, To and Step)",
    "--frames": "From and To",
    "--depth-size": "the size of the depth map under Quality",
    "--edge-step": "the edge step under Advanced",
    "--mesh-size": "the mesh size under Quality",
    "--points-mask": "the mask under Points",
    "--points-density": "the density under Points",
    "--points-crop": "the crop under Points",
    "--sky": "the sky under Advanced",
    "--points": "the number of points under Quality",
    "--device": "the device in the preferences",
    "--precision": "the precision in the preferences",
    " with --output": " in the preferences",
    "--splats-model": "the splats under Model",
    "--model": "the model under Model",
}
"""Where the panels have what the command line calls by these names."""


def in_panel_words(text: str) -> str:
    """The engine's sentences name options of the command line: says where the panels have them."""
    for option, words in _PANEL_WORDS.items():
        text = text.replace(option, words)
    return text


def paragraph(
    layout: bpy.types.UILayout, text: str, context: bpy.types.Context, icon: str = "NONE", characters: int = 0
) -> None:
    """Labels do not wrap: breaks the text at the width of the region.

    Args:
        layout: A column; give it `align=True` for close lines.
        text: One or more sentences.
        context: Gives the width.
        icon: Shown before the first line.
        characters: Length of a line where the region says nothing, as in dialogs; 0: from the region.
    """
    scale = context.preferences.system.ui_scale
    if not characters:
        characters = int((context.region.width / scale - _MARGIN_PX) / _CHARACTER_PX)
    lines = textwrap.wrap(text, max(characters, _NARROWEST))
    for number, line in enumerate(lines):
        layout.label(text=line, icon=icon if number == 0 else ("NONE" if icon == "NONE" else "BLANK1"))
