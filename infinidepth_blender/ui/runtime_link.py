# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's Python environment as the panels see it: is it there, install it, remove it.

Looking for it starts a process, and installing takes minutes: both run in a thread that
never touches bpy. A timer on the main thread carries the news to the panels.
"""

import contextlib
import os
import re
import threading
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import bpy

from ..engine import runtime
from ..errors import Cancelled, EngineError, InfiniDepthError, RuntimeMissingError
from ..user_folders import user_data_dir
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
        installed: Whether there is one that InfiniDepth installed, used or not.
        unloaded: Whether one was downloaded and could not be loaded: an install tries it again.
        older_note: Which engines stay that the one found has replaced, and why.
        failure: Why the last install or removal went wrong.
        installing: Whether an install or a removal is going on.
        install_fraction, install_text: Its progress.
    """

    found: runtime.Runtime | None = None
    problem: InfiniDepthError | None = None
    size_note: str = ""
    short_size_note: str = ""
    installed: bool = False
    unloaded: bool = False
    older_note: str = ""
    failure: InfiniDepthError | None = None
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


@dataclass(frozen=True)
class _Places:
    """Where the engine may be: a Python that the user chose, our own folder, and those of earlier versions."""

    preferred: Path | None
    user_dir: Path
    older_dirs: tuple[Path, ...]


state = RuntimeState()
_thread: threading.Thread | None = None
_tidier: threading.Thread | None = None
_cancel = threading.Event()
_look_again = False


def preferred_python() -> Path | None:
    """The interpreter that the user chose in the preferences."""
    preferences = addon.preferences()
    chosen = preferences.engine_python if preferences else ""
    return Path(bpy.path.abspath(chosen)) if chosen else None


def override() -> str:
    """Why an engine that is installed would not be used, for `poll`; empty: it would."""
    if preferred_python() is not None:
        return "The Python chosen in the preferences is used. Clear it to install the engine"
    if os.environ.get(runtime.PYTHON_VARIABLE):
        return f"The variable {runtime.PYTHON_VARIABLE} names the engine's Python. Remove it to install the engine"
    return ""


def _places() -> _Places:
    return _Places(preferred_python(), user_data_dir(), addon.older_engine_dirs())


def engine_python() -> Path:
    """The engine's interpreter; looks for it unless it is known.

    Raises:
        RuntimeMissingError: there is none.
    """
    found = state.found
    if found is None or not found.python.is_file():
        _find(_places())
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
        _start(_look, _places())


def install(*, reinstall: bool = False, packages: Path | None = None) -> None:
    """Starts an install; in background mode waits for its end.

    Args:
        reinstall: Also if there is one that works.
        packages: A folder with all packages, where there is no network; None: they are downloaded.

    Raises:
        InfiniDepthError: only in background mode, where there is no panel to show it.
    """
    _begin("Starting", 0.0)
    if bpy.app.background:
        _install(_places(), reinstall, packages)
        _raise_failure()
    else:
        _start(_install, _places(), reinstall, packages)


def cancel_install() -> None:
    """Stops the install; what it has written is removed."""
    _cancel.set()
    state.install_text = "Cancelling"


def remove() -> None:
    """Removes the environment that `install` made; in background mode waits for its end.

    Raises:
        InfiniDepthError: only in background mode, where there is no panel to show it.
    """
    _begin("Removing", 1.0)
    if bpy.app.background:
        _remove(_places())
        if state.failure is not None:
            raise state.failure
    else:
        _start(_remove, _places())


def _begin(text: str, fraction: float) -> None:
    _join()
    _cancel.clear()
    state.failure = None
    state.installing, state.install_fraction, state.install_text = True, fraction, text


def _raise_failure() -> None:
    if error := state.failure or state.problem:
        raise error


# -- in the thread, without bpy -----------------------------------------------------------


def _look(places: _Places) -> None:
    global _tidier
    _find(places)
    found, state.older_note = state.found, ""
    if found is None or found.origin == "installed":
        _plan(places)
    if found is not None and found.origin == "installed" and not found.outdated:
        # Removing gigabytes takes its time: whoever waits for the answer does not wait for that.
        _tidier = threading.Thread(target=_tidy, args=(places, found.python), name="infinidepth-tidier", daemon=True)
        _tidier.start()


def _tidy(places: _Places, python: Path) -> None:
    """Removes engines that were in use when the present one replaced them."""
    with contextlib.suppress(Cancelled, OSError):  # the next look tries it again
        state.older_note = " ".join(runtime.remove_replaced(python, places.user_dir, places.older_dirs))


def _find(places: _Places) -> None:
    try:
        state.installed = runtime.find_installed(places.user_dir, places.older_dirs) is not None
        state.unloaded = runtime.find_unloaded(places.user_dir, places.older_dirs) is not None
        try:
            state.found = runtime.find_runtime(places.preferred, places.user_dir, older_dirs=places.older_dirs)
            state.problem = None
        except (OSError, RuntimeError, ValueError) as error:  # a path that cannot be one
            raise RuntimeMissingError(
                f"The engine's Python {places.preferred} cannot be used: {error}.", "Choose another."
            ) from error
    except InfiniDepthError as error:
        state.found, state.problem = None, error
    except Exception as error:
        state.found, state.problem = None, _unforeseen(error)


def _plan(places: _Places) -> None:
    """Says what an install or a reinstall would take."""
    try:
        plan = runtime.plan_install(places.user_dir)
        state.size_note = plan.text
        state.short_size_note = (
            f"{plan.download_mb / 1000:.1f} GB to download, {plan.disk_mb / 1000:.1f} GB on disk, "
            f"about {plan.minutes} minutes"
        )
    except InfiniDepthError as error:
        state.size_note = state.short_size_note = str(error)


def _install(places: _Places, reinstall: bool, packages: Path | None) -> None:
    offline = [] if packages is None else ["--no-index", "--find-links", str(packages)]
    with _told(places):
        runtime.install_runtime(
            places.user_dir,
            _on_line,
            _cancel,
            older_dirs=places.older_dirs,
            reinstall=reinstall,
            pip_arguments=offline,
        )


def _remove(places: _Places) -> None:
    with _told(places):
        runtime.remove_runtime(places.user_dir, places.older_dirs, _on_line, _cancel)


@contextlib.contextmanager
def _told(places: _Places) -> Iterator[None]:
    """Work on the engine, in a thread: what goes wrong is kept for the panels, and then it is looked at anew."""
    _let_tidier_end()
    try:
        yield
    except Cancelled:
        pass
    except InfiniDepthError as error:
        state.failure = error
    except Exception as error:
        state.failure = _unforeseen(error)
    finally:
        _end(places)


def _end(places: _Places) -> None:
    try:
        _look(places)
    finally:
        state.installing = False


def _let_tidier_end() -> None:
    """It holds the lock of the engine's folder, which would be taken for another Blender's install."""
    if _tidier is not None:
        _tidier.join()


def _unforeseen(error: Exception) -> InfiniDepthError:
    traceback.print_exc()
    return EngineError(f"Unforeseen {type(error).__name__}: {error}.", "The system console has the details.")


def _on_line(line: str) -> None:
    """Pip names each package as it fetches it: the only progress that there is."""
    if _cancel.is_set():
        return
    if match := re.match(r"\s*(?:Collecting|Downloading|Using cached) (?:\S*/)?([A-Za-z0-9_.]+)", line):
        state.install_text = f"Downloading {match[1].split('-')[0]}"
        state.install_fraction = min(state.install_fraction + 0.02, 0.8)
    elif line.startswith("Installing collected") and not line.endswith(": pip"):
        state.install_text = "Unpacking"
        state.install_fraction = max(state.install_fraction, 0.85)
    elif line.startswith("Making an environment"):
        state.install_text = "Making an environment"
        state.install_fraction = 0.02
    elif match := re.match(r"Loading (\w+)$", line):
        state.install_text = f"Trying {match[1]}"
        state.install_fraction = max(state.install_fraction, 0.95)
    elif line.startswith("Another Blender"):
        state.install_text = "Waiting for another Blender"


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
    return _TICK_S if _tidier is not None and _tidier.is_alive() else None


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
