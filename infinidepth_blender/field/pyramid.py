"""From tokens of several depths to a pyramid of feature maps, shallow and fine to deep and coarse.

Everything is a matrix product over channels-last maps: on CPUs that trains several times
faster than small convolutions, and gives the same function everywhere.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ImageStem(nn.Module):
    """Overlapping 7 x 7 windows of the image itself: the crisp detail that 16-pixel patches lose."""

    WINDOW = 7

    def __init__(self, half_channels: int, quarter_channels: int) -> None:
        super().__init__()
        self.window = nn.Linear(3 * self.WINDOW**2, half_channels)
        self.mix = nn.Linear(half_channels, half_channels)
        self.merge = nn.Linear(4 * half_channels, quarter_channels)
        for layer in (self.window, self.mix, self.merge):
            _init_for_relu(layer)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W), sides multiples of 4 -> channels-last maps at 1/2 and 1/4 of the size."""
        margin = self.WINDOW // 2
        padded = F.pad(image, (margin, margin - 1, margin, margin - 1), mode="replicate")
        # Channels last before unfolding, so that whole rows of a window are copied at once.
        pixels = padded.permute(0, 2, 3, 1).contiguous()
        windows = pixels.unfold(1, self.WINDOW, 2).unfold(2, self.WINDOW, 2).permute(0, 1, 2, 4, 5, 3)
        half = F.relu(self.window(windows.flatten(3)))
        half = F.relu(self.mix(half))
        return half, F.relu(self.merge(merge_2x2(half)))


class PromptStem(nn.Module):
    """Measured depth, drawn at half of the image's size, as corrections of the maps that `ImageStem` makes.

    It begins as no correction at all, so that a network trained without measurements can go on with them.
    """

    def __init__(self, in_channels: int, channels: int, half_channels: int, quarter_channels: int) -> None:
        super().__init__()
        self.window = nn.Linear(9 * in_channels, channels)
        self.mix = nn.Linear(9 * channels, channels)
        self.to_half = nn.Linear(channels, half_channels)
        self.to_quarter = nn.Linear(4 * channels, quarter_channels)
        for layer in (self.window, self.mix):
            _init_for_relu(layer)
        for layer in (self.to_half, self.to_quarter):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, prompt: Tensor) -> tuple[Tensor, Tensor]:
        """(B, in_channels, h, w), h and w even -> channels-last maps of this size and of half of it."""
        features = F.relu(self.window(neighbourhoods(prompt.permute(0, 2, 3, 1))))
        features = F.relu(self.mix(neighbourhoods(features)))
        given = prompt[:, -1:].amax(dim=(2, 3))[..., None, None]
        return self.to_half(features) * given, self.to_quarter(merge_2x2(features)) * given


class PatchContext(nn.Module):
    """From the map at 1/4 to one vector per patch, by overlapping windows.

    Added to the patch embedding it lets the transformer start from edges and corners,
    which a single matrix over raw pixels learns only from very many images.
    """

    def __init__(self, in_channels: int, channels: int, width: int) -> None:
        super().__init__()
        self.down = nn.Linear(4 * in_channels, channels)
        self.inner1 = nn.Linear(9 * channels, channels)
        self.inner2 = nn.Linear(9 * channels, channels)
        self.out = nn.Linear(4 * channels, width)
        for layer in (self.down, self.inner1, self.inner2):
            _init_for_relu(layer)
        nn.init.kaiming_normal_(self.out.weight, nonlinearity="linear")
        nn.init.zeros_(self.out.bias)

    def forward(self, quarter: Tensor) -> Tensor:
        """(B, H / 4, W / 4, in_channels) -> (B, H / 16 * W / 16, width), row by row."""
        eighth = F.relu(self.down(merge_2x2(quarter)))
        eighth = F.relu(self.inner1(neighbourhoods(eighth)))
        eighth = F.relu(self.inner2(neighbourhoods(eighth)))
        return self.out(merge_2x2(eighth)).flatten(1, 2)


class Reassemble(nn.Module):
    """Tokens to a finer map: a linear layer, a pixel shuffle, and a 3 x 3 blend over the seams."""

    def __init__(self, width: int, channels: int, factor: int) -> None:
        super().__init__()
        self.expand = nn.Linear(width, channels * factor * factor)
        self.factor = factor
        self.blend = nn.Linear(9 * channels, channels)
        for layer in (self.expand, self.blend):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
            nn.init.zeros_(layer.bias)

    def forward(self, tokens: Tensor, rows: int, columns: int, detail: Tensor | None = None) -> Tensor:
        """Makes one level of the pyramid.

        Args:
            tokens: (B, rows * columns, width) patch tokens, row by row.
            rows, columns: Grid of patches.
            detail: (B, rows * factor, columns * factor, channels) map to add before the blend.

        Returns:
            (B, rows * factor, columns * factor, channels).
        """
        batch, factor = tokens.shape[0], self.factor
        fine = self.expand(tokens).reshape(batch, rows, columns, factor, factor, -1)
        fine = fine.transpose(2, 3).reshape(batch, rows * factor, columns * factor, -1)
        fine = F.relu(fine if detail is None else fine + detail)
        return self.blend(neighbourhoods(fine))


def merge_2x2(features: Tensor) -> Tensor:
    """(B, h, w, C), h and w even -> (B, h / 2, w / 2, 4 C): four cells side by side in the channels."""
    batch, height, width, channels = features.shape
    return features.reshape(batch, height // 2, 2, width // 2, 2, channels).transpose(2, 3).flatten(3)


def neighbourhoods(features: Tensor) -> Tensor:
    """(B, h, w, C) -> (B, h, w, 9 C): every cell with its 3 x 3 neighbours, zero outside."""
    height, width = features.shape[1:3]
    padded = F.pad(features, (0, 0, 1, 1, 1, 1))
    shifted = [padded[:, row : row + height, column : column + width] for row in range(3) for column in range(3)]
    return torch.cat(shifted, dim=-1)


def _init_for_relu(layer: nn.Linear) -> None:
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)
