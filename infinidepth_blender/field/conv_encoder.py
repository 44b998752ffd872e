"""The convolutional branch of the published networks: fine features at a quarter of the size.

A small residual network with instance norms. Names are those of the official checkpoints
(`basic_encoder.*`); the norms have no weights, hence no names.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NORM_EPS = 1e-5
CONV_CHANNELS = 128
"""Channels of the result."""


def _instance_norm(x: Tensor) -> Tensor:
    """Per sample and channel: mean 0, variance 1 over the pixels."""
    # A layer norm over the pixels is the same, and quicker than torch's instance norm on a processor. A group
    # norm is quicker still, but loses four digits where the variance is small beside the mean.
    return F.layer_norm(x, x.shape[2:], eps=NORM_EPS)


def _norm_relu(x: Tensor) -> Tensor:
    return F.relu_(_instance_norm(x))


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut; the branch is rectified before the sum."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=stride)) if stride > 1 else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H / stride, W / stride), rounded up."""
        y = _norm_relu(self.conv2(_norm_relu(self.conv1(x))))
        shortcut = x if self.downsample is None else _instance_norm(self.downsample(x))
        return F.relu_(y + shortcut)


def _stage(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(ResidualBlock(inputs, outputs, stride), ResidualBlock(outputs, outputs, stride=1))


class BasicEncoder(nn.Module):
    """Four stages at 1/2 to 1/16 of the size, resized to 1/4 and mixed."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3)
        self.layer1 = _stage(64, 64, stride=1)
        self.layer2 = _stage(64, 96, stride=2)
        self.layer3 = _stage(96, 128, stride=2)
        self.layer4 = _stage(128, 128, stride=2)
        self.conv2 = nn.Conv2d(64 + 96 + 128 + 128, 2 * CONV_CHANNELS, 3, padding=1)
        self.conv3 = nn.Conv2d(2 * CONV_CHANNELS, CONV_CHANNELS, 1)

    def init_weights(self) -> None:
        """Random weights to train from: Kaiming's, by outputs, as the official training starts."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, image: Tensor) -> Tensor:
        """Features of an image.

        Args:
            image: (B, 3, H, W) in [-1, 1]; H and W more than 16.

        Returns:
            (B, 128, H // 4, W // 4).
        """
        size = (image.shape[-2] // 4, image.shape[-1] // 4)
        x = _norm_relu(self.conv1(image))
        stages = []
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
            stages.append(F.interpolate(x, size, mode="bilinear", align_corners=True))
        return self.conv3(_norm_relu(self.conv2(torch.cat(stages, dim=1))))
