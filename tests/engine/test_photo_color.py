"""Colour profiles of photos."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from photo_files import HEIGHT, WIDTH, ramps, worst
from PIL import Image, ImageCms
from profile_files import ADOBE_RGB, DISPLAY_P3, SRGB, icc_file, profile_bytes

from infinidepth_blender.engine.photo import open_photo
from infinidepth_blender.engine.photo_color import to_rec709


@pytest.mark.parametrize(
    "xy",
    [
        (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.0770, 0.32168, 0.33767),
        (0.780308, 0.304253, 0.121595, 1.493994, 0.095612, -0.084589, 0.3127, 0.3290),
    ],
    ids=["aces", "camera"],
)
def test_primaries_beyond_what_is_seen_are_converted(xy: tuple[float, ...]) -> None:
    matrix = to_rec709(xy)
    assert matrix is not None
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-3)  # white stays white


@pytest.fixture
def picture() -> np.ndarray:
    return ramps()


@pytest.mark.parametrize("primaries", [DISPLAY_P3, ADOBE_RGB], ids=["display-p3", "adobe-rgb"])
def test_wide_gamut_profiles_become_srgb(tmp_path: Path, primaries: tuple) -> None:
    """Neutral colours stay, a muted green becomes more saturated by just what the primaries say."""
    colors = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    colors[:, :24], colors[:, 24:] = (128, 128, 128), (100, 150, 100)
    Image.fromarray(colors).save(tmp_path / "p.png", icc_profile=profile_bytes(2.2, primaries))
    pixels = open_photo(tmp_path / "p.png").pixels_srgb

    def matrix(p: tuple) -> np.ndarray:
        m = np.array([[x / y, 1, (1 - x - y) / y] for x, y in p]).T
        return m * np.linalg.solve(m, [0.3127 / 0.3290, 1, (1 - 0.3127 - 0.3290) / 0.3290])

    linear = np.linalg.solve(matrix(SRGB), matrix(primaries) @ (np.array([100, 150, 100]) / 255) ** 2.2)
    expected = 255 * (1.055 * np.clip(linear, 0, 1) ** (1 / 2.4) - 0.055)
    assert np.abs(pixels[5, 5].astype(int) - 128).max() <= 2
    assert np.abs(pixels[5, 40] - expected).max() <= 2
    assert pixels[5, 40, 0] < 97  # and not the file's own number


def cmyk_profile_bytes() -> bytes:
    """A minimal CMYK printer profile (ICC.1:2001, lut8) whose inks are plain complements.

    Cyan ink on this printer is the sRGB colour (0, 160, 220), which tells a profile that
    is used from one that is not.
    """
    inks = {0: (0, 160, 220), 1: (255, 0, 255), 2: (255, 255, 0), 3: (0, 0, 0)}
    to_lab = ImageCms.ImageCmsTransform(
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")),
        ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")),
        "RGB",
        "LAB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
    )
    corners = np.full((16, 3), 255.0)
    for corner in range(16):
        for ink, color in inks.items():
            if corner >> (3 - ink) & 1:
                corners[corner] *= np.array(color) / 255
    rgb = Image.fromarray(np.rint(corners).astype(np.uint8)[None])
    lab = np.asarray(to_lab.apply(rgb))[0].astype(np.uint8) ^ np.array([0, 128, 128], np.uint8)
    ramp = bytes(range(256))
    matrix = b"".join(struct.pack(">i", 65536 * (i % 4 == 0)) for i in range(9))
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + matrix + ramp * 4 + lab.tobytes() + ramp * 3
    text = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(79)
    white = b"XYZ \0\0\0\0" + struct.pack(">iii", 63190, 65536, 54061)
    tags = [(b"desc", text), (b"cprt", b"text\0\0\0\0none\0"), (b"wtpt", white), (b"A2B0", lut)]
    return icc_file(b"prtr", b"CMYK", b"Lab ", tags)


def test_cmyk_jpeg_with_its_printers_profile(tmp_path: Path) -> None:
    cmyk = np.zeros((32, 64, 4), np.uint8)
    cmyk[:, 16:32, 0], cmyk[:, 32:48, 1:3], cmyk[:, 48:, 3] = 255, 255, 255  # paper, cyan, red, black
    image = Image.fromarray(cmyk, mode="CMYK")
    image.save(tmp_path / "c.jpg", quality=100, icc_profile=cmyk_profile_bytes())
    photo = open_photo(tmp_path / "c.jpg")
    assert photo.warnings == ()
    seen = photo.pixels_srgb[16, [8, 24, 40, 56]].astype(int)
    assert np.abs(seen - [(255, 255, 255), (0, 160, 220), (255, 0, 0), (0, 0, 0)]).max() <= 12


def test_srgb_profiles_change_nothing(tmp_path: Path, picture: np.ndarray) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(picture).save(tmp_path / "s.jpg", icc_profile=profile, quality=95)
    photo = open_photo(tmp_path / "s.jpg")
    assert photo.is_plain_jpeg
    assert worst(photo.pixels_srgb, np.asarray(Image.open(tmp_path / "s.jpg"))) == 0


def test_a_grey_profile_in_a_colour_picture_is_ignored_with_a_warning(tmp_path: Path, picture: np.ndarray) -> None:
    profile = profile_bytes(2.2, SRGB).replace(b"RGB ", b"GRAY", 1)
    Image.fromarray(picture).save(tmp_path / "w.png", icc_profile=profile)
    photo = open_photo(tmp_path / "w.png")
    assert worst(photo.pixels_srgb, picture) == 0
    assert any("profile" in w for w in photo.warnings)
