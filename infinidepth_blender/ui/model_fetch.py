# SPDX-License-Identifier: GPL-3.0-or-later
"""The model that is being downloaded or copied: one at a time, in a process of its own.

It has nothing to do with scenes or with the engine that computes, so that photos can be
reconstructed meanwhile and another file opened. A timer on the main thread carries the
news to the panels; without a window the same steps run in a loop.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import bpy

from ..engine.client import EngineClient, error_of
from ..engine.model_store import Held, ModelStore
from ..engine.protocol import Done, Failed, Progressed, Stopped
from ..engine.registry import ModelEntry
from ..errors import InfiniDepthError, ModelError
from . import addon, runtime_link
from .session import report_problem

_TICK_S = 0.1
_LOOK_AGAIN_S = 2.0


@dataclass
class Fetch:
    """A model on its way.

    Attributes:
        entry: The model.
        client: The process that fetches it.
        job: Its number there.
        fraction, text: How far it is.
        cancelled: Whether the user has stopped it.
    """

    entry: ModelEntry
    client: EngineClient
    job: int
    fraction: float = 0.0
    text: str = "Starting"
    cancelled: bool = False


current: Fetch | None = None
problem: InfiniDepthError | None = None
"""Why the last one failed, until the next one starts."""
_held: dict[str, tuple[float, Held]] = {}


def held(entry: ModelEntry) -> Held:
    """What is on disk of a model; looked up every other second, because panels are drawn often."""
    now_s = time.monotonic()
    known = _held.get(entry.name)
    if known is None or now_s - known[0] > _LOOK_AGAIN_S:
        known = _held[entry.name] = (now_s, ModelStore().held(entry))
    return known[1]


def start(entry: ModelEntry, source: Path | None = None) -> None:
    """Starts to download a model, or to copy its file.

    The caller goes on with `start_timer`, or with `run_to_end` where there is no window.

    Args:
        entry: The model.
        source: Its file on a disk; None: from the network.

    Raises:
        InfiniDepthError: another model is on its way, its licence was not accepted, or the process
            cannot be started.
    """
    global current, problem
    if current is not None:
        raise ModelError("Another model is being fetched.", "Wait for it, or cancel it.")
    problem = None
    store = ModelStore()
    store.check_licences(entry)
    client = EngineClient(_python(), light=True)
    arguments = {"name": entry.name, "root": str(store.root), "source": str(source) if source else ""}
    current = Fetch(entry, client, client.call("fetch_model", arguments))


def start_timer() -> None:
    """Lets Blender follow the download from its event loop."""
    if not bpy.app.timers.is_registered(_on_timer):
        bpy.app.timers.register(_on_timer, first_interval=_TICK_S, persistent=True)


def run_to_end() -> None:
    """Follows the download to its end; waits.

    Raises:
        InfiniDepthError: whatever went wrong.
    """
    while current is not None:
        error = step()
        if error is not None:
            raise error
        time.sleep(0.02)


def cancel() -> None:
    """Stops the download; what has come stays for the next time."""
    if current is not None:
        current.cancelled = True
        current.text = "Cancelling"
        current.client.cancel(current.job)


def forget_looks() -> None:
    """Looks at the disk anew when panels are drawn next."""
    _held.clear()


def step() -> InfiniDepthError | None:
    """One look at the process; never waits long.

    Returns:
        What went wrong, once.
    """
    global problem
    if current is None:
        return None
    for event in current.client.poll():
        if getattr(event, "job", None) != current.job:
            continue
        if isinstance(event, Progressed) and not current.cancelled:
            current.fraction, current.text = event.fraction, event.message
        elif isinstance(event, Done | Failed | Stopped):
            close()
            problem = error_of(event) if isinstance(event, Failed) else None
            return problem
    return None


def close() -> None:
    """Ends the process and forgets the job."""
    global current
    if current is not None:
        fetch, current = current, None
        fetch.client.close()
    forget_looks()


def _python() -> Path:
    """Downloads need no libraries: the engine's Python if it is known, else Blender's own."""
    found = runtime_link.state.found
    return found.python if found is not None else Path(sys.executable)


def _on_timer() -> float | None:
    error = step()
    if error is not None:
        report_problem(error)
    addon.redraw()
    return _TICK_S if current is not None else None


def register() -> None:
    """Nothing is needed before the first download."""


def unregister() -> None:
    """Ends a running download; it can be continued later."""
    if bpy.app.timers.is_registered(_on_timer):
        bpy.app.timers.unregister(_on_timer)
    close()
