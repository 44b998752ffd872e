"""A depth map of 3840 x 2160 from the bundled model, against its decoder evaluated query by query."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from skimage.data import chelsea

from infinidepth_blender.bundled import BUNDLED_WEIGHTS
from infinidepth_blender.field.load import load_field_model
from infinidepth_blender.field.preprocess import prepare_image
from infinidepth_blender.field.protocol import pixel_centres_yx
from infinidepth_blender.field.weights_files import load_weights

WIDTH, HEIGHT = 3840, 2160
CHUNK = 10_000
NAIVE_SHARE = 20
"""The naive way is timed on every 20th chunk and scaled up: its time grows with the number of queries alone."""
ROUNDS = 3
NAMES = ("bundled_decode_4k_*",)


@torch.inference_mode()
def run() -> dict[str, dict[str, Any]]:
    """Both ways in turns; medians."""
    image = np.ascontiguousarray(chelsea())
    model = load_field_model("bundled", "cpu")
    network = load_weights(BUNDLED_WEIGHTS).network.eval()
    prepared = prepare_image(image, network.config.tokens, network.config.input_patch_px)
    features = network.encode(prepared.image)
    chunks = pixel_centres_yx(HEIGHT, WIDTH).split(CHUNK)[::NAIVE_SHARE]
    share = sum(len(chunk) for chunk in chunks) / (WIDTH * HEIGHT)
    fast, naive = [], []
    for _ in range(ROUNDS):
        field = model.encode(image)
        start = time.perf_counter()
        field.disparity_grid(HEIGHT, WIDTH)
        fast.append(time.perf_counter() - start)
        start = time.perf_counter()
        for chunk in chunks:
            network.decode(features, chunk[None])
        naive.append((time.perf_counter() - start) / share)
    fast_s, naive_s = float(np.median(fast)), float(np.median(naive))
    note = f"bundled model, {fast_s:.1f} s against {naive_s:.1f} s, {torch.get_num_threads()} threads"
    return {
        "bundled_decode_4k_speedup": {
            "value": round(naive_s / fast_s, 2), "unit": "x", "target": None, "better": "higher", "note": note,
        },
        "bundled_decode_4k_s": {
            "value": round(fast_s, 2), "unit": "s", "target": None, "better": "lower", "note": "with sky",
        },
    }  # fmt: skip
