"""The frames of a clip, one after the other, each as an upright photo."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..clip_files import FrameRange, frame_files, is_pattern, source_sha256
from ..errors import PhotoError
from .exif_camera import PhotoExif
from .photo import Photo, open_photo

_USABLE = "Convert it to an MP4 file (H.264), or to a folder of PNG or JPEG files."


@dataclass(frozen=True)
class Clip:
    """What is known of a clip before its frames are read.

    Attributes:
        source: The video, or the folder or the pattern of the frames.
        frames: Which of them count.
        count: How many these are; of a video what its header says.
        fps: Frames per second of those that count; None: unknown.
        sha256: Of the source, hexadecimal.
        files: The frames' files; empty of a video.
    """

    source: Path
    frames: FrameRange
    count: int
    fps: float | None
    sha256: str
    files: tuple[Path, ...] = ()

    @property
    def first_frame(self) -> int:
        """Number of the first frame: what its file is called by, or its place in a video."""
        if not self.files:
            return self.frames.first
        digits = "".join(c if c.isdecimal() else " " for c in self.files[0].stem).split()
        return int(digits[-1]) if digits else self.frames.first

    def photos(self) -> Iterator[Photo]:
        """Reads the frames.

        Raises:
            PhotoError: one of them cannot be read, or has another size than the first.
        """
        size: tuple[int, int] | None = None
        for number, photo in enumerate(self._pictures() if self.files else self._decoded(), 1):
            if size not in (None, (photo.width_px, photo.height_px)):
                raise PhotoError(
                    f"Frame {number} of {self.source.name} ({photo.path.name}) has {photo.width_px} x {photo.height_px} "
                    f"pixels, and the frames before it {size[0]} x {size[1]}.",  # pyright: ignore[reportOptionalSubscript]
                    "Put the frames of one shot into a folder of their own, or leave --sequence out.",
                )
            size = photo.width_px, photo.height_px
            yield photo

    def _pictures(self) -> Iterator[Photo]:
        yield from map(open_photo, self.files)

    def _decoded(self) -> Iterator[Photo]:
        reader = _open_video(self.source)
        made = 0
        try:
            number = 1
            while (self.frames.last is None or number <= self.frames.last) and reader.grab():
                if number in self.frames:
                    there, pixels_bgr = reader.retrieve()
                    if not there or pixels_bgr is None:
                        break
                    made += 1
                    pixels = np.ascontiguousarray(pixels_bgr[..., ::-1])
                    yield Photo(self.source.absolute(), pixels, None, PhotoExif(), False, self.sha256)
                number += 1
        finally:
            reader.release()
        if made == 0:
            raise _no_frames(self.source, self.frames)


def open_clip(source: Path, frames: FrameRange) -> Clip:
    """Looks at a video, or at the frames of one shot in a folder or of a pattern.

    Raises:
        PhotoError: it is missing, no clip, damaged, or has none of the frames.
    """
    if source.is_dir() or is_pattern(source):
        try:
            files = tuple(frame_files(source))
        except OSError as error:
            raise PhotoError(f"{source} cannot be read: {error.strerror}.", "Choose another folder.") from error
        if not files:
            what = "a folder without images" if source.is_dir() else "the pattern of no file"
            raise PhotoError(f"{source} is {what}.", "Name a folder with the frames of one shot, or shot.####.png.")
        chosen = tuple(file for number, file in enumerate(files, 1) if number in frames)
        if not chosen:
            raise _no_frames(source, frames, len(files))
        return Clip(source, frames, len(chosen), None, source_sha256(source), chosen)
    reader = _open_video(source)
    try:
        total, fps = int(reader.get(cv2.CAP_PROP_FRAME_COUNT)), float(reader.get(cv2.CAP_PROP_FPS))
    finally:
        reader.release()
    # Some containers do not count their frames.
    count = frames.count(total) if total > 0 else 1
    if count < 1:
        raise _no_frames(source, frames, total)
    return Clip(source, frames, count, fps / frames.step if 0 < fps < 1000 else None, source_sha256(source))


def _open_video(source: Path) -> Any:
    if not source.is_file():
        raise PhotoError(f"{source} does not exist.", "Check the name and the folder.")
    if source.stat().st_size == 0:
        raise PhotoError(f"{source.name} is empty (0 bytes).", "Copy or download the file again.")
    reader: Any = cv2.VideoCapture(str(source))
    if not reader.isOpened():
        reader.release()
        raise PhotoError(f"{source.name} cannot be decoded as a video: it is damaged, or of an unknown kind.", _USABLE)
    return reader


def _no_frames(source: Path, frames: FrameRange, total: int = 0) -> PhotoError:
    if total and frames.first > total:
        return PhotoError(f"{source.name} has {total} frames, and none from {frames.first} on.", "Name others.")
    return PhotoError(f"{source.name} holds no frame that can be decoded.", _USABLE)
