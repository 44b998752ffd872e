"""Makes the engine's environment in the user's folder: a venv, pinned packages, no admin rights.

Every install has a folder of its own and replaces what was there only when everything went well, so that what works
goes on working until then. Standard library only.
"""

from __future__ import annotations

import contextlib
import errno
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import Cancelled, InfiniDepthError, OutputError, RuntimeMissingError
from . import install_place
from .install_commands import Commands, disk_full
from .install_packages import install_packages, load_problem, torch_pin
from .install_place import REQUIREMENTS, Installed
from .interpreter import base_python, venv_python
from .load_errors import DamagedError, WindowsLibraryError
from .process import child_environment, isolated, no_window_flags
from .torch_builds import TorchBuild, choose_build, nvidia_card

INSTALL_REMEDY = (
    "Install it in Blender under Preferences > Add-ons > InfiniDepth, or set INFINIDEPTH_PYTHON to a Python that has "
    f"the packages of {REQUIREMENTS}."
)
_DONE = "The engine is installed."
_REPAIR_LIMIT_S = 120.0


@dataclass(frozen=True)
class InstallPlan:
    """What an install will do, to be shown before the user says yes.

    Attributes:
        folder: Where it goes.
        build: The build of PyTorch.
        download_mb: Roughly what is downloaded.
        disk_mb: Roughly what it takes on the disk.
        minutes: Roughly how long it takes, at 10 megabytes a second.
    """

    folder: Path
    build: TorchBuild
    download_mb: int
    disk_mb: int
    minutes: int

    @property
    def text(self) -> str:
        """The plan in one or two sentences."""
        what = {"cpu": "for the processor", "mps": "for Apple's graphics"}.get(self.build.kind, "for the NVIDIA card")
        text = (
            f"Downloads about {self.download_mb / 1000:.1f} GB (PyTorch {what}), takes {self.disk_mb / 1000:.1f} GB in "
            f"{self.folder} and about {self.minutes} minutes with a fast connection."
        )
        return f"{text} {self.build.note}".strip()


def plan_install(user_dir: Path) -> InstallPlan:
    """What `install_runtime` would do on this machine.

    Raises:
        RuntimeMissingError: PyTorch is not made for this machine.
        OutputError: the folder's path is too long for Windows.
    """
    build = choose_build(nvidia_card())
    install_place.check_path_length(user_dir)
    minutes = max(2, round(build.download_mb / 600) + round(build.disk_mb / 1500))
    return InstallPlan(user_dir, build, build.download_mb, build.disk_mb, minutes)


def install_runtime(
    user_dir: Path,
    on_line: Callable[[str], None],
    cancel: threading.Event | None = None,
    *,
    older_dirs: Sequence[Path] = (),
    reinstall: bool = False,
    base: Path | None = None,
    requirements: Path = REQUIREMENTS,
    pip_arguments: Sequence[str] = (),
) -> Path:
    """Makes the environment and returns its interpreter; runs for minutes, so use a thread.

    One that is there already, is current and loads its packages is returned as it is; one that could not be loaded
    before is tried again first.

    Args:
        user_dir: Folder of the user's that survives updates.
        on_line: Called with every line of output, from the calling thread.
        cancel: Stops the install when set.
        older_dirs: Where earlier versions installed: what is there is replaced as well.
        reinstall: Makes a new one in any case.
        base: Python to make the environment with; None: the first that can.
        requirements: File of pinned packages.
        pip_arguments: More arguments for pip, such as `--no-index --find-links FOLDER`; what could not be loaded is
            then left aside, because it may have been made with others.

    Raises:
        RuntimeMissingError: no Python can make environments, pip failed, or a package cannot be loaded; then the
            environment stays, and the next install only tries to load it, unless it is damaged.
        OutputError: the folder cannot be written, or the disk is too full.
        EngineError: it is installed, but needs libraries of Windows that are missing.
        Cancelled: `cancel` was set; nothing is left behind.
    """
    cancel = cancel or threading.Event()
    pins = install_place.read_pins(requirements)
    build = choose_build(nvidia_card()) if torch_pin(pins) else None
    install_place.check_path_length(user_dir)
    with _system_errors(user_dir, "installed in"), _alone(user_dir, on_line, cancel) as lock:
        commands = Commands(user_dir, on_line, cancel, lock.handle)
        ready = None
        if not reinstall or lock.waited:
            ready = _ready((user_dir, *older_dirs), pins, commands, also_unloaded=not pip_arguments)
        if ready is not None:
            _remove_replaced((user_dir, *older_dirs), ready.folder, on_line)
            on_line(_DONE)
            return ready.python
        install_place.remove_unfinished(user_dir, alone=lock.handle is not None)
        install_place.check_disk(user_dir, build.disk_mb + build.download_mb if build else 0)
        commands = Commands(install_place.new_folder(user_dir), on_line, cancel, lock.handle)
        python = _install(commands, base or base_python(), pins, build, pip_arguments)
        _remove_replaced((user_dir, *older_dirs), commands.folder, on_line)
        on_line(_DONE)
        return python


def find_installed(user_dir: Path, older_dirs: Sequence[Path] = ()) -> Path | None:
    """The interpreter of a complete environment: the current pins' if it is there."""
    found = install_place.environments((user_dir, *older_dirs))
    return found[0].python if found else None


def find_unloaded(user_dir: Path, older_dirs: Sequence[Path] = ()) -> Path | None:
    """The interpreter of a current environment that was downloaded and could not be loaded: an install tries it again."""
    found = install_place.environments((user_dir, *older_dirs))
    return next((one.python for one in found if one.current and not one.loads), None)


def remove_replaced(python: Path, user_dir: Path, older_dirs: Sequence[Path] = ()) -> list[str]:
    """Removes engines that were in use when a current one replaced them; may take a minute, so use a thread.

    Args:
        python: The interpreter that is used now; nothing is removed unless it is of a current environment.
        user_dir: Folder that `install_runtime` was given.
        older_dirs: Where earlier versions installed.

    Returns:
        A sentence on each that stays.

    Raises:
        Cancelled: another process is installing or removing there.
        OSError: the folder cannot be written.
    """
    lines: list[str] = []
    for environment in install_place.environments((user_dir, *older_dirs)):
        if environment.current and environment.python == python:
            with install_place.locked_place(user_dir, _give_up) as handle:
                _remove_replaced((user_dir, *older_dirs), environment.folder, lines.append)
                # A process that ended while it removed one has left a part of it.
                install_place.remove_unfinished(user_dir, alone=handle is not None)
    return lines


def _remove_replaced(directories: Sequence[Path], replaced_by: Path, on_line: Callable[[str], object]) -> None:
    for directory in directories:
        for folder, reason in install_place.remove_all(directory, replaced_by):
            on_line(f"The older engine in {folder} stays for now: {reason.rstrip('.')}.")


def remove_runtime(
    user_dir: Path,
    older_dirs: Sequence[Path] = (),
    on_line: Callable[[str], None] = lambda _line: None,
    cancel: threading.Event | None = None,
) -> None:
    """Removes every environment that was made in some folders.

    Raises:
        OutputError: one of them, or a part of it, cannot be removed.
        Cancelled: `cancel` was set while another process was installing.
    """
    left: list[tuple[Path, str]] = []
    for directory in (user_dir, *older_dirs):
        if directory.is_dir():
            with _system_errors(directory, "removed from"), _alone(directory, on_line, cancel or threading.Event()):
                left += install_place.remove_all(directory)
    if left:
        folder, reason = left[0]
        raise OutputError(
            f"The engine in {folder} could not be removed: {reason}.",
            "Close other Blenders and remove it again, or delete that folder.",
        )


def repair(environment: Installed) -> bool:
    """Gives an environment a Python again whose own is gone, as when Blender's folder has moved; takes a second.

    Args:
        environment: One whose interpreter does not start.

    Returns:
        Whether it may start now: there is another Python of its version.
    """
    with contextlib.suppress(OSError, Cancelled), install_place.locked_place(environment.folder.parent, _give_up):
        return _mend(environment)
    return False


def _mend(environment: Installed) -> bool:
    """As `repair`, for who holds the lock: this process cannot take it a second time."""
    if not environment.python_minor:
        return False
    try:
        base = base_python(environment.python_minor)
        for name in ("python", "python3", f"python{environment.python_minor}"):
            link = environment.folder / "bin" / name
            if link.is_symlink():
                link.unlink()
        made = subprocess.run(
            [*isolated(base), "-m", "venv", "--without-pip", str(environment.folder)],
            capture_output=True, stdin=subprocess.DEVNULL, timeout=_REPAIR_LIMIT_S, check=False,
            env=child_environment(base), creationflags=no_window_flags(),
        )  # fmt: skip
    except (OSError, RuntimeMissingError, subprocess.TimeoutExpired):
        return False
    return made.returncode == 0


def _give_up() -> None:
    raise Cancelled


@dataclass
class _Lock:
    """The lock of a folder: its descriptor (None: no locks there), and whether another process had it."""

    handle: int | None = None
    waited: bool = False


@contextlib.contextmanager
def _alone(user_dir: Path, on_line: Callable[[str], None], cancel: threading.Event) -> Iterator[_Lock]:
    """Waits until no other process installs or removes there."""
    lock = _Lock()

    def wait() -> None:
        lock.waited = True
        if cancel.is_set():
            raise Cancelled("The installation was cancelled.")
        on_line("Another Blender is installing the engine; waiting for it")
        time.sleep(1.0)

    with install_place.locked_place(user_dir, wait) as lock.handle:
        yield lock


@contextlib.contextmanager
def _system_errors(directory: Path, what: str) -> Iterator[None]:
    """Turns what the file system refuses into an error that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise disk_full(directory) from error
        raise OutputError(
            f"The engine cannot be {what} {directory}: {error.strerror or error}.", "Check the folder's permissions."
        ) from error


def _ready(
    directories: Sequence[Path], pins: list[str], commands: Commands, *, also_unloaded: bool
) -> Installed | None:
    """An environment with these pins that works; None: a new one is to be made.

    Args:
        directories: Where it may be; the lock of the first one is held.
        pins: The packages.
        commands: What runs its Python.
        also_unloaded: Also those that could not be loaded before, first of all: what mends them may have happened since.

    Raises:
        InfiniDepthError: one is complete and still cannot be loaded, which a new one would not change.
    """
    found = [one for one in install_place.environments(directories) if list(one.packages) == pins]
    for environment in sorted(found, key=lambda one: one.loads):
        if not (environment.loads or also_unloaded):
            continue
        problem = load_problem(commands, environment.python, pins)
        mend = _mend if environment.folder.parent == directories[0] else repair
        if problem is not None and mend(environment):
            problem = load_problem(commands, environment.python, pins)
        if problem is None:
            install_place.mark_loading(environment.folder)
            return environment
        # One that has loaded before is damaged as well, unless Windows' own libraries are gone.
        damaged = isinstance(problem, DamagedError) or environment.loads
        if not damaged or isinstance(problem, WindowsLibraryError):
            raise _for_next_time(problem)
    return None


def _install(
    commands: Commands, base: Path, pins: list[str], build: TorchBuild | None, pip_arguments: Sequence[str]
) -> Path:
    """Makes an environment; one that is complete stays, whether it can be loaded now or not."""
    folder = commands.folder
    complete = False
    try:
        commands.on_line(f"Making an environment in {folder} with {base}")
        commands.temporary.mkdir(parents=True)
        commands.run([*isolated(base), "-m", "venv", str(folder)])
        python = venv_python(folder)
        version, note = install_packages(commands, python, pins, build, pip_arguments)
        shutil.rmtree(commands.temporary, ignore_errors=True)
        show = "import sys; print('%d.%d' % sys.version_info[:2])"
        python_minor = commands.run([*isolated(python), "-c", show])[-1]
        with contextlib.suppress(PermissionError):  # another program holds it: it is written once more below
            install_place.write_marker(folder, pins, python_minor, version, note, loads=False)
            complete = True
        problem = load_problem(commands, python, pins)
        if isinstance(problem, DamagedError):
            raise problem
        if not complete:
            install_place.write_marker(folder, pins, python_minor, version, note, loads=False)
    except BaseException:
        install_place.remove(folder)
        raise
    if problem is not None:
        install_place.remove_others_that_do_not_load(folder)
        raise _for_next_time(problem)
    install_place.mark_loading(folder)
    return python


def _for_next_time(problem: InfiniDepthError) -> InfiniDepthError:
    """Why a complete environment cannot be loaded, with what to do about it."""
    if isinstance(problem, WindowsLibraryError):
        return problem  # as soon as Windows has its libraries the environment works
    again = RuntimeMissingError(
        problem.message,
        "The download is kept. Fix the cause, then press Install again: it is tried before anything is downloaded.",
    )
    for note in getattr(problem, "__notes__", ()):
        again.add_note(note)
    return again
