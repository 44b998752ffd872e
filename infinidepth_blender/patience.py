"""Patience with files that another program holds for a moment; standard library only."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE_S = 5.0
"""How long a file may be held: on Windows virus scanners, indexers and cloud folders open what was just written."""
_WAIT_S = 0.1

_Result = TypeVar("_Result")


def patiently(act: Callable[[], _Result]) -> _Result:
    """Does something that fails as long as another program has the file open.

    Args:
        act: Called until it succeeds, and at least once.

    Raises:
        PermissionError: the file was held for longer than `PATIENCE_S`.
    """
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            return act()
        except PermissionError:
            if time.monotonic() >= deadline_s:
                raise
        time.sleep(_WAIT_S)
