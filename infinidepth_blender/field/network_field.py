"""The bundled network's answer for one photo as a `DepthField`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..progress import OnFraction
from .compiled_decoder import CompiledDecoder
from .evaluation import Evaluator, Notify, log_notice, or_on_processor, placed
from .network import Features, InfiniDepthNetwork
from .outlines import LONGEST_SIDE_PX, follow_colours
from .preprocess import PreparedImage, framed_colours, prepare_image
from .prompt_map import ANSWERED, CELLS_PER_PATCH, LogDepthRange, Measurements, prompt_map
from .protocol import FieldScale, Rows

_PIECE_CPU, _PIECE_CARD, _SMALLEST_PIECE = 4096, 65_536, 256
"""Points or pixels evaluated at a time: on a processor, what its cache holds."""
_CHOICES_PER_PATCH = 32
"""How finely, along each side of a patch, the choice between two surfaces is compared with the colours."""


class NetworkField:
    """Disparity of one photo: `exp(-(log_depth_low + log_depth_range * t))`.

    Implements `DepthField`.

    Attributes:
        scale: `metric` if the network was given measurements, else `relative`.
        fov_x_rad: Horizontal field of view of the photo as the network estimates it.
        pitch_rad, roll_rad: Tilt of the camera as the network estimates it, see `Camera`.
        log_depth_range: Logarithm of the far over the near depth (98 % and 2 % quantiles).
        log_depth_low: Logarithm of the near depth; None: unknown.
        evaluator: Runs the queries.
    """

    def __init__(
        self,
        decoder: CompiledDecoder,
        prepared: PreparedImage,
        *,
        log_depth_range: float,
        fov_x_rad: float,
        pitch_rad: float,
        roll_rad: float,
        log_depth_low: float | None = None,
        notify: Notify = log_notice,
    ) -> None:
        self.scale: FieldScale = "relative" if log_depth_low is None else "metric"
        self.log_depth_range = log_depth_range
        self.log_depth_low = log_depth_low
        self.fov_x_rad: float | None = fov_x_rad
        self.pitch_rad = pitch_rad
        self.roll_rad = roll_rad
        self.evaluator = Evaluator(decoder, _PIECE_CPU, _PIECE_CARD, _SMALLEST_PIECE, notify)
        self._inside_y, self._inside_x = prepared.inside_y, prepared.inside_x
        self._sky: tuple[tuple[int, int, Rows], Tensor] | None = None

    def watch(self, on_step: OnFraction) -> None:
        """Has `on_step` called during long answers with the fraction done; it may raise to stop them."""
        self.evaluator.on_step = on_step

    def disparity(self, coords_yx: Tensor) -> Tensor:
        """(N,) disparity at (N, 2) coordinates."""
        return self._in_chunks(
            coords_yx, lambda coords: self._to_disparity(self.evaluator.decoder.points(coords)[:, 0])
        )

    def disparity_and_gradient(self, coords_yx: Tensor) -> tuple[Tensor, Tensor]:
        """(N,) disparity and its (N, 2) derivative by (y, x), in closed form.

        Where the field has a kink (the decoder is piecewise smooth) it is the derivative of one side.
        """
        answer = self._in_chunks(coords_yx, self._with_gradient)
        return answer[:, 0].contiguous(), answer[:, 1:].contiguous()

    def disparity_grid(self, height: int, width: int, rows: Rows | None = None) -> Tensor:
        """(height, width) disparity at the pixel centres."""
        return self._grid(height, width, rows or (0, height))[0]

    def sky_grid(self, height: int, width: int, rows: Rows | None = None) -> Tensor:
        """(height, width) probability of sky; free after `disparity_grid` of the same size."""
        asked = (height, width, rows or (0, height))
        if self._sky is None or self._sky[0] != asked:
            self._grid(*asked)
        assert self._sky is not None
        return self._sky[1].float()

    def _to_disparity(self, t: Tensor) -> Tensor:
        return torch.exp(t.clamp(*ANSWERED) * -self.log_depth_range - (self.log_depth_low or 0.0))

    def _with_gradient(self, coords: Tensor) -> Tensor:
        t, slopes = self.evaluator.decoder.points_with_slopes(coords)
        disparity = self._to_disparity(t)
        inside = (t > ANSWERED[0]) & (t < ANSWERED[1])
        by_t = disparity * inside * -self.log_depth_range
        to_photo = slopes.new_tensor([self._inside_y, self._inside_x])
        return torch.cat([disparity[:, None], by_t[:, None] * slopes * to_photo], dim=1)

    def _in_chunks(self, coords_yx: Tensor, evaluate: Callable[[Tensor], Tensor]) -> Tensor:
        def run() -> Tensor:
            inside = coords_yx.new_tensor([self._inside_y, self._inside_x])
            coords = coords_yx.float().clamp(-1, 1).mul(inside).to(self.evaluator.decoder.device)
            return torch.cat(self.evaluator.map(evaluate, coords.split(self.evaluator.piece)))

        return self.evaluator.run(run).to(coords_yx.device)

    def _grid(self, height: int, width: int, rows: Rows) -> tuple[Tensor, Tensor]:
        top, bottom = rows

        def run() -> tuple[Tensor, Tensor]:
            disparity = torch.empty(bottom - top, width)
            sky = torch.empty(bottom - top, width, dtype=torch.float16)
            decoder, piece = self.evaluator.decoder, self.evaluator.piece
            plan = decoder.grid(height, width, self._inside_y, self._inside_x, 2 * piece, rows)

            def fill(strip: Rows) -> None:
                answer = plan.evaluate(strip)
                part = slice(strip[0] - top, strip[1] - top)
                disparity[part] = self._to_disparity(answer[..., 0])
                sky[part] = answer[..., 1].sigmoid()

            self.evaluator.map(fill, plan.strips)
            return disparity, sky

        disparity, sky = self.evaluator.run(run)
        self._sky = ((height, width, rows), sky)
        return disparity, sky


class FieldModel:
    """The network on a device, reusable for many photos.

    Attributes:
        info: Name, SHA-256, number of parameters and the like, for `reconstruction.json`.
    """

    def __init__(
        self, network: InfiniDepthNetwork, device: torch.device, info: dict[str, Any], notify: Notify = log_notice
    ) -> None:
        self._network = network.eval()
        self._device = placed(network, device, notify)
        self.info = info | {"device": str(self._device)}
        self._notify = notify

    @property
    def reads_measurements(self) -> bool:
        """Whether `encode` takes measured depth."""
        return self._network.config.prompt_channels > 0

    def encode(
        self, image_srgb: NDArray[np.uint8] | NDArray[np.float32], measured: Measurements | None = None
    ) -> NetworkField:
        """Runs the encoder, and without measurements once more on the mirrored photo for lens and tilt.

        Args:
            image_srgb: (H, W, 3) uint8 or float32 in [0, 1], sRGB, of any size and aspect ratio.
            measured: Depth at some places, at least one, for a network that `reads_measurements`; its answer
                is metric then.

        Raises:
            ValueError: the array is not an image, or the network takes no measurements.
        """
        if measured is not None and not self.reads_measurements:
            raise ValueError("this network was not trained with measurements")
        config = self._network.config
        prepared = prepare_image(image_srgb, config.tokens, config.input_patch_px)
        return or_on_processor(
            lambda: self._encode(image_srgb, prepared, measured), self._device, self._move_to_processor, self._notify
        )

    def _move_to_processor(self) -> None:
        self._device = torch.device("cpu")
        self._network.to(self._device)
        self.info["device"] = "cpu"

    @torch.no_grad()
    def _encode(
        self,
        image_srgb: NDArray[np.uint8] | NDArray[np.float32],
        prepared: PreparedImage,
        measured: Measurements | None,
    ) -> NetworkField:
        prompt, given = None, None
        if measured is not None:
            log_depth = np.log(measured.depth_m)
            given = LogDepthRange.of(log_depth)
            inside = measured.coords_yx * (prepared.inside_y, prepared.inside_x)
            patch_px = self._network.config.input_patch_px
            cells = (side // patch_px * CELLS_PER_PATCH for side in prepared.image.shape[2:])
            drawn = prompt_map(inside, (log_depth - given.low) / given.spread, *cells)
            prompt = torch.from_numpy(drawn)[None].to(self._device)
        features = self._network.encode(prepared.image.to(self._device), prompt)
        estimates = self._network.globals(features)
        log_focal, sin_pitch, roll_rad = (
            float(value[0]) for value in (estimates.log_focal, estimates.sin_pitch, estimates.roll_rad)
        )
        if measured is None:
            # A mirrored photo has the same lens and the opposite roll; the mean of both is nearer to the truth.
            mirrored = self._network.globals(self._network.encode(prepared.image.flip(-1).to(self._device)))
            log_focal = (log_focal + float(mirrored.log_focal[0])) / 2
            sin_pitch = (sin_pitch + float(mirrored.sin_pitch[0])) / 2
            roll_rad = (roll_rad - float(mirrored.roll_rad[0])) / 2
        decoder = CompiledDecoder.of(self._network.decoder, features.levels)
        if decoder.has_two_surfaces:
            decoder.choice = _choice_by_colours(
                decoder, framed_colours(image_srgb, prepared, LONGEST_SIDE_PX), features
            )
        return NetworkField(
            decoder,
            prepared,
            log_depth_range=float(estimates.log_depth_range[0]) if given is None else given.spread,
            log_depth_low=None if given is None else given.low,
            fov_x_rad=prepared.fov_x_rad(log_focal),
            pitch_rad=math.asin(sin_pitch),
            roll_rad=roll_rad,
            notify=self._notify,
        )


def _choice_by_colours(decoder: CompiledDecoder, colours: NDArray[np.float32], features: Features) -> Tensor:
    """(h, w, 1) logits of the choice between two surfaces, as fine as the colours."""
    asked = _CHOICES_PER_PATCH * features.rows, _CHOICES_PER_PATCH * features.columns
    height, width = (min(said, fine) for said, fine in zip(asked, colours.shape[:2], strict=True))
    plan = decoder.grid(height, width, 1.0, 1.0, 2 * _PIECE_CPU)
    said = torch.cat([plan.own_choice(strip) for strip in plan.strips]).cpu().numpy()
    return torch.from_numpy(follow_colours(said, colours))[..., None].to(decoder.device)
