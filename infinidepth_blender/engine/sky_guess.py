"""The sky by the photo's colours: guessed from depth and place, or a rough one made exact.

What is guessed to be sky is far away, smooth, of a sky's colour and in touch with the top of the photo.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ..field.protocol import DepthField
from .sky_network import upsample_along_edges

_SIDE_PX = 320
_FAR = 0.1
"""Part of the range of disparities, from the farthest on, that may be sky."""
_FAR_RATIO = 0.4
"""Likewise, of the median disparity, where the field's disparity has a zero that means something."""
_NOT_FAR = 0.3
_SMOOTH = 0.06
"""Most difference of brightness between neighbouring pixels within the sky."""
_BAND_PX = 12
"""Width of the band, on the small picture, in which a field's own sky may be wrong."""
_SURE = 0.95
_LEAST_SHARE = 0.004
"""Of the photo; less than that is taken for no sky at all."""
_TOP_SHARE = 0.03


def guess_sky(field: DepthField, photo_srgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Finds the sky by what it looks like and how far the field puts it.

    A bright ceiling or a screen is near where it touches the top of the photo, a distant hill
    has no sky's color.

    Args:
        field: The depth; only its order matters.
        photo_srgb: (H, W, 3) uint8.

    Returns:
        (H, W) float32 in [0, 1], above 0.5 at the sky.
    """
    small = _shrunk(photo_srgb)
    height, width = small.shape[:2]
    disparity = field.disparity_grid(height, width).cpu().numpy()
    place = _place_in_range(disparity)
    far = place < _FAR
    if field.scale != "affine":
        far &= disparity < _FAR_RATIO * np.median(disparity[np.isfinite(disparity)])
    colored = _sky_colored(small)
    certain = _in_touch_with_top(colored & _smooth(small) & far)
    return _grown(photo_srgb, small, certain, colored & (place < _NOT_FAR), colored & far)


def refine_sky(field: DepthField, photo_srgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Lets the sky that a field knows roughly end where the photo's does: between leaves, along wires.

    Args:
        field: Its `sky_grid` is right but for a band along the border.
        photo_srgb: (H, W, 3) uint8.

    Returns:
        (H, W) float32 in [0, 1], above 0.5 at the sky.
    """
    small = _shrunk(photo_srgb)
    height, width = small.shape[:2]
    known = field.sky_grid(height, width).cpu().numpy()
    sky = (known > 0.5).astype(np.uint8)
    band = np.ones((2 * _BAND_PX + 1,) * 2, np.uint8)
    near, inner = cv2.dilate(sky, band) > 0, cv2.erode(sky, band) > 0
    colored = _sky_colored(small)
    certain = inner | ((known > _SURE) & colored)
    return _grown(photo_srgb, small, certain, near & (colored | (sky > 0)), sky > 0)


def _shrunk(photo_srgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    factor = min(1.0, _SIDE_PX / max(photo_srgb.shape[:2]))
    height, width = (max(2, round(side * factor)) for side in photo_srgb.shape[:2])
    return np.asarray(cv2.resize(photo_srgb, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _grown(
    photo_srgb: NDArray[np.uint8],
    small: NDArray[np.uint8],
    certain: NDArray[np.bool_],
    possible: NDArray[np.bool_],
    likely: NDArray[np.bool_],
) -> NDArray[np.float32]:
    """Learns the colours of sky and ground (GrabCut, Rother et al. 2004) and divides what is possible by them."""
    if certain.mean() < _LEAST_SHARE:
        return np.zeros(photo_srgb.shape[:2], np.float32)
    labels = np.where(possible, np.where(likely, cv2.GC_PR_FGD, cv2.GC_PR_BGD), cv2.GC_BGD).astype(np.uint8)
    labels[certain] = cv2.GC_FGD
    if not certain.all():
        cv2.setRNGSeed(0)
        cv2.grabCut(small, labels, None, np.zeros((1, 65)), np.zeros((1, 65)), 3, cv2.GC_INIT_WITH_MASK)  # type: ignore[call-overload]
    sky = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    return upsample_along_edges(sky.astype(np.float32), photo_srgb)


def _place_in_range(disparity: NDArray[np.float32]) -> NDArray[np.float32]:
    """(h, w) 0 at the farthest, 1 at the nearest; what has no depth counts as the nearest."""
    known = np.isfinite(disparity)
    if not known.any():
        return np.ones(disparity.shape, np.float32)
    low, high = np.quantile(disparity[known], [0.005, 0.98])
    place = (np.where(known, disparity, high) - low) / max(high - low, 1e-9 + 1e-3 * abs(high))
    return place.astype(np.float32)


def _sky_colored(picture_srgb: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Blue of any depth, or the white and grey of clouds."""
    red, green, blue = (picture_srgb[..., k].astype(np.float32) / 255 for k in range(3))
    brightest = np.maximum(np.maximum(red, green), blue)
    saturation = (brightest - np.minimum(np.minimum(red, green), blue)) / np.maximum(brightest, 1e-3)
    is_blue = (blue >= 0.98 * green) & (green >= 0.95 * red) & (brightest > 0.3) & (saturation > 0.05)
    return is_blue | ((saturation < 0.15) & (brightest > 0.7))


def _smooth(picture_srgb: NDArray[np.uint8]) -> NDArray[np.bool_]:
    grey = cv2.cvtColor(picture_srgb, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    steps = [cv2.Sobel(grey, cv2.CV_32F, dx, dy, ksize=3, scale=1 / 8) for dx, dy in ((1, 0), (0, 1))]
    return np.hypot(*steps) < _SMOOTH


def _in_touch_with_top(candidates: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The connected parts of a mask that reach the top of the picture."""
    _, labels = cv2.connectedComponents(candidates.astype(np.uint8), connectivity=4)
    rows = max(1, round(_TOP_SHARE * candidates.shape[0]))
    touching = np.unique(labels[:rows][candidates[:rows]])
    return candidates & np.isin(labels, touching)
