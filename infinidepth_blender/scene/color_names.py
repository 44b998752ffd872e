"""Names of colour spaces, displays and views: those of Blender's own configuration, and of others that studios use."""

from __future__ import annotations

from typing import Any

SRGB_TEXTURES = ("sRGB", "sRGB - Texture", "Utility - sRGB - Texture", "sRGB Encoded Rec.709 (sRGB)", "srgb_texture")
LINEAR_TEXTURES = (
    "Linear Rec.709", "Linear Rec.709 (sRGB)", "lin_rec709", "Utility - Linear - Rec.709", "Utility - Linear - sRGB",
    "lin_srgb", "Linear",
)  # fmt: skip
NON_COLOR = ("Non-Color", "Raw", "raw", "Utility - Raw", "Generic Data", "Data")
SRGB_DISPLAYS = ("sRGB", "sRGB - Display", "sRGB Display", "srgb_display")
PLAIN_VIEWS = ("Standard", "Un-tone-mapped", "Untone-mapped", "Un-tone-mapped (sRGB)", "sRGB")
"""Views that show a colour as it is, without a tone curve."""


def set_first(owner: Any, attribute: str, names: tuple[str, ...]) -> bool:
    """Sets a choice to the first name that the configuration knows; False if it knows none."""
    for name in names:
        try:
            setattr(owner, attribute, name)
        except TypeError:  # not among the choices
            continue
        return True
    return False
