"""Which source a photo's camera follows, and what straight lines add to it."""

from __future__ import annotations

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from infinidepth_blender.camera import Camera
from infinidepth_blender.engine.exif_camera import PhotoExif
from infinidepth_blender.engine.photo import Photo
from infinidepth_blender.engine.photo_camera import (
    DEFAULT_FOV_RAD,
    CameraEstimate,
    find_camera,
    tilted,
)
from infinidepth_blender.options import ReconstructOptions

BLANK = np.full((300, 400, 3), 128, np.uint8)


def photo_of(
    pixels: NDArray[np.uint8] = BLANK, exif: PhotoExif | None = None, opaque: NDArray[np.bool_] | None = None
) -> Photo:
    return Photo(Path("photo.png"), pixels, opaque, exif or PhotoExif(), False, "")


def street(camera: Camera) -> NDArray[np.uint8]:
    """Blocks of houses with windows along both sides of a street, drawn with their edges."""
    image = np.full((camera.height_px, camera.width_px, 3), 225, np.uint8)
    to_camera = camera.world_rotation().T

    def draw(start: tuple[float, float, float], end: tuple[float, float, float]) -> None:
        turned = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]])
        points = np.linspace(start, end, 60) @ turned.T @ to_camera.T
        points = points[points[:, 2] > 0.5]
        if len(points) < 2:
            return
        pixels = points[:, :2] / points[:, 2:] * camera.fx_px + (camera.cx_px, camera.cy_px)
        ends = np.round((np.clip(pixels[[0, -1]], -4e3, 4e3) - 0.5) * 64).astype(int)
        cv2.line(image, tuple(ends[0].tolist()), tuple(ends[1].tolist()), (40, 40, 40), 2, cv2.LINE_AA, 6)

    for x in (-4.0, 5.0):
        for y in np.arange(3.0, 30.0, 3.0):
            for z in (-1.5, 1.0, 3.5, 6.0):
                draw((x, y, z), (x, y + 2.0, z))
                draw((x, y, z), (x, y, z + 1.5))
                draw((x, y, z), (math.copysign(abs(x) + 2.5, x), y, z))
    return image


def test_the_best_source_wins() -> None:
    exif = PhotoExif(focal_35mm=26)
    estimate = math.radians(70)

    def chosen(estimated: float | None, exif: PhotoExif, **options: float) -> tuple[str, float, int]:
        found = find_camera(photo_of(exif=exif), ReconstructOptions(**options), CameraEstimate(estimated))  # type: ignore[arg-type]
        assert found.record == {}
        return found.camera.source, math.degrees(found.camera.fov_x_rad), len(found.warnings)

    assert chosen(estimate, exif, focal_px=200) == ("given", pytest.approx(90), 0)
    assert chosen(estimate, exif, fov_deg=60) == ("given", pytest.approx(60), 0)
    assert chosen(estimate, exif)[0] == "exif"
    assert chosen(estimate, PhotoExif()) == ("estimated", pytest.approx(70), 1)
    assert chosen(None, PhotoExif()) == ("default", pytest.approx(math.degrees(DEFAULT_FOV_RAD)), 1)
    assert chosen(math.nan, PhotoExif())[0] == "default"
    assert chosen(estimate, PhotoExif(focal_35mm=0.1)) == ("estimated", pytest.approx(70), 2)


def test_a_camera_file_comes_first_and_keeps_its_tilt(tmp_path: Path) -> None:
    def found(name: str, text: str) -> Camera:
        (tmp_path / name).write_text(text)
        options = ReconstructOptions(camera=str(tmp_path / name))
        estimate = CameraEstimate(math.radians(70), 0.2, -0.1)
        answer = find_camera(photo_of(exif=PhotoExif(focal_35mm=26)), options, estimate)
        assert answer.warnings == ()
        return answer.camera

    bare = found("camera.txt", "200 210 190 160")
    assert (bare.fx_px, bare.fy_px, bare.cx_px, bare.cy_px, bare.source) == (200, 210, 190, 160, "given")
    assert (bare.pitch_rad, bare.roll_rad) == (0.2, -0.1)
    level = Camera(400, 300, 200, 210, 190, 160, "given", 0.0, 0.0)
    assert found("camera.json", json.dumps(level.to_json())) == level


def test_default_holds_along_the_longer_side() -> None:
    found = find_camera(photo_of(BLANK.transpose(1, 0, 2).copy()), ReconstructOptions(), CameraEstimate())
    assert found.camera.fov_y_rad == pytest.approx(DEFAULT_FOV_RAD)
    assert "--fov" in found.warnings[0]


def test_tilt_that_nobody_would_photograph_with_is_ignored() -> None:
    level = Camera.from_focal_px(500, 640, 480)
    assert (tilted(level, 0.2, -0.1).pitch_rad, tilted(level, 0.2, -0.1).roll_rad) == (0.2, -0.1)
    for pitch, roll in ((None, None), (1.5, 0), (0, 1.0), (math.nan, 0)):
        assert tilted(level, pitch, roll) == level


def test_straight_lines_correct_lens_and_tilt() -> None:
    true = Camera(900, 600, 700, 700, 450, 300, "given", 0.08, -0.015)
    photo = photo_of(street(true))
    guess = CameraEstimate(2 * math.atan(450 / 700) * 0.8, 0.0, 0.0)
    found = find_camera(photo, ReconstructOptions(), guess)
    assert found.camera.fx_px == pytest.approx(700, rel=0.02)
    assert found.camera.fy_px == found.camera.fx_px
    assert found.camera.pitch_rad == pytest.approx(0.08, abs=0.005)
    assert found.camera.roll_rad == pytest.approx(-0.015, abs=0.003)
    assert found.camera.source == "estimated"
    assert "straight lines" in found.warnings[0]
    assert found.record["camera_line_segments"] > 50
    assert found.record["camera_line_evidence"] > 10


def test_a_level_scene_keeps_the_lens_that_the_tilt_has_told() -> None:
    photo = photo_of(street(Camera(900, 600, 700, 700, 450, 300, "given", 0.08, -0.015)))
    found = find_camera(photo, ReconstructOptions(tilt="level"), CameraEstimate(1.0, 0.0, 0.0)).camera
    assert (found.pitch_rad, found.roll_rad) == (0.0, 0.0)
    assert found.fx_px == pytest.approx(700, rel=0.02)


def test_a_known_focal_length_stays_and_only_the_tilt_is_corrected(tmp_path: Path) -> None:
    true = Camera(900, 600, 700, 700, 500, 280, "given", 0.08, -0.015)
    (tmp_path / "camera.txt").write_text("700 700 500 280")
    found = find_camera(
        photo_of(street(true)), ReconstructOptions(camera=str(tmp_path / "camera.txt")), CameraEstimate()
    )
    assert (found.camera.fx_px, found.camera.cx_px, found.camera.cy_px) == (700, 500, 280)
    assert found.camera.pitch_rad == pytest.approx(0.08, abs=0.005)
    assert found.camera.roll_rad == pytest.approx(-0.015, abs=0.003)
    assert found.warnings == ()


def test_lines_are_not_asked_where_a_cut_out_or_a_panorama_would_mislead_them() -> None:
    picture = street(Camera(900, 600, 700, 700, 450, 300, "given", 0.08, 0.0))
    opaque = np.ones(picture.shape[:2], bool)
    opaque[:, :200] = False
    estimate = CameraEstimate(1.0, 0.0, 0.0)
    wide = [street(Camera(900, height, 700, 700, 450, height / 2, "given", 0.08, 0.0)) for height in (375, 360)]
    assert find_camera(photo_of(wide[0]), ReconstructOptions(), estimate).record != {}
    for photo in (photo_of(picture, opaque=opaque), photo_of(wide[1])):
        found = find_camera(photo, ReconstructOptions(), estimate)
        assert found.record == {}
        assert found.camera.fov_x_rad == pytest.approx(1.0)


def test_pixels_that_are_not_square_keep_the_estimated_tilt(tmp_path: Path) -> None:
    photo = photo_of(street(Camera(900, 600, 700, 700, 450, 300, "given", 0.08, 0.0)))
    (tmp_path / "camera.txt").write_text("700 760 450 300")
    options = ReconstructOptions(camera=str(tmp_path / "camera.txt"))
    camera = find_camera(photo, options, CameraEstimate(None, 0.02, 0.01)).camera
    assert (camera.pitch_rad, camera.roll_rad) == (0.02, 0.01)


def test_lines_that_lead_to_an_impossible_tilt_change_nothing() -> None:
    photo = photo_of(street(Camera(900, 600, 700, 700, 450, 300, "given", 0.08, 0.0)))
    estimate = CameraEstimate(1.0, math.radians(74.9), math.radians(1.7))
    found = find_camera(photo, ReconstructOptions(), estimate)
    assert found.record == {}
    assert found.camera.fov_x_rad == pytest.approx(1.0)
    assert found.camera.pitch_rad == estimate.pitch_rad


@pytest.mark.parametrize("pitch_deg", [-60, 60])
def test_lines_do_not_make_a_photo_a_telephoto(pitch_deg: float) -> None:
    photo = photo_of(street(Camera(900, 600, 700, 700, 450, 300, "given", 0.08, 0.0)))
    found = find_camera(photo, ReconstructOptions(), CameraEstimate(0.6, math.radians(pitch_deg), 0.03))
    assert 0.6 / 3 < found.camera.fov_x_rad < 0.6 * 3


def test_a_facade_seen_from_the_front_tells_the_tilt_but_not_the_lens() -> None:
    picture = np.full((600, 900, 3), 225, np.uint8)
    for row in range(60, 600, 120):
        for column in range(50, 900, 140):
            cv2.rectangle(picture, (column, row), (column + 70, row + 80), (40, 60, 90), -1)
    found = find_camera(photo_of(picture), ReconstructOptions(), CameraEstimate(1.0, 0.05, 0.02))
    assert found.camera.fov_x_rad == pytest.approx(1.0, rel=0.05)
    assert found.camera.pitch_rad == pytest.approx(0.0, abs=0.01)
    assert found.camera.roll_rad == pytest.approx(0.0, abs=0.003)
    assert found.record["camera_lines_tell_focal"] is False
    assert "straight lines" not in found.warnings[0]
    assert "was assumed" in find_camera(photo_of(picture), ReconstructOptions(), CameraEstimate()).warnings[0]
