"""Scores on held-out procedural images.

python scripts/train/validate.py MODEL POOL --json scores.json
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT / "scripts") not in sys.path:
    sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from infinidepth_blender.errors import ModelError  # noqa: E402
from infinidepth_blender.field.align import fit_affine_lad  # noqa: E402
from infinidepth_blender.field.network import InfiniDepthNetwork  # noqa: E402
from infinidepth_blender.field.weights_files import load_weights  # noqa: E402
from train.data import PoolReader, make_batch  # noqa: E402

TOLD_POINTS = (500, 500)


@torch.no_grad()
def validate(
    network: InfiniDepthNetwork, pool: Path, device: str = "cpu", images: int = 96, queries: int = 1026
) -> dict[str, float]:
    """Mean scores of a network over a pool, always on the same images and queries.

    Returns:
        Means of delta_1 and sky accuracy; medians of abs_rel (a few far pixels make its mean
        meaningless) and of the errors of field of view, pitch and roll in degrees. Depth is
        scored after an affine fit of disparity (least absolute deviations). Of a network that
        reads measurements also the share of depths within 4 % when it is told `TOLD_POINTS` of
        them, without a fit, and that of the nearest measurement.
    """
    network.eval()
    reader = PoolReader(pool, seed=0)
    rng = np.random.default_rng(0)
    scores: dict[str, list[float]] = {
        name: [] for name in ("delta_1", "abs_rel", "sky", "fov_deg", "pitch_deg", "roll_deg")
    }
    for _ in range(images // 8):
        batch = make_batch(
            reader, rng, 8, queries, network.config.tokens, network.config.input_patch_px, augment=False
        ).to(device)
        features = network.encode(batch.image)
        decoded, found = network.decode(features, batch.coords_yx), network.globals(features)
        sky = decoded.sky_logit > 0
        scores["sky"] += (sky == (batch.sky > 0.5)).float().mean(dim=1).tolist()
        # The longer side of a 4:3 image is 0.8 of its diagonal.
        fov, true_fov = (2 * torch.atan(0.4 * torch.exp(-log)).rad2deg() for log in (found.log_focal, batch.log_focal))
        scores["fov_deg"] += (fov - true_fov).abs().tolist()
        scores["pitch_deg"] += (found.sin_pitch.asin() - batch.sin_pitch.asin()).abs().rad2deg().tolist()
        scores["roll_deg"] += (found.roll_rad - batch.roll_rad).abs().rad2deg().tolist()
        disparity = torch.exp(-found.log_depth_range[:, None] * decoded.t)
        truth = torch.exp(-batch.log_range.exp()[:, None] * batch.t)
        for guess, true, ground in zip(
            disparity.cpu().numpy(), truth.cpu().numpy(), (batch.sky < 0.5).cpu().numpy(), strict=True
        ):
            if ground.sum() < 32:
                continue
            true = true[ground]
            factor, offset = fit_affine_lad(guess[ground], true)
            fitted = np.maximum(factor * guess[ground] + offset, 1e-3 * np.median(true))
            ratio = np.maximum(fitted / true, true / fitted)
            scores["delta_1"].append(float((ratio < 1.25).mean()))
            scores["abs_rel"].append(float(np.abs(true / fitted - 1).mean()))
    medians = {
        name: float(np.median(values)) for name, values in scores.items() if name == "abs_rel" or name.endswith("_deg")
    }
    means = {name: float(np.mean(values)) for name, values in scores.items() if name not in medians}
    told = _told(network, pool, device, images, queries) if network.config.prompt_channels else {}
    return {**means, **medians, **told}


def _told(network: InfiniDepthNetwork, pool: Path, device: str, images: int, queries: int) -> dict[str, float]:
    reader, rng = PoolReader(pool, seed=0), np.random.default_rng(0)
    right: dict[str, list[float]] = {"told": [], "told_nearest": []}
    for _ in range(images // 8):
        batch = make_batch(
            reader,
            rng,
            8,
            queries,
            network.config.tokens,
            network.config.input_patch_px,
            augment=False,
            prompted_share=1.0,
            points=TOLD_POINTS,
        ).to(device)
        decoded = network.decode(network.encode(batch.image, batch.prompt), batch.coords_yx)
        nearest = F.grid_sample(
            batch.prompt[:, :1], batch.coords_yx.flip(-1)[:, None], mode="nearest", align_corners=False
        )
        ground = batch.sky < 0.5
        for name, t in (("told", decoded.t), ("told_nearest", nearest[:, 0, 0])):
            off = ((t - batch.t) * batch.log_spread.exp()[:, None]).abs()
            right[name] += (((off < np.log(1.04)) & ground).sum(1) / ground.sum(1).clamp_min(1)).tolist()
    return {name: float(np.mean(values)) for name, values in right.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("pool", type=Path)
    parser.add_argument("--images", type=int, default=384)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    try:
        network = load_weights(args.model).network.to(args.device)
        scores = validate(network, args.pool, args.device, args.images)
    except (ModelError, FileNotFoundError) as error:
        parser.error(str(error))
    print("  ".join(f"{name} {value:.4g}" for name, value in scores.items()))
    if args.json:
        args.json.write_text(json.dumps(scores, indent=1))


if __name__ == "__main__":
    main()
