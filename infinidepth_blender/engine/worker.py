"""The engine process: takes jobs on standard input, answers on standard output.

The main thread runs one job after another; a second thread listens, so that a cancel is
heard while the main thread computes. Standard input closes when the parent dies, however
it dies: the running job is then cancelled, its staging folder removed and the process
ends within seconds, even if the main thread is deep inside a long computation.
"""

from __future__ import annotations

import contextlib
import gc
import os
import platform
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import Cancelled, EngineError, InfiniDepthError
from ..progress import Progress
from ..staging import abandon, discard, owns
from . import protocol
from .load_errors import cannot_load
from .probe import package_versions
from .process import package_version
from .protocol import (
    Call,
    Cancel,
    Done,
    Event,
    Failed,
    Message,
    Progressed,
    Ready,
    Reconstruct,
    Shutdown,
    Started,
    Stopped,
    Warned,
)

if TYPE_CHECKING:
    from .models import ModelCache

EXIT_GRACE_S = 3.0
"""How long a cancelled job may take to notice before the process ends without it."""
_PROGRESS_INTERVAL_S = 0.05


class Channel:
    """The two pipes to the client, out of reach of any library that prints."""

    def __init__(self) -> None:
        """Takes file descriptors 0 and 1 and leaves the null device and stderr in their place."""
        self._in = os.dup(0)
        self._out = os.dup(1)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        os.dup2(2, 1)
        sys.stdout = sys.stderr
        self._lock = threading.Lock()
        if os.name == "nt":
            import msvcrt

            for descriptor in (self._in, self._out):
                msvcrt.setmode(descriptor, os.O_BINARY)

    def send(self, event: Event) -> None:
        """Sends one event.

        Raises:
            OSError: the client is gone.
        """
        rest = memoryview(protocol.encode(event))
        with self._lock:
            while rest:
                rest = rest[os.write(self._out, rest) :]

    def requests(self) -> Iterator[Message]:
        """Yields requests until the client closes the pipe; lines that are none go to the log."""
        with contextlib.suppress(OSError):
            for line in protocol.lines(lambda count: os.read(self._in, count)):
                try:
                    yield protocol.decode(line)
                except protocol.ProtocolError as error:
                    print(error, file=sys.stderr)


class Worker:
    """The jobs of one engine process."""

    def __init__(self, channel: Channel, *, light: bool = False) -> None:
        """Starts to listen; `serve` then runs the jobs.

        Args:
            channel: The pipes to the client.
            light: Loads no libraries: for downloads, which need none.
        """
        self._channel = channel
        self._light = light
        self._inbox: queue.Queue[Reconstruct | Call | None] = queue.Queue()
        self._lock = threading.Lock()
        self._waiting: set[int] = set()
        self._cancelled: set[int] = set()
        self._closing = threading.Event()
        self._staging: Path | None = None
        self._models: ModelCache | None = None
        threading.Thread(target=self._listen, name="listener", daemon=True).start()

    # -- listening --------------------------------------------------------------------

    def _listen(self) -> None:
        try:
            self._hear_requests()
        except Exception:
            traceback.print_exc(file=sys.stderr)
        finally:
            # A worker that does not listen any more would outlive its client.
            self._closing.set()
            self._inbox.put(None)
            # The main thread normally ends the process before this.
            time.sleep(EXIT_GRACE_S)
            self._leave(0)

    def _hear_requests(self) -> None:
        for request in self._channel.requests():
            if isinstance(request, Reconstruct | Call):
                with self._lock:
                    self._waiting.add(request.job)
                self._inbox.put(request)
            elif isinstance(request, Cancel):
                self._cancel(request.job)
            elif isinstance(request, Shutdown):
                return

    def _cancel(self, job: int) -> None:
        with self._lock:
            self._cancelled.add(job)
            was_waiting = job in self._waiting
            self._waiting.discard(job)
        if was_waiting:
            with contextlib.suppress(OSError):
                self._channel.send(Stopped(job))

    def _leave(self, code: int) -> None:
        """Ends the process from any thread; what the running job has staged is removed."""
        staging = self._staging
        if staging is not None and owns(staging):
            abandon(staging)
        elif staging is not None:
            discard(staging)
        os._exit(code)

    # -- working ----------------------------------------------------------------------

    def serve(self) -> None:
        """Loads the libraries, says hello and runs jobs until the client closes."""
        try:
            self._channel.send(_hello(self._light))
            if not self._light:
                from .models import ModelCache

                self._models = ModelCache()
        except (ImportError, OSError) as error:
            print(traceback.format_exc(), file=sys.stderr)
            self._report(Failed(0, _import_error(error).to_json(), traceback.format_exc()))
            self._leave(3)
        while (request := self._inbox.get()) is not None and not self._closing.is_set():
            with self._lock:
                if request.job not in self._waiting:
                    continue  # cancelled before its turn
                self._waiting.discard(request.job)
            self._report(self._run(request))
            self._cancelled.discard(request.job)
            gc.collect()
            _free_card()
        self._leave(0)

    def _report(self, event: Event) -> None:
        with contextlib.suppress(OSError):  # nobody listens any more; the listener notices as well
            self._channel.send(event)

    def _run(self, request: Reconstruct | Call) -> Event:
        job = request.job
        try:
            if isinstance(request, Reconstruct):
                return self._reconstruct(request)
            return self._call(request)
        except Cancelled:
            return Stopped(job)
        except InfiniDepthError as error:
            return Failed(job, error.to_json())
        except MemoryError:
            return Failed(job, _memory_error("the computer").to_json(), traceback.format_exc())
        except Exception as error:
            details = traceback.format_exc()
            print(details, file=sys.stderr)
            whose = _whose_memory(error)
            if whose or type(error).__name__ == "AcceleratorError":
                self._models = type(self._models)()
                told = _memory_error(whose) if whose else _card_error(error)
                return Failed(job, told.to_json(), details)
            return Failed(job, _unforeseen_error(error).to_json(), details)
        finally:
            self._staging = None

    def _reconstruct(self, request: Reconstruct) -> Done:
        from ..clip_files import is_clip
        from ..options import ReconstructOptions
        from ..staging import staging_of
        from .clip_pipeline import reconstruct_clip
        from .pipeline import reconstruct_photo
        from .summary import summary_of_bundle

        folder = Path(request.folder)
        self._staging = staging_of(folder)
        self._channel.send(Started(request.job, str(self._staging)))
        photo = Path(request.photo)
        reconstruct = reconstruct_clip if is_clip(photo) else reconstruct_photo
        result = reconstruct(
            photo,
            folder,
            ReconstructOptions.from_json(request.options),
            models=self._models,
            progress=self._progress_of(request.job),
        )
        for warning in result.warnings:
            self._report(Warned(request.job, warning))
        return Done(request.job, str(folder), result.timings_s, result.warnings, summary_of_bundle(folder))

    def _call(self, request: Call) -> Done:
        from .worker_commands import COMMANDS

        command = COMMANDS.get(request.command)
        if command is None:
            raise EngineError(f"The engine has no command '{request.command}'.", "Restart after an update.")
        if request.command == "render":
            from ..splats.video import unfinished

            self._staging = unfinished(Path(request.arguments["output"]))
        self._channel.send(Started(request.job, str(self._staging or "")))
        summary = command(request.arguments, models=self._models, progress=self._progress_of(request.job))
        return Done(request.job, summary=summary)

    def _progress_of(self, job: int) -> Progress:
        """The `progress(stage, fraction, message)` of one job: reports, and raises `Cancelled`."""
        last_stage, last_time_s = "", 0.0

        def progress(stage: str, fraction: float, message: str = "") -> None:
            nonlocal last_stage, last_time_s
            if self._closing.is_set() or job in self._cancelled:
                raise Cancelled()
            now_s = time.monotonic()
            if stage == last_stage and now_s - last_time_s < _PROGRESS_INTERVAL_S and fraction < 1:
                return
            last_stage, last_time_s = stage, now_s
            try:
                self._channel.send(Progressed(job, stage, min(max(float(fraction), 0.0), 1.0), message))
            except OSError:
                raise Cancelled() from None

        return progress


def _whose_memory(error: Exception) -> str:
    """What has too little memory, by what the libraries say; empty: it is another error."""
    text = str(error).lower()
    if "can't allocate" in text or "not enough memory" in text or "insufficient memory" in text:
        return "the computer"
    if "torch" in sys.modules:
        from ..field.device import is_out_of_memory

        return "the graphics card" if is_out_of_memory(error) else ""
    return ""


def _card_error(error: Exception) -> EngineError:
    """A card that is too old for this PyTorch, was lost, or has a broken driver."""
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return EngineError(
        f"The graphics card does not work with the engine's PyTorch ({reason}).",
        "Set the device to CPU, or update the card's driver, and reconstruct again.",
    )


def _free_card() -> None:
    """Gives a graphics card's cached memory back after a job: Blender may render on the same one meanwhile."""
    if "torch" in sys.modules:
        from ..field.device import free_cards

        free_cards()


def _hello(light: bool) -> Ready:
    device_type, name = "", platform.processor() or platform.machine()
    if not light:
        device_type, name = _device(name)
    return Ready(
        version=package_version(),
        protocol=protocol.PROTOCOL_VERSION,
        device=device_type,
        device_name=name,
        python=platform.python_version(),
        packages=package_versions(),
    )


def _device(name: str) -> tuple[str, str]:
    """What `auto` means here, and the device in words; `name` is that of the processor."""
    import torch

    from ..field.device import choose_device

    device = choose_device("auto")
    if device.type == "cuda":
        try:
            name = torch.cuda.get_device_name(device)
        except RuntimeError as error:  # a card or driver in trouble: the processor still works
            print(error, file=sys.stderr)
            name = "CUDA"
    return device.type, name


def _import_error(error: BaseException) -> InfiniDepthError:
    name = getattr(error, "name", None)
    what = f"the package {name}" if name else str(error)
    reasons = (error, error.__cause__)
    return cannot_load(sys.executable, what, "\n".join(f"{type(e).__name__}: {e}" for e in reasons if e is not None))


def _memory_error(where: str) -> EngineError:
    return EngineError(
        f"The memory of {where} ran out.",
        "Use a smaller depth size, mesh size or number of points, or the device cpu.",
    )


def _unforeseen_error(error: Exception) -> EngineError:
    return EngineError(
        f"The engine failed inside: {type(error).__name__}: {error}.".replace("\n", " "),
        "Please report this with the details.",
    )


def main(*, light: bool = False) -> int:
    """Serves the client on the process's standard streams until it closes them."""
    # Ctrl-C belongs to the client, which then stops the job in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    worker = Worker(Channel(), light=light)
    worker.serve()
    return 0
