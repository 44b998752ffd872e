"""Videos in H.264, which browsers and everything else play. Needs PyAV, where it can encode it."""

from __future__ import annotations

import importlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SUFFIXES = (".mp4", ".mov")
_ENCODER = "libx264"
_HD_ROWS = 720
_BT601, _BT709, _LIMITED = 6, 1, 1
"""Matrix and primaries, and the range of values (ITU-T H.273)."""
_OPTIONS = {"crf": "16", "preset": "medium"}
"""Hardly to be told from the pictures."""
_LIST_FIRST = {"movflags": "faststart"}
"""The list of frames before them: browsers then play a video while it still comes."""


def can_encode(suffix: str) -> bool:
    """Whether videos of this kind can be written in H.264 here."""
    if suffix.lower() not in SUFFIXES:
        return False
    try:
        return _ENCODER in importlib.import_module("av").codecs_available
    except ImportError:
        return False


class H264Writer:
    """Writes one video; `close` ends it.

    HD has the colours of BT.709 and smaller pictures those of BT.601, as players assume that heed no tags; the tags say so.
    """

    def __init__(self, path: Path, width_px: int, height_px: int, fps: float) -> None:
        """Creates the file.

        Args:
            path: The file; its extension tells the container.
            width_px, height_px: Even.
            fps: Frames per second.

        Raises:
            OSError: it cannot be written.
        """
        self._av: Any = importlib.import_module("av")
        # As a file object: the library takes no path that is not UTF-8. It reads what it moves behind the list of frames.
        self._file = path.open("w+b")
        try:
            kind = path.suffix.lower().lstrip(".")
            self._container = self._av.open(self._file, "w", format=kind, container_options=_LIST_FIRST)
            self._stream = self._container.add_stream(
                _ENCODER, rate=Fraction(fps).limit_denominator(1001), options=_OPTIONS
            )
            self._stream.width, self._stream.height, self._stream.pix_fmt = width_px, height_px, "yuv420p"
            hd = height_px >= _HD_ROWS
            self._matrix = "itu709" if hd else "itu601"
            context = self._stream.codec_context
            context.colorspace = context.color_primaries = _BT709 if hd else _BT601
            context.color_trc = _BT709
            context.color_range = _LIMITED
        except BaseException:
            self._file.close()
            raise

    def write(self, frame_srgb: NDArray[np.uint8]) -> None:
        """Adds an (h, w, 3) frame.

        Raises:
            OSError: the disk is full, or the like.
        """
        frame = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(frame_srgb), "rgb24")
        self._mux(self._stream.encode(frame.reformat(format="yuv420p", dst_colorspace=self._matrix)))

    def close(self) -> None:
        """Writes what is left and the end of the file.

        Raises:
            OSError: the disk is full, or the like.
        """
        try:
            self._mux(self._stream.encode())
            self._container.close()
        except self._av.error.FFmpegError as error:
            raise OSError(str(error)) from error
        finally:
            self._file.close()

    def abandon(self) -> None:
        """Closes the file as it is."""
        self._file.close()

    def _mux(self, packets: Any) -> None:
        try:
            self._container.mux(packets)
        except self._av.error.FFmpegError as error:
            raise OSError(str(error)) from error
