"""What processes of our own are given."""

from __future__ import annotations

import subprocess
import sys

import pytest

from infinidepth_blender.engine.process import child_environment


@pytest.fixture
def steam(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A Blender that Steam has started."""
    for name in ("SYSTEM_LD_LIBRARY_PATH", "SYSTEM_LD_PRELOAD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("STEAM_RUNTIME", "/home/me/.steam/ubuntu12_32/steam-runtime")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/home/me/.steam/ubuntu12_32/steam-runtime/lib")
    monkeypatch.setenv("LD_PRELOAD", "/home/me/.steam/gameoverlayrenderer.so")
    return monkeypatch


def test_steams_libraries_do_not_leak(steam: pytest.MonkeyPatch) -> None:
    environment = child_environment(sys.executable)
    assert "LD_LIBRARY_PATH" not in environment and "LD_PRELOAD" not in environment
    steam.setenv("SYSTEM_LD_LIBRARY_PATH", "/opt/mine")
    steam.setenv("SYSTEM_LD_PRELOAD", "")
    environment = child_environment(sys.executable)
    assert environment["LD_LIBRARY_PATH"] == "/opt/mine" and "LD_PRELOAD" not in environment
    steam.delenv("STEAM_RUNTIME")
    assert child_environment(sys.executable)["LD_LIBRARY_PATH"] == "/opt/mine"


@pytest.mark.skipif(sys.platform != "linux", reason="as Linux loads libraries")
def test_a_child_of_steams_blender_starts_without_a_word(steam: pytest.MonkeyPatch) -> None:
    command = [sys.executable, "-I", "-c", ""]
    run = subprocess.run(command, env=child_environment(sys.executable), capture_output=True, text=True, check=True)
    assert run.stderr == ""


@pytest.mark.parametrize("steam_runtime", [None, "0"])
def test_libraries_that_the_user_names_stay(monkeypatch: pytest.MonkeyPatch, steam_runtime: str | None) -> None:
    for name in ("STEAM_RUNTIME", "SYSTEM_LD_LIBRARY_PATH"):
        monkeypatch.delenv(name, raising=False)
    if steam_runtime is not None:
        monkeypatch.setenv("STEAM_RUNTIME", steam_runtime)
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/mine")
    assert child_environment(sys.executable)["LD_LIBRARY_PATH"] == "/opt/mine"


def test_numba_brings_no_openmp_of_its_own_on_a_mac(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NUMBA_THREADING_LAYER", raising=False)
    monkeypatch.setattr(sys, "platform", "darwin")
    assert child_environment("python")["NUMBA_THREADING_LAYER"] == "workqueue"
    monkeypatch.setenv("NUMBA_THREADING_LAYER", "omp")
    assert child_environment("python")["NUMBA_THREADING_LAYER"] == "omp"
    monkeypatch.delenv("NUMBA_THREADING_LAYER")
    monkeypatch.setattr(sys, "platform", "linux")
    assert "NUMBA_THREADING_LAYER" not in child_environment("python")
