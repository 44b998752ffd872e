"""When a run began, when it is to end, and whether it has: files in its folder."""

from __future__ import annotations

import time
from pathlib import Path


def begin_time(run: Path, resumed: bool) -> float:
    """Seconds since the epoch; now where the run has nothing to go on from."""
    path = run / "begin"
    if resumed and path.exists():
        return float(path.read_text())
    path.write_text(str(time.time()))
    return time.time()


def note_end(run: Path, until: float) -> None:
    """Keeps the end of the schedule, in seconds since the epoch, for `end_time`."""
    (run / "end").write_text(str(until))


def end_time(run: Path, until: float) -> float:
    """The end that a run was begun with, where the same time of day has been taken for tomorrow's.

    Args:
        run: Its folder.
        until: The next moment of the asked time of day.
    """
    path = run / "end"
    if not path.exists() or not _has_saved(run):
        return until
    told = float(path.read_text())
    same = time.localtime(told)[3:5] == time.localtime(until)[3:5]
    return told if same else until


def end_after(run: Path, minutes: float) -> float:
    """The end of a schedule that is so long from the run's beginning on, pauses included."""
    path = run / "begin"
    begin = float(path.read_text()) if path.exists() and _has_saved(run) else time.time()
    return begin + 60 * minutes


def _has_saved(run: Path) -> bool:
    """Whether there is something to go on from; a run without it begins anew, and with its own beginning and end."""
    return (run / "average.json").exists()


def note_finished(run: Path, steps: int) -> None:
    """Says that the schedule is at its end."""
    (run / "done").write_text(str(steps))


def is_finished(run: Path) -> bool:
    """Whether the schedule has come to its end; more of it would overwrite the result with a worse one."""
    return (run / "done").exists()
