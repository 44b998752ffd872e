"""How a process ended, in plain words; standard library only."""

from __future__ import annotations

import signal

from ..errors import EngineError

_CRASH_SIGNALS = ("SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT", "SIGTRAP", "SIGSYS")
_WINDOWS_EXITS = {
    0xC0000005: "crashed (access violation)",
    0xC0000017: "ran out of memory",
    0xC000001D: "crashed (illegal instruction)",
    0xC00000FD: "crashed (stack overflow)",
    0xC000012D: "ran out of memory",
    0xC0000135: "could not load one of its libraries",
    0xC0000409: "crashed (it ended itself after an internal error)",
}


def describe_exit(returncode: int) -> str:
    """How a process ended, as the end of a sentence: "was killed by the system, ..."."""
    if returncode < 0:
        try:
            name = signal.Signals(-returncode).name
        except ValueError:
            name = f"signal {-returncode}"
        if name == "SIGKILL":
            return "was killed by the system, probably because the memory ran out"
        return f"crashed ({name})" if name in _CRASH_SIGNALS else f"was stopped from outside ({name})"
    return _WINDOWS_EXITS.get(returncode, f"ended unexpectedly with exit code {returncode}")


def death_error(returncode: int, last_lines: list[str]) -> EngineError:
    """What to tell about an engine process that died.

    Args:
        returncode: As `subprocess` gives it.
        last_lines: The last of its standard error.
    """
    reason = describe_exit(returncode)
    remedy = "Try again: a fresh engine starts with the next photo."
    if "memory" in reason:
        remedy = "Close other programs, or use a smaller depth size, mesh size or number of points."
    elif last_lines:
        reason += f': "{last_lines[-1].strip()}"'
    return EngineError(f"The engine process {reason}.", remedy)
