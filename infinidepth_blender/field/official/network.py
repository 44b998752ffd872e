"""The published InfiniDepth networks: photo to a disparity that can be asked for at any coordinate.

A DINOv3 vision transformer and a small convolutional network make two feature maps; a query
interpolates both and a multilayer perceptron turns them into one number (arXiv 2601.03252 and
the released weights, which differ from the paper in that only the last tokens are used).
Parameter names are the official ones without their prefix `pipeline.`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..conv_encoder import CONV_CHANNELS, BasicEncoder
from ..network import IMAGE_MEAN, IMAGE_STD
from ..precision import computing_in
from ..vit import VisionTransformer
from .config import OfficialConfig
from .prompt_model import Prompt, PromptModel

HEAD_HIDDEN = (1024, 256, 32)
BORDER = 1e-6
"""Queries stay this far inside [-1, 1]."""


@dataclass(frozen=True)
class OfficialFeatures:
    """What the encoder knows of a batch of photos.

    Attributes:
        tokens: (B, width, H / 16, W / 16) map of the last tokens, after the prompts.
        conv: (B, 128, H / 4, W / 4) map of the convolutional branch.
        dino_tokens: (B, N, width) normalised last tokens before the prompts, row by row; what the
            Gaussian predictor takes.
    """

    tokens: Tensor
    conv: Tensor
    dino_tokens: Tensor


class HeadMlp(nn.Module):
    """Four linear layers, rectified between."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        widths = (inputs, *HEAD_HIDDEN, 1)
        steps: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            steps += [nn.Linear(before, after), nn.ReLU()]
        self.layers = nn.Sequential(*steps[:-1])

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) -> (..., 1)."""
        return self.layers(x)


class DepthImplicitHead(nn.Module):
    """Both maps, interpolated at a query, to one number."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.out_layer = HeadMlp(width + CONV_CHANNELS)

    @property
    def linear_layers(self) -> list[nn.Linear]:
        """The four layers."""
        return [layer for layer in self.out_layer.layers if isinstance(layer, nn.Linear)]

    def forward(self, tokens: Tensor, conv: Tensor, coords_yx: Tensor) -> Tensor:
        """(B, N) answers; see `OfficialDepthNetwork.decode`."""
        grid = coords_yx.clamp(-1 + BORDER, 1 - BORDER).flip(-1)[:, :, None]
        # Beyond the outermost cells there are zeros, so features fade towards the border: the weights were
        # trained with that. Coordinates need float32, whatever the network computes in.
        sampled = [
            F.grid_sample(level.to(grid.dtype), grid, mode="bilinear", padding_mode="zeros", align_corners=False)
            for level in (tokens, conv)
        ]
        features = torch.cat(sampled, dim=1)[..., 0].transpose(1, 2)
        raw = self.out_layer(features.to(next(self.out_layer.parameters()).dtype))
        return F.elu(raw[..., 0].to(grid.dtype))


class OfficialDepthNetwork(nn.Module):
    """Encoder and decoder. Its weights come from a file: build it on the meta device to save their making."""

    _mean: Tensor
    _std: Tensor

    def __init__(self, config: OfficialConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("_mean", torch.tensor(IMAGE_MEAN).reshape(1, 3, 1, 1))
        self.register_buffer("_std", torch.tensor(IMAGE_STD).reshape(1, 3, 1, 1))
        self.pretrained = VisionTransformer(config.vit)
        self.basic_encoder = BasicEncoder()
        self.depth_implicit_head = DepthImplicitHead(config.width)
        self.prompt_model = PromptModel(config.width) if config.prompted else None

    def encode(
        self, image: Tensor, prompt: Prompt | None = None, backbone_dtype: torch.dtype = torch.float32
    ) -> OfficialFeatures:
        """Feature maps of a batch.

        Args:
            image: (B, 3, H, W) sRGB in [0, 1]; H and W multiples of 16, at least 32.
            prompt: Measured depth, for a network that takes it; without it a prompted network
                answers as for a photo in which nothing was measured.
            backbone_dtype: What the matrix products of the vision transformer are computed in.

        Raises:
            ValueError: the size does not fit, or the network takes no prompt.
        """
        height, width = image.shape[-2:]
        patch_px = self.config.vit.patch_px
        if height % patch_px or width % patch_px or min(height, width) < 2 * patch_px:
            raise ValueError(
                f"sides must be multiples of {patch_px} and at least {2 * patch_px}, got {height} x {width}"
            )
        if prompt is not None and self.prompt_model is None:
            raise ValueError(f"a network with {self.config} takes no prompt")
        normalised = (image - self._mean) / self._std
        with computing_in(image.device, backbone_dtype):
            seen = self.pretrained(normalised.to(self.pretrained.cls_token.dtype), (self.config.vit.blocks - 1,))
        dino_tokens = seen.patches[0]
        tokens = dino_tokens
        if prompt is not None and self.prompt_model is not None:
            tokens = self.prompt_model(dino_tokens, seen.rows, seen.columns, prompt)
        conv = self.basic_encoder((2 * image - 1).to(self.basic_encoder.conv1.weight.dtype))
        return OfficialFeatures(tokens.transpose(1, 2).unflatten(2, (seen.rows, seen.columns)), conv, dino_tokens)

    def decode(self, features: OfficialFeatures, coords_yx: Tensor) -> Tensor:
        """Raw answers at queries, evaluated as they are written; differentiable by weights and queries.

        Args:
            features: Of `encode`.
            coords_yx: (B, N, 2) float32 in [-1, 1], order (y, x); beyond, the border answers.

        Returns:
            (B, N) disparity above -1: relative, or over the prompt's median.
        """
        return self.depth_implicit_head(features.tokens, features.conv, coords_yx)
