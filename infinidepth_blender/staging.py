"""Writing a bundle all or nothing: it is staged beside its folder and moved into place when it is complete."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from .errors import OutputError
from .file_lock import locked_if_possible
from .patience import patiently
from .replacement import OWN_NAMES, holds_older_result, recover, replace_result
from .scene_file import SCENE_NAME, kept_note
from .small_files import json_or_empty
from .user_folders import documents_dir, home_dir

JSON_NAME = "reconstruction.json"
ARRAYS_DIR = "arrays"
SEQUENCE_DIR = "sequence"
"""Frames of a clip, with their depth."""
STAGING_SUFFIX = ".partial"


LOCK_NAME = ".lock"
"""In a staging folder: tells that it is ours, and, by its lock, whether somebody is writing there."""

FRAME_PATTERN = re.compile(r"frame_\d{4,}\.png")
_SEQUENCE_FILE = re.compile(r"(frames/\d{4,}\.(jpg|exr)|depth/\d{4,}\.exr|depth\.mp4)")
FRAMES_NAME = "infinidepth_frames.json"
"""Names of the frames in a folder that were rendered here: others are a user's own."""
_owned: set[Path] = set()
_replacing = threading.Lock()
_HELD_ON_WINDOWS = (32, 33)
"""What Windows says of a file that another program has opened, or locked in part."""
_GRACE_S = 2.0
"""How long a thread that ends the process waits for one that moves a result into place."""


def staging_of(folder: Path) -> Path:
    """Where a bundle is staged: beside its folder, on the same drive if that is a link."""
    whole = Path(os.path.realpath(folder)) if folder.is_symlink() else folder
    return whole.with_name(whole.name + STAGING_SUFFIX)


def owns(staging: Path) -> bool:
    """Whether this process is writing into a staging folder."""
    return staging in _owned


@contextlib.contextmanager
def staged_folder(folder: Path, note: Callable[[str], object] | None = None) -> Iterator[Path]:
    """A folder to write into that becomes `folder` only when everything went well.

    The staging folder lies beside the target under a name that depends on the target
    alone, so that what a killed process left behind is found and removed by the next, or,
    if it was just replacing an older result, finished.
    Files of an older result that the new one does not have are removed, files that are
    not part of a bundle stay. A `scene.blend` in which somebody has worked becomes `scene_edited.blend`.

    Args:
        folder: The bundle to write.
        note: Called with what the user should know, when the folder is in place.

    Raises:
        OutputError: the folder cannot be created or written, holds files of the same
            names that no reconstruction made, another process is making it, or an older result
            can be put back only in part: then the rest of it stays in the staging folder.
    """
    staging = staging_of(folder)
    try:
        if folder.exists() and not folder.is_dir():
            raise OutputError(f"{folder} is a file, not a folder.", "Choose another output folder.")
        clear(staging)
        _refuse_files_of_others(folder)
        staging.mkdir(parents=True)
        _owned.add(staging)
        with held(staging):
            try:
                yield staging
            except BaseException as error:
                # Arrays that are mapped from the folder must be let go of: Windows removes no mapped file.
                traceback.clear_frames(error.__traceback__)
                raise
            with _replacing:
                kept_scene = _commit(staging, folder)
            if note and kept_scene:
                note(kept_note(kept_scene))
    except OSError as error:
        raise output_error(error, folder) from error
    finally:
        if owns(staging):
            _remove(staging)
            _owned.discard(staging)


def abandon(staging: Path) -> None:
    """Removes what another thread of this process is staging, just before the process ends.

    A result that is just being moved into place arrives there first. Nothing is moved afterwards.
    """
    if _replacing.acquire(timeout=_GRACE_S):  # and never released
        _remove(staging)
        _remove(staging)  # the other thread may still be writing


def discard(staging: Path) -> None:
    """Removes what a process that ended has left behind: a staging folder, or an unfinished file.

    What is not ours, or what another process is writing, stays.
    """
    with contextlib.suppress(OSError, OutputError):
        if staging.is_file():
            staging.unlink()
        else:
            clear(staging)


def clear(staging: Path) -> None:
    """Removes an abandoned staging folder, of a bundle or of frames; what was just replacing an older result is finished.

    Raises:
        OutputError: it is not ours, another process is writing there, an older result cannot be put back whole, or
            another program holds files in it.
        OSError: it cannot be looked at.
    """
    if not staging.exists():
        return
    names = {item.name for item in staging.iterdir()} if staging.is_dir() else {""}
    known = {*_ORDER, *OWN_NAMES, LOCK_NAME, FRAMES_NAME}
    if LOCK_NAME not in names and not all(name in known or FRAME_PATTERN.fullmatch(name) for name in names):
        raise OutputError(
            f"{staging} is in the way, and is not from a reconstruction.",
            "Move it away, or choose another output folder.",
        )
    with held(staging) if LOCK_NAME in names else contextlib.nullcontext():
        if staging.is_dir():
            recover(staging, staging.with_name(staging.name.removesuffix(STAGING_SUFFIX)), _ORDER[::-1])
    _clear_away(staging)


def _clear_away(staging: Path) -> None:
    """Removes a staging folder whose place is needed, files that another program holds for a moment included.

    Raises:
        OutputError: something in it is held for longer, or may not be removed.
    """

    def remove() -> None:
        _remove(staging)
        if staging.exists() and not holds_older_result(staging):
            _remove_or_say_why(staging)

    try:
        patiently(remove)
    except PermissionError as error:
        if isinstance(error.__cause__, OSError) and not _is_held(error.__cause__):
            raise output_error(error.__cause__, staging) from error
        raise OutputError(
            f"Another program holds files in {staging}, which an earlier run has left behind.",
            "Close the programs that have files of it open, or delete that folder, and try again.",
        ) from error


def _remove_or_say_why(staging: Path) -> None:
    """Removes what just could not be removed.

    Raises:
        PermissionError: it may be possible in a moment; its cause says what is in the way.
        OutputError: it may not be removed.
    """
    try:
        shutil.rmtree(staging)
    except FileNotFoundError:
        pass  # it was just going
    except OSError as error:
        # Windows also calls it a lack of permission when a file is open, or about to go.
        if os.name == "nt" or _is_held(error):
            raise PermissionError from error
        raise output_error(error, staging) from error
    if staging.exists():
        raise PermissionError


def _is_held(error: OSError) -> bool:
    """Whether a file cannot be removed because another program has it open, or goes on writing beside it."""
    return getattr(error, "winerror", None) in _HELD_ON_WINDOWS or error.errno in (errno.EBUSY, errno.ENOTEMPTY)


def _remove(staging: Path) -> None:
    if not holds_older_result(staging):
        shutil.rmtree(staging, ignore_errors=True)


@contextlib.contextmanager
def held(staging: Path) -> Iterator[None]:
    """Holds the lock of a staging folder, on file systems that have locks.

    Raises:
        OutputError: another process holds it.
    """
    with locked_if_possible(staging / LOCK_NAME, lambda: _busy(staging)):
        yield


def _busy(staging: Path) -> None:
    raise OutputError(
        f"Another InfiniDepth is just making {staging.with_name(staging.name.removesuffix(STAGING_SUFFIX))}.",
        "Wait for it, or choose another output folder.",
    )


def output_error(error: OSError, path: Path, system: str = sys.platform) -> OutputError:
    """Turns an operating system error about `path` into one clear sentence.

    Args:
        error: The error.
        path: What was to be written.
        system: As `sys.platform` says it.
    """
    # Numpy reports a short write ("8 requested and 4 written") without the system's reason.
    short_write = error.errno is None and "requested and" in str(error)
    if short_write or error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return OutputError(
            f"The disk is full: {path} could not be written.", "Free some space or choose another output folder."
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return OutputError(f"No permission to write {path}.", "Choose another output folder.")
    if error.errno == errno.EISDIR:
        return OutputError(f"{path} is a folder, not a file.", "Choose another name.")
    if system == "win32" and error.errno == errno.ENOENT and _is_the_users(path):
        # What Windows says to programs that it keeps out of documents and pictures.
        return OutputError(
            f"Windows does not let {sys.executable} write {path}.",
            "Allow that program in Windows Security under Controlled folder access, or choose another output folder.",
        )
    in_the_way = next((place for place in (path, *path.parents) if os.path.isfile(place)), None)  # noqa: PTH113 - never raises
    if error.errno in (errno.EEXIST, errno.ENOTDIR) and in_the_way is not None:
        return OutputError(f"{in_the_way} is a file, not a folder.", "Choose another output folder.")
    return OutputError(f"{path} could not be written: {error.strerror or error}.", "Choose another output folder.")


def _is_the_users(path: Path) -> bool:
    """Whether something lies where Windows may guard it: in the user's home, or where the documents were moved to."""
    return any(place is not None and path.is_relative_to(place) for place in (home_dir(), documents_dir()))


_BUNDLE_FILES = (
    "depth.exr", "depth.png", "mesh.ply", "points.ply", "splats.ply", "scene.glb",
    "camera.json", SCENE_NAME, "photo.png", "photo.jpg", "photo.exr",
    "background.ply", "background.jpg", "background.exr", "sky_beyond.jpg", "sky_beyond.exr",
)  # fmt: skip

_ORDER = (ARRAYS_DIR, SEQUENCE_DIR, *_BUNDLE_FILES, JSON_NAME)
"""In which a result comes; an older one goes the other way."""


def _refuse_files_of_others(folder: Path) -> None:
    """Stops before a user's own photo or scene is taken for part of an older result and removed."""
    if (folder / JSON_NAME).is_file() or (folder / ARRAYS_DIR / "depth.npy").is_file():
        return
    for name in (*_BUNDLE_FILES, ARRAYS_DIR):
        if (folder / name).exists():
            raise OutputError(
                f"{folder} holds '{name}', which is not from a reconstruction and would be replaced.",
                "Choose another output folder, or move that file away.",
            )


def refuse_foreign_sequence(folder: Path) -> None:
    """Stops a clip before a folder that a user calls like ours is in the way.

    Raises:
        OutputError: there is one.
    """
    if (folder / SEQUENCE_DIR).exists() and not _is_own_sequence(folder / SEQUENCE_DIR):
        raise OutputError(
            f"{folder} holds '{SEQUENCE_DIR}', which is not from a reconstruction and would be replaced.",
            "Choose another output folder, or move it away.",
        )


def _is_own_sequence(sequence: Path) -> bool:
    """Whether a folder holds the frames of the clip beside it and nothing else: it may as well be where somebody renders to."""
    try:
        names = {file.relative_to(sequence).as_posix() for file in sequence.rglob("*") if not file.is_dir()}
    except OSError:
        return False
    return "clip" in json_or_empty(sequence.parent / JSON_NAME) and all(map(_SEQUENCE_FILE.fullmatch, names))


def _commit(staging: Path, folder: Path) -> Path | None:
    """Moves a finished staging folder over `folder`; the JSON leaves first and comes last.

    The arrays leave last and come first: whoever finds them knows that the folder is ours.

    Returns:
        Where a scene is now in which somebody has worked; None: there was none.
    """
    staged = {item.name for item in staging.iterdir()} - {LOCK_NAME, *OWN_NAMES}
    others = sorted(staged.difference(_ORDER))
    order = [*_ORDER[:-1], *others, JSON_NAME]
    old = [name for name in order[::-1] if name != SEQUENCE_DIR or _is_own_sequence(folder / name)]
    return replace_result(staging, folder, [name for name in order if name in staged], old)
