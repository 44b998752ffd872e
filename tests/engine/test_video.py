"""Videos that are read from their middle on: real files, written by FFmpeg."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
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


def write_still(path: Path, values: np.ndarray, bits: int, primaries: int, transfer: int) -> Path:
    """A video of one lossless frame.

    Args:
        path: The file.
        values: (H, W, 3) the signal from 0 to 1.
        bits: 8 or 10.
        primaries, transfer: Codes of ITU-T H.273.
    """
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("ffv1", rate=25)
        stream.width, stream.height = values.shape[1::-1]
        stream.pix_fmt = "yuv420p" if bits == 8 else "yuv420p10le"
        context = stream.codec_context
        context.color_primaries, context.color_trc = primaries, transfer
        context.colorspace = 9 if primaries == 9 else 1
        red, blue = (0.2627, 0.0593) if primaries == 9 else (0.2126, 0.0722)
        luma = values @ (red, 1 - red - blue, blue)
        chroma = [(values[..., 2] - luma) / (2 - 2 * blue), (values[..., 0] - luma) / (2 - 2 * red)]
        frame = av.VideoFrame(values.shape[1], values.shape[0], stream.pix_fmt)
        kind = np.uint8 if bits == 8 else np.uint16
        for plane, each in zip(frame.planes, (219 * luma + 16, *(224 * each + 128 for each in chroma)), strict=True):
            row = np.zeros((plane.height, plane.line_size // np.dtype(kind).itemsize), kind)
            step = values.shape[1] // plane.width
            row[:, : plane.width] = np.round(each[::step, ::step] * 2 ** (bits - 8))
            plane.update(row.tobytes())
        frame.colorspace, frame.color_primaries, frame.color_trc = context.colorspace, primaries, transfer
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def seen(path: Path) -> np.ndarray:
    return next(VideoReading(path).frames())[1]().astype(int)


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("grey", [26, 128, 230])
def test_grey_is_as_bright_as_it_was(tmp_path: Path, bits: int, grey: int) -> None:
    pixels = seen(write_still(tmp_path / "a.mkv", np.full((64, 96, 3), grey / 255), bits, 1, 1))
    assert np.abs(pixels - grey).max() <= 1


@pytest.mark.parametrize("bits", [8, 10])
def test_colours_are_neither_brighter_nor_darker_in_the_mean(tmp_path: Path, bits: int) -> None:
    corners = np.random.default_rng(0).uniform(0.1, 0.9, (4, 6, 3))
    signal = cv2.resize(corners, (192, 128), interpolation=cv2.INTER_LINEAR)
    error = seen(write_still(tmp_path / "a.mkv", signal, bits, 1, 1)) - signal * 255
    assert np.abs(error.mean(axis=(0, 1))).max() < 0.3


@pytest.mark.parametrize(("transfer", "grey", "white"), [(18, 0.38, 0.75), (16, 0.4109, 0.5807)], ids=["hlg", "pq"])
def test_hdr_is_brought_into_srgb(tmp_path: Path, transfer: int, grey: float, white: float) -> None:
    """ITU-R BT.2408: the signals of 18 % grey and of white."""
    signal = np.full((64, 96, 3), grey)
    signal[:, 32:64], signal[:, 64:] = white, 0.95
    pixels = seen(write_still(tmp_path / "a.mkv", signal, 10, 9, transfer))
    assert np.abs(pixels[32, 16] - 118).max() <= 3 and np.abs(pixels[32, 48] - 243).max() <= 3
    assert pixels[32, 80].min() > pixels[32, 48].max()


@pytest.mark.parametrize("bits", [8, 10])
def test_display_p3_becomes_srgb(tmp_path: Path, bits: int) -> None:
    signal = np.broadcast_to(np.array([100, 150, 100]) / 255, (64, 96, 3))
    pixels = seen(write_still(tmp_path / "a.mkv", signal, bits, 12, 1))
    assert np.abs(pixels[32, 48] - (83, 152, 96)).max() <= 3
