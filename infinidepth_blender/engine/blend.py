"""Starts the process that writes `scene.blend`, see `blend_process`; standard library only."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from ..errors import RuntimeMissingError, SceneError
from ..scene_file import SCENE_NAME, remember_scene, set_scene_aside
from .exits import describe_exit
from .process import child_environment, kill_group, no_window_flags

BPY_PYTHON_VARIABLE = "INFINIDEPTH_BPY_PYTHON"
"""Environment variable that names a Python that can import bpy."""
ERROR_MARK = "infinidepth error: "
"""Starts the line on which `blend_process` says what went wrong."""

_MADE_SUFFIX = ".made"
"""Of a scene that has not got its name yet."""
_SCRIPT = Path(__file__).with_name("blend_process.py")


def blend_command() -> list[str]:
    """How to start `blend_process`: with this Blender, the named Python, or the current one.

    Raises:
        RuntimeMissingError: none of them has bpy.
    """
    bpy = sys.modules.get("bpy")
    blender = getattr(getattr(bpy, "app", None), "binary_path", "")
    if blender:
        return [blender, "--background", "--factory-startup", "--python-exit-code", "1", "--python", str(_SCRIPT), "--"]
    named = os.environ.get(BPY_PYTHON_VARIABLE)
    if named:
        if not Path(named).is_file():
            raise RuntimeMissingError(
                f"{BPY_PYTHON_VARIABLE} names {named}, which does not exist.", "Correct or unset it."
            )
        return [named, "-I", str(_SCRIPT)]
    if importlib.util.find_spec("bpy") is not None:
        return [sys.executable, str(_SCRIPT)]
    raise RuntimeMissingError(
        "scene.blend needs Blender, and this Python has no bpy module.",
        "Run it as 'blender --command infinidepth', set INFINIDEPTH_BPY_PYTHON to a Python that can import bpy, "
        "or leave blend out of --make.",
    )


def write_blend_file(bundle: Path, command: list[str] | None = None) -> Path | None:
    """Writes `scene.blend` into a finished bundle; takes seconds.

    An interrupt ends the process and leaves no half-written file. A scene that is there when the new one is done
    was saved by somebody meanwhile, whose Blender had the earlier one open: it is set aside.

    Args:
        bundle: The bundle.
        command: From `blend_command`; None: found now.

    Returns:
        Where a scene is now that was there; None: there was none.

    Raises:
        OSError: the scene cannot be renamed.
        RuntimeMissingError: there is no bpy.
        SceneError: the scene could not be built or saved.
    """
    command = command or blend_command()
    target = bundle / f"{SCENE_NAME}{_MADE_SUFFIX}"
    environment = child_environment(command[0]) if "-I" in command else None
    try:
        process = subprocess.Popen(
            [*command, str(bundle.absolute()), str(target.absolute())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment,
            creationflags=no_window_flags() | getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            start_new_session=os.name == "posix",
        )
    except OSError as error:
        raise RuntimeMissingError(f"{command[0]} cannot be started: {error.strerror or error}.") from error
    try:
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                _, errors = process.communicate(timeout=0.5)
                break
    except BaseException:
        kill_group(process)
        process.wait()
        _remove_unfinished(target)
        raise
    if process.returncode != 0 or not target.is_file():
        _remove_unfinished(target)
        raise _scene_error(bundle, process.returncode, errors.decode("utf-8", "replace"))
    try:
        remember_scene(bundle, target)
        aside = set_scene_aside(bundle)
        target.replace(bundle / SCENE_NAME)
    except BaseException:
        _remove_unfinished(target)
        raise
    return aside


def _remove_unfinished(target: Path) -> None:
    # `write_blend` saves under such a name and renames the file when it is whole.
    # What cannot be removed must not hide why the process ended.
    with contextlib.suppress(OSError):
        for leftover in (target, *target.parent.glob(f".{target.name}.*")):
            leftover.unlink(missing_ok=True)


def _scene_error(bundle: Path, returncode: int, errors: str) -> SceneError:
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    told = next((line.removeprefix(ERROR_MARK) for line in lines if line.startswith(ERROR_MARK)), "")
    if told:
        return SceneError(f"scene.blend was not written: {told}")
    reason = f"Blender {describe_exit(returncode)}" if returncode else "Blender saved no file"
    last = f': "{lines[-1]}"' if lines else ""
    error = SceneError(
        f"scene.blend was not written for {bundle}: {reason}{last}.",
        "The rest of the result is complete: --resume tries this part again, or import the folder in Blender.",
    )
    error.add_note("\n".join(lines[-30:]))
    return error
