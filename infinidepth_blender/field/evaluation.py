"""Runs the queries of a field: in pieces, on all cores or a graphics card, and on when the card is full."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, Self, TypeVar

import torch
from torch import nn

from ..progress import OnFraction
from .device import free_cached_memory, is_out_of_memory
from .parallel import map_in_turn, map_on_cores

Item = TypeVar("Item")
Result = TypeVar("Result")
Notify = Callable[[str], None]

log_notice: Notify = logging.getLogger(__name__).warning

OUT_OF_MEMORY = "The graphics card has too little free memory: continuing on the processor."


class Movable(Protocol):
    """A decoder that lives on one device."""

    @property
    def device(self) -> torch.device:
        """Where it is."""
        ...

    def to(self, device: torch.device) -> Self:
        """The same on another device."""
        ...


D = TypeVar("D", bound=Movable)


class Evaluator(Generic[D]):
    """A decoder and how much it is asked at a time.

    On a graphics card that runs out of memory, smaller pieces are tried, then the processor
    takes over, with one notice.

    Attributes:
        decoder: On the device where queries run now.
        piece: Queries at a time.
        on_step: Called during long answers with the fraction done; may raise to stop them.
    """

    def __init__(self, decoder: D, piece_cpu: int, piece_card: int, smallest: int, notify: Notify = log_notice) -> None:
        self.decoder = decoder
        self.piece = piece_cpu if decoder.device.type == "cpu" else piece_card
        self.on_step: OnFraction | None = None
        self._piece_cpu, self._smallest = piece_cpu, smallest
        self._notify = notify

    def map(self, work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """`[work(item) for item in items]`, on the processor spread over its cores."""
        run = map_on_cores if self.decoder.device.type == "cpu" else map_in_turn
        return run(work, items, self.on_step)

    def run(self, work: Callable[[], Result]) -> Result:
        """Does the work, which reads `decoder` and `piece`, without gradients; again where memory was short."""
        while True:
            device = self.decoder.device
            try:
                with torch.no_grad():
                    return work()
            except RuntimeError as error:
                if device.type == "cpu" or not is_out_of_memory(error):
                    raise
            free_cached_memory(device)
            if self.piece > self._smallest:
                self.piece //= 2
            else:
                self._notify(OUT_OF_MEMORY)
                self.decoder = self.decoder.to(torch.device("cpu"))
                self.piece = self._piece_cpu


def or_on_processor(
    work: Callable[[], Result], device: torch.device, move: Callable[[], object], notify: Notify
) -> Result:
    """Does the work; where it does not fit onto a graphics card, does it on the processor, with a notice.

    Args:
        work: May fail for want of memory.
        device: Where it runs first.
        move: Takes all that the work reads to the processor.
        notify: Called with the notice.
    """
    try:
        return work()
    except RuntimeError as error:
        if device.type == "cpu" or not is_out_of_memory(error):
            raise
    # Not among the handlers: there the error would still hold what filled the card.
    notify(OUT_OF_MEMORY)
    move()
    free_cached_memory(device)
    return work()


def placed(network: nn.Module, device: torch.device, notify: Notify) -> torch.device:
    """Moves a network to a device; one that does not fit onto a graphics card stays on the processor, with a notice.

    Args:
        network: A network on the processor.
        device: Where it is wanted.
        notify: Called with the notice.

    Returns:
        Where it is.
    """
    place = device

    def move() -> None:
        nonlocal place
        place = torch.device("cpu")
        network.to(place)  # what had come onto the card already

    or_on_processor(lambda: network.to(place), device, move, notify)
    return place
