"""How steady the depth of clips is, against the truth: `python scripts/evaluate_clips.py OUT [--json FILE]`.

OUT is what `render_benchmark.py OUT --clip N` made. Each clip is reconstructed as one shot, and each of its
frames as a photo of its own, with the same lens. Told for both:

scale_drift: standard deviation over the frames of the logarithm of their depth over the truth (median of each frame): 0.05
    means that a frame is 5 % larger or smaller than the others;
flicker: mean absolute change of that logarithm from one frame to the next at the same pixel, where the truth changes by less
    than 5 %;
shot_delta_1: share of pixels within 25 %, all frames together with one fit (disparity, affine, least absolute
    deviations); frame_delta_1 the same with a fit for each frame, which scale and drift do not lower.
"""

from __future__ import annotations

import argparse
import json
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
from evaluation.fits import fit_depth  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from infinidepth_blender import reconstruction as bundle  # noqa: E402
from infinidepth_blender.commands.models import resolve_model  # noqa: E402
from infinidepth_blender.engine.clip_pipeline import reconstruct_clip  # noqa: E402
from infinidepth_blender.engine.depth_files import read_prompt  # noqa: E402
from infinidepth_blender.engine.models import ModelCache  # noqa: E402
from infinidepth_blender.engine.pipeline import reconstruct_photo  # noqa: E402
from infinidepth_blender.errors import InfiniDepthError  # noqa: E402
from infinidepth_blender.options import ReconstructOptions  # noqa: E402

_STILL = 0.05
_FARTHEST_M = 1e9
_FIT_PIXELS = 200_000

Depths = NDArray[np.float32]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="OUT")
    parser.add_argument("--model", default="bundled", metavar="NAME|FILE")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    clips = sorted(path for path in options.folder.iterdir() if path.is_dir() and any(path.glob("*.exr")))
    if not clips:
        parser.error(f"{options.folder} holds no clips; render some with render_benchmark.py --clip")
    try:
        chosen = ReconstructOptions(make=("depth",), model=resolve_model(options.model))
        models = ModelCache()
        scores = {clip.name: scores_of(clip, chosen, models) for clip in clips}
    except InfiniDepthError as error:
        parser.exit(1, f"{error}\n")
    scores["mean"] = {
        kind: {name: float(np.mean([of[kind][name] for of in scores.values()])) for name in values}
        for kind, values in next(iter(scores.values())).items()
    }
    for name, of in scores.items():
        for kind, values in of.items():
            print(f"{name:<12} {kind:<12} " + "  ".join(f"{key} {value:.4f}" for key, value in values.items()))
    if options.json:
        options.json.write_text(json.dumps(scores, indent=1) + "\n")
    return 0


def scores_of(clip: Path, options: ReconstructOptions, models: ModelCache) -> dict[str, dict[str, float]]:
    """Scores of a clip as one shot and as single photos.

    Args:
        clip: Folder with `0001.png`, `0001.exr` and so on.
        options: What to reconstruct with.
        models: Loaded models.
    """
    with tempfile.TemporaryDirectory() as work:
        pictures = Path(work, "frames")
        pictures.mkdir()
        for picture in sorted(clip.glob("*.png")):
            (pictures / picture.name).symlink_to(picture.absolute())
        shot = reconstruct_clip(pictures, Path(work, "shot"), options, models=models)
        files = [shot.clip_frame(number + 1) for number in range(len(list(pictures.iterdir())))]
        size = shot.camera.width_px, shot.camera.height_px
        steady = np.stack([read_prompt(file[1], *size).depth_m for file in files if file])
        lens: dict[str, Any] = {"focal_px": shot.camera.fx_px}
        single = ReconstructOptions(**{**options.__dict__, **lens})
        alone = []
        for number, picture in enumerate(sorted(pictures.iterdir())):
            made = reconstruct_photo(picture, Path(work, f"photo_{number}"), single, models=models)
            alone.append(np.array(bundle.load(made.folder or Path()).depth_m))
    truth = np.stack([read_prompt(file, *size).depth_m for file in sorted(clip.glob("*.exr"))])
    return {"as one shot": compare(steady, truth), "as photos": compare(np.stack(alone), truth)}


def compare(depth_m: Depths, truth_m: Depths) -> dict[str, float]:
    """Scores of (K, h, w) depth against the truth; sky and missing depth are left out.

    Args:
        depth_m, truth_m: Metres, the first of any scale.
    """
    there = np.isfinite(depth_m) & (depth_m > 0) & (depth_m < _FARTHEST_M)
    there &= np.isfinite(truth_m) & (truth_m > 0) & (truth_m < _FARTHEST_M)
    ratio = np.where(there, np.log(np.where(there, depth_m, 1)) - np.log(np.where(there, truth_m, 1)), np.nan)
    levels = np.array([np.nanmedian(frame) for frame in ratio])
    still = np.abs(np.diff(np.log(np.where(there, truth_m, np.nan)), axis=0)) < _STILL
    changes = np.abs(np.diff(ratio, axis=0))[still]
    frames = [_delta_1(d[None], t[None], m[None]) for d, t, m in zip(depth_m, truth_m, there, strict=True)]
    return {
        "scale_drift": float(np.std(levels)),
        "flicker": float(np.nanmean(changes)),
        "shot_delta_1": _delta_1(depth_m, truth_m, there),
        "frame_delta_1": float(np.mean(frames)),
    }


def _delta_1(depth_m: Depths, truth_m: Depths, there: NDArray[np.bool_]) -> float:
    step = max(1, int(there.sum()) // _FIT_PIXELS)
    disparity, true_m = 1 / depth_m[there][::step], truth_m[there][::step]
    fitted = fit_depth(disparity, true_m, "lad").depth_m
    return float((np.maximum(fitted / true_m, true_m / fitted) < 1.25).mean())


if __name__ == "__main__":
    sys.exit(main())
