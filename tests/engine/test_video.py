"""Videos that are read from their middle on: real files, written by FFmpeg."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from infinidepth_blender.clip_files import FrameRange
from infinidepth_blender.engine.clip import open_clip
from infinidepth_blender.engine.video import VideoReading
from infinidepth_blender.errors import Cancelled

COUNT, BITS, KEY_STEP = 260, 9, 50


def picture_of(number: int) -> np.ndarray:
    """(48, 144, 3) its number in black and white bars."""
    bars = np.array([255 if number >> bit & 1 else 0 for bit in range(BITS)], np.uint8)
    return np.ascontiguousarray(np.broadcast_to(bars.repeat(16)[None, :, None], (48, 16 * BITS, 3)))


def number_in(pixels: np.ndarray) -> int:
    return sum(int(pixels[24, 16 * bit + 8, 0] > 128) << bit for bit in range(BITS))


def write_film(path: Path, codec: str = "libx264", late: int = 0, uneven: bool = False) -> Path:
    """Numbered frames, some of which depend on later ones.

    Args:
        path: The file.
        codec: As above.
        late: Hundredths of a second before the first is shown.
        uneven: Whether they are shown for 3 to 6 of them each instead of 4.
    """
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 16 * BITS, 48, "yuv420p"
        stream.codec_context.gop_size, stream.codec_context.max_b_frames = KEY_STEP, 2
        stream.codec_context.time_base = Fraction(1, 100)
        for k in range(COUNT):
            frame = av.VideoFrame.from_ndarray(picture_of(k + 1), "rgb24")
            frame.pts, frame.time_base = late + 4 * k + (k % 3 if uneven else 0), Fraction(1, 100)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


FILMS: dict[str, dict[str, Any]] = {
    "film.mp4": {},
    "late.mp4": {"late": 700},
    "uneven.mkv": {"uneven": True},
    "film.mov": {"codec": "mpeg4"},
    "film.avi": {"codec": "mpeg4"},
    "film.ts": {},
}


@pytest.fixture(scope="module", params=FILMS)
def film(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_film(tmp_path_factory.mktemp("films") / request.param, **FILMS[request.param])


@pytest.mark.parametrize("begin", [1, 101, 150, 151, 152, 199, 260])
def test_frames_have_their_numbers_wherever_reading_begins(film: Path, begin: int) -> None:
    photos = open_clip(film, FrameRange(begin, begin + 8, 2)).photos()
    assert [number_in(photo.pixels_srgb) for photo in photos] == list(range(begin, min(begin + 9, COUNT + 1), 2))


def test_what_lies_far_before_is_not_decoded(tmp_path: Path) -> None:
    passed: list[None] = []
    number, pixels = next(VideoReading(write_film(tmp_path / "film.mp4"), 240, lambda: passed.append(None)).frames())
    assert (number, number_in(pixels())) == (240, 240)
    # All packets are looked at, and frames decoded from the last key frame on.
    assert len(passed) <= COUNT + 2 + KEY_STEP


def test_looking_for_a_frame_can_be_stopped(tmp_path: Path) -> None:
    def stop() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        next(VideoReading(write_film(tmp_path / "film.mp4"), 240, stop).frames())


def test_damage_in_what_is_passed_over_is_not_met(tmp_path: Path) -> None:
    path = write_film(tmp_path / "film.mp4")
    data = bytearray(path.read_bytes())
    at = len(data) // 4
    data[at : at + 200] = bytes(200)
    path.write_bytes(data)
    notes: list[str] = []
    photos = open_clip(path, FrameRange(220, 224)).photos(notes.append)
    assert [number_in(photo.pixels_srgb) for photo in photos] == list(range(220, 225))
    assert not notes
