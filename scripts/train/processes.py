"""Several processes for one piece of work; they end with whoever started them, however that ended."""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing import connection

from torch.multiprocessing.spawn import ProcessException, spawn

SOON_S = 30.0
"""Work that ends earlier with an error would do so again."""


def spread(count: int, work: Callable[..., object], arguments: tuple) -> None:
    """Runs `work(number, *arguments)` in `count` new processes and waits for them.

    Raises:
        torch.multiprocessing.spawn.ProcessException: one of them failed or was ended; the others are ended, too.
    """
    spawn(_work, (work, arguments), nprocs=count)


def start_again(start: Callable[[], object], soon_s: float = SOON_S) -> None:
    """Calls what starts processes, and again whenever one of them has ended with an error.

    Args:
        start: Waits for the processes.
        soon_s: Within so many seconds an error is final.

    Raises:
        torch.multiprocessing.spawn.ProcessException: it came too soon.
    """
    while True:
        begin = time.monotonic()
        try:
            start()
            return
        except ProcessException as error:
            if time.monotonic() - begin < soon_s:
                raise
            print(f"{error}\nStarting again.", file=sys.stderr, flush=True)


def _work(number: int, work: Callable[..., object], arguments: tuple) -> None:
    faulthandler.enable()
    # A killed parent's trainers would go on writing into the same folder as the next run's. Torch has an interrupt sent to
    # them, but on Linux alone, and a job in the background of a script ignores interrupts.
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_end_after, args=(parent.sentinel,), daemon=True).start()
    work(number, *arguments)
    # An interpreter that winds down beside that thread and those of torch aborts now and then, with all work done.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _end_after(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)
