"""Writes `scene.blend` from a bundle in a process that has bpy and no torch.

Two ways in, chosen by `blend.blend_command`: a Python that can import bpy runs this file, or
Blender itself does (`blender --background --python`). Both are processes of their own,
so that the Blender in which a user works is never emptied, and a crash costs one file.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Writes the .blend: `blend_process.py BUNDLE FILE.blend`."""
    here = Path(__file__).resolve().parent
    # Python puts this folder first; the modules in it have common names.
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != here]
    spec = importlib.util.spec_from_file_location("infinidepth_bootstrap", here / "bootstrap.py")
    assert spec is not None and spec.loader is not None  # it lies beside this file
    bootstrap = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bootstrap)
    package = bootstrap.load_package(here.parent)
    errors = importlib.import_module(f"{package.__name__}.errors")
    blend = importlib.import_module(f"{package.__name__}.engine.blend")
    try:
        blendfile = importlib.import_module(f"{package.__name__}.scene.blendfile")
        blendfile.write_blend(Path(arguments[0]), Path(arguments[1]))
    except errors.InfiniDepthError as error:
        print(f"{blend.ERROR_MARK}{error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    code = main(sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # bpy as a module may crash while Python takes itself down; the file is written by now.
    os._exit(code)
