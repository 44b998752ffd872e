"""A DINOv3-style vision transformer in plain torch.

Module and parameter names are those of Meta's DINOv3 checkpoints, so that official
weights load strictly. Differences of form, not of function: the patch embedding is a
matrix product over unfolded patches, with weights in the shape of the convolution.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NORM_EPS = 1e-5
SHORT_SEQUENCE = 512
"""Tokens up to which attention in half precision is computed in plain steps on a processor."""
MAX_WIDTH = 4096
"""Channels of any layer that a file may ask for: three times those of the largest published encoder."""
_MAX_BLOCKS = 64


@dataclass(frozen=True)
class VitConfig:
    """Shape of a vision transformer.

    Attributes:
        width: Channels of a token.
        blocks: Number of transformer blocks.
        heads: Attention heads; `width / heads` must be a multiple of 4.
        feed_forward: `mlp` (two layers, GELU) or `swiglu`.
        ratio: Hidden width of the feed-forward part over `width`.
        in_channels: Channels of the input image.
        patch_px: Side of a patch.
        storage_tokens: Extra tokens after the class token.
        rope_base: Largest period of the rotary position code, in units of half the image.
        rope_rescale: While training, every block scales the coordinates by a random factor,
            log-uniform in [1 / rope_rescale, rope_rescale]. 1 switches it off.
        layer_scale: Initial value of the layer scales.
    """

    width: int = 256
    blocks: int = 8
    heads: int = 4
    feed_forward: Literal["mlp", "swiglu"] = "mlp"
    ratio: float = 4.0
    in_channels: int = 3
    patch_px: int = 16
    storage_tokens: int = 4
    rope_base: float = 100.0
    rope_rescale: float = 1.0
    layer_scale: float = 1.0

    @property
    def head_width(self) -> int:
        """Channels of one attention head."""
        return self.width // self.heads

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> VitConfig:
        """Rebuilds a config from `dataclasses.asdict`.

        Raises:
            TypeError, ValueError: `data` is not a config, or one of no transformer that could be meant.
        """
        config = cls(**data)
        for name, least, most in (
            ("width", 4, MAX_WIDTH),
            ("blocks", 1, _MAX_BLOCKS),
            ("heads", 1, MAX_WIDTH),
            ("in_channels", 1, MAX_WIDTH),
            ("patch_px", 1, MAX_WIDTH),
            ("storage_tokens", 0, MAX_WIDTH),
        ):
            check_number(name, getattr(config, name), least, most)
        for name, most in (("ratio", 16), ("rope_base", 1e6), ("rope_rescale", 1e3)):
            check_number(name, getattr(config, name), 1e-3, most, kinds=(int, float))
        if config.width % config.heads or config.head_width % 4:
            raise ValueError(f"{config.heads} heads share {config.width} channels")
        if config.feed_forward not in ("mlp", "swiglu"):
            raise ValueError(f"feed_forward is {config.feed_forward!r}")
        return config


def check_number(name: str, value: Any, least: float, most: float, kinds: tuple[type[Any], ...] = (int,)) -> None:
    """Refuses a value of a config that is no number in its range.

    Raises:
        TypeError, ValueError: it is not one of the kinds, or out of range.
    """
    if type(value) not in kinds:
        raise TypeError(f"{name} is {value!r:.40}")
    if not least <= value <= most:
        raise ValueError(f"{name} is {value}, not between {least} and {most}")


class PatchEmbed(nn.Module):
    """Cuts the image into square patches and maps each to a token."""

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        self.patch_px = config.patch_px
        # Holds the weights under the official names; it is never run as a convolution.
        self.proj = nn.Conv2d(config.in_channels, config.width, config.patch_px, stride=config.patch_px)

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, H, W), sides multiples of the patch -> (B, h * w, width), row by row."""
        batch, channels, height, width = image.shape
        p = self.patch_px
        patches = image.reshape(batch, channels, height // p, p, width // p, p)
        patches = patches.permute(0, 2, 4, 1, 3, 5).reshape(batch, (height // p) * (width // p), channels * p * p)
        return F.linear(patches, self.proj.weight.flatten(1), self.proj.bias)


class RopeEmbed(nn.Module):
    """Rotary position code of patch centres, normalised to [-1, 1] per axis."""

    periods: Tensor

    def __init__(self, head_width: int, base: float, rescale: float) -> None:
        super().__init__()
        count = head_width // 4
        self.rescale = rescale
        # From a list: arithmetic on the meta device would import hundreds of modules, which takes seconds.
        self.register_buffer("periods", torch.tensor([base ** (index / count) for index in range(count)]))

    def forward(self, rows: int, columns: int) -> tuple[Tensor, Tensor]:
        """Sine and cosine, each (rows * columns, head_width), float32, for a grid of patches."""
        options = {"dtype": torch.float32, "device": self.periods.device}
        y = (torch.arange(rows, **options) + 0.5) / rows * 2 - 1
        x = (torch.arange(columns, **options) + 0.5) / columns * 2 - 1
        coords = torch.stack(torch.meshgrid(y, x, indexing="ij"), dim=-1).reshape(-1, 2)
        if self.training and self.rescale > 1:
            limit = math.log(self.rescale)
            coords = coords * torch.empty(1, **options).uniform_(-limit, limit).exp()
        angles = (2 * math.pi * coords[:, :, None] / self.periods.float()).flatten(1).tile(2)
        return angles.sin(), angles.cos()


def rotate(x: Tensor, sin: Tensor, cos: Tensor) -> Tensor:
    """Rotates the channel pairs (i, i + half) of (..., N, head_width) by (N, head_width) angles, in float32."""
    wide = x.float()
    first, second = wide.chunk(2, dim=-1)
    return (wide * cos + torch.cat([-second, first], dim=-1) * sin).to(x.dtype)


def key_bias_mask(width: int) -> Tensor:
    """(3 * width,) factors of the biases of query, key and value: 0 for the keys."""
    return torch.tensor([1.0, 0.0, 1.0]).repeat_interleave(width)


class MaskedKeyLinear(nn.Linear):
    """Query, key and value in one product; the mask takes the bias away from the keys."""

    bias_mask: Tensor

    def __init__(self, width: int) -> None:
        super().__init__(width, 3 * width)
        self.register_buffer("bias_mask", key_bias_mask(width))

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) -> (..., 3 * width), order query, key, value."""
        return F.linear(x, self.weight, self.bias * self.bias_mask)


class Attention(nn.Module):
    """Self-attention; the position code turns the patch tokens only."""

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.qkv = MaskedKeyLinear(config.width)
        self.proj = nn.Linear(config.width, config.width)

    def forward(self, x: Tensor, sin: Tensor, cos: Tensor) -> Tensor:
        """(B, N, width); `sin` and `cos` are (N, head_width) with the identity for prefix tokens."""
        batch, count, width = x.shape
        qkv = self.qkv(x).reshape(batch, count, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        out = _attend(rotate(q, sin, cos), rotate(k, sin, cos), v)
        return self.proj(out.transpose(1, 2).reshape(batch, count, width))


def _attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention of (B, heads, N, head_width) queries, keys and values."""
    if q.dtype == torch.bfloat16 and q.device.type == "cpu" and q.shape[-2] <= SHORT_SEQUENCE:
        # Torch's own kernel spends more time on packing few tokens than on multiplying them.
        return (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(dim=-1).to(v.dtype) @ v
    return F.scaled_dot_product_attention(q, k, v)


class Mlp(nn.Module):
    """Two layers with an exact GELU between them."""

    def __init__(self, width: int, ratio: float) -> None:
        super().__init__()
        hidden = int(ratio * width)
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) -> (..., width)."""
        return self.fc2(F.gelu(self.fc1(x)))


class SwiGlu(nn.Module):
    """Gated feed-forward part: w3(silu(w1 x) * w2 x)."""

    def __init__(self, width: int, ratio: float) -> None:
        super().__init__()
        hidden = int(ratio * width * 2 / 3)
        hidden += -hidden % 8
        self.w1 = nn.Linear(width, hidden)
        self.w2 = nn.Linear(width, hidden)
        self.w3 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) -> (..., width)."""
        return self.w3(F.silu(self.w1(x)) * self.w2(x))


class LayerScale(nn.Module):
    """One learned factor per channel."""

    def __init__(self, width: int, value: float) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((width,), value))

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) -> (..., width)."""
        return x * self.gamma


class Block(nn.Module):
    """Attention and feed-forward part, each normalised before and scaled after."""

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.width, eps=NORM_EPS)
        self.attn = Attention(config)
        self.ls1 = LayerScale(config.width, config.layer_scale)
        self.norm2 = nn.LayerNorm(config.width, eps=NORM_EPS)
        feed_forward = SwiGlu if config.feed_forward == "swiglu" else Mlp
        self.mlp = feed_forward(config.width, config.ratio)
        self.ls2 = LayerScale(config.width, config.layer_scale)

    def forward(self, x: Tensor, sin: Tensor, cos: Tensor) -> Tensor:
        """(B, N, width) -> (B, N, width)."""
        x = x + self.ls1(self.attn(self.norm1(x), sin, cos))
        return x + self.ls2(self.mlp(self.norm2(x)))


@dataclass(frozen=True)
class VitTokens:
    """Normalised tokens of the requested blocks.

    Attributes:
        patches: One (B, rows * columns, width) tensor per requested block.
        cls: (B, width) class token of the last block.
        rows, columns: Size of the grid of patches.
    """

    patches: list[Tensor]
    cls: Tensor
    rows: int
    columns: int


class VisionTransformer(nn.Module):
    """The encoder: an image to tokens of several depths."""

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        self.config = config
        self.cls_token = nn.Parameter(torch.zeros(1, 1, config.width))
        self.storage_tokens = nn.Parameter(torch.zeros(1, config.storage_tokens, config.width))
        # Part of every official file; depth estimation never masks a patch.
        self.mask_token = nn.Parameter(torch.zeros(1, config.width), requires_grad=False)
        self.patch_embed = PatchEmbed(config)
        self.rope_embed = RopeEmbed(config.head_width, config.rope_base, config.rope_rescale)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.blocks))
        self.norm = nn.LayerNorm(config.width, eps=NORM_EPS)

    def init_weights(self) -> None:
        """Random weights to train from: residual branches start small, so that deep stacks stay stable."""
        nn.init.normal_(self.cls_token, std=0.02)
        nn.init.normal_(self.storage_tokens, std=0.02)
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                std = module.weight[0].numel() ** -0.5
                if name.endswith(("attn.proj", "mlp.fc2", "mlp.w3")):
                    std *= (2 * self.config.blocks) ** -0.5
                nn.init.trunc_normal_(module.weight, std=std, a=-2 * std, b=2 * std)
                nn.init.zeros_(module.bias)  # pyright: ignore[reportArgumentType]

    def forward(self, image: Tensor, blocks: tuple[int, ...], hint: Tensor | None = None) -> VitTokens:
        """Runs the encoder.

        Args:
            image: (B, in_channels, H, W), normalised; H and W multiples of the patch.
            blocks: Indices of the blocks, rising, whose tokens are wanted.
            hint: (B, rows * columns, width) added to the embedded patches, row by row.

        Returns:
            Tokens after the final LayerNorm, which is applied to each requested block.
        """
        rows, columns = (side // self.config.patch_px for side in image.shape[-2:])
        batch = image.shape[0]
        prefix = [self.cls_token.expand(batch, -1, -1), self.storage_tokens.expand(batch, -1, -1)]
        embedded = self.patch_embed(image)
        x = torch.cat([*prefix, embedded if hint is None else embedded + hint], dim=1)
        prefix_count = 1 + self.config.storage_tokens
        code = None
        patches = []
        for index, block in enumerate(self.blocks):
            if code is None or (self.training and self.rope_embed.rescale > 1):
                code = self._rope(rows, columns, prefix_count)
            x = block(x, *code)
            if index in blocks:
                patches.append(self.norm(x[:, prefix_count:]))
        return VitTokens(patches, self.norm(x[:, 0]), rows, columns)

    def _rope(self, rows: int, columns: int, prefix_count: int) -> tuple[Tensor, Tensor]:
        sin, cos = self.rope_embed(rows, columns)
        return F.pad(sin, (0, 0, prefix_count, 0), value=0.0), F.pad(cos, (0, 0, prefix_count, 0), value=1.0)
