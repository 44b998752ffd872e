"""Colours for what the foreground hides: the photo with its foreground painted over from the far side.

Smooth colours come from the photo at all scales (pull-push, which is normalised convolution on a pyramid):
soft gradients, where a march inward from the rim leaves bands and hard wedges. Fine texture
of the same surface is added, turned over at the rim of what is hidden.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..srgb import decode_srgb, encode_srgb
from .photo_deep import to_half

MAX_SIDE_PX = 1536
"""Longer side at which colours are made up: they are smooth, and the time is bounded."""
FRINGE = 2.5
"""Vertices of the mesh around the foreground whose pixels may show a mixture of both sides."""
SAME = 0.1
"""Logarithm of the ratio of two distances up to which they are of one surface."""
NEARER = 0.2
"""Logarithm of the ratio of distances from which what is nearer than the hidden surface lends it no colour."""
BEYOND = 1e-4
"""Weight of colours from much further behind, which count where the surface itself is nowhere near."""
LAST_RESORT = 1e-8
"""Weight of all other colours: a picture may show nothing behind."""
LAYERS = 12
"""Most distances that are filled apart; a place between two of them gets a mixture."""
TEXTURE_PX = 3.0
"""Standard deviation that divides smooth colours from fine texture."""
TEXTURE_CONTRAST = 0.04
"""Standard deviation of texture, of white, that is taken at half its strength: what is stronger is the edges of things."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class TwoDistances:
    """What is seen on the grid of a mesh, and what is behind.

    Attributes:
        shown: (h, w) disparity of what the photo shows; 0 in the sky.
        hidden: (h, w) disparity of the surface behind the foreground; 0 where there is none.
    """

    shown: Floats
    hidden: Floats


def inpaint_background(
    photo_srgb: NDArray[np.uint8], uncertain: NDArray[np.bool_], distances: TwoDistances | None = None
) -> NDArray[np.uint8]:
    """Paints over the foreground next to depth steps, with colours of the surface behind it.

    Args:
        photo_srgb: (H, W, 3) the photo.
        uncertain: (h, w) vertices of the mesh that show the foreground instead.
        distances: Of the same vertices: what is nearer than the hidden surface lends it no colour;
            None: everything around does.

    Returns:
        (H', W', 3) uint8 sRGB, the photo's picture in its proportions, at most `MAX_SIDE_PX` wide
        or high; made up where the photo shows the foreground.
    """
    size = _size_px(photo_srgb)
    picture = cv2.resize(photo_srgb, size, interpolation=cv2.INTER_AREA)
    mask = _mask(uncertain, size)
    painted = _painted(picture.astype(np.float32) / 255, mask, distances)
    return np.where(mask[..., None], np.rint(255 * np.clip(painted, 0, 1)), picture).astype(np.uint8)


def inpaint_background_light(
    photo_linear: NDArray[np.float16], uncertain: NDArray[np.bool_], distances: TwoDistances | None = None
) -> NDArray[np.float16]:
    """Like `inpaint_background` for a photo in linear light, so that what is behind is as bright as what is around it.

    Args:
        photo_linear: (H, W, 3) the photo.
        uncertain: (h, w) vertices of the mesh that show the foreground instead.
        distances: As there.

    Returns:
        (H', W', 3) float16 linear light.
    """
    size = _size_px(photo_linear)
    mask = _mask(uncertain, size)
    light = cv2.resize(photo_linear.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    # Encoded as the eye sees them, a few bright pixels do not outshine all others around a hole.
    encoded = encode_srgb(np.maximum(light, 0)).astype(np.float32)
    painted = _painted(encoded, mask, distances)
    return to_half(np.where(mask[..., None], decode_srgb(np.maximum(painted, 0)), light))


def _size_px(photo: NDArray[np.uint8] | NDArray[np.float16]) -> tuple[int, int]:
    """Width and height at which colours are made up."""
    height, width = photo.shape[:2]
    scale = min(1.0, MAX_SIDE_PX / max(height, width))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _mask(uncertain: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Where the colours are made up, at a size in pixels."""
    step_px = size[0] / (uncertain.shape[1] - 1)
    # Vertices stand on the photo's border: the grid of their cells covers half a step more.
    padded = cv2.resize(
        uncertain.astype(np.uint8), None, fx=max(step_px, 1), fy=max(step_px, 1), interpolation=cv2.INTER_NEAREST
    )
    mask = cv2.resize(padded, size, interpolation=cv2.INTER_AREA if step_px < 1 else cv2.INTER_NEAREST)
    reach = max(1, round(FRINGE * step_px))
    return cv2.dilate((mask > 0).astype(np.uint8), _disc(reach)) > 0


def _disc(radius: int) -> NDArray[np.uint8]:
    disc: NDArray[np.uint8] = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2).astype(np.uint8)
    return disc


def _painted(picture: Floats, mask: NDArray[np.bool_], distances: TwoDistances | None) -> Floats:
    """The picture with other colours where the mask is set, which may leave its range a little.

    Args:
        picture: (H, W, 3) encoded as sRGB.
        mask: (H, W).
        distances: See `inpaint_background`.
    """
    if not mask.any() or mask.all():
        return picture
    if distances is None or not (distances.hidden > 0).any():
        known = (~mask).astype(np.float32)
        return _with_texture(_pyramid_filled(picture * known[..., None], known), picture, mask, ~mask)
    shown, behind = _log_distances(distances, mask)
    smooth = _filled_by_layers(picture, mask, shown, behind)
    return _with_texture(smooth, picture, mask, ~mask & (np.abs(shown - behind) < SAME))


def _log_distances(distances: TwoDistances, mask: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """(H, W) logarithms of the disparities of what is seen and of what is behind; the latter goes on beyond the mask."""
    height, width = mask.shape
    rows, cols = distances.shown.shape
    x = ((np.arange(width) + 0.5) / width * (cols - 1)).astype(np.float32)
    y = ((np.arange(height) + 0.5) / height * (rows - 1)).astype(np.float32)
    at_y, at_x = np.rint(y).astype(np.intp)[:, None], np.rint(x).astype(np.intp)
    lowest = float(distances.hidden[distances.hidden > 0].min()) / 10
    shown = np.log(np.maximum(distances.shown, lowest))[at_y, at_x]
    there = (distances.hidden > 0).astype(np.float32)
    hidden = np.log(np.maximum(distances.hidden, lowest)).astype(np.float32)
    weight = there[at_y, at_x] * mask
    return shown.astype(np.float32), _pyramid_filled((hidden[at_y, at_x] * weight)[..., None], weight)[..., 0]


def _filled_by_layers(picture: Floats, mask: NDArray[np.bool_], shown: Floats, behind: Floats) -> Floats:
    """Smooth colours below the mask, for each distance from what is as far away or further."""
    lowest, highest = np.percentile(behind[mask], (0.5, 99.5))
    count = int(np.clip(np.ceil((highest - lowest) / SAME), 0, LAYERS - 1)) + 1
    # Below the mask the finest level of a pyramid is the next one enlarged: that one is enough.
    known = (~mask).astype(np.float32)
    colors, there = _pulled(picture * known[..., None], known)
    shown, behind = shown[::2, ::2], behind[::2, ::2]
    place = np.clip((behind - lowest) / max(highest - lowest, 1e-6) * (count - 1), 0, count - 1)
    result = np.zeros(colors.shape, np.float32)
    for layer in range(count):
        share = np.maximum(1 - np.abs(place - layer), 0)
        nearer = shown - np.float32(lowest + (highest - lowest) * layer / max(count - 1, 1))
        weight = np.clip((NEARER - nearer) / (NEARER - SAME), 0, 1)
        # Pixels beside what is nearer may be a mixture with it.
        weight = cv2.erode(weight, _disc(1))
        weight *= np.clip(1 + (nearer + 2 * SAME) / (2 * SAME), BEYOND, 1)
        weight = np.maximum(weight, LAST_RESORT)
        result += share[..., None] * _pyramid_filled(colors * weight[..., None], there * weight)
    return cv2.pyrUp(result, dstsize=picture.shape[1::-1]).astype(np.float32, copy=False)


def _pyramid_filled(weighted: Floats, total: Floats) -> Floats:
    """(H, W, C) values: the given ones where their weight is 1, and smoothly in between.

    Args:
        weighted: (H, W, C) values times their weights.
        total: (H, W) the weights, at most 1.
    """
    levels = [(weighted, total)]
    while max(levels[-1][1].shape) > 1:
        levels.append(_pulled(*levels[-1]))
    weighted, total = levels.pop()
    filled = weighted / np.maximum(total, np.finfo(np.float32).tiny)[..., None]
    for weighted, total in reversed(levels):
        enlarged = cv2.pyrUp(filled, dstsize=(total.shape[1], total.shape[0])).reshape(weighted.shape)
        filled = weighted + (1 - total)[..., None] * enlarged
    return filled


def _pulled(weighted: Floats, total: Floats) -> tuple[Floats, Floats]:
    """The next level: sums of weighted values and of weights, the latter at most 1."""
    both = np.concatenate([weighted, total[..., None]], axis=2)
    summed = 4 * cv2.pyrDown(both).reshape((total.shape[0] + 1) // 2, (total.shape[1] + 1) // 2, -1)
    summed /= np.maximum(summed[..., -1:], 1)
    return summed[..., :-1], summed[..., -1]


def _with_texture(smooth: Floats, picture: Floats, mask: NDArray[np.bool_], source: NDArray[np.bool_]) -> Floats:
    """Adds fine texture: what is as far from the nearest source pixel on its other side.

    A turn by half around that pixel: no pixel of the rim is drawn out into a line.
    """
    # Lone pixels have no texture, and those at the rim may be a mixture.
    source = cv2.erode(source.astype(np.uint8), _disc(2)) > 0
    if not source.any():
        return smooth
    known = source[..., None].astype(np.float32)
    weight = np.maximum(_blurred(known), 1e-6)
    texture = (picture - _blurred(picture * known) / weight) * known
    variance = _blurred((texture * texture).mean(axis=2, keepdims=True)) / weight
    texture /= 1 + variance / TEXTURE_CONTRAST**2
    _, labels = cv2.distanceTransformWithLabels(
        (~source).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    at_source = np.flatnonzero(source)
    labels = labels.astype(np.intp)
    nearest = np.zeros(int(labels.max()) + 1, np.intp)
    nearest[labels.ravel()[at_source]] = at_source
    row, col = np.nonzero(mask)
    near_row, near_col = np.divmod(nearest[labels[row, col]], mask.shape[1])
    other_row, other_col = 2 * near_row - row, 2 * near_col - col
    inside = (other_row >= 0) & (other_row < mask.shape[0]) & (other_col >= 0) & (other_col < mask.shape[1])
    row, col, other_row, other_col = (part[inside] for part in (row, col, other_row, other_col))
    result = smooth.copy()
    result[row, col] += texture[other_row, other_col]
    return result


def _blurred(values: Floats) -> Floats:
    """(H, W, C) values over the reach of fine texture."""
    return cv2.GaussianBlur(values, (0, 0), TEXTURE_PX).reshape(values.shape).astype(np.float32, copy=False)
