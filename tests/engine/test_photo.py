"""Real files of every kind that people have, and every kind of file that is no photo."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import pytest
from PIL import Image, ImageCms

from infinidepth_blender.engine.photo import open_photo, write_texture
from infinidepth_blender.errors import PhotoError

WIDTH, HEIGHT = 48, 32


@pytest.fixture
def picture() -> np.ndarray:
    """(32, 48, 3) uint8: smooth ramps, so that lossy formats keep them; no symmetry."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.stack([x * 5, y * 7, 120 + x - y], axis=-1).astype(np.uint8)


def worst(a: np.ndarray, b: np.ndarray) -> int:
    assert a.shape == b.shape and a.dtype == np.uint8
    return int(np.abs(a.astype(int) - b).max())


def to_linear(srgb: np.ndarray) -> np.ndarray:
    c = srgb.astype(np.float32) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4).astype(np.float32)


def write_exr(path: Path, channels: dict[str, np.ndarray], **header: object) -> None:
    OpenEXR.File({"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage, **header}, channels).write(
        str(path)
    )


# -- ordinary files ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "tolerance"),
    [
        ("a.png", {}, 0),
        ("a.bmp", {}, 0),
        ("a.tif", {"compression": "tiff_lzw"}, 0),
        ("a.webp", {"lossless": True}, 0),
        ("a.ppm", {}, 0),
        ("a.tga", {}, 0),
        ("a.jpg", {"quality": 98, "subsampling": 0}, 6),
        ("a.jp2", {"irreversible": False}, 0),
    ],
)
def test_eight_bit_formats(tmp_path: Path, picture: np.ndarray, name: str, options: dict, tolerance: int) -> None:
    Image.fromarray(picture).save(tmp_path / name, **options)
    photo = open_photo(tmp_path / name)
    assert worst(photo.pixels_srgb, picture) <= tolerance
    assert (photo.width_px, photo.height_px) == (WIDTH, HEIGHT)
    assert photo.opaque is None and photo.warnings == ()


def test_heic(tmp_path: Path, picture: np.ndarray) -> None:
    heif = pytest.importorskip("pillow_heif")
    file = heif.from_pillow(Image.fromarray(picture))
    exif = Image.Exif()
    exif[0x0112] = 6
    try:
        file.save(tmp_path / "a.heic", quality=-1, chroma=444, exif=exif.tobytes())
    except RuntimeError as error:
        pytest.skip(f"this pillow-heif cannot write: {error}")
    photo = open_photo(tmp_path / "a.heic")
    # pillow-heif turns the orientation into HEIF's own rotation; either way the photo stands upright.
    assert worst(photo.pixels_srgb, np.rot90(picture, -1)) <= 12


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_sixteen_bit_colour_is_scaled_not_clipped(tmp_path: Path, picture: np.ndarray, name: str) -> None:
    cv2.imwrite(str(tmp_path / name), (picture.astype(np.uint16) * 257)[..., ::-1])
    assert worst(open_photo(tmp_path / name).pixels_srgb, picture) <= 1


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path: Path, picture: np.ndarray, name: str) -> None:
    grey = picture[..., 0]
    cv2.imwrite(str(tmp_path / name), grey.astype(np.uint16) * 257)
    photo = open_photo(tmp_path / name)
    assert worst(photo.pixels_srgb, np.repeat(grey[..., None], 3, axis=2)) == 0


def test_sixteen_bit_tiff_with_separate_planes_or_unusual_layout(tmp_path: Path, picture: np.ndarray) -> None:
    rgba = np.dstack([picture, np.full((HEIGHT, WIDTH), 255, np.uint8)]).astype(np.uint16) * 257
    cv2.imwrite(str(tmp_path / "rgba.tif"), rgba[..., [2, 1, 0, 3]])
    photo = open_photo(tmp_path / "rgba.tif")
    assert worst(photo.pixels_srgb, picture) <= 1 and photo.opaque is None


def test_grey_and_black_and_white(tmp_path: Path, picture: np.ndarray) -> None:
    Image.fromarray(picture[..., 1]).save(tmp_path / "grey.png")
    grey = open_photo(tmp_path / "grey.png").pixels_srgb
    assert worst(grey, np.repeat(picture[..., 1:2], 3, axis=2)) == 0
    Image.fromarray(picture[..., 1] > 100).save(tmp_path / "bw.png")
    assert set(np.unique(open_photo(tmp_path / "bw.png").pixels_srgb)) == {0, 255}


def test_palette(tmp_path: Path) -> None:
    blocks = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    blocks[:, :20], blocks[:, 20:] = (200, 10, 30), (5, 150, 90)
    Image.fromarray(blocks).quantize(4).save(tmp_path / "p.png")
    assert worst(open_photo(tmp_path / "p.png").pixels_srgb, blocks) == 0
    Image.fromarray(blocks).quantize(4).save(tmp_path / "p.gif")
    assert worst(open_photo(tmp_path / "p.gif").pixels_srgb, blocks) == 0


@pytest.mark.parametrize("with_profile", [False, True])
def test_cmyk_jpeg(tmp_path: Path, picture: np.ndarray, with_profile: bool) -> None:
    profile = b"not a profile" if with_profile else None
    Image.fromarray(picture).convert("CMYK").save(tmp_path / "c.jpg", quality=98, subsampling=0, icc_profile=profile)
    photo = open_photo(tmp_path / "c.jpg")
    assert worst(photo.pixels_srgb, picture) <= 10  # neither inverted nor washed out
    assert not photo.is_plain_jpeg
    assert any("colour profile" in w for w in photo.warnings) == with_profile


def test_orientations(tmp_path: Path, picture: np.ndarray) -> None:
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        stored = {
            1: picture, 2: picture[:, ::-1], 3: picture[::-1, ::-1], 4: picture[::-1],
            5: picture.transpose(1, 0, 2), 6: np.rot90(picture), 7: np.rot90(picture[::-1]), 8: np.rot90(picture, -1),
        }[orientation]  # fmt: skip
        path = tmp_path / f"{orientation}.png"
        Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif)
        assert worst(open_photo(path).pixels_srgb, picture) == 0, orientation


def test_multi_picture_jpeg_is_a_photo_and_pages_warn(tmp_path: Path, picture: np.ndarray) -> None:
    image, other = Image.fromarray(picture), Image.fromarray(picture[:16, :16])
    image.save(tmp_path / "phone.jpg", format="MPO", save_all=True, append_images=[other], quality=95)
    assert open_photo(tmp_path / "phone.jpg").pixels_srgb.shape == picture.shape
    image.save(tmp_path / "pages.tif", save_all=True, append_images=[image])
    photo = open_photo(tmp_path / "pages.tif")
    assert worst(photo.pixels_srgb, picture) == 0
    assert any("2 pages" in w for w in photo.warnings)


def test_a_very_wide_photo(tmp_path: Path) -> None:
    row = (np.arange(20_000) % 256).astype(np.uint8)
    Image.fromarray(np.broadcast_to(row, (40, 20_000))).convert("RGB").save(tmp_path / "wide.png", compress_level=1)
    photo = open_photo(tmp_path / "wide.png")
    assert photo.pixels_srgb.shape == (40, 20_000, 3)
    assert (photo.pixels_srgb[39, :, 1] == row).all()


# -- colour --------------------------------------------------------------------------


def profile_bytes(gamma: float, primaries: tuple[tuple[float, float], ...]) -> bytes:
    """A minimal matrix/TRC display profile (ICC.1:2001), D50 adapted by Bradford."""
    bradford = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    d65 = np.array([0.3127 / 0.3290, 1, (1 - 0.3127 - 0.3290) / 0.3290])
    d50 = np.array([0.9642, 1, 0.8249])
    xyz = np.array([[x / y, 1, (1 - x - y) / y] for x, y in primaries]).T
    xyz = xyz * np.linalg.solve(xyz, d65)
    adapt = np.linalg.inv(bradford) @ np.diag((bradford @ d50) / (bradford @ d65)) @ bradford
    columns = (adapt @ xyz).T

    def s15(values: np.ndarray) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(float(v) * 65536)) for v in values)

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    text = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(79)
    tags = [(b"desc", text), (b"cprt", b"text\0\0\0\0none\0"), (b"wtpt", s15(d50))]
    tags += [(name, s15(c)) for name, c in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True)]
    tags += [(name, curve) for name in (b"rTRC", b"gTRC", b"bTRC")]
    return icc_file(b"mntr", b"RGB ", b"XYZ ", tags)


def icc_file(kind: bytes, space: bytes, connection: bytes, tags: list[tuple[bytes, bytes]]) -> bytes:
    offset, table, body = 128 + 4 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, data in tags:
        data += bytes(-len(data) % 4)
        table += name + struct.pack(">II", offset + len(body), len(data))
        body += data
    head = struct.pack(">I4sI4s4s4s", offset + len(body), b"none", 0x02400000, kind, space, connection)
    head += bytes(12) + b"acsp" + bytes(28) + struct.pack(">iii", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + table + body


DISPLAY_P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
ADOBE_RGB = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
SRGB = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))


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


# -- transparency --------------------------------------------------------------------


@pytest.mark.parametrize("bits", [8, 16])
def test_alpha_is_no_data_and_leaves_no_dark_halo(tmp_path: Path, bits: int) -> None:
    rgba = np.zeros((64, 64, 4), np.uint8)
    rgba[16:48, 16:48] = (220, 180, 60, 255)
    rgba[16:48, 15] = (220, 180, 60, 100)
    path = tmp_path / "cut.png"
    if bits == 8:
        Image.fromarray(rgba).save(path)
    else:
        cv2.imwrite(str(path), rgba[..., [2, 1, 0, 3]].astype(np.uint16) * 257)
    photo = open_photo(path)
    assert photo.opaque is not None
    assert (photo.opaque == (rgba[..., 3] >= 128)).all()
    assert np.abs(photo.pixels_srgb[:, 8:56].astype(int) - (220, 180, 60)).max() <= 3
    assert any("Transparent" in w for w in photo.warnings)


def test_colour_under_half_transparency_is_kept_unmultiplied(tmp_path: Path) -> None:
    rgba = np.full((32, 32, 4), (200, 100, 50, 160), np.uint8)
    Image.fromarray(rgba).save(tmp_path / "veil.png")
    photo = open_photo(tmp_path / "veil.png")
    assert photo.opaque is None
    assert (photo.pixels_srgb == (200, 100, 50)).all()


def test_grey_with_alpha_and_palette_with_transparency(tmp_path: Path) -> None:
    la = np.zeros((32, 32, 2), np.uint8)
    la[:, 10:] = (140, 255)
    Image.fromarray(la, mode="LA").save(tmp_path / "la.png")
    palette = Image.fromarray(la[..., 0]).convert("P")
    palette.save(tmp_path / "p.png", transparency=0)
    for name in ("la.png", "p.png"):
        photo = open_photo(tmp_path / name)
        assert photo.opaque is not None
        assert not photo.opaque[:, :10].any() and photo.opaque[:, 10:].all()
        assert worst(photo.pixels_srgb, np.full((32, 32, 3), 140, np.uint8)) <= 1


def test_transparent_everywhere_is_an_error(tmp_path: Path) -> None:
    Image.new("RGBA", (32, 32), (255, 0, 0, 0)).save(tmp_path / "t.png")
    with pytest.raises(PhotoError, match=r"t\.png is transparent everywhere"):
        open_photo(tmp_path / "t.png")


# -- linear light --------------------------------------------------------------------


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


# -- the texture ---------------------------------------------------------------------


def test_texture_of_a_plain_jpeg_is_the_file_itself(tmp_path: Path, picture: np.ndarray) -> None:
    source = tmp_path / "plain.jpeg"
    Image.fromarray(picture).save(source)
    (tmp_path / "out").mkdir()
    assert write_texture(open_photo(source), tmp_path / "out") == "photo.jpg"
    assert (tmp_path / "out" / "photo.jpg").read_bytes() == source.read_bytes()


def test_texture_of_anything_else_is_an_upright_png(tmp_path: Path, picture: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    photo = open_photo(tmp_path / "turned.jpg")
    assert write_texture(photo, tmp_path) == "photo.png"
    written = Image.open(tmp_path / "photo.png")
    assert written.mode == "RGB" and written.size == (HEIGHT, WIDTH)
    assert (np.asarray(written) == photo.pixels_srgb).all()


# -- what is no photo ----------------------------------------------------------------


def png_bytes(picture: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.jpg", b"", "is empty"),
        ("notes.jpg", b"Dear diary,\nnothing happened today.\n", "is a text file"),
        ("page.png", b"<!DOCTYPE html><html><body>404</body></html>", "is a web page"),
        ("drawing.png", b"<svg xmlns='x'></svg>", "is an SVG drawing"),
        ("paper.jpg", b"%PDF-1.7\n...", "is a PDF document"),
        ("clip.jpg", b"\0\0\0\x20ftypmp42" + bytes(100), "is a video"),
        ("noise.jpg", bytes(range(256)) * 4, "not a photo of a known kind"),
        ("head.jpg", b"\xff\xd8\xff", "damaged"),
        ("cut.hdr", b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 40 +X 40\n", "damaged"),
        ("cut.exr", b"\x76\x2f\x31\x01\x02\0\0\0abc", "damaged"),
        ("DSC_0001.NEF", b"MM\0*" + bytes(100), "camera RAW"),
    ],
)
def test_files_that_are_no_photos(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PhotoError) as caught:
        open_photo(tmp_path / name)
    assert name in caught.value.message and message in caught.value.message
    assert caught.value.remedy
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["a.png", "a.jpg", "a.tif", "a.webp", "a.bmp", "a.gif", "a.jp2", "b.exr", "c.tif", "c.png"]
)
@pytest.mark.parametrize("keep", [0.3, 0.8])
def test_truncated_files(tmp_path: Path, name: str, keep: float) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (64, 64, 3), np.uint8)
    path = tmp_path / name
    if name[0] == "b":
        write_exr(
            path,
            {
                "R": noise[..., 0].astype(np.float32),
                "G": noise[..., 1].astype(np.float32),
                "B": noise[..., 2].astype(np.float32),
            },
        )
    elif name[0] == "c":
        cv2.imwrite(str(path), rng.integers(0, 65536, (64, 64, 3)).astype(np.uint16))
    else:
        Image.fromarray(noise).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(PhotoError, match=rf"{name} .*(damaged|cannot be read)") as caught:
        open_photo(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png"])
def test_animations(tmp_path: Path, name: str) -> None:
    frames = [Image.new("RGB", (32, 32), (i * 80, 10, 10)) for i in range(3)]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    with pytest.raises(PhotoError, match=rf"{name} is an animation of 3 frames"):
        open_photo(tmp_path / name)


def test_sizes_out_of_range(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    with pytest.raises(PhotoError, match=r"dot\.png is too small: 1 x 1"):
        open_photo(tmp_path / "dot.png")
    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    (tmp_path / "bomb.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0"))
    )
    with pytest.raises(PhotoError, match=r"bomb\.png is too large: 60000 x 60000"):
        open_photo(tmp_path / "bomb.png")


def test_missing_folder_and_pipe(tmp_path: Path) -> None:
    with pytest.raises(PhotoError, match=r"gone\.jpg does not exist"):
        open_photo(tmp_path / "gone.jpg")
    with pytest.raises(PhotoError, match="is a folder"):
        open_photo(tmp_path)
    with pytest.raises(PhotoError):
        open_photo(Path("nul\0byte.jpg"))
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.jpg")
        with pytest.raises(PhotoError, match="device or a pipe"):
            open_photo(tmp_path / "pipe.jpg")


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX permissions")
def test_no_permission(tmp_path: Path, picture: np.ndarray) -> None:
    path = tmp_path / "secret.png"
    Image.fromarray(picture).save(path)
    path.chmod(0)
    # Root may read everything, so a child process gives its rights up.
    code = (
        "import os, sys, pathlib\n"
        "from infinidepth_blender.engine.photo import open_photo\n"
        "from infinidepth_blender.errors import PhotoError\n"
        "if os.geteuid() == 0: os.seteuid(65534)\n"
        "try: open_photo(pathlib.Path(sys.argv[1]))\n"
        "except PhotoError as error: print(error)\n"
    )
    for folder in (tmp_path, *tmp_path.parents):
        if folder.owner() != "root" or folder == Path("/tmp"):
            break
        folder.chmod(folder.stat().st_mode | 0o055)
    root = Path(__file__).resolve().parents[2]
    result = subprocess.run(
        [sys.executable, "-c", code, str(path)], cwd=root, capture_output=True, text=True, check=False
    )
    assert f"No permission to read {path}" in result.stdout, result.stderr
