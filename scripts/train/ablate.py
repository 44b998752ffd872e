"""What the parts of the network are worth: the same short training without each of them, scored at every pixel of the truth.

    python scripts/train/ablate.py OUT --pool POOL --validation HELD_OUT --steps 600

Every variant sees the same batches, from the same seed, for the same number of steps:

full            the network as it is
deepest level   no pyramid: queries read the map at 1/16 alone
pixel centres   no sub-pixel supervision: every query is moved to the middle of its pixel in the transformer's image
grid            no field: answers on a grid of half that image's size, interpolated bilinearly

OUT/<variant> are runs as `train.py` writes them, and are not trained again; OUT/ablation.json has the scores.
Held-out images are asked for at every pixel of their truth, and each answer gets one fit (disparity, affine, least absolute deviations).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT / "scripts") not in sys.path:
    sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from evaluation.boundaries import boundary_f1  # noqa: E402
from evaluation.fits import fitted_depth  # noqa: E402
from evaluation.metrics import depth_scores, mean_scores  # noqa: E402
from evaluation.sparse import near_edges  # noqa: E402

from infinidepth_blender.field.decoder import sample_bilinear  # noqa: E402
from infinidepth_blender.field.network import Decoded, Features, InfiniDepthNetwork  # noqa: E402
from infinidepth_blender.field.preprocess import patch_grid, resized  # noqa: E402
from infinidepth_blender.field.protocol import pixel_centres_yx  # noqa: E402
from train.data import Batch, BatchStream, PoolReader  # noqa: E402
from train.pool import decode_log_depth  # noqa: E402
from train.presets import PRESETS, Preset  # noqa: E402
from train.train import Trainer  # noqa: E402

EDGE_PX = 2
"""Scores `edges_` are within so many pixels of the truth from its depth steps."""
_SCORES = ("delta_0.5", "delta_1", "abs_rel", "edges_delta_1", "edges_abs_rel", "boundary_f1")


class DeepestLevelNetwork(InfiniDepthNetwork):
    """Without the pyramid: a query finds nothing in the finer maps."""

    def decode(self, features: Features, coords_yx: Tensor) -> Decoded:
        """As the whole network's, from the coarsest map alone."""
        *finer, deepest = features.levels
        levels = (*(torch.zeros_like(level) for level in finer), deepest)
        return super().decode(replace(features, levels=levels), coords_yx)


class GridNetwork(InfiniDepthNetwork):
    """Without the field: one answer for each cell of the map at half of the transformer's size, and straight lines between them."""

    def decode(self, features: Features, coords_yx: Tensor) -> Decoded:
        """As the whole network's, interpolated."""
        height, width = features.levels[-4].shape[2:]
        centres = pixel_centres_yx(height, width, coords_yx.device).expand(len(coords_yx), -1, -1)
        answer = super().decode(features, centres)
        cells = torch.stack([answer.t, answer.sky_logit], dim=1).unflatten(2, (height, width))
        t, sky_logit = sample_bilinear(cells, coords_yx).unbind(dim=-1)
        return Decoded(t, sky_logit)


def at_pixel_centres(batch: Batch) -> Batch:
    """Queries as a truth of the size of the transformer's image allows them; few stay opposite one another, so `bends` hardly counts."""
    size = 2 * torch.tensor(batch.prompt.shape[2:], dtype=torch.float32)
    pixel = ((batch.coords_yx + 1) / 2 * size).floor().clamp(min=0).minimum(size - 1)
    return replace(batch, coords_yx=(pixel + 0.5) / size * 2 - 1)


@dataclass(frozen=True)
class Variant:
    """One line of the table.

    Attributes:
        name: Of the line.
        network: What is trained.
        batch: What becomes of every batch before it is learnt from.
    """

    name: str
    network: type[InfiniDepthNetwork] = InfiniDepthNetwork
    batch: Callable[[Batch], Batch] = lambda batch: batch


VARIANTS = (
    Variant("full"),
    Variant("deepest level", network=DeepestLevelNetwork),
    Variant("pixel centres", batch=at_pixel_centres),
    Variant("grid", network=GridNetwork),
)


def train_variant(variant: Variant, run: Path, pools: Sequence[Path], preset: Preset, steps: int) -> InfiniDepthNetwork:
    """The averaged network after a training from random weights, or from where it was interrupted.

    Args:
        variant: What is different.
        run: Folder of the run.
        pools: Folders of the shards to learn from.
        preset: Everything else.
        steps: Length of the whole schedule.
    """
    run.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(preset.threads)
    trainer = Trainer(run, preset, kind=variant.network)
    trainer.resume()
    what = preset.batch, preset.queries, preset.network.input_patch_px, preset.prompted_share
    stream = BatchStream(pools, preset.seed + trainer.step, *what)
    while trainer.step < steps:
        progress = trainer.step / steps
        trainer.learn(variant.batch(stream.next(preset.tokens(progress))), progress)
        if trainer.step % 100 == 0 or trainer.step == steps:
            trainer.save()
            print(f"{variant.name}: {trainer.step} of {steps}", file=sys.stderr, flush=True)
    stream.close()
    return trainer.average


@torch.no_grad()
def score(network: InfiniDepthNetwork, held_out: Path, tokens: int, images: int) -> dict[str, float]:
    """Means over held-out images, always the same ones, at every pixel of their truth.

    Args:
        network: In evaluation mode.
        held_out: Folder of shards.
        tokens: Patches per image.
        images: How many.
    """
    scores = []
    reader = PoolReader(held_out, seed=0)
    # A draw has images of one size; several show all sizes.
    drawn = [item for _ in range(0, images, 8) for item in reader.draw(min(8, images))]
    for image, codes, _ in drawn:
        true_m = np.nan_to_num(np.exp(decode_log_depth(codes)), posinf=0.0)
        if not (true_m > 0).any():
            continue
        height, width = true_m.shape
        disparity = _disparity(network, image, tokens, (height, width))
        depth_m = fitted_depth(disparity, true_m, "lad")
        near = near_edges(true_m, EDGE_PX) & (true_m > 0)
        found = depth_scores(depth_m, true_m) | {"boundary_f1": boundary_f1(depth_m, true_m)}
        if near.any():
            found |= {f"edges_{name}": value for name, value in depth_scores(depth_m, true_m, near).items()}
        scores.append(found)
    return {name: value for name, value in mean_scores(scores).items() if name in _SCORES}


def _disparity(
    network: InfiniDepthNetwork, image: NDArray[np.uint8], tokens: int, size: tuple[int, int]
) -> NDArray[np.float32]:
    """(h, w) answer at every pixel of the truth."""
    rows, columns = patch_grid(image.shape[1], image.shape[0], tokens)
    patch_px = network.config.input_patch_px
    small = resized(image, rows * patch_px, columns * patch_px)
    features = network.encode(torch.from_numpy(small).permute(2, 0, 1)[None])
    log_range = network.globals(features).log_depth_range
    parts = pixel_centres_yx(*size).split(1 << 14)
    t = torch.cat([network.decode(features, part[None]).t[0] for part in parts])
    return torch.exp(-log_range * t.clamp(-1, 2)).reshape(size).numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, metavar="OUT")
    parser.add_argument("--pool", type=Path, nargs="+", required=True, help="one or several pools")
    parser.add_argument("--validation", type=Path, required=True, metavar="HELD_OUT", help="pool of held-out images")
    parser.add_argument("--preset", choices=sorted(PRESETS), default="cpu")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--images", type=int, default=48, help="held-out images, default %(default)s")
    parser.add_argument("--only", choices=[variant.name for variant in VARIANTS], help="one line of the table")
    args = parser.parse_args()
    usual = PRESETS[args.preset]
    # Small images first, measured points and a choice of surfaces would be more things that the variants could differ in.
    network = replace(usual.network, prompt_channels=0, two_surfaces=False)
    warmup = min(usual.warmup_steps, max(1, args.steps // 10))
    tokens = usual.network.tokens
    preset = replace(usual, network=network, warmup_steps=warmup, stages=((1.0, tokens),), prompted_share=0.0)
    table = {}
    for variant in VARIANTS:
        if args.only not in (None, variant.name):
            continue
        average = train_variant(variant, args.output / variant.name.replace(" ", "_"), args.pool, preset, args.steps)
        table[variant.name] = score(average, args.validation, tokens, args.images)
        print(variant.name, "  ".join(f"{name} {table[variant.name][name]:.4f}" for name in _SCORES), flush=True)
    (args.output / "ablation.json").write_text(
        json.dumps({"preset": args.preset, "steps": args.steps, "images": args.images, "scores": table}, indent=1)
    )


if __name__ == "__main__":
    main()
