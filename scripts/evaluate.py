"""Scores of any depth model on data sets with true depth.

    python scripts/evaluate.py FOLDER --json OUT [--model NAME|FILE] [--dataset NAME]
    python scripts/evaluate.py FOLDER --prompt-points 1500         metric depth from a few measured points
    python scripts/evaluate.py FOLDER --dataset eth3d --protocol paper

Without --dataset a folder is a set of pairs: a depth file has the stem of its image and ends with .npz, .npy,
.exr, .h5, .tif or, beside a .jpg or .webp, .png (16 bit, millimetres). scripts/evaluation/datasets.py tells
how each known data set is laid out; a text file with lines `photo depth` names any other. What cannot be read or scored
is said and left out, and the exit code is then 1. The JSON file grows as the images are scored, so that Ctrl-C keeps it.

Without points every prediction gets one fit: disparity, affine, least absolute deviations, over all valid pixels, or with
--pixels over so many drawn ones. Its factor is told for each image (`fit_factor`), and is 0 where it would have to be
negative: an answer that takes near for far is not turned over. With --protocol paper it is the released code's own (RANSAC in disparity, then in depth;
a factor that is not above 0 becomes the ratio of the means), on the part of the photo that it shows, at its input sizes.
With points nothing is fitted, and only the other pixels are scored. In a list a third name is a file of measured depth, from which the points are drawn then.
Answers end at 200 m with the paper's fit, else at 200 m or twice the farthest true depth, whichever is farther.

delta_0.5, delta_1, delta_2: share of pixels whose depth is within a factor 1.25^0.5, 1.25, 1.25^2; delta_0.01,
delta_0.02, delta_0.04: within 1, 2, 4 %; abs_rel: mean of |depth - true| / true; boundary_f1: as Depth Pro defines it, over all pixels.
detail_...: on the high-frequency mask; edges_...: within five pixels of depth steps.

Beside the model stand: `ramp`, a baseline that sees nothing (disparity that grows linearly from 45 % of the
image's height downwards); `upsampled`, the same field asked at the size of the network's input
and then enlarged; with points `nearest`, `linear` and `idw`, interpolations of the points alone.
"""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
for place in (ROOT, ROOT / "scripts"):
    if str(place) not in sys.path:
        sys.path.insert(0, str(place))

if __name__ == "__main__" and not all(map(find_spec, ("cv2", "torch"))):
    import _environment

    _environment.enter()  # a Python without the packages goes on in `.venv`

from evaluation.datasets import open_dataset  # noqa: E402
from evaluation.fits import FACTOR, FITS  # noqa: E402
from evaluation.items import DATASETS, DatasetName  # noqa: E402
from evaluation.judge import Settings  # noqa: E402
from evaluation.runner import Report, evaluate_dataset  # noqa: E402
from evaluation.scores_file import ScoresFile  # noqa: E402

from infinidepth_blender.commands.models import resolve_model  # noqa: E402
from infinidepth_blender.errors import InfiniDepthError  # noqa: E402
from infinidepth_blender.field.load import load_field_model  # noqa: E402

_RELATIVE = ("delta_0.5", "delta_1", "delta_2", "abs_rel", "detail_delta_1", "edges_delta_1", "boundary_f1")
_METRIC = ("delta_0.01", "delta_0.02", "delta_0.04", "delta_1", "abs_rel", "edges_delta_0.01", "detail_delta_0.01")


def evaluate(
    place: Path,
    model_name: str = "bundled",
    device: str = "auto",
    dataset: DatasetName = "pairs",
    settings: Settings | None = None,
    limit: int | None = None,
    report: Report | None = None,
) -> dict[str, Any]:
    """Scores of a model and of the baselines for every item of a data set, their means, and what failed.

    Args:
        place: The data set's folder, or a list of its files.
        model_name: `bundled`, a downloaded model's name, or a file of weights.
        device: `auto`, `cpu`, `cuda` or `mps`.
        dataset: The layout.
        settings: Fit, points and sizes; None: the usual.
        limit: Only this many items.
        report: Called with the result so far, before the first item and after each.

    Raises:
        InfiniDepthError: the model cannot be loaded, or the data set or a setting is not usable.
        FileNotFoundError: there is nothing to score on.
    """
    settings = settings or Settings()
    items = open_dataset(place, dataset)
    model = load_field_model(resolve_model(model_name), device)
    header = {
        "model": model.info,
        "dataset": dataset,
        "fit": FITS["none" if settings.prompt_points else settings.fit],
        "prompt_points": settings.prompt_points,
        "paper_sizes": settings.paper_sizes,
        "seed": settings.seed,
        "drawn_pixels": settings.pixels,
        "draws": settings.draws,
    }
    told = None if report is None else lambda found: report(header | found)
    return header | evaluate_dataset(items, model, settings, limit, told)


class _Progress:
    """Says on the error stream what has come of the images, and keeps the result so far."""

    def __init__(self, file: ScoresFile | None) -> None:
        self.result: dict[str, Any] | None = None
        self._file = file
        self._scored = self._failed = 0

    def report(self, result: dict[str, Any]) -> None:
        """One line for each new image."""
        self.result = result
        for image in result["images"][self._scored :]:
            turned = [who for who, scores in image.items() if isinstance(scores, dict) and scores.get(FACTOR) == 0]
            flat = f"; runs against the truth: {', '.join(turned)}" if turned else ""
            print(f"{image['image']}: {image['seconds']:.1f} s{flat}", file=sys.stderr, flush=True)
        for item in result["failed"][self._failed :]:
            print(f"{item['image']} failed: {item['reason']}", file=sys.stderr, flush=True)
        self._scored, self._failed = len(result["images"]), len(result["failed"])
        if self._file is not None:
            self._file.now_and_then(result)


def _print(result: dict[str, Any]) -> None:
    there = {name for scores in result["mean"].values() for name in scores}
    names = [name for name in (_METRIC if result["prompt_points"] else _RELATIVE) if name in there]
    rows = [("image", "who", *names)]
    for item in [*result["images"], {"image": "mean", **result["mean"]}]:
        for who in result["mean"]:
            if who in item:
                told = f"mean of {item[who]['images']}" if item["image"] == "mean" else item["image"]
                rows.append((told, who, *(f"{item[who][n]:.3f}" if n in item[who] else "-" for n in names)))
    widths = [max(len(str(row[k])) for row in rows) for k in range(len(rows[0]))]
    for row in rows:
        print("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of a data set, or a text file with lines 'photo depth'")
    parser.add_argument("--json", type=Path, help="write the scores here as well")
    parser.add_argument("--model", default="bundled", metavar="NAME|FILE", help="'models list' shows the names")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"))
    parser.add_argument("--dataset", default="pairs", choices=DATASETS)
    parser.add_argument(
        "--protocol", default="own", choices=("own", "paper"), help="fit and sizes; default %(default)s"
    )
    parser.add_argument("--prompt-points", type=int, default=0, metavar="N", help="true depths given to the model")
    parser.add_argument("--upsample-from", type=int, metavar="PX", help="longer side of the coarse answer; default: that of the network's input")  # fmt: skip
    parser.add_argument("--limit", type=int, metavar="N", help="only N images, evenly spread over the set")
    parser.add_argument("--pixels", type=int, metavar="N", help="fit and score on N drawn pixels of each image: quicker at 4K")  # fmt: skip
    parser.add_argument("--draws", type=int, default=1, metavar="N", help="mean over N draws of points and pixels")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of points, masks and fits")
    args = parser.parse_args()
    if (
        args.prompt_points < 0
        or (args.limit is not None and args.limit < 1)
        or (args.upsample_from is not None and args.upsample_from < 1)
        or (args.pixels is not None and args.pixels < 2)
        or args.draws < 1
        or args.seed < 0
    ):
        parser.error("counts and sizes must not be negative, limit and draws not below 1, pixels not below 2")
    paper = args.protocol == "paper"
    settings = Settings(
        fit="paper" if paper else "lad",
        prompt_points=args.prompt_points,
        paper_sizes=paper,
        upsample_from_px=args.upsample_from,
        seed=args.seed,
        pixels=args.pixels,
        draws=args.draws,
    )
    file = None if args.json is None else ScoresFile(args.json)
    progress = _Progress(file)
    code = 0
    try:
        evaluate(args.folder, args.model, args.device, args.dataset, settings, args.limit, progress.report)
    except (InfiniDepthError, FileNotFoundError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        code = 130
    result = progress.result
    if result is None:
        return code
    if result["mean"]:
        _print(result)
    try:
        if file is not None:
            file.write(result)
    except InfiniDepthError as error:
        print(error, file=sys.stderr)
        return 1
    left = result["asked"] - len(result["images"])
    if left:
        print(
            f"Without scores: {left} of {result['asked']} images ({len(result['failed'])} failed).",
            file=sys.stderr,
        )
    return code or int(bool(result["failed"]))


if __name__ == "__main__":
    sys.exit(main())
