"""A lock between processes that ends with the process that holds it; standard library only."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
"""What file systems without locks say, such as some network drives."""


@contextlib.contextmanager
def locked(path: Path, wait: Callable[[], None]) -> Iterator[int]:
    """Holds the lock of a file, which is made if it is missing and stays.

    Yields the file's descriptor. On POSIX a child process that inherits it holds the lock as well, until both are gone.

    Args:
        path: The lock file.
        wait: Called again and again while another process holds the lock; it sleeps, and
            may raise to give up.

    Raises:
        OSError: the file cannot be made, or its file system has no locks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        while not _try_lock(handle):
            wait()
        yield handle
    finally:
        os.close(handle)  # lets go of the lock as well


@contextlib.contextmanager
def locked_if_possible(path: Path, wait: Callable[[], None]) -> Iterator[int | None]:
    """As `locked`; yields None, and nothing is locked, where the file system has no locks."""
    with contextlib.ExitStack() as stack:
        handle = None
        try:
            handle = stack.enter_context(locked(path, wait))
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
        yield handle


def mark_in_use(path: Path) -> int | None:
    """Opens a file so that `is_in_use` says so until this process ends; None: it cannot be opened.

    Any number of processes may do so. Windows deletes no open file; elsewhere it is a shared lock.
    """
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    with contextlib.suppress(OSError):
        _lock_shared(handle)
    return handle


def is_in_use(path: Path) -> bool:
    """Whether a running process has called `mark_in_use` for a file."""
    try:
        handle = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        return not _try_lock(handle)
    except OSError:
        return False  # the file system has no locks
    finally:
        os.close(handle)


if sys.platform == "win32":
    import msvcrt

    def _try_lock(handle: int) -> bool:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EDEADLK, errno.EAGAIN):
                return False
            raise
        return True

    def _lock_shared(handle: int) -> None:
        """The open file is enough."""

else:
    import fcntl

    def _try_lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                return False
            raise
        return True

    def _lock_shared(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
