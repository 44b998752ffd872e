"""What starting a process of our own needs on every operating system; standard library only."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from ..user_folders import user_cache_dir


def isolated(python: Path | str) -> list[str]:
    """The beginning of a command for another Python that takes nothing from its caller and speaks UTF-8.

    Windows otherwise gives pipes a code page, in which a user's name may have letters that cannot be printed.
    """
    return [str(python), "-I", "-X", "utf8"]


def child_environment(python: Path | str) -> dict[str, str]:
    """Variables for a process of another Python, free of what Blender and Steam set for their own.

    Args:
        python: The interpreter that will run.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith("PYTHON") and name not in ("__PYVENV_LAUNCHER__", "VIRTUAL_ENV")
    }
    if environment.get("STEAM_RUNTIME", "0") != "0" or "SYSTEM_LD_LIBRARY_PATH" in environment:
        _leave_steam(environment)
    if sys.platform == "win32":
        # A conda environment finds its libraries by the path alone.
        library = Path(python).parent / "Library" / "bin"
        if library.is_dir():
            environment["PATH"] = os.pathsep.join([str(library), environment.get("PATH", "")])
    # Compiled functions are kept outside the package's folder, which an update wipes.
    environment.setdefault("NUMBA_CACHE_DIR", str(user_cache_dir() / "numba"))
    environment.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")
    # Threads that wait for others sleep instead of spinning: beside a render that keeps all cores busy, spinning made
    # the engine five times slower.
    environment.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if sys.platform == "darwin":
        # Numba would load an OpenMP of its own beside PyTorch's, and two of them end the process.
        environment.setdefault("NUMBA_THREADING_LAYER", "workqueue")
    return environment


def _leave_steam(environment: dict[str, str]) -> None:
    """Takes Steam's old libraries and its overlay out: PyTorch does not load with them.

    Steam keeps what was set before under names that begin with `SYSTEM_`.
    """
    for name in ("LD_LIBRARY_PATH", "LD_PRELOAD"):
        before = environment.get(f"SYSTEM_{name}")
        if before:
            environment[name] = before
        else:
            environment.pop(name, None)


def no_window_flags() -> int:
    """Flags that keep Windows from opening a console window; 0 elsewhere."""
    return getattr(subprocess, "CREATE_NO_WINDOW", 0)


def package_version() -> str:
    """Version in the extension's manifest, which lies in the package or, in the sources, above it."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package, package.parent):
        with contextlib.suppress(OSError):
            text = (folder / "blender_manifest.toml").read_text(encoding="utf-8")
            if match := re.search(r'^version = "([^"]+)"', text, re.MULTILINE):
                return match[1]
    return "unknown"


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kills a process, and where it leads a group of its own, all of that."""
    with contextlib.suppress(OSError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
