"""Several processes that train one network, each on batches of its own.

Every few steps they take the mean of their weights (local SGD, arXiv 1805.09767). Between two meetings nobody waits,
so that batches of unequal size, and cores of unequal speed, cost little.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

from .processes import spread

STEPS_APART = 8
"""Steps between two meetings."""


def rank() -> int:
    """Number of this process among those that train together; 0 alone."""
    return dist.get_rank() if dist.is_initialized() else 0


@torch.no_grad()
def meet(values: tuple[float, ...], weights: Iterable[Tensor]) -> tuple[float, ...]:
    """Gives every process the mean of all their weights, and the first one's values."""
    if not dist.is_initialized():
        return values
    said = torch.tensor(values, dtype=torch.float64)
    dist.broadcast(said, 0)
    weights = list(weights)
    flat = torch.cat([weight.flatten() for weight in weights])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for weight, mean in zip(weights, flat.split([weight.numel() for weight in weights]), strict=True):
        weight.copy_(mean.view_as(weight))
    return tuple(said.tolist())


def together(count: int, work: Callable[..., object], arguments: tuple) -> None:
    """Runs `work(*arguments)` in `count` processes that can `meet`; in this one if it is alone."""
    if count == 1:
        work(*arguments)
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    spread(count, _join, (count, port, work, arguments))


def apart(count: int, work: Callable[..., object], arguments: tuple) -> None:
    """As `together`, in another process also if it is alone."""
    if count == 1:
        spread(1, _alone, (work, arguments))
    else:
        together(count, work, arguments)


def _alone(_: int, work: Callable[..., object], arguments: tuple) -> None:
    work(*arguments)


def _join(number: int, count: int, port: int, work: Callable[..., object], arguments: tuple) -> None:
    dist.init_process_group("gloo", f"tcp://127.0.0.1:{port}", timedelta(minutes=30), count, number)
    try:
        work(*arguments)
    finally:
        dist.destroy_process_group()
