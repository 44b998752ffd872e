"""A hub on this machine, and models that it offers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from download_support import CONTENT, FILE, REPOSITORY, SHA256
from hub_server import COMMIT, Hub, running_hub

from infinidepth_blender.engine.model_store import ModelStore
from infinidepth_blender.engine.registry import ModelEntry, find


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
