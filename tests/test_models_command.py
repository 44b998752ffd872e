"""`models`: what a user at a terminal, and a script, meets; the hub is a server on this machine."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_server import Hub, running_hub

from infinidepth_blender import cli
from infinidepth_blender.commands.models import resolve_model, resolve_splats_model
from infinidepth_blender.engine.client import EngineClient
from infinidepth_blender.engine.model_store import ModelStore
from infinidepth_blender.engine.protocol import Progressed, Stopped
from infinidepth_blender.engine.registry import find
from infinidepth_blender.errors import DownloadError, LicenceError, ModelError

ROOT = Path(__file__).parent.parent
SMALL = find("infinidepth-small")
WEIGHTS = (64).to_bytes(8, "little") + b'{"__metadata__":{}}'.ljust(64) + random.Random(2).randbytes(200_000)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    for name in ("HF_TOKEN", "HF_TOKEN_PATH", "HF_HUB_OFFLINE", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("INFINIDEPTH_MODELS", str(tmp_path / "models"))
    with running_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        hub.add(SMALL.repository, SMALL.file, WEIGHTS)
        yield hub


def models(*arguments: object) -> int:
    return cli.main(["models", *map(str, arguments)])


def listed(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, object]]:
    capsys.readouterr()
    assert models("list", "--json") == 0
    return {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}


def start(*arguments: str, **streams: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "infinidepth_blender", "models", *arguments],
        cwd=ROOT,
        text=True,
        # A shell that runs the tests in the background makes them, and their children, ignore Ctrl-C.
        preexec_fn=(lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)) if os.name == "posix" else None,
        **streams,  # type: ignore[arg-type]
    )


def test_list(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    entries = listed(capsys)
    assert entries["bundled"]["status"] == "ready" and entries["bundled"]["licences_accepted"]
    assert entries["infinidepth"]["status"] == "not downloaded"
    assert entries["infinidepth"]["size_bytes"] == 1_229_416_915
    assert not entries["infinidepth"]["licences_accepted"]
    assert models("list") == 0
    text = capsys.readouterr().out
    for words in ("infinidepth-depthsensor", "1.23 GB", "DINOv3 License (Meta)", "sensor's sparse depth", "kept in"):
        assert words in text
    assert hub.seen == []


def test_download_needs_somebody_who_accepts_the_licence(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    with start("download", SMALL.name, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        errors = process.stderr.read()
    assert process.returncode == 2
    for words in ("DINOv3 License (Meta)", "https://", "--accept-licence"):
        assert words in errors
    assert hub.seen == []

    assert models("download", SMALL.name, "--accept-licence") == 0
    assert listed(capsys)[SMALL.name]["status"] == "ready"
    assert models("remove", SMALL.name) == 0
    assert models("download", SMALL.name) == 0  # accepted once is accepted
    assert "ready ->" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="pseudo terminals are of POSIX systems")
@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("", 1), ("n", 1)])
def test_a_terminal_is_asked(hub: Hub, capsys: pytest.CaptureFixture[str], answer: str, code: int) -> None:
    import pty

    ours, theirs = pty.openpty()
    with start("download", SMALL.name, stdin=theirs, stderr=theirs) as process:
        os.close(theirs)
        seen = b""
        while b"[y/N]" not in seen:
            seen += os.read(ours, 1000)
        os.write(ours, answer.encode() + b"\n")
        with contextlib.suppress(OSError):  # the other end closes
            while chunk := os.read(ours, 1000):
                seen += chunk
    os.close(ours)
    assert process.returncode == code
    assert (b"Nothing was downloaded" in seen) == (code == 1)
    assert listed(capsys)[SMALL.name]["status"] == ("ready" if code == 0 else "not downloaded")


def test_download_as_json(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    assert models("download", SMALL.name, "--accept-licence", "--json") == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert events[-1]["event"] == "done" and Path(events[-1]["file"]).read_bytes() == WEIGHTS
    assert {event["event"] for event in events[:-1]} == {"progress"}


def test_failures_are_one_sentence_and_a_code(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    assert models("download", "nope") == 2
    assert models("download", "bundled") == 1
    hub.add("ritianyu/InfiniDepth", "infinidepth.ckpt", WEIGHTS)
    assert models("download", "infinidepth", "--accept-licence") == 1
    errors = capsys.readouterr().err
    assert "no model named 'nope'" in errors
    assert "nothing to download" in errors
    assert "offers another file than 'infinidepth' should be: SHA-256 " in errors
    assert "Traceback" not in errors


@pytest.mark.skipif(os.name == "nt", reason="signals are of POSIX systems")
def test_ctrl_c_keeps_what_came_and_says_so(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    file = hub.add(SMALL.repository, SMALL.file, WEIGHTS, gate=threading.Event(), gate_after=150_000)
    store = ModelStore()
    with start("download", SMALL.name, "--accept-licence", stderr=subprocess.PIPE) as process:
        while store.held(SMALL).size_bytes < 150_000:
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        errors = process.stderr.read()
    assert process.returncode == 130
    assert "0.1 MB stay here; run it again to go on" in errors and "Traceback" not in errors
    assert listed(capsys)[SMALL.name]["status"] == "partial"
    file.gate = None
    assert models("download", SMALL.name) == 0
    assert hub.requests("/storage/")[-1].headers["range"] == "bytes=150000-"


def test_a_file_from_a_disk_and_its_check(hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "model.safetensors"
    source.write_bytes(WEIGHTS)
    assert models("add", SMALL.name, source, "--accept-licence") == 1
    assert "it has 0.2 MB instead of about 100 MB" in capsys.readouterr().err
    os.truncate(source, SMALL.size_bytes)
    assert models("add", SMALL.name, source, "--accept-licence") == 0
    assert resolve_model(SMALL.name) == str(ModelStore().file(SMALL))
    assert hub.seen == []
    assert models("remove", SMALL.name) == 0
    with pytest.raises(ModelError, match="not downloaded yet"):
        resolve_model(SMALL.name)
    assert models("add", SMALL.name, tmp_path / "none") == 1
    assert "cannot be read" in capsys.readouterr().err


def test_a_check_tells_what_a_file_was_compared_with(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    entry, source = find("infinidepth-gs"), tmp_path / "gs.ckpt"
    content = b"PK\x03\x04".ljust(entry.size_bytes)
    source.write_bytes(content)
    assert models("add", entry.name, source, "--accept-licence") == 0
    capsys.readouterr()
    assert models("verify", entry.name) == 0
    text = capsys.readouterr().out
    assert "no published hash: compared with the file as it was added" in text and "right" not in text
    assert models("verify", entry.name, "--json") == 0
    assert "no published hash" in json.loads(capsys.readouterr().out.splitlines()[-1])["note"]

    assert models("remove", entry.name) == 0
    hub.add(entry.repository, entry.file, content)
    assert models("download", entry.name) == 0
    capsys.readouterr()
    assert models("verify", entry.name) == 0
    assert "infinidepth-gs file is right" in capsys.readouterr().out


def test_names_of_other_models_are_not_taken_for_depth() -> None:
    with pytest.raises(ModelError, match="something else: which pixels are sky"):
        resolve_model("skyseg")
    with pytest.raises(ModelError, match="no model named 'nope', and no such file"):
        resolve_model("nope")


def test_names_of_gaussian_predictors(hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert resolve_splats_model("surface") == "surface"
    (tmp_path / "gs.ckpt").touch()
    assert resolve_splats_model(str(tmp_path / "gs.ckpt")) == str(tmp_path / "gs.ckpt")
    with pytest.raises(ModelError, match="something else: depth"):
        resolve_splats_model("infinidepth")
    with pytest.raises(ModelError, match=r"no model named 'nope'.*Use 'surface'"):
        resolve_splats_model("nope")
    photo = tmp_path / "photo.png"
    photo.touch()
    assert cli.main(["reconstruct", str(photo), "--splats-model", "infinidepth-gs"]) == 2
    assert "models download infinidepth-gs" in capsys.readouterr().err
    assert cli.main(["reconstruct", str(photo), "--splats-model", str(tmp_path / "gs.ckpt")]) == 2
    assert "--model to the official model" in capsys.readouterr().err


def test_reconstruct_tells_how_to_get_a_model(hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo = tmp_path / "photo.png"
    photo.touch()
    assert cli.main(["reconstruct", str(photo), "--model", "infinidepth"]) == 2
    assert "models download infinidepth" in capsys.readouterr().err


# -- in a worker, as the panel does it ---------------------------------------------------


@pytest.fixture
def light() -> Iterator[EngineClient]:
    """A worker without libraries, in whatever Python this is."""
    with EngineClient(sys.executable, light=True) as client:
        yield client


def fetch(engine: EngineClient, name: str, source: str = "") -> int:
    return engine.call("fetch_model", {"name": name, "root": str(ModelStore().root), "source": source})


def test_the_worker_fetches_a_model(hub: Hub, light: EngineClient, tmp_path: Path) -> None:
    with pytest.raises(LicenceError):
        light.finish(fetch(light, SMALL.name))
    ModelStore().accept_licences(SMALL)
    summary = light.finish(fetch(light, SMALL.name)).summary
    assert Path(summary["file"]).read_bytes() == WEIGHTS
    ModelStore().remove(SMALL)
    source = tmp_path / "file"
    source.write_bytes(WEIGHTS)
    assert light.finish(fetch(light, SMALL.name, str(source))).summary == summary
    ModelStore().remove(SMALL)
    hub.files.clear()
    with pytest.raises(DownloadError, match="has no file"):
        light.finish(fetch(light, SMALL.name))


def test_the_worker_is_cancelled_and_goes_on_later(hub: Hub, light: EngineClient) -> None:
    store = ModelStore()
    store.accept_licences(SMALL)
    file = hub.add(SMALL.repository, SMALL.file, WEIGHTS, drops=[150_000], always_drop=0)
    job = fetch(light, SMALL.name)
    events = []
    for event in light.events(job):
        events.append(event)
        if isinstance(event, Progressed) and "trying again" in event.message:
            light.cancel(job)
    assert isinstance(events[-1], Stopped)
    assert store.held(SMALL).size_bytes == 150_000
    file.always_drop = None
    light.finish(fetch(light, SMALL.name))
    assert store.path(SMALL).read_bytes() == WEIGHTS
