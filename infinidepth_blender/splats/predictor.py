"""The official network that sees what each Gaussian is like: size, rotation, opacity and view-dependent colour.

Layers, names and formulas are those of the released InfiniDepth_GS checkpoints. Photo, depth
and the depth model's tokens go through small convolutions into 37 numbers for each pixel.

Two of the convolutions read, among others, 128 channels of tokens that were interpolated to 16
times their size. Interpolation is linear, so these parts of the convolutions are applied to
the tokens themselves and interpolated afterwards (`_TokenPart`): exact, and a third less work. The rest
runs in strips of rows, so that memory does not grow with the image. The engine imports this module.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import ModelError
from ..field.official.checkpoints import read_checkpoint
from ..field.parallel import map_in_turn, map_on_cores
from ..field.tensor_files import check_tensors
from ..progress import OnFraction
from .sh import SH_C0

PATCH = 16
OFFICIAL_TOKEN_WIDTH = 1024
"""Of ViT-L, which the released predictors were trained with."""
SH_COEFFICIENTS = 9
ATTRIBUTES = 35
"""Opacity, 3 scales, 4 numbers of the rotation, 9 coefficients for each of three colours."""
HALO_ROWS = 6
"""Rows above and below a strip that its result depends on: one for each 3 x 3 convolution in a chain."""
CPU_STRIP_PIXELS, GPU_STRIP_PIXELS = 1 << 16, 1 << 20

_RGB, _DEPTH, _TOKENS, _REG, _RAW = 64, 32, 128, 64, 37
_SCALE_SHIFT, _MIN_SCALE_M, _MAX_SCALE_M = -4.0, 1e-10, 5.0
_SH_DEGREE_GAIN = (1.0, 0.025, 0.00625)
"""Factor on the coefficients of each degree: 0.1 * 0.25^degree, and 1 for the constant."""
_TINY = 1e-8


@dataclass(frozen=True)
class SampledGaussians:
    """Attributes of N Gaussians.

    Attributes:
        opacities: (B, N) in [0, 1].
        scales_m: (B, N, 3) standard deviations, in the unit of the depth that the network was given.
        rotations: (B, N, 4) unit quaternions w, x, y, z.
        sh: (B, N, 9, 3) raw coefficients.
    """

    opacities: Tensor
    scales_m: Tensor
    rotations: Tensor
    sh: Tensor


@dataclass(frozen=True)
class GaussianMap:
    """What the network says about each pixel, activated.

    Attributes:
        offsets_px: (B, 2, H, W) shift (x, y) of the Gaussian from its pixel's centre.
        attributes: (B, 35, H, W): opacity, 3 scales, 4 of the rotation, 9 coefficients
            for each of red, green and blue.
    """

    offsets_px: Tensor
    attributes: Tensor

    def at(self, coords_yx: Tensor) -> SampledGaussians:
        """Attributes between the pixels, interpolated bilinearly; beyond the outermost pixel centres the border goes on.

        The official pipeline has zeros there, which makes the Gaussians on the border grey, thin and small.

        Args:
            coords_yx: (B, N, 2) coordinates in [-1, 1].
        """
        grid = coords_yx.flip(-1).unsqueeze(2)
        sampled = F.grid_sample(self.attributes, grid, mode="bilinear", padding_mode="border", align_corners=False)
        gaussians = _split(sampled[..., 0].mT)
        return SampledGaussians(
            gaussians.opacities, gaussians.scales_m, _normalised(gaussians.rotations, dim=-1), gaussians.sh
        )


class GaussianPredictor(nn.Module):
    """Photo, depth and tokens to Gaussians; the state dictionary has the official names."""

    def __init__(self, token_width: int = OFFICIAL_TOKEN_WIDTH) -> None:
        """Builds the network.

        Args:
            token_width: Width of the depth model's tokens.
        """
        super().__init__()
        self.token_width = token_width
        self.rgb_encoder = nn.Sequential(_conv(3, 32), nn.GELU(), _conv(32, _RGB), nn.GELU())
        self.depth_encoder = nn.Sequential(_conv(1, 16), nn.GELU(), _conv(16, _DEPTH), nn.GELU())
        self.dino_projector = nn.Sequential(nn.Conv2d(token_width, 256, 1), nn.GELU(), nn.Conv2d(256, _TOKENS, 1))
        self.gaussian_regressor = nn.Sequential(_conv(_RGB + _DEPTH + _TOKENS, _REG), nn.GELU(), _conv(_REG, _REG))
        self.gaussian_head = nn.Sequential(
            _conv(_REG + _RGB + _TOKENS, _RAW, "replicate"), nn.GELU(), _conv(_RAW, _RAW, "replicate")
        )

    @torch.no_grad()
    def forward(
        self,
        image: Tensor,
        depth_m: Tensor,
        dino_tokens: Tensor,
        *,
        strip_rows: int | None = None,
        on_step: OnFraction | None = None,
    ) -> GaussianMap:
        """Looks at a photo.

        Args:
            image: (B, 3, H, W) sRGB in [0, 1]; both sides are multiples of 16.
            depth_m: (B, 1, H, W) distance along the optical axis, metres.
            dino_tokens: (B, n, C) normalised patch tokens of the depth model, row by row. Of
                more than (H / 16) (W / 16) the last ones count.
            strip_rows: Rows computed at a time; None: what suits the device.
            on_step: See `OnFraction`.

        Raises:
            ValueError: the shapes do not fit together.
        """
        height, width = image.shape[2:]
        tokens = self._project(dino_tokens, height, width)
        regressor, head = _first(self.gaussian_regressor), _first(self.gaussian_head)
        to_regressor = _TokenPart(regressor.weight[:, -_TOKENS:], tokens, height, width, "zeros")
        to_head = _TokenPart(head.weight[:, -_TOKENS:], tokens, height, width, "replicate")
        on_cpu = image.device.type == "cpu"
        rows = strip_rows or max(1, (CPU_STRIP_PIXELS if on_cpu else GPU_STRIP_PIXELS) // width)

        activated = image.new_empty(len(image), 2 + ATTRIBUTES, height, width)

        def strip(top: int) -> None:
            bottom = min(top + rows, height)
            first, last = max(0, top - HALO_ROWS), min(height, bottom + HALO_ROWS)
            raw = self._raw(
                image[:, :, first:last], depth_m[:, :, first:last], to_regressor(first, last), to_head(first, last)
            )
            activated[:, :, top:bottom] = _activated(raw[:, :, top - first : bottom - first], image[:, :, top:bottom])

        (map_on_cores if on_cpu else map_in_turn)(strip, range(0, height, rows), on_step)
        return GaussianMap(activated[:, :2], activated[:, 2:])

    def _project(self, dino_tokens: Tensor, height: int, width: int) -> Tensor:
        """(B, 128, H / 16, W / 16) tokens after their own layers."""
        rows, columns = height // PATCH, width // PATCH
        batch, count, channels = dino_tokens.shape
        if height % PATCH or width % PATCH or count < rows * columns or channels != self.token_width:
            raise ValueError(
                f"{count} tokens of width {channels} do not fit an image of {height} x {width} pixels and a "
                f"predictor for width {self.token_width}"
            )
        grid = dino_tokens[:, -rows * columns :].mT.reshape(batch, channels, rows, columns)
        return self.dino_projector(grid)

    def _raw(self, image: Tensor, depth_m: Tensor, token_regressor: Tensor, token_head: Tensor) -> Tensor:
        """(B, 37, h, W) raw output of some rows; right but for `HALO_ROWS` at edges inside the image."""
        regressor, head = _first(self.gaussian_regressor), _first(self.gaussian_head)
        rgb = self.rgb_encoder(image)
        seen = torch.cat([rgb, self.depth_encoder(depth_m)], dim=1)
        hidden = F.conv2d(seen, regressor.weight[:, :-_TOKENS], regressor.bias, padding=1) + token_regressor
        reg = self.gaussian_regressor[2](F.gelu(hidden))
        around = F.pad(torch.cat([reg, rgb], dim=1), (1, 1, 1, 1), mode="replicate")
        hidden = F.conv2d(around, head.weight[:, :-_TOKENS], head.bias) + token_head
        return self.gaussian_head[2](F.gelu(hidden))


def load_predictor(path: Path) -> GaussianPredictor:
    """Loads a published Gaussian predictor, in evaluation mode, on the CPU.

    Args:
        path: A `.ckpt` or `.safetensors` file, with or without the names' prefix `encoder.`.

    Raises:
        ModelError: there is no such file, it holds something else, or a weight is missing or does not fit.
    """
    checkpoint = read_checkpoint(path)
    if checkpoint.kind != "gaussians":
        raise ModelError(
            f"{path} holds a depth model, not a Gaussian predictor.",
            "Use it for --model, and a Gaussian predictor such as infinidepth_gs.ckpt for --splats-model.",
        )
    projector = checkpoint.tensors.get("dino_projector.0.weight")
    width = projector.shape[1] if projector is not None and projector.ndim == 4 else OFFICIAL_TOKEN_WIDTH
    with torch.device("meta"):
        predictor = GaussianPredictor(width)
    shapes = {name: tuple(value.shape) for name, value in predictor.state_dict().items()}
    check_tensors(path, checkpoint.tensors, shapes)
    predictor.load_state_dict({name: checkpoint.tensors[name].float() for name in shapes}, assign=True)
    return predictor.requires_grad_(False).eval()


class _TokenPart:
    """What a 3 x 3 convolution of interpolated tokens adds, for any rows of the image.

    A step of the kernel is a shift of the interpolated map, and so another interpolation of
    the map itself: the sum over the kernel's columns is one matrix product from token columns to
    image columns, that over its rows one from token rows to image rows.
    """

    def __init__(
        self, weight: Tensor, tokens: Tensor, height: int, width: int, padding: Literal["zeros", "replicate"]
    ) -> None:
        batch, channels, rows, columns = tokens.shape
        out = weight.shape[0]
        # (B, out, 3 kernel rows, 3 kernel columns, rows, columns): the kernel on the tokens themselves.
        taps = weight.permute(0, 2, 3, 1).reshape(-1, channels) @ tokens.flatten(2)
        taps = taps.view(batch, out, 3, 3, rows, columns).movedim(3, 4).reshape(batch, out, 3 * rows, 3 * columns)
        self._rows = _shifted_interpolation(rows, height, padding).to(tokens)
        self._wide = taps @ _shifted_interpolation(columns, width, padding).to(tokens).mT

    def __call__(self, first: int, last: int) -> Tensor:
        """(B, out, last - first, W) the convolution's share of the tokens in these rows."""
        return self._rows[first:last] @ self._wide


def _shifted_interpolation(count: int, size: int, padding: Literal["zeros", "replicate"]) -> Tensor:
    """(size, 3 * count) matrix: bilinear interpolation (align_corners False) one before, at and one after each place."""
    identity = torch.eye(count, dtype=torch.float64)[None]
    matrix = F.interpolate(identity, size=size, mode="linear", align_corners=False)[0].mT
    edge = matrix[[0, -1]] if padding == "replicate" else torch.zeros(2, count, dtype=torch.float64)
    around = torch.cat([edge[:1], matrix, edge[1:]])
    return torch.cat([around[:-2], around[1:-1], around[2:]], dim=1).float()


def _activated(raw: Tensor, image: Tensor) -> Tensor:
    """(B, 37, h, W): offset in pixels (2), opacity, scales (3), rotation (4), SH colour by colour (27)."""
    gains = torch.tensor(_SH_DEGREE_GAIN).repeat_interleave(torch.tensor([1, 3, 5])).repeat(3).to(raw)
    sh = raw[:, 10:] * gains[:, None, None]
    sh[:, ::SH_COEFFICIENTS] += (image - 0.5) / SH_C0
    return torch.cat(
        [
            torch.sigmoid(raw[:, 1:3]) - 0.5,
            torch.sigmoid(raw[:, :1]),
            F.softplus(raw[:, 3:6] + _SCALE_SHIFT).clamp(_MIN_SCALE_M, _MAX_SCALE_M),
            _normalised(raw[:, 6:10], dim=1),
            sh,
        ],
        dim=1,
    )


def _split(attributes: Tensor) -> SampledGaussians:
    opacities, scales, rotations, sh = attributes.split([1, 3, 4, 3 * SH_COEFFICIENTS], dim=-1)
    return SampledGaussians(opacities[..., 0], scales, rotations, sh.unflatten(-1, (3, SH_COEFFICIENTS)).mT)


def _normalised(vectors: Tensor, dim: int) -> Tensor:
    return vectors / (vectors.norm(dim=dim, keepdim=True) + _TINY)


def _first(layers: nn.Sequential) -> nn.Conv2d:
    return cast(nn.Conv2d, layers[0])


def _conv(channels_in: int, channels_out: int, padding_mode: Literal["zeros", "replicate"] = "zeros") -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, 3, padding=1, padding_mode=padding_mode)
