"""`convert`: splats of one kind of file become another kind."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ..errors import OptionsError
from ..splats import WRITTEN_SUFFIXES
from .arguments import named_path
from .context import Context, expanded


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the arguments of `convert`."""
    parser.add_argument(
        "source", type=named_path, metavar="SPLATS", help="a splat file: .ply, .spz, .sog, .glb or .splat"
    )
    parser.add_argument("output", type=named_path, metavar="OUTPUT", help="the new file: .ply, .spz, .glb or .splat")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Runs the command.

    Raises:
        OptionsError: the output is the source, or ends in no kind of splat file.
        SplatFileError: the source cannot be read.
        OutputError: the output cannot be written; an older file of its name is untouched.
    """
    from ..splats.files import read_splats, write_splats
    from ..splats.transform import srgb_encoded

    source: Path = expanded(arguments.source)
    output: Path = expanded(arguments.output)
    if source.exists() and output.exists() and output.samefile(source):
        raise OptionsError(f"{output} is the file itself.", "Give the output another name.")
    if output.suffix.lower() not in WRITTEN_SUFFIXES:
        raise OptionsError(f"{output} ends in no kind of splat file.", f"Use {', '.join(WRITTEN_SUFFIXES)}.")
    file = read_splats(source, context.rgba_of)
    gaussians, lost = file.gaussians, []
    if file.color_space == "linear":
        lost += ["colours that depend on the view, which are linear"] if gaussians.sh.shape[1] > 1 else []
        gaussians = srgb_encoded(gaussians)
    suffix = output.suffix.lower()
    if suffix == ".splat" and gaussians.sh.shape[1] > 1:
        lost.append("colours that depend on the view")
    if suffix not in (".ply", ".glb") and file.camera is not None:
        lost.append("the camera")
    if file.dropped:
        lost.append(f"{file.dropped:,} splats with values that are not numbers")
    write_splats(output, gaussians, file.camera, file.cam_to_world)
    if arguments.json:
        print(json.dumps({"output": str(output), "splats": len(gaussians), "left_out": lost}))
    else:
        print(f"{output}: {len(gaussians):,} splats, {output.stat().st_size / 1e6:,.1f} MB")
        if lost:
            print(f"left out: {'; '.join(lost)}", file=sys.stderr)
    return 0
