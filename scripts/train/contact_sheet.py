"""Draws a sheet of training images beside their depth, to be looked at."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from train.scenes.bank import make_bank  # noqa: E402
from train.scenes.layouts import LAYOUTS  # noqa: E402
from train.scenes.render import Sample, render  # noqa: E402


def colour_depth(sample: Sample) -> np.ndarray:
    """(H, W, 3) uint8: near bright, far dark, sky blue."""
    log_depth = sample.log_depth[::2, ::2].numpy()
    ground = np.isfinite(log_depth)
    low, high = np.quantile(log_depth[ground], [0.02, 0.98])
    t = 1 - np.clip((np.where(ground, log_depth, high) - low) / max(high - low, 1e-3), 0, 1)
    rgb = np.stack([t, t**1.5 * 0.8 + 0.1 * t, 0.2 + 0.3 * (1 - t)], axis=-1)
    rgb[~ground] = (0.1, 0.2, 0.7)
    return (rgb * 255).astype(np.uint8)


def colour_normals(sample: Sample) -> np.ndarray:
    """(H, W, 3) uint8: normals as colours, boundaries between things in white."""
    rgb = (sample.normal[::2, ::2].numpy() * (1, -1, -1) + 1) / 2
    edges = sample.boundaries()
    rgb[(edges[::2, ::2] | edges[1::2, ::2] | edges[::2, 1::2] | edges[1::2, 1::2]).numpy()] = 1
    return (rgb * 255).astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "training" / "contact_sheet.png")
    parser.add_argument("--columns", type=int, default=6)
    parser.add_argument("--rows", type=int, default=6)
    parser.add_argument("--kind", choices=sorted(LAYOUTS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--show", nargs="*", default=["depth"], choices=["depth", "normals"], help="beside the photographs"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(args.seed)
    bank = make_bank(rng, 6)
    height, width = 144, 192
    cells = []
    start = time.perf_counter()
    for _ in range(args.columns * args.rows):
        sample = render(rng, bank, height, width, args.kind)
        truths = {"depth": colour_depth, "normals": colour_normals}
        cells.append([sample.image.numpy(), *(truths[name](sample) for name in args.show)])
    print(f"{(time.perf_counter() - start) / len(cells):.3f} s per image")
    sheet = np.concatenate(
        [
            np.concatenate(
                [np.concatenate(cell, axis=1) for cell in cells[r * args.columns : (r + 1) * args.columns]], axis=1
            )
            for r in range(args.rows)
        ],
        axis=0,
    )
    args.output.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet).save(args.output)


if __name__ == "__main__":
    main()
