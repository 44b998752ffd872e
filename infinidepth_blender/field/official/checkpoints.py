"""Weights of the published networks, from the files in which people have them.

Lightning checkpoints (names begin with `pipeline.` or, for the Gaussian predictors,
`encoder.`) and safetensors files with bare names. What a file is, its content says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from ...errors import ModelError
from ..network import IMAGE_MEAN, IMAGE_STD
from ..tensor_files import COPY_AGAIN, check_tensors, read_tensors
from ..vit import RopeEmbed, key_bias_mask
from ..weights_files import FORMAT
from .config import ENCODERS, OfficialConfig, recognise
from .network import OfficialDepthNetwork

Kind = Literal["bundled", "depth", "gaussians"]

_ANCHORS: dict[Kind, str] = {
    "depth": "depth_implicit_head.out_layer.layers.0.weight",
    "gaussians": "gaussian_head.0.weight",
}
"""A name that every file of a kind has; what stands before it, all its names begin with."""


@dataclass(frozen=True)
class Checkpoint:
    """A file that holds a model.

    Attributes:
        path: The file.
        kind: What it holds: the network that comes with InfiniDepth or one that its trainer wrote, a
            published depth network, or a published Gaussian predictor.
        tensors: By bare name, mapped into memory, as they were stored, not yet checked.
        config: Shape of a published depth network.
    """

    path: Path
    kind: Kind
    tensors: Mapping[str, Tensor]
    config: OfficialConfig | None = None


def read_checkpoint(path: Path) -> Checkpoint:
    """Maps a model's file and tells what it is.

    Raises:
        ModelError: there is no such file, it is damaged, holds more than tensors or no known model.
    """
    file = read_tensors(path)
    if file.header.get("format") == FORMAT:
        return Checkpoint(path, "bundled", file.tensors)
    for kind, anchor in _ANCHORS.items():
        prefixes = [name.removesuffix(anchor) for name in file.tensors if name.endswith(anchor)]
        if not prefixes:
            continue
        # What a trainer keeps beside the network has no part in it.
        prefix = min(prefixes, key=len)
        tensors = {name[len(prefix) :]: value for name, value in file.tensors.items() if name.startswith(prefix)}
        if kind == "gaussians":
            return Checkpoint(path, kind, tensors)
        config = recognise({name: tuple(value.shape) for name, value in tensors.items()})
        if config is None:
            raise ModelError(
                f"{path} holds a depth network whose encoder is none of {', '.join(ENCODERS)}, or only a part of it.",
                COPY_AGAIN,
            )
        return Checkpoint(path, kind, tensors, config)
    raise ModelError(
        f"{path} holds the weights of another kind of model.",
        "Choose a file of an InfiniDepth depth model or Gaussian predictor.",
    )


def network_of(checkpoint: Checkpoint, dtype: torch.dtype | None = torch.float32) -> OfficialDepthNetwork:
    """The published depth network of a file, in evaluation mode, on the CPU.

    Args:
        checkpoint: Of `read_checkpoint`.
        dtype: Type of the weights. float32 is what processors compute in; bfloat16 is for those that
            have units for it, and for graphics cards. None keeps the file's own. Weights that have
            the type already stay where they are, mapped from the file. Constants of the
            network are float32 in any case.

    Raises:
        ModelError: the file holds another kind of model, or not all of the network.
    """
    if checkpoint.kind == "gaussians":
        raise ModelError(
            f"{checkpoint.path} holds a Gaussian predictor, not a depth model.",
            "Use it for --splats-model, and a depth model such as infinidepth.ckpt for --model.",
        )
    if checkpoint.config is None:
        raise ModelError(
            f"{checkpoint.path} holds no published depth model.", "Choose a depth model, such as infinidepth.ckpt."
        )
    with torch.device("meta"):
        network = OfficialDepthNetwork(checkpoint.config)
    expected = network.state_dict()
    tensors = dict(checkpoint.tensors)
    for name in expected.keys() - tensors.keys():
        constant = _constant(name, checkpoint.config)
        if constant is not None:
            tensors[name] = constant
    untrained = "pretrained.blocks.0.attn.qkv.bias_mask"
    if untrained in tensors and bool(tensors[untrained].isnan().any()):
        raise ModelError(
            f"{checkpoint.path} was saved from an encoder that never got its weights: its bias mask is not a number.",
            "Use a trained checkpoint.",
        )
    check_tensors(checkpoint.path, tensors, {name: tuple(value.shape) for name, value in expected.items()})
    constants = {name for name, _ in network.named_buffers() if not name.endswith("bias_mask")}
    converted = {
        name: value.to(torch.float32 if name in constants else dtype or value.dtype) for name, value in tensors.items()
    }
    network.load_state_dict(converted, strict=True, assign=True)
    return network.eval()


def _constant(name: str, config: OfficialConfig) -> Tensor | None:
    """What a buffer must hold that some files leave out, or None: a weight, or the prompts' random matrix."""
    vit = config.vit
    if name in ("_mean", "_std"):
        return torch.tensor(IMAGE_MEAN if name == "_mean" else IMAGE_STD).reshape(1, 3, 1, 1)
    if name.endswith(".rope_embed.periods"):
        return RopeEmbed(vit.head_width, vit.rope_base, vit.rope_rescale).periods
    if name.endswith(".bias_mask"):
        return key_bias_mask(vit.width)
    return None
