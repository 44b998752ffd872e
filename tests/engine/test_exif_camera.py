"""Focal lengths from EXIF."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from infinidepth_blender.engine.exif_camera import PhotoExif, camera_from_exif, read_exif
from infinidepth_blender.engine.photo import open_photo

FULL_FRAME = math.hypot(36, 24)


def focal(exif: PhotoExif, width: int, height: int) -> float | None:
    camera, _ = camera_from_exif(exif, width, height)
    if camera is None:
        return None
    assert camera.fx_px == camera.fy_px and camera.source == "exif"
    assert (camera.cx_px, camera.cy_px) == (width / 2, height / 2)
    return camera.fx_px


def test_35mm_equivalent_by_the_diagonal() -> None:
    assert focal(PhotoExif(focal_35mm=24), 3600, 2400) == pytest.approx(2400)  # a 3:2 sensor: mm map to px directly
    phone = focal(PhotoExif(focal_35mm=26), 4032, 3024)
    assert phone == pytest.approx(26 * math.hypot(4032, 3024) / FULL_FRAME)
    assert focal(PhotoExif(focal_35mm=26), 3024, 4032) == pytest.approx(phone)  # portrait, the same lens


def test_resized_photos_scale_the_focal_length() -> None:
    exif = PhotoExif(focal_35mm=26, width_px=4032, height_px=3024)
    assert focal(exif, 1008, 756) == pytest.approx(focal(exif, 4032, 3024) / 4)  # type: ignore[operator]


def test_focal_plane_resolution() -> None:
    # A 22.3 mm wide sensor with 5184 pixels, given in inches as cameras do.
    exif = PhotoExif(focal_mm=50, plane_x_per_mm=5184 / 22.3, plane_y_per_mm=5184 / 22.3, width_px=5184, height_px=3456)
    assert focal(exif, 5184, 3456) == pytest.approx(50 / 22.3 * 5184)
    assert focal(exif, 1296, 864) == pytest.approx(50 / 22.3 * 1296)


def test_digital_zoom_counts_once() -> None:
    plain = PhotoExif(focal_35mm=52)
    zoomed = PhotoExif(focal_35mm=52, focal_mm=4.2, digital_zoom=2)
    assert focal(zoomed, 4000, 3000) == focal(plain, 4000, 3000)
    sensor = PhotoExif(focal_mm=10, plane_x_per_mm=100, width_px=4000, height_px=3000)
    zoomed = PhotoExif(focal_mm=10, plane_x_per_mm=100, width_px=4000, height_px=3000, digital_zoom=2)
    assert focal(zoomed, 4000, 3000) == pytest.approx(2 * focal(sensor, 4000, 3000))  # type: ignore[operator]


def test_cropped_photos_keep_the_lens_and_say_so() -> None:
    exif = PhotoExif(focal_35mm=26, width_px=4000, height_px=3000)
    whole = 26 * 5000 / FULL_FRAME
    camera, warnings = camera_from_exif(exif, 4000, 2250)  # 16:9 out of 4:3
    assert camera is not None and camera.fx_px == pytest.approx(whole)
    assert len(warnings) == 1 and "cropped" in warnings[0] and "4000 x 3000" in warnings[0]
    camera, _ = camera_from_exif(exif, 1500, 1500)  # a square, made smaller too
    assert camera is not None and camera.fx_px == pytest.approx(whole / 2)


def test_turned_without_the_tag_is_no_crop() -> None:
    exif = PhotoExif(focal_35mm=26, width_px=4000, height_px=3000)
    camera, warnings = camera_from_exif(exif, 3000, 4000)
    assert camera is not None and camera.fx_px == pytest.approx(26 * 5000 / FULL_FRAME)
    assert warnings == []


@pytest.mark.parametrize("size", [(3456, 5184), (1728, 2592)])
def test_turned_without_the_tag_keeps_the_focal_length_of_the_sensor(size: tuple[int, int]) -> None:
    plane = 5184 / 22.3
    exif = PhotoExif(focal_mm=50, plane_x_per_mm=plane, plane_y_per_mm=plane, width_px=5184, height_px=3456)
    camera, warnings = camera_from_exif(exif, *size)
    assert camera is not None and camera.fx_px == pytest.approx(50 / 22.3 * size[1])
    assert warnings == []


@pytest.mark.parametrize("focal_35mm", [0.5, 60_000])
def test_implausible_lenses_are_ignored_with_a_warning(focal_35mm: float) -> None:
    camera, warnings = camera_from_exif(PhotoExif(focal_35mm=focal_35mm), 4000, 3000)
    assert camera is None
    assert len(warnings) == 1 and "cannot be" in warnings[0]


def test_panoramas_are_no_pinhole() -> None:
    camera, warnings = camera_from_exif(PhotoExif(focal_35mm=26), 15_000, 3800)
    assert camera is None and "panorama" in warnings[0]


def test_a_focal_length_without_a_sensor_says_nothing() -> None:
    assert camera_from_exif(PhotoExif(focal_mm=4.2), 4000, 3000) == (None, [])
    assert camera_from_exif(PhotoExif(), 4000, 3000) == (None, [])


def test_read_exif_takes_units_and_turns() -> None:
    ifd = {
        0x920A: IFDRational(50, 1),
        0xA405: 80,
        0xA20E: IFDRational(5_184_000, 894),
        0xA20F: IFDRational(3_456_000, 597),
        0xA210: 2,
        0xA002: 5184,
        0xA003: 3456,
    }
    exif = read_exif(ifd)
    assert (exif.focal_mm, exif.focal_35mm) == (50, 80)
    assert exif.plane_x_per_mm == pytest.approx(5_184_000 / 894 / 25.4)
    turned = read_exif(ifd, turned=True)
    assert (turned.width_px, turned.height_px) == (3456, 5184)
    assert turned.plane_x_per_mm == exif.plane_y_per_mm


@pytest.mark.parametrize("junk", [0, -5, "wide", IFDRational(0, 0), None, (), ("a", 2), float("nan")])
def test_read_exif_survives_junk(junk: object) -> None:
    exif = read_exif({0xA405: junk, 0x920A: junk, 0xA20E: junk, 0xA210: junk, 0xA404: junk, 0xA002: junk})
    assert exif == PhotoExif()


@pytest.mark.parametrize("orientation", [1, 6])
def test_from_a_real_file(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    ifd = exif.get_ifd(0x8769)
    ifd[0xA405], ifd[0x920A], ifd[0xA002], ifd[0xA003] = 28, IFDRational(17, 4), 400, 300
    Image.fromarray(np.zeros((300, 400, 3), np.uint8)).save(tmp_path / "a.jpg", exif=exif)
    photo = open_photo(tmp_path / "a.jpg")
    assert photo.exif.focal_35mm == 28 and photo.exif.focal_mm == 4.25
    assert (photo.exif.width_px, photo.exif.height_px) == (photo.width_px, photo.height_px)
    assert focal(photo.exif, photo.width_px, photo.height_px) == pytest.approx(28 * 500 / FULL_FRAME)
