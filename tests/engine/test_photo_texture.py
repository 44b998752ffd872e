"""What becomes the texture where files have profiles, change meanwhile, or are read by two readers that do not agree."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from photo_files import HEIGHT, WIDTH, ramps, worst
from PIL import Image
from profile_files import DISPLAY_P3, profile_bytes

from infinidepth_blender.engine import photo_deep
from infinidepth_blender.engine.photo import open_photo, write_texture
from infinidepth_blender.engine.photo_deep import fill_deep


def test_a_jpeg_of_a_wide_gamut_is_converted_for_the_texture(tmp_path: Path) -> None:
    """As telephones write them: the file itself would be too dull in a renderer, which takes it for sRGB."""
    path = tmp_path / "photo.jpg"
    Image.fromarray(ramps()).save(path, quality=95, icc_profile=profile_bytes(2.2, DISPLAY_P3))
    photo = open_photo(path)
    assert not photo.is_plain_jpeg
    assert write_texture(photo, tmp_path) == "photo.png"
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "photo.png")), photo.pixels_srgb)
    assert worst(photo.pixels_srgb, np.asarray(Image.open(path).convert("RGB"))) > 10


@pytest.mark.parametrize("change", ["another picture", "gone"])
def test_the_texture_is_the_photo_that_was_opened(tmp_path: Path, change: str) -> None:
    """Depth and texture must be of the same picture, whatever happens to the file during the work."""
    path = tmp_path / "a.jpg"
    Image.fromarray(ramps()).save(path, quality=95)
    photo = open_photo(path)
    assert write_texture(photo, tmp_path) == "photo.jpg"
    path.unlink()
    if change == "another picture":
        Image.fromarray(ramps()[::-1].copy()).save(path, quality=95)
    assert write_texture(photo, tmp_path) == "photo.png"
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "photo.png")), photo.pixels_srgb)


def write_16(path: Path) -> None:
    values = np.arange(HEIGHT * WIDTH * 3, dtype=np.uint16).reshape(HEIGHT, WIDTH, 3) * np.uint16(13)
    assert cv2.imwrite(str(path), values)


def test_16_bits_that_show_something_else_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_16(tmp_path / "a.png")
    good = open_photo(tmp_path / "a.png")
    read = photo_deep._png_samples

    def upside_down(path: Path) -> np.ndarray | None:
        colors = read(path)
        return None if colors is None else colors[::-1]

    monkeypatch.setattr(photo_deep, "_png_samples", upside_down)
    photo = open_photo(tmp_path / "a.png")
    assert good.pixels_deep is not None and not good.warnings
    assert photo.pixels_deep is None and "8 bits" in photo.warnings[0]
    assert worst(photo.pixels_srgb, good.pixels_srgb) <= 1


def test_white_beneath_transparent_pixels_is_white_with_16_bits() -> None:
    deep = np.full((1, 3, 3), 1000, np.uint16)
    fill_deep(deep, np.array([[[255] * 3, [0] * 3, [128] * 3]], np.uint8), np.array([[False, False, True]]))
    assert deep[0].tolist() == [[65_535] * 3, [0] * 3, [1000] * 3]


def test_16_bits_of_grey_may_count_from_white(tmp_path: Path) -> None:
    grey = np.arange(HEIGHT * WIDTH, dtype=np.uint16).reshape(HEIGHT, WIDTH) * np.uint16(37)
    path = tmp_path / "a.tif"
    Image.fromarray(grey).save(path)
    data = path.read_bytes()
    entry = bytes.fromhex("0601 0300 01000000 0100")  # photometric interpretation, one short number: black is zero
    assert data.count(entry) == 1
    path.write_bytes(data.replace(entry, entry[:-2] + b"\0\0"))
    deep = open_photo(path).pixels_deep
    assert deep is not None
    np.testing.assert_array_equal(deep[..., 0], 65_535 - grey)
