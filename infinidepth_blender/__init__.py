# SPDX-License-Identifier: GPL-3.0-or-later
"""InfiniDepth: stand inside a photograph.

Importing the package needs neither Blender nor torch; Blender calls `register`.
"""


def register() -> None:
    """Blender's door in: adds operators, panels and the command `blender --command infinidepth`."""
    from . import ui

    ui.register()


def unregister() -> None:
    """Blender's door out: the inverse of `register`."""
    from . import ui

    ui.unregister()
