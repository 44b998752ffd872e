"""`failures.json`: which photos of a batch gave no result, and why."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from ..errors import InfiniDepthError
from ..small_files import write_json
from ..staging import output_error

FAILURES_NAME = "failures.json"
_OTHER_FAILURES_NAME = "infinidepth_failures.json"
"""Where a user has a `failures.json` already."""


def write_failures(
    output: Path, failures: Sequence[tuple[Path, InfiniDepthError]], tried: Collection[Path] = ()
) -> None:
    """Writes what failed now, and what failed in earlier runs and is still to be made; without any the list goes.

    Args:
        output: The folder of the results.
        failures: The photos that failed now.
        tried: All photos that this run has come to, whatever became of them.

    Raises:
        OutputError: it cannot be written.
    """
    ours = _entries(output / FAILURES_NAME)
    path = output / (FAILURES_NAME if ours is not None else _OTHER_FAILURES_NAME)
    earlier = ours if ours is not None else _entries(path) or []
    now = {os.path.abspath(photo) for photo in (*tried, *(photo for photo, _ in failures))}  # noqa: PTH100
    left = [entry for entry in earlier if os.path.exists(entry["photo"])]  # noqa: PTH110 - never raises
    left = [entry for entry in left if os.path.abspath(entry["photo"]) not in now]  # noqa: PTH100
    entries = left + [{"photo": str(photo)} | error.to_json() for photo, error in failures]
    try:
        if entries:
            write_json(path, entries)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise output_error(error, path) from error


def _entries(path: Path) -> list[dict[str, Any]] | None:
    """Those of an earlier list, none where there is none; None: the file is somebody else's."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, ValueError):
        return None
    is_list = isinstance(entries, list)
    return (
        entries if is_list and all(isinstance(e, dict) and isinstance(e.get("photo"), str) for e in entries) else None
    )
