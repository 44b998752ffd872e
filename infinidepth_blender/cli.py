"""The command line: the same arguments in a terminal and after `blender --command infinidepth`."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, get_args

from .commands import info, models, reconstruct, render
from .commands.context import Context
from .errors import Cancelled, InfiniDepthError, OptionsError
from .options import (
    DEFAULT_PARTS,
    DEFAULT_SOLID,
    Background,
    Device,
    MeshFaces,
    MeshKind,
    Outliers,
    Part,
    Precision,
    ReconstructOptions,
    Tilt,
)

EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130

_EXAMPLES = """\
examples:
  infinidepth reconstruct photo.jpg
      a mesh, points, splats, depth map and camera in photo_infinidepth/ beside the photo
  infinidepth reconstruct holiday/ -o out --resume
      every photo in the folder and its sub-folders; what is complete is not made again
  infinidepth reconstruct photo.jpg --make depth --depth-size 2x
      only the depth map, at twice the photo's size
  infinidepth reconstruct photo.jpg -o out --make mesh,blend
      out/photo/scene.blend with a matched camera, ready to render
  infinidepth render out/photo --path orbit --frames 48
  infinidepth info out/photo

Run it as 'python -m infinidepth_blender ...' or 'blender --command infinidepth ...'.
"""

_EXIT_CODES = """\
exit codes: 0 all photos are done; 1 some failed, each with its reason on stderr and in
OUTPUT/failures.json, the others are complete; 2 wrong usage; 130 stopped by Ctrl-C,
nothing half-written stays behind.
"""

_MODELS_FOLDER = """\
The models are kept in a folder of their own, for all Blender versions and this command line;
the variable INFINIDEPTH_MODELS names another one.
"""

_MODELS_NETWORK = (
    _MODELS_FOLDER
    + """
Ctrl-C keeps what came; run it again to go on. HF_ENDPOINT names a mirror, HF_TOKEN an account's
token, HTTPS_PROXY a proxy; HF_HUB_OFFLINE=1 forbids downloads.
"""
)


def main(argv: Sequence[str] | None = None, *, context: Context | None = None) -> int:
    """Runs one command and returns its exit code.

    Args:
        argv: Arguments without the program's name; None: those of this process.
        context: Where the engine is; None: as for a terminal.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        arguments = build_parser().parse_args(argv)
    except SystemExit as stop:  # argparse has said why
        return int(stop.code or 0)
    try:
        with _stop_signals():
            return arguments.run(arguments, context or Context())
    except OptionsError as error:
        return _complain(error, EXIT_USAGE)
    except Cancelled:
        return _complain("Stopped.", EXIT_INTERRUPTED)
    except InfiniDepthError as error:
        return _complain(error, EXIT_FAILED)
    except KeyboardInterrupt as stop:
        return _complain(
            "Stopped; nothing half-written was left behind.", int(stop.args[0]) if stop.args else EXIT_INTERRUPTED
        )
    except BrokenPipeError:
        # Whoever read our output has gone; Python would complain once more on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED


def build_parser() -> argparse.ArgumentParser:
    """The parser with all commands."""
    parser = _parser(
        None, "infinidepth", "Turn photographs into 3D scenes: mesh, points, splats and camera.", _EXAMPLES
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_reconstruct(commands)
    _add_models(commands)
    _add_render(commands)
    _add_info(commands)
    return parser


def _add_reconstruct(commands: Any) -> None:
    defaults = ReconstructOptions()
    parser = _parser(commands, "reconstruct", "make a 3D scene of each photo", _EXIT_CODES)
    parser.set_defaults(run=reconstruct.run)
    parser.add_argument(
        "photos", nargs="+", type=Path, metavar="PHOTO", help="photos, or folders of photos with all sub-folders"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="DIR",
        help="write DIR/<photo>/; without it <photo>_infinidepth/ beside each photo",
    )
    parser.add_argument(
        "--make",
        default=",".join(DEFAULT_PARTS),
        metavar="LIST",
        help=f"any of {','.join(get_args(Part))}, default %(default)s; blend writes scene.blend and needs Blender or bpy",
    )
    parser.add_argument(
        "--model",
        default=defaults.model,
        metavar="NAME|FILE",
        help="'models list' shows the names; default %(default)s",
    )
    parser.add_argument(
        "--splats-model",
        default=defaults.splats_model,
        metavar="NAME|FILE",
        help="surface: flat splats in the photo's colours; or a Gaussian predictor, such as infinidepth-gs with "
        "--model infinidepth; default %(default)s",
    )
    parser.add_argument(
        "--depth-size",
        default=defaults.depth_size,
        metavar="WxH|Nx|photo",
        help="size of the depth map, such as 1920x1080 or 2x; default the photo's, at most 4096 on the longer side",
    )
    parser.add_argument(
        "--points",
        type=int,
        default=defaults.points,
        metavar="N",
        help="number of points and of splats, default %(default)s",
    )
    parser.add_argument(
        "--mesh-size",
        type=int,
        default=defaults.mesh_size,
        metavar="N",
        help="vertices of the mesh along the longer side, default %(default)s",
    )
    parser.add_argument(
        "--mesh",
        choices=get_args(MeshKind),
        default=defaults.mesh,
        help="regular: every vertex; adaptive: fewer where the surface is flat; default %(default)s",
    )
    parser.add_argument(
        "--mesh-error",
        type=float,
        default=defaults.mesh_error,
        metavar="R",
        help="largest relative depth error of an adaptive mesh, default %(default)s",
    )
    parser.add_argument(
        "--mesh-error-px",
        type=float,
        metavar="PX",
        help="also its largest error in pixels for a camera moved aside by 15 %% of the median distance; default: any",
    )
    parser.add_argument(
        "--mesh-faces",
        choices=get_args(MeshFaces),
        default=defaults.mesh_faces,
        help="quads where a regular mesh is not cut, or triangles throughout; default %(default)s",
    )
    parser.add_argument(
        "--solid",
        type=float,
        nargs="?",
        const=DEFAULT_SOLID,
        metavar="R",
        help="close the mesh at the back and the sides, R times the depth thick (default %(const)s), for printing",
    )
    parser.add_argument(
        "--background",
        choices=get_args(Background),
        default=defaults.background,
        help="shell: continue what the foreground hides, for cameras that move; default %(default)s",
    )
    parser.add_argument(
        "--edge-step",
        type=float,
        default=defaults.edge_step,
        metavar="R",
        help="cut where neighbouring depths differ by more than this share, default %(default)s",
    )
    parser.add_argument(
        "--sky",
        default=str(defaults.sky),
        metavar="auto|off|FILE",
        help="where the sky is: found, nowhere, or where a picture over the photo is white; default %(default)s",
    )
    spread = parser.add_argument_group("where the points lie (default: evenly over all surfaces)")
    spread.add_argument(
        "--points-mask", type=Path, metavar="FILE", help="picture over the photo, white where points may lie"
    )
    spread.add_argument(
        "--points-crop",
        type=_crop,
        metavar="X,Y,W,H",
        help="only inside this rectangle, in pixels of the upright photo",
    )
    spread.add_argument(
        "--points-density",
        type=Path,
        metavar="FILE",
        help="picture over the photo: the brighter, the denser the points; none where it is black",
    )
    spread.add_argument(
        "--points-outliers",
        choices=get_args(Outliers),
        default=defaults.points_outliers,
        help="what happens to points that fly far from all others, default %(default)s",
    )
    spread.add_argument(
        "--grazing-cap",
        type=_angle_or_off,
        default=defaults.grazing_cap_deg,
        metavar="DEG|off",
        help="no more points per pixel where a surface is seen flatter than this (degrees from its normal), or is further "
        "away than ten median depths; off: exactly even; default %(default)g",
    )
    lens = parser.add_argument_group(
        "the photo's camera (default: its lens from EXIF data, else estimated from straight lines and the model)"
    )
    lens.add_argument("--fov", type=float, metavar="DEG", help="horizontal field of view in degrees")
    lens.add_argument("--focal-px", type=float, metavar="F", help="focal length in pixels of the photo")
    lens.add_argument(
        "--camera",
        type=Path,
        metavar="FILE",
        help="camera.json, or a text file with a 3x3 matrix or fx fy cx cy in pixels of the photo",
    )
    lens.add_argument(
        "--tilt",
        choices=get_args(Tilt),
        default=defaults.tilt,
        help="auto: the scene stands upright, as straight lines in the picture show; level: its camera looks level; "
        "default %(default)s",
    )
    parser.add_argument(
        "--depth-prompt",
        type=Path,
        metavar="FILE",
        help="measured depth in metres, sparse or dense: .png (16 bit, mm), .npy, .npz, .exr or .h5",
    )
    parser.add_argument(
        "--known-distance",
        action="append",
        default=[],
        metavar="X,Y=M|X,Y:X,Y=M",
        help="a distance in metres that gives the scale: from the camera to a pixel, or between two pixels, counted from the "
        "top left; may be repeated",
    )
    parser.add_argument("--device", choices=get_args(Device), default=defaults.device, help="default %(default)s")
    parser.add_argument(
        "--precision",
        choices=get_args(Precision),
        default=defaults.precision,
        help="of a large model's encoder: exact (32 bit), fast (16 bit), or auto: fast where the hardware is made for "
        "it; default %(default)s",
    )
    parser.add_argument(
        "--seed", type=int, default=defaults.seed, metavar="N", help="of everything random, default %(default)s"
    )
    parser.add_argument("--resume", action="store_true", help="skip photos that are complete with the same options")
    parser.add_argument("--json", action="store_true", help="one JSON event per line on stdout instead of a progress bar")  # fmt: skip


def _crop(text: str) -> tuple[int, ...]:
    try:
        numbers = tuple(int(number) for number in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != 4:
        raise argparse.ArgumentTypeError(f"'{text}' is not X,Y,W,H in whole pixels, such as 100,50,640,480")
    return numbers


def _angle_or_off(text: str) -> float | None:
    if text == "off":
        return None
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is neither an angle in degrees nor off") from None


def _add_models(commands: Any) -> None:
    parser = _parser(commands, "models", "list, download, check or remove the models", _MODELS_FOLDER)
    actions = parser.add_subparsers(metavar="list|download|add|verify|remove", required=True)
    listing = _parser(actions, "list", "the models that have a name, and which are here")
    listing.set_defaults(run=models.run_list)
    download = _parser(
        actions, "download", "fetch a model; what breaks off is continued the next time", _MODELS_NETWORK
    )
    download.set_defaults(run=models.run_download)
    add = _parser(actions, "add", "take a model's file from a disk, where there is no network", _MODELS_FOLDER)
    add.set_defaults(run=models.run_add)
    verify = _parser(actions, "verify", "check a model's file by its hash, and try it in the engine")
    verify.set_defaults(run=models.run_verify)
    remove = _parser(actions, "remove", "delete a downloaded model, or what is there of one")
    remove.set_defaults(run=models.run_remove)
    for action in (download, add, remove):
        action.add_argument("name", metavar="NAME", help="'models list' shows the names")
    add.add_argument("file", metavar="FILE", type=Path, help="its file, such as infinidepth.ckpt; it is copied")
    for action in (download, add):
        action.add_argument("--accept-licence", action="store_true", help="for scripts: you have read and accept its licence")  # fmt: skip
    verify.add_argument(
        "name",
        metavar="NAME|FILE",
        nargs="?",
        help="default: the bundled model, and the files of all that are downloaded",
    )
    verify.add_argument("--device", choices=get_args(Device), default="auto", help="default %(default)s")
    remove.add_argument(
        "--forget", action="store_true", help="also forget its hash, if the model was replaced on the hub"
    )
    for action in (listing, download, add, verify):
        action.add_argument("--json", action="store_true", help="print JSON")


def _add_render(commands: Any) -> None:
    parser = _parser(commands, "render", "new views of splats as pictures or a video")
    parser.set_defaults(run=render.run)
    render.add_arguments(parser)


def _add_info(commands: Any) -> None:
    parser = _parser(commands, "info", "what is in a result, a PLY file or a model's file")
    parser.set_defaults(run=info.run)
    parser.add_argument(
        "path",
        type=Path,
        metavar="BUNDLE|FILE",
        help="folder of a result, a PLY file, or a model (.ckpt, .safetensors)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def _parser(commands: Any, name: str, about: str, epilog: str = "") -> argparse.ArgumentParser:
    style: Any = {"formatter_class": argparse.RawDescriptionHelpFormatter, "epilog": epilog, "allow_abbrev": False}
    if commands is None:
        return argparse.ArgumentParser(prog=name, description=about, **style)
    return commands.add_parser(name, help=about, description=f"{about[0].upper()}{about[1:]}.", **style)


@contextlib.contextmanager
def _stop_signals() -> Iterator[None]:
    """Ctrl-C and a polite kill both stop in order, even where Blender has handlers of its own."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt(128 + number)

    before: dict[int, Any] = {}
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
        number = getattr(signal, name, None)
        # ValueError: not the main thread, which has no signals to handle.
        with contextlib.suppress(ValueError, OSError):
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


def _complain(what: object, code: int) -> int:
    print(f"infinidepth: {what}", file=sys.stderr, flush=True)
    return code
