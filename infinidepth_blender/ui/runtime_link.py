# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's Python environment as the panels see it: is it there, install it, remove it.

Looking for it starts a process, and installing takes minutes: both run in a thread that
never touches bpy. A timer on the main thread carries the news to the panels.
"""

import re
import threading
from dataclasses import dataclass
from pathlib import Path

import bpy

from ..engine import runtime
from ..errors import Cancelled, InfiniDepthError, RuntimeMissingError
from . import addon

_TICK_S = 0.2
_LAST_WAIT_S = 3.0


@dataclass
class RuntimeState:
    """What is known of the environment.

    Attributes:
        found: The environment, once one was found.
        problem: Why there is none; None while nobody has looked.
        size_note, short_size_note: What an install will download and take, in words.
        installing: Whether an install or a removal is going on.
        install_fraction, install_text: Its progress.
    """

    found: runtime.Runtime | None = None
    problem: InfiniDepthError | None = None
    size_note: str = ""
    short_size_note: str = ""
    installing: bool = False
    install_fraction: float = 0.0
    install_text: str = ""

    @property
    def ready(self) -> bool:
        """Whether photos can be reconstructed; also true before anybody has looked."""
        return self.found is not None or self.problem is None

    @property
    def description(self) -> str:
        """The environment in one sentence."""
        if self.found is None:
            return ""
        origin = {
            "chosen": "chosen here",
            "variable": f"named by {runtime.PYTHON_VARIABLE}",
            "installed": "installed by InfiniDepth",
            "current": "Blender's own",
        }[self.found.origin]
        torch = self.found.packages.get("torch", "")
        return f"Python {self.found.version} with PyTorch {torch}, {origin}"


state = RuntimeState()
_thread: threading.Thread | None = None
_cancel = threading.Event()
_look_again = False


def preferred_python() -> Path | None:
    """The interpreter that the user chose in the preferences."""
    preferences = addon.preferences()
    chosen = preferences.engine_python if preferences else ""
    return Path(bpy.path.abspath(chosen)) if chosen else None


def engine_python() -> Path:
    """The engine's interpreter; looks for it unless it is known.

    Raises:
        RuntimeMissingError: there is none.
    """
    found = state.found
    if found is None or not found.python.is_file():
        _look(preferred_python(), addon.user_dir())
    if state.found is None:
        raise state.problem or RuntimeMissingError("The engine is not installed yet.", "Install it.")
    return state.found.python


def refresh() -> None:
    """Looks for the environment again, without waiting for the answer."""
    global _look_again
    if bpy.app.background:
        state.found, state.problem = None, None  # looked for when it is needed
    elif _thread is not None and _thread.is_alive():
        _look_again = True
    else:
        _look_again = False
        _start(_look, preferred_python(), addon.user_dir())


def install() -> None:
    """Starts an install; in background mode waits for its end.

    Raises:
        InfiniDepthError: only in background mode, where there is no panel to show it.
    """
    _cancel.clear()
    state.installing, state.install_fraction, state.install_text = True, 0.0, "Starting"
    if bpy.app.background:
        _install(preferred_python(), addon.user_dir())
        if state.problem is not None:
            raise state.problem
    else:
        _join()
        _start(_install, preferred_python(), addon.user_dir())


def cancel_install() -> None:
    """Stops the install; what it has written is removed."""
    _cancel.set()
    state.install_text = "Cancelling"


def remove() -> None:
    """Removes the environment that `install` made."""
    _join()
    state.installing, state.install_fraction, state.install_text = True, 1.0, "Removing"
    if bpy.app.background:
        _remove(preferred_python(), addon.user_dir())
    else:
        _start(_remove, preferred_python(), addon.user_dir())


def installed(user_dir: Path) -> bool:
    """Whether an environment of our own is there."""
    return any(user_dir.glob("runtime-*/infinidepth-complete.json"))


# -- in the thread, without bpy -----------------------------------------------------------


def _look(preferred: Path | None, user_dir: Path) -> None:
    try:
        try:
            state.found, state.problem = runtime.find_runtime(preferred, user_dir), None
        except (OSError, RuntimeError, ValueError) as error:  # a path that cannot be one
            raise RuntimeMissingError(
                f"The engine's Python {preferred} cannot be used: {error}.", "Choose another."
            ) from error
    except InfiniDepthError as error:
        state.found, state.problem = None, error
        try:
            plan = runtime.plan_install(user_dir)
            state.size_note = plan.text
            state.short_size_note = (
                f"{plan.download_mb / 1000:.1f} GB to download, {plan.disk_mb / 1000:.1f} GB on disk, "
                f"about {plan.minutes} minutes"
            )
        except InfiniDepthError as plan_error:
            state.size_note = state.short_size_note = str(plan_error)


def _install(preferred: Path | None, user_dir: Path) -> None:
    try:
        runtime.install_runtime(user_dir, _on_line, _cancel)
    except Cancelled:
        _look(preferred, user_dir)
    except InfiniDepthError as error:
        state.found, state.problem = None, error
    else:
        _look(preferred, user_dir)
    finally:
        state.installing = False


def _remove(preferred: Path | None, user_dir: Path) -> None:
    try:
        runtime.remove_runtime(user_dir)
        _look(preferred, user_dir)
    finally:
        state.installing = False


def _on_line(line: str) -> None:
    """Pip names each package as it fetches it: the only progress that there is."""
    if _cancel.is_set():
        return
    if match := re.match(r"\s*(?:Collecting|Downloading|Using cached) (?:\S*/)?([A-Za-z0-9_.]+)", line):
        state.install_text = f"Downloading {match[1].split('-')[0]}"
        state.install_fraction = min(state.install_fraction + 0.02, 0.8)
    elif line.startswith("Installing collected"):
        state.install_text = "Unpacking"
        state.install_fraction = max(state.install_fraction, 0.85)
    elif line.startswith("Making an environment"):
        state.install_text = "Making an environment"
        state.install_fraction = 0.02


# -- on the main thread ---------------------------------------------------------------------


def _start(target: object, *arguments: object) -> None:
    global _thread
    _thread = threading.Thread(target=target, args=arguments, name="infinidepth-runtime", daemon=True)  # pyright: ignore[reportArgumentType]
    _thread.start()
    if not bpy.app.timers.is_registered(_on_timer):
        bpy.app.timers.register(_on_timer, first_interval=_TICK_S, persistent=True)


def _on_timer() -> float | None:
    addon.redraw()
    if _thread is not None and _thread.is_alive():
        return _TICK_S
    if _look_again:
        refresh()
        return _TICK_S
    return None


def _join() -> None:
    if _thread is not None:
        _thread.join()


def _first_look() -> None:
    refresh()


def register() -> None:
    """Looks for the environment once Blender has started."""
    if not bpy.app.background:
        bpy.app.timers.register(_first_look, first_interval=0.1, persistent=True)


def unregister() -> None:
    """Ends what is going on."""
    _cancel.set()
    if _thread is not None:
        _thread.join(_LAST_WAIT_S)  # it may wait for a Python that does not answer, and touches nothing of Blender
    for timer in (_on_timer, _first_look):
        if bpy.app.timers.is_registered(timer):
            bpy.app.timers.unregister(timer)
    state.found, state.problem = None, None
