"""Photos in linear light."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import pytest
from photo_files import HEIGHT, WIDTH, ramps, to_linear, worst, write_exr
from PIL import Image

from infinidepth_blender.camera_files import read_camera_file
from infinidepth_blender.engine.depth_files import read_prompt
from infinidepth_blender.engine.mask_files import read_painted
from infinidepth_blender.engine.photo import open_photo
from infinidepth_blender.errors import PhotoError


@pytest.fixture
def picture() -> np.ndarray:
    return ramps()


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("prefix", ["", "ViewLayer.Combined."])
def test_linear_exr(tmp_path: Path, picture: np.ndarray, dtype: type, prefix: str) -> None:
    linear = to_linear(picture).astype(dtype)
    channels = {prefix + name: np.ascontiguousarray(linear[..., i]) for i, name in enumerate("RGB")}
    channels |= {
        "ViewLayer.Depth.Z": np.ones((HEIGHT, WIDTH), np.float32),
        "a.Normal.X": np.zeros((HEIGHT, WIDTH), np.float32),
    }
    write_exr(tmp_path / "a.exr", channels)
    assert worst(open_photo(tmp_path / "a.exr").pixels_srgb, picture) <= 1


def test_exr_layers_prefer_the_beauty(tmp_path: Path, picture: np.ndarray) -> None:
    linear = to_linear(picture)
    channels = {f"AO.{c}": np.full((HEIGHT, WIDTH), 0.5, np.float32) for c in "RGB"}
    channels |= {f"Beauty.{c}": np.ascontiguousarray(linear[..., i]) for i, c in enumerate("RGB")}
    write_exr(tmp_path / "a.exr", channels)
    assert worst(open_photo(tmp_path / "a.exr").pixels_srgb, picture) == 0


def test_exr_values_out_of_range_are_clipped(tmp_path: Path) -> None:
    y = np.zeros((HEIGHT, WIDTH), np.float32)
    y[:, 10:20], y[:, 20:30], y[:, 30:40], y[:, 40:] = 7.5, np.inf, np.nan, -1
    write_exr(tmp_path / "a.exr", {"Y": y})
    pixels = open_photo(tmp_path / "a.exr").pixels_srgb
    assert [int(pixels[3, x, 2]) for x in (5, 15, 25, 35, 45)] == [0, 255, 255, 0, 0]


def test_exr_alpha_and_windows(tmp_path: Path, picture: np.ndarray) -> None:
    """Premultiplied colour is divided out; outside of the data window nothing is known."""
    alpha = np.full((HEIGHT, WIDTH), 0.75, np.float32)
    alpha[:5] = 0
    premultiplied = to_linear(picture) * alpha[..., None]
    channels = {name: np.ascontiguousarray(premultiplied[..., i]) for i, name in enumerate("RGB")} | {"A": alpha}
    window = (np.array([0, 0], np.int32), np.array([WIDTH - 1, HEIGHT + 7], np.int32))
    write_exr(tmp_path / "a.exr", channels, displayWindow=window)
    photo = open_photo(tmp_path / "a.exr")
    assert photo.pixels_srgb.shape == (HEIGHT + 8, WIDTH, 3)
    assert photo.opaque is not None
    assert not photo.opaque[:5].any() and not photo.opaque[HEIGHT:].any() and photo.opaque[5:HEIGHT].all()
    assert worst(photo.pixels_srgb[5:HEIGHT], picture[5:]) <= 1


def test_exr_in_aces_primaries(tmp_path: Path) -> None:
    """ACEScg: white stays white, and (0.18, 0.36, 0.09) becomes what the published AP1 to sRGB matrix says."""
    acescg = (0.713, 0.293, 0.165, 0.830, 0.128, 0.044, 0.32168, 0.33767)
    color = np.full((HEIGHT, WIDTH, 3), 1, np.float32)
    color[:, 24:] = (0.18, 0.36, 0.09)
    channels = {name: np.ascontiguousarray(color[..., i]) for i, name in enumerate("RGB")}
    write_exr(tmp_path / "a.exr", channels, chromaticities=acescg)
    pixels = open_photo(tmp_path / "a.exr").pixels_srgb
    ap1_to_srgb = [[1.70505, -0.62179, -0.08326], [-0.13026, 1.14080, -0.01055], [-0.02400, -0.12897, 1.15297]]
    linear = np.array(ap1_to_srgb) @ (0.18, 0.36, 0.09)
    expected = 255 * (1.055 * linear ** (1 / 2.4) - 0.055)
    assert (pixels[3, 3] == 255).all()
    assert np.abs(pixels[3, 40] - expected).max() <= 1


def write_parts(path: Path, parts: dict[str, dict[str, np.ndarray]]) -> None:
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File([OpenEXR.Part(header | {"name": n}, channels, n) for n, channels in parts.items()]).write(str(path))


@pytest.mark.parametrize("names", [("rgb", "specular"), ("beauty", "crypto00"), ("albedo", "beauty"), ("mask", "left")])
def test_the_part_that_is_the_picture_is_used(tmp_path: Path, picture: np.ndarray, names: tuple[str, str]) -> None:
    """By its name, whichever comes first and has alpha."""
    linear = to_linear(picture)
    right = {c: np.ascontiguousarray(linear[..., i]) for i, c in enumerate("RGB")}
    wrong = dict.fromkeys("RGBA", np.full((HEIGHT, WIDTH), 0.4, np.float32))
    is_first = names[0] in ("rgb", "beauty")
    write_parts(tmp_path / "a.exr", dict(zip(names, (right, wrong) if is_first else (wrong, right), strict=True)))
    assert worst(open_photo(tmp_path / "a.exr").pixels_srgb, picture) == 0


def test_exr_channels_with_long_names(tmp_path: Path, picture: np.ndarray) -> None:
    linear = to_linear(picture)
    write_exr(
        tmp_path / "a.exr",
        {f"rgba.{c}": np.ascontiguousarray(linear[..., i]) for i, c in enumerate(("red", "green", "blue"))},
    )
    assert worst(open_photo(tmp_path / "a.exr").pixels_srgb, picture) == 0


def test_exr_pixels_are_made_square(tmp_path: Path, picture: np.ndarray) -> None:
    linear = to_linear(picture)
    channels = {c: np.ascontiguousarray(linear[..., i]) for i, c in enumerate("RGB")}
    write_exr(tmp_path / "a.exr", channels, pixelAspectRatio=2.0)
    photo = open_photo(tmp_path / "a.exr")
    assert (photo.width_px, photo.height_px) == (2 * WIDTH, HEIGHT)
    assert photo.pixels_linear is not None and photo.pixels_linear.shape[1] == 2 * WIDTH
    assert np.abs(photo.pixels_srgb[:, 2:-2:2].astype(int) - picture[:, 1:-1]).max() <= 4
    assert any("2 times as wide as high" in w for w in photo.warnings)


@pytest.mark.parametrize("aspect", [1.0667, 2.0])
def test_what_belongs_to_an_exr_goes_together_with_its_square_pixels(
    tmp_path: Path, picture: np.ndarray, aspect: float
) -> None:
    linear = to_linear(picture)
    channels = {c: np.ascontiguousarray(linear[..., i]) for i, c in enumerate("RGB")}
    write_exr(tmp_path / "a.exr", {**channels, "Z": np.full((HEIGHT, WIDTH), 2, np.float32)}, pixelAspectRatio=aspect)
    photo = open_photo(tmp_path / "a.exr")
    size = photo.width_px, photo.height_px
    assert photo.stored_size_px == (WIDTH, HEIGHT)
    assert read_prompt(tmp_path / "a.exr", *size, photo.stored_size_px).warnings == ()
    for width in (WIDTH, photo.width_px):
        Image.new("L", (width, HEIGHT), 255).save(tmp_path / "m.png")
        painted = read_painted(tmp_path / "m.png", *size, "mask", hard=True, stored_size_px=photo.stored_size_px)
        assert painted.shape == size[::-1]
        numbers = {"fx": 50 * width / photo.width_px, "fy": 50, "cx": width / 2, "cy": HEIGHT / 2}
        for given in (numbers, numbers | {"w": width, "h": HEIGHT}):
            (tmp_path / "c.json").write_text(json.dumps(given))
            camera, warnings = read_camera_file(tmp_path / "c.json", *size, photo.stored_size_px)
            assert not warnings and camera.width_px == photo.width_px
            assert (camera.fx_px, camera.fy_px, camera.cx_px) == pytest.approx((50, 50, photo.width_px / 2))


def test_a_photo_with_square_pixels_has_no_other_shape(tmp_path: Path, picture: np.ndarray) -> None:
    Image.fromarray(picture).save(tmp_path / "a.png")
    assert open_photo(tmp_path / "a.png").stored_size_px is None


def test_exr_whose_primaries_are_zeros(tmp_path: Path, picture: np.ndarray) -> None:
    linear = to_linear(picture)
    channels = {c: np.ascontiguousarray(linear[..., i]) for i, c in enumerate("RGB")}
    write_exr(tmp_path / "a.exr", channels, chromaticities=(0.0,) * 8)
    assert worst(open_photo(tmp_path / "a.exr").pixels_srgb, picture) == 0


def test_opaque_light_has_nothing_left_out(tmp_path: Path, picture: np.ndarray) -> None:
    linear = to_linear(picture)
    channels = {c: np.ascontiguousarray(linear[..., i]) for i, c in enumerate("RGB")}
    write_exr(tmp_path / "a.exr", channels | {"A": np.ones((HEIGHT, WIDTH), np.float32)})
    photo = open_photo(tmp_path / "a.exr")
    assert photo.opaque is None and photo.warnings == ()


def test_exr_without_colour(tmp_path: Path) -> None:
    write_exr(tmp_path / "z.exr", {"Z": np.ones((HEIGHT, WIDTH), np.float32)})
    with pytest.raises(PhotoError, match=r"z\.exr has no colour channels .*Z"):
        open_photo(tmp_path / "z.exr")


def test_floating_point_tiff(tmp_path: Path, picture: np.ndarray) -> None:
    plain = [cv2.IMWRITE_TIFF_COMPRESSION, 1]
    cv2.imwrite(str(tmp_path / "rgb.tif"), to_linear(picture)[..., ::-1], plain)
    assert worst(open_photo(tmp_path / "rgb.tif").pixels_srgb, picture) == 0
    cv2.imwrite(str(tmp_path / "grey.tif"), to_linear(picture)[..., 0], plain)
    assert worst(open_photo(tmp_path / "grey.tif").pixels_srgb, np.repeat(picture[..., :1], 3, axis=2)) == 0


def test_radiance_hdr(tmp_path: Path, picture: np.ndarray) -> None:
    grey = np.repeat(picture[..., :1], 3, axis=2)  # the format shares one exponent between the colours
    cv2.imwrite(str(tmp_path / "a.hdr"), to_linear(grey))
    assert worst(open_photo(tmp_path / "a.hdr").pixels_srgb, grey) <= 1
