"""TIFF files that Pillow does not take, or would take the wrong way."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from photo_files import HEIGHT, WIDTH, ramps, to_linear, worst
from PIL import Image
from profile_files import ADOBE_RGB, DISPLAY_P3, SRGB, profile_bytes
from tiff_files import write_tiff

from infinidepth_blender.engine.photo import open_photo
from infinidepth_blender.errors import PhotoError

ICC = 34675
_TO_SRGB = {
    SRGB: np.eye(3),
    ADOBE_RGB: np.array([[1.39836, -0.39836, 0], [0, 1, 0], [0, -0.04293, 1.04293]]),
    DISPLAY_P3: np.array([[1.22494, -0.22494, 0], [-0.04206, 1.04206, 0], [-0.01964, -0.07864, 1.09828]]),
}


@pytest.fixture
def picture() -> np.ndarray:
    return ramps()


@pytest.mark.parametrize("gamma", [1.0, 2.2])
@pytest.mark.parametrize("primaries", [SRGB, ADOBE_RGB, DISPLAY_P3], ids=["srgb", "adobe-rgb", "display-p3"])
def test_the_profile_of_floating_point_colours_counts(
    tmp_path: Path, picture: np.ndarray, gamma: float, primaries: tuple
) -> None:
    light = to_linear(picture)
    light[:4] *= 5
    stored = np.maximum(light @ np.linalg.inv(_TO_SRGB[primaries]).T, 0) ** (256 / round(gamma * 256))
    write_tiff(tmp_path / "a.tif", stored.astype("<f4"), 3, tags={ICC: (7, profile_bytes(gamma, primaries))})
    photo = open_photo(tmp_path / "a.tif")
    assert photo.pixels_linear is not None and photo.warnings == ()
    inside = (light @ np.linalg.inv(_TO_SRGB[primaries]).T > 0).all(axis=-1)
    np.testing.assert_allclose(photo.pixels_linear[inside], light[inside], rtol=0.01, atol=2e-3)


def test_floating_point_colours_with_a_curve_of_samples_go_on_above_1(tmp_path: Path) -> None:
    curve = b"curv\0\0\0\0" + struct.pack(">I3H", 3, 0, 65_535 // 4, 65_535)
    profile = profile_bytes(1.0, SRGB, [(name, curve) for name in (b"rTRC", b"gTRC", b"bTRC")])
    values = np.full((HEIGHT, WIDTH, 3), 0.25, "<f4")
    values[:, 10:] = 2
    write_tiff(tmp_path / "a.tif", values, 3, tags={ICC: (7, profile)})
    light = open_photo(tmp_path / "a.tif").pixels_linear
    assert light is not None
    assert light[5, 5, 0] == pytest.approx(0.125, abs=1e-3) and light[5, 20, 0] == pytest.approx(2.5, abs=1e-2)


def test_a_profile_with_tables_leaves_8_bits_of_floating_point_colours(tmp_path: Path, picture: np.ndarray) -> None:
    profile = profile_bytes(2.2, SRGB, [(b"A2B0", bytes(40))])
    write_tiff(tmp_path / "a.tif", (picture / 255).astype("<f4"), 3, tags={ICC: (7, profile)})
    photo = open_photo(tmp_path / "a.tif")
    assert worst(photo.pixels_srgb, picture) <= 6 and photo.pixels_deep is None
    assert any("made of tables" in w for w in photo.warnings)


def test_alpha_in_floating_point_colours_is_divided_out(tmp_path: Path, picture: np.ndarray) -> None:
    alpha = np.full((HEIGHT, WIDTH, 1), 0.75, np.float32)
    alpha[:5] = 0
    for meaning, light in ((1, to_linear(picture) * alpha), (2, to_linear(picture))):
        write_tiff(tmp_path / "a.tif", np.dstack([light, alpha]).astype("<f4"), 3, tags={338: (3, [meaning])})
        photo = open_photo(tmp_path / "a.tif")
        assert photo.opaque is not None and not photo.opaque[:5].any() and photo.opaque[5:].all()
        assert worst(photo.pixels_srgb[5:], picture[5:]) <= 1
        assert any("Transparent" in w for w in photo.warnings)


@pytest.mark.parametrize(
    "layout",
    [{}, {"strip_rows": 5, "deflated": True}, {"tile_px": 32, "deflated": True, "predictor": 3}, {"tile_px": 16}],
)
@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8"])
def test_floating_point_of_any_size_and_layout(tmp_path: Path, picture: np.ndarray, dtype: str, layout: dict) -> None:
    write_tiff(tmp_path / "a.tif", to_linear(picture).astype(dtype), 3, **layout)
    photo = open_photo(tmp_path / "a.tif")
    assert worst(photo.pixels_srgb, picture) == 0 and photo.warnings == ()


@pytest.mark.parametrize("layout", [{}, {"strip_rows": 5, "deflated": True}, {"tile_px": 32, "deflated": True}])
@pytest.mark.parametrize(("dtype", "kind"), [("<u2", 1), ("<f4", 3)])
def test_colours_in_planes_are_read(tmp_path: Path, picture: np.ndarray, dtype: str, kind: int, layout: dict) -> None:
    colors = picture * np.uint16(257) if kind == 1 else to_linear(picture)
    write_tiff(tmp_path / "a.tif", np.moveaxis(colors.astype(dtype), -1, 0), kind, planes=True, **layout)
    photo = open_photo(tmp_path / "a.tif")
    assert worst(photo.pixels_srgb, picture) == 0
    assert photo.pixels_deep is not None and photo.pixels_deep.dtype == (np.uint16 if kind == 1 else np.float16)


def test_further_channels_are_passed_over(tmp_path: Path, picture: np.ndarray) -> None:
    """As Photoshop writes selections that were kept."""
    alpha = np.full((HEIGHT, WIDTH), 65_535, np.uint16)
    alpha[:5] = 0
    colors = np.dstack([picture * np.uint16(257), np.full_like(alpha, 9), alpha])
    write_tiff(tmp_path / "a.tif", colors.astype("<u2"), 1, tags={338: (3, [0, 2])})
    photo = open_photo(tmp_path / "a.tif")
    assert worst(photo.pixels_srgb[5:], picture[5:]) == 0
    assert photo.pixels_deep is not None and photo.opaque is not None
    assert not photo.opaque[:5].any() and photo.opaque[5:].all()


def test_exif_of_floating_point_colours(tmp_path: Path, picture: np.ndarray) -> None:
    turned = np.rot90(to_linear(picture)).astype("<f4")
    write_tiff(tmp_path / "a.tif", turned, 3, orientation=6, exif={0xA405: (3, [28])})
    photo = open_photo(tmp_path / "a.tif")
    assert worst(photo.pixels_srgb, picture) == 0
    assert photo.exif.focal_35mm == 28


@pytest.mark.parametrize("kind", [1, 3])
def test_a_small_copy_that_comes_first_is_not_the_photo(tmp_path: Path, picture: np.ndarray, kind: int) -> None:
    pixels = picture if kind == 1 else to_linear(picture).astype("<f4")
    write_tiff(tmp_path / "a.tif", pixels, kind, thumbnail=np.zeros((16, 24, 3), np.uint8))
    photo = open_photo(tmp_path / "a.tif")
    assert worst(photo.pixels_srgb, picture) == 0


def test_a_page_of_another_kind_behind_the_photo_does_not_count(tmp_path: Path, picture: np.ndarray) -> None:
    light = np.zeros((HEIGHT, WIDTH, 3), "<f4")
    write_tiff(tmp_path / "a.tif", light, 3, thumbnail=picture, thumbnail_kind=0)
    photo = open_photo(tmp_path / "a.tif")
    assert worst(photo.pixels_srgb, picture) == 0
    assert any("the first one was used" in w for w in photo.warnings)


@pytest.mark.parametrize(("shape", "told"), [((4, 5), "too small: 5 x 4"), ((16, 70_000), "too large: 70000 x 16")])
def test_the_page_that_is_used_has_the_right_size(tmp_path: Path, shape: tuple[int, int], told: str) -> None:
    small = np.zeros((32, 48, 3), np.uint8)
    write_tiff(tmp_path / "a.tif", np.zeros((*shape, 3), np.uint8), 1, thumbnail=small)
    with pytest.raises(PhotoError, match=told):
        open_photo(tmp_path / "a.tif")


def test_a_small_copy_may_be_tiny(tmp_path: Path, picture: np.ndarray) -> None:
    write_tiff(tmp_path / "a.tif", picture, 1, thumbnail=np.zeros((8, 12, 3), np.uint8))
    assert worst(open_photo(tmp_path / "a.tif").pixels_srgb, picture) == 0


@pytest.mark.parametrize(
    "tag", [{274: (7, b"ab")}, {274: (3, [1, 6])}, {274: (3, [99])}, {34675: (3, [1, 2, 3])}, {34675: (4, [7])}]
)
def test_tags_of_another_type_say_nothing(tmp_path: Path, picture: np.ndarray, tag: dict) -> None:
    write_tiff(tmp_path / "a.tif", to_linear(picture).astype("<f4"), 3, tags=tag)
    assert worst(open_photo(tmp_path / "a.tif").pixels_srgb, picture) == 0


@pytest.mark.parametrize("tag", [{256: (7, b"ab")}, {257: (7, b"ab")}])
def test_sides_of_another_type_are_damage(tmp_path: Path, picture: np.ndarray, tag: dict) -> None:
    write_tiff(tmp_path / "a.tif", to_linear(picture).astype("<f4"), 3, tags=tag)
    with pytest.raises(PhotoError, match="damaged"):
        open_photo(tmp_path / "a.tif")


def test_16_bits_behind_a_small_copy_stay(tmp_path: Path, picture: np.ndarray) -> None:
    deep = (picture * np.uint16(257)).astype("<u2")
    write_tiff(tmp_path / "a.tif", deep, 1, thumbnail=np.zeros((16, 24, 3), np.uint8))
    photo = open_photo(tmp_path / "a.tif")
    assert photo.pixels_deep is not None and (photo.pixels_deep == deep).all()
    assert any("number 2 was used" in w for w in photo.warnings)


@pytest.mark.parametrize(
    ("compression", "name"), [(34712, "JPEG 2000"), (34887, "LERC"), (50002, "JPEG XL"), (4711, "number 4711")]
)
def test_compressions_that_are_not_read_are_named(
    tmp_path: Path, picture: np.ndarray, compression: int, name: str
) -> None:
    write_tiff(tmp_path / "a.tif", picture, 1, tags={259: (3, [compression])})
    with pytest.raises(PhotoError, match=rf"a\.tif is compressed .* \({name}\)") as caught:
        open_photo(tmp_path / "a.tif")
    assert "Deflate" in caught.value.remedy


def test_compressions_that_pillow_alone_knows_keep_16_bits(tmp_path: Path, picture: np.ndarray) -> None:
    lzma = pytest.importorskip("lzma")
    deep = (picture * np.uint16(257)).astype("<u2")
    packed = np.frombuffer(lzma.compress(deep.tobytes(), check=lzma.CHECK_NONE), np.uint8)
    tags = {256: (4, [WIDTH]), 257: (4, [HEIGHT]), 258: (3, [16] * 3), 259: (3, [34925]), 262: (3, [2]), 277: (3, [3])}
    tags |= {278: (4, [HEIGHT]), 339: (3, [1] * 3)}
    write_tiff(tmp_path / "a.tif", packed.reshape(1, -1, 1), 1, tags=tags)
    photo = open_photo(tmp_path / "a.tif")
    assert photo.pixels_deep is not None and (photo.pixels_deep == deep).all()


@pytest.mark.parametrize(
    ("dtype", "kind", "told"), [("<u4", 1, "32-bit whole numbers"), ("<i2", 2, "16-bit whole numbers")]
)
def test_numbers_that_are_no_photo_are_refused(tmp_path: Path, dtype: str, kind: int, told: str) -> None:
    write_tiff(tmp_path / "a.tif", np.zeros((HEIGHT, WIDTH, 3), dtype), kind)
    with pytest.raises(PhotoError, match=told):
        open_photo(tmp_path / "a.tif")


@pytest.mark.parametrize("deflated", [False, True])
def test_floating_point_that_is_cut_short_is_damaged(tmp_path: Path, picture: np.ndarray, deflated: bool) -> None:
    path = tmp_path / "a.tif"
    write_tiff(path, to_linear(picture).astype("<f4"), 3, deflated=deflated)
    behind_the_middle = path.stat().st_size // 2
    write_tiff(path, to_linear(picture).astype("<f4"), 3, deflated=deflated, tags={273: (4, [behind_the_middle])})
    with pytest.raises(PhotoError, match=r"a\.tif .*damaged"):
        open_photo(path)


def test_grey_of_floating_point(tmp_path: Path) -> None:
    Image.new("F", (WIDTH, HEIGHT), 0.25).save(tmp_path / "a.tif")
    assert (open_photo(tmp_path / "a.tif").pixels_srgb == 137).all()
