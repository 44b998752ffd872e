"""Colours that a photo names otherwise than by a profile."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from photo_files import HEIGHT, WIDTH, ramps, worst
from PIL import Image
from profile_files import ADOBE_RGB, profile_bytes

from infinidepth_blender.clip_files import is_photo_name
from infinidepth_blender.engine.color_codes import coded_profile
from infinidepth_blender.engine.photo import open_photo
from infinidepth_blender.engine.photo_profile import roll_off

P3_GREEN = (100, 150, 100)
"""In Display P3."""
GREEN = (83, 152, 96)
"""The same in sRGB."""
PQ_WHITE, PQ_GREY = 0.5807, 0.4109
"""The signal of 203 cd/m2, and of 18 % of it."""


def green() -> np.ndarray:
    return np.full((HEIGHT, WIDTH, 3), P3_GREEN, np.uint8)


def with_chunks(path: Path, *chunks: tuple[bytes, bytes]) -> None:
    """Puts chunks behind the header of a PNG file."""
    data = path.read_bytes()
    parts = [struct.pack(">I", len(d)) + kind + d + struct.pack(">I", zlib.crc32(kind + d)) for kind, d in chunks]
    path.write_bytes(data[:33] + b"".join(parts) + data[33:])


def chrm(*xy: float) -> tuple[bytes, bytes]:
    """White, red, green, blue."""
    return b"cHRM", struct.pack(">8I", *(round(100_000 * v) for v in xy))


P3_CHRM = chrm(0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)


def test_png_names_display_p3_by_codes(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(green()).save(path, icc_profile=profile_bytes(2.2, ADOBE_RGB))
    with_chunks(path, (b"cICP", bytes([12, 13, 0, 1])))
    assert np.abs(open_photo(path).pixels_srgb.astype(int) - GREEN).max() <= 2


def test_png_names_primaries_and_gamma(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(green()).save(path)
    with_chunks(path, (b"gAMA", struct.pack(">I", 45_455)), P3_CHRM)
    assert np.abs(open_photo(path).pixels_srgb.astype(int) - GREEN).max() <= 2
    Image.fromarray(np.full((HEIGHT, WIDTH), 55, np.uint8)).save(path)
    with_chunks(path, (b"gAMA", struct.pack(">I", 100_000)))
    assert (open_photo(path).pixels_srgb == 128).all()


def test_png_that_says_srgb_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    for chunks in (
        [(b"sRGB", b"\0"), (b"gAMA", struct.pack(">I", 100_000))],
        [(b"gAMA", struct.pack(">I", 45_455)), chrm(0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)],
        [(b"cICP", bytes([1, 13, 0, 1]))],
    ):
        Image.fromarray(ramps()).save(path)
        with_chunks(path, *chunks)
        assert worst(open_photo(path).pixels_srgb, ramps()) == 0


def test_codes_go_before_the_profile_unless_they_say_nothing(tmp_path: Path) -> None:
    path, seen = tmp_path / "a.png", []
    for codes in (None, (1, 13), (2, 13), (2, 2)):
        Image.fromarray(green()).save(path, icc_profile=profile_bytes(2.2, ADOBE_RGB))
        if codes is not None:
            with_chunks(path, (b"cICP", bytes([*codes, 0, 1])))
        seen.append(open_photo(path).pixels_srgb[0, 0].tolist())
    by_profile, by_codes, *others = seen
    assert by_codes == [*P3_GREEN] and by_profile != by_codes
    assert others == [by_profile, by_profile]


@pytest.mark.parametrize(
    "xy",
    [
        (0.0,) * 8,
        (0.3127, 0.3290) + (0.3, 0.3) * 3,
        (0.3127, 0, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06),
        (0.3127, 0.3290, 20_000, 0.33, 0.30, 0.60, 0.15, 0.06),
    ],
)
@pytest.mark.parametrize("gamma", [45_455, 100_000])
def test_primaries_that_are_none_are_left_aside(tmp_path: Path, xy: tuple[float, ...], gamma: int) -> None:
    seen = []
    for chunks in ([chrm(*xy)], []):
        Image.fromarray(ramps()).save(tmp_path / "a.png")
        with_chunks(tmp_path / "a.png", (b"gAMA", struct.pack(">I", gamma)), *chunks)
        seen.append(open_photo(tmp_path / "a.png").pixels_srgb)
    assert (seen[0] == seen[1]).all()


def test_16_bits_keep_their_depth_when_codes_are_converted(tmp_path: Path) -> None:
    values = np.linspace(20_000, 40_000, WIDTH).astype(np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), np.broadcast_to(values[None, :, None], (HEIGHT, WIDTH, 3)))
    with_chunks(tmp_path / "a.png", (b"cICP", bytes([12, 13, 0, 1])))
    deep = open_photo(tmp_path / "a.png").pixels_deep
    assert deep is not None and deep.dtype == np.uint16
    assert np.abs(deep[3].astype(int) - values[:, None]).max() <= 2  # neutral in any primaries


def test_avif_names_display_p3(tmp_path: Path) -> None:
    path = tmp_path / "a.avif"
    Image.fromarray(green()).save(path, quality=100, subsampling="4:4:4")
    data = bytearray(path.read_bytes())
    at = data.index(b"colrnclx") + 8
    data[at : at + 4] = struct.pack(">HH", 12, 13)
    path.write_bytes(data)
    assert np.abs(open_photo(path).pixels_srgb[4:-4, 4:-4].astype(int) - GREEN).max() <= 3


def save_heic(path: Path, mode: str, pixels: np.ndarray, **options: Any) -> None:
    heif = pytest.importorskip("pillow_heif")
    try:
        heif.encode(mode, pixels.shape[1::-1], pixels.tobytes(), str(path), quality=-1, chroma=444, **options)
    except (RuntimeError, TypeError) as error:
        pytest.skip(f"this pillow-heif cannot write: {error}")


def nclx(primaries: int, transfer: int) -> dict[str, Any]:
    names = ("color_primaries", "transfer_characteristics", "matrix_coefficients", "full_range_flag")
    return {"save_nclx_profile": True, **dict(zip(names, (primaries, transfer, 6, 1), strict=True))}


def test_heic_names_display_p3(tmp_path: Path) -> None:
    save_heic(tmp_path / "a.heic", "RGB", green(), **nclx(12, 13))
    assert np.abs(open_photo(tmp_path / "a.heic").pixels_srgb.astype(int) - GREEN).max() <= 3


def test_heic_with_highlights_and_10_bits(tmp_path: Path) -> None:
    """Grey as a photo has it, white nearly white, and ten times as bright still brighter."""
    signal = np.zeros((64, 96, 3))
    signal[:, :32], signal[:, 32:64], signal[:, 64:] = PQ_GREY, PQ_WHITE, 0.82
    save_heic(tmp_path / "a.heic", "RGB;16", np.round(signal * 65_535).astype(np.uint16), **nclx(9, 16))
    photo = open_photo(tmp_path / "a.heic")
    assert photo.pixels_deep is not None and photo.pixels_deep.dtype == np.uint16
    grey, white, lamp = photo.pixels_srgb[30, [16, 48, 80]].astype(int)
    assert np.abs(grey - 118).max() <= 2 and np.abs(white - 243).max() <= 2
    assert lamp.min() > 251


def test_10_bits_of_heic_stay_and_white_is_white(tmp_path: Path) -> None:
    values = np.full((64, 64, 3), 65_535, np.uint16)
    values[:, 32:] = 30_000
    save_heic(tmp_path / "a.heic", "RGB;16", values)
    deep = open_photo(tmp_path / "a.heic").pixels_deep
    assert deep is not None and deep.dtype == np.uint16
    assert deep[30, 5].min() == 65_535 and np.abs(deep[30, 60].astype(int) - 30_000).max() <= 100


@pytest.mark.parametrize(
    "record", [{0xA001: 2}, {0xA001: 0xFFFF, 0xA005: {1: "R03"}}], ids=["color-space", "interoperability"]
)
def test_a_jpeg_that_exif_says_is_adobe_rgb(tmp_path: Path, record: dict) -> None:
    exif = Image.Exif()
    exif[0x8769] = record
    path = tmp_path / "_DSC1.jpg"
    Image.fromarray(green()).save(path, quality=98, subsampling=0, exif=exif)
    photo = open_photo(path)
    linear = np.array([[1.39836, -0.39836, 0], [0, 1, 0], [0, -0.04293, 1.04293]]) @ (np.array(P3_GREEN) / 255) ** 2.2
    assert np.abs(photo.pixels_srgb.astype(int) - 255 * (1.055 * linear ** (1 / 2.4) - 0.055)).max() <= 3
    assert not photo.is_plain_jpeg
    Image.fromarray(green()).save(path, quality=98, subsampling=0, exif=exif, icc_profile=profile_bytes(2.2, ADOBE_RGB))
    assert np.abs(open_photo(path).pixels_srgb.astype(int) - photo.pixels_srgb).max() <= 2


def test_hybrid_log_gamma_has_grey_and_white_where_photos_have_them() -> None:
    """ITU-R BT.2408: 38 % of the signal is 18 % grey, 75 % is white."""
    profile = coded_profile(9, 18)
    assert profile is not None
    signal = np.round(np.array([[[0.38] * 3, [0.75] * 3, [1.0] * 3]]) * 65_535).astype(np.uint16)
    grey, white, lamp = profile.to_srgb(signal)[0, :, 1] / 257
    assert abs(grey - 118) < 1.5 and abs(white - 243.5) < 1 and white < lamp < 255


def test_highlights_keep_their_hue() -> None:
    light = np.array([[[8.0, 4.0, 2.0], [0.7, 0.2, 0.1]]], np.float32)
    roll_off(light)
    np.testing.assert_allclose(light[0, 0] / light[0, 0, 0], [1, 0.5, 0.25], rtol=1e-5)
    assert 0.99 < light[0, 0, 0] < 1
    np.testing.assert_allclose(light[0, 1], [0.7, 0.2, 0.1], rtol=1e-6)


def test_ordinary_colours_need_no_conversion() -> None:
    assert all(coded_profile(primaries, transfer) is None for primaries in (1, 2, 5, 6) for transfer in (1, 2, 6, 13))


def test_photos_of_cameras_are_found_by_their_suffixes(tmp_path: Path) -> None:
    """And can be opened."""
    assert is_photo_name("IMG_0001.HIF") and is_photo_name("DSCF0001.mpo") and is_photo_name("a.j2k")
    image = Image.fromarray(ramps())
    image.save(tmp_path / "a.mpo", format="MPO", save_all=True, append_images=[image], quality=98, subsampling=0)
    image.save(tmp_path / "a.j2k", irreversible=False)
    assert worst(open_photo(tmp_path / "a.mpo").pixels_srgb, ramps()) <= 6
    assert worst(open_photo(tmp_path / "a.j2k").pixels_srgb, ramps()) == 0
    save_heic(tmp_path / "IMG_0001.HIF", "RGB", ramps())
    assert worst(open_photo(tmp_path / "IMG_0001.HIF").pixels_srgb, ramps()) <= 12
