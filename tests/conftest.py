"""Fixtures that every test may use, and the --slow switch."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run the slow tests")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--slow"):
        return
    skip = pytest.mark.skip(reason="slow: run with --slow")
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(skip)


@pytest.fixture
def full_card(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A graphics card onto which nothing fits any more."""
    import torch

    to = torch.nn.Module.to

    def to_unless_full(network: torch.nn.Module, device: Any, *others: Any, **more: Any) -> Any:
        if torch.device(device).type == "cuda":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 16.00 MiB.")
        return to(network, device, *others, **more)

    monkeypatch.setattr(torch.nn.Module, "to", to_unless_full)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    return torch.device("cuda")


_status = pytest.StashKey[int]()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    session.config.stash[_status] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Ends a process with bpy at once: at exit the module (4.5, seen once in a while) waits for ever on its own threads."""
    if "bpy" in sys.modules and _status in config.stash:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(config.stash[_status])
