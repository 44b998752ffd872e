"""Any photo to the network's input: shrunk with its aspect ratio kept, near a budget of patches."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

MAX_ASPECT = 4.0
"""Longer strips are continued at their long edges up to this ratio, instead of being squeezed."""


@dataclass(frozen=True)
class PreparedImage:
    """A photo as the network sees it.

    Attributes:
        image: (1, 3, h, w) float32 in [0, 1], sides multiples of the patch.
        inside_y, inside_x: Part of the input that the photo covers, centred, in (0, 1]; a
            coordinate of the photo times these is the coordinate in the input.
        width_px, height_px: Size of the photo.
    """

    image: Tensor
    inside_y: float
    inside_x: float
    width_px: int
    height_px: int

    def fov_x_rad(self, log_focal: float) -> float:
        """Horizontal field of view of the photo.

        Args:
            log_focal: Logarithm of the focal length over the diagonal of the whole input.
        """
        diagonal_px = math.hypot(self.width_px / self.inside_x, self.height_px / self.inside_y)
        return 2 * math.atan(self.width_px / 2 / (math.exp(log_focal) * diagonal_px))


def patch_grid(width_px: float, height_px: float, tokens: int) -> tuple[int, int]:
    """Rows and columns of patches near the budget whose ratio comes closest to the image's."""
    aspect = width_px / height_px
    best, best_cost = (1, 1), math.inf
    for rows in range(1, tokens + 1):
        for columns in {math.floor(rows * aspect), math.ceil(rows * aspect)}:
            if columns < 1:
                continue
            stretch = abs(math.log(columns / rows / aspect))
            budget = abs(math.log(rows * columns / tokens))
            cost = stretch + 0.2 * budget
            if cost < best_cost:
                best, best_cost = (rows, columns), cost
    return best


def prepare_image(
    image_srgb: NDArray[np.uint8] | NDArray[np.float32], tokens: int, patch_px: int, *, in_one_step: bool = False
) -> PreparedImage:
    """Resizes a photo for the network.

    Args:
        image_srgb: (H, W, 3) uint8, or float32 in [0, 1].
        tokens: Number of patches to come close to.
        patch_px: Side of a patch.
        in_one_step: Resizes as the published networks are used: with OpenCV's `INTER_AREA` for both axes at once,
            whether they shrink or grow. Else as `resized` does, which is how the bundled network was trained.

    Raises:
        ValueError: the array is not an image.
    """
    if image_srgb.ndim != 3 or image_srgb.shape[2] != 3 or 0 in image_srgb.shape:
        raise ValueError(f"expected an image of shape (H, W, 3), got {image_srgb.shape}")
    if image_srgb.dtype not in (np.uint8, np.float32):
        raise ValueError(f"expected uint8 or float32 pixels, got {image_srgb.dtype}")
    height, width = image_srgb.shape[:2]
    padded_height = max(float(height), width / MAX_ASPECT)
    padded_width = max(float(width), height / MAX_ASPECT)
    rows, columns = patch_grid(padded_width, padded_height, tokens)
    out_height, out_width = rows * patch_px, columns * patch_px
    # The part that the photo covers is whole pixels with equal margins on both sides.
    inner_height = _inner(out_height, height / padded_height)
    inner_width = _inner(out_width, width / padded_width)
    small = (_resized_in_one_step if in_one_step else resized)(image_srgb, inner_height, inner_width)
    top, left = (out_height - inner_height) // 2, (out_width - inner_width) // 2
    small = np.pad(small, ((top, top), (left, left), (0, 0)), mode="edge")
    tensor = torch.from_numpy(np.ascontiguousarray(small.transpose(2, 0, 1)))[None].clamp(0, 1)
    return PreparedImage(tensor, inner_height / out_height, inner_width / out_width, width, height)


def _inner(outer: int, fraction: float) -> int:
    return outer - 2 * min(round(outer * (1 - fraction) / 2), (outer - 1) // 2)


def framed_colours(
    image_srgb: NDArray[np.uint8] | NDArray[np.float32], prepared: PreparedImage, longest_px: int
) -> NDArray[np.float32]:
    """The whole input of a prepared photo as finely as the photo has it.

    Args:
        image_srgb: (H, W, 3) the photo.
        prepared: What was made of it.
        longest_px: Longer side of the answer at most; it is never smaller than the prepared input.

    Returns:
        (h, w, 3) in [0, 1].
    """
    height, width = image_srgb.shape[:2]
    out_height, out_width = prepared.image.shape[2:]
    longer = max(height / prepared.inside_y, width / prepared.inside_x)
    scale = min(1.0, longest_px / longer)
    inner_height = max(round(height * scale), round(out_height * prepared.inside_y))
    inner_width = max(round(width * scale), round(out_width * prepared.inside_x))
    margins = [
        (round(inner * (1 / inside - 1) / 2),) * 2
        for inner, inside in ((inner_height, prepared.inside_y), (inner_width, prepared.inside_x))
    ]
    return np.pad(resized(image_srgb, inner_height, inner_width).clip(0, 1), (*margins, (0, 0)), mode="edge")


def resized(image: NDArray[np.uint8] | NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """(H, W, 3) pixels -> (height, width, 3) in [0, 1]: area-averaged where they shrink, bilinear where they grow, per axis."""
    out = image
    for size in ((image.shape[1], height), (width, height)):
        shrinks = size[0] < out.shape[1] or size[1] < out.shape[0]
        if (size[1], size[0]) != out.shape[:2]:
            out = cv2.resize(out, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return _in_unit_range(out)


def _resized_in_one_step(
    image: NDArray[np.uint8] | NDArray[np.float32], height: int, width: int
) -> NDArray[np.float32]:
    return _in_unit_range(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))


def _in_unit_range(pixels: NDArray[Any]) -> NDArray[np.float32]:
    if pixels.dtype == np.uint8:
        return pixels * np.float32(1 / 255)
    return np.nan_to_num(pixels.astype(np.float32), posinf=1.0, neginf=0.0)
