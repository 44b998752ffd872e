"""Where tensors live, and what to do when a graphics card has too little memory."""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Callable

import torch

from ..errors import ModelError

NO_KERNELS = "The graphics card does not work with the engine's PyTorch ({}): the processor is used instead."


def choose_device(name: str, notify: Callable[[str], None] | None = None) -> torch.device:
    """The device for `auto`, `cpu`, `cuda`, `cuda:1` or `mps`.

    Args:
        name: One of these; `auto` is a graphics card, if there is one that computes.
        notify: Called with a sentence about a card that does not.

    Raises:
        ModelError: this computer or this torch does not have the device.
    """
    has_mps = torch.backends.mps.is_available()
    if name == "auto":
        kind = "cuda" if torch.cuda.is_available() else "mps" if has_mps else "cpu"
        if problem := _problem(kind):
            if notify is not None:
                notify(NO_KERNELS.format(problem))
            return torch.device("cpu")
        return torch.device(kind)
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ModelError(f"Unknown device '{name}'.", "Use auto, cpu, cuda or mps.") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ModelError(
            "This engine cannot use CUDA: no NVIDIA card was found, or torch was built without CUDA.",
            "Use the device 'auto' or 'cpu'.",
        )
    if device.type == "mps" and not has_mps:
        raise ModelError("This computer has no Metal device (mps).", "Use the device 'auto' or 'cpu'.")
    if device.type not in ("cpu", "cuda", "mps"):
        raise ModelError(f"The device '{name}' is not supported.", "Use auto, cpu, cuda or mps.")
    return device


@functools.cache
def _problem(kind: str) -> str:
    """Why a graphics card cannot compute, in a few words; empty: it can.

    That a card is there does not tell: its driver may be broken, and PyTorch has no kernels for older and for the newest ones.
    """
    if kind == "cpu":
        return ""
    try:
        ones = torch.ones(8, 8, device=kind)
        (ones @ ones).sum().item()  # which waits for it
    # AssertionError: this torch was built without it.
    except (RuntimeError, AssertionError) as error:
        if is_out_of_memory(error):
            return ""  # it works, and is full at the moment
        logging.getLogger(__name__).warning("The graphics card does not work", exc_info=True)
        return (str(error).strip() or type(error).__name__).splitlines()[0]
    return ""


_FULL = (
    "out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "ALLOCATION_FAILED",
    # What cuBLAS says when there is no room for its own workspace.
    "CUBLAS_STATUS_NOT_INITIALIZED",
)
"""How torch and NVIDIA's libraries, which allocate memory themselves, say that a card is full."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that the graphics card's memory is full."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(words.lower() in text for words in _FULL)


def free_cached_memory(device: torch.device) -> None:
    """Gives unused memory of a graphics card back."""
    # A card that is too full to be used at all may fail at this, too; what is wrong was told before.
    with contextlib.suppress(RuntimeError):
        if device.type == "cuda":
            torch.cuda.empty_cache()
        elif device.type == "mps":
            torch.mps.empty_cache()


def free_cards() -> None:
    """Gives unused memory of all graphics cards back."""
    if torch.cuda.is_available():
        free_cached_memory(torch.device("cuda"))
    if torch.backends.mps.is_available():
        free_cached_memory(torch.device("mps"))
