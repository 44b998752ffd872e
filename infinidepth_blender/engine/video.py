"""Frames of video files, decoded by PyAV (FFmpeg): as they are meant to be seen, and from the middle of a long one.

Colours by the matrix, the primaries and the curve that the file names (BT.709 for HD that names none), HDR brought into
the range of sRGB, turned as the file says, pixels made square.
"""

from __future__ import annotations

import bisect
import contextlib
import functools
import importlib
from collections.abc import Callable, Generator, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import PhotoError
from .color_codes import BT2020, coded_profile
from .photo_deep import to_8_bits
from .photo_shape import square_width_px, with_width

USABLE = "Convert it to an MP4 file (H.264), or to a folder of PNG or JPEG files."
_FORMATS = "mov,mp4,matroska,webm,avi,mpeg,mpegts,mpegvideo,asf,ogg"
"""What a video may be: lists of other files and streams are none."""
_ONE_PACKET_ONE_FRAME = {"mov", "mp4", "matroska", "webm"}
"""Containers whose packets are whole frames and say when each is shown."""
_UNSPECIFIED_COLOURS, _HD_ROWS = 2, 720
_BITS = 8
_FAR = 100
"""Number of a frame from which on it is looked up where it lies: before, decoding all up to it takes no longer."""
_EARLIER_S = (0.0, 2.0, 10.0)
"""How much earlier a container is told to go: some land behind the frame, since frames are stored in another order than shown."""

Skip = Callable[[], object]


class VideoReading:
    """Reads a video once.

    Attributes:
        told: Number of frames in the header; 0: it tells none.
        broken: Packets that could not be decoded so far.
    """

    def __init__(self, source: Path, begin: int = 1, skip: Skip = lambda: None) -> None:
        """Says what is to be read.

        Args:
            source: The file.
            begin: Number of the first frame that is wanted, from 1.
            skip: Called now and then while others are passed over; it may raise to stop.
        """
        self._source, self._begin, self._skip = source, begin, skip
        self.told = self.broken = 0

    def frames(self) -> Generator[tuple[int, Callable[[], NDArray[np.uint8]]], None, None]:
        """The frames from `begin` on, each with its number and what makes (H, W, 3) sRGB pixels of it.

        Raises:
            PhotoError: the file is missing, unreadable, or no video.
        """
        shown = _shown_at(self._source, self._skip) if self._begin > _FAR else []
        if self._begin <= len(shown):
            for earlier_s in _EARLIER_S:
                self.broken = 0
                with opened(self._source) as (container, stream):
                    self.told = int(stream.frames)
                    at = shown[self._begin - 1] - int(earlier_s / stream.time_base)
                    try:
                        container.seek(at, stream=stream)
                    except ffmpeg_errors():
                        break
                    frames = self._decoded(container, stream)
                    first = next(frames, None)
                    if first is None or first.pts is None or first.pts > shown[self._begin - 1]:
                        continue
                    yield from self._wanted(self._numbered(first, frames, shown), stream)
                    return
        self.broken = 0
        with opened(self._source) as (container, stream):
            self.told = int(stream.frames)
            yield from self._wanted(enumerate(self._decoded(container, stream), 1), stream)

    def _decoded(self, container: Any, stream: Any) -> Iterator[Any]:
        for packet in container.demux(stream):
            try:
                decoded = packet.decode()
            except ffmpeg_errors():
                self.broken += 1
                continue
            yield from decoded

    @staticmethod
    def _numbered(first: Any, others: Iterator[Any], shown: list[int]) -> Iterator[tuple[int, Any]]:
        """Numbers by the times at which frames are shown; without a time, the one after the last."""
        number = bisect.bisect_left(shown, first.pts) + 1
        yield number, first
        for frame in others:
            told = number if frame.pts is None else bisect.bisect_left(shown, frame.pts)
            number = max(number, told) + 1
            yield number, frame

    def _wanted(
        self, frames: Iterator[tuple[int, Any]], stream: Any
    ) -> Iterator[tuple[int, Callable[[], NDArray[np.uint8]]]]:
        aspect = stream.sample_aspect_ratio
        for number, frame in frames:
            if number < self._begin:
                self._skip()
            else:
                yield number, lambda frame=frame: _upright(frame, aspect)


def _shown_at(source: Path, skip: Skip) -> list[int]:
    """When each frame is shown, in order, in the stream's units; empty where the file does not tell."""
    with opened(source) as (container, stream):
        if not _ONE_PACKET_ONE_FRAME & set(container.format.name.split(",")):
            return []
        times: list[int] = []
        for packet in container.demux(stream):
            skip()
            if packet.size == 0 or packet.is_discard:
                continue
            if packet.pts is None:
                return []
            times.append(packet.pts)
    return sorted(times) if len(set(times)) == len(times) else []


@contextlib.contextmanager
def opened(source: Path) -> Iterator[tuple[Any, Any]]:
    """A video's container and its first video stream.

    Raises:
        PhotoError: the file is missing, unreadable, or no video; also what is done with it inside may show that.
    """
    av = _library(source)
    try:
        # As a file object: the library takes no path that is not UTF-8.
        with source.open("rb") as file:
            if not file.read(1):
                raise PhotoError(f"{source.name} is empty (0 bytes).", "Copy or download the file again.")
            file.seek(0)
            with av.open(file, options={"format_whitelist": _FORMATS}) as container:
                if not container.streams.video:
                    raise PhotoError(f"{source.name} holds no pictures, only sound or text.", USABLE)
                stream = container.streams.best("video") or container.streams.video[0]
                stream.thread_type = "AUTO"
                yield container, stream
    except FileNotFoundError:
        raise PhotoError(f"{source} does not exist.", "Check the name and the folder.") from None
    except ffmpeg_errors() as error:
        raise PhotoError(
            f"{source.name} cannot be decoded as a video: it is damaged, or of an unknown kind.", USABLE
        ) from error
    except OSError as error:
        raise PhotoError(f"{source} cannot be read: {error.strerror}.", "Copy it to a local drive.") from error


def ffmpeg_errors() -> type[Exception]:
    """What the library raises."""
    return importlib.import_module("av").error.FFmpegError


def _library(source: Path) -> Any:
    try:
        return importlib.import_module("av")
    except ImportError as error:
        raise PhotoError(
            f"{source.name} is a video, and the engine's Python environment has no package av.",
            "Install av there, or convert the video to a folder of PNG files.",
        ) from error


@functools.cache
def _exact_conversion(is_deep: bool) -> int:
    """How chroma is brought to every pixel: without both flags a 10-bit video comes out two steps of 255 too dark, one of 8 bits one step."""
    how = importlib.import_module("av.video.reformatter").Interpolation
    # Bilinear is much faster, but FFmpeg 8 makes another colour of it in 16 bits.
    return (how.BICUBIC if is_deep else how.BILINEAR) | how.ACCURATE_RND | how.FULL_CHR_H_INT


def _upright(frame: Any, aspect: Fraction | None) -> NDArray[np.uint8]:
    """(H, W, 3) sRGB pixels of a decoded frame, square and turned as it is to be seen; `aspect` is a pixel's width over its height."""
    matrix = None
    if int(frame.colorspace) == _UNSPECIFIED_COLOURS:
        matrix = "BT2020" if int(frame.color_primaries) == BT2020 else "itu709" if frame.height >= _HD_ROWS else None
    profile = coded_profile(int(frame.color_primaries), int(frame.color_trc))
    is_deep = profile is not None and max(component.bits for component in frame.format.components) > _BITS
    converted = frame.reformat(
        format="rgb48le" if is_deep else "rgb24", src_colorspace=matrix, interpolation=_exact_conversion(is_deep)
    )
    pixels: NDArray[Any] = converted.to_ndarray()
    if profile is not None:
        pixels = profile.to_srgb(pixels)
    if is_deep:
        pixels = to_8_bits(pixels)
    pixels = with_width(pixels, square_width_px(pixels.shape[1], float(aspect or 1)))
    return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90)))
