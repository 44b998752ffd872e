"""Many small independent pieces of work on all cores.

Torch by itself splits every single operation over the cores and waits for the slowest
one after each. For chains of small operations it is faster, and on a busy computer many
times faster, to give every core whole pieces and to run each piece on one core.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

from ..progress import OnFraction

Item = TypeVar("Item")
Result = TypeVar("Result")

_lock = threading.Lock()


def map_on_cores(
    work: Callable[[Item], Result], items: Sequence[Item], on_step: OnFraction | None = None
) -> list[Result]:
    """`[work(item) for item in items]` without gradients, spread over as many threads as torch may use.

    While it runs, torch's number of threads per operation is 1 in the whole process.

    Args:
        work: Called on any thread.
        items: What to work on.
        on_step: Called on this thread with the fraction done; when it raises, what has not begun is dropped.
    """
    inference = torch.is_inference_mode_enabled()

    def run(item: Item) -> Result:
        with torch.inference_mode(inference), torch.no_grad():  # the modes belong to the thread
            return work(item)

    threads = min(torch.get_num_threads(), len(items))
    if threads <= 1:
        return map_in_turn(run, items, on_step)
    with _lock:
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        pool = ThreadPoolExecutor(threads)
        try:
            return _collect(pool.map(run, items), len(items), on_step)
        finally:
            pool.shutdown(cancel_futures=True)
            torch.set_num_threads(before)


def map_in_turn(
    work: Callable[[Item], Result], items: Sequence[Item], on_step: OnFraction | None = None
) -> list[Result]:
    """`[work(item) for item in items]`, with `on_step` as above."""
    return _collect(map(work, items), len(items), on_step)


def _collect(results: Iterable[Result], count: int, on_step: OnFraction | None) -> list[Result]:
    collected: list[Result] = []
    for result in results:
        collected.append(result)
        if on_step:
            on_step(len(collected) / count)
    return collected
