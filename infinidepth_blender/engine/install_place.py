"""Where engines lie: their folders, what is written in them, and whether a new one has room.

An environment is complete when its marker is there, which is written last. Every install has a folder of its own, so
that what is left of an earlier one is never built upon. Standard library only.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import OutputError
from ..file_lock import is_in_use, locked_if_possible
from ..small_files import write_json
from .interpreter import venv_python

MARKER = "infinidepth-complete.json"
UNLOADED = "infinidepth-unloaded"
"""Beside the marker as long as the packages could not be loaded: the marker itself is what a running engine holds."""
LOCK_NAME = "install.lock"
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
_PREFIX = "rt-"
_ALL_PREFIXES = (_PREFIX, "runtime-")
"""Of the environments' names; the second is that of earlier versions."""
_LONGEST_INSIDE = 173
"""Characters of the longest path below `site-packages`: a licence of PyTorch, with the label of a CUDA build."""
_LONGEST_ON_WINDOWS = 259
_ABANDONED_S = 86400.0
"""Where there are no locks, an unfinished environment of this age is nobody's."""


@dataclass(frozen=True)
class Installed:
    """A complete environment.

    Attributes:
        folder: Where it is.
        packages: The pins that it was made with.
        python_minor: Version of its Python, such as `3.11`; empty: nobody knows.
        torch: Version of PyTorch; empty: nobody knows.
        note: What the user should know about it, one sentence; may be empty.
        loads: Whether its packages could be loaded when that was tried last.
    """

    folder: Path
    packages: tuple[str, ...]
    python_minor: str
    torch: str = ""
    note: str = ""
    loads: bool = True

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return venv_python(self.folder)

    @property
    def current(self) -> bool:
        """Whether it has what this version of InfiniDepth is made for."""
        return list(self.packages) == read_pins()


def read_pins(path: Path = REQUIREMENTS) -> list[str]:
    """The lines of a file of pinned packages, without comments."""
    lines = (line.split("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


def new_folder(user_dir: Path) -> Path:
    """A name that no environment had before; short, because Windows has little room."""
    return user_dir / f"{_PREFIX}{secrets.token_hex(4)}"


def environments(directories: Sequence[Path]) -> list[Installed]:
    """The complete environments in some folders: those of the current pins first, the newest first.

    Those whose packages cannot be loaded come last.
    """
    found: list[tuple[bool, bool, int, float, Installed]] = []
    for index, directory in enumerate(directories):
        for folder in _folders(directory):
            with contextlib.suppress(OSError):
                marker = folder / MARKER
                time_s = marker.stat().st_mtime
                one = _read(folder, marker)
                found.append((not one.loads, not one.current, index, -time_s, one))
    return [one for *_, one in sorted(found, key=lambda item: item[:4])]


def write_marker(
    folder: Path, packages: Sequence[str], python_minor: str, torch: str, note: str, *, loads: bool = True
) -> None:
    """Declares an environment complete, in one step and once: a running engine holds the marker from then on.

    Args:
        folder: The environment.
        packages: The pins that it was made with.
        python_minor: Version of its Python.
        torch: Version of PyTorch.
        note: What the user should know about it.
        loads: Whether its packages can be loaded; if not, or if nobody has tried, the next install tries it.
    """
    if not loads:
        (folder / UNLOADED).touch()
    write_json(folder / MARKER, {"packages": list(packages), "python": python_minor, "torch": torch, "note": note})


def mark_loading(folder: Path) -> None:
    """Notes that the packages of an environment can be loaded; where that is refused, the next who loads them tries it."""
    with contextlib.suppress(OSError):
        (folder / UNLOADED).unlink()


def remove(folder: Path) -> OSError | None:
    """Removes an environment as far as possible; returns why something stayed.

    The marker goes first: half an environment counts as none.
    """
    try:
        (folder / MARKER).unlink(missing_ok=True)
        shutil.rmtree(folder)
    except FileNotFoundError:
        pass
    except OSError as error:
        if (folder / MARKER).exists():
            return error  # in use on Windows, or not ours to remove: it stays whole
        shutil.rmtree(folder, ignore_errors=True)
        return error if folder.exists() else None
    return None


def remove_unfinished(user_dir: Path, alone: bool) -> None:
    """Removes what interrupted installs have left.

    Args:
        user_dir: The folder of the environments.
        alone: Whether no other process can be installing there.
    """
    for folder in _folders(user_dir):
        with contextlib.suppress(OSError):
            old = time.time() - folder.stat().st_mtime > _ABANDONED_S
            if not (folder / MARKER).exists() and (alone or old):
                remove(folder)


def remove_all(directory: Path, replaced_by: Path | None = None) -> list[tuple[Path, str]]:
    """Removes the environments in a folder that no process uses.

    Args:
        directory: The folder of the environments.
        replaced_by: One that stays, as do unfinished ones then, which somebody may be making, and what was downloaded
            since to take its place and waits to be loaded; None: all go.

    Returns:
        The folders that could not be removed, and why.
    """
    left: list[tuple[Path, str]] = []
    for folder in _folders(directory):
        marker = folder / MARKER
        if replaced_by is not None and (
            folder == replaced_by or not marker.exists() or _is_to_replace(folder, replaced_by)
        ):
            continue
        if is_in_use(marker):
            left.append((folder, "another Blender or command uses it"))
        elif error := remove(folder):
            left.append((folder, error.strerror or str(error)))
    return left


def _is_to_replace(folder: Path, other: Path) -> bool:
    """Whether an environment was made after another one with the same pins, and only does not load yet."""
    with contextlib.suppress(OSError):
        marker, older = folder / MARKER, other / MARKER
        one = _read(folder, marker)
        newer = marker.stat().st_mtime >= older.stat().st_mtime
        return newer and not one.loads and one.packages == _read(other, older).packages
    return False


def remove_others_that_do_not_load(folder: Path) -> None:
    """Removes what an environment stands for that cannot be loaded either: such ones beside it, with the same pins."""
    found = environments([folder.parent])
    packages = [one.packages for one in found if one.folder == folder]
    for one in found:
        same = one.folder != folder and not one.loads and one.packages in packages
        if same and not is_in_use(one.folder / MARKER):
            remove(one.folder)


@contextlib.contextmanager
def locked_place(user_dir: Path, wait: Callable[[], None]) -> Iterator[int | None]:
    """Keeps other processes from installing or removing there; yields the lock's descriptor, if there are locks.

    The lock's file stays: whoever removed it would let a third process in beside one that waits for it.
    """
    with locked_if_possible(user_dir / LOCK_NAME, wait) as handle:
        yield handle


def check_disk(user_dir: Path, needed_mb: int) -> None:
    """Refuses what the disk cannot hold.

    Raises:
        OutputError: there is not enough space.
        OSError: the folder cannot be made.
    """
    user_dir.mkdir(parents=True, exist_ok=True)
    free_mb = shutil.disk_usage(user_dir).free / 1e6
    if free_mb < needed_mb:
        raise OutputError(
            f"The engine needs about {needed_mb / 1000:.1f} GB in {user_dir}, but only {free_mb / 1000:.1f} GB are free.",
            "Free some space and install again.",
        )


def check_path_length(user_dir: Path) -> None:
    """Refuses, on Windows, a folder in which the engine's files would get too long paths.

    Raises:
        OutputError: they would.
    """
    if sys.platform == "win32" and not _windows_takes_long_paths():
        refuse_long_paths(str(user_dir))


def refuse_long_paths(user_dir: str) -> None:
    """Refuses a folder in which an environment would have paths that Windows does not take by default.

    Raises:
        OutputError: it would.
    """
    name = "\\".join([user_dir.rstrip("\\/"), f"{_PREFIX}00000000", "Lib", "site-packages", ""])
    # Windows counts in UTF-16 units.
    longest = len(name.encode("utf-16-le", "surrogatepass")) // 2 + _LONGEST_INSIDE
    if longest > _LONGEST_ON_WINDOWS:
        raise OutputError(
            f"The engine cannot be installed in {user_dir}: its paths would have {longest} characters, and Windows takes "
            f"{_LONGEST_ON_WINDOWS}.",
            "Set the variable INFINIDEPTH_HOME to a folder with a shorter path and start Blender again, or switch on "
            "long paths in Windows.",
        )


def _folders(directory: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return sorted(path for path in directory.iterdir() if path.name.startswith(_ALL_PREFIXES) and path.is_dir())
    return []


def _read(folder: Path, marker: Path) -> Installed:
    record: object = None
    with contextlib.suppress(ValueError):
        record = json.loads(marker.read_text(encoding="utf-8"))
    if not isinstance(record, dict):
        record = {}
    packages = record.get("packages")
    return Installed(
        folder,
        tuple(map(str, packages)) if isinstance(packages, list) else (),
        str(record.get("python") or _minor_in_settings(folder)),
        str(record.get("torch") or ""),
        str(record.get("note") or ""),
        not (folder / UNLOADED).exists(),
    )


def _minor_in_settings(folder: Path) -> str:
    """Version of the Python of an environment, as `venv` has written it down."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        for line in (folder / "pyvenv.cfg").read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition("=")
            if name.strip() in ("version", "version_info"):
                return ".".join(value.strip().split(".")[:2])
    return ""


def _windows_takes_long_paths() -> bool:
    """Whether the user, or an administrator, has switched long paths on."""
    if sys.platform != "win32":
        return True
    import winreg

    with contextlib.suppress(OSError):
        place = r"SYSTEM\CurrentControlSet\Control\FileSystem"
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, place) as key:
            return bool(winreg.QueryValueEx(key, "LongPathsEnabled")[0])
    return False
