"""Averaged weights in small files, which are easy to move from machine to machine."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

PIECE_BYTES = 16 * 2**20


def save_pieces(tensors: dict[str, Tensor], folder: Path, info: dict) -> None:
    """float16 copies of all tensors in files of at most 16 MiB, and a list of them."""
    pieces: list[dict[str, Tensor]] = [{}]
    used = 0
    for name, value in tensors.items():
        half = value.detach().cpu().half().contiguous()
        size = half.numel() * 2 + 256
        if used + size > PIECE_BYTES - 2**16 and pieces[-1]:
            pieces.append({})
            used = 0
        pieces[-1][name] = half
        used += size
    for k, piece in enumerate(pieces):
        partial = folder / f"average-{k:03d}.partial"
        save_file(piece, partial)
        partial.replace(folder / f"average-{k:03d}.safetensors")
    (folder / "average.json").write_text(json.dumps({**info, "pieces": len(pieces)}))


def load_pieces(folder: Path) -> tuple[dict[str, Tensor], dict] | None:
    """What `save_pieces` wrote, as float32; None if there is nothing."""
    try:
        info = json.loads((folder / "average.json").read_text())
    except FileNotFoundError:
        return None
    tensors: dict[str, Tensor] = {}
    for k in range(info["pieces"]):
        tensors.update(load_file(folder / f"average-{k:03d}.safetensors"))
    return {name: value.float() for name, value in tensors.items()}, info
