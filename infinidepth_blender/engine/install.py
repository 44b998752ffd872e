"""Makes the engine's environment in the user's folder: a venv, pinned packages, no admin rights.

An environment is complete when its marker file exists, which is written last; whatever
an interrupted install left behind is removed by the next one. The folder's name carries
a digest of the pins, so that an update installs beside what works and replaces it only
when everything went well. Standard library only.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import Cancelled, InfiniDepthError, OutputError, RuntimeMissingError
from ..file_lock import locked
from .process import child_environment, no_window_flags
from .torch_builds import TorchBuild, choose_build, nvidia_card, torch_pip_arguments

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
MARKER = "infinidepth-complete.json"
LOCK_NAME = "install.lock"
INSTALL_REMEDY = (
    "Install it in Blender under Preferences > Add-ons > InfiniDepth, or set INFINIDEPTH_PYTHON to a Python that has "
    f"the packages of {REQUIREMENTS}."
)
VENV_REMEDY = (
    "On Debian and Ubuntu install the package python3-venv; elsewhere install Python from python.org, "
    "or choose a Python that already has PyTorch in the preferences."
)
_PREFIX = "runtime-"
_SUPPORTED = ((3, 11), (3, 14))
_LAST_LINES = 40


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
    """
    build = choose_build(nvidia_card())
    minutes = max(2, round(build.download_mb / 600) + round(build.disk_mb / 1500))
    return InstallPlan(_folder(user_dir, _requirements(REQUIREMENTS)), build, build.download_mb, build.disk_mb, minutes)


def install_runtime(
    user_dir: Path,
    on_line: Callable[[str], None],
    cancel: threading.Event | None = None,
    *,
    base_python: Path | None = None,
    requirements: Path = REQUIREMENTS,
    pip_arguments: Sequence[str] = (),
) -> Path:
    """Makes the environment and returns its interpreter; runs for minutes, so use a thread.

    Args:
        user_dir: Folder of the user's that survives updates.
        on_line: Called with every line of output, from the calling thread.
        cancel: Stops the install when set.
        base_python: Python to make the environment with; None: the first that can.
        requirements: File of pinned packages.
        pip_arguments: More arguments for pip, such as `--no-index --find-links FOLDER`.

    Raises:
        RuntimeMissingError: no Python can make environments, or pip failed.
        OutputError: the folder cannot be written, or the disk is too full.
        Cancelled: `cancel` was set; nothing is left behind.
    """
    cancel = cancel or threading.Event()
    pins = _requirements(requirements)
    folder = _folder(user_dir, pins)
    torch = next((pin for pin in pins if pin.startswith("torch==")), None)
    build = choose_build(nvidia_card()) if torch else None
    _check_disk(user_dir, build)
    base = base_python or _base_python()
    with _alone(user_dir, on_line, cancel) as waited:
        if waited and (folder / MARKER).is_file():
            return _venv_python(folder)  # the other process made the same
        return _install(user_dir, folder, base, torch, build, pins, pip_arguments, on_line, cancel)


@contextlib.contextmanager
def _alone(user_dir: Path, on_line: Callable[[str], None], cancel: threading.Event) -> Iterator[bool]:
    """Waits until no other process installs there; yields whether it had to.

    The lock's file stays: whoever removed it would let a third process in beside one that waits for it.
    """
    waited = False

    def wait() -> None:
        nonlocal waited
        waited = True
        if cancel.is_set():
            raise Cancelled("The installation was cancelled.")
        on_line("Another Blender is installing the engine; waiting for it")
        time.sleep(1.0)

    with locked(user_dir / LOCK_NAME, wait):
        yield waited


def _install(
    user_dir: Path,
    folder: Path,
    base: Path,
    torch: str | None,
    build: TorchBuild | None,
    pins: list[str],
    pip_arguments: Sequence[str],
    on_line: Callable[[str], None],
    cancel: threading.Event,
) -> Path:
    try:
        shutil.rmtree(folder, ignore_errors=True)
        on_line(f"Making an environment in {folder} with {base}")
        _run([str(base), "-I", "-m", "venv", str(folder)], on_line, cancel)
        python = _venv_python(folder)
        others = [pin for pin in pins if pin != torch]
        steps = [torch_pip_arguments(torch, build)] if torch else []
        for packages in [*steps, others]:
            command = [str(python), "-I", "-u", "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
            _run(
                [*command, "--only-binary", ":all:", "--progress-bar", "off", *packages, *pip_arguments],
                on_line,
                cancel,
            )
        (folder / MARKER).write_text(json.dumps({"packages": pins}, indent=1), encoding="utf-8")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    for other in user_dir.glob(f"{_PREFIX}*"):
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)
    on_line("The engine is installed.")
    return python


def find_installed(user_dir: Path) -> Path | None:
    """The interpreter of a complete environment in `user_dir`: the current pins' if it is there."""
    complete = [marker.parent for marker in user_dir.glob(f"{_PREFIX}*/{MARKER}")]
    if not complete:
        return None
    wanted = _folder(user_dir, _requirements(REQUIREMENTS))
    return _venv_python(wanted if wanted in complete else complete[0])


def remove_runtime(user_dir: Path) -> None:
    """Removes every environment that was made in `user_dir`."""
    for folder in user_dir.glob(f"{_PREFIX}*"):
        (folder / MARKER).unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)


def _requirements(path: Path) -> list[str]:
    lines = (line.split("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


def _folder(user_dir: Path, pins: list[str]) -> Path:
    return user_dir / (_PREFIX + hashlib.sha256("\n".join(pins).encode()).hexdigest()[:8])


def _venv_python(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _check_disk(user_dir: Path, build: TorchBuild | None) -> None:
    try:
        user_dir.mkdir(parents=True, exist_ok=True)
        free_mb = shutil.disk_usage(user_dir).free / 1e6
    except OSError as error:
        raise OutputError(
            f"The engine cannot be installed in {user_dir}: {error.strerror or error}.",
            "Check the folder's permissions.",
        ) from error
    needed_mb = build.disk_mb + build.download_mb if build else 0
    if free_mb < needed_mb:
        raise OutputError(
            f"The engine needs about {needed_mb / 1000:.1f} GB in {user_dir}, but only {free_mb / 1000:.1f} GB are free.",
            "Free some space and install again.",
        )


def _base_python() -> Path:
    """The first Python that can make environments, the running one first."""
    names = [f"python{major}.{minor}" for major, minor in ((3, 11), (3, 13), (3, 12))]
    found = [Path(path) for path in map(shutil.which, [*names, "python3", "python"]) if path]
    bundled = Path(sys.prefix) / ("bin/python.exe" if os.name == "nt" else f"bin/python3.{sys.version_info[1]}")
    for python in [Path(sys.executable or "python3"), bundled, *found]:
        with contextlib.suppress(OSError, subprocess.TimeoutExpired, ValueError):
            check = subprocess.run(
                [str(python), "-I", "-c", "import sys, venv, ensurepip; print(*sys.version_info[:2])"],
                capture_output=True, stdin=subprocess.DEVNULL, timeout=30, check=False,
                env=child_environment(python), creationflags=no_window_flags(),
            )  # fmt: skip
            if _SUPPORTED[0] <= tuple(map(int, check.stdout.split())) < (_SUPPORTED[1][0], _SUPPORTED[1][1] + 1):
                return python
    raise RuntimeMissingError(
        "No Python was found that can make environments (it lacks venv or ensurepip).", VENV_REMEDY
    )


def _run(command: list[str], on_line: Callable[[str], None], cancel: threading.Event) -> None:
    """Runs a command to its end, line by line; ends it and its children when cancelled."""
    environment = child_environment(command[0])
    for name in ("PIP_TARGET", "PIP_PREFIX", "PIP_REQUIRE_VIRTUALENV"):
        environment.pop(name, None)
    environment["PIP_USER"] = "0"  # whatever pip's configuration file says
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            creationflags=no_window_flags(),
            start_new_session=os.name == "posix",
        )
    except OSError as error:
        raise RuntimeMissingError(f"{command[0]} cannot be started: {error.strerror or error}.", VENV_REMEDY) from error
    last_lines: deque[str] = deque(maxlen=_LAST_LINES)
    try:
        for line in _lines_until(process, cancel):
            last_lines.append(line)
            on_line(line)
        returncode = process.wait()
    except BaseException:
        _kill(process)
        process.wait()
        raise
    if returncode != 0:
        raise _install_error(command, list(last_lines))


def _lines_until(process: subprocess.Popen[bytes], cancel: threading.Event) -> Iterator[str]:
    """The output of a process; raises `Cancelled` within a fraction of a second of `cancel`."""
    lines: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        assert process.stdout is not None  # Popen was told to make it
        for line in process.stdout:
            lines.put(line.decode("utf-8", "replace").rstrip())
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    while True:
        if cancel.is_set():
            raise Cancelled("The installation was cancelled.")
        with contextlib.suppress(queue.Empty):
            line = lines.get(timeout=0.2)
            if line is None:
                return
            yield line


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)


def _install_error(command: list[str], last_lines: list[str]) -> InfiniDepthError:
    text = "\n".join(last_lines)
    if "No space left" in text or "not enough space" in text:
        return OutputError("The disk is full: the engine could not be installed.", "Free some space and install again.")
    if "venv" in command and "pip" not in command:
        reason, remedy = "the environment could not be made", VENV_REMEDY
    elif re.search(
        r"NewConnectionError|name resolution|Name or service|getaddrinfo|Max retries|timed out|SSLError", text
    ):
        reason, remedy = (
            "the package server could not be reached",
            "Check the connection (proxy, firewall) and install again.",
        )
    else:
        errors = [line for line in last_lines if line.upper().startswith("ERROR")] or last_lines[-1:]
        reason, remedy = (
            errors[0].removeprefix("ERROR: ") if errors else "pip failed",
            "Install again, or choose a Python that has the packages.",
        )
    error = RuntimeMissingError(f"The engine could not be installed: {reason.rstrip('.')}.", remedy)
    error.add_note(text)
    return error
