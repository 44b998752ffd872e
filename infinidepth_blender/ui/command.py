# SPDX-License-Identifier: GPL-3.0-or-later
"""`blender --command infinidepth ...`: the same command line as outside Blender."""

from typing import Any

import bpy

_handles: list[Any] = []


def _execute(argv: list[str]) -> int:
    from ..cli import main

    return main(argv)


def register() -> None:
    """Adds the command."""
    _handles.append(bpy.utils.register_cli_command("infinidepth", _execute))


def unregister() -> None:
    """Takes it away again."""
    bpy.utils.unregister_cli_command(_handles.pop())
