"""Scores on held-out procedural images.

    python scripts/train/validate.py MODEL POOL --json scores.json
    python scripts/train/validate.py NEW POOL --against scores.json    what is better, and by how many standard errors

Every image is scored once, or with --images N so many of them, evenly over the pool.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT / "scripts") not in sys.path:
    sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from evaluation.fits import FACTOR, fit_rising  # noqa: E402

from infinidepth_blender.errors import ModelError  # noqa: E402
from infinidepth_blender.field.local_planes import search_tree  # noqa: E402
from infinidepth_blender.field.network import InfiniDepthNetwork  # noqa: E402
from infinidepth_blender.field.prompt_map import LogDepthRange  # noqa: E402
from infinidepth_blender.field.weights_files import load_weights  # noqa: E402
from train.data import Batch, Points  # noqa: E402
from train.held_out import HeldOut  # noqa: E402
from train.paired import differences, read_scores  # noqa: E402

TOLD_POINTS = (500, 500)
MEDIANS = ("abs_rel", "fov_deg", "pitch_deg", "roll_deg")
"""Scores whose median is told: a few far pixels or odd cameras make their mean meaningless."""
QUERIES = 1026
_LEAST_GROUND = 32
"""Queries that must meet something nearer than the sky."""


def validate(
    network: InfiniDepthNetwork, pool: Path, device: str = "cpu", images: int | None = 96, queries: int = QUERIES
) -> dict[str, float]:
    """Mean scores of a network over a pool, always on the same images and queries.

    Args:
        network: Becomes one that is not trained.
        pool: Folder of shards.
        device: Where the network is.
        images: At most so many, evenly over the pool; None: every one.
        queries: Of each image, a multiple of three.

    Returns:
        Means of delta_1 and sky accuracy; medians of abs_rel and of the errors of field of view, pitch
        and roll in degrees. Depth is scored after an affine fit of disparity (least absolute deviations,
        no negative factor). Of a network that reads measurements also the share of depths within 4 % when
        it is told `TOLD_POINTS` of them, without a fit, and that of the measurement nearest in the picture.

    Raises:
        FileNotFoundError: the pool is empty.
    """
    return summary(scores_of_images(network, HeldOut(pool), device, images, queries))


def summary(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Means and medians, as `validate` tells them, over the images that have the score."""
    told = ("told", "told_nearest") if any("told" in row for row in rows) else ()
    result = {}
    for name in ("delta_1", "sky", *MEDIANS, *told):
        values = [row[name] for row in rows if name in row]
        result[name] = float((np.median if name in MEDIANS else np.mean)(values)) if values else float("nan")
    return result


@torch.no_grad()
def scores_of_images(
    network: InfiniDepthNetwork, held_out: HeldOut, device: str, images: int | None, queries: int = QUERIES
) -> list[dict[str, Any]]:
    """Scores of each image, called by its name in the pool; those of depth only where there is more than sky."""
    network.eval()
    chosen = held_out.spread(images)
    rows: dict[int, dict[str, Any]] = {number: {"image": held_out.names[number]} for number in chosen}
    what = queries, network.config.tokens, network.config.input_patch_px, False
    for numbers, batch in held_out.batches(chosen, *what):
        for number, scores in zip(numbers, _scores(network, batch.to(device)), strict=True):
            rows[number] |= scores
    if network.config.prompt_channels:
        drawn: list[Points | None] = []
        told = {"prompted_share": 1.0, "points": TOLD_POINTS, "drawn_points": drawn}
        for numbers, batch in held_out.batches(chosen, *what, **told):
            nearest = torch.stack([_nearest(batch, k, points) for k, points in enumerate(drawn)])
            drawn.clear()
            for number, scores in zip(numbers, _told(network, batch.to(device), nearest.to(device)), strict=True):
                rows[number] |= scores
    return list(rows.values())


def _scores(network: InfiniDepthNetwork, batch: Batch) -> list[dict[str, float]]:
    features = network.encode(batch.image)
    decoded, found = network.decode(features, batch.coords_yx), network.globals(features)
    # The longer side of a 4:3 image is 0.8 of its diagonal.
    fov, true_fov = (2 * torch.atan(0.4 * torch.exp(-log)).rad2deg() for log in (found.log_focal, batch.log_focal))
    columns = {
        "sky": ((decoded.sky_logit > 0) == (batch.sky > 0.5)).float().mean(dim=1),
        "fov_deg": (fov - true_fov).abs(),
        "pitch_deg": (found.sin_pitch.asin() - batch.sin_pitch.asin()).abs().rad2deg(),
        "roll_deg": (found.roll_rad - batch.roll_rad).abs().rad2deg(),
    }
    rows = [
        dict(zip(columns, values, strict=True)) for values in zip(*(c.tolist() for c in columns.values()), strict=True)
    ]
    disparity = torch.exp(-found.log_depth_range[:, None] * decoded.t)
    truth = torch.exp(-batch.log_range.exp()[:, None] * batch.t)
    for row, guess, true, ground in zip(
        rows, disparity.cpu().numpy(), truth.cpu().numpy(), (batch.sky < 0.5).cpu().numpy(), strict=True
    ):
        if ground.sum() < _LEAST_GROUND:
            continue
        true = true[ground]
        factor, offset = fit_rising(guess[ground], true)
        fitted = np.maximum(factor * guess[ground] + offset, 1e-3 * np.median(true))
        ratio = np.maximum(fitted / true, true / fitted)
        row[FACTOR] = factor
        row["delta_1"] = float((ratio < 1.25).mean())
        row["abs_rel"] = float(np.abs(true / fitted - 1).mean())
    return rows


def _nearest(batch: Batch, k: int, points: Points | None) -> Tensor:
    """(N,) what the measurement nearest to each query of the `k`-th image says, as `Batch.t` says it; 0 without any."""
    if points is None:
        return torch.zeros_like(batch.t[k])
    places, measured = points
    size_px = np.array(batch.image.shape[2:])
    _, nearest = search_tree(places * size_px).query(batch.coords_yx[k].numpy() * size_px)
    t = (measured[nearest] - LogDepthRange.of(measured).low) / float(batch.log_spread[k].exp())
    return torch.from_numpy(t.astype(np.float32))


def _told(network: InfiniDepthNetwork, batch: Batch, nearest: Tensor) -> list[dict[str, float]]:
    decoded = network.decode(network.encode(batch.image, batch.prompt), batch.coords_yx)
    ground = batch.sky < 0.5
    met = ground.sum(1)
    rows: list[dict[str, float]] = [{} for _ in met]
    for name, t in (("told", decoded.t), ("told_nearest", nearest)):
        off = ((t - batch.t) * batch.log_spread.exp()[:, None]).abs()
        right = ((off < np.log(1.04)) & ground).sum(1)
        for row, share, count in zip(rows, (right / met.clamp_min(1)).tolist(), met.tolist(), strict=True):
            if count >= _LEAST_GROUND:
                row[name] = share
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("pool", type=Path)
    parser.add_argument("--images", type=int, metavar="N", help="at most so many, evenly over the pool; default: all")
    parser.add_argument("--evened", action="store_true", help="with surfaces of all directions made equally bright")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--json", type=Path, help="write the scores here, those of every image as well")
    parser.add_argument(
        "--against", type=Path, metavar="OLD.json", help="such a file of another model: paired differences"
    )
    args = parser.parse_args()
    if args.images is not None and args.images < 1:
        parser.error("--images must not be below 1")
    try:
        held_out = HeldOut(args.pool, args.evened)
        old = read_scores(args.against, held_out.key) if args.against else None
        network = load_weights(args.model).network.to(args.device)
        rows = scores_of_images(network, held_out, args.device, args.images)
    except (ModelError, FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    scores = summary(rows)
    told: dict[str, Any] = {**scores, "pool_key": held_out.key, "images": rows}
    print(f"{len(rows)} images  " + "  ".join(f"{name} {value:.4g}" for name, value in scores.items()))
    if old is not None:
        found = differences(rows, old, MEDIANS, (FACTOR,))
        told["against"] = {name: value._asdict() for name, value in found.items()}
        for name, value in found.items():
            print(f"{name}: {value.centre:+.4g}, standard error {value.standard_error:.2g}, {value.images} images")
    if args.json:
        args.json.write_text(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
