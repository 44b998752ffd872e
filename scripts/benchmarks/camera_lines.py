"""Lens and tilt of a photo from its straight lines: detection, and the search for the camera."""

from __future__ import annotations

import time
from typing import Any

import cv2
import numpy as np
from skimage.data import stereo_motorcycle

from infinidepth_blender.lines.segments import find_segments
from infinidepth_blender.lines.upright import CameraGuess, find_upright

WIDTH, HEIGHT = 4000, 2699
ROUNDS = 5


def run() -> dict[str, dict[str, Any]]:
    """Medians over a photo with many lines, enlarged to the size of a camera's."""
    image = np.asarray(stereo_motorcycle()[0], dtype=np.uint8)
    photo = np.asarray(cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)
    guess = CameraGuess(0.0, 0.0, 0.0, 0.2, 0.05, 0.02)
    detection, search = [], []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        segments = find_segments(photo)
        detected = time.perf_counter()
        find_upright(segments, guess)
        detection.append(detected - start)
        search.append(time.perf_counter() - detected)
    note = f"{len(segments)} segments of a photo of {WIDTH} x {HEIGHT}; {np.median(detection):.2f} s of it to find them"
    total_s = float(np.median(np.add(detection, search)))
    return {"camera_lines_s": {"value": round(total_s, 3), "unit": "s", "target": 1, "better": "lower", "note": note}}
