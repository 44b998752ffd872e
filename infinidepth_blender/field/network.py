"""The bundled network: photo to a depth that can be asked for at any coordinate.

Structure after InfiniDepth (arXiv 2601.03252): a vision transformer, features of
several of its blocks reassembled into a pyramid, a bilinear query at each level and a
gated fusion from shallow to deep. On top of the paper: the image itself as the finest
level, twice as fine as the transformer sees it, the position as input, two surfaces at
every query, a sky logit, where up is for every patch, and global heads for the camera.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .decoder import ImplicitDecoder
from .perspective import CHANNELS as PERSPECTIVE_CHANNELS
from .perspective import MOMENTS, moments
from .prompt_map import CHANNELS as PROMPT_CHANNELS
from .pyramid import DetailStem, ImageStem, PatchContext, PromptStem, Reassemble
from .surfaces import seen_surface
from .vit import MAX_WIDTH, VisionTransformer, VitConfig, check_number

IMAGE_MEAN = (0.485, 0.456, 0.406)
IMAGE_STD = (0.229, 0.224, 0.225)
TYPICAL_LOG_FOCAL = math.log(28 / 43.27)
"""Logarithm of a 28 mm lens over the diagonal of a full frame."""
IN_CHANNELS, PATCH_PX = 5, 16
"""Of the transformer: colours and position; four times the size of the level at 1/4."""

_LEAST = {
    "context_channels": 1,
    "expansion": 1,
    "head_hidden": 1,
    "globals_hidden": 1,
    "tokens": 1,
    "prompt_channels": 0,
    "detail_channels": 0,
}


@dataclass(frozen=True)
class NetworkConfig:
    """Everything that the shape of the network depends on.

    Attributes:
        vit: The encoder; it sees RGB and two position channels.
        blocks: Blocks whose tokens make the levels at 1/4, 1/8 and, the rest, 1/16 of the size of the transformer's image.
        channels: Channels of the levels at 1/2, 1/4, 1/8 and 1/16.
        context_channels: Channels of the convolutions between the level at 1/4 and the patches.
        expansion: Hidden width of the fusion steps over their channels.
        head_hidden: Hidden width of the decoder's head.
        globals_hidden: Hidden width of the global heads.
        tokens: Number of patches that a photo is cut into.
        prompt_channels: Hidden channels of the layers that read measured depth; 0: it reads none.
        perspective: Whether every patch tells its height above the horizon and where up is (`perspective`), and the
            global heads read how these change over the image.
        two_surfaces: Whether every query tells a nearer and a farther surface and which of them is seen (`surfaces`).
        detail_channels: Channels of a level at 1/1, read from an image twice as large as the transformer's; 0: there is
            none, and the image is the transformer's own.
    """

    vit: VitConfig = field(default_factory=lambda: VitConfig(width=192, blocks=6, heads=3, in_channels=IN_CHANNELS))
    blocks: tuple[int, ...] = (1, 3, 4, 5)
    channels: tuple[int, int, int, int] = (16, 32, 64, 96)
    context_channels: int = 96
    expansion: int = 1
    head_hidden: int = 64
    globals_hidden: int = 128
    tokens: int = 108
    prompt_channels: int = 0
    perspective: bool = False
    two_surfaces: bool = False
    detail_channels: int = 0

    @property
    def input_patch_px(self) -> int:
        """Side of a patch in pixels of the image that the network takes."""
        return self.vit.patch_px * (2 if self.detail_channels else 1)

    def to_json(self) -> dict[str, Any]:
        """Plain values; `from_json` is the inverse."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> NetworkConfig:
        """Rebuilds a config.

        Raises:
            KeyError, TypeError, ValueError: `data` is not a config.
        """
        values = dict(data)
        values["vit"] = VitConfig.from_json(values["vit"])
        values["blocks"] = tuple(int(index) for index in values["blocks"])
        values["channels"] = tuple(int(count) for count in values["channels"])
        config = cls(**values)
        config._check()
        return config

    def _check(self) -> None:
        """Refuses shapes that no network has: a file may say anything, and memory is taken for what it says."""
        if (self.vit.in_channels, self.vit.patch_px) != (IN_CHANNELS, PATCH_PX):
            raise ValueError(f"an encoder of {self.vit.in_channels} channels and patches of {self.vit.patch_px} pixels")
        if len(self.channels) != 4 or not 3 <= len(self.blocks) <= self.vit.blocks:
            raise ValueError(f"{len(self.channels)} levels of {len(self.blocks)} blocks")
        if list(self.blocks) != sorted({*self.blocks}) or not 0 <= self.blocks[0] <= self.blocks[-1] < self.vit.blocks:
            raise ValueError(f"the blocks {self.blocks}")
        for channels in self.channels:
            check_number("channels", channels, 1, MAX_WIDTH)
        for name, least in _LEAST.items():
            check_number(name, getattr(self, name), least, MAX_WIDTH)


@dataclass(frozen=True)
class Features:
    """What the encoder knows of a batch of images.

    Attributes:
        levels: Feature maps (B, C_k, h_k, w_k) at (1/1,) 1/2, 1/4, 1/8 and 1/16 of the size that the transformer sees.
        summary: (B, 2 * width + 1) class token, mean of the patch tokens, log aspect ratio.
        perspective: (B, rows * columns, 3) the patches' answers as `perspective_field` defines them; None of a
            network without them.
        rows, columns: Grid of patches.
    """

    levels: tuple[Tensor, ...]
    summary: Tensor
    perspective: Tensor | None
    rows: int
    columns: int


@dataclass(frozen=True)
class Decoded:
    """Answers at the queried coordinates.

    Attributes:
        t: (B, N) normalised log depth: 0 and 1 are the 2 % and 98 % quantiles of log depth.
        sky_logit: (B, N) logit of the probability of sky.
        sides: Of a network with two surfaces (B, N, 3): what `t` was chosen from, as `seen_surface` takes it.
    """

    t: Tensor
    sky_logit: Tensor
    sides: Tensor | None = None


@dataclass(frozen=True)
class Globals:
    """Estimates for the image as a whole.

    Attributes:
        log_focal: (B,) logarithm of the focal length over the image's diagonal, both in
            pixels: a measure that means the same for every aspect ratio.
        log_depth_range: (B,) positive; 98 % minus 2 % quantile of log depth, so that depth is
            `exp(log_depth_range * t)` up to scale.
        sin_pitch: (B,) sine of the camera's upward tilt, in (-1, 1).
        roll_rad: (B,) roll of the camera, clockwise as seen from behind it.
    """

    log_focal: Tensor
    log_depth_range: Tensor
    sin_pitch: Tensor
    roll_rad: Tensor


class InfiniDepthNetwork(nn.Module):
    """Encoder and decoder of the bundled model; start from random weights, then load or train."""

    image_mean: Tensor
    image_std: Tensor

    def __init__(self, config: NetworkConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or NetworkConfig()
        half, quarter, eighth, sixteenth = config.channels
        width = config.vit.width
        self.set_constants()
        self.pretrained = VisionTransformer(config.vit)
        self.pretrained.init_weights()
        self.stem = ImageStem(half, quarter)
        if config.detail_channels:
            self.detail = DetailStem(config.detail_channels, half)
        if config.prompt_channels:
            self.prompt = PromptStem(PROMPT_CHANNELS, config.prompt_channels, half, quarter)
        self.context = PatchContext(quarter, config.context_channels, width)
        self.quarter = Reassemble(width, quarter, 4)
        self.eighth = Reassemble(width, eighth, 2)
        self.sixteenth = nn.Linear(width * (len(config.blocks) - 2), sixteenth)
        self.decoder = ImplicitDecoder(
            config.channels, config.expansion, config.head_hidden, config.two_surfaces, config.detail_channels
        )
        self.globals_hidden = nn.Linear(2 * width + 1, config.globals_hidden)
        self.globals_out = nn.Linear(config.globals_hidden, 4)
        if config.perspective:
            self.perspective = nn.Linear(width, PERSPECTIVE_CHANNELS)
            # No correction at first, so that a network trained without it can go on.
            self.globals_moments = nn.Linear(MOMENTS, config.globals_hidden, bias=False)
            nn.init.zeros_(self.globals_moments.weight)
        nn.init.normal_(self.globals_out.weight, std=0.01)
        self.globals_out.bias.data.copy_(torch.tensor([0.0, math.log(2.0), 0.0, 0.0]))

    def set_constants(self) -> None:
        """Makes what no file holds; once more for a network that was built on the meta device."""
        self.register_buffer("image_mean", torch.tensor(IMAGE_MEAN).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("image_std", torch.tensor(IMAGE_STD).reshape(1, 3, 1, 1), persistent=False)

    def encode(self, image: Tensor, prompt: Tensor | None = None) -> Features:
        """Feature pyramid of a batch.

        Args:
            image: (B, 3, H, W) sRGB in [0, 1]; H and W multiples of `NetworkConfig.input_patch_px`.
            prompt: (B, 4, h, w) measured depth as `prompt_map` draws it, `CELLS_PER_PATCH` a side of every patch, all 0
                for images without; only for a network with `prompt_channels`.
        """
        image = (image - self.image_mean) / self.image_std
        finest: tuple[Tensor, ...] = ()
        correction = None
        if self.config.detail_channels:
            detail, correction = self.detail(image)
            finest = (detail,)
            image = F.avg_pool2d(image, 2)
        half, quarter = self.stem(image, correction)
        if prompt is not None:
            half_change, quarter_change = self.prompt(prompt)
            half, quarter = half + half_change, quarter + quarter_change
        seen = torch.cat([image, _positions(image)], dim=1)
        tokens = self.pretrained(seen, self.config.blocks, self.context(quarter))
        rows, columns = tokens.rows, tokens.columns
        fine, middle, *deep = tokens.patches
        maps = (
            *finest,
            half,
            self.quarter(fine, rows, columns, quarter),
            self.eighth(middle, rows, columns),
            self.sixteenth(torch.cat(deep, dim=-1)).unflatten(1, (rows, columns)),
        )
        levels = tuple(level.permute(0, 3, 1, 2) for level in maps)
        aspect = torch.full((len(image), 1), math.log(columns / rows), dtype=image.dtype, device=image.device)
        last = tokens.patches[-1]
        summary = torch.cat([tokens.cls, last.mean(dim=1), aspect], dim=1)
        perspective = self.perspective(last) if self.config.perspective else None
        return Features(levels, summary, perspective, rows, columns)

    def decode(self, features: Features, coords_yx: Tensor) -> Decoded:
        """Answers (B, N, 2) queries in [-1, 1], order (y, x)."""
        answers = self.decoder(features.levels, coords_yx)
        if not self.config.two_surfaces:
            return Decoded(*answers.unbind(dim=-1))
        near, sky_logit, gap, choice = answers.unbind(dim=-1)
        return Decoded(seen_surface(near, gap, choice), sky_logit, torch.stack([near, gap, choice], dim=-1))

    def globals(self, features: Features) -> Globals:
        """Estimates for each image as a whole."""
        hidden = self.globals_hidden(features.summary)
        if features.perspective is not None:
            hidden = hidden + self.globals_moments(moments(features.perspective, features.rows, features.columns))
        focal, depth_range, pitch, roll = self.globals_out(F.gelu(hidden)).unbind(-1)
        return Globals(TYPICAL_LOG_FOCAL + focal, depth_range.exp(), pitch.tanh(), roll)


def _positions(image: Tensor) -> Tensor:
    """(B, 2, H, W) position (y, x) of every pixel from the middle, in half diagonals."""
    batch, _, height, width = image.shape
    diagonal = math.hypot(height, width)
    options = {"dtype": image.dtype, "device": image.device}
    y = (torch.arange(height, **options) * 2 + 1 - height) / diagonal
    x = (torch.arange(width, **options) * 2 + 1 - width) / diagonal
    return torch.stack(torch.meshgrid(y, x, indexing="ij")).expand(batch, -1, -1, -1)
