"""The command line: the same arguments in a terminal and after `blender --command infinidepth`."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, get_args

from .commands import convert, info, models, reconstruct, reconstruct_arguments, render
from .commands.arguments import named_path, not_empty
from .commands.context import Context
from .engine.bootstrap import PACKAGE_NAME
from .engine.runtime import find_runtime
from .errors import Cancelled, InfiniDepthError, OptionsError, RuntimeMissingError
from .options import Device

EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130

_EXAMPLES = """\
examples:
  infinidepth reconstruct photo.jpg
      a mesh, points, splats, depth map and camera in photo_infinidepth/ beside the photo
  infinidepth reconstruct holiday/ -o out --resume
      every photo in the folder and its sub-folders; what is complete is not made again
  infinidepth reconstruct holiday/ -o out --depth-prompt lidar/ --sky skies/
      lidar/IMG_1.npy and skies/IMG_1.png belong to holiday/IMG_1.jpg, and so on
  infinidepth reconstruct photo.jpg --make depth --depth-size 2x
      only the depth map, at twice the photo's size
  infinidepth reconstruct photo.jpg -o out --make mesh,blend
      out/photo/scene.blend with a matched camera, ready to render
  infinidepth reconstruct walk.mp4 'plate.####.exr' -o out --make depth,mesh,blend
      clips: depth of every frame, and a surface that moves with them
  infinidepth render out/photo --path orbit --frames 48
  infinidepth convert out/photo/splats.ply photo.spz
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
    # Closed by whoever started this: then nobody listens.
    sys.stdout, sys.stderr = (stream or Path(os.devnull).open("w") for stream in (sys.stdout, sys.stderr))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        arguments = build_parser().parse_args(argv)
    except SystemExit as stop:  # argparse has said why
        return int(stop.code or 0)
    as_json = bool(getattr(arguments, "json", False))
    try:
        with _stop_signals():
            return arguments.run(arguments, context or Context())
    except OptionsError as error:
        return _complain(error, EXIT_USAGE, as_json)
    except Cancelled:
        return _complain(Cancelled("Stopped."), EXIT_INTERRUPTED, as_json)
    except InfiniDepthError as error:
        return _complain(error, EXIT_FAILED, as_json)
    except ModuleNotFoundError as error:
        given = sys.argv[1:] if argv is None else argv
        return _complain(_missing(error, context or Context(), given), EXIT_FAILED, as_json)
    except KeyboardInterrupt as stop:
        code = int(stop.args[0]) if stop.args else EXIT_INTERRUPTED
        return _complain(Cancelled("Stopped; nothing half-written was left behind."), code, as_json)
    except BrokenPipeError:
        # Whoever read our output has gone; Python would complain once more on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except OSError as error:
        # Names too long for the file system, drives that are gone: what no command could say better.
        where = f"{error.filename}: " if error.filename else ""
        return _complain(
            InfiniDepthError(f"{where}{error.strerror or error}.", "Check the path, and the disk it is on."),
            EXIT_FAILED,
            as_json,
        )


def build_parser() -> argparse.ArgumentParser:
    """The parser with all commands."""
    parser = _parser(
        None, "infinidepth", "Turn photographs into 3D scenes: mesh, points, splats and camera.", _EXAMPLES
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_reconstruct(commands)
    _add_models(commands)
    _add_render(commands)
    _add_convert(commands)
    _add_info(commands)
    return parser


def _add_reconstruct(commands: Any) -> None:
    parser = _parser(commands, "reconstruct", "make a 3D scene of each photo", _EXIT_CODES)
    parser.set_defaults(run=reconstruct.run)
    reconstruct_arguments.add_arguments(parser)


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
        action.add_argument("name", metavar="NAME", type=not_empty, help="'models list' shows the names")
    add.add_argument("file", metavar="FILE", type=named_path, help="its file, such as infinidepth.ckpt; it is copied")
    for action in (download, add):
        action.add_argument("--accept-licence", action="store_true", help="for scripts: you have read and accept its licence")  # fmt: skip
    verify.add_argument(
        "name",
        metavar="NAME|FILE",
        nargs="?",
        type=not_empty,
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


def _add_convert(commands: Any) -> None:
    parser = _parser(commands, "convert", "a splat file as one of another kind (.ply, .spz, .splat, .glb)")
    parser.set_defaults(run=convert.run)
    convert.add_arguments(parser)


def _add_info(commands: Any) -> None:
    parser = _parser(commands, "info", "what is in a result, a splat or PLY file or a model's file")
    parser.set_defaults(run=info.run)
    parser.add_argument(
        "path",
        type=named_path,
        metavar="BUNDLE|FILE",
        help="folder of a result, a file of splats (.ply, .spz, .sog, .splat, .glb), points or a mesh (.ply, .glb), or a model (.ckpt, .safetensors)",
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


def _missing(error: ModuleNotFoundError, context: Context, argv: Sequence[str]) -> RuntimeMissingError:
    """What some commands need of this Python, while others leave it to the engine's.

    Args:
        error: Names the package.
        context: Where the engine is, whose Python has it.
        argv: The command, to be given to that one.

    Raises:
        ModuleNotFoundError: it is a part of this program that is missing.
    """
    if error.name is None or error.name.partition(".")[0] == __package__:
        raise error
    remedy = f"Install it there (pip install {error.name}), or run the command with the engine's Python."
    if __package__ != PACKAGE_NAME:  # an extension's name, which no Python but Blender's knows
        remedy = f"Run it in a terminal, with a Python that has {error.name}."
    else:
        with contextlib.suppress(InfiniDepthError):
            runtime = find_runtime(context.python, context.user_dir, context.site, context.older_dirs)
            if runtime.origin != "current":
                command = _as_typed([str(runtime.python), "-m", PACKAGE_NAME, *argv])
                remedy = f"Run it with the engine's Python: {command}"
    return RuntimeMissingError(
        f"This command needs the package {error.name}, which {sys.executable} does not have.",
        remedy,
    )


def _as_typed(command: list[str], system: str = sys.platform) -> str:
    """A command as it is typed into the terminal of an operating system."""
    return subprocess.list2cmdline(command) if system == "win32" else shlex.join(command)


def _complain(error: InfiniDepthError, code: int, as_json: bool) -> int:
    """Says what happened on stderr, and as the last event where events are wanted."""
    if as_json:
        event = "stopped" if isinstance(error, Cancelled) else "failed"
        print(json.dumps({"event": event, "error": error.to_json()}), flush=True)
    print(f"infinidepth: {error}", file=sys.stderr, flush=True)
    return code
