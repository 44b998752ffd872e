"""A worker process and the two threads that listen to it; standard library only."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from ..errors import EngineError, RuntimeMissingError
from ..staging import discard
from . import protocol
from .process import child_environment, isolated, no_window_flags
from .protocol import Done, Event, Failed, Ready, Request, Shutdown, Started, Stopped

EXIT_GRACE_S = 6.0
"""How long a worker that has closed its output may take to end."""
_LAST_LINES = 30


@dataclass(frozen=True)
class WorkerExit:
    """The end of a worker process."""

    returncode: int
    last_lines: list[str]
    fatal: Failed | None


@dataclass(eq=False)
class WorkerProcess:
    """A worker process with the two threads that listen to it."""

    process: subprocess.Popen[bytes]
    queue: queue.Queue[tuple[WorkerProcess, Event | WorkerExit]]
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=_LAST_LINES))
    threads: list[threading.Thread] = field(default_factory=list)
    write_lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def start(
        cls,
        python: Path,
        site: Path | None,
        environment: dict[str, str],
        events: queue.Queue[tuple[WorkerProcess, Event | WorkerExit]],
        *,
        light: bool = False,
    ) -> WorkerProcess:
        """Starts a worker; everything that it says goes into `events`, its end last.

        Raises:
            RuntimeMissingError: the interpreter cannot be started.
        """
        bootstrap = Path(__file__).with_name("bootstrap.py")
        command = [*isolated(python), "-u", str(bootstrap)]
        if site is not None:
            command += ["--site", str(site)]
        if light:
            command.append("--light")
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
        """Sends a request, unless the worker is gone."""
        # A worker that is gone cannot be written to; its exit arrives as an event.
        with self.write_lock, contextlib.suppress(OSError, ValueError):
            rest = memoryview(protocol.encode(request))
            while rest:
                rest = rest[_pipe(self.process.stdin).write(rest) :]

    def close(self, grace_s: float) -> None:
        """Lets the worker clean up and end by itself, and ends it if that takes longer."""
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
        """Ends the worker at once."""
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
        for line in self._lines():
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
            elif isinstance(event, Event):
                if isinstance(event, Started):
                    staging[event.job] = event.staging
                elif isinstance(event, Done | Failed | Stopped):
                    staging.pop(event.job, None)
                self.queue.put((self, event))
        try:
            self.process.wait(EXIT_GRACE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            self.process.wait()
        self.threads[0].join(1.0)
        for folder in filter(None, staging.values()):
            discard(Path(folder))
        self.queue.put((self, WorkerExit(self.process.returncode, list(self.last_lines), fatal)))

    def _lines(self) -> Iterator[bytes]:
        """What the worker says, until it closes its output or that is closed here."""
        with contextlib.suppress(OSError, ValueError):
            yield from protocol.lines(_pipe(self.process.stdout).read)


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None  # Popen was told to make it
    return stream


def _version_error(ready: Ready) -> EngineError:
    return EngineError(
        f"The engine speaks version {ready.protocol} of its protocol, this InfiniDepth speaks {protocol.PROTOCOL_VERSION}.",
        "Restart Blender after an update.",
    )
