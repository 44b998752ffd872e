"""Where the command line finds the engine."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..engine.client import EngineClient
from ..engine.runtime import find_runtime
from ..user_folders import user_data_dir

if TYPE_CHECKING:  # which imports numpy
    from ..splats.sog import RgbaOf


def expanded(path: Path) -> Path:
    """A path with the user's home for `~`; other names that begin with `~` are names."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - Path.expanduser raises for unknown users


@dataclass(frozen=True)
class Context:
    """What differs between a terminal and `blender --command infinidepth`.

    Attributes:
        python: Interpreter of the engine that the user chose; None: look for one.
        user_dir: Folder in which an installed engine lies.
        site: Folder with packages that the engine may use: the extension's wheels.
        older_dirs: Folders in which earlier versions have installed an engine.
        rgba_of: Decodes the pictures of SOG files; None: Pillow does, which Blender's Python does not have.
    """

    python: Path | None = None
    user_dir: Path = field(default_factory=user_data_dir)
    site: Path | None = None
    older_dirs: tuple[Path, ...] = ()
    rgba_of: RgbaOf | None = None

    def engine(self) -> EngineClient:
        """A client for the engine; nothing is started yet.

        Raises:
            RuntimeMissingError: there is no Python that can run it.
        """
        runtime = find_runtime(self.python, self.user_dir, self.site, self.older_dirs)
        return EngineClient(runtime.python, site=self.site)
