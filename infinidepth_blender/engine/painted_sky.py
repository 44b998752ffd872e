"""The photo's sky without its foreground: painted on behind what stands before it and beyond the frame.

The sky's colours rise and fall over the whole of it, and clouds are soft: a slope that is fitted to all of the sky,
and what is left of it from all scales (pull-push, which is normalised convolution on a pyramid).
"""

from __future__ import annotations

from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from ..geometry.backdrop import FRAME_MARGIN
from ..srgb import decode_srgb, encode_srgb
from .photo_deep import to_half

WORK_SIDE_PX = 1024
"""Longer side at which colours are made up: they are smooth."""
PICTURE_SIDE_PX = 1536
"""Longer side of the part of a painted picture that the photo shows."""
FRINGE_PX = 4
"""Pixels beside the foreground that may show a mixture of it and the sky."""
FRINGE_STEPS = 1.5
"""The same in vertices of the mesh, which know no better where the foreground ends."""
MIRRORED = 0.04
"""How far beyond the frame the photo's mirror image still shows, of the picture's longer side: clouds do not break off."""
SLOPE_DOUBT = 0.004
"""Variance of places, in half sides of the picture, from which on the sky's slope is believed: a small patch tells none."""
NEARNESS = 6
"""How much what is near counts before what is further away; 1: as much as there is of it."""
TWIGS_AROUND = 0.06
"""Side of the surroundings that tell how bright the sky is, of the picture's longer side."""
DARK, DARKER = 0.75, 0.1
"""Brightness, of that of the surroundings, below which a pixel is no sky, and by how much of white it must be darker."""
EXTREMES, EXTREMES_MORE = 0.5, 0.15
"""Percent of the sky's colours at either end, and how far painted ones may go beyond the others, of their range."""
LEAST_COVER = 0.25
"""Share of a pixel of the smaller picture that must be sky."""

Floats = NDArray[np.float32]
Colors = TypeVar("Colors", np.uint8, np.float32)
"""What a picture consists of."""


def painted_sky(
    photo_srgb: NDArray[Colors], sky: NDArray[np.bool_], margin_px: int, fringe_px: int = FRINGE_PX
) -> NDArray[Colors]:
    """Paints the sky on over everything else, and beyond the frame.

    Args:
        photo_srgb: (H, W, 3) the photo, encoded as sRGB; floats may have any range.
        sky: (H, W) where it shows the sky, at least one pixel.
        margin_px: How far the picture goes on beyond the photo.
        fringe_px: Pixels of the sky beside anything else whose colours count for nothing.

    Returns:
        (H + 2 m, W + 2 m, 3) of the photo's type: the photo's own pixels where they are sky, but for the fringe,
        and painted ones elsewhere.

    Raises:
        ValueError: there is no sky.
    """
    if not sky.any():
        raise ValueError("No pixel shows the sky.")
    clean = _without_fringe(sky, fringe_px)
    size = (sky.shape[1] + 2 * margin_px, sky.shape[0] + 2 * margin_px)
    frame = (margin_px, margin_px, margin_px, margin_px)
    alone = cv2.copyMakeBorder(cv2.copyTo(photo_srgb, clean), *frame, cv2.BORDER_REFLECT)
    weight = cv2.copyMakeBorder(clean, *frame, cv2.BORDER_REFLECT)
    scale = min(1.0, WORK_SIDE_PX / max(size))
    small = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
    if scale < 1:
        alone, weight = (cv2.resize(whole, small, interpolation=cv2.INTER_AREA) for whole in (alone, weight))
    alone, weight = alone.astype(np.float32), weight.astype(np.float32) / 255
    # Whole numbers tell too little of what covers a pixel in part.
    alone[weight < LEAST_COVER], weight[weight < LEAST_COVER] = 0, 0
    if not weight.any():
        # A few pixels of a huge photo.
        alone[:], weight[:] = photo_srgb[clean > 0].mean(axis=0), 1
    white = 255 if photo_srgb.dtype == np.uint8 else 1
    alone, weight = _without_twigs(alone, weight, white)
    sure = weight > 0.99
    colors = alone[sure] if sure.any() else alone[weight > 0] / weight[weight > 0, None]
    least, most = np.percentile(colors[:: 1 + len(colors) // 50_000], (EXTREMES, 100 - EXTREMES), axis=0)
    more = EXTREMES_MORE * (most - least)
    painted = np.clip(_filled(alone, weight, margin_px / np.array(size[::-1])), least - more, most + more)
    painted = np.clip(painted, 0, 255) if photo_srgb.dtype == np.uint8 else painted
    painted = (np.rint(painted) if photo_srgb.dtype == np.uint8 else painted).astype(photo_srgb.dtype)
    if scale < 1:
        painted = cv2.resize(painted, size, interpolation=cv2.INTER_LINEAR)
    inside = painted[margin_px : size[1] - margin_px, margin_px : size[0] - margin_px]
    inside[...] = cv2.copyTo(photo_srgb, clean, inside)
    return painted.astype(photo_srgb.dtype, copy=False)


def sky_picture(photo_srgb: NDArray[np.uint8], sky: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The picture of the sky that goes on behind the foreground and beyond the frame.

    Args:
        photo_srgb: (H, W, 3) the photo.
        sky: (h, w) vertices of the mesh in the sky, at least one.

    Returns:
        uint8 sRGB, in the proportions of the photo with `FRAME_MARGIN` of its longer side around it.
    """
    size = _size_px(photo_srgb)
    picture = cv2.resize(photo_srgb, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    return _painted_at(picture, sky, photo_srgb.shape[1])


def sky_picture_light(photo_linear: NDArray[np.float16], sky: NDArray[np.bool_]) -> NDArray[np.float16]:
    """Like `sky_picture` for a photo in linear light.

    Args:
        photo_linear: (H, W, 3) the photo.
        sky: (h, w) vertices of the mesh in the sky, at least one.

    Returns:
        float16 linear light.
    """
    light = cv2.resize(photo_linear.astype(np.float32), _size_px(photo_linear), interpolation=cv2.INTER_AREA)
    # Encoded as the eye sees it, the sun does not outshine all the sky around it.
    encoded = encode_srgb(np.maximum(light, 0)).astype(np.float32)
    return to_half(decode_srgb(_painted_at(encoded, sky, photo_linear.shape[1])))


def _size_px(photo: NDArray[np.uint8] | NDArray[np.float16]) -> tuple[int, int]:
    """Width and height of the photo in a painted picture."""
    height, width = photo.shape[:2]
    scale = min(1.0, PICTURE_SIDE_PX / max(height, width))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _painted_at(picture: NDArray[Colors], sky: NDArray[np.bool_], photo_width_px: int) -> NDArray[Colors]:
    """The painted sky of a photo that was made smaller.

    Args:
        picture: (H', W', 3) the photo.
        sky: (h, w) vertices of the mesh in the sky.
        photo_width_px: Width that the photo had.
    """
    height, width = picture.shape[:2]
    step_px = width / (sky.shape[1] - 1)
    fringe_px = max(FRINGE_PX * width / photo_width_px, FRINGE_STEPS * step_px)
    # Vertices stand on the photo's border.
    row = np.rint((np.arange(height) + 0.5) / height * (sky.shape[0] - 1)).astype(np.intp)
    col = np.rint((np.arange(width) + 0.5) / width * (sky.shape[1] - 1)).astype(np.intp)
    margin_px = round(FRAME_MARGIN * max(height, width))
    return painted_sky(picture, sky[np.ix_(row, col)], margin_px, int(np.ceil(fringe_px)))


def _without_fringe(sky: NDArray[np.bool_], fringe_px: int) -> NDArray[np.uint8]:
    """255 in the sky but for its pixels beside anything else; sky too narrow for that keeps its innermost ones."""
    # The photo's border is no edge: nothing is known beyond it.
    whole = sky.astype(np.uint8) * np.uint8(255)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * fringe_px + 1,) * 2)
    clean = cv2.erode(whole, disc)
    if not clean.any():
        deep = cv2.distanceTransform(whole, cv2.DIST_L2, cv2.DIST_MASK_3)
        clean = whole * (deep > 0.7 * deep.max())
    return clean.astype(np.uint8, copy=False)


def _without_twigs(premultiplied: Floats, weight: Floats, white: float) -> tuple[Floats, Floats]:
    """Leaves out what is much darker than the sky around it: twigs and wires that are thinner than any depth map."""
    height, width = weight.shape
    side = 2 * round(TWIGS_AROUND * max(height, width) / 2) + 1
    bright = premultiplied.mean(axis=-1)
    around = cv2.blur(bright, (side, side)) / np.maximum(cv2.blur(weight, (side, side)), 1e-6)
    dark = (bright < weight * np.minimum(DARK * around, around - DARKER * white)).astype(np.uint8)
    kept = cv2.dilate(dark, np.ones((3, 3), np.uint8)) == 0
    if not (kept & (weight > 0)).any():
        return premultiplied, weight
    return premultiplied * kept[..., None], weight * kept


def _filled(premultiplied: Floats, weight: Floats, margin: NDArray[np.float64]) -> Floats:
    """(h, w, 3) colours everywhere.

    Args:
        premultiplied: (h, w, 3) colours times their weights; in the margin those of the mirrored photo.
        weight: (h, w) from 0 to 1.
        margin: Of the height and of the width, as shares of them.
    """
    longer = max(weight.shape)
    y, x = (np.linspace(1 - n, n - 1, n, dtype=np.float32) / longer for n in weight.shape)
    ends = [n / longer * (1 - 2 * share) for n, share in zip(weight.shape, margin, strict=True)]
    beyond = [np.maximum(np.abs(at) - end, 0) for at, end in zip((y, x), ends, strict=True)]
    # Of the mirror image only what is near the frame, so that nothing breaks off there.
    counts_y, counts_x = (np.maximum(1 - far / (2 * MIRRORED), 0) ** 2 for far in beyond)
    inside = (beyond[0] == 0)[:, None] & (beyond[1] == 0)
    trend = _trend(premultiplied, weight * inside if (weight * inside).any() else weight, y, x)
    mirrored_y, mirrored_x = (at - 2 * np.sign(at) * far for at, far in zip((y, x), beyond, strict=True))
    detail = premultiplied - weight[..., None] * _plane_at(trend, mirrored_y, mirrored_x)
    counts = 1 - (1 - counts_y[:, None] * counts_x) ** (1 / NEARNESS)
    return _plane_at(trend, y, x) + _pull_push(detail * counts[..., None], weight * counts)


def _trend(premultiplied: Floats, weight: Floats, y: Floats, x: Floats) -> Floats:
    """(3, 3) the colour in the middle of the picture and its slopes along y and x, fitted to all that has weight."""
    total = float(weight.sum())
    down, across = weight.sum(axis=1), weight.sum(axis=0)
    middle_y, middle_x = float(down @ y) / total, float(across @ x) / total
    y, x = y - middle_y, x - middle_x
    cross = float(y @ weight @ x) / total
    variance = np.diag([float(down @ y**2) / total, float(across @ x**2) / total]) + SLOPE_DOUBT * np.eye(2)
    variance[0, 1] = variance[1, 0] = cross
    there = np.where(weight[..., None] > 0, premultiplied, np.float32(0))
    mean = there.sum(axis=(0, 1)) / total
    change = np.stack([y @ there.sum(axis=1), x @ there.sum(axis=0)]) / total
    slope = np.linalg.solve(variance, change)
    return np.stack([mean - middle_y * slope[0] - middle_x * slope[1], *slope]).astype(np.float32)


def _plane_at(trend: Floats, y: Floats, x: Floats) -> Floats:
    """(h, w, 3) what `_trend` told, at rows and columns."""
    return (trend[0] + y[:, None] * trend[1])[:, None] + x[:, None] * trend[2]


def _pull_push(premultiplied: Floats, weight: Floats) -> Floats:
    """(h, w, 3) values at weighted places, and averages over ever wider surroundings as the weight goes to nothing."""
    height, width = weight.shape
    values = premultiplied / np.maximum(weight, 1e-6)[..., None]
    # A little of what is near counts for more than all that is further away: colours go on as they end.
    near = (1 - (1 - np.minimum(weight, 1)) ** NEARNESS)[..., None]
    if max(height, width) <= 2:
        mean = premultiplied.sum(axis=(0, 1)) / max(float(weight.sum()), 1e-6)
        return near * values + (1 - near) * mean
    half = ((height + 1) // 2, (width + 1) // 2)
    coarse = _pull_push(_halved(premultiplied).reshape(*half, 3), _halved(weight).reshape(half))
    around = cv2.pyrUp(coarse, dstsize=(width, height)).reshape(height, width, 3)
    return around + near * (values - around)


def _halved(picture: Floats) -> Floats:
    return cv2.pyrDown(picture, borderType=cv2.BORDER_REPLICATE).astype(np.float32, copy=False)
