"""Scores of a depth model on any folder of images with depth files beside them.

    python scripts/evaluate.py FOLDER --json OUT [--model FILE]

A depth file has the stem of its image and ends with .npz, .npy, .exr, .h5, .tif or, beside
a .jpg or .webp, .png (16 bit, millimetres). Every prediction gets one fit: disparity, affine, least absolute
deviations, over all valid pixels. delta_0.5, delta_1 and delta_2 are the shares of pixels whose
depth is within a factor 1.25^0.5, 1.25 and 1.25^2; abs_rel is the mean of |depth - true| / true.
Beside the model stands a baseline that sees nothing: disparity that grows linearly from 45 %
of the image's height downwards, fitted in the same way.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from infinidepth_blender.engine.depth_files import read_depth_file  # noqa: E402
from infinidepth_blender.engine.photo import open_photo  # noqa: E402
from infinidepth_blender.errors import InfiniDepthError  # noqa: E402
from infinidepth_blender.field.align import fit_affine_lad  # noqa: E402

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".heic")
DEPTH_SUFFIXES = (".npz", ".npy", ".exr", ".h5", ".hdf5", ".tif", ".tiff")
MIN_DISPARITY = 5e-3
"""Fitted disparity is kept above this: nothing is farther than 200 m."""
RAMP_START = 0.45
FIT_PIXELS = 2_000_000
"""The fit sees all valid pixels up to this many, a seeded choice of them beyond."""


@dataclass(frozen=True)
class Pair:
    """An image and its depth file."""

    image: Path
    depth: Path


def find_pairs(folder: Path) -> list[Pair]:
    """Images below a folder that have a depth file beside them, sorted."""
    pairs = []
    for image in sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES):
        choices = DEPTH_SUFFIXES if image.suffix.lower() == ".png" else (*DEPTH_SUFFIXES, ".png")
        depth = next((d for suffix in choices if (d := image.with_suffix(suffix)).is_file()), None)
        if depth is not None:
            pairs.append(Pair(image, depth))
    return pairs


def ramp_disparity(height: int, width: int) -> NDArray[np.float64]:
    """(height, width): 0 down to 45 % of the height, then growing linearly to 1 at the bottom."""
    y = (np.arange(height) + 0.5) / height
    column = np.clip((y - RAMP_START) / (1 - RAMP_START), 0, None)
    return np.repeat(column[:, None], width, axis=1)


def score(disparity: NDArray[Any], depth_m: NDArray[Any]) -> dict[str, float]:
    """Scores of a disparity map against true depth, after the fit.

    Args:
        disparity: (h, w) of any affine scale.
        depth_m: (h, w) metres, 0 where unknown.

    Raises:
        ValueError: no pixel is valid.
    """
    valid = depth_m > 0
    if not valid.any():
        raise ValueError("the depth file has no valid pixel")
    true = depth_m[valid].astype(np.float64)
    factor, offset = fit_affine_lad(disparity[valid], 1 / true, max_samples=FIT_PIXELS)
    fitted = 1 / np.maximum(factor * disparity[valid].astype(np.float64) + offset, MIN_DISPARITY)
    ratio = np.maximum(fitted / true, true / fitted)
    scores = {
        f"delta_{name}": float((ratio < 1.25**power).mean()) for name, power in (("0.5", 0.5), ("1", 1), ("2", 2))
    }
    return {**scores, "abs_rel": float((np.abs(fitted - true) / true).mean())}


def evaluate(folder: Path, model_name: str = "bundled", device: str = "auto") -> dict[str, Any]:
    """Scores of a model and of the baseline for every pair in a folder, and their means.

    Raises:
        InfiniDepthError: a file cannot be read, or the model cannot be loaded.
        FileNotFoundError: the folder has no image with depth.
    """
    from infinidepth_blender.field.load import load_field_model

    pairs = find_pairs(folder)
    if not pairs:
        raise FileNotFoundError(f"{folder} has no image with a depth file beside it.")
    model = load_field_model(model_name, device)
    images = []
    for pair in pairs:
        depth_m = read_depth_file(pair.depth).depth_m
        start = time.perf_counter()
        disparity = model.encode(open_photo(pair.image).pixels_srgb).disparity_grid(*depth_m.shape)
        seconds = time.perf_counter() - start
        images.append(
            {
                "image": str(pair.image.relative_to(folder)),
                "pixels": int((depth_m > 0).sum()),
                "seconds": round(seconds, 3),
                "model": score(disparity.cpu().numpy(), depth_m),
                "ramp": score(ramp_disparity(*depth_m.shape), depth_m),
            }
        )
    means = {
        who: {key: float(np.mean([image[who][key] for image in images])) for key in images[0][who]}
        for who in ("model", "ramp")
    }
    return {"model": model.info, "fit": "disparity, affine, least absolute deviations", "mean": means, "images": images}


def _print(result: dict[str, Any]) -> None:
    rows = [("image", "who", *result["mean"]["model"])]
    for item in [*result["images"], {"image": "mean", **result["mean"]}]:
        rows += [(item["image"], who, *(f"{value:.3f}" for value in item[who].values())) for who in ("model", "ramp")]
    widths = [max(len(str(row[k])) for row in rows) for k in range(len(rows[0]))]
    for row in rows:
        print("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", type=Path, help="write the scores here as well")
    parser.add_argument("--model", default="bundled", help="bundled, or a .safetensors file")
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    try:
        result = evaluate(args.folder, args.model, args.device)
    except (InfiniDepthError, FileNotFoundError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    _print(result)
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
