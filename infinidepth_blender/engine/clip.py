"""The frames of a clip, a video or files, one after the other, each as an upright photo."""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..clip_files import (
    FrameRange,
    chosen_frames,
    clip_name,
    frame_files,
    frame_numbers,
    is_pattern,
    shots_in,
    source_sha256,
    videos_in,
)
from ..errors import PhotoError
from .exif_camera import PhotoExif
from .photo import Photo, open_photo
from .video import USABLE, VideoReading, opened

_TIME_BASES = 500
"""Rates from which they are the units of time of a container and no frames a second."""
_COUNT_TOLERANCE = 2
"""Frames by which the header of a sound video may be wrong."""


@dataclass(frozen=True)
class Clip:
    """What is known of a clip before its frames are read.

    Attributes:
        source: The video, or the folder or the pattern of the frames.
        frames: Which of them count.
        count: How many these are; of a video as its header or its packets tell.
        fps: Frames per second of those that count; None: unknown.
        sha256: Of the source, hexadecimal.
        end: Number of the last frame that there is.
        files: The frames' files; empty of a video.
        numbers: The numbers of these files; empty where they tell none.
    """

    source: Path
    frames: FrameRange
    count: int
    fps: float | None
    sha256: str
    end: int
    files: tuple[Path, ...] = ()
    numbers: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """What the clip is called."""
        return clip_name(self.source)

    @property
    def first_frame(self) -> int:
        """Number of the first frame."""
        return self.number_of(0)

    def number_of(self, index: int) -> int:
        """What `--frames` calls a frame that was taken, from 0: the number of its file, or its place."""
        if self.numbers:
            return self.numbers[index]
        return self.frames.begin + index * self.frames.step

    def notes(self) -> list[str]:
        """What the user should know of the frames before they are looked at."""
        said = []
        if self.count == 1:
            said.append("Only one frame is taken: nothing moves.")
        steps = [b - a for a, b in itertools.pairwise(self.numbers)]
        if len(set(steps)) > 1:
            at = steps.index(max(steps))
            said.append(
                f"Frames are missing, as between {self.files[at].name} and {self.files[at + 1].name}: those that are there "
                "are played one after the other."
            )
        if self.frames.last is not None and self.end < self.frames.last:
            said.append(f"The clip ends at frame {self.end}, before {self.frames.last}.")
        return said

    def photos(
        self, note: Callable[[str], object] = lambda text: None, skip: Callable[[], object] = lambda: None
    ) -> Iterator[Photo]:
        """Reads the frames.

        Args:
            note: Called with what the user should know, when the last frame was read.
            skip: Called for every frame that is passed over; it may raise to stop.

        Raises:
            PhotoError: one of them cannot be read, or has another size than the first.
        """
        size: tuple[int, int] | None = None
        linear: bool | None = None
        pictures = (
            (open_photo(file, may_be_empty=True) for file in self.files) if self.files else self._decoded(note, skip)
        )
        for number, photo in enumerate(pictures, 1):
            if size is not None and size != (photo.width_px, photo.height_px):
                raise PhotoError(
                    f"Frame {number} of {self.source.name} ({photo.path.name}) has {photo.width_px} x {photo.height_px} "
                    f"pixels, and the frames before it {size[0]} x {size[1]}.",
                    "Put the frames of one shot into a folder of their own, or name them as shot.####.png.",
                )
            if linear is not None and linear != (photo.pixels_linear is not None):
                raise PhotoError(
                    f"Frame {number} of {self.source.name} ({photo.path.name}) is in linear light and others are not.",
                    "Save all frames in one way.",
                )
            size, linear = (photo.width_px, photo.height_px), photo.pixels_linear is not None
            yield photo

    def _decoded(self, note: Callable[[str], object], skip: Callable[[], object]) -> Iterator[Photo]:
        made = 0
        reading = VideoReading(self.source, self.frames.begin, skip)
        with contextlib.closing(reading.frames()) as frames:
            for number, pixels in frames:
                if number in self.frames:
                    made += 1
                    yield Photo(self.source.absolute(), pixels(), None, PhotoExif(), False, self.sha256)
                else:
                    skip()
                if self.frames.last is not None and number >= self.frames.last:
                    break
        if made == 0:
            raise _no_frames(self.source, self.frames)
        wanted = self.frames.count(reading.told) if reading.told else made
        if reading.broken or made < wanted - _COUNT_TOLERANCE:
            note(
                f"{self.source.name} is damaged or cut short: {made} of {max(wanted, made)} frames could be decoded, and "
                "what follows a gap comes too early."
            )


def open_clip(source: Path, frames: FrameRange) -> Clip:
    """Looks at a video, or at the frames of one shot in a folder or of a pattern.

    Raises:
        PhotoError: it is missing, no clip, damaged, or has none of the frames.
    """
    if source.is_dir() or is_pattern(source):
        return _open_frames(source, frames)
    if frames.begin < 1:
        raise PhotoError(
            f"{source.name} has no frame 0: those of a video are counted from 1.", "Give --frames from 1 on."
        )
    with opened(source) as (container, stream):
        rate = stream.average_rate
        # Recordings that were written while they went on count nothing; reading them without decoding takes a moment.
        total = int(stream.frames) or sum(packet.size > 0 for packet in container.demux(stream))
    count = frames.count(total)
    if count < 1:
        raise _no_frames(source, frames, total)
    fps = float(rate) / frames.step if rate and 0 < rate < _TIME_BASES else None
    return Clip(source, frames, count, fps, source_sha256(source), total)


def _open_frames(source: Path, frames: FrameRange) -> Clip:
    try:
        files = tuple(frame_files(source))
        videos = [] if files or not source.is_dir() else videos_in(source)
    except FileNotFoundError:
        raise PhotoError(f"{source.parent} does not exist.", "Check the name of the folder.") from None
    except OSError as error:
        raise PhotoError(f"{source} cannot be read: {error.strerror}.", "Choose another folder.") from error
    if videos:
        raise PhotoError(f"{source} holds videos and no images.", f"Name the video itself: {videos[0]}.")
    if not files and source.is_dir():
        raise PhotoError(f"{source} is a folder without images.", "Name a folder with the frames of one shot.")
    if not files:
        there = [file.name for file in frame_files(source.parent)]
        holds = (
            f"its folder holds {there[0]}{f' to {there[-1]}' if there[1:] else ''}"
            if there
            else "its folder holds no image"
        )
        raise PhotoError(f"No file is called like {source}: {holds}.", "Check the spelling; # stands for digits.")
    kinds = Counter(file.suffix.lower() for file in files)
    if len(kinds) > 1:
        told = ", ".join(f"{count} {suffix}" for suffix, count in kinds.most_common())
        raise PhotoError(
            f"{source} holds pictures of several kinds ({told}), which are no frames of one shot.",
            f"Name those that are meant, such as {source / f'shot.####{files[0].suffix}'}.",
        )
    numbers = frame_numbers(files)
    shots = shots_in(files) if numbers is None else []
    if len(shots) > 1:
        names = " and ".join(f"{shot[0].name} to {shot[-1].name}" for shot in shots[:2])
        raise PhotoError(f"{source} holds several sequences: {names}.", "Name one as shot.####.png.")
    chosen = tuple(chosen_frames(files, frames))
    if not chosen:
        raise _no_frames(source, frames, len(files), f" ({files[0].name} to {files[-1].name})")
    number_of = dict(zip(files, numbers or (), strict=False))
    taken = tuple(number_of[file] for file in chosen) if numbers else ()
    return Clip(
        source,
        frames,
        len(chosen),
        fps=None,
        sha256=source_sha256(source),
        end=numbers[-1] if numbers else len(files),
        files=chosen,
        numbers=taken,
    )


def _no_frames(source: Path, frames: FrameRange, total: int = 0, named: str = "") -> PhotoError:
    if total and (named or frames.begin > total):
        last = f"to {frames.last}" if frames.last is not None else "on"
        return PhotoError(
            f"{source.name} has {total} frames{named}, and none from {frames.begin} {last}.",
            "Name others with --frames.",
        )
    return PhotoError(f"{source.name} holds no frame that can be decoded.", USABLE)
