#!/usr/bin/env python3
"""Renders the depth benchmark: scenes with thin structures, each a photo and its exact depth.

    python3 scripts/render_benchmark.py OUT                    twelve scenes at 3840 x 2160
    python3 scripts/render_benchmark.py OUT --photo-size 1920x1080   the same depth, smaller pictures in a quarter of the time
    python3 scripts/evaluate.py OUT --dataset benchmark        any model on them

    python3 scripts/render_benchmark.py OUT --clip 32 --size 480x270 --samples 8      32 frames of a moving camera each
    python scripts/evaluate_clips.py OUT                       how steady the depth of these clips is

OUT/<scene>.png is the picture, OUT/<scene>.exr the distance along the optical axis in metres, OUT/benchmark.json
what made them; of a clip OUT/<scene>/0001.png and so on. What is there already is not rendered again.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
for place in (ROOT, ROOT / "scripts"):
    if str(place) not in sys.path:
        sys.path.insert(0, str(place))

import _environment  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, metavar="OUT")
    parser.add_argument("--size", type=_size, default=(3840, 2160), metavar="WxH", help="default 3840x2160")
    parser.add_argument("--photo-size", type=_size, metavar="WxH", help="of the pictures, default the same")
    parser.add_argument("--samples", type=int, default=32, help="of each pixel's colour, default %(default)s")
    parser.add_argument("--scenes", metavar="LIST", help="some of the scenes, separated by commas; default all")
    parser.add_argument("--clip", type=int, metavar="N", help="N frames of a camera that walks on and sways")
    options = parser.parse_args()
    if options.clip is not None and options.clip < 2:
        parser.error("a clip needs at least two frames")
    if options.samples < 1:
        parser.error("a picture needs at least one sample")
    photo_size = options.photo_size or options.size
    if abs(photo_size[0] * options.size[1] / (photo_size[1] * options.size[0]) - 1) > 1e-3:
        parser.error("pictures and depth need the same ratio of width and height")
    _environment.enter()

    from benchmark_scenes.parts import empty_scene
    from benchmark_scenes.rendering import prepare, render_colour, render_depth, walk
    from benchmark_scenes.scenes import SCENES

    names = options.scenes.split(",") if options.scenes else list(SCENES)
    unknown = [name for name in names if name not in SCENES]
    if unknown:
        parser.error(f"there is no scene {', '.join(unknown)}; there are {', '.join(SCENES)}")
    made_with = {
        "size": list(options.size),
        "photo_size": list(photo_size),
        "samples": options.samples,
        "blender": _blender_version(),
    } | ({"clip": options.clip} if options.clip else {})
    record = options.output / "benchmark.json"
    before = json.loads(record.read_text()) if record.is_file() else made_with
    before = {"photo_size": before["size"], **before}
    if {key: before.get(key) for key in {*made_with, "clip"}} != {"clip": None} | made_with:
        parser.error(f"{options.output} holds pictures made with {before}; choose another folder")
    options.output.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps(made_with, indent=1) + "\n")
    for name in names:
        shots = _shots(options.output, name, options.clip)
        if all(file.is_file() for shot in shots for file in shot):
            print(f"{name}: is there", flush=True)
            continue
        start = time.monotonic()
        scene = empty_scene()
        SCENES[name](scene)
        step = walk(scene, len(shots)) if options.clip else None
        for number, (photo, depth) in enumerate(shots):
            photo.parent.mkdir(parents=True, exist_ok=True)
            if step:
                step(number)
            prepare(scene, *options.size)
            render_depth(scene, depth)
            prepare(scene, *photo_size)
            render_colour(scene, photo, options.samples)
        print(f"{name}: {time.monotonic() - start:.0f} s", flush=True)
    return 0


def _shots(output: Path, name: str, clip: int | None) -> list[tuple[Path, Path]]:
    """Picture and depth of a scene, or of each frame of its clip."""
    if clip is None:
        return [(output / f"{name}.png", output / f"{name}.exr")]
    folder = output / name
    return [(folder / f"{number:04d}.png", folder / f"{number:04d}.exr") for number in range(1, clip + 1)]


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    if not match or not (16 <= int(match[1]) <= 16_384 and 16 <= int(match[2]) <= 16_384):
        raise argparse.ArgumentTypeError(f"'{text}' is no size such as 3840x2160")
    return int(match[1]), int(match[2])


def _blender_version() -> str:
    import bpy

    return bpy.app.version_string


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # The bpy module can wait for ever in its own clean-up at exit.
    os._exit(code)
