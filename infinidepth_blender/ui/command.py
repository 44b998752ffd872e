# SPDX-License-Identifier: GPL-3.0-or-later
"""`blender --command infinidepth ...`: the same command line as outside Blender."""

import os
from typing import Any

import bpy

_handles: list[Any] = []


def _execute(argv: list[str]) -> int:
    from ..cli import main
    from ..commands.context import Context
    from ..scene.imported import rgba_by_blender
    from . import addon, runtime_link

    if not bpy.app.online_access:
        # Blender's own switch holds for its commands as well; downloads say which variable forbids them.
        os.environ["HF_HUB_OFFLINE"] = "1"
    context = Context(runtime_link.preferred_python(), older_dirs=addon.older_engine_dirs(), rgba_of=rgba_by_blender)
    return main(argv, context=context)


def register() -> None:
    """Adds the command."""
    _handles.append(bpy.utils.register_cli_command("infinidepth", _execute))


def unregister() -> None:
    """Takes it away again."""
    bpy.utils.unregister_cli_command(_handles.pop())
