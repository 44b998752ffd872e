#!/usr/bin/env python3
"""From a photograph to a Blender scene in one command: `python3 scripts/demo.py [PHOTO]`.

Reconstructs the photo with the bundled model, writes everything into `out/demo/<name>/`,
builds `scene.blend`, renders it from the photo's own camera and from a camera moved
aside, and says what it made. Without a photo it takes one that comes with scikit-image.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import _environment
from _demo_photo import motorcycle

ROOT = _environment.ROOT


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("photo", nargs="?", type=Path, help="a photograph; default: one that scikit-image brings")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "out" / "demo", help="default: out/demo")
    parser.add_argument("--depth-prompt", type=Path, help="measured depth of the photo in metres, if there is any")
    parser.add_argument(
        "--measured", action="store_true", help="use the depth that was measured for the photo of scikit-image"
    )
    parser.add_argument("--no-blender", action="store_true", help="stop before scene.blend and the renders")
    options = parser.parse_args()
    if options.measured and options.photo:
        parser.error("--measured is for the photo of scikit-image; give the depth of your own with --depth-prompt")
    for path in (options.photo, options.depth_prompt):
        if path and not path.expanduser().is_file():
            parser.error(f"there is no file {path}")
    _environment.enter()

    extra: list[str] = []
    if options.photo:
        photo = options.photo.expanduser().resolve()
    else:
        photo, depth_file, focal_px = motorcycle(options.output.resolve() / "input")
        extra += ["--focal-px", str(focal_px)]
        if options.measured:
            options.depth_prompt = depth_file
    if options.depth_prompt:
        extra += ["--depth-prompt", str(options.depth_prompt.expanduser().resolve())]
    hint = "" if options.no_blender else _environment.missing_library_hint(Path(sys.executable))
    if hint:
        print(f"{hint}\nGoing on without Blender: no scene.blend and no renders this time.", file=sys.stderr)
    with_blender = not (options.no_blender or hint)

    start = time.monotonic()
    folder = options.output.resolve() / photo.stem
    parts = "depth,mesh,points,splats,camera" + (",blend" if with_blender else "")
    command = [
        sys.executable,
        "-m",
        "infinidepth_blender",
        "reconstruct",
        str(photo),
        "-o",
        str(options.output.resolve()),
    ]
    code = subprocess.call([*command, "--make", parts, *extra], cwd=ROOT)
    if code != 0:
        return code
    seconds = {"reconstruct": time.monotonic() - start}
    if with_blender:
        start = time.monotonic()
        print("Rendering from the photo's camera and from one moved aside ...", flush=True)
        command = [sys.executable, str(ROOT / "scripts" / "_render_views.py"), str(folder)]
        rendered = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
        if rendered.returncode != 0:
            print(rendered.stdout[-3000:], rendered.stderr[-3000:], sep="\n", file=sys.stderr)
            return rendered.returncode
        seconds["render"] = time.monotonic() - start
    print_summary(photo, folder, seconds)
    return 0


def print_summary(photo: Path, folder: Path, seconds: dict[str, float]) -> None:
    data = json.loads((folder / "reconstruction.json").read_text())
    camera, arrays = data["camera"], data["arrays"]
    print(
        f"\n{photo.name}: {data['photo']['width_px']} x {data['photo']['height_px']}, focal length {camera['fx_px']:.0f} px ({camera['source']})"
    )
    made = {
        "depth": f"{arrays['depth']['shape'][1]} x {arrays['depth']['shape'][0]}",
        "mesh": _count(arrays, "mesh_vertices_cam", "vertices"),
        "points": _count(arrays, "points_positions_cam", "points"),
        "splats": _count(arrays, "splats_means", "Gaussians"),
    }
    for name, text in made.items():
        print(f"  {name:<8} {text}")
    stages = ", ".join(f"{stage} {value:.1f} s" for stage, value in data["timings_s"].items())
    print(f"  time     {stages}; " + ", ".join(f"{name} {value:.0f} s in all" for name, value in seconds.items()))
    for warning in data["warnings"]:
        print(f"  note     {warning}")
    print(f"\nIn {folder}:")
    for path in sorted(folder.iterdir()):
        size = sum(f.stat().st_size for f in path.rglob("*")) if path.is_dir() else path.stat().st_size
        print(f"  {path.name + ('/' if path.is_dir() else ''):<22} {size / 1e6:8.1f} MB")
    if (folder / "scene.blend").is_file():
        print("\nOpen scene.blend in Blender 4.2 or later and press Numpad 0 to look through the photo's camera.")


def _count(arrays: dict[str, dict], stem: str, unit: str) -> str:
    return f"{arrays[stem]['shape'][0]:,} {unit}" if stem in arrays else "not made"


if __name__ == "__main__":
    try:
        code = main()
    except KeyboardInterrupt:
        code = 130
        print("demo: stopped; run it again to go on.", file=sys.stderr)
    except OSError as error:
        code = 1
        print(f"demo: {error}. Choose another folder with -o.", file=sys.stderr)
    sys.exit(code)
