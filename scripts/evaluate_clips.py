"""How steady the depth of clips is, against the truth: `python scripts/evaluate_clips.py OUT [--json FILE]`.

OUT is what `render_benchmark.py OUT --clip N` made. Each clip is reconstructed as one shot, and each of its
frames as a photo of its own, with the same lens. Told for both:

scale_drift: standard deviation over the frames of the logarithm of their depth over the truth (median of each frame): 0.05
    means that a frame is 5 % larger or smaller than the others;
flicker: mean absolute change of that logarithm from one frame to the next at the same pixel, where the truth changes by less
    than 5 %; both where shot and photos alike have an answer;
shot_delta_1: share of pixels within 25 %, all frames together with one fit (disparity, affine, least absolute
    deviations); frame_delta_1 the same with a fit for each frame, which scale and drift do not lower. Where the truth is
    known, no answer (or the sky) is wrong;
coverage: share of the known truth that has an answer.

A frame whose depth cannot be read is told and counts as one without depth, of the truth as one that is not scored. A clip
that fails is told and left out, and the exit code is then 1. The JSON file grows with the clips.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
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

import numpy as np  # noqa: E402
from evaluation.metrics import mean_scores  # noqa: E402
from evaluation.scores_file import ScoresFile, reason  # noqa: E402
from evaluation.steadiness import Depths, compare, told  # noqa: E402

from infinidepth_blender import reconstruction as bundle  # noqa: E402
from infinidepth_blender.commands.models import resolve_model  # noqa: E402
from infinidepth_blender.engine.clip_pipeline import reconstruct_clip  # noqa: E402
from infinidepth_blender.engine.depth_files import read_prompt  # noqa: E402
from infinidepth_blender.engine.models import ModelCache  # noqa: E402
from infinidepth_blender.engine.pipeline import reconstruct_photo  # noqa: E402
from infinidepth_blender.errors import DepthFileError, InfiniDepthError  # noqa: E402
from infinidepth_blender.options import ReconstructOptions  # noqa: E402

KINDS = ("as one shot", "as photos")
Scores = dict[str, dict[str, float]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="OUT")
    parser.add_argument("--model", default="bundled", metavar="NAME|FILE")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    if not options.folder.is_dir():
        parser.error(f"{options.folder} is no folder")
    clips = sorted(path for path in options.folder.iterdir() if path.is_dir() and any(path.glob("*.exr")))
    if not clips:
        parser.error(f"{options.folder} holds no clips; render some with render_benchmark.py --clip")
    file = None if options.json is None else ScoresFile(options.json)
    try:
        chosen = ReconstructOptions(make=("depth",), model=resolve_model(options.model))
        result = evaluate(clips, chosen, file)
    except InfiniDepthError as error:
        parser.exit(1, f"{error}\n")
    for name, of in (*result["clips"].items(), ("mean", result["mean"])):
        for kind, values in of.items():
            print(f"{name:<12} {kind:<12} " + "  ".join(f"{key} {value:.4f}" for key, value in values.items()))
    if result["failed"]:
        print(f"Without scores: {len(result['failed'])} of {len(clips)} clips.", file=sys.stderr)
    return int(bool(result["failed"]))


def evaluate(clips: list[Path], options: ReconstructOptions, file: ScoresFile | None) -> dict[str, Any]:
    """Scores of clips and their mean, written after each.

    Args:
        clips: Folders with pictures and depth.
        options: What to reconstruct with.
        file: Where the scores go; None: nowhere.

    Returns:
        `mean`: by kind; `clips`: by name and kind; `failed`: names and reasons.

    Raises:
        OutputError: the file cannot be written.
    """
    models = ModelCache()
    scores: dict[str, Scores] = {}
    failed: list[dict[str, str]] = []
    result: dict[str, Any] = {"mean": {}, "clips": scores, "failed": failed}
    if file is not None:
        file.write(result)  # what cannot be written fails before the work
    for clip in clips:
        try:
            scores[clip.name] = scores_of(clip, options, models)
        except Exception as error:  # what reads files and what runs networks fail in ways of their own
            failed.append({"clip": clip.name, "reason": reason(error)})
            print(f"{clip.name} failed: {failed[-1]['reason']}", file=sys.stderr, flush=True)
        if scores:
            result["mean"] = {kind: mean_scores([of[kind] for of in scores.values()]) for kind in KINDS}
        if file is not None:
            file.write(result)
    return result


def scores_of(clip: Path, options: ReconstructOptions, models: ModelCache) -> Scores:
    """Scores of a clip as one shot and as single photos.

    Args:
        clip: Folder with `0001.png`, `0001.exr` and so on.
        options: What to reconstruct with.
        models: Loaded models.
    """
    with tempfile.TemporaryDirectory() as work:
        pictures = Path(work, "frames")
        pictures.mkdir()
        sources = sorted(clip.glob("*.png"))
        for picture in sources:
            (pictures / picture.name).symlink_to(picture.absolute())
        shot = reconstruct_clip(pictures, Path(work, "shot"), options, models=models)
        size = shot.camera.width_px, shot.camera.height_px
        frames = [shot.clip_frame(number + 1) for number in range(len(sources))]
        steady = np.stack([read_frame(frame[1] if frame else None, *size) for frame in frames])
        lens: dict[str, Any] = {"focal_px": shot.camera.fx_px}
        single = ReconstructOptions(**{**options.__dict__, **lens})
        alone = []
        for number, picture in enumerate(sorted(pictures.iterdir())):
            made = reconstruct_photo(picture, Path(work, f"photo_{number}"), single, models=models)
            alone.append(np.array(bundle.load(made.folder or Path()).depth_m))
    truth = np.stack([read_frame(picture.with_suffix(".exr"), *size) for picture in sources])
    answers = dict(zip(KINDS, (steady, np.stack(alone)), strict=True))
    common = np.logical_and.reduce([told(depth_m) for depth_m in answers.values()])
    return {kind: compare(depth_m, truth, common) for kind, depth_m in answers.items()}


def read_frame(file: Path | None, width_px: int, height_px: int) -> Depths:
    """(h, w) metres of one frame, 0 where there is no depth; where there is none at all, that is said.

    Args:
        file: Its depth; None: there is none.
        width_px, height_px: Size of the frame.
    """
    if file is not None:
        try:
            return read_prompt(file, width_px, height_px).depth_m
        except DepthFileError as error:
            print(f"{file.parent.name}/{file.name} counts as without depth: {error}", file=sys.stderr, flush=True)
    return np.zeros((height_px, width_px), np.float32)


if __name__ == "__main__":
    sys.exit(main())
