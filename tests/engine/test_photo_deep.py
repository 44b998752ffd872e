"""The texture keeps what 8 bits do not hold."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import pytest
from photo_files import HEIGHT, WIDTH, ramps, write_exr
from PIL import Image
from profile_files import ADOBE_RGB, DISPLAY_P3, profile_bytes
from tiff_files import write_tiff

from infinidepth_blender.engine.photo import Photo, open_photo, write_texture
from infinidepth_blender.engine.photo_profile import matrix_profile


def deep_ramps() -> np.ndarray:
    """(32, 48, 3) uint16 without symmetry, every value a different one."""
    values = np.arange(HEIGHT * WIDTH * 3, dtype=np.uint16).reshape(HEIGHT, WIDTH, 3)
    return values * np.uint16(13) + np.uint16(300)


def write_16(path: Path, rgb: np.ndarray) -> None:
    """A PNG or TIFF file of 16 bits, with or without alpha or colour."""
    order = {2: slice(None), 3: (slice(None), slice(None), [2, 1, 0]), 4: (slice(None), slice(None), [2, 1, 0, 3])}
    assert cv2.imwrite(str(path), rgb[order[rgb.ndim if rgb.ndim == 2 else rgb.shape[2]]])


def texture_of(photo: Photo, folder: Path) -> np.ndarray:
    """The pixels of the texture, R, G, B."""
    name = write_texture(photo, folder)
    if name.endswith(".exr"):
        return OpenEXR.File(str(folder / name)).channels()["RGB"].pixels
    return cv2.imread(str(folder / name), cv2.IMREAD_UNCHANGED)[..., ::-1]


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bits_stay(tmp_path: Path, suffix: str) -> None:
    rgb = deep_ramps()
    write_16(tmp_path / f"a.{suffix}", rgb)
    photo = open_photo(tmp_path / f"a.{suffix}")
    texture = texture_of(photo, tmp_path)
    assert texture.dtype == np.uint16
    np.testing.assert_array_equal(texture, rgb)
    np.testing.assert_array_equal(photo.pixels_srgb, (rgb.astype(int) * 255 + 32_767) // 65_535)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bits_of_grey_stay(tmp_path: Path, suffix: str) -> None:
    grey = deep_ramps()[..., 1]
    write_16(tmp_path / f"a.{suffix}", np.ascontiguousarray(grey))
    np.testing.assert_array_equal(
        texture_of(open_photo(tmp_path / f"a.{suffix}"), tmp_path), np.stack([grey] * 3, axis=-1)
    )


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bits_are_turned_as_the_photo_is(tmp_path: Path, suffix: str, orientation: int) -> None:
    rgb = deep_ramps()
    stored = {
        1: rgb, 2: rgb[:, ::-1], 3: rgb[::-1, ::-1], 4: rgb[::-1],
        5: rgb.transpose(1, 0, 2), 6: np.rot90(rgb), 7: np.rot90(rgb[::-1]), 8: np.rot90(rgb, -1),
    }[orientation]  # fmt: skip
    path = tmp_path / f"a.{suffix}"
    write_16(path, np.ascontiguousarray(stored))
    exif = Image.Exif()
    exif[0x0112] = orientation
    turn = with_png_exif if suffix == "png" else with_tiff_orientation
    turn(path, exif.tobytes(), orientation)
    np.testing.assert_array_equal(texture_of(open_photo(path), tmp_path), rgb)


def with_png_exif(path: Path, exif: bytes, _: int) -> None:
    """Gives a PNG file its EXIF data."""
    with_png_chunk(path, b"eXIf" + exif.removeprefix(b"Exif\0\0"))


def with_png_chunk(path: Path, body: bytes) -> None:
    """Puts a chunk behind the header."""
    data = path.read_bytes()
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    path.write_bytes(data[:33] + chunk + data[33:])


def with_tiff_orientation(path: Path, _: bytes, orientation: int) -> None:
    """Writes the file anew with the tag Orientation."""
    write_tiff(path, cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[..., ::-1].astype("<u2"), 1, orientation=orientation)


def test_a_profile_is_converted_with_16_bits(tmp_path: Path) -> None:
    """A ramp of Adobe RGB comes out as its primaries say, in far more than 256 levels."""
    x = np.linspace(20_000, 45_000, WIDTH)
    rgb = np.stack([x, x * 1.2, x * 0.9], axis=-1)[None].repeat(HEIGHT, axis=0).astype(np.uint16)
    write_16(tmp_path / "a.png", rgb)
    image = Image.open(tmp_path / "a.png")
    assert image.mode == "RGB"
    profile = profile_bytes(2.2, ADOBE_RGB)
    with_png_chunk(tmp_path / "a.png", b"iCCPtest\0\0" + zlib.compress(profile))
    photo = open_photo(tmp_path / "a.png")
    texture = texture_of(photo, tmp_path)
    adobe_to_srgb = [[1.39836, -0.39836, 0], [0, 1, 0], [0, -0.04293, 1.04293]]
    linear = (rgb[0] / 65_535) ** (round(2.2 * 256) / 256) @ np.array(adobe_to_srgb).T
    expected = 1.055 * np.clip(linear, 0, 1) ** (1 / 2.4) - 0.055
    assert np.abs(texture[5] / 65_535 - expected).max() < 1e-3
    assert np.abs(photo.pixels_srgb[5] / 255 - expected).max() < 4e-3
    steps = np.diff(texture[5, :, 1].astype(int))
    assert steps.min() > 0 and steps.max() - steps.min() < 300  # no steps of 8 bits, which are 257 apart


def test_a_profile_with_tables_leaves_8_bits_and_says_so(tmp_path: Path) -> None:
    profile = profile_bytes(2.2, ADOBE_RGB, extra=[(b"A2B9", b"mft1" + bytes(40))])
    assert matrix_profile(profile) is None
    write_16(tmp_path / "a.png", deep_ramps())
    with_png_chunk(tmp_path / "a.png", b"iCCPtest\0\0" + zlib.compress(profile))
    photo = open_photo(tmp_path / "a.png")
    assert photo.pixels_deep is None
    assert any("its texture has 8 bits" in warning for warning in photo.warnings)


def test_light_beyond_white_stays(tmp_path: Path) -> None:
    linear = np.full((HEIGHT, WIDTH, 3), (0.2, 0.4, 0.1), np.float32)
    linear[4:8, 30:40] = 8.0
    linear[20, 20] = (-0.25, np.inf, np.nan)
    write_exr(tmp_path / "a.exr", {name: np.ascontiguousarray(linear[..., i]) for i, name in enumerate("RGB")})
    photo = open_photo(tmp_path / "a.exr")
    texture = texture_of(photo, tmp_path)
    assert texture.dtype == np.float16
    assert (texture[5, 35] == 8).all() and photo.pixels_srgb[5, 35].tolist() == [255] * 3
    assert texture[20, 20].tolist() == [-0.25, 65_504, 0]
    np.testing.assert_allclose(texture[0, 0], (0.2, 0.4, 0.1), rtol=5e-4)
    # A picture of 8 bits lies beside it for programs that read no OpenEXR files.
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "photo.png")), photo.pixels_srgb)


@pytest.mark.parametrize("suffix", ["hdr", "tif"])
def test_light_of_other_formats_stays(tmp_path: Path, suffix: str) -> None:
    linear = np.full((HEIGHT, WIDTH, 3), (0.25, 0.5, 0.125), np.float32)
    linear[4:8, 30:40] = (8, 4, 2)
    cv2.imwrite(str(tmp_path / f"a.{suffix}"), linear[..., ::-1], [cv2.IMWRITE_TIFF_COMPRESSION, 1])
    texture = texture_of(open_photo(tmp_path / f"a.{suffix}"), tmp_path)
    np.testing.assert_allclose(texture, linear, rtol=0.01)


def test_light_of_other_primaries_is_brought_to_those_of_srgb(tmp_path: Path) -> None:
    acescg = (0.713, 0.293, 0.165, 0.830, 0.128, 0.044, 0.32168, 0.33767)
    channels = {name: np.full((HEIGHT, WIDTH), value, np.float32) for name, value in zip("RGB", (2, 4, 1), strict=True)}
    write_exr(tmp_path / "a.exr", channels, chromaticities=acescg)
    texture = texture_of(open_photo(tmp_path / "a.exr"), tmp_path)
    ap1_to_srgb = [[1.70505, -0.62179, -0.08326], [-0.13026, 1.14080, -0.01055], [-0.02400, -0.12897, 1.15297]]
    np.testing.assert_allclose(texture[3, 3], np.array(ap1_to_srgb) @ (2, 4, 1), rtol=2e-3)


def test_transparent_parts_take_colours_from_beside_them(tmp_path: Path) -> None:
    rgba = np.zeros((64, 64, 4), np.uint16)
    rgba[16:48, 16:48] = (40_000, 30_001, 10_003, 65_535)
    write_16(tmp_path / "a.png", rgba)
    texture = texture_of(open_photo(tmp_path / "a.png"), tmp_path)
    assert (texture[20, 20] == (40_000, 30_001, 10_003)).all()
    assert np.abs(texture[20, 10].astype(int) - (40_000, 30_001, 10_003)).max() < 600
    alpha = np.zeros((64, 64), np.float32)
    alpha[16:48, 16:48] = 1
    light = dict.fromkeys("RGB", 3 * alpha) | {"A": alpha}
    write_exr(tmp_path / "a.exr", light)
    texture = texture_of(open_photo(tmp_path / "a.exr"), tmp_path)
    assert (texture[20, 20] == 3).all() and (texture[20, 10] == 1).all()


def test_8_bits_stay_as_they_were(tmp_path: Path) -> None:
    Image.fromarray(ramps()).save(tmp_path / "a.png")
    photo = open_photo(tmp_path / "a.png")
    assert photo.pixels_deep is None
    Image.fromarray(ramps()).save(tmp_path / "expected.png", compress_level=1)
    assert write_texture(photo, tmp_path) == "photo.png"
    assert (tmp_path / "photo.png").read_bytes() == (tmp_path / "expected.png").read_bytes()


def test_8_bit_colours_in_planes_are_read(tmp_path: Path) -> None:
    write_tiff(tmp_path / "a.tif", np.moveaxis(ramps(), -1, 0), 1, planes=True)
    np.testing.assert_array_equal(open_photo(tmp_path / "a.tif").pixels_srgb, ramps())


def test_16_bits_of_grey_with_alpha_stay(tmp_path: Path) -> None:
    grey = deep_ramps()[..., 1]
    both = np.stack([grey, np.full_like(grey, 65_535)], axis=-1)
    rows = np.concatenate([np.zeros((HEIGHT, 1), np.uint8), both.astype(">u2").reshape(HEIGHT, -1).view(np.uint8)], 1)
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, 16, 4, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows.tobytes())),
    )
    with (tmp_path / "a.png").open("ab") as file:
        for kind, data in (*parts, (b"IEND", b"")):
            file.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))
    np.testing.assert_array_equal(texture_of(open_photo(tmp_path / "a.png"), tmp_path), np.stack([grey] * 3, axis=-1))


def test_colours_outside_of_srgb_are_clipped_with_16_bits(tmp_path: Path) -> None:
    """The red of Display P3 is the red of sRGB, as near as it comes."""
    red = np.zeros((HEIGHT, WIDTH, 3), np.uint16)
    red[..., 0] = 65_535
    write_16(tmp_path / "a.png", red)
    with_png_chunk(tmp_path / "a.png", b"iCCPtest\0\0" + zlib.compress(profile_bytes(2.2, DISPLAY_P3)))
    np.testing.assert_array_equal(texture_of(open_photo(tmp_path / "a.png"), tmp_path), red)


def test_a_curve_that_divides_by_nothing_is_no_matrix_profile() -> None:
    """A parametric curve of type 1 begins at -b / a."""
    curve = b"para\0\0\0\0" + struct.pack(">HH3i", 1, 0, 65_536, 0, 65_536)
    broken = profile_bytes(1.0, ADOBE_RGB, [(name, curve) for name in (b"rTRC", b"gTRC", b"bTRC")])
    assert matrix_profile(broken) is None
