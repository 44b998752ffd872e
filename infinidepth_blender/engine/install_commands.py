"""Runs the commands of an install: line by line, until they end or are cancelled, and says what went wrong.

Standard library only.
"""

from __future__ import annotations

import contextlib
import os
import queue
import re
import shutil
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import Cancelled, InfiniDepthError, OutputError, RuntimeMissingError
from .interpreter import VENV_REMEDY
from .load_errors import DamagedError
from .process import child_environment, kill_group, no_window_flags
from .windows_job import ended_with_us

_LAST_LINES = 40
_NOTHING_BYTES = 10_000_000
_FULL = re.compile(r"No space left|not enough space|Disk quota exceeded|Errno 122|WinError 112")
_NO_CONNECTION = re.compile(
    r"NewConnectionError|name resolution|Name or service|getaddrinfo|Max retries|timed out|SSLError|"
    r"Wheel .* is invalid|IncompleteRead|Connection broken|Connection aborted|ConnectionResetError|incomplete-download"
)
"""What pip says when it reaches nobody, or when the connection breaks in the middle of a file."""
_NOT_TRUSTED = re.compile(r"CERTIFICATE_VERIFY_FAILED|certificate verify failed")
_NOT_UTF8 = "invalid utf-8 characters"
_NO_REASON = re.compile(r"ERROR: (ld\.so: |ResolutionImpossible)", re.IGNORECASE)
"""Lines that look like errors and are none of the command's: what cannot be preloaded, and a pointer to pip's manual."""


@dataclass(frozen=True)
class Commands:
    """The commands of one install.

    Attributes:
        folder: The environment that they make.
        on_line: Called with every line of their output.
        cancel: Ends them when set.
        lock: Descriptor of the install's lock; they hold it as well, so that nobody else begins while one of them
            lives on without us. Windows ends them with us instead.
        variables: More variables for them.
    """

    folder: Path
    on_line: Callable[[str], None]
    cancel: threading.Event
    lock: int | None = None
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def temporary(self) -> Path:
        """Where they put temporary files: on the disk that was looked at, and removed with the environment."""
        return self.folder / "tmp"

    def run(self, command: list[str]) -> list[str]:
        """Runs a command to its end and returns its last lines.

        Raises:
            RuntimeMissingError: it cannot be started, or failed.
            OutputError: the disk is full.
            Cancelled: `cancel` was set.
        """
        code, lines = self.outcome(command)
        if code != 0:
            raise install_error(command, lines, self.folder)
        return lines

    def outcome(self, command: list[str]) -> tuple[int, list[str]]:
        """Runs a command to its end; returns its exit code and its last lines.

        Raises:
            DamagedError: it cannot be started.
            Cancelled: `cancel` was set.
        """
        code, lines = self._outcome(command)
        if code != 0 and any(_NOT_UTF8 in line for line in lines):
            # pip reads its settings in the encoding that it speaks, and on Windows they may be in the code page.
            code, lines = self._outcome(["utf8=0" if part == "utf8" else part for part in command])
        return code, lines

    def _outcome(self, command: list[str]) -> tuple[int, list[str]]:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=self._environment(command[0]),
                creationflags=no_window_flags(),
                start_new_session=os.name == "posix",
                pass_fds=() if self.lock is None or os.name == "nt" else (self.lock,),
            )
        except OSError as error:
            raise DamagedError(f"{command[0]} cannot be started: {error.strerror or error}.", VENV_REMEDY) from error
        last_lines: deque[str] = deque(maxlen=_LAST_LINES)
        with ended_with_us(process):
            try:
                for line in _lines_until(process, self.cancel):
                    last_lines.append(line)
                    self.on_line(line)
                return process.wait(), list(last_lines)
            except BaseException:
                kill_group(process)
                process.wait()
                raise

    def _environment(self, python: str) -> dict[str, str]:
        environment = child_environment(python)
        for name in ("PIP_TARGET", "PIP_PREFIX", "PIP_REQUIRE_VIRTUALENV"):
            environment.pop(name, None)
        environment["PIP_USER"] = "0"  # whatever pip's configuration file says
        # Two copies of 3 GB are enough, and they are on the disk that has room for them.
        environment["PIP_NO_CACHE_DIR"] = "1"
        environment["PYTHONUTF8"] = "1"  # for those whom a command starts in turn, as venv starts pip
        if self.temporary.is_dir():
            environment |= dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(self.temporary))
        return environment | self.variables


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


def install_error(command: list[str], last_lines: list[str], folder: Path) -> InfiniDepthError:
    """What a failed command means for the user.

    Args:
        command: The command.
        last_lines: What it said last.
        folder: The environment, on the disk that may be full.
    """
    text = "\n".join(last_lines)
    if _FULL.search(text) or _is_full(folder):
        return disk_full(folder.parent)
    if "venv" in command and "pip" not in command:
        reason, remedy = "the environment could not be made", VENV_REMEDY
    elif _NOT_TRUSTED.search(text):
        reason, remedy = (
            "the certificate of the package server is not trusted, as where a firewall looks into connections",
            "Name your network's certificates (a PEM file) by the variable SSL_CERT_FILE, start Blender again and "
            "install again.",
        )
    elif _NO_CONNECTION.search(text):
        reason, remedy = (
            "the package server could not be reached, or the connection broke",
            "Check the connection (proxy, firewall) and install again.",
        )
    else:
        errors = error_lines(last_lines) or last_lines[-1:]
        reason, remedy = (
            errors[-1].removeprefix("ERROR: ") if errors else "pip failed",
            "Install again, or choose a Python that has the packages.",
        )
    error = RuntimeMissingError(f"The engine could not be installed: {reason.rstrip('.')}.", remedy)
    error.add_note(text)
    return error


def error_lines(lines: Sequence[str]) -> list[str]:
    """The lines in which a command says what went wrong, the last one last."""
    return [line for line in lines if line.upper().startswith("ERROR") and not _NO_REASON.match(line)]


def _is_full(folder: Path) -> bool:
    """Whether a disk has no room left: `venv` hides what its pip has said."""
    with contextlib.suppress(OSError):
        return shutil.disk_usage(folder.parent).free < _NOTHING_BYTES
    return False


def disk_full(directory: Path) -> OutputError:
    """The error for a disk on which an environment found no room."""
    return OutputError(
        f"The disk of {directory} is full: the engine could not be installed.", "Free some space and install again."
    )
