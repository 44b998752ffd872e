"""How exactly a large encoder computes: in float32, or faster in 16 bits where the hardware has units for them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from ..options import Precision


def encoder_dtype(device: torch.device, precision: Precision) -> torch.dtype:
    """What an encoder's matrix products are computed in.

    Args:
        device: Where it runs.
        precision: `exact`: float32. `fast`: bfloat16, or float16 on cards older than that.
            `auto`: `fast` where it is faster, which is on NVIDIA cards and on processors with
            units for bfloat16 (AMX, AVX-512 BF16); elsewhere `exact`.
    """
    if precision == "exact":
        return torch.float32
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device) >= (8, 0) else torch.float16
    if device.type == "cpu" and (precision == "fast" or has_bfloat16_units()):
        return torch.bfloat16
    # Metal computes 16 and 32 bits at much the same speed.
    return torch.float16 if precision == "fast" else torch.float32


def has_bfloat16_units() -> bool:
    """Whether this computer's processor multiplies bfloat16 faster than float32."""
    # Torch has no public names for it; where these are gone, float32 is right everywhere.
    questions = (getattr(torch.cpu, name, None) for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"))
    return any(question is not None and question() for question in questions)


def computing_in(device: torch.device, dtype: torch.dtype) -> contextlib.AbstractContextManager[object]:
    """Matrix products in a dtype; sums, norms and everything else stay in float32."""
    if dtype == torch.float32:
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype)


@contextlib.contextmanager
def without_tf32() -> Iterator[None]:
    """Has NVIDIA cards compute float32 in float32.

    Torch lets them round the factors of convolutions to 11 significant bits (TensorFloat-32) unless it is told otherwise,
    and those of matrix products where an environment variable says so.
    """
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    try:
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before
