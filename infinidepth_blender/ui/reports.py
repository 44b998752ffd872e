# SPDX-License-Identifier: GPL-3.0-or-later
"""How operators say no: in the status bar and, until the next one starts or it is dismissed, in the panels."""

import bpy

from ..errors import InfiniDepthError
from . import addon
from .session import report_refusal
from .text import in_panel_words


def refuse(operator: bpy.types.Operator, error: InfiniDepthError) -> set[str]:
    """Shows an error with its remedy and returns what the operator's `execute` returns."""
    report_refusal(error)
    addon.redraw()
    operator.report({"ERROR"}, in_panel_words(str(error)))
    return {"CANCELLED"}


def needs_object_mode(cls: type[bpy.types.Operator], context: bpy.types.Context) -> bool:
    """For `poll`: objects can only be added in Object Mode."""
    if context.mode != "OBJECT":
        cls.poll_message_set("Go back to Object Mode first")
        return False
    return True
