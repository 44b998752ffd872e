"""Errors of lens and tilt on held-out procedural images: the network's own estimate, and with straight lines.

Lines want pixels, so render the images large:

    python scripts/train/pool.py training/cameras --seed 9001 --shards 8 --count 12 --scale 3.5
    python scripts/train/validate_cameras.py infinidepth_blender/weights/bundled.safetensors training/cameras
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT / "scripts") not in sys.path:
    sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from infinidepth_blender.camera import Camera  # noqa: E402
from infinidepth_blender.engine.exif_camera import PhotoExif  # noqa: E402
from infinidepth_blender.engine.photo import Photo  # noqa: E402
from infinidepth_blender.engine.photo_camera import CameraEstimate, find_camera  # noqa: E402
from infinidepth_blender.field.load import load_field_model  # noqa: E402
from infinidepth_blender.options import ReconstructOptions  # noqa: E402
from train.pool import Shard, shard_folders  # noqa: E402
from train.scenes.layouts import LAYOUTS  # noqa: E402


def camera_errors(model_path: Path, pool: Path) -> list[dict[str, float | str]]:
    """Absolute errors in degrees for every image of a pool, before (`model_`) and after (`lines_`) lines were asked.

    The field of view is that of the longer side of a 4:3 image with the same diagonal.
    """
    model = load_field_model(str(model_path), "cpu")
    rows: list[dict[str, float | str]] = []
    for folder in shard_folders(pool):
        shard = Shard.open(folder)
        for image, labels in zip(shard.image, shard.labels, strict=True):
            height, width = image.shape[:2]
            focal_px, pitch, roll, kind = (float(value) for value in labels)
            seen = model.encode(np.array(image))
            guess = CameraEstimate(seen.fov_x_rad, getattr(seen, "pitch_rad", None), getattr(seen, "roll_rad", None))
            photo = Photo(Path("rendered"), np.array(image), None, PhotoExif(), False, "")
            found = find_camera(photo, ReconstructOptions(), guess).camera
            alone = Camera.from_fov_x(guess.fov_x_rad or 1.0, width, height)
            row: dict[str, float | str] = {"place": list(LAYOUTS)[int(kind)]}
            tilts = (guess.pitch_rad or 0.0, guess.roll_rad or 0.0), (found.pitch_rad or 0.0, found.roll_rad or 0.0)
            for name, camera, tilt in zip(("model", "lines"), (alone, found), tilts, strict=True):
                row[f"{name}_fov_deg"] = abs(_fov_deg(camera.fx_px, width, height) - _fov_deg(focal_px, width, height))
                row[f"{name}_pitch_deg"] = abs(math.degrees(tilt[0] - pitch))
                row[f"{name}_roll_deg"] = abs(math.degrees(tilt[1] - roll))
            rows.append(row)
    return rows


def _fov_deg(focal_px: float, width_px: int, height_px: int) -> float:
    return 2 * math.degrees(math.atan(0.4 * math.hypot(width_px, height_px) / focal_px))


def summary(rows: list[dict[str, float | str]]) -> dict[str, dict[str, float]]:
    """Medians of all errors, shares of fields of view within 5 degrees, over all places and each."""
    result = {}
    for place in ["all", *sorted({str(row["place"]) for row in rows})]:
        chosen = [row for row in rows if place in ("all", row["place"])]
        names = [name for name in rows[0] if name != "place"]
        columns = {name: np.array([float(row[name]) for row in chosen]) for name in names}
        result[place] = {"images": float(len(chosen))}
        result[place] |= {name: float(np.median(values)) for name, values in columns.items()}
        for name in ("model", "lines"):
            result[place][f"{name}_fov_within_5"] = float((columns[f"{name}_fov_deg"] < 5).mean())
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("pool", type=Path)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    found = summary(camera_errors(args.model, args.pool))
    for place, values in found.items():
        print(f"{place:<10}", "  ".join(f"{name} {value:.3g}" for name, value in values.items()))
    if args.json:
        args.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
