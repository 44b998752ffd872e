"""From tokens of several depths to a pyramid of feature maps, shallow and fine to deep and coarse.

Everything is a matrix product over channels-last maps, which old processors multiply faster than small convolutions.
In mixed precision the same layers run as convolutions: there the products cost little, and copying windows the most.
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

    def forward(self, image: Tensor, correction: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W), sides multiples of 4 -> channels-last maps at 1/2 and 1/4 of the size.

        Args:
            image: Normalised colours.
            correction: Is added to the finer map.
        """
        half = F.relu(_over_pixels(image, self.window, self.WINDOW))
        half = F.relu(self.mix(half))
        if correction is not None:
            half = half + correction
        return half, F.relu(self.merge(merge_2x2(half)))


class DetailStem(nn.Module):
    """The finest level, from an image twice as large as the transformer's, and what it adds to the next one.

    It begins as no correction at all, so that a network trained without it can go on with it.
    """

    WINDOW = 7

    def __init__(self, channels: int, half_channels: int) -> None:
        super().__init__()
        self.window = nn.Linear(3 * self.WINDOW**2, channels)
        self.mix = nn.Linear(9 * channels, channels)
        self.to_half = nn.Linear(4 * channels, half_channels, bias=False)
        for layer in (self.window, self.mix):
            _init_for_relu(layer)
        nn.init.zeros_(self.to_half.weight)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, 2 H, 2 W), H and W even -> channels-last maps (B, H, W, channels) and (B, H / 2, W / 2, half_channels)."""
        detail = F.relu(_over_pixels(image, self.window, self.WINDOW))
        detail = F.relu(over_neighbours(detail, self.mix))
        return detail, self.to_half(merge_2x2(detail))


class PromptStem(nn.Module):
    """Measured depth, drawn at half of the transformer's image's size, as corrections of the maps that `ImageStem` makes.

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
        features = F.relu(over_neighbours(prompt.permute(0, 2, 3, 1), self.window))
        features = F.relu(over_neighbours(features, self.mix))
        given = prompt[:, -1:].amax(dim=(2, 3))[..., None, None].to(features.dtype)
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
        eighth = F.relu(over_neighbours(eighth, self.inner1))
        eighth = F.relu(over_neighbours(eighth, self.inner2))
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
        return over_neighbours(fine, self.blend)


def merge_2x2(features: Tensor) -> Tensor:
    """(B, h, w, C), h and w even -> (B, h / 2, w / 2, 4 C): four cells side by side in the channels."""
    batch, height, width, channels = features.shape
    return features.reshape(batch, height // 2, 2, width // 2, 2, channels).transpose(2, 3).flatten(3)


def over_neighbours(features: Tensor, layer: nn.Linear) -> Tensor:
    """(B, h, w, C) -> (B, h, w, D): a (9 C -> D) layer over every cell and its 3 x 3 neighbours, zero outside."""
    if _as_convolution(features):
        return _convolved(features, layer, 3, stride=1, padding=1)
    height, width = features.shape[1:3]
    padded = F.pad(features, (0, 0, 1, 1, 1, 1))
    shifted = [padded[:, row : row + height, column : column + width] for row in range(3) for column in range(3)]
    return layer(torch.cat(shifted, dim=-1))


def over_windows(features: Tensor, layer: nn.Linear, side: int, stride: int) -> Tensor:
    """(B, H, W, C) -> (B, h, w, D): a (side * side * C -> D) layer over all square windows that lie inside."""
    if _as_convolution(features):
        return _convolved(features, layer, side, stride, padding=0)
    windows = features.unfold(1, side, stride).unfold(2, side, stride).permute(0, 1, 2, 4, 5, 3)
    return layer(windows.flatten(3))


def _over_pixels(image: Tensor, layer: nn.Linear, side: int) -> Tensor:
    """(B, C, H, W) -> (B, H / 2, W / 2, D): a layer over windows around every second pixel, repeated at the border."""
    margin = side // 2
    padded = F.pad(image, (margin, margin - 1, margin, margin - 1), mode="replicate")
    # Channels last before unfolding, so that whole rows of a window are copied at once.
    return over_windows(padded.permute(0, 2, 3, 1).contiguous(), layer, side, 2)


def _as_convolution(features: Tensor) -> bool:
    return torch.is_autocast_enabled(features.device.type)


def _convolved(features: Tensor, layer: nn.Linear, side: int, stride: int, padding: int) -> Tensor:
    weight = layer.weight.unflatten(1, (side, side, -1)).permute(0, 3, 1, 2)
    answer = F.conv2d(features.permute(0, 3, 1, 2), weight, layer.bias, stride, padding)
    return answer.permute(0, 2, 3, 1)


def _init_for_relu(layer: nn.Linear) -> None:
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)
