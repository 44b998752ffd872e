"""Which pixels are sky: told by the user, found by a network, or guessed from colour, place and depth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import ModelError
from ..field.protocol import DepthField, FieldScale, Rows
from ..field.resample import smooth
from .mask_files import read_painted
from .model_store import ModelStore
from .registry import SKY_MODEL, find
from .sky_guess import guess_sky, refine_sky
from .sky_network import segment_sky


@dataclass(frozen=True)
class SkyChoice:
    """A field whose sky is decided.

    Attributes:
        field: The field; its `sky_grid` is what everything else uses.
        method: `mask`, `off`, the name of the network, `model` (the depth model's own) or `guess`.
        warnings: Sentences for the user.
    """

    field: DepthField
    method: str
    warnings: tuple[str, ...] = ()


def choose_sky(
    field: DepthField, sky: str, photo_srgb: NDArray[np.uint8], stored_size_px: tuple[int, int] | None = None
) -> SkyChoice:
    """Decides where the sky is.

    `auto` takes the sky network where it is downloaded, else what the depth model itself says of
    the sky, with its border brought to that of the photo, and where it says nothing, a guess.

    Args:
        field: The photo's depth. One with an attribute `knows_sky` that is False has nothing to say.
        sky: `auto`, `off`, or the file of a picture that is white at the sky.
        photo_srgb: (H, W, 3) uint8.
        stored_size_px: As a photo has it.

    Raises:
        OptionsError: the file cannot be used.
    """
    height, width = photo_srgb.shape[:2]
    if sky == "off":
        return SkyChoice(SkyField(field, np.zeros((height, width), np.float32)), "off")
    if sky != "auto":
        painted = read_painted(Path(sky), width, height, "sky mask", hard=True, stored_size_px=stored_size_px)
        return SkyChoice(SkyField(field, painted.astype(np.float32) / 255), "mask")
    warnings: tuple[str, ...] = ()
    store, entry = ModelStore(), find(SKY_MODEL)
    if store.held(entry).status == "ready":
        try:
            return SkyChoice(SkyField(field, segment_sky(store.path(entry), photo_srgb)), SKY_MODEL)
        except ModelError as error:
            warnings = (f"The sky was found without {SKY_MODEL}: {error.message}",)
    if getattr(field, "knows_sky", True):
        return SkyChoice(SkyField(field, refine_sky(field, photo_srgb)), "model", warnings)
    return SkyChoice(SkyField(field, guess_sky(field, photo_srgb)), "guess", warnings)


class SkyField:
    """Another field with a sky of its own.

    Implements `DepthField`.

    Attributes:
        scale, fov_x_rad: As the inner field says.
    """

    def __init__(self, inner: DepthField, sky: NDArray[np.float32]) -> None:
        """Takes the field and the (H, W) probability of sky over the photo, in [0, 1]."""
        self.scale: FieldScale = inner.scale
        self.fov_x_rad = inner.fov_x_rad
        self._inner = inner
        self._sky = np.ascontiguousarray(sky, np.float32)

    def disparity(self, coords_yx: Tensor) -> Tensor:
        """(N,) disparity at (N, 2) coordinates."""
        return self._inner.disparity(coords_yx)

    def disparity_and_gradient(self, coords_yx: Tensor) -> tuple[Tensor, Tensor]:
        """(N,) disparity and its (N, 2) derivative by (y, x)."""
        return self._inner.disparity_and_gradient(coords_yx)

    def disparity_grid(self, height: int, width: int, rows: Rows | None = None) -> Tensor:
        """(height, width) disparity at the pixel centres."""
        return self._inner.disparity_grid(height, width, rows)

    def sky_grid(self, height: int, width: int, rows: Rows | None = None) -> Tensor:
        """(height, width) probability of sky at the pixel centres."""
        return torch.from_numpy(smooth(self._sky, height, width, rows))
