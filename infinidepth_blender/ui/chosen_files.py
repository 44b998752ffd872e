# SPDX-License-Identifier: GPL-3.0-or-later
"""What a file browser or a drop gives an operator, and what is said where some of it cannot be used."""

from pathlib import Path
from typing import Any

import bpy

from ..errors import InfiniDepthError
from .reports import refuse


def chosen_paths(operator: Any) -> list[Path]:
    """The files that were chosen, each once, and the folders where the operator has `dirs`.

    Args:
        operator: With `filepath`, `directory` and `files`; scripts may give `filepath` alone.
    """
    # Blender's "//" is gone once it was a path on Windows.
    folder = Path(bpy.path.abspath(operator.directory))
    chosen = [*operator.files, *getattr(operator, "dirs", ())]
    paths = [folder / element.name for element in chosen if element.name]
    return list(dict.fromkeys(paths)) or [Path(bpy.path.abspath(operator.filepath))]


def refuse_each(operator: bpy.types.Operator, errors: list[InfiniDepthError]) -> set[str]:
    """Shows all of the errors, which the panels would else show the last of, and returns what `refuse` returns."""
    if len(errors) == 1:
        return refuse(operator, errors[0])
    return refuse(operator, InfiniDepthError(" ".join(str(error) for error in errors)))
