"""`render`: new views of splats, as pictures or a video; the engine does the work."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import get_args

from ..engine.client import error_of
from ..engine.protocol import Done, Failed, Progressed, Stopped
from ..errors import Cancelled, OptionsError
from ..options import PathKind
from .arguments import named_path
from .context import Context, expanded

OUTPUT_NAME = "views"
_FRAMES = 120


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the arguments of `render`."""
    parser.add_argument(
        "source",
        type=named_path,
        metavar="BUNDLE|SPLATS",
        help="folder of a result, or a splat file (.ply, .spz, .sog, .splat, .glb)",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=named_path,
        metavar="DIR|FILE.mp4|FILE.png",
        help="folder for frame_0001.png and on, a video (its sides are made even), or with --path still a single picture; "
        "default 'views' in the result or beside the file",
    )
    parser.add_argument(
        "--path", choices=get_args(PathKind), default="orbit", help="how the camera moves, default %(default)s"
    )
    parser.add_argument(
        "--frames", type=int, metavar="N", help=f"number of frames, default {_FRAMES}; 1 of a single still picture"
    )
    parser.add_argument(
        "--size", metavar="WxH", help="size of the frames; default the photo's, at most 1280 on the longer side"
    )
    parser.add_argument("--fov", type=float, metavar="DEG", help="horizontal field of view, default the photo's")
    parser.add_argument(
        "--amplitude", type=float, default=1.0, metavar="F", help="factor on the size of the move, default %(default)s"
    )
    parser.add_argument(
        "--from",
        dest="eye",
        type=float,
        nargs=3,
        metavar=("X", "Y", "Z"),
        help="where the camera stands, in the axes of splats.ply: right, down, ahead; default the photo's place",
    )
    parser.add_argument(
        "--look-at",
        dest="target",
        type=float,
        nargs=3,
        metavar=("X", "Y", "Z"),
        help="what it looks at; with --from alone the middle of the splats",
    )
    parser.add_argument(
        "--background", metavar="#RRGGBB", default="#000000", help="colour where no splat is, default %(default)s"
    )
    parser.add_argument("--fps", type=float, default=30.0, metavar="N", help="of a video, default %(default)s")
    parser.add_argument(
        "--json", action="store_true", help="one JSON event per line on stdout instead of a progress bar"
    )


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Runs the command.

    Raises:
        OptionsError: the size is not understood.
        InfiniDepthError: of whatever kind the engine raises.
    """
    source: Path = expanded(arguments.source).absolute()
    beside = source if source.is_dir() else source.parent
    output = expanded(arguments.output).absolute() if arguments.output else beside / OUTPUT_NAME
    settings = {
        "source": str(source),
        "output": str(output),
        "path_kind": arguments.path,
        "frames": _frames(arguments, output),
        "size_px": _size(arguments.size) if arguments.size else None,
        "fov_deg": arguments.fov,
        "amplitude": arguments.amplitude,
        "fps": arguments.fps,
        "background": _colour(arguments.background),
        "eye": arguments.eye,
        "target": arguments.target,
    }
    with context.engine() as engine:
        job = engine.call("render", settings)
        for event in engine.events(job):
            if isinstance(event, Progressed):
                _show(event, arguments.json)
            elif isinstance(event, Failed):
                _clear(arguments.json)
                raise error_of(event)
            elif isinstance(event, Stopped):
                raise Cancelled()
            elif isinstance(event, Done):
                _clear(arguments.json)
                _finish(event, arguments.json)
    return 0


def _frames(arguments: argparse.Namespace, output: Path) -> int:
    """How many frames are asked for: where nobody says and one picture is named that does not move, one."""
    if arguments.frames is not None:
        return arguments.frames
    one = arguments.path == "still" and output.suffix.lower() == ".png" and not output.is_dir()
    return 1 if one else _FRAMES


def _size(text: str) -> list[int]:
    match = re.fullmatch(r"(\d{1,9})x(\d{1,9})", text)
    if not match:
        raise OptionsError(f"The size '{text}' is not understood.", "Use a form like 1280x720.")
    return [int(match[1]), int(match[2])]


def _colour(text: str) -> list[float]:
    match = re.fullmatch(r"#?([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})", text)
    if not match:
        raise OptionsError(f"The colour '{text}' is not understood.", "Use a form like #ff8000.")
    return [int(part, 16) / 255 for part in match.groups()]


def _show(event: Progressed, as_json: bool) -> None:
    if as_json:
        values = {"event": "progress", "stage": event.stage, "fraction": event.fraction, "message": event.message}
        print(json.dumps(values), flush=True)
    elif sys.stderr.isatty():
        print(f"\r{100 * event.fraction:3.0f}%  {event.message:<40}", end="", file=sys.stderr, flush=True)


def _clear(as_json: bool) -> None:
    if not as_json and sys.stderr.isatty():
        print("\r" + " " * 50 + "\r", end="", file=sys.stderr, flush=True)


def _finish(event: Done, as_json: bool) -> None:
    views = event.summary
    if as_json:
        print(json.dumps({"event": "done"} | views), flush=True)
        return
    for warning in views["warnings"]:
        print(f"note: {warning}", file=sys.stderr)
    size = f"{views['width_px']} x {views['height_px']}"
    count = f"{views['frames']} frame{'s' if views['frames'] != 1 else ''}"
    print(f"{count} of {size} in {views['seconds']:.1f} s -> {views['output']}", file=sys.stderr)
