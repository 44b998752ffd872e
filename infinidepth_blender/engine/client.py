"""The other end of the engine process: start it, send photos, collect what it says.

Both Blender's panel and the command line use `EngineClient`. Nothing here needs more
than Python's standard library, and `poll` never waits, so that Blender stays awake:

    with EngineClient(runtime.python) as engine:
        job = engine.reconstruct(photo, folder, options)
        for event in engine.events(job):  # waits; in Blender call engine.poll() from a timer
            print(event)

A worker that dies takes its job with it: the job ends as `Failed` with the reason in
plain words, its staging folder is removed, and the next job starts a fresh worker.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from ..errors import Cancelled, EngineError, InfiniDepthError, RuntimeMissingError
from ..options import ReconstructOptions
from . import protocol
from .protocol import Call, Cancel, Done, Event, Failed, Ready, Reconstruct, Request, Shutdown, Started, Stopped
from .runtime import child_environment, no_window_flags

CANCEL_GRACE_S = 5.0
"""A job that has not stopped this long after `cancel` is stopped by ending its worker."""
CLOSE_GRACE_S = 6.0
"""How long `close` lets the worker clean up by itself."""
_TICK_S = 0.1
_LAST_LINES = 30


class EngineClient:
    """One worker process, started when needed, and its jobs.

    All methods belong to the thread that made the client; none but `wait_ready`,
    `events`, `finish` and `close` ever waits.

    Attributes:
        python: Interpreter of the engine's environment.
        ready: The worker's hello, once it has come.
    """

    def __init__(
        self, python: Path | str, *, site: Path | None = None, environment: dict[str, str] | None = None
    ) -> None:
        """Prepares a client; no process is started yet.

        Args:
            python: Interpreter of the engine's environment, see `runtime.find_runtime`.
            site: Folder with pure Python packages that the worker may use when its own
                environment lacks them: the extension's wheels.
            environment: Variables to set in the worker, beyond those of this process.
        """
        self.python = Path(python)
        self.ready: Ready | None = None
        self._site = site
        self._extra_environment = environment or {}
        self._worker: _Worker | None = None
        self._queue: queue.Queue[tuple[_Worker, Event | _Exit]] = queue.Queue()
        self._job_numbers = itertools.count(1)
        self._pending: set[int] = set()
        self._cancel_deadlines: dict[int, float] = {}
        self._backlog: list[Event] = []

    def __enter__(self) -> EngineClient:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # -- asking ---------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """Whether there is a worker process."""
        return self._worker is not None and self._worker.process.poll() is None

    @property
    def pid(self) -> int | None:
        """The worker's process id, if it runs."""
        return self._worker.process.pid if self._worker and self.running else None

    @property
    def busy(self) -> bool:
        """Whether a job was sent that has not ended."""
        return bool(self._pending)

    def start(self) -> None:
        """Starts the worker unless it runs; `Ready` comes as an event when it has loaded.

        Raises:
            RuntimeMissingError: the interpreter cannot be started.
        """
        if self.running:
            return
        self.ready = None
        self._worker = _Worker.start(self.python, self._site, self._extra_environment, self._queue)

    def reconstruct(self, photo: Path, folder: Path, options: ReconstructOptions) -> int:
        """Sends a photo and returns the number of the job.

        Args:
            photo: The photo.
            folder: The bundle to write.
            options: The settings.

        Raises:
            RuntimeMissingError: no worker runs and none can be started.
        """
        job = next(self._job_numbers)
        self._submit(Reconstruct(job, str(photo.absolute()), str(folder.absolute()), options.to_json()))
        return job

    def call(self, command: str, arguments: dict[str, Any]) -> int:
        """Sends another command of the worker's and returns the number of the job."""
        job = next(self._job_numbers)
        self._submit(Call(job, command, arguments))
        return job

    def cancel(self, job: int | None = None) -> None:
        """Asks a job, or all of them, to stop; each answers with `Stopped`."""
        for number in sorted(self._pending if job is None else self._pending & {job}):
            if number not in self._cancel_deadlines:
                self._cancel_deadlines[number] = time.monotonic() + CANCEL_GRACE_S
                self._send(Cancel(number))

    def close(self) -> None:
        """Ends the worker; what it was doing leaves nothing behind. May wait some seconds."""
        worker, self._worker = self._worker, None
        self._pending.clear()
        self._cancel_deadlines.clear()
        if worker is not None:
            worker.close(CLOSE_GRACE_S)

    def kill(self) -> None:
        """Ends the worker at once; its staging folder is removed."""
        if self._worker is not None:
            self._worker.kill()

    # -- listening --------------------------------------------------------------------

    def poll(self) -> list[Event]:
        """What has happened since the last call; never waits."""
        events, self._backlog = self._backlog, []
        return events + self._take(0.0)

    def events(self, job: int) -> Iterator[Event]:
        """Waits for the events of one job, up to and including its last one."""
        while True:
            index = next((i for i, event in enumerate(self._backlog) if getattr(event, "job", None) == job), None)
            if index is None:
                if job not in self._pending:
                    return
                self._backlog += self._take(_TICK_S)
                continue
            event = self._backlog.pop(index)
            yield event
            if isinstance(event, Done | Failed | Stopped):
                return

    def finish(self, job: int) -> Done:
        """Waits for the end of a job.

        Raises:
            InfiniDepthError: the job failed: the very type that the worker raised.
            Cancelled: the job was cancelled.
        """
        for event in self.events(job):
            if isinstance(event, Done):
                return event
            if isinstance(event, Failed):
                raise error_of(event)
        raise Cancelled()

    def wait_ready(self, timeout_s: float = 120.0) -> Ready:
        """Starts the worker if needed and waits for its hello.

        Raises:
            RuntimeMissingError: the environment lacks something.
            EngineError: the worker died or did not answer in time.
        """
        self.start()
        deadline = time.monotonic() + timeout_s
        while self.ready is None:
            events = self._take(_TICK_S)
            for event in events:
                if isinstance(event, Failed) and not self.running:
                    raise error_of(event)
            self._backlog += events
            if time.monotonic() > deadline:
                self.kill()
                raise EngineError(
                    f"The engine did not answer within {timeout_s:.0f} seconds.", "Try again, or reinstall it."
                )
        return self.ready

    # -- inside -----------------------------------------------------------------------

    def _submit(self, request: Reconstruct | Call) -> None:
        self.start()
        self._pending.add(request.job)
        self._send(request)

    def _send(self, request: Request) -> None:
        if self._worker is not None:
            self._worker.send(request)

    def _take(self, wait_s: float) -> list[Event]:
        events: list[Event] = []
        with contextlib.suppress(queue.Empty):
            events += self._accept(*(self._queue.get(timeout=wait_s) if wait_s else self._queue.get_nowait()))
            while True:
                events += self._accept(*self._queue.get_nowait())
        if any(time.monotonic() > deadline for deadline in self._cancel_deadlines.values()):
            self.kill()
        return events

    def _accept(self, worker: _Worker, item: Event | _Exit) -> list[Event]:
        if worker is not self._worker:
            return []  # the last words of a worker that was closed
        if isinstance(item, _Exit):
            self._worker = None
            self.ready = None
            return self._obituaries(item)
        if isinstance(item, Ready):
            self.ready = item
        elif isinstance(item, Done | Failed | Stopped):
            self._pending.discard(item.job)
            self._cancel_deadlines.pop(item.job, None)
        return [item]

    def _obituaries(self, death: _Exit) -> list[Event]:
        """The last event of every job that died with its worker; job 0 if there was none."""
        jobs, self._pending = sorted(self._pending) or [0], set()
        cancelled, self._cancel_deadlines = self._cancel_deadlines, {}
        error = death.fatal.error if death.fatal else _death_error(death).to_json()
        details = "\n".join(filter(None, [death.fatal.details if death.fatal else "", *death.last_lines]))
        return [Stopped(job) if job in cancelled else Failed(job, error, details) for job in jobs]


def error_of(event: Failed) -> InfiniDepthError:
    """The error that a `Failed` stands for, with its `details` as a note."""
    error = InfiniDepthError.from_json(event.error)
    if event.details:
        error.add_note(event.details)
    return error


# -- the process --------------------------------------------------------------------------


@dataclass(frozen=True)
class _Exit:
    """The end of a worker process."""

    returncode: int
    last_lines: list[str]
    fatal: Failed | None


@dataclass(eq=False)
class _Worker:
    """A worker process with the two threads that listen to it."""

    process: subprocess.Popen[bytes]
    queue: queue.Queue[Any]
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=_LAST_LINES))
    threads: list[threading.Thread] = field(default_factory=list)
    write_lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def start(cls, python: Path, site: Path | None, environment: dict[str, str], events: queue.Queue[Any]) -> _Worker:
        bootstrap = Path(__file__).with_name("bootstrap.py")
        command = [str(python), "-I", "-u", "-X", "utf8", str(bootstrap)]
        if site is not None:
            command += ["--site", str(site)]
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                cwd=str(Path(python).parent),
                env=child_environment(python) | environment,
                creationflags=no_window_flags() | getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
                # Ctrl-C in a terminal goes to the client alone, which then stops the worker in order.
                start_new_session=os.name == "posix",
            )
        except OSError as error:
            raise RuntimeMissingError(
                f"The engine's Python {python} cannot be started: {error.strerror or error}.",
                "Install the engine, or choose another Python for it.",
            ) from error
        worker = cls(process, events)
        for target in (worker._read_errors, worker._read_events):
            thread = threading.Thread(target=target, name=f"infinidepth-engine-{process.pid}", daemon=True)
            worker.threads.append(thread)
            thread.start()
        return worker

    def send(self, request: Request) -> None:
        # A worker that is gone cannot be written to; its exit arrives as an event.
        with self.write_lock, contextlib.suppress(OSError, ValueError):
            rest = memoryview(protocol.encode(request))
            while rest:
                rest = rest[_pipe(self.process.stdin).write(rest) :]

    def close(self, grace_s: float) -> None:
        self.send(Shutdown())
        with self.write_lock, contextlib.suppress(OSError):
            _pipe(self.process.stdin).close()
        try:
            self.process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self.kill()
        for thread in self.threads:
            thread.join(grace_s)

    def kill(self) -> None:
        with contextlib.suppress(OSError):
            if sys.platform == "win32":
                self.process.kill()
            elif self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)

    def _read_errors(self) -> None:
        stream = _pipe(self.process.stderr)
        with contextlib.suppress(OSError, ValueError):
            rest = b""
            while chunk := stream.read(4096):
                *lines, rest = (rest + chunk).replace(b"\r", b"\n").split(b"\n")
                rest = rest[-4096:]
                self.last_lines.extend(line.decode("utf-8", "replace")[:1000] for line in lines if line.strip())
            if rest.strip():
                self.last_lines.append(rest.decode("utf-8", "replace")[:1000])

    def _read_events(self) -> None:
        staging: dict[int, str] = {}
        fatal: Failed | None = None
        for line in _lines(_pipe(self.process.stdout)):
            try:
                event = protocol.decode(line)
            except protocol.ProtocolError as error:
                self.last_lines.append(str(error))
                continue
            if isinstance(event, Ready) and event.protocol != protocol.PROTOCOL_VERSION:
                fatal = Failed(0, _version_error(event).to_json())
                self.kill()
            elif isinstance(event, Failed) and event.job == 0:
                fatal = event
            else:
                if isinstance(event, Started):
                    staging[event.job] = event.staging
                elif isinstance(event, Done | Failed | Stopped):
                    staging.pop(event.job, None)
                self.queue.put((self, event))
        try:
            self.process.wait(CLOSE_GRACE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            self.process.wait()
        self.threads[0].join(1.0)
        for folder in filter(None, staging.values()):
            shutil.rmtree(folder, ignore_errors=True)
        self.queue.put((self, _Exit(self.process.returncode, list(self.last_lines), fatal)))


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None  # Popen was told to make it
    return stream


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    """The lines of an unbuffered pipe until it closes."""
    rest = b""
    with contextlib.suppress(OSError, ValueError):
        while chunk := stream.read(65536):
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines
            if len(rest) > protocol.MAX_LINE_BYTES:
                rest = b""


def _version_error(ready: Ready) -> EngineError:
    return EngineError(
        f"The engine speaks version {ready.protocol} of its protocol, this InfiniDepth speaks {protocol.PROTOCOL_VERSION}.",
        "Restart Blender after an update.",
    )


_CRASH_SIGNALS = ("SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT", "SIGTRAP", "SIGSYS")
_WINDOWS_EXITS = {
    0xC0000005: "crashed (access violation)",
    0xC0000017: "ran out of memory",
    0xC000001D: "crashed (illegal instruction)",
    0xC00000FD: "crashed (stack overflow)",
    0xC000012D: "ran out of memory",
    0xC0000135: "could not load one of its libraries",
    0xC0000409: "crashed (it ended itself after an internal error)",
}


def describe_exit(returncode: int) -> str:
    """How a process ended, as the end of a sentence: "was killed by the system, ..."."""
    if returncode < 0:
        try:
            name = signal.Signals(-returncode).name
        except ValueError:
            name = f"signal {-returncode}"
        if name == "SIGKILL":
            return "was killed by the system, probably because the memory ran out"
        return f"crashed ({name})" if name in _CRASH_SIGNALS else f"was stopped from outside ({name})"
    return _WINDOWS_EXITS.get(returncode, f"ended unexpectedly with exit code {returncode}")


def _death_error(death: _Exit) -> EngineError:
    reason = describe_exit(death.returncode)
    remedy = "Try again: a fresh engine starts with the next photo."
    if "memory" in reason:
        remedy = "Close other programs, or use a smaller depth size, mesh size or number of points."
    elif death.last_lines:
        reason += f': "{death.last_lines[-1].strip()}"'
    return EngineError(f"The engine process {reason}.", remedy)
