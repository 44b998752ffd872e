"""Which of the published networks a set of weights belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ..vit import VitConfig

EncoderName = Literal["vits16", "vits16plus", "vitb16", "vitl16", "vith16plus"]

_ROPE_RESCALE = 2.0
"""While training, each block scales its coordinates by up to this factor, either way."""

ENCODERS: Mapping[EncoderName, VitConfig] = {
    "vits16": VitConfig(width=384, blocks=12, heads=6, rope_rescale=_ROPE_RESCALE),
    "vits16plus": VitConfig(
        width=384, blocks=12, heads=6, feed_forward="swiglu", ratio=6.0, rope_rescale=_ROPE_RESCALE
    ),
    "vitb16": VitConfig(width=768, blocks=12, heads=12, rope_rescale=_ROPE_RESCALE),
    "vitl16": VitConfig(width=1024, blocks=24, heads=16, rope_rescale=_ROPE_RESCALE),
    "vith16plus": VitConfig(
        width=1280, blocks=32, heads=20, feed_forward="swiglu", ratio=6.0, rope_rescale=_ROPE_RESCALE
    ),
}


@dataclass(frozen=True)
class OfficialConfig:
    """Shape of a published depth network.

    Attributes:
        encoder: Size of the DINOv3 vision transformer.
        prompted: Whether it takes sparse metric depth beside the photo (InfiniDepth_DepthSensor).
    """

    encoder: EncoderName
    prompted: bool = False

    @property
    def vit(self) -> VitConfig:
        """Shape of the vision transformer."""
        return ENCODERS[self.encoder]

    @property
    def width(self) -> int:
        """Channels of a token."""
        return self.vit.width


def recognise(shapes: Mapping[str, tuple[int, ...]]) -> OfficialConfig | None:
    """Tells the network from the names and shapes of its weights.

    Args:
        shapes: Shape by bare name (without `pipeline.`).

    Returns:
        The network, or None if these are no weights of a published depth network. Whether
        all weights are there and fit is for the loader to check.
    """
    width = shapes.get("pretrained.cls_token", (0,))[-1:]
    prefix = "pretrained.blocks."
    blocks = len({name[len(prefix) :].partition(".")[0] for name in shapes if name.startswith(prefix)})
    feed_forward = "swiglu" if f"{prefix}0.mlp.w1.weight" in shapes else "mlp"
    has_head = "depth_implicit_head.out_layer.layers.0.weight" in shapes
    for encoder, vit in ENCODERS.items():
        if has_head and width == (vit.width,) and (blocks, feed_forward) == (vit.blocks, vit.feed_forward):
            return OfficialConfig(encoder, any(name.startswith("prompt_model.") for name in shapes))
    return None
