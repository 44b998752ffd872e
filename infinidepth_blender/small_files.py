"""Small JSON files that are written all or nothing; standard library only."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from .patience import patiently


def write_json(path: Path, data: Any) -> None:
    """Writes a file whole or not at all, its folder as well.

    Raises:
        OSError: it cannot be written; what was there before is still there, and nothing else.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        partial.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
        patiently(lambda: partial.replace(path))
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise


def json_or_empty(path: Path) -> dict[str, Any]:
    """The object that a file holds; empty if it is missing, damaged or holds something else."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}
