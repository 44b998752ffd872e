"""Weights on disk: safetensors in half precision, with the network's shape in the header."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch.overrides import TorchFunctionMode

from ..errors import ModelError, OutputError
from ..hashing import sha256_of
from .network import InfiniDepthNetwork, NetworkConfig
from .tensor_files import COPY_AGAIN, check_tensors, read_tensors

FORMAT = "infinidepth-field"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class WeightsFile:
    """A network read from a file.

    Attributes:
        network: In evaluation mode, float32, on the CPU.
        sha256: Hash of the file.
        training: What the trainer wrote about itself.
    """

    network: InfiniDepthNetwork
    sha256: str
    training: dict[str, Any]


def save_weights(network: InfiniDepthNetwork, path: Path, metadata: dict[str, Any]) -> None:
    """Writes a network, all or nothing: parameters in float16, buffers in float32.

    Args:
        network: The network; it stays as it is.
        path: File to write, usually `*.safetensors`.
        metadata: JSON values about the training (steps, data, seed, scores).

    Raises:
        ModelError: a weight is not finite or too large for float16.
        OutputError: the file cannot be written.
    """
    parameters = {name for name, _ in network.named_parameters()}
    tensors = {}
    for name, value in network.state_dict().items():
        tensor = value.detach().cpu().to(torch.float16 if name in parameters else torch.float32).contiguous()
        if not bool(torch.isfinite(tensor).all()):
            raise ModelError(
                f"The weights '{name}' are not finite in half precision.", "Train again from a checkpoint."
            )
        tensors[name] = tensor
    header = {
        "format": FORMAT,
        "version": str(FORMAT_VERSION),
        "config": json.dumps(network.config.to_json()),
        "training": json.dumps(metadata),
    }
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, partial, metadata=header)
        partial.chmod(0o644)  # the library makes it readable for its owner alone
        partial.replace(path)
    except (OSError, SafetensorError) as error:
        raise OutputError(f"{path} cannot be written: {error}.") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def load_weights(path: Path) -> WeightsFile:
    """Reads a network that `save_weights` wrote. Nothing in the file can run code.

    Raises:
        ModelError: there is no such file, it is of another kind, too new or damaged.
    """
    file = read_tensors(path)
    network, training = _read_header(path, file.header)
    check_tensors(path, file.tensors, {name: tuple(value.shape) for name, value in network.state_dict().items()})
    # Copied also where they are float32: a file that stays mapped cannot be replaced on Windows.
    values = {name: tensor.to(torch.float32, copy=True) for name, tensor in file.tensors.items()}
    network.load_state_dict(values, assign=True)
    network.set_constants()
    return WeightsFile(network.eval(), sha256_of(path), training)


class _Unfilled(TorchFunctionMode):
    """Leaves out what fills new weights: on the meta device there is nothing to fill, and trying imports 800 modules."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """In-place functions return their tensor as it is; all others run."""
        kwargs = kwargs or {}
        name = func.__name__
        if name.endswith("_") and not name.startswith("_"):
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


def _read_header(path: Path, header: Mapping[str, str]) -> tuple[InfiniDepthNetwork, dict[str, Any]]:
    if header.get("format") != FORMAT:
        raise ModelError(
            f"{path} holds the weights of another kind of model.", "Choose a .safetensors file that InfiniDepth wrote."
        )
    if header.get("version") != str(FORMAT_VERSION):
        raise ModelError(
            f"{path} has format version {header.get('version')}, this InfiniDepth reads version {FORMAT_VERSION}.",
            "Update InfiniDepth.",
        )
    try:
        # Without memory until the tensors of the file are known to fit.
        with torch.device("meta"), _Unfilled():
            network = InfiniDepthNetwork(NetworkConfig.from_json(json.loads(header["config"])))
        return network, dict(json.loads(header["training"]))
    except (KeyError, TypeError, ValueError, ArithmeticError, RuntimeError) as error:
        raise ModelError(f"The header of {path} is damaged: {error}.", COPY_AGAIN) from error
