"""Ctrl-C under --json: whoever reads the events hears of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
from engine_support import ENVIRONMENT, wait_until, write_photo, write_tiny_model

ROOT = Path(__file__).parent.parent


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C cannot be sent to one process on Windows")
def test_an_interrupt_is_the_last_event(tmp_path: Path) -> None:
    photo, model = write_photo(tmp_path / "a.png"), write_tiny_model(tmp_path / "tiny.safetensors")
    arguments = [photo, "-o", tmp_path / "out", "--model", model, "--points", 3_000_000, "--mesh-size", 2000, "--json"]
    with subprocess.Popen(
        [sys.executable, "-m", "infinidepth_blender", "reconstruct", *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        # A shell that runs the tests in the background makes them, and their children, ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None
        while json.loads(process.stdout.readline())["event"] != "progress":
            pass
        process.send_signal(signal.SIGINT)
        assert wait_until(lambda: process.poll() is not None)
        last = json.loads(process.stdout.read().splitlines()[-1])
    assert last["event"] == "stopped"
    assert last["error"]["message"]
    assert process.returncode == 130
