"""Frames to disk: a folder of PNG images, a single one or a video file. Needs OpenCV: the engine imports this module."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import OptionsError, OutputError
from ..small_files import write_json
from ..staging import FRAME_PATTERN, FRAMES_NAME, STAGING_SUFFIX, clear, held, output_error
from .h264 import H264Writer, can_encode

VIDEO_CODECS = {".mp4": "mp4v", ".mov": "mp4v", ".avi": "MJPG", ".webm": "VP80"}
"""What OpenCV's own wheels encode on every system; `.mp4` and `.mov` are in H.264 where PyAV is installed (`h264`)."""

FRAME_NAME = "frame_{:04d}.png"
_PICTURE_SUFFIX = ".png"
_SIGNED = b"tEXtSoftware\0InfiniDepth"
"""In a picture that was rendered here: others are a user's own."""
_HEAD_BYTES = 33
"""Signature and first part of a PNG file, which the others follow in any order."""

WriteFrame = Callable[[NDArray[np.uint8]], None]


def is_video(output: Path) -> bool:
    """Whether this output is a video file, going by its name; anything without an extension is a folder.

    Raises:
        OptionsError: it is a file of a kind that cannot be written.
    """
    suffix = output.suffix.lower()
    if suffix in VIDEO_CODECS:
        return True
    if is_picture(output):
        return False
    if suffix and not output.is_dir() and re.fullmatch(r"\.(?=\d*[a-z]\w)[a-z0-9]{2,4}", suffix):
        raise OptionsError(
            f"'{suffix}' is no kind of video or picture that can be written.",
            f"Use {', '.join(VIDEO_CODECS)}, {_PICTURE_SUFFIX} for one picture, or a name without extension for a folder of "
            "PNG images.",
        )
    return False


def is_picture(output: Path) -> bool:
    """Whether this output is a single picture, going by its name."""
    return output.suffix.lower() == _PICTURE_SUFFIX and not output.is_dir()


def unfinished(output: Path) -> Path:
    """What holds the frames of an output until it is complete."""
    if is_video(output) or is_picture(output):
        return output.with_name(output.stem + STAGING_SUFFIX + output.suffix)
    return output.with_name(output.name + STAGING_SUFFIX)


@contextlib.contextmanager
def frame_writer(output: Path, width_px: int, height_px: int, fps: float) -> Iterator[WriteFrame]:
    """Takes (h, w, 3) uint8 sRGB frames and makes `output` of them, all or nothing.

    In a folder that exists, only frames that were rendered here earlier are replaced; `infinidepth_frames.json` names them.
    A single picture replaces only one that was rendered here, which a note in it tells.

    Args:
        output: A folder for PNG images, a PNG file for a single frame, or a video file.
        width_px, height_px: Size of every frame; even for a video.
        fps: Frames per second of a video.

    Raises:
        OutputError: it cannot be written, or the folder holds frames of somebody else; what was there before stays.
    """
    if is_video(output):
        make = _video_writer(output, width_px, height_px, fps)
    else:
        make = _picture_writer(output) if is_picture(output) else _image_writer(output)
    try:
        with make as write:
            yield write
    except FileNotFoundError as error:
        raise OutputError(
            f"What was written of {output} is gone: another InfiniDepth may be making it, too.",
            "Wait for it, or choose another output.",
        ) from error
    except OSError as error:
        raise output_error(error, output) from error


@contextlib.contextmanager
def _image_writer(folder: Path) -> Iterator[WriteFrame]:
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file, not a folder for images.", "Choose another output.")
    earlier = _own_frames(folder)
    staging = unfinished(folder)
    clear(staging)
    staging.mkdir(parents=True, exist_ok=True)
    count = 0

    def write(frame: NDArray[np.uint8]) -> None:
        nonlocal count
        count += 1
        (staging / FRAME_NAME.format(count)).write_bytes(_png(frame))

    mine = False
    try:
        with held(staging):
            mine = True
            yield write
            folder.mkdir(parents=True, exist_ok=True)
            _replace_frames(folder, staging, earlier)
    finally:
        if mine:
            shutil.rmtree(staging, ignore_errors=True)


def _replace_frames(folder: Path, staging: Path, earlier: list[str]) -> None:
    """Moves finished frames into their folder; the list there is right at every moment: first it names the old and the new ones."""
    frames = sorted(file.name for file in staging.iterdir() if FRAME_PATTERN.fullmatch(file.name))
    _list_frames(folder, staging, sorted({*earlier, *frames}))
    for name in earlier:
        (folder / name).unlink(missing_ok=True)
    for name in frames:
        (staging / name).replace(folder / name)
    _list_frames(folder, staging, frames)


def _list_frames(folder: Path, staging: Path, names: list[str]) -> None:
    # A kill leaves what is unfinished in the staging folder, which the next run clears.
    write_json(staging / FRAMES_NAME, names)
    (staging / FRAMES_NAME).replace(folder / FRAMES_NAME)


def _png(frame: NDArray[np.uint8]) -> bytes:
    ok, data = cv2.imencode(".png", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    if not ok:
        raise OutputError("A frame could not be encoded as PNG.", "Use another size.")
    return data.tobytes()


@contextlib.contextmanager
def _picture_writer(path: Path) -> Iterator[WriteFrame]:
    if path.exists() and not _is_signed(path):
        raise OutputError(
            f"{path} is there already, and was not rendered here.", "Choose another output, or move it away."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = unfinished(path)

    def write(frame: NDArray[np.uint8]) -> None:
        data = _png(frame)
        note = struct.pack(">I", len(_SIGNED) - 4) + _SIGNED + struct.pack(">I", zlib.crc32(_SIGNED))
        partial.write_bytes(data[:_HEAD_BYTES] + note + data[_HEAD_BYTES:])

    try:
        partial.open("wb").close()  # permissions are found wanting here, before the work
        yield write
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _is_signed(path: Path) -> bool:
    with path.open("rb") as file:
        return _SIGNED in file.read(_HEAD_BYTES + 4 + len(_SIGNED))


def _own_frames(folder: Path) -> list[str]:
    """Names of the frames in a folder that were rendered here earlier.

    Raises:
        OutputError: it holds other frames, which would be replaced or stand among the new ones.
    """
    try:
        listed = json.loads((folder / FRAMES_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        listed = []
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    frames = {name for name in there if FRAME_PATTERN.fullmatch(name)}
    own = frames & {name for name in listed if isinstance(name, str)} if isinstance(listed, list) else set[str]()
    if foreign := sorted(frames - own):
        raise OutputError(
            f"{folder} holds {foreign[0]}, which was not rendered here and would be replaced.",
            "Choose another output, or move it away.",
        )
    return sorted(own)


@contextlib.contextmanager
def _video_writer(path: Path, width_px: int, height_px: int, fps: float) -> Iterator[WriteFrame]:
    if path.is_dir():
        raise OutputError(f"{path} is a folder, not a video file.", "Choose another output.")
    path.parent.mkdir(parents=True, exist_ok=True)
    # OpenCV tells the container by the extension, so the mark of the unfinished file stands before it.
    partial = unfinished(path)
    partial.open("wb").close()  # permissions and space are found wanting here, with a reason
    if can_encode(path.suffix):
        yield from _h264_writer(path, partial, width_px, height_px, fps)
        return
    codec = cv2.VideoWriter.fourcc(*VIDEO_CODECS[path.suffix.lower()])
    writer = cv2.VideoWriter(str(partial), codec, float(fps), (width_px, height_px))
    count = 0

    def write(frame: NDArray[np.uint8]) -> None:
        nonlocal count
        count += 1
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))

    try:
        if not writer.isOpened():
            raise OutputError(
                f"{path} cannot be encoded on this machine.", "Write a folder of PNG images instead of a video."
            )
        yield write
        writer.release()
        if _frames_in(partial) < count:
            raise OutputError(
                f"{path} could not be written completely.", "Free some space or write PNG images instead."
            )
        partial.replace(path)
    finally:
        writer.release()
        partial.unlink(missing_ok=True)


def _h264_writer(path: Path, partial: Path, width_px: int, height_px: int, fps: float) -> Iterator[WriteFrame]:
    try:
        writer = H264Writer(partial, width_px, height_px, fps)
        try:
            yield writer.write
            writer.close()
        finally:
            writer.abandon()
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _frames_in(path: Path) -> int:
    """Frames that the container counts; OpenCV says nothing when a disk is full."""
    reader: Any = cv2.VideoCapture(str(path))
    try:
        return int(reader.get(cv2.CAP_PROP_FRAME_COUNT)) if reader.isOpened() else 0
    finally:
        reader.release()
