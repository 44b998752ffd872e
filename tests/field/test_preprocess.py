"""The network's input keeps the aspect ratio, comes close to the budget, and maps angles rightly."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from field_fixtures import make_photo

from infinidepth_blender.field.preprocess import MAX_ASPECT, patch_grid, prepare_image


@pytest.mark.parametrize("aspect", [1, 4 / 3, 3 / 2, 16 / 9, 2.39, 4, 9 / 16, 0.25, 1.234])
@pytest.mark.parametrize("tokens", [100, 160, 400])
def test_the_grid_of_patches_keeps_aspect_and_budget(aspect: float, tokens: int) -> None:
    rows, columns = patch_grid(1000 * aspect, 1000, tokens)
    assert abs(math.log(columns / rows / aspect)) < 0.08
    assert 0.75 < rows * columns / tokens < 1.35


@pytest.mark.parametrize(("height", "width"), [(480, 640), (3000, 1), (1, 3000), (1, 1), (17, 9), (2000, 1500)])
def test_sides_are_multiples_of_the_patch_and_content_is_not_squeezed(height: int, width: int) -> None:
    prepared = prepare_image(make_photo(height, width), 160, 16)
    out_height, out_width = prepared.image.shape[-2:]
    assert out_height % 16 == out_width % 16 == 0
    assert 100 <= out_height * out_width / 256 <= 220
    assert 0.2 < out_width / out_height < 5
    if max(height, width) <= MAX_ASPECT * min(height, width):
        assert prepared.inside_y == prepared.inside_x == 1
        assert abs(math.log(out_width / out_height / (width / height))) < 0.08


def test_the_content_of_a_strip_is_where_the_coordinates_say() -> None:
    photo = np.zeros((10, 400, 3), dtype=np.uint8)
    photo[:5] = 255
    prepared = prepare_image(photo, 160, 16)
    image = prepared.image[0, 0].numpy()
    middle = image.shape[0] // 2
    half = round(prepared.inside_y * image.shape[0] / 2)
    assert prepared.inside_x == 1
    # Top and bottom colours are continued outside of the strip.
    assert (image[: middle - 1] == 1).all()
    assert (image[middle + 1 :] == 0).all()
    assert 1 <= half < middle


def test_shrinking_averages_areas() -> None:
    photo = np.zeros((640, 640, 3), dtype=np.uint8)
    photo[::2, ::2] = 200
    prepared = prepare_image(photo, 16, 16)
    inner = prepared.image[0, :, 4:-4, 4:-4]
    assert float((inner - 50 / 255).abs().max()) < 0.02


@pytest.mark.parametrize("size", [(40, 56), (300, 420), (200, 90)])
def test_photos_of_any_size_reach_the_published_networks_as_in_their_own_code(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    for photo in (noise, noise.astype(np.float32) / 255):
        prepared = prepare_image(photo, 48, 16, in_one_step=True)
        height, width = prepared.image.shape[-2:]
        assert prepared.inside_x == prepared.inside_y == 1
        expected = cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA)
        expected = expected / 255 if photo.dtype == np.uint8 else expected
        np.testing.assert_allclose(prepared.image[0].permute(1, 2, 0).numpy(), expected, atol=1e-6)


def test_the_field_of_view_of_a_photo_and_of_a_strip_of_it() -> None:
    # A focal length equal to half the width sees 90 degrees.
    whole = prepare_image(make_photo(60, 80), 160, 16)
    assert whole.fov_x_rad(math.log(40 / 100)) == pytest.approx(math.pi / 2)
    strip = prepare_image(make_photo(5, 400), 160, 16)
    input_height_px = 5 / strip.inside_y
    assert strip.fov_x_rad(math.log(200 / math.hypot(400, input_height_px))) == pytest.approx(math.pi / 2)


def test_pixels_that_are_not_finite_do_not_reach_the_network() -> None:
    photo = np.full((32, 32, 3), 0.5, dtype=np.float32)
    photo[3, 4] = np.nan
    photo[9, 4] = np.inf
    image = prepare_image(photo, 16, 16).image
    assert bool(image.isfinite().all())
    assert float(image.max()) <= 1


def test_wrong_types_are_refused() -> None:
    with pytest.raises(ValueError, match="uint8 or float32"):
        prepare_image(np.zeros((4, 4, 3), dtype=np.int32), 16, 16)  # pyright: ignore[reportArgumentType]
