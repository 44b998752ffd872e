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
import queue
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import Cancelled, EngineError, InfiniDepthError, RuntimeMissingError
from ..options import ReconstructOptions
from .exits import death_error
from .install_place import mark_loading
from .protocol import Call, Cancel, Done, Event, Failed, Ready, Reconstruct, Request, Stopped
from .worker_process import WorkerExit, WorkerProcess

CANCEL_GRACE_S = 5.0
"""A job that has not stopped this long after `cancel` is stopped by ending its worker."""
CLOSE_GRACE_S = 6.0
"""How long `close` lets the worker clean up by itself."""
_HELLO_S = 120
"""How long `wait_ready` waits."""
_TICK_S = 0.1


class EngineClient:
    """One worker process, started when needed, and its jobs.

    All methods belong to the thread that made the client; none but `wait_ready`,
    `events`, `finish` and `close` ever waits.

    Attributes:
        python: Interpreter of the engine's environment.
        ready: The worker's hello, once it has come.
    """

    def __init__(
        self,
        python: Path | str,
        *,
        site: Path | None = None,
        environment: dict[str, str] | None = None,
        light: bool = False,
    ) -> None:
        """Prepares a client; no process is started yet.

        Args:
            python: Interpreter of the engine's environment, see `runtime.find_runtime`.
            site: Folder with pure Python packages that the worker may use when its own
                environment lacks them: the extension's wheels.
            environment: Variables to set in the worker, beyond those of this process.
            light: The worker loads no libraries: it starts at once and can only fetch models.
        """
        self.python = Path(python)
        self.ready: Ready | None = None
        self._site = site
        self._extra_environment = environment or {}
        self._light = light
        self._worker: WorkerProcess | None = None
        self._queue: queue.Queue[tuple[WorkerProcess, Event | WorkerExit]] = queue.Queue()
        self._job_numbers = itertools.count(1)
        self._pending: dict[int, _Sent] = {}
        self._gave_up = False
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
        self._worker = WorkerProcess.start(
            self.python, self._site, self._extra_environment, self._queue, light=self._light
        )

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
        for number in sorted(self._pending if job is None else self._pending.keys() & {job}):
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

    def wait_ready(self) -> Ready:
        """Starts the worker if needed and waits for its hello.

        Raises:
            RuntimeMissingError: the environment lacks something.
            EngineError: the worker died or did not answer in time.
        """
        self.start()
        deadline = time.monotonic() + _HELLO_S
        while self.ready is None:
            events = self._take(_TICK_S)
            for event in events:
                if isinstance(event, Failed) and not self.running:
                    raise error_of(event)
            self._backlog += events
            if time.monotonic() > deadline:
                self.kill()
                raise EngineError(
                    f"The engine did not answer within {_HELLO_S} seconds.", "Try again, or reinstall it."
                )
        return self.ready

    # -- inside -----------------------------------------------------------------------

    def _submit(self, request: Reconstruct | Call) -> None:
        self.start()
        assert self._worker is not None  # it was started, or an error was raised
        self._pending[request.job] = _Sent(self._worker, request)
        self._worker.send(request)

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
            self._gave_up = True
            self.kill()
        return events

    def _accept(self, worker: WorkerProcess, item: Event | WorkerExit) -> list[Event]:
        if isinstance(item, WorkerExit):
            current = worker is self._worker
            if current:
                self._worker = None
                self.ready = None
            # A new worker may have been started before the old one's end was heard.
            jobs = sorted(job for job, sent in self._pending.items() if sent.worker is worker)
            return self._obituaries(item, jobs or ([0] if current else []))
        if worker is not self._worker:
            return []  # the last words of a worker that was closed
        if isinstance(item, Ready):
            self.ready = item
        elif isinstance(item, Done | Failed | Stopped):
            if isinstance(item, Done) and not self._light:
                mark_loading(self.python.parent.parent)  # what could not be loaded when it was installed works now
            self._pending.pop(item.job, None)
            self._cancel_deadlines.pop(item.job, None)
        return [item]

    def _obituaries(self, death: WorkerExit, jobs: list[int]) -> list[Event]:
        """The last event of every job that died with its worker.

        What only waited behind a job that did not stop when it was told to is sent to a new worker.
        """
        gave_up, self._gave_up = self._gave_up, False
        error = death.fatal.error if death.fatal else death_error(death.returncode, death.last_lines).to_json()
        details = "\n".join(filter(None, [death.fatal.details if death.fatal else "", *death.last_lines]))
        events: list[Event] = []
        for job in jobs:
            sent = self._pending.pop(job, None)
            if self._cancel_deadlines.pop(job, None) is not None:
                events.append(Stopped(job))
            elif gave_up and sent is not None:
                try:
                    self._submit(sent.request)
                except RuntimeMissingError as missing:
                    events.append(Failed(job, missing.to_json()))
            else:
                events.append(Failed(job, error, details))
        return events


@dataclass(frozen=True)
class _Sent:
    """A job that has not ended, and the worker that it was sent to."""

    worker: WorkerProcess
    request: Reconstruct | Call


def error_of(event: Failed) -> InfiniDepthError:
    """The error that a `Failed` stands for, with its `details` as a note."""
    error = InfiniDepthError.from_json(event.error)
    if event.details:
        error.add_note(event.details)
    return error
