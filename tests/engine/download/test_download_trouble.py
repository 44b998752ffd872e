"""Downloads that meet trouble of rarer kinds, from a real HTTP server on this machine."""

from __future__ import annotations

import json
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler

import hub_server
import pytest
from download_support import CONTENT, FILE, QUICK, REPOSITORY, SHA256, fetch
from hub_server import COMMIT, Hub, running_hub

from infinidepth_blender.engine.model_files import Fingerprint, beside, write_note
from infinidepth_blender.engine.model_store import ModelStore
from infinidepth_blender.engine.registry import ModelEntry
from infinidepth_blender.errors import DownloadError


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
