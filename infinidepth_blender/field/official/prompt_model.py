"""Sparse measured depth enters the photo's tokens (InfiniDepth_DepthSensor).

Every prompt point becomes a token of its own, and four transformer blocks let tokens of
patches and of prompts look at each other. Names are those of the official checkpoints.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..vit import Mlp

NORM_EPS = 1e-5
_BLOCKS = 4
_HEADS = 4
_EMBED_HIDDEN = 512


@dataclass(frozen=True)
class Prompt:
    """Measured depth as the network takes it; `OfficialModel` makes it.

    Attributes:
        disparity: (B, 1, H, W) disparity over its median, on a grid of any size that covers the photo.
        mask: (B, 1, H, W), positive or True where there is a measurement.
    """

    disparity: Tensor
    mask: Tensor


class PositionCode(nn.Module):
    """Random Fourier features of a position in the photo."""

    positional_encoding_gaussian_matrix: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("positional_encoding_gaussian_matrix", torch.randn(2, width // 2))

    def forward(self, points_xy: Tensor) -> Tensor:
        """(N, 2) positions (x, y) in [0, 1] -> (N, width) in float32: sines, then cosines."""
        frequencies = 2 * math.pi * self.positional_encoding_gaussian_matrix.float()
        angles = (2 * points_xy.float() - 1) @ frequencies
        return torch.cat([angles.sin(), angles.cos()], dim=-1)


class PromptAttention(nn.Module):
    """Self-attention whose queries and keys carry the position code and are normalised head by head."""

    def __init__(self, width: int) -> None:
        super().__init__()
        head_width = width // _HEADS
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, width)
        self.norm1 = nn.LayerNorm(head_width, eps=NORM_EPS)
        self.norm2 = nn.LayerNorm(head_width, eps=NORM_EPS)

    def forward(self, z: Tensor, code: Tensor) -> Tensor:
        """(L, width) tokens and their (L, width) position code -> (L, width)."""
        q, k, v = self.qkv(z).unflatten(-1, (3, _HEADS, -1)).unbind(1)
        code = code.unflatten(-1, (_HEADS, -1))
        q, k = self.norm1(q + code), self.norm2(k + code)
        heads = F.scaled_dot_product_attention(
            q.transpose(0, 1)[None], k.transpose(0, 1)[None], v.transpose(0, 1)[None]
        )
        return self.proj(heads[0].transpose(0, 1).flatten(1))


class PromptBlock(nn.Module):
    """One transformer block over patches, a learned separator and prompts."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.sep = nn.Parameter(torch.zeros(1, 1, width))
        self.sep_pe = nn.Parameter(torch.zeros(1, 1, width))
        self.norm1 = nn.LayerNorm(width, eps=NORM_EPS)
        self.attn = PromptAttention(width)
        self.norm2 = nn.LayerNorm(width, eps=NORM_EPS)
        self.mlp = Mlp(width, 4.0)

    def forward(self, patches: Tensor, prompts: Tensor, code: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """(N, width) patches and (M, width) prompts, with the position codes of each, to the same two."""
        z = torch.cat([patches, self.sep[0], prompts])
        z = z + self.attn(self.norm1(z), torch.cat([code[0], self.sep_pe[0], code[1]]))
        z = z + self.mlp(self.norm2(z))
        return z[: len(patches)], z[len(patches) + 1 :]


class PromptStack(nn.Module):
    """The prompt model of one level of tokens."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.pe_layer = PositionCode(width)
        self.prompt_blocks = nn.ModuleList(PromptBlock(width) for _ in range(_BLOCKS))
        self.depth2feature = nn.Sequential(nn.Linear(1, _EMBED_HIDDEN), nn.GELU(), nn.Linear(_EMBED_HIDDEN, width))

    def forward(self, patches: Tensor, rows: int, columns: int, disparity: Tensor, mask: Tensor) -> Tensor:
        """Lets the tokens of one photo see its prompts.

        Args:
            patches: (rows * columns, width), row by row.
            rows, columns: Size of the grid of patches.
            disparity, mask: (H, W), see `Prompt`.

        Returns:
            (rows * columns, width); `patches` itself where nothing was measured.
        """
        row, column = torch.nonzero(mask > 0, as_tuple=True)
        if len(row) == 0:
            return patches
        height, width = mask.shape
        dtype = next(self.depth2feature.parameters()).dtype
        points_xy = torch.stack([(column + 0.5) / width, (row + 0.5) / height], dim=-1)
        code = (self.pe_layer(_centres_xy(rows, columns, patches.device)).to(dtype), self.pe_layer(points_xy).to(dtype))
        prompts = self.depth2feature(disparity[row, column, None].to(dtype))
        answer = patches.to(dtype)
        for block in self.prompt_blocks:
            answer, prompts = block(answer, prompts, code)
        return answer.to(patches.dtype)


class PromptModel(nn.Module):
    """The prompt models of all levels that have one: the last."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.prompt_model = nn.ModuleList([PromptStack(width)])

    def forward(self, patches: Tensor, rows: int, columns: int, prompt: Prompt) -> Tensor:
        """(B, rows * columns, width) tokens to the same, photo by photo, as each has another number of prompts."""
        stack = self.prompt_model[0]
        photos = zip(patches, prompt.disparity[:, 0], prompt.mask[:, 0], strict=True)
        return torch.stack([stack(photo, rows, columns, disparity, mask) for photo, disparity, mask in photos])


def _centres_xy(rows: int, columns: int, device: torch.device) -> Tensor:
    """(rows * columns, 2) centres (x, y) of the patches in [0, 1], row by row."""
    y = (torch.arange(rows, device=device) + 0.5) / rows
    x = (torch.arange(columns, device=device) + 0.5) / columns
    return torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], dim=-1).flatten(0, 1)
