"""A file of scores that is complete JSON at every moment, however long the rest takes and however it ends."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from infinidepth_blender.errors import InfiniDepthError, OutputError

EVERY_S = 5.0


def reason(error: Exception) -> str:
    """Why there are no scores: one line, which names the kind of what is not meant for users."""
    text = " ".join(str(error).split())
    return text if isinstance(error, InfiniDepthError) else f"{type(error).__name__}: {text}"


class ScoresFile:
    """Writes what is there so far now and then.

    Args:
        path: The file; its folder is made.
        every_s: Least time between two writings.
    """

    def __init__(self, path: Path, every_s: float = EVERY_S) -> None:
        self.path = path
        self._every_s = every_s
        self._written = -every_s

    def now_and_then(self, result: dict[str, Any]) -> None:
        """Writes the first time, and then if the last time is long ago.

        Raises:
            OutputError: it cannot be written.
        """
        if time.monotonic() - self._written >= self._every_s:
            self.write(result)

    def write(self, result: dict[str, Any]) -> None:
        """Replaces the file at once.

        Raises:
            OutputError: it cannot be written.
        """
        partial = self.path.with_name(f".{self.path.name}.partial")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                partial.write_text(json.dumps(result, indent=1) + "\n")
                partial.replace(self.path)
            finally:
                partial.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{self.path} could not be written: {error.strerror}.", "Name another file.") from error
        self._written = time.monotonic()
