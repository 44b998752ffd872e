"""Straight line segments of a photo."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

LONGEST_SIDE_PX = 1200
"""Photos are made this small first: finer lines are texture, and cost time."""
SHORTEST = 0.025
"""Shortest segment that counts, over the diagonal."""
MOST = 400
"""Segments beyond which more of them say nothing new."""


@dataclass(frozen=True)
class Segments:
    """Segments, the longest first; lengths in units of half the photo's diagonal.

    Attributes:
        middle: (N, 2) middles (x, y) from the camera's principal point, y down.
        along: (N, 2) unit vectors.
        length: (N,).
        noise_rad: (N,) standard deviation of the direction.
    """

    middle: NDArray[np.float64]
    along: NDArray[np.float64]
    length: NDArray[np.float64]
    noise_rad: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.length)

    def longest(self, count: int) -> Segments:
        """The first `count`."""
        return Segments(self.middle[:count], self.along[:count], self.length[:count], self.noise_rad[:count])


def find_segments(pixels_srgb: NDArray[np.uint8], centre_px: tuple[float, float] | None = None) -> Segments:
    """Segments by OpenCV's line segment detector (LSD, von Gioi et al. 2010).

    Args:
        pixels_srgb: (H, W, 3) photo.
        centre_px: Principal point (x, y); None: the middle.
    """
    height, width = pixels_srgb.shape[:2]
    shrink = min(1.0, LONGEST_SIDE_PX / max(height, width))
    size = max(1, round(width * shrink)), max(1, round(height * shrink))
    small = cv2.resize(pixels_srgb, size, interpolation=cv2.INTER_AREA) if shrink < 1 else pixels_srgb
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    found = cv2.createLineSegmentDetector(cv2.LSD_REFINE_STD).detect(grey)[0]
    ends = np.zeros((0, 4)) if found is None else np.asarray(found, dtype=np.float64).reshape(-1, 4)
    half_diagonal = math.hypot(*size) / 2
    centre = np.array(centre_px or (width / 2, height / 2)) * size / (width, height)
    # OpenCV counts from the middle of the first pixel.
    ends = (ends.reshape(-1, 2, 2) + 0.5 - centre) / half_diagonal
    step = ends[:, 1] - ends[:, 0]
    length = np.hypot(step[:, 0], step[:, 1])
    order = np.argsort(-length)[:MOST]
    order = order[length[order] >= 2 * SHORTEST]
    length = length[order]
    # An end is known to about half a pixel; lenses and builders are not perfect either.
    noise = np.hypot(0.7 / (length * half_diagonal), math.radians(0.25))
    return Segments(ends[order].mean(axis=1), step[order] / length[:, None], length, noise)
