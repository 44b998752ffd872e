"""Starts the worker in the engine's own Python: `python -I <package>/engine/bootstrap.py`.

Inside Blender the package is called `bl_ext.<repository>.infinidepth_blender` and lies
among other extensions. Here it is imported from its own folder under its plain name,
whatever the folder is called, so that no neighbour can be imported by accident.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

PACKAGE_NAME = "infinidepth_blender"


def load_package(folder: Path) -> ModuleType:
    """Imports the package in `folder` under `PACKAGE_NAME` without touching `sys.path`.

    Raises:
        ImportError: there is no package in the folder.
    """
    spec = importlib.util.spec_from_file_location(
        PACKAGE_NAME, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{folder} is not a Python package")
    module = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE_NAME] = module
    spec.loader.exec_module(module)
    return module


def main() -> int:
    """Imports the package, takes over the standard streams and serves until told to stop."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["--site"]:
        # At the end: what the engine's environment has itself comes first.
        sys.path.append(arguments[1])
    load_package(Path(__file__).resolve().parent.parent)
    # An update in another Blender does not remove this environment while we work in it.
    marker = Path(sys.prefix) / importlib.import_module(f"{PACKAGE_NAME}.engine.install_place").MARKER
    importlib.import_module(f"{PACKAGE_NAME}.file_lock").mark_in_use(marker)
    return importlib.import_module(f"{PACKAGE_NAME}.engine.worker").main(light="--light" in arguments)


if __name__ == "__main__":
    sys.exit(main())
