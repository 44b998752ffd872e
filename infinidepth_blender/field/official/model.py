"""A published network on a device, ready for photo after photo."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from ...errors import OptionsError
from ...progress import OnFraction
from ..evaluation import Notify, log_notice, or_on_processor, placed
from ..precision import Precision, encoder_dtype, without_tf32
from ..preprocess import PreparedImage, prepare_image
from .compiled_head import CompiledHead
from .field import OfficialField
from .network import OfficialDepthNetwork, OfficialFeatures
from .prompt_model import Prompt

INPUT_TOKENS = 48 * 64
"""Patches of an input of 768 x 1024, the size that the published models are used with; the aspect ratio is kept."""
MAX_PROMPTS = 1500
"""Measurements given to the network, as the published model is used; it was trained with 50 to 2500."""


def _unwatched(fraction: float) -> None:
    """Progress that nobody listens to."""


@dataclass(frozen=True)
class _Measured:
    """Measured depth as the network takes it.

    Attributes:
        prompt: Disparity over its median.
        median: That median, in 1/m.
    """

    prompt: Prompt
    median: float


class OfficialModel:
    """Encodes photos with a published network.

    Attributes:
        info: Name, SHA-256, number of parameters and the like, for `reconstruction.json`.
        needs_prompt: Whether it works from measured depth.
        tokens: Patches that a photo is cut into, about; it may be changed between photos.
    """

    def __init__(
        self,
        network: OfficialDepthNetwork,
        device: torch.device,
        info: dict[str, Any],
        *,
        precision: Precision = "auto",
        notify: Notify = log_notice,
    ) -> None:
        self.needs_prompt = network.config.prompted
        self.tokens = INPUT_TOKENS
        self._network = network.eval()
        self._device = placed(network, device, notify)
        self._precision: Precision = precision
        self._notify = notify
        self.info = info | {
            "device": str(self._device),
            "encoder": network.config.encoder,
            "precision": self._dtype_name(),
        }

    def encode(
        self,
        image_srgb: NDArray[np.uint8] | NDArray[np.float32],
        measured_depth_m: NDArray[np.floating] | None = None,
        seed: int = 0,
        on_step: OnFraction = _unwatched,
    ) -> OfficialField:
        """Runs the encoder once.

        Args:
            image_srgb: (H, W, 3) uint8 or float32 in [0, 1], sRGB, of any size and aspect ratio.
            measured_depth_m: (h, w) depth of the whole picture in metres, 0 or NaN where there is
                none; only for a model that needs it.
            seed: Of the choice among more than `MAX_PROMPTS` measurements.
            on_step: Called with the fraction done after each block of the transformer, which is where the
                time goes; it may raise to stop the work.

        Raises:
            OptionsError: the model needs measured depth and there is none.
            ValueError: the array is not an image.
        """
        patch_px = self._network.config.vit.patch_px
        prepared = prepare_image(image_srgb, self.tokens, patch_px, in_one_step=True)
        measured = self._measured(prepared, measured_depth_m, seed) if self.needs_prompt else None
        with _watching(self._network.pretrained.blocks, on_step):
            return or_on_processor(
                lambda: self._encode(prepared, measured), self._device, self._move_to_processor, self._notify
            )

    def _move_to_processor(self) -> None:
        self._device = torch.device("cpu")
        self._network.to(self._device)
        self.info |= {"device": "cpu", "precision": self._dtype_name()}

    @torch.no_grad()
    def _encode(self, prepared: PreparedImage, measured: _Measured | None) -> OfficialField:
        features = self._features(prepared, None if measured is None else measured.prompt)
        head = CompiledHead(self._network.depth_implicit_head.linear_layers, features.tokens, features.conv)
        return OfficialField(
            head,
            prepared,
            features.dino_tokens.float().cpu(),
            factor=1.0 if measured is None else measured.median,
            scale="affine" if measured is None else "metric",
            notify=self._notify,
        )

    def _features(self, prepared: PreparedImage, prompt: Prompt | None) -> OfficialFeatures:
        if prompt is not None:
            prompt = Prompt(prompt.disparity.to(self._device), prompt.mask.to(self._device))
        dtype = encoder_dtype(self._device, self._precision)
        with without_tf32() if dtype == torch.float32 else contextlib.nullcontext():
            return self._network.encode(prepared.image.to(self._device), prompt, dtype)

    def _dtype_name(self) -> str:
        return str(encoder_dtype(self._device, self._precision)).removeprefix("torch.")

    @staticmethod
    def _measured(prepared: PreparedImage, depth_m: NDArray[np.floating] | None, seed: int) -> _Measured:
        """Chosen measurements in the frame of the network's input, which may be larger than the photo."""
        known = None if depth_m is None else np.isfinite(depth_m) & (depth_m > 0)
        if depth_m is None or known is None or not known.any():
            raise OptionsError(
                "This model fills in measured depth, and none was given.",
                "Give --depth-prompt FILE, or use a model that needs no measurement.",
            )
        disparity = np.divide(1, depth_m, out=np.zeros(depth_m.shape), where=known)
        places = _spread(np.argwhere(known), MAX_PROMPTS, seed)
        chosen = np.zeros(depth_m.shape, np.float32)
        chosen[places[:, 0], places[:, 1]] = disparity[places[:, 0], places[:, 1]]
        median = float(np.median(disparity[places[:, 0], places[:, 1]]))
        values = _padded(torch.from_numpy(chosen / np.float32(median))[None, None], prepared)
        return _Measured(Prompt(values, values > 0), median)


@contextlib.contextmanager
def _watching(blocks: nn.ModuleList, on_step: OnFraction) -> Iterator[None]:
    """Has `on_step` called with the share of the blocks that have run."""

    def after(count: int) -> Callable[..., None]:
        return lambda *_: on_step(count / len(blocks))

    handles = [block.register_forward_hook(after(index + 1)) for index, block in enumerate(blocks)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _spread(places: NDArray[np.intp], count: int, seed: int) -> NDArray[np.intp]:
    """At most `count` of the (N, 2) places, spread evenly: random ones, of which none share a square while others are free."""
    if len(places) <= count:
        return places
    rng = np.random.default_rng(seed)
    mixed = places[rng.permutation(len(places))]
    side = max(1.0, float(np.sqrt(np.prod(np.ptp(places, axis=0) + 1) / count)))
    square = (mixed / side).astype(np.int64)
    _, first = np.unique(square[:, 0] * (int(square[:, 1].max()) + 1) + square[:, 1], return_index=True)
    rest = np.setdiff1d(np.arange(len(mixed)), first, assume_unique=True)
    return mixed[np.concatenate([rng.permutation(first), rest])[:count]]


def _padded(values: Tensor, prepared: PreparedImage) -> Tensor:
    """Widens a map of the photo to the frame of the network's input."""
    height, width = values.shape[-2:]
    rows = round(height * (1 / prepared.inside_y - 1) / 2)
    columns = round(width * (1 / prepared.inside_x - 1) / 2)
    return F.pad(values, (columns, columns, rows, rows))
