"""How much memory there is, and what a depth map needs of it."""

from __future__ import annotations

import ctypes
import os

from ..errors import OptionsError

DEPTH_MAP_BYTES_PER_PIXEL = 60
"""Depth, flags, normals, confidence and what it takes to compute them."""

_SHARE = 0.8


def check_depth_map_fits(width_px: int, height_px: int) -> None:
    """Refuses a depth map that the computer's memory cannot hold, before it brings the computer down.

    Raises:
        OptionsError: with the size that would fit.
    """
    total = physical_memory_bytes()
    needed = width_px * height_px * DEPTH_MAP_BYTES_PER_PIXEL
    if total is None or needed <= _SHARE * total:
        return
    factor = (_SHARE * total / needed) ** 0.5
    raise OptionsError(
        f"A depth map of {width_px} x {height_px} pixels takes {needed / 1e9:.0f} GB of memory; "
        f"this computer has {total / 1e9:.0f} GB.",
        f"Use a depth size of at most {int(width_px * factor)}x{int(height_px * factor)}.",
    )


def physical_memory_bytes() -> int | None:
    """Installed memory; None if the system does not say."""
    if os.name == "nt":
        return _windows_memory_bytes()
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None


def _windows_memory_bytes() -> int | None:
    class MemoryStatus(ctypes.Structure):
        _fields_ = [
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            *((name, ctypes.c_ulonglong) for name in ("total", "free", "a", "b", "c", "d", "e")),
        ]

    status = MemoryStatus(length=ctypes.sizeof(MemoryStatus))
    ok = ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))  # type: ignore[attr-defined]
    return int(status.total) if ok else None
