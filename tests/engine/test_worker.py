"""The engine process from the inside: what it keeps from job to job, and how it shares the processor."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

from engine_support import ENVIRONMENT

from infinidepth_blender.engine import protocol
from infinidepth_blender.engine.process import child_environment
from infinidepth_blender.engine.protocol import Call, Done, Event, Failed

ROOT = Path(__file__).resolve().parents[2]
ENGINE = """
import torch
from infinidepth_blender.engine import worker, worker_commands

kept = []

def look(arguments, models, progress):
    kept.append(models)
    return {"as_before": models is kept[max(0, len(kept) - 2)]}

def fail(arguments, models, progress):
    raise {"bug": ValueError("5"), "card": torch.OutOfMemoryError("CUDA out of memory.")}[arguments["by"]]

worker_commands.COMMANDS.update(look=look, fail=fail)
worker.main()
"""


def answers(*calls: tuple[str, dict[str, str]]) -> list[Event]:
    """What the engine says at the end of each job."""
    sent = b"".join(protocol.encode(Call(job, *call)) for job, call in enumerate(calls, 1))
    # The end of its input ends the engine, so that it must hear it after the last answer.
    with subprocess.Popen(
        [sys.executable, "-c", ENGINE],
        cwd=ROOT,
        env=os.environ | ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(sent)
        process.stdin.flush()
        ends: list[Event] = []
        for line in process.stdout:
            message = protocol.decode(line)
            if isinstance(message, Done | Failed):
                ends.append(message)
            if len(ends) == len(calls):
                break
        process.stdin.close()
    return ends


def test_networks_are_kept_until_a_card_is_full() -> None:
    """What a card holds after it ran out of memory may be a broken half of a network."""
    look = ("look", dict[str, str]())
    first, bug, second, card, third = answers(look, ("fail", {"by": "bug"}), look, ("fail", {"by": "card"}), look)
    assert isinstance(bug, Failed) and isinstance(card, Failed)
    assert "memory of the graphics card ran out" in card.error["message"]
    assert [end.summary for end in (first, second, third) if isinstance(end, Done)] == [
        {"as_before": True},
        {"as_before": True},
        {"as_before": False},
    ]


def test_threads_that_wait_leave_the_processor_to_a_render(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    assert child_environment(sys.executable)["OMP_WAIT_POLICY"] == "PASSIVE"
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")  # by who knows better
    assert child_environment(sys.executable)["OMP_WAIT_POLICY"] == "ACTIVE"
