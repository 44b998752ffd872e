"""Numbers on their way to a device, without waiting for what it is doing."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def sent(values: NDArray[Any], device: torch.device) -> Tensor:
    """A copy on a device; floating numbers become float32.

    From memory that the system may move, torch waits until the card has done all before; from pinned memory it does not.
    """
    values = np.ascontiguousarray(values, np.float32 if np.issubdtype(values.dtype, np.floating) else None)
    tensor = torch.from_numpy(values)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


@lru_cache(maxsize=256)
def constant(values: tuple[Any, ...], device: torch.device) -> Tensor:
    """Numbers that never change, sent once."""
    return sent(np.array(values), device)
