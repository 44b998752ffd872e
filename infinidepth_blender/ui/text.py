# SPDX-License-Identifier: GPL-3.0-or-later
"""Text in layouts."""

import re
from collections.abc import Callable

import blf
import bpy

_CHARACTER_PX = 6.5
_MARGIN_PX = 52.0
"""Of a sidebar: its tabs, and what is left free on both sides."""
_ICON_PX = 21.0
_NARROWEST_PX = 60.0

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
    layout: bpy.types.UILayout,
    text: str,
    context: bpy.types.Context,
    icon: str = "NONE",
    characters: int = 0,
    taken: int = 0,
) -> None:
    """Labels do not wrap: breaks the text at the width of the region.

    Args:
        layout: A column; give it `align=True` for close lines.
        text: One or more sentences.
        context: Gives the width.
        icon: Shown before the first line.
        characters: Length of a line where the region says nothing, as in dialogs; 0: from the region.
        taken: Widths of an icon that are not the text's: one for a box around it, one for a button beside it.
    """
    scale = context.preferences.system.ui_scale or 1.0
    if characters:
        width_px = characters * _CHARACTER_PX * scale
    else:
        icons = taken + (icon != "NONE")
        width_px = context.region.width - (_MARGIN_PX + icons * _ICON_PX) * scale
    blf.size(0, context.preferences.ui_styles[0].widget.points * scale)
    lines = wrapped(text, max(width_px, _NARROWEST_PX * scale), lambda line: blf.dimensions(0, line)[0])
    for number, line in enumerate(lines):
        layout.label(text=line, icon=icon if number == 0 else ("NONE" if icon == "NONE" else "BLANK1"))


def wrapped(text: str, width: float, measure: Callable[[str], float]) -> list[str]:
    """Lines of words that are not wider; what is too wide by itself breaks after slashes, or else anywhere."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if measure(longer) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        while len(word) > 1 and measure(word) > width:
            fits = next(end for end in range(len(word) - 1, 0, -1) if end == 1 or measure(word[:end]) <= width)
            slash = re.match(r".*[/\\]", word[:fits])
            end = slash.end() if slash else fits
            lines.append(word[:end])
            word = word[end:]
        line = word
    return [*lines, line] if line else lines
