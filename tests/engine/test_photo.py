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
import pytest
from photo_files import HEIGHT, WIDTH, ramps, worst, write_exr
from PIL import Image

from infinidepth_blender.engine.photo import open_photo, write_texture
from infinidepth_blender.errors import PhotoError


@pytest.fixture
def picture() -> np.ndarray:
    return ramps()


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
