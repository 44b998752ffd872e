"""Downloads that meet trouble of rarer kinds, from a real HTTP server on this machine."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from dataclasses import asdict, replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import hub_server
import pytest
from hub_server import COMMIT, Hub, running_hub

from infinidepth_blender.engine.download import Patience, download_model
from infinidepth_blender.engine.model_files import Fingerprint, beside, write_note
from infinidepth_blender.engine.model_store import ModelStore
from infinidepth_blender.engine.registry import ModelEntry, find
from infinidepth_blender.errors import DownloadError

QUICK = Patience(retries=3, first_wait_s=0.01)
CONTENT = random.Random(1).randbytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
REPOSITORY, FILE = "studio/model", "model.safetensors"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    with running_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "no-token-here"))
        for name in ("HF_TOKEN", "HF_TOKEN_PATH", "HF_HUB_OFFLINE", "http_proxy", "HTTP_PROXY"):
            monkeypatch.delenv(name, raising=False)
        yield hub


@pytest.fixture
def entry() -> ModelEntry:
    """A model whose hash nobody knows beforehand."""
    return replace(find("infinidepth-small"), name="tiny", repository=REPOSITORY, file=FILE, size_bytes=len(CONTENT))


@pytest.fixture
def pinned(entry: ModelEntry) -> ModelEntry:
    """A model whose hash the registry knows."""
    return replace(entry, sha256=SHA256, revision=COMMIT)


@pytest.fixture
def store(tmp_path: Path, entry: ModelEntry) -> ModelStore:
    store = ModelStore(tmp_path / "models")
    store.accept_licences(entry)
    return store


def quiet(stage: str, fraction: float, message: str = "") -> None:
    """Reports nothing."""


def fetch(entry: ModelEntry, store: ModelStore) -> Path:
    return download_model(entry, store, quiet, QUICK)


def leave_part(entry: ModelEntry, store: ModelStore, content: bytes, told: Fingerprint) -> None:
    """What an earlier download may have left."""
    part = store.part(entry)
    part.parent.mkdir(parents=True)
    part.write_bytes(content)
    write_note(beside(part), asdict(told))


def storage_ranges(hub: Hub) -> list[str | None]:
    return [seen.headers.get("range") for seen in hub.requests("/storage/")]


def test_only_the_hub_itself_is_believed(hub: Hub, entry: ModelEntry, store: ModelStore) -> None:
    """The storage, another host, says the same things with another hash, size and commit."""
    with running_hub() as storage:
        storage.add(REPOSITORY, FILE, CONTENT, linked_sha256="0" * 64, linked_size=7, commit="f" * 40)
        hub.add(REPOSITORY, FILE, CONTENT, redirect=f"{storage.url}/{REPOSITORY}/resolve/main/{FILE}")
        assert fetch(entry, store).read_bytes() == CONTENT
    pin = json.loads((store.root / "pins" / "tiny.json").read_text())
    assert (pin["sha256"], pin["size_bytes"], pin["revision"]) == (SHA256, len(CONTENT), COMMIT)


def test_a_line_that_often_breaks_but_goes_on_is_borne(hub: Hub, pinned: ModelEntry, store: ModelStore) -> None:
    """Tries are counted from the last progress: a gigabyte over a bad line takes many."""
    hub.add(REPOSITORY, FILE, CONTENT, drops=[30_000] * 8)
    assert fetch(pinned, store).read_bytes() == CONTENT
    assert storage_ranges(hub) == [None, *(f"bytes={30_000 * k}-" for k in range(1, 9))]


def test_a_line_that_hardly_goes_on_ends(hub: Hub, pinned: ModelEntry, store: ModelStore) -> None:
    hub.add(REPOSITORY, FILE, CONTENT, always_drop=100)
    with pytest.raises(DownloadError, match="broke off after"):
        fetch(pinned, store)
    assert len(hub.requests("/storage/")) == 1 + QUICK.retries


@pytest.mark.parametrize("size", [len(CONTENT), len(CONTENT) - 1])
def test_what_was_left_of_another_file_is_not_continued(
    hub: Hub, pinned: ModelEntry, store: ModelStore, size: int
) -> None:
    leave_part(pinned, store, b"x" * 1000, Fingerprint("1" * 64, size, "e" * 40))
    hub.add(REPOSITORY, FILE, CONTENT)
    assert fetch(pinned, store).read_bytes() == CONTENT
    assert storage_ranges(hub) == [None]


def test_a_part_that_is_longer_than_its_file_begins_anew(hub: Hub, pinned: ModelEntry, store: ModelStore) -> None:
    leave_part(pinned, store, CONTENT + b"more", Fingerprint(SHA256, len(CONTENT), COMMIT))
    hub.add(REPOSITORY, FILE, CONTENT)
    assert fetch(pinned, store).read_bytes() == CONTENT
    assert storage_ranges(hub) == [None]


def test_a_packed_answer_is_refused(
    hub: Hub, pinned: ModelEntry, store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end_headers(self: BaseHTTPRequestHandler) -> None:
        self.send_header("Content-Encoding", "gzip")
        BaseHTTPRequestHandler.end_headers(self)

    monkeypatch.setattr(hub_server._Handler, "end_headers", end_headers)
    hub.add(REPOSITORY, FILE, CONTENT)
    with pytest.raises(DownloadError, match="in a form that was not asked for"):
        fetch(pinned, store)
    assert not store.part(pinned).exists()
