"""Several processes for one piece of work; they end with whoever started them, however that ended."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable
from multiprocessing import connection

from torch.multiprocessing.spawn import spawn


def spread(count: int, work: Callable[..., object], arguments: tuple) -> None:
    """Runs `work(number, *arguments)` in `count` new processes and waits for them.

    Raises:
        torch.multiprocessing.ProcessRaisedException: one of them failed; the others are ended.
    """
    spawn(_work, (work, arguments), nprocs=count)


def _work(number: int, work: Callable[..., object], arguments: tuple) -> None:
    # A killed parent ends nobody, and its trainers would go on writing into the same folder as the next run's.
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_end_after, args=(parent.sentinel,), daemon=True).start()
    work(number, *arguments)


def _end_after(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)
