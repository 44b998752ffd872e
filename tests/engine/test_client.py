"""The engine process as its client sees it: real processes, real kills."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
from engine_support import (
    ENVIRONMENT,
    long_options,
    process_is_gone,
    quick_options,
    wait_until,
    write_photo,
    write_tiny_model,
)

import infinidepth_blender
from infinidepth_blender import reconstruction
from infinidepth_blender.engine import client as client_module
from infinidepth_blender.engine import install_place, protocol
from infinidepth_blender.engine.client import EngineClient, error_of
from infinidepth_blender.engine.exits import describe_exit
from infinidepth_blender.engine.protocol import Done, Failed, Progressed, Started, Stopped
from infinidepth_blender.errors import EngineError, ModelError, PhotoError, RuntimeMissingError
from infinidepth_blender.options import ReconstructOptions
from infinidepth_blender.staging import STAGING_SUFFIX

PACKAGE = Path(infinidepth_blender.__file__).parent
needs_kill = pytest.mark.skipif(os.name == "nt", reason="SIGKILL is of POSIX systems")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model") / "tiny.safetensors")


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photo(tmp_path_factory.mktemp("photo") / "hügel.png")


@pytest.fixture(scope="module")
def engine() -> Iterator[EngineClient]:
    """One client for the module; a test that kills its worker leaves the next one a fresh start."""
    with EngineClient(sys.executable, environment=ENVIRONMENT) as client:
        yield client


def start_long_job(engine: EngineClient, photo: Path, folder: Path, model: Path) -> int:
    """Sends a job and returns when it is at work inside its staging folder."""
    job = engine.reconstruct(photo, folder, long_options(model))
    for event in engine.events(job):
        assert not isinstance(event, Done | Failed | Stopped), event
        if isinstance(event, Progressed) and event.stage == "mesh":
            break
    assert staging_of(folder).is_dir()
    return job


def staging_of(folder: Path) -> Path:
    return folder.with_name(folder.name + STAGING_SUFFIX)


def last_event(engine: EngineClient, job: int) -> protocol.Event:
    return list(engine.events(job))[-1]


def test_hello(engine: EngineClient) -> None:
    ready = engine.wait_ready()
    assert ready.protocol == protocol.PROTOCOL_VERSION
    assert ready.python == ".".join(map(str, sys.version_info[:3]))
    assert {"torch", "numpy", "cv2"} <= set(ready.packages)
    assert ready.device in ("cpu", "cuda", "mps")


def test_photo_becomes_a_bundle(engine: EngineClient, photo: Path, model: Path, tmp_path: Path) -> None:
    job = engine.reconstruct(photo, tmp_path / "out", quick_options(model))
    events = list(engine.events(job))
    assert isinstance(events[0], Started)
    stages = {event.stage for event in events if isinstance(event, Progressed)}
    assert {"load", "encode", "depth", "mesh", "points", "splats", "write"} <= stages
    done = events[-1]
    assert isinstance(done, Done)
    assert done.summary["parts"]["points"] == {"points": 500}
    assert reconstruction.load(tmp_path / "out").photo.source == str(photo)
    assert not staging_of(tmp_path / "out").exists()
    assert not engine.busy


def test_foreseen_errors_keep_their_type(engine: EngineClient, photo: Path, model: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.jpg"
    text.write_text("no picture")
    with pytest.raises(PhotoError, match=r"text\.jpg"):
        engine.finish(engine.reconstruct(text, tmp_path / "a", quick_options(model)))
    with pytest.raises(ModelError):
        engine.finish(engine.reconstruct(photo, tmp_path / "b", quick_options(tmp_path / "none.safetensors")))
    with pytest.raises(EngineError, match="no command 'nope'"):
        engine.finish(engine.call("nope", {}))
    assert list(tmp_path.iterdir()) == [text]


def test_cancel_keeps_nothing_and_the_worker_goes_on(
    engine: EngineClient, photo: Path, model: Path, tmp_path: Path
) -> None:
    job = start_long_job(engine, photo, tmp_path / "out", model)
    pid = engine.pid
    waiting = engine.reconstruct(photo, tmp_path / "waiting", quick_options(model))
    engine.cancel(waiting)
    assert isinstance(last_event(engine, waiting), Stopped)
    engine.cancel(job)
    assert isinstance(last_event(engine, job), Stopped)
    assert list(tmp_path.iterdir()) == []
    assert engine.pid == pid
    engine.finish(engine.reconstruct(photo, tmp_path / "next", quick_options(model)))
    assert engine.pid == pid


def test_poll_never_waits_and_brings_everything(engine: EngineClient, photo: Path, model: Path, tmp_path: Path) -> None:
    engine.poll()
    assert engine.poll() == []
    job = engine.reconstruct(photo, tmp_path / "out", quick_options(model))
    events: list[protocol.Event] = []
    assert wait_until(lambda: bool(events.extend(engine.poll()) or not engine.busy))
    assert isinstance(events[-1], Done) and events[-1].job == job


@needs_kill
def test_killed_worker_is_a_clear_error_and_the_next_job_works(
    engine: EngineClient, photo: Path, model: Path, tmp_path: Path
) -> None:
    job = start_long_job(engine, photo, tmp_path / "out", model)
    pid = engine.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    failed = last_event(engine, job)
    assert isinstance(failed, Failed)
    error = error_of(failed)
    assert isinstance(error, EngineError)
    assert "killed by the system, probably because the memory ran out" in error.message
    assert list(tmp_path.iterdir()) == []
    assert not engine.running and not engine.busy
    done = engine.finish(engine.reconstruct(photo, tmp_path / "out", quick_options(model)))
    assert Path(done.bundle) == tmp_path / "out"
    assert engine.pid not in (None, pid)


@needs_kill
def test_worker_leaves_when_its_client_is_killed(photo: Path, model: Path, tmp_path: Path) -> None:
    script = tmp_path / "client.py"
    script.write_text(
        "import sys, time\n"
        f"sys.path[:0] = [{str(PACKAGE.parent)!r}, {str(Path(__file__).parent.parent)!r}]\n"
        "from pathlib import Path\n"
        "from engine_support import ENVIRONMENT, long_options\n"
        "from infinidepth_blender.engine.client import EngineClient\n"
        "from infinidepth_blender.engine.protocol import Progressed\n"
        "engine = EngineClient(sys.executable, environment=ENVIRONMENT)\n"
        f"job = engine.reconstruct(Path({str(photo)!r}), Path({str(tmp_path / 'out')!r}), long_options({str(model)!r}))\n"
        "for event in engine.events(job):\n"
        "    if isinstance(event, Progressed) and event.stage == 'mesh':\n"
        "        print(engine.pid, flush=True)\n"
        "        time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        assert staging_of(tmp_path / "out").is_dir()
        parent.send_signal(signal.SIGKILL)
    assert wait_until(lambda: process_is_gone(worker), 20)
    assert list(tmp_path.iterdir()) == [script]


def test_close_ends_a_running_job(photo: Path, model: Path, tmp_path: Path) -> None:
    with EngineClient(sys.executable, environment=ENVIRONMENT) as engine:
        start_long_job(engine, photo, tmp_path / "out", model)
        pid = engine.pid
    assert pid is not None and process_is_gone(pid)
    assert not [thread for thread in threading.enumerate() if thread.name == f"infinidepth-engine-{pid}"]
    assert list(tmp_path.iterdir()) == []


@needs_kill
def test_cancel_ends_a_worker_that_does_not_listen(
    engine: EngineClient, photo: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stopped process stands for a long computation that reports nothing."""
    monkeypatch.setattr(client_module, "CANCEL_GRACE_S", 0.5)
    job = start_long_job(engine, photo, tmp_path / "out", model)
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGSTOP)
    engine.cancel(job)
    assert isinstance(last_event(engine, job), Stopped)
    assert list(tmp_path.iterdir()) == []


@needs_kill
def test_what_waits_behind_a_job_that_does_not_stop_is_still_made(
    engine: EngineClient, photo: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "CANCEL_GRACE_S", 0.5)
    deaf = start_long_job(engine, photo, tmp_path / "a", model)
    waiting = engine.reconstruct(photo, tmp_path / "b", quick_options(model))
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGSTOP)
    engine.cancel(deaf)
    assert isinstance(last_event(engine, deaf), Stopped)
    assert isinstance(last_event(engine, waiting), Done)
    assert not engine.busy


@needs_kill
def test_the_end_of_a_job_is_heard_though_the_next_was_sent_before(
    engine: EngineClient, photo: Path, model: Path, tmp_path: Path
) -> None:
    job = start_long_job(engine, photo, tmp_path / "a", model)
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGKILL)
    assert wait_until(lambda: not engine.running)
    after = engine.reconstruct(photo, tmp_path / "b", quick_options(model))
    assert isinstance(last_event(engine, after), Done)
    assert isinstance(last_event(engine, job), Failed)
    assert not engine.busy


def test_prints_of_libraries_do_not_reach_the_client(tmp_path: Path) -> None:
    script = tmp_path / "noisy.py"
    script.write_text(
        "import os, sys\n"
        f"sys.path.insert(0, {str(PACKAGE.parent)!r})\n"
        "from infinidepth_blender.engine.protocol import Progressed\n"
        "from infinidepth_blender.engine.worker import Channel\n"
        "channel = Channel()\n"
        "print('from Python')\n"
        "os.write(1, b'from C\\n')\n"
        "os.system('echo from a child')\n"
        "channel.send(Progressed(1, 'load', 0.5))\n"
        "print(repr(os.read(0, 10)))\n"  # a library that reads must not eat requests
        "print([type(request).__name__ for request in channel.requests()], file=sys.stderr)\n"
    )
    result = subprocess.run(
        [sys.executable, str(script)], input=protocol.encode(protocol.Cancel(1)), capture_output=True, timeout=60
    )
    assert protocol.decode(result.stdout) == protocol.Progressed(1, "load", 0.5)
    for text in (b"from Python", b"from C", b"from a child", b"['Cancel']"):
        assert text in result.stderr


def light_worker(*statements: str) -> subprocess.Popen[bytes]:
    """A worker without libraries, in which some statements run before it starts."""
    code = [
        "import sys",
        f"sys.path.insert(0, {str(PACKAGE.parent)!r})",
        "from infinidepth_blender.engine import worker",
    ]
    return subprocess.Popen(
        [sys.executable, "-c", "\n".join([*code, *statements, "worker.main(light=True)"])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.mark.parametrize(
    "line", [b"[" * 100_000, b'{"type": "cancel", "job": [1]}', b"\xff"], ids=["deep", "list", "bytes"]
)
def test_worker_outlives_lines_that_are_no_requests_and_not_its_client(line: bytes) -> None:
    with light_worker() as worker:
        assert worker.stdin is not None and worker.stdout is not None
        assert isinstance(protocol.decode(worker.stdout.readline()), protocol.Ready)
        worker.stdin.write(line + b"\n" + protocol.encode(protocol.Call(1, "nothing", {})))
        worker.stdin.flush()
        assert isinstance(protocol.decode(worker.stdout.readline()), Failed)
        worker.stdin.close()
        assert worker.wait(20) == 0


def test_worker_whose_listener_fails_ends() -> None:
    def told(worker: subprocess.Popen[bytes]) -> bytes:
        return worker.communicate(protocol.encode(protocol.Cancel(1)) + b"\n" * 100, timeout=20)[1]

    with light_worker("worker.Worker._cancel = lambda *_: 1 / 0") as worker:
        assert b"ZeroDivisionError" in told(worker)
    assert worker.returncode == 0


def test_worker_starts_from_a_folder_of_any_name_among_strangers(tmp_path: Path) -> None:
    extensions = tmp_path / "bl_ext" / "user_default"
    package = extensions / "some-name"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__", "weights"))
    for stranger in ("torch", "numpy", "infinidepth_blender"):
        (extensions / stranger).mkdir()
        (extensions / stranger / "__init__.py").write_text("raise ImportError('a neighbour was imported')\n")
    command = [sys.executable, "-I", str(package / "engine" / "bootstrap.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:
        assert worker.stdin is not None and worker.stdout is not None
        hello = protocol.decode(worker.stdout.readline())
        worker.stdin.close()
    assert isinstance(hello, protocol.Ready)
    assert worker.returncode == 0


def test_interpreter_that_is_none() -> None:
    with pytest.raises(RuntimeMissingError, match="cannot be started"):
        EngineClient("/no/such/python").reconstruct(Path("a.jpg"), Path("a"), ReconstructOptions())


@pytest.mark.skipif(os.name == "nt", reason="a shell script stands for the interpreter")
@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo first >&2; echo 'ImportError: libfoo.so' >&2; exit 3", 'exit code 3: "ImportError: libfoo.so"'),
        ("kill -SEGV $$", "crashed (SIGSEGV)"),
        ("echo not json; kill -TERM $$", "was stopped from outside (SIGTERM)"),
    ],
)
def test_worker_that_dies_at_once(tmp_path: Path, script: str, message: str) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    with EngineClient(python) as engine:
        with pytest.raises(EngineError) as caught:
            engine.finish(engine.reconstruct(Path("a.jpg"), tmp_path / "a", ReconstructOptions()))
        assert message in caught.value.message
        with pytest.raises(EngineError):
            engine.wait_ready()


@pytest.mark.parametrize(
    ("returncode", "words"),
    [
        (-9, "memory ran out"),
        (-11, "crashed"),
        (-15, "stopped from outside"),
        (1, "exit code 1"),
        (0xC0000005, "crashed"),
    ],
)
@needs_kill
def test_exit_codes_in_words(returncode: int, words: str) -> None:
    assert words in describe_exit(returncode)


def test_environment_of_blender_does_not_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    from infinidepth_blender.engine.process import child_environment

    monkeypatch.setenv("PYTHONHOME", "/blender/python")
    monkeypatch.setenv("PYTHONPATH", "/blender/scripts")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    environment = child_environment(sys.executable)
    assert not [name for name in environment if name.startswith("PYTHON") and name != "PYTORCH_ENABLE_MPS_FALLBACK"]
    assert environment["HTTPS_PROXY"] == "http://proxy"


@pytest.mark.parametrize("light", [False, True])
def test_an_engine_that_works_is_no_longer_one_that_could_not_be_loaded(tmp_path: Path, light: bool) -> None:
    state = tmp_path / install_place.UNLOADED
    state.touch()
    client = EngineClient(tmp_path / "bin" / "python", light=light)
    worker: Any = object()
    client._worker = worker
    assert client._accept(worker, Failed(1, {})) and state.exists()
    assert client._accept(worker, Done(1, "", {}, [], {}))
    assert state.exists() is light  # a light worker loads nothing
