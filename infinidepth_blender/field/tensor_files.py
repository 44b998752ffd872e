"""Files of named tensors, mapped into memory: safetensors and PyTorch checkpoints.

Nothing in a file can run code: a checkpoint is a pickle, of which only tensors and plain
containers are read.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ..errors import ModelError

COPY_AGAIN = "Copy or download the weights again."
_START_BYTES = 512
_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_LARGEST = torch.finfo(torch.float32).max
_ZIP = b"PK\x03\x04"


@dataclass(frozen=True)
class TensorFile:
    """What a file holds.

    Attributes:
        tensors: By name, on the CPU, as they were stored. They are read from the file when they are
            used, and take no memory that the system could not free again.
        header: Text values of a safetensors file's header.
    """

    tensors: Mapping[str, Tensor]
    header: Mapping[str, str]


def read_tensors(path: Path) -> TensorFile:
    """Maps a file of tensors, whose kind is told from its content.

    Of a checkpoint with an entry `state_dict`, that entry counts; what a trainer kept beside it (the
    optimizer's state) is never read.

    Raises:
        ModelError: there is no such file, it is of another kind, is damaged or holds more than tensors.
    """
    try:
        with path.open("rb") as file:
            start = file.read(_START_BYTES)
    except FileNotFoundError:
        raise ModelError(f"There is no model file {path}.", "Check the path, or use the bundled model.") from None
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}.") from error
    if start.startswith(_ZIP):
        return _read_checkpoint(path)
    # A safetensors file starts with the length of its JSON header, in eight bytes.
    if start[8:9] == b"{":
        return _read_safetensors(path)
    raise _foreign(path, start)


def check_tensors(path: Path, tensors: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Compares what a file holds with what a network needs.

    Args:
        path: The file, for messages.
        tensors: Its tensors by the network's names.
        shapes: What the network needs.

    Raises:
        ModelError: a tensor is missing, unknown, of another shape, no floating-point number or not finite.
    """
    if missing := sorted(shapes.keys() - tensors.keys()):
        raise ModelError(f"{path} lacks {len(missing)} weights, the first is '{missing[0]}'.", COPY_AGAIN)
    if surplus := sorted(tensors.keys() - shapes.keys()):
        raise ModelError(
            f"{path} has {len(surplus)} weights that the model does not know, the first is '{surplus[0]}'."
        )
    for name, tensor in tensors.items():
        if tuple(tensor.shape) != shapes[name]:
            raise ModelError(
                f"In {path} the weights '{name}' have shape {tuple(tensor.shape)}, expected {shapes[name]}."
            )
        if tensor.dtype not in _FLOATS or tensor.layout != torch.strided or tensor.device.type != "cpu":
            kind = f"{tensor.dtype}, {tensor.layout}, on {tensor.device}".replace("torch.", "")
            raise ModelError(
                f"In {path} the weights '{name}' are stored as {kind}, not as plain floating-point numbers."
            )
        # The smallest and largest are NaN where any value is; that takes one pass and no memory.
        # Networks compute in float32, where a larger number of float64 would be infinite.
        if not all(abs(float(limit)) <= _LARGEST for limit in torch.aminmax(tensor.detach())):
            raise ModelError(f"In {path} the weights '{name}' are not finite.", COPY_AGAIN)


def _read_safetensors(path: Path) -> TensorFile:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a dict)
            return TensorFile(tensors, file.metadata() or {})
    except (SafetensorError, OSError, KeyError, AttributeError) as error:
        raise ModelError(f"{path} is damaged or not a safetensors file: {error}.", COPY_AGAIN) from error


def _read_checkpoint(path: Path) -> TensorFile:
    if path.name.endswith(".safetensors"):
        # torch.load goes by the name.
        raise ModelError(f"{path} is a PyTorch checkpoint under the name of a safetensors file.", "Rename it to .ckpt.")
    damaged = ModelError(f"{path} is damaged or not a PyTorch checkpoint.", COPY_AGAIN)
    try:
        with zipfile.ZipFile(path) as archive:
            # Mapped tensors are read where they lie in the file.
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                raise ModelError(f"{path} was packed again with compression.", "Use the file as it was published.")
        content = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except ModelError:
        raise
    except pickle.UnpicklingError as error:
        wanted = re.search(r"GLOBAL (\S+)", str(error))
        if wanted is None:
            raise damaged from error
        raise ModelError(
            f"{path} holds more than weights ({wanted[1]}), which may run code when it is opened, and was refused.",
            "Use a file with nothing but weights, best in the safetensors format.",
        ) from error
    except Exception as error:
        # There is no end to what a damaged archive can make its readers raise.
        raise damaged from error
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    tensors = content.items() if isinstance(content, dict) else ()
    return TensorFile({str(name): value for name, value in tensors if isinstance(value, Tensor)}, {})


def _foreign(path: Path, start: bytes) -> ModelError:
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        return ModelError(
            f"{path} is a web page, neither a safetensors file nor a PyTorch checkpoint.",
            "The address led to a page instead of the file: download the file itself.",
        )
    if text.startswith(b"version https://git-lfs"):
        return ModelError(
            f"{path} only points at the weights: it was fetched by Git without its large files.",
            "Download the file itself, or run `git lfs pull` where it came from.",
        )
    if start[:1] == b"\x80":
        return ModelError(
            f"{path} is a pickle of an old kind, which may run code when it is opened, and was refused.",
            "Save it again with a PyTorch of today, or use a safetensors file.",
        )
    return ModelError(f"{path} is neither a safetensors file nor a PyTorch checkpoint.", "Choose a model's file.")
