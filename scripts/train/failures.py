"""Draws the best, middling and worst answers of a model on held-out images: photograph, truth, answer.

python scripts/train/failures.py MODEL POOL --output sheet.jpg
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT / "scripts") not in sys.path:
    sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from evaluation.fits import fit_rising  # noqa: E402

from infinidepth_blender.field.load import load_field_model  # noqa: E402
from train.pool import Shard, decode_log_depth, shard_folders  # noqa: E402

TILE = (144, 192)


@dataclass
class Answer:
    """One image with what was asked and answered: (H, W, 3) uint8, and (H, W) disparities, zero at the sky."""

    image: NDArray[np.uint8]
    truth: NDArray[np.float64]
    fitted: NDArray[np.float64]
    delta_1: float


def ask(model, image: NDArray[np.uint8], codes: NDArray[np.uint16]) -> Answer | None:
    """Scores one image as `validate` does, on a grid; None if it shows almost nothing but sky."""
    rows, columns = image.shape[:2]
    finer = len(codes) // rows
    log_depth = decode_log_depth(codes[::finer, ::finer])
    ground = np.isfinite(log_depth)
    if ground.mean() < 0.05:
        return None
    answer = model.encode(np.ascontiguousarray(image)).disparity_grid(rows, columns)
    guess = np.asarray(answer, dtype=np.float64)
    truth = np.where(ground, np.exp(-np.where(ground, log_depth, 0).astype(np.float64)), 0)
    factor, offset = fit_rising(guess[ground], truth[ground])
    fitted = np.maximum(factor * guess + offset, 1e-3 * np.median(truth[ground]))
    ratio = np.maximum(fitted[ground] / truth[ground], truth[ground] / fitted[ground])
    return Answer(image, truth, np.where(ground, fitted, 0), float((ratio < 1.25).mean()))


def picture(answer: Answer) -> NDArray[np.uint8]:
    """Photograph, truth and answer side by side, near bright; sky black."""
    seen = answer.truth > 0
    low, high = np.quantile(answer.truth[seen], [0.02, 0.98])
    tiles = [answer.image]
    for disparity in (answer.truth, answer.fitted):
        share = np.clip((disparity - low) / max(high - low, 1e-9), 0, 1)
        colour = cv2.applyColorMap((share * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
        tiles.append(np.where(seen[..., None], colour, 0).astype(np.uint8))
    small = [cv2.resize(tile, TILE[::-1], interpolation=cv2.INTER_AREA) for tile in tiles]
    return np.concatenate(small, axis=1).astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("pool", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = load_field_model(str(args.model), "cpu")
    answers: list[Answer] = []
    for folder in shard_folders(args.pool):
        shard = Shard.open(folder)
        # Wide images only, so that the sheet is even.
        if shard.image.shape[2] >= shard.image.shape[1]:
            found = (ask(model, np.array(shard.image[k]), np.array(shard.log_depth[k])) for k in range(len(shard)))
            answers += [answer for answer in found if answer is not None]
    answers.sort(key=lambda answer: -answer.delta_1)
    middle = max(0, len(answers) // 2 - args.rows // 2)
    groups = [answers[: args.rows], answers[middle : middle + args.rows], answers[-args.rows :]]
    for name, group in zip(("best", "middle", "worst"), groups, strict=True):
        print(name, " ".join(f"{answer.delta_1:.2f}" for answer in group))
    columns = [np.concatenate([picture(answer) for answer in group]) for group in groups]
    args.output.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(columns, axis=1)).save(args.output, quality=85)


if __name__ == "__main__":
    main()
