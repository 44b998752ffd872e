"""`python -m infinidepth_blender.scene BUNDLE OUT.blend`: a bundle as a .blend file.

Exit codes: 0 written; 1 not written, the reason is on stderr; 2 wrong usage.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ..errors import InfiniDepthError, SceneError


def main(argv: list[str] | None = None) -> int:
    """Runs the command; arguments are the bundle's folder and the file to write."""
    arguments = sys.argv[1:] if argv is None else argv
    if len(arguments) != 2:
        print("usage: python -m infinidepth_blender.scene BUNDLE OUT.blend", file=sys.stderr)
        return 2
    try:
        _write(Path(arguments[0]), Path(arguments[1]))
    except InfiniDepthError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _write(bundle: Path, path: Path) -> None:
    try:
        from .blendfile import write_blend
    except ModuleNotFoundError as error:
        if error.name not in ("bpy", "mathutils"):
            raise
        raise SceneError(
            f"This Python ({sys.executable}) has no Blender in it (module bpy).",
            "Run it inside Blender, or install the bpy package.",
        ) from None
    write_blend(bundle, path)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # The bpy module can wait for ever in its own clean-up at exit.
    os._exit(code)
