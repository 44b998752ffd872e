"""Lenses of every shape, as Blender and EXIF records see them, and photos whose names are written in two ways."""

from __future__ import annotations

import math
import unicodedata
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from infinidepth_blender.batch import BatchItem
from infinidepth_blender.camera import SENSOR_MM, Camera
from infinidepth_blender.commands.partners import Partners
from infinidepth_blender.engine.exif_camera import PhotoExif, camera_from_exif
from infinidepth_blender.options import ReconstructOptions

Form = Literal["NFC", "NFD"]
SHAPES = [(600, 400, 700.0, 500.0), (600, 400, 500.0, 700.0), (400, 600, 700.0, 500.0), (400, 600, 500.0, 700.0)]


@pytest.mark.parametrize(("width", "height", "fx", "fy"), SHAPES)
def test_blender_sees_each_pixel_where_the_camera_does(width: int, height: int, fx: float, fy: float) -> None:
    """As Blender's view plane is computed (`BKE_camera_params_compute_viewplane`)."""
    camera = Camera(width, height, fx, fy, 0.4 * width, 0.7 * height)
    lens = camera.blender_lens()
    stretch = lens.pixel_aspect_y / lens.pixel_aspect_x
    side = width if lens.sensor_fit == "HORIZONTAL" else stretch * height
    size = SENSOR_MM / lens.lens_mm / side
    for x, y in ((0, 0), (width, 0), (0.3 * width, height)):
        right = (x - width / 2 + lens.shift_x * side) * size
        up = ((height / 2 - y) * stretch + lens.shift_y * side) * size
        assert right == pytest.approx((x - camera.cx_px) / fx)
        assert up == pytest.approx(-(y - camera.cy_px) / fy)


@pytest.mark.parametrize("middle", [0.5, 0.1, 1.3])
def test_fields_of_view_are_angles_between_borders(middle: float) -> None:
    camera = Camera(600, 400, 500.0, 450.0, middle * 600, middle * 400)
    for found, ends in (
        (camera.fov_x_rad, ([0, 600], [camera.cy_px] * 2)),
        (camera.fov_y_rad, ([camera.cx_px] * 2, [0, 400])),
    ):
        a, b = camera.unproject(np.array(ends[0]), np.array(ends[1]), np.ones(2)).astype(float)
        assert found == pytest.approx(math.acos(a @ b / np.linalg.norm(a) / np.linalg.norm(b)), rel=1e-5)


@pytest.mark.parametrize(("plane_y", "focal_px"), [(50.0, 2500.0), (None, 5000.0)])
def test_a_photo_that_an_editor_turned_has_its_sensor_turned(plane_y: float | None, focal_px: float) -> None:
    exif = PhotoExif(focal_mm=50, plane_x_per_mm=100, plane_y_per_mm=plane_y, width_px=6000, height_px=4000)
    camera, notes = camera_from_exif(exif, 4000, 6000)
    assert camera is not None and camera.fx_px == pytest.approx(focal_px) and notes == []


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_accents_that_are_written_in_another_way_are_the_same_name(tmp_path: Path, forms: tuple[Form, Form]) -> None:
    """Disks and archives of macOS take letters and accents apart."""
    photo, depth = (
        tmp_path / kind / unicodedata.normalize(form, f"häusér.{end}")
        for kind, form, end in zip(("in", "depth"), forms, ("jpg", "npy"), strict=True)
    )
    for path in (photo, depth):
        path.parent.mkdir()
        path.touch()
    item = BatchItem(photo, tmp_path / "out")
    options, notes = Partners({"depth_prompt": depth.parent}).options_for(item, ReconstructOptions())
    assert options.depth_prompt is not None and Path(options.depth_prompt).samefile(depth) and notes == []
